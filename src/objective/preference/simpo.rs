//! Simple preference optimisation (arXiv:2405.14734): per-token likelihood as the reward, no reference.

use super::bradley_terry::labelled;
use super::{add_per_token, mean_over_pairs, per_token};

/// `−(1/n) Σ log σ(β (ℓ_w − ℓ_l) − γ)`, with ℓ the mean log-probability per token (Eq. 6 of arXiv:2405.14734), nats.
///
/// # Shapes
/// `log_probs`, `weights`: chosen, then rejected completions, summed over tokens; `lengths`: tokens of each, at least 1.
/// γ = `margin`.
pub fn simpo_loss(
    log_probs: &[f64],
    lengths: &[usize],
    beta: f64,
    margin: f64,
    scale: f64,
    weights: &mut [f64],
) -> f64 {
    let means = per_token(log_probs, lengths);
    let mut slopes = vec![0.0; means.len()];
    let value = mean_over_pairs(&means, scale, &mut slopes, |chosen, rejected, _| {
        let (value, slopes) = labelled(beta * (chosen - rejected) - margin, 1.0);
        (value, slopes.map(|s| beta * s))
    });
    add_per_token(&slopes, lengths, weights);
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::testing::assert_weights_are_the_derivative;

    #[test]
    fn weights_are_the_derivative() {
        let lengths = [3, 2, 5, 1];
        assert_weights_are_the_derivative(&[-3.0, -7.0, -4.0, -2.0], |lp, s, w| {
            simpo_loss(lp, &lengths, 2.0, 0.5, s, w)
        });
    }
}
