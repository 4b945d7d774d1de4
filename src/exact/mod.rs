//! Exact quantities of enumerable worlds, in f64: never sampled, and written without `objective` or `algorithm`, so
//! that each is the other's oracle.

mod bounds;
mod tree;

pub use bounds::{Surrogate, sharp_bound, sharp_tabular_bound, theorem1_bound};
pub use tree::{Engine, PromptStats};
