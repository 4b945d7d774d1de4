//! Objectives and losses as pure functions of log-probabilities (or rewards), one file each.
//!
//! Every function returns its value and adds `scale` · ∂`value/∂log_prob` to `weights`; a policy turns weights into a
//! parameter gradient. `*_objective` is maximised, `*_loss` is minimised; to descend a loss pass a negative scale.
//! A *distribution* objective sees the log-probabilities of all tokens of one context; a *sample* objective those of
//! chosen outputs only.

mod entropy;
mod expected_reward;
mod group;
mod nll;
mod ppo;

pub use entropy::entropy_objective;
pub use expected_reward::expected_reward_objective;
pub use group::{
    dr_grpo_advantages, grpo_advantages, policy_gradient_objective, reinforce_advantages, rloo_advantages,
};
pub use nll::{nll_loss, soft_cross_entropy_loss};
pub use ppo::{expected_ppo_clip_objective, ppo_clip_objective};

#[cfg(test)]
mod testing;
