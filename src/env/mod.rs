//! Worlds: prompts, outputs, and the true reward of each. Enumerable, so that everything about them is exact.

mod idx;
mod world;

pub use idx::{Images, Split};
pub use world::{Tree, World};
