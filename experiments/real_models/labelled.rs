//! Labelled texts: of the small world, or lines of a JSONL file.

use rewardlab::env::Split;
use rewardlab::env::text::{self, BOS, Class, EOS, class, encode, members};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::Context;
use rewardlab::lm::LanguageModel;
use rewardlab::rng::Stream;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::Path;

/// A yes-or-no question about texts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
    /// Its name in rows and figures; in the small world `reviews` (more praise than blame?) or `animals` (is it about an animal?).
    pub(crate) name: String,
    /// A folder with `train.jsonl` and `test.jsonl` (`prompt` and `completion`, one behind the other the text, and `label`, 0 or 1), as
    /// `rewardlab data import` writes it; empty: the small world.
    pub(crate) data: String,
    /// Tokens of a text that are read, from its start; 8 to 8192.
    pub(crate) length: usize,
}

/// Texts with their truth.
#[derive(Clone, Debug, Default)]
pub(crate) struct Labelled {
    pub(crate) texts: Vec<Vec<u32>>,
    pub(crate) truth: Vec<bool>,
}

const SMALL: [&str; 2] = ["reviews", "animals"];

impl Question {
    /// Of the small world.
    pub(crate) fn small(name: &str) -> Self {
        Self { name: name.into(), data: String::new(), length: 64 }
    }

    /// # Errors
    /// The first field that is illegal.
    pub(crate) fn validate(&self) -> Result<()> {
        Error::check_counts(&[("length", self.length, 8, 8192)])?;
        if self.data.is_empty() && !SMALL.contains(&self.name.as_str()) {
            return Err(Error::unknown("question", &self.name, SMALL));
        }
        Ok(())
    }

    /// As many texts with the answer yes as with no, from one half of the data: of the small world the same in all cells at a seed, of a
    /// file the first that it has.
    ///
    /// # Errors
    /// A file that is missing or malformed, or has too few lines of a class.
    pub(crate) fn open(&self, model: &LanguageModel, split: Split, count: usize, ctx: &Context) -> Result<Labelled> {
        let name = if split == Split::Train { "train" } else { "test" };
        if !self.data.is_empty() {
            return self.read(&Path::new(&self.data).join(format!("{name}.jsonl")), count, model);
        }
        let mut rng = ctx.shared_stream(&format!("{} {name}", self.name));
        let mut found = Labelled::default();
        for i in 0..count {
            let yes = i % 2 == 0;
            let mut text = if self.name == "reviews" { review(split, yes, &mut rng) } else { sentence(yes, &mut rng) };
            text.truncate(self.length);
            found.texts.push(text);
            found.truth.push(yes);
        }
        Ok(found)
    }

    fn read(&self, path: &Path, count: usize, model: &LanguageModel) -> Result<Labelled> {
        let lines = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
        let (mut found, mut left) = (Labelled::default(), [count / 2, count.div_ceil(2)]);
        for (i, line) in lines.lines().enumerate() {
            if left == [0; 2] {
                break;
            }
            let wrong = |message: String| Error::content(path, format!("line {}", i + 1), message);
            let fields: Map<String, Value> = serde_json::from_str(line).map_err(|e| wrong(e.to_string()))?;
            let string = |key: &str| {
                let value = fields.get(key).and_then(Value::as_str);
                value.ok_or_else(|| wrong(format!("expected a string under `{key}`")))
            };
            let label = fields.get("label").and_then(Value::as_u64).filter(|l| *l < 2);
            let label = label.ok_or_else(|| wrong("expected 0 or 1 under `label`".into()))? as usize;
            if left[label] == 0 {
                continue;
            }
            left[label] -= 1;
            let mut tokens = model.tokenizer.encode(&format!("{}{}", string("prompt")?, string("completion")?))?;
            tokens.truncate(self.length.min(model.config.context));
            if tokens.len() < 2 {
                return Err(wrong("a text of at least two tokens is needed".into()));
            }
            found.texts.push(tokens);
            found.truth.push(label == 1);
        }
        if left == [0, 0] {
            return Ok(found);
        }
        let message = format!("too few lines: {} of label 0 and {} of label 1 are missing", left[0], left[1]);
        Err(Error::content(path, "lines", message))
    }
}

/// A review with four clauses, more of them praise (or blame) than the other.
fn review(split: Split, praise: bool, rng: &mut Stream) -> Vec<u32> {
    loop {
        let input = text::Task::Sentiment.input(split, rng);
        let mut tokens = input.prompt.clone();
        tokens.extend(text::review_continuation(rng));
        let count = |wanted: Class| tokens.iter().filter(|t| class(**t) == Some(wanted)).count();
        let (good, bad) = (count(Class::Praise), count(Class::Blame));
        if good != bad && (good > bad) == praise {
            return tokens;
        }
    }
}

/// `<bos> the red dog is in the park . anna was in the market . <eos>`: of an animal, or of a thing. What else is said tells nothing.
fn sentence(animal: bool, rng: &mut Stream) -> Vec<u32> {
    let word = |class: Class, rng: &mut Stream| {
        let members = members(class);
        members[rng.below(members.len())]
    };
    let the = |text: &str| encode(text).unwrap_or_default();
    let subject = if animal { Class::Animal } else { Class::Object };
    let mut tokens = vec![BOS];
    tokens.extend(the("the"));
    tokens.extend([word(Class::Colour, rng), word(subject, rng)]);
    tokens.extend(the("is in the"));
    tokens.push(word(Class::Place, rng));
    tokens.extend(the("."));
    tokens.push(word(Class::Name, rng));
    tokens.extend(the("was in the"));
    tokens.push(word(Class::Place, rng));
    tokens.extend(the("."));
    tokens.push(EOS);
    tokens
}
