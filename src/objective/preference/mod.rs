//! Losses of preferences: pairs of a chosen and a rejected completion, or single completions marked good or bad.
//!
//! A batch of n pairs is flat, as trainers concatenate it: the log-probabilities of the n chosen completions, then those of
//! the n rejected ones, each summed over its tokens, nats. Every loss is a mean over pairs. Tokens of a completion share its weight:
//! ∂(Σ log π)/∂log π of a token is 1.
//!
//! Symbols: ρ(y) = log π(y) − log `π_ref`(y); h = ρ(chosen) − ρ(rejected); β `beta`; β ρ is the implicit reward.

mod bradley_terry;
mod dpo;
mod ipo;
mod kto;
mod orpo;
mod simpo;
mod unlikelihood;

pub use bradley_terry::bradley_terry_loss;
pub use dpo::{conservative_dpo_loss, dpo_loss, implicit_rewards, unweighted_dpo_loss};
pub use ipo::{ipo_loss, ipo_token_mean_loss};
pub use kto::{Kto, kto_loss};
pub use orpo::orpo_loss;
pub use simpo::simpo_loss;
pub use unlikelihood::unlikelihood_loss;

/// A mean over pairs of a function of one number per completion: `of_pair(chosen, rejected, i)` gives the value and its two
/// derivatives.
fn mean_over_pairs(
    values: &[f64],
    scale: f64,
    weights: &mut [f64],
    of_pair: impl Fn(f64, f64, usize) -> (f64, [f64; 2]),
) -> f64 {
    assert!(values.len() == weights.len() && values.len().is_multiple_of(2), "chosen, then as many rejected");
    let n = values.len() / 2;
    let share = 1.0 / n.max(1) as f64;
    let mut total = 0.0;
    for i in 0..n {
        let (value, [chosen, rejected]) = of_pair(values[i], values[n + i], i);
        total += value;
        weights[i] += scale * share * chosen;
        weights[n + i] += scale * share * rejected;
    }
    total * share
}

/// log π − log `π_ref` of every completion.
fn log_ratios(log_probs: &[f64], reference: &[f64]) -> Vec<f64> {
    assert_eq!(log_probs.len(), reference.len(), "one reference log-probability per completion");
    log_probs.iter().zip(reference).map(|(p, r)| p - r).collect()
}

/// Log-probabilities per token.
fn per_token(log_probs: &[f64], lengths: &[usize]) -> Vec<f64> {
    assert_eq!(log_probs.len(), lengths.len(), "one length per completion");
    assert!(lengths.iter().all(|n| *n > 0), "a completion has at least one token");
    log_probs.iter().zip(lengths).map(|(p, n)| p / *n as f64).collect()
}

/// Turns weights on means over tokens into weights on sums, and adds them.
fn add_per_token(means: &[f64], lengths: &[usize], weights: &mut [f64]) {
    for ((w, mean), n) in weights.iter_mut().zip(means).zip(lengths) {
        *w += mean / *n as f64;
    }
}

#[cfg(test)]
mod golden;
