//! Exact quantities of enumerable worlds, in f64: never sampled, and written without `objective` or `algorithm`, so
//! that each is the other's oracle.

pub mod bandit;
mod bounds;
mod flow;
mod logit_gradient;
mod tree;

pub use bounds::{Surrogate, sharp_bound, sharp_tabular_bound, theorem1_bound};
pub use flow::{Crossing, Flow};
pub use logit_gradient::{log_prob_gradient, policy_field, regularised_gradient, reward_std, softmax, value_gradient};
pub use tree::{Engine, PromptStats};
