//! Learning from pairs.

mod loss;

pub use loss::{PairBatch, PreferenceLoss};
