//! Exact quantities of enumerable worlds, in f64: never sampled, and written without `objective` or `algorithm`, so
//! that each is the other's oracle.

mod tree;

pub use tree::{Engine, PromptStats};
