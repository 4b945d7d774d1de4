//! Objectives and losses as pure functions of log-probabilities (or rewards), one file each.
//!
//! Every function returns its value and adds `scale` · ∂`value/∂log_prob` to `weights`; a policy turns weights into a
//! parameter gradient. `*_objective` is maximised, `*_loss` is minimised; to descend a loss pass a negative scale.
//! A *distribution* objective sees the log-probabilities of all tokens of one context; a *sample* objective those of
//! chosen outputs only.
//!
//! A batch of sequences is flat: the chosen tokens of all completions one after the other, with `lengths`, the number of
//! tokens of each. Rewards and advantages are one per sequence unless a function says per token.

mod advantage;
mod entropy;
mod expected_reward;
mod filtered;
mod grpo;
mod kl;
mod kl_control;
mod nll;
mod offline;
mod policy_gradient;
mod ppo;
mod preference;
mod value;
mod verifier;
mod weak_to_strong;

pub use advantage::{
    MovingAverage, batch_mean_advantages, dr_grpo_advantages, gae_advantages, grpo_advantages, grpo_batch_advantages,
    in_groups, reinforce_advantages, rloo_advantages, terminal_rewards, whiten,
};
pub use entropy::entropy_objective;
pub use expected_reward::expected_reward_objective;
pub use filtered::{filtered_nll_loss, filtered_token_nll_loss, sequence_nll_loss, token_nll_loss};
pub use grpo::{dr_grpo_objective, grpo_objective, grpo_token_mean_objective, rloo_objective};
pub use kl::{
    corrected_k1_loss, corrected_k2_loss, corrected_k3_loss, k1, k1_loss, k2, k2_loss, k3, k3_loss, kl_loss,
    kl_penalised_rewards, kl_penalised_token_rewards,
};
pub use kl_control::AdaptiveKl;
pub use nll::{nll_loss, soft_cross_entropy_loss};
pub use offline::{
    GeometricSchedule, VTrace, behaviour_kl_loss, gold_loss, oac_loss, vmpo_policy_loss, vmpo_temperature_loss,
    vmpo_weights, vtrace, weighted_nll_loss,
};
pub use policy_gradient::{policy_gradient_objective, sequence_policy_gradient_objective};
pub use ppo::{expected_ppo_clip_objective, ppo_clip_objective};
pub use preference::{
    Kto, bradley_terry_loss, conservative_dpo_loss, dpo_loss, implicit_rewards, ipo_loss, ipo_token_mean_loss,
    kto_loss, orpo_loss, simpo_loss, unlikelihood_loss, unweighted_dpo_loss,
};
pub use value::{clipped_value_loss, value_loss};
pub use verifier::{
    class_loss, class_of, cross_entropy_loss, outcome_loss, outcome_product_loss, process_class_loss, process_loss,
    supervised_steps,
};
pub use weak_to_strong::{
    balanced_classes, confidence_loss, entropy_regularised_loss, matched_classes, product_loss, weak_label_loss,
};

use std::ops::Range;

/// The token ranges of sequences that lie one after the other.
///
/// # Panics
/// If the lengths do not add up to `tokens`.
fn sequences(lengths: &[usize], tokens: usize) -> impl Iterator<Item = Range<usize>> {
    assert_eq!(lengths.iter().sum::<usize>(), tokens, "the lengths must add up to the number of tokens");
    lengths.iter().scan(0, |start, length| {
        *start += length;
        Some(*start - length..*start)
    })
}

#[cfg(test)]
pub(crate) mod golden;
#[cfg(test)]
pub(crate) mod testing;
