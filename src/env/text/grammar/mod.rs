//! The grammars, one file per task: each draws the body of a prompt and what answers it.

pub(super) mod answering;
pub(super) mod concepts;
pub(super) mod dialogue;
pub(super) mod review;
pub(super) mod summary;
pub(super) mod table;
pub(super) mod translation;

use super::vocab::{Class, members, text};
use crate::rng::Stream;

/// A prompt without its heading, and its answers, in words.
pub(super) struct Draft {
    pub(super) body: String,
    pub(super) references: Vec<String>,
    /// Whether what plain text says behind it earns the reward anyway.
    pub(super) settled: bool,
}

impl Draft {
    fn new(body: String, references: [String; 2]) -> Self {
        Self { body, references: references.into(), settled: false }
    }
}

/// One word of a class.
pub(super) fn pick(rng: &mut Stream, class: Class) -> &'static str {
    let words = members(class);
    text(words[rng.below(words.len())])
}

/// `N` different words of a class that has that many.
fn distinct<const N: usize>(rng: &mut Stream, class: Class) -> [&'static str; N] {
    let (words, order) = (members(class), rng.permutation(members(class).len()));
    std::array::from_fn(|i| text(words[order[i]]))
}

/// A fair coin.
pub(super) fn coin(rng: &mut Stream) -> bool {
    rng.uniform() < 0.5
}
