//! Identity preference optimisation (arXiv:2310.12036).

use super::{add_per_token, log_ratios, mean_over_pairs, per_token};

/// `(1/n) Σ (h − 1/(2τ))²`, Eq. 17 of arXiv:2310.12036, with log-probabilities summed over tokens as in the original DPO
/// code (which calls τ `beta`). Its minimiser is finite for deterministic labels too: h = 1/(2τ).
///
/// # Shapes
/// `log_probs`, `reference`, `weights`: chosen, then rejected completions. τ = `tau` > 0.
pub fn ipo_loss(log_probs: &[f64], reference: &[f64], tau: f64, scale: f64, weights: &mut [f64]) -> f64 {
    squared(&log_ratios(log_probs, reference), tau, scale, weights)
}

/// The same with log-ratios averaged over each completion's tokens, as TRL has it.
///
/// # Shapes
/// As [`ipo_loss`]; `lengths`: tokens of each completion, at least 1.
pub fn ipo_token_mean_loss(
    log_probs: &[f64],
    reference: &[f64],
    lengths: &[usize],
    tau: f64,
    scale: f64,
    weights: &mut [f64],
) -> f64 {
    let means = per_token(&log_ratios(log_probs, reference), lengths);
    let mut slopes = vec![0.0; means.len()];
    let value = squared(&means, tau, scale, &mut slopes);
    add_per_token(&slopes, lengths, weights);
    value
}

fn squared(ratios: &[f64], tau: f64, scale: f64, weights: &mut [f64]) -> f64 {
    mean_over_pairs(ratios, scale, weights, |chosen, rejected, _| {
        let off = chosen - rejected - 0.5 / tau;
        (off * off, [2.0 * off, -2.0 * off])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::testing::assert_weights_are_the_derivative;

    const LOG_PROBS: [f64; 4] = [-3.0, -7.0, -4.0, -2.0];
    const REFERENCE: [f64; 4] = [-4.0, -6.0, -3.0, -2.5];

    #[test]
    fn weights_are_the_derivative() {
        assert_weights_are_the_derivative(&LOG_PROBS, |lp, s, w| ipo_loss(lp, &REFERENCE, 0.4, s, w));
        let lengths = [3, 2, 5, 1];
        assert_weights_are_the_derivative(&LOG_PROBS, |lp, s, w| {
            ipo_token_mean_loss(lp, &REFERENCE, &lengths, 0.4, s, w)
        });
    }

    #[test]
    fn the_minimiser_is_finite() {
        let mut w = [0.0; 2];
        assert_eq!(ipo_loss(&[-1.0, -3.0], &[-2.0, -2.0], 0.25, 1.0, &mut w), 0.0);
        assert_eq!(w, [0.0, 0.0]);
    }
}
