//! The clipped surrogate over sequences: how the tokens of a batch are averaged (GRPO, DAPO, Dr. GRPO), and the ratio of
//! whole sequences (TRL's RLOO).
//!
//! Every token of a sequence has the sequence's advantage. The averages differ only where lengths do: a mean of means
//! gives a token of a long sequence less weight. All are objectives (maximised); TRL's losses are their negatives.

use super::ppo::{clipped_term, log_ratio};
use super::{ppo_clip_objective, sequences};
use std::ops::Range;

/// `(1/B) Σ_i (1/|o_i|) Σ_t min(ρ A_i, clip(ρ) A_i)`: a mean over sequences of means over tokens (Eq. 3 of arXiv:2402.03300 without
/// its KL term; TRL's `loss_type` `grpo`). A sequence without tokens counts as 0.
///
/// # Shapes
/// `log_probs`, `old_log_probs`, `weights`: one per token of all sequences; `lengths`, `advantages`: one per sequence. `clip` is
/// ε ≥ 0, on both sides.
pub fn grpo_objective(
    log_probs: &[f64],
    old_log_probs: &[f64],
    lengths: &[usize],
    advantages: &[f64],
    clip: f64,
    scale: f64,
    weights: &mut [f64],
) -> f64 {
    let batch = lengths.len().max(1) as f64;
    let share = |tokens: &Range<usize>| 1.0 / (batch * tokens.len().max(1) as f64);
    weighted(Tokens { log_probs, old_log_probs, lengths, advantages, clip }, share, scale, weights)
}

/// `(1/Σ|o_i|) Σ_i Σ_t min(ρ A_i, clip(ρ) A_i)`: a mean over all tokens (Eq. 8 of arXiv:2503.14476, DAPO; TRL's `bnpo` over a batch).
/// Shapes as for [`grpo_objective`].
pub fn grpo_token_mean_objective(
    log_probs: &[f64],
    old_log_probs: &[f64],
    lengths: &[usize],
    advantages: &[f64],
    clip: f64,
    scale: f64,
    weights: &mut [f64],
) -> f64 {
    let share = 1.0 / log_probs.len().max(1) as f64;
    weighted(Tokens { log_probs, old_log_probs, lengths, advantages, clip }, |_| share, scale, weights)
}

/// `(1/(B · longest)) Σ_i Σ_t min(ρ A_i, clip(ρ) A_i)`: Dr. GRPO (arXiv:2503.20783), a sum over tokens over a constant, so that length has no
/// weight. `longest` is the greatest length that a completion may have (TRL's `max_completion_length`); at least 1. Use
/// [`super::dr_grpo_advantages`]. Other shapes as for [`grpo_objective`].
#[allow(clippy::too_many_arguments)] // GRPO's seven and the constant
pub fn dr_grpo_objective(
    log_probs: &[f64],
    old_log_probs: &[f64],
    lengths: &[usize],
    advantages: &[f64],
    longest: usize,
    clip: f64,
    scale: f64,
    weights: &mut [f64],
) -> f64 {
    assert!(longest > 0, "longest must be at least 1");
    let share = 1.0 / (lengths.len().max(1) * longest) as f64;
    weighted(Tokens { log_probs, old_log_probs, lengths, advantages, clip }, |_| share, scale, weights)
}

/// `(1/B) Σ_i min(ρ_i A_i, clip(ρ_i) A_i)` with the ratio of whole sequences, `log ρ_i = Σ_t log π − log π_old`: TRL's RLOO loss (its negative). Use
/// [`super::rloo_advantages`]. Shapes as for [`grpo_objective`].
pub fn rloo_objective(
    log_probs: &[f64],
    old_log_probs: &[f64],
    lengths: &[usize],
    advantages: &[f64],
    clip: f64,
    scale: f64,
    weights: &mut [f64],
) -> f64 {
    let batch = Tokens { log_probs, old_log_probs, lengths, advantages, clip };
    batch.check(weights);
    let share = 1.0 / lengths.len().max(1) as f64;
    let mut value = 0.0;
    for (tokens, &advantage) in sequences(lengths, log_probs.len()).zip(advantages) {
        let sum = tokens.clone().map(|t| log_ratio(log_probs[t], old_log_probs[t])).sum();
        let (term, slope) = clipped_term(sum, advantage, clip);
        value += share * term;
        weights[tokens].iter_mut().for_each(|w| *w += scale * share * slope);
    }
    value
}

struct Tokens<'a> {
    log_probs: &'a [f64],
    old_log_probs: &'a [f64],
    lengths: &'a [usize],
    advantages: &'a [f64],
    clip: f64,
}

impl Tokens<'_> {
    fn check(&self, weights: &[f64]) {
        let n = self.log_probs.len();
        assert!(self.old_log_probs.len() == n && weights.len() == n, "one old log-prob and weight per token");
        assert_eq!(self.lengths.len(), self.advantages.len(), "one advantage per sequence");
        assert!(self.clip >= 0.0, "clip must be at least 0, got {}", self.clip);
    }
}

/// Σ over sequences of `share` · Σ over their tokens of the clipped term.
fn weighted(batch: Tokens, share: impl Fn(&Range<usize>) -> f64, scale: f64, weights: &mut [f64]) -> f64 {
    batch.check(weights);
    let mut value = 0.0;
    let mut same = Vec::new();
    for (tokens, &advantage) in sequences(batch.lengths, batch.log_probs.len()).zip(batch.advantages) {
        let share = share(&tokens);
        same.clear();
        same.resize(tokens.len(), advantage);
        let (new, old) = (&batch.log_probs[tokens.clone()], &batch.old_log_probs[tokens.clone()]);
        value += share * ppo_clip_objective(new, old, &same, batch.clip, scale * share, &mut weights[tokens]);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::testing::assert_weights_are_the_derivative;
    use proptest::prelude::*;

    const LENGTHS: [usize; 4] = [2, 0, 1, 3];
    const OLD: [f64; 6] = [-1.0, -1.0, -1.5, -1.5, -0.5, -0.5];
    const NEW: [f64; 6] = [-1.1, -0.4, -1.45, -0.5, -0.55, -2.5];
    const ADVANTAGES: [f64; 4] = [0.7, 5.0, 0.3, -1.1];

    type Rule = fn(&[f64], &[f64], &[usize], &[f64], f64, f64, &mut [f64]) -> f64;
    const RULES: [Rule; 4] = [grpo_objective, grpo_token_mean_objective, dr_grpo_of_three, rloo_objective];

    fn dr_grpo_of_three(
        lp: &[f64],
        old: &[f64],
        lengths: &[usize],
        a: &[f64],
        clip: f64,
        s: f64,
        w: &mut [f64],
    ) -> f64 {
        dr_grpo_objective(lp, old, lengths, a, 3, clip, s, w)
    }

    #[test]
    fn weights_are_the_derivative() {
        for rule in RULES {
            assert_weights_are_the_derivative(&NEW, |lp, s, w| rule(lp, &OLD, &LENGTHS, &ADVANTAGES, 0.2, s, w));
        }
    }

    proptest! {
        /// Where all sequences are equally long and as long as may be, the three averages are one.
        #[test]
        fn averages_agree_at_equal_lengths(new in prop::collection::vec(-3.0..0.0_f64, 6), advantages in prop::collection::vec(-1.0..1.0_f64, 2)) {
            let results = RULES[..3].iter().map(|rule| {
                let mut w = vec![0.0; 6];
                let value = rule(&new, &OLD, &[3, 3], &advantages, 0.2, 1.0, &mut w);
                w.push(value);
                w
            });
            let results: Vec<_> = results.collect();
            for other in &results[1..] {
                prop_assert!(other.iter().zip(&results[0]).all(|(a, b)| (a - b).abs() < 1e-12));
            }
        }

        /// A batch in another order is the same batch.
        #[test]
        fn order_of_sequences_does_not_matter(advantages in prop::collection::vec(-1.0..1.0_f64, 2), split in 0..=6_usize) {
            let turn = |x: &[f64]| [&x[split..], &x[..split]].concat();
            for rule in RULES {
                let (mut here, mut there) = ([0.0; 6], [0.0; 6]);
                let lengths = [split, 6 - split];
                let a = rule(&NEW, &OLD, &lengths, &advantages, 0.2, 1.0, &mut here);
                let b = rule(&turn(&NEW), &turn(&OLD), &[6 - split, split], &[advantages[1], advantages[0]], 0.2, 1.0, &mut there);
                prop_assert!((a - b).abs() < 1e-12);
                prop_assert!(turn(&here).iter().zip(&there).all(|(x, y)| (x - y).abs() < 1e-12));
            }
        }
    }

    /// With one-token sequences the ratio of a sequence is that of its token.
    #[test]
    fn single_tokens_make_rloo_and_grpo_one() {
        let advantages = [0.7, -0.7, 0.7, -0.7, 0.7, -0.7];
        let (mut a, mut b) = ([0.0; 6], [0.0; 6]);
        let one = grpo_objective(&NEW, &OLD, &[1; 6], &advantages, 0.2, 1.0, &mut a);
        let other = rloo_objective(&NEW, &OLD, &[1; 6], &advantages, 0.2, 1.0, &mut b);
        assert!((one - other).abs() < 1e-15 && a.iter().zip(&b).all(|(x, y)| (x - y).abs() < 1e-15));
    }

    #[test]
    fn extreme_and_empty_batches_are_no_nan() {
        for rule in RULES {
            assert_eq!(rule(&[], &[], &[], &[], 0.2, 1.0, &mut []), 0.0);
            assert_eq!(rule(&[], &[], &[0, 0], &[1.0, -1.0], 0.2, 1.0, &mut []), 0.0);
            let mut w = [0.0; 3];
            let value = rule(&[-800.0, -1.0, f64::NEG_INFINITY], &[-1.0, -800.0, -1.0], &[3], &[1.0], 0.2, 1.0, &mut w);
            assert!(value.is_finite() && w.iter().all(|w| w.is_finite()), "{value} {w:?}");
        }
    }
}
