//! Learning from pairs.

mod loss;
mod pairs;
mod reward;
mod tuning;

pub use loss::{PairBatch, PreferenceLoss};
pub use pairs::TokenPair;
pub use reward::{RewardModelParams, RewardModelling, reward_modelling};
pub use tuning::{PairStep, PreferenceTuning, preference_tuning};
