//! Worlds: prompts, outputs, and the true reward of each. Enumerable, so that everything about them is exact.

mod world;

pub use world::{Tree, World};
