//! Language-like classification: 25 questions with a yes or a no about short texts, in one vocabulary, in the role of the 22 data sets of
//! arXiv:2312.09390; and the unlabelled text of the same world, which at times answers its own questions, as text of the web does. That is
//! what makes a concept salient to a model that was pretrained on it.
//!
//! The texts are of eight genres, and a genre has several tasks, so that the question counts: letters, digits, brackets and clauses have
//! four to six each, the three kinds of arguments one or two. Every task draws near twins, one text with the answer yes and one with the
//! answer no, of the same length and, where the question allows, of the same tokens: what tells the classes apart is what is asked.
//!
//! # Example
//! ```
//! use rewardlab::env::tasks::{Task, example, spell};
//! use rewardlab::rng::Stream;
//!
//! let (yes, no) = Task::Order.pair(&mut Stream::named(&["tasks", "example"]));
//! assert_eq!(spell(&example(Task::Order, &yes)), "<begin> c d g a c f g c f f b c d order?");
//! assert_eq!(spell(&example(Task::Order, &no)), "<begin> c d g b c f g c f f a c d order?");
//! assert!(Task::Order.answer(&yes) && !Task::Order.answer(&no));
//! ```

mod arguments;
mod brackets;
mod clauses;
mod digits;
mod letters;
mod mixture;
mod vocab;

pub use mixture::{DOCUMENT_MAX, Mixture, document};
pub use vocab::{BEGIN, END, NO, SEPARATOR, VOCAB, YES, spell};

use crate::rng::Stream;
use serde::{Deserialize, Serialize};

/// Fewest tokens of a text.
pub const TEXT_MIN: usize = 8;
/// Most tokens of a text.
pub const TEXT_MAX: usize = 17;

/// A text with the answer yes, and its near twin with the answer no.
pub type Pair = (Vec<u32>, Vec<u32>);

/// What a text is made of; every task of a genre can be asked of all of its texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Genre {
    /// 8 to 16 of eight letters.
    Letters,
    /// 8 to 14 digits.
    Digits,
    /// 8 to 16 brackets of two kinds.
    Brackets,
    /// Two clauses with subjects, neighbours of subjects, negations and verbs.
    Clauses,
    /// An event told twice.
    Events,
    /// People compared by height, and a conclusion.
    Comparisons,
    /// What holds of all of a kind, somebody's kind, and a conclusion.
    Kinds,
    /// What holds of all or of some, and a conclusion.
    Quantifiers,
}

/// A question with a yes or a no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Is there an a?
    Contains,
    /// Does an a stand before the first b?
    Order,
    /// Are there more a than b?
    Majority,
    /// Is the number of a even?
    Parity,
    /// Does a letter stand beside its like?
    Doubled,
    /// Do the letters read the same from behind?
    Palindrome,
    /// Is the first digit above the last?
    Falls,
    /// Is the sum of the first and the last digit even?
    EndsEven,
    /// Is no digit below the one before it?
    Sorted,
    /// Is the largest digit in the first half?
    EarlyMaximum,
    /// Does a digit occur twice?
    Repeated,
    /// Are more digits 5 or above than below?
    MostlyLarge,
    /// Is every bracket closed, and none unopened?
    Balanced,
    /// Are three brackets open at once?
    Deep,
    /// Does the last bracket close the first?
    Enclosed,
    /// Are brackets of two kinds closed in the right order?
    Nested,
    /// Does every verb agree with its subject in number?
    Agreement,
    /// Does somebody sleep, negations considered?
    Sleeps,
    /// Is a dog the subject of a clause?
    DogActs,
    /// Are more nouns plural than singular?
    MostlyPlural,
    /// Do both parts, active or passive, tell the same event?
    Paraphrase,
    /// Does the comparison follow from the others?
    Comparison,
    /// Does what is said of somebody follow from what holds of their kind?
    Inherits,
    /// Does the second statement follow from the first?
    Entails,
    /// Can the two statements not both be true?
    Contradicts,
}

struct Entry {
    genre: Genre,
    name: &'static str,
    pair: fn(&mut Stream) -> Pair,
    answer: fn(&[u32]) -> bool,
}

macro_rules! table {
    ($(($task:ident, $genre:ident, $name:literal, $module:ident :: $answer:ident, $pair:ident)),* $(,)?) => {
        const TABLE: &[Entry] = &[$(Entry {
            genre: Genre::$genre,
            name: $name,
            pair: $module::$pair,
            answer: $module::$answer,
        }),*];
        impl Task {
            /// Every task, genre by genre.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$task),*];
        }
    };
}

table![
    (Contains, Letters, "contains", letters::contains, contains_pair),
    (Order, Letters, "order", letters::order, order_pair),
    (Majority, Letters, "majority", letters::majority, majority_pair),
    (Parity, Letters, "parity", letters::parity, parity_pair),
    (Doubled, Letters, "doubled", letters::doubled, doubled_pair),
    (Palindrome, Letters, "palindrome", letters::palindrome, palindrome_pair),
    (Falls, Digits, "falls", digits::falls, falls_pair),
    (EndsEven, Digits, "ends_even", digits::ends_even, ends_even_pair),
    (Sorted, Digits, "sorted", digits::sorted, sorted_pair),
    (EarlyMaximum, Digits, "early_maximum", digits::early_maximum, early_maximum_pair),
    (Repeated, Digits, "repeated", digits::repeated, repeated_pair),
    (MostlyLarge, Digits, "mostly_large", digits::mostly_large, mostly_large_pair),
    (Balanced, Brackets, "balanced", brackets::balanced, balanced_pair),
    (Deep, Brackets, "deep", brackets::deep, deep_pair),
    (Enclosed, Brackets, "enclosed", brackets::enclosed, enclosed_pair),
    (Nested, Brackets, "nested", brackets::nested, nested_pair),
    (Agreement, Clauses, "agreement", clauses::agreement, agreement_pair),
    (Sleeps, Clauses, "sleeps", clauses::sleeps, sleeps_pair),
    (DogActs, Clauses, "dog_acts", clauses::dog_acts, dog_acts_pair),
    (MostlyPlural, Clauses, "mostly_plural", clauses::mostly_plural, mostly_plural_pair),
    (Paraphrase, Events, "paraphrase", arguments::paraphrase, paraphrase_pair),
    (Comparison, Comparisons, "comparison", arguments::comparison, comparison_pair),
    (Inherits, Kinds, "inherits", arguments::inherits, inherits_pair),
    (Entails, Quantifiers, "entails", arguments::entails, entails_pair),
    (Contradicts, Quantifiers, "contradicts", arguments::contradicts, contradicts_pair),
];

impl Task {
    fn entry(self) -> &'static Entry {
        &TABLE[self as usize]
    }

    /// Short name: the variant's, in snake case.
    pub fn name(self) -> &'static str {
        self.entry().name
    }

    /// The token that asks it.
    pub fn question(self) -> u32 {
        vocab::question(self)
    }

    /// What its texts are made of.
    pub fn genre(self) -> Genre {
        self.entry().genre
    }

    /// Two texts of [`TEXT_MIN`] to [`TEXT_MAX`] tokens, of the same length: the first with the answer yes, the second with the answer no.
    pub fn pair(self, rng: &mut Stream) -> Pair {
        (self.entry().pair)(rng)
    }

    /// The right answer, read from the text alone. The text is of the task's genre; of other texts no answer means anything.
    pub fn answer(self, text: &[u32]) -> bool {
        (self.entry().answer)(text)
    }
}

/// What a classifier reads: [`BEGIN`], the text, the question. The class is read off the last token.
pub fn example(task: Task, text: &[u32]) -> Vec<u32> {
    [&[BEGIN], text, &[task.question()]].concat()
}

/// Draws until something is drawn.
fn draw_until<T>(rng: &mut Stream, mut draw: impl FnMut(&mut Stream) -> Option<T>) -> T {
    loop {
        if let Some(drawn) = draw(rng) {
            return drawn;
        }
    }
}

#[cfg(test)]
mod tests;
