//! Worlds: prompts, outputs, and the true reward of each. Enumerable, so that everything about them is exact; and text
//! tasks for transformers, whose rewards are exact too.

pub mod arithmetic;
mod automaton;
pub mod chess;
mod idx;
mod outline;
mod sentiment;
mod split;
mod steps;
pub mod tasks;
pub mod text;
pub mod translation;
mod world;

pub use automaton::{Automaton, Ngrams, TokenWorld};
pub use idx::{Images, Split};
pub use outline::Outline;
pub use sentiment::{Sentiment, Word};
pub use steps::{StepLabel, supervised};
pub use world::{Tree, World};
