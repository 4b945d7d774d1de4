//! Rewards of written completions: what pays a real model. Each is named by one line of text, for a command line or a config file.

mod lexicon;
mod model;
mod program;
mod verifier;

pub use lexicon::Lexicon;
pub use model::{ScoreModel, score_head};
pub use program::Program;
pub use verifier::{final_number, is_exact_match, is_same_number};

use crate::error::{Error, Result};
use crate::lm::{Message, Placement};
use regex::Regex;
use serde_json::{Map, Value};
use std::path::Path;
use std::time::Duration;

/// The kinds and what stands behind the colon of each.
pub const KINDS: &str =
    "lexicon:FILE, regex:PATTERN, exact[:FIELD], number[:FIELD], classifier:DIR[#LABEL], model:DIR, program:COMMAND";

/// A completion that is to be paid.
#[derive(Clone, Copy, Debug)]
pub struct Written<'a> {
    /// The prompt as text.
    pub prompt: &'a str,
    /// Its turns; none for plain text.
    pub messages: &'a [Message],
    /// The completion as text.
    pub completion: &'a str,
    /// The other fields of the prompt's line, where answers stand.
    pub fields: &'a Map<String, Value>,
}

/// What pays completions.
#[derive(Debug)]
pub enum TextReward {
    /// The valence of the words, in (−1, 1).
    Lexicon(Lexicon),
    /// 1 where the pattern is found in the completion.
    Pattern(Regex),
    /// 1 where the completion is the answer in this field, white space around both left out.
    Exact(String),
    /// 1 where the completion's final number is that of this field.
    Number(String),
    /// A sequence classifier's probability of a label, or a reward model's score.
    Model(Box<ScoreModel>),
    /// A program that reads JSONL and writes scores.
    Program(Program),
}

impl TextReward {
    /// The reward that a line of text names: see [`KINDS`]. `FIELD` is `answer` if it is not given; `LABEL` is the last.
    ///
    /// # Errors
    /// An unknown kind; a pattern that is none; files that are missing or malformed. `timeout` is a program's, for all completions of a
    /// call.
    pub fn parse(text: &str, timeout: Duration) -> Result<Self> {
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let needs = |what: &str| {
            if rest.is_empty() { Err(Error::parameter("reward", text, format!("{kind}:{what}"))) } else { Ok(rest) }
        };
        let field = || if rest.is_empty() { "answer".to_owned() } else { rest.to_owned() };
        match kind {
            "lexicon" => Lexicon::read(Path::new(needs("FILE")?)).map(Self::Lexicon),
            "regex" => {
                let wrong = |e: &regex::Error| {
                    let message = e.to_string();
                    let last = message.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                    Error::parameter("reward", text, format!("a regular expression: {last}"))
                };
                Regex::new(needs("PATTERN")?).map(Self::Pattern).map_err(|e| wrong(&e))
            }
            "exact" => Ok(Self::Exact(field())),
            "number" => Ok(Self::Number(field())),
            "classifier" => ScoreModel::classifier(needs("DIR[#LABEL]")?).map(|m| Self::Model(Box::new(m))),
            "model" => ScoreModel::reward_model(Path::new(needs("DIR")?)).map(|m| Self::Model(Box::new(m))),
            "program" => Ok(Self::Program(Program::new(needs("COMMAND")?, timeout))),
            other => {
                let kinds = KINDS.split(", ").map(|k| k.split([':', '[']).next().unwrap_or(k));
                Err(Error::unknown("reward", other, kinds))
            }
        }
    }

    /// The same; a model computes on a device.
    ///
    /// # Errors
    /// As of [`ScoreModel::on`].
    pub fn on(self, placement: &Placement) -> Result<Self> {
        match self {
            Self::Model(model) => model.on(placement).map(|m| Self::Model(Box::new(m))),
            other => Ok(other),
        }
    }

    /// Least and greatest value that it can take, where that is known.
    pub fn range(&self) -> Option<(f64, f64)> {
        match self {
            Self::Lexicon(_) => Some((-1.0, 1.0)),
            Self::Pattern(_) | Self::Exact(_) | Self::Number(_) => Some((0.0, 1.0)),
            Self::Model(model) => model.range(),
            Self::Program(_) => None,
        }
    }

    /// The reward of each completion.
    ///
    /// # Errors
    /// A prompt without the field that holds its answer; a program that fails, is too slow, or writes something else than one finite
    /// number per completion; a text that does not fit the model.
    pub fn score(&mut self, written: &[Written]) -> Result<Vec<f64>> {
        let yes = |yes: bool| f64::from(u8::from(yes));
        let rewards = match self {
            Self::Lexicon(lexicon) => written.iter().map(|w| lexicon.valence(w.completion)).collect(),
            Self::Pattern(pattern) => written.iter().map(|w| yes(pattern.is_match(w.completion))).collect(),
            Self::Exact(field) => {
                let one = |w: &Written| Ok(yes(is_exact_match(w.completion, &answer(w, field)?)));
                written.iter().map(one).collect::<Result<_>>()?
            }
            Self::Number(field) => {
                let one = |w: &Written| is_same_number(w.completion, &answer(w, field)?).map(yes);
                written.iter().map(one).collect::<Result<_>>()?
            }
            Self::Model(model) => model.score(written)?,
            Self::Program(program) => program.score(written)?,
        };
        Error::check_finite("reward", &rewards)?;
        Ok(rewards)
    }
}

/// The answer in a field of a prompt's line.
fn answer(written: &Written, field: &str) -> Result<String> {
    match written.fields.get(field) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        other => {
            let value = other.map_or_else(|| "missing".to_owned(), Value::to_string);
            let start: String = written.prompt.chars().take(40).collect();
            Err(Error::parameter(format!("field `{field}` of the prompt {start:?}"), value, "a string or a number"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(reward: &str, completions: &[&str], fields: &Value) -> Result<Vec<f64>> {
        let fields = fields.as_object().expect("an object");
        let written: Vec<Written> =
            completions.iter().map(|completion| Written { prompt: "Q", messages: &[], completion, fields }).collect();
        TextReward::parse(reward, Duration::from_secs(10))?.score(&written)
    }

    #[test]
    fn verifiers_pay_what_they_say() {
        let fields = serde_json::json!({"answer": "1,234", "word": " yes "});
        let of = |reward: &str, completions: &[&str]| scores(reward, completions, &fields).expect("legal");
        assert_eq!(of("regex:(?i)good", &["GOOD film", "bad"]), [1.0, 0.0]);
        assert_eq!(of("exact:word", &["yes\n", "Yes"]), [1.0, 0.0]);
        assert_eq!(of("number", &["it is 1234.", "12 then 1,234.0", "1234 or 5", "none"]), [1.0, 1.0, 0.0, 0.0]);
        assert_eq!(of("number", &["7\n#### 1234\nso 8 is not it"]), [1.0]);
    }

    #[test]
    fn what_cannot_pay_says_why() {
        let complaint = |reward: &str| {
            let error = scores(reward, &["x"], &serde_json::json!({"answer": []})).expect_err(reward);
            error.to_string()
        };
        assert_eq!(complaint("regexp:x"), "unknown reward `regexp`; did you mean `regex`?");
        assert!(complaint("regex:(").contains("regular expression"), "{}", complaint("regex:("));
        assert_eq!(complaint("regex"), "parameter reward = regex: must be regex:PATTERN");
        assert!(complaint("exact").contains("field `answer`"));
        assert!(complaint("number:missing").contains("missing"));
        assert!(complaint("model:/no/such/folder").starts_with("/no/such/folder"));
    }
}
