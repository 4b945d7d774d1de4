//! Preferences: pairs of completions, who says which is better, and the files that hold them.
//!
//! The files are JSONL in TRL's shapes, so that the same file trains here and there:
//!
//! | type | line |
//! |---|---|
//! | [`Pair`] | `{"prompt": …, "chosen": …, "rejected": …}` |
//! | [`Marked`] | `{"prompt": …, "completion": …, "label": true}` |
//!
//! and, read by [`read_lines`], whatever else models are trained on ([`Shape`]). A pair may leave its prompt out: then it is what both
//! completions begin with. Each text is a string, or a list of messages `{"role": …, "content": …}` (then in all fields of the line). Other fields are ignored.

mod jsonl;
mod labeller;
mod lines;

pub use crate::lm::Message;
pub use jsonl::{read_marked, read_pairs, write_marked, write_pairs};
pub use labeller::{Labeller, pairs_of_group};
pub use lines::{Line, Lines, Shape, read_lines};

use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A prompt or a completion.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Text {
    /// Plain text.
    Plain(String),
    /// A conversation.
    Messages(Vec<Message>),
}

/// Two completions of a prompt, the better one first.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pair {
    /// What both complete.
    pub prompt: Text,
    /// The better.
    pub chosen: Text,
    /// The worse.
    pub rejected: Text,
}

/// A completion that was marked good or bad.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Marked {
    /// What it completes.
    pub prompt: Text,
    /// The completion.
    pub completion: Text,
    /// Whether it is good.
    pub label: bool,
}

impl Text {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Plain(text) => text.is_empty(),
            Self::Messages(messages) => messages.iter().all(|m| m.content.is_empty()),
        }
    }

    /// What is said, without who says it: the turns' contents, a line break between them.
    pub fn content(&self) -> Cow<'_, str> {
        match self {
            Self::Plain(text) => text.into(),
            Self::Messages(messages) => {
                messages.iter().map(|m| m.content.as_str()).collect::<Vec<_>>().join("\n").into()
            }
        }
    }

    /// The turns; none of plain text.
    pub fn messages(&self) -> &[Message] {
        match self {
            Self::Plain(_) => &[],
            Self::Messages(messages) => messages,
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::Plain(text.to_owned())
    }
}
