//! What is measured of a training run: rewards, groups, KL, entropy, clipping. Names are those of TRL where the meaning is
//! equal (column `name` below), and say more where it is not.
//!
//! | function | column | meaning |
//! |---|---|---|
//! | [`reward`] | `reward` | mean over outputs (TRL's) |
//! | [`reward_std_batch`] | `reward_std_batch` | spread over the whole batch, prompts mixed |
//! | [`reward_std_prompt`] | `reward_std_prompt` | mean over groups of the spread within each |
//! | [`dead_groups`] | `frac_reward_zero_std` | share of groups with equal rewards (TRL's with `scale_rewards` `group` or `none`) |
//! | [`expected_dead_groups`] | `frac_reward_zero_std_expected` | the same, predicted exactly from the reward's distribution |
//! | [`kl_k1`], [`kl_k2`], [`kl_k3`] | `kl_k1`, … | estimates from sampled tokens; never plain `kl` |
//! | [`kl_exact`] | `kl_exact` | of whole next-token distributions, at given contexts |
//! | [`entropy`] | `entropy` | mean per context of the whole distribution (TRL's) |
//! | [`clip_fraction`] | `clip_ratio/low_mean`, `clip_ratio/high_mean`, `clip_ratio/region_mean` | tokens whose gradient the clip stops (TRL's GRPO) |
//! | [`grad_norm`] | `grad_norm` | ‖gradient‖ of all parameters, before it is clipped (TRL's) |
//!
//! Which of many solutions is chosen, and how often it is right: [`selection`].
//!
//! What a few samples say of the spread of a prompt's rewards before any training: [`RewardPrior`].
//!
//! What a strong model recovers of the gap between its weak teacher and its ceiling: [`gap_recovered`].
//!
//! Information is in nats. A mean over nothing is NaN: not measured is not zero.

mod clip;
mod information;
mod preflight;
mod rewards;
pub mod selection;
mod weak_to_strong;

pub use clip::{ClipFraction, clip_fraction, grad_norm};
pub use information::{entropy, kl_exact, kl_k1, kl_k2, kl_k3};
pub use preflight::{RewardPrior, SpreadPrediction, Spreads};
pub use rewards::{
    dead_groups, expected_dead_groups, expected_dead_groups_of, reward, reward_std_batch, reward_std_prompt,
};
pub use weak_to_strong::{Scores, accuracy, agreement, auc, balanced, gap_recovered};
