//! Unlikelihood training on pairs.

use super::mean_over_pairs;

/// `(1/n) Σ −log π(y_w) + α log π(y_l)`, the baseline of Section 6 of arXiv:2305.18290: unbounded below in general, as the
/// rejected completion's log-probability is. α = 0 is Preferred-FT, supervised finetuning on the chosen completions. Nats per pair.
///
/// # Shapes
/// `log_probs`, `weights`: chosen, then rejected completions.
pub fn unlikelihood_loss(log_probs: &[f64], alpha: f64, scale: f64, weights: &mut [f64]) -> f64 {
    mean_over_pairs(log_probs, scale, weights, |chosen, rejected, _| {
        // 0 · (−∞) is 0: without α the rejected completion does not count
        (-chosen + if alpha == 0.0 { 0.0 } else { alpha * rejected }, [-1.0, alpha])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::testing::assert_weights_are_the_derivative;
    use crate::objective::unweighted_dpo_loss;

    #[test]
    fn weights_are_the_derivative() {
        assert_weights_are_the_derivative(&[-3.0, -7.0, -4.0, -2.0], |lp, s, w| unlikelihood_loss(lp, 0.3, s, w));
    }

    #[test]
    fn without_its_weight_dpo_is_unlikelihood() {
        let (mut a, mut b) = ([0.0; 4], [0.0; 4]);
        unlikelihood_loss(&[-3.0, -7.0, -4.0, -2.0], 1.0, 0.5, &mut a);
        unweighted_dpo_loss(&[-3.0, -7.0, -4.0, -2.0], &[-1.0; 4], 0.5, 1.0, &mut b);
        assert_eq!(a, b);
    }
}
