//! The entropy bonus.

/// H = −`Σ_y` π(y) log π(y): the entropy of one context's distribution, nats.
///
/// # Formula
/// ∂H/∂log π(y) = −π(y) (log π(y) + 1); the constant drops out in the gradient over a normalised policy, but is kept
/// so that the weights are the plain derivative.
pub fn entropy_objective(log_probs: &[f64], scale: f64, weights: &mut [f64]) -> f64 {
    assert_eq!(log_probs.len(), weights.len(), "one weight per output");
    let mut entropy = 0.0;
    for (lp, w) in log_probs.iter().zip(weights) {
        let p = lp.exp();
        if p > 0.0 {
            entropy -= p * lp;
            *w -= scale * p * (lp + 1.0);
        }
    }
    entropy
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::testing::assert_weights_are_the_derivative;

    #[test]
    fn weights_are_the_derivative() {
        assert_weights_are_the_derivative(&[-0.2, -2.0, -3.0], entropy_objective);
    }
}
