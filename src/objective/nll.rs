//! Supervised finetuning.

/// −log π(target): the supervised (SFT) loss of one context, nats.
///
/// # Formula
/// ∂loss/∂log π(y) = −1[y = target].
pub fn nll_loss(log_probs: &[f64], target: usize, scale: f64, weights: &mut [f64]) -> f64 {
    assert_eq!(log_probs.len(), weights.len(), "one weight per output");
    weights[target] -= scale;
    -log_probs[target]
}

/// −`Σ_y` q(y) log π(y): cross-entropy against a target distribution q, nats.
///
/// # Formula
/// ∂loss/∂log π(y) = −q(y).
pub fn soft_cross_entropy_loss(log_probs: &[f64], target: &[f64], scale: f64, weights: &mut [f64]) -> f64 {
    assert!(log_probs.len() == target.len() && target.len() == weights.len(), "one target and weight per output");
    let mut loss = 0.0;
    for ((lp, q), w) in log_probs.iter().zip(target).zip(weights) {
        // 0 · (−∞) is 0: an output outside the target's support costs nothing
        if *q != 0.0 {
            loss -= q * lp;
        }
        *w -= scale * q;
    }
    loss
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::testing::assert_weights_are_the_derivative;

    #[test]
    fn weights_are_the_derivative() {
        assert_weights_are_the_derivative(&[-0.2, -2.0, -3.0], |lp, s, w| nll_loss(lp, 1, s, w));
        let target = [0.5, 0.0, 0.5];
        assert_weights_are_the_derivative(&[-0.2, -2.0, -3.0], |lp, s, w| soft_cross_entropy_loss(lp, &target, s, w));
    }

    #[test]
    fn impossible_outputs_outside_the_target_cost_nothing() {
        let loss = soft_cross_entropy_loss(&[0.0, f64::NEG_INFINITY], &[1.0, 0.0], 1.0, &mut [0.0; 2]);
        assert_eq!(loss, 0.0);
    }
}
