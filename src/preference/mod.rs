//! Preferences: pairs of completions, who says which is better, and the files that hold them.
//!
//! The files are JSONL in TRL's shapes, so that the same file trains here and there:
//!
//! | type | line |
//! |---|---|
//! | [`Pair`] | `{"prompt": …, "chosen": …, "rejected": …}` |
//! | [`Marked`] | `{"prompt": …, "completion": …, "label": true}` |
//!
//! Each text is a string, or a list of messages `{"role": …, "content": …}` (then in all fields of the line). Other fields are ignored.

mod jsonl;
mod labeller;

pub use jsonl::{read_marked, read_pairs, write_marked, write_pairs};
pub use labeller::{Labeller, pairs_of_group};

use serde::{Deserialize, Serialize};

/// A prompt or a completion.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Text {
    /// Plain text.
    Plain(String),
    /// A conversation.
    Messages(Vec<Message>),
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user`, `assistant`, …
    pub role: String,
    /// What is said.
    pub content: String,
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
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::Plain(text.to_owned())
    }
}
