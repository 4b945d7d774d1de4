//! Supervised losses of whole sequences: plain, and of those that a reward filter keeps (expert iteration).

use super::sequences;

/// `−(1/n) Σ_i Σ_t log π(y_it)`, n the number of tokens: the supervised loss of a batch as trainers have it, nats per token. An empty batch is 0.
///
/// # Shapes
/// `log_probs`, `weights`: one per token of all sequences.
pub fn token_nll_loss(log_probs: &[f64], scale: f64, weights: &mut [f64]) -> f64 {
    assert_eq!(log_probs.len(), weights.len(), "one weight per token");
    let share = 1.0 / log_probs.len().max(1) as f64;
    weights.iter_mut().for_each(|w| *w -= scale * share);
    -share * log_probs.iter().sum::<f64>()
}

/// `−(1/B) Σ_i Σ_t log π(y_it)`: the supervised loss of whole sequences, nats per sequence.
///
/// # Shapes
/// `log_probs`, `weights`: one per token of all sequences; `lengths`: one per sequence.
pub fn sequence_nll_loss(log_probs: &[f64], lengths: &[usize], scale: f64, weights: &mut [f64]) -> f64 {
    filtered_nll_loss(log_probs, lengths, &vec![0.0; lengths.len()], f64::NEG_INFINITY, scale, weights)
}

/// `−(1/B) Σ_i 1[r_i ≥ τ] Σ_t log π(y_it)`: expert iteration's filtered loss, a mean over *all* sequences (Section 3 of
/// arXiv:2308.08998 has this form). None kept: 0. A NaN reward is not kept.
///
/// Drawn from the policy itself, with τ between the two rewards of a binary task, its gradient is minus that of the expected reward over the gap: one step of it
/// *is* REINFORCE.
///
/// # Shapes
/// `log_probs`, `weights`: one per token of all sequences; `lengths`, `rewards`: one per sequence; τ = `threshold`.
pub fn filtered_nll_loss(
    log_probs: &[f64],
    lengths: &[usize],
    rewards: &[f64],
    threshold: f64,
    scale: f64,
    weights: &mut [f64],
) -> f64 {
    kept(log_probs, lengths, rewards, threshold, 1.0 / lengths.len().max(1) as f64, scale, weights)
}

/// `−(1/n_kept) Σ_kept Σ_t log π(y_it)`: a mean over the *kept* tokens, what a supervised trainer makes of the filtered data. None
/// kept: 0. Shapes as for [`filtered_nll_loss`].
pub fn filtered_token_nll_loss(
    log_probs: &[f64],
    lengths: &[usize],
    rewards: &[f64],
    threshold: f64,
    scale: f64,
    weights: &mut [f64],
) -> f64 {
    let tokens: usize = lengths.iter().zip(rewards).filter(|(_, r)| **r >= threshold).map(|(n, _)| n).sum();
    kept(log_probs, lengths, rewards, threshold, 1.0 / tokens.max(1) as f64, scale, weights)
}

fn kept(
    log_probs: &[f64],
    lengths: &[usize],
    rewards: &[f64],
    threshold: f64,
    share: f64,
    scale: f64,
    weights: &mut [f64],
) -> f64 {
    assert!(
        log_probs.len() == weights.len() && lengths.len() == rewards.len(),
        "one weight per token, one reward per sequence"
    );
    let mut loss = 0.0;
    for (tokens, reward) in sequences(lengths, log_probs.len()).zip(rewards) {
        if *reward >= threshold {
            loss -= share * log_probs[tokens.clone()].iter().sum::<f64>();
            weights[tokens].iter_mut().for_each(|w| *w -= scale * share);
        }
    }
    loss
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::testing::assert_weights_are_the_derivative;

    const LOG_PROBS: [f64; 4] = [-0.2, -2.0, -3.0, -0.7];
    const LENGTHS: [usize; 3] = [1, 2, 1];
    const REWARDS: [f64; 3] = [0.5, 0.2, 0.9];

    #[test]
    fn weights_are_the_derivative() {
        assert_weights_are_the_derivative(&LOG_PROBS, token_nll_loss);
        assert_weights_are_the_derivative(&LOG_PROBS, |lp, s, w| sequence_nll_loss(lp, &LENGTHS, s, w));
        assert_weights_are_the_derivative(&LOG_PROBS, |lp, s, w| filtered_nll_loss(lp, &LENGTHS, &REWARDS, 0.4, s, w));
        assert_weights_are_the_derivative(&LOG_PROBS, |lp, s, w| {
            filtered_token_nll_loss(lp, &LENGTHS, &REWARDS, 0.4, s, w)
        });
    }

    #[test]
    fn what_is_divided_by() {
        let at = |threshold| {
            let mut w = [0.0; 4];
            let all = filtered_nll_loss(&LOG_PROBS, &LENGTHS, &REWARDS, threshold, 1.0, &mut w);
            let tokens = filtered_token_nll_loss(&LOG_PROBS, &LENGTHS, &REWARDS, threshold, 1.0, &mut [0.0; 4]);
            (all, tokens, w.iter().filter(|w| **w != 0.0).count())
        };
        let (all, tokens, kept) = at(0.5);
        assert!((all - 0.9 / 3.0).abs() < 1e-15 && (tokens - 0.9 / 2.0).abs() < 1e-15 && kept == 2);
        assert_eq!(at(2.0), (0.0, 0.0, 0));
        assert!((at(f64::NEG_INFINITY).1 - token_nll_loss(&LOG_PROBS, 1.0, &mut [0.0; 4])).abs() < 1e-15);
    }
}
