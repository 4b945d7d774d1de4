//! What a model is asked and what it is paid for: inputs of a small world in its words, or lines of a JSONL file.

use super::classifier::{TextClassifier, Training};
use super::subject::{Subject, World};
use rewardlab::algorithm::{Example, Trainee};
use rewardlab::env::Split;
use rewardlab::env::text::{self, Input, OUTPUT_MAX, PROMPT_MAX, TASKS, plain_text};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::Context;
use rewardlab::lm::{LanguageModel, Message, Sampling, Special, Tokenizer};
use rewardlab::reward::text::{TextReward, Written};
use rewardlab::rng::Stream;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::Path;
use std::time::Duration;

/// Prompts whose samples are drawn side by side.
const TOGETHER: usize = 64;

/// Where questions come from and what pays the answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Task {
    /// Its name in rows and figures; for the small world, one of its tasks.
    pub(crate) name: String,
    /// A folder with `train.jsonl` and `test.jsonl` (lines with `prompt`, `completion` and what the reward needs), as
    /// `rewardlab data import` writes it; empty: the small world.
    pub(crate) data: String,
    /// The reward: as `rewardlab preflight` names it; or `trained:FOLDER`, P(label 1) of prompt and answer by a classifier that is trained on the
    /// labelled texts of a folder; empty: the small world's own.
    pub(crate) reward: String,
    /// Whether a prompt is put as a user's turn in the model's chat template, not as the start of a text.
    pub(crate) chat: bool,
    /// Most tokens of an answer; 1 to 4096.
    pub(crate) length: usize,
    /// Whether the paper's claim is made of it (many inputs with a small reward std and a low mean); otherwise it is a control.
    pub(crate) claimed: bool,
}

impl Task {
    /// A task of the small world.
    pub(crate) fn small(name: &str, claimed: bool) -> Self {
        let (data, reward) = (String::new(), String::new());
        Self { name: name.into(), data, reward, chat: false, length: OUTPUT_MAX, claimed }
    }

    /// # Errors
    /// The first field that is illegal.
    pub(crate) fn validate(&self) -> Result<()> {
        Error::check_counts(&[("length", self.length, 1, 4096)])?;
        if self.data.is_empty() != self.reward.is_empty() {
            return Err(Error::parameter("reward", &self.reward, "given for lines of a file, and only for them"));
        }
        if self.data.is_empty() { self.of_world().map(|_| ()) } else { Ok(()) }
    }

    fn of_world(&self) -> Result<text::Task> {
        let found = TASKS.into_iter().find(|t| t.name() == self.name);
        found.ok_or_else(|| Error::unknown("task", &self.name, TASKS.map(text::Task::name)))
    }

    /// Questions of both halves: the first so many of a file's lines, or as many draws, the same in all cells at a seed.
    ///
    /// # Errors
    /// A file that is missing or malformed; too few lines; a prompt that does not fit the model.
    pub(crate) fn open(
        &self,
        (subject, model): (&Subject, &LanguageModel),
        counts: [usize; 2],
        ctx: &Context,
    ) -> Result<Questions> {
        let halves = [(Split::Train, "train"), (Split::Test, "test")];
        let mut both = Vec::new();
        for ((split, name), count) in halves.into_iter().zip(counts) {
            both.push(if self.data.is_empty() {
                let task = self.of_world()?;
                let mut rng = ctx.shared_stream(&format!("{} {name}", self.name));
                (0..count).map(|_| Question::of_world(task.input(split, &mut rng))).collect()
            } else {
                self.read(&Path::new(&self.data).join(format!("{name}.jsonl")), count, model)?
            });
        }
        let reward = match (self.reward.as_str(), self.reward.strip_prefix("trained:")) {
            ("", _) => Reward::OfWorld,
            (_, Some(folder)) => Reward::Trained(TextClassifier::train(subject, model, (folder, Training::REAL), ctx)?),
            (reward, None) => Reward::Text(TextReward::parse(reward, Duration::from_mins(10))?),
        };
        let held_out = both.pop().unwrap_or_default();
        let train = both.pop().unwrap_or_default();
        Ok(Questions { train, held_out, pay: Pay { reward, tokenizer: model.tokenizer.clone(), failure: None } })
    }

    fn read(&self, path: &Path, count: usize, model: &LanguageModel) -> Result<Vec<Question>> {
        lines(path, count, |line| {
            let (prompt, completion) = (line.string("prompt")?, line.string("completion")?);
            let tokens = if self.chat {
                model.encode_chat(&[Message { role: "user".into(), content: prompt.to_owned() }], true)?
            } else {
                model.tokenizer.encode(prompt)?
            };
            let mut reference = model.tokenizer.encode_part(completion)?;
            reference.truncate(self.length);
            if reference.len() < self.length {
                reference.extend(model.tokenizer.special().eos.first());
            }
            let room = model.config.context.saturating_sub(self.length);
            if tokens.is_empty() || tokens.len() > room || reference.is_empty() {
                let message = format!("a prompt of {} tokens, expected 1 to {room}, and a completion", tokens.len());
                return Err(line.wrong(message));
            }
            let source = Source::Line(prompt.to_owned(), line.fields.clone());
            Ok(Some(Question { prompt: tokens, reference, source }))
        })
    }
}

/// A line of a JSONL file.
pub(crate) struct Line<'a> {
    path: &'a Path,
    number: usize,
    fields: Map<String, Value>,
}

impl Line<'_> {
    /// # Errors
    /// No string of that name.
    pub(crate) fn string(&self, key: &str) -> Result<&str> {
        let wrong = || self.wrong(format!("expected a string under `{key}`"));
        self.fields.get(key).and_then(Value::as_str).ok_or_else(wrong)
    }

    /// What is wrong with it.
    pub(crate) fn wrong(&self, message: impl Into<String>) -> Error {
        Error::content(self.path, format!("line {}", self.number), message)
    }
}

/// What `parse` makes of the first `count` lines of a JSONL file that it keeps.
///
/// # Errors
/// A file that cannot be read; a line that is no JSON object, or that `parse` refuses; fewer lines than asked for.
pub(crate) fn lines<T>(path: &Path, count: usize, mut parse: impl FnMut(&Line) -> Result<Option<T>>) -> Result<Vec<T>> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    let mut kept = Vec::with_capacity(count);
    for (i, line) in text.lines().enumerate() {
        if kept.len() == count {
            break;
        }
        let wrong = |e: serde_json::Error| Error::content(path, format!("line {}", i + 1), e.to_string());
        let fields = serde_json::from_str(line).map_err(wrong)?;
        kept.extend(parse(&Line { path, number: i + 1, fields })?);
    }
    if kept.len() < count {
        return Err(Error::content(path, "lines", format!("{} that fit, but {count} are asked for", kept.len())));
    }
    Ok(kept)
}

/// A prompt with a right answer.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) prompt: Vec<u32>,
    /// With the end token, as far as it fits in the task's length.
    pub(crate) reference: Vec<u32>,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    World(Box<Input>),
    /// A prompt as text, and its line.
    Line(String, Map<String, Value>),
}

impl Question {
    fn of_world(input: Input) -> Self {
        let (prompt, reference) = (input.prompt.clone(), input.references[0].clone());
        Self { prompt, reference, source: Source::World(Box::new(input)) }
    }

    pub(crate) fn example(&self) -> Example {
        let tokens = [self.prompt.as_slice(), &self.reference].concat();
        Example { tokens, prompt: self.prompt.len() }
    }
}

/// Questions of both halves, and what pays.
#[derive(Debug)]
pub(crate) struct Questions {
    pub(crate) train: Vec<Question>,
    pub(crate) held_out: Vec<Question>,
    pub(crate) pay: Pay,
}

/// What pays answers.
#[derive(Debug)]
pub(crate) struct Pay {
    reward: Reward,
    tokenizer: Tokenizer,
    /// Why the first answer without a reward has none.
    failure: Option<Error>,
}

#[derive(Debug)]
enum Reward {
    OfWorld,
    Text(TextReward),
    Trained(TextClassifier),
}

impl Pay {
    /// The reward of an answer; NaN, which the loops refuse, where it has none: [`Pay::explain`] says why.
    pub(crate) fn reward(&mut self, question: &Question, answer: &[u32]) -> f64 {
        self.try_reward(question, answer).unwrap_or_else(|e| {
            self.failure.get_or_insert(e);
            f64::NAN
        })
    }

    /// The same, saying why at once.
    ///
    /// # Errors
    /// An answer without a reward.
    pub(crate) fn try_reward(&mut self, question: &Question, answer: &[u32]) -> Result<f64> {
        match (&mut self.reward, &question.source) {
            (Reward::Text(reward), Source::Line(prompt, fields)) => {
                let completion = self.tokenizer.decode(answer)?;
                Ok(reward.score(&[Written { prompt, messages: &[], completion: &completion, fields }])?[0])
            }
            (Reward::Trained(classifier), _) => {
                let words = answer.strip_suffix(&self.tokenizer.special().eos[..]).unwrap_or(answer);
                classifier.probability(&[&question.prompt[..], words].concat())
            }
            (_, Source::World(input)) => Ok(input.reward(answer)),
            (Reward::OfWorld, Source::Line(..)) => Err(Error::Usage("lines of a file need a reward".into())),
        }
    }

    /// A loop's error, or why an answer had no reward.
    pub(crate) fn explain(&mut self, error: Error) -> Error {
        self.failure.take().unwrap_or(error)
    }

    /// The rewards of `samples` answers to each question.
    ///
    /// # Errors
    /// Samples of probability that is not finite; an answer without a reward.
    pub(crate) fn rewards(
        &mut self,
        trainee: &mut Trainee,
        questions: &[Question],
        samples: usize,
        sampling: &Sampling,
        rng: &mut Stream,
    ) -> Result<Vec<Vec<f64>>> {
        let mut rewards = Vec::with_capacity(questions.len());
        for some in questions.chunks(TOGETHER) {
            let prompts: Vec<&[u32]> =
                some.iter().flat_map(|q| std::iter::repeat_n(q.prompt.as_slice(), samples)).collect();
            let mut streams: Vec<Stream> = prompts.iter().map(|_| rng.split()).collect();
            let answers = trainee.sample(&prompts, sampling, &mut streams)?;
            for (question, answers) in some.iter().zip(answers.chunks(samples)) {
                let of_one: Result<Vec<f64>> = answers.iter().map(|a| self.try_reward(question, &a.tokens)).collect();
                rewards.push(of_one?);
            }
        }
        Ok(rewards)
    }
}

/// The world of the seven text tasks, [`rewardlab::env::text`].
pub(crate) fn text_world() -> World {
    World {
        name: "text",
        words: (0..text::vocab() as u32).map(|t| text::decode(&[t])).collect(),
        special: Special { bos: Some(text::BOS), eos: vec![text::EOS], pad: Some(text::PAD), unk: None },
        context: PROMPT_MAX + OUTPUT_MAX,
        document: |rng| {
            let document = plain_text(rng);
            Example { tokens: document.tokens, prompt: document.prompt }
        },
    }
}
