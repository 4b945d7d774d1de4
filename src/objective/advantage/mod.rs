//! Advantages: what each output (or token) earned beyond what was expected of it. Constants to every objective.
//!
//! All functions fill a slice from rewards and know nothing of log-probabilities. Rewards must be finite; each file says
//! what happens to a group or batch without a comparison in it.

mod baseline;
mod gae;
mod group;

pub use baseline::{MovingAverage, batch_mean_advantages, reinforce_advantages};
pub use gae::{gae_advantages, terminal_rewards, whiten};
pub use group::{dr_grpo_advantages, grpo_advantages, grpo_batch_advantages, in_groups, rloo_advantages};
