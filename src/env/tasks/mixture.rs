//! Unlabelled text of all tasks, which at times answers its own questions.

use super::{BEGIN, END, NO, TEXT_MAX, Task, YES};
use crate::error::{Error, Result};
use crate::rng::Stream;
use serde::{Deserialize, Serialize};

/// Most questions behind a text.
const QUESTIONS_MAX: usize = 3;
/// Most tokens of a document.
pub const DOCUMENT_MAX: usize = TEXT_MAX + 2 * QUESTIONS_MAX + 2;

/// What pretraining text is like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mixture {
    /// Whose texts occur, all as often, and which questions are asked; none twice.
    pub tasks: Vec<Task>,
    /// How often a text is followed by a question about it and the answer.
    pub comments: f64,
    /// How often such an answer is right.
    pub reliability: f64,
    /// How often an answer is followed by another question of the genre, up to three of them.
    pub further: f64,
}

impl Mixture {
    /// Checks the fields.
    ///
    /// # Errors
    /// No task, or one twice; a frequency outside 0 to 1.
    pub fn validate(&self) -> Result<()> {
        let twice = |(i, task): (usize, &Task)| self.tasks[..i].contains(task);
        if self.tasks.is_empty() || self.tasks.iter().enumerate().any(twice) {
            let names: Vec<&str> = self.tasks.iter().map(|t| t.name()).collect();
            return Err(Error::parameter("mixture's tasks", names.join(" "), "one or more, none of them twice"));
        }
        for (name, value) in [("comments", self.comments), ("reliability", self.reliability), ("further", self.further)]
        {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::parameter(name, value, "between 0 and 1"));
            }
        }
        Ok(())
    }
}

/// A document of the mixture: [`BEGIN`], a text of one of its tasks, at times questions with [`YES`] or [`NO`], [`END`]; at most
/// [`DOCUMENT_MAX`] tokens. The first question is the one that the text was drawn for, with both answers as often.
///
/// # Panics
/// If the mixture has no task: [`Mixture::validate`].
pub fn document(mixture: &Mixture, rng: &mut Stream) -> Vec<u32> {
    let task = mixture.tasks[rng.below(mixture.tasks.len())];
    let (yes, no) = task.pair(rng);
    let text = if rng.below(2) == 0 { yes } else { no };
    let mut tokens = vec![BEGIN];
    tokens.extend(&text);
    let others: Vec<Task> = mixture.tasks.iter().copied().filter(|t| *t != task && t.genre() == task.genre()).collect();
    let asked = rng.permutation(others.len()).into_iter().map(|i| others[i]);
    let mut frequency = mixture.comments;
    for task in std::iter::once(task).chain(asked).take(QUESTIONS_MAX) {
        if rng.uniform() >= frequency {
            break;
        }
        let right = rng.uniform() < mixture.reliability;
        tokens.extend([task.question(), if task.answer(&text) == right { YES } else { NO }]);
        frequency = mixture.further;
    }
    tokens.push(END);
    tokens
}
