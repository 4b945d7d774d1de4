//! The reinforcement-finetuning objective of one context with enumerable outputs.

/// V = `Σ_y` π(y) r(y): the exact expected reward of one context (Section 2 of arXiv:2310.20703).
///
/// # Shapes
/// `log_probs`, `rewards`, `weights`: one entry per output.
///
/// # Formula
/// ∂V/∂log π(y) = π(y) r(y).
pub fn expected_reward_objective(log_probs: &[f64], rewards: &[f64], scale: f64, weights: &mut [f64]) -> f64 {
    assert!(log_probs.len() == rewards.len() && rewards.len() == weights.len(), "one reward and weight per output");
    let mut value = 0.0;
    for ((lp, r), w) in log_probs.iter().zip(rewards).zip(weights) {
        let term = lp.exp() * r;
        value += term;
        *w += scale * term;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::testing::assert_weights_are_the_derivative;

    #[test]
    fn weights_are_the_derivative() {
        let rewards = [1.0, -0.5, 0.25];
        assert_weights_are_the_derivative(&[-0.2, -2.0, -3.0], |lp, s, w| {
            expected_reward_objective(lp, &rewards, s, w)
        });
    }
}
