//! The score-function surrogate: advantages times log-probabilities.

use super::sequences;

/// `(1/G) Σ A_i log π(y_i)`: the surrogate whose gradient is a group's policy-gradient step; advantages are constants.
///
/// # Shapes
/// `log_probs`, `advantages`, `weights`: one entry per output of the group.
pub fn policy_gradient_objective(log_probs: &[f64], advantages: &[f64], scale: f64, weights: &mut [f64]) -> f64 {
    assert!(
        log_probs.len() == advantages.len() && advantages.len() == weights.len(),
        "one advantage and weight per output"
    );
    let share = 1.0 / log_probs.len().max(1) as f64;
    let mut value = 0.0;
    for ((lp, a), w) in log_probs.iter().zip(advantages).zip(weights) {
        value += share * a * lp;
        *w += scale * share * a;
    }
    value
}

/// `(1/B) Σ_i A_i Σ_t log π(y_it)`: [`policy_gradient_objective`] of whole sequences, given their tokens.
///
/// # Shapes
/// `log_probs`, `weights`: one per token of all sequences; `lengths`, `advantages`: one per sequence.
pub fn sequence_policy_gradient_objective(
    log_probs: &[f64],
    lengths: &[usize],
    advantages: &[f64],
    scale: f64,
    weights: &mut [f64],
) -> f64 {
    assert!(
        log_probs.len() == weights.len() && lengths.len() == advantages.len(),
        "one weight per token, one advantage per sequence"
    );
    let share = 1.0 / lengths.len().max(1) as f64;
    let mut value = 0.0;
    for (tokens, a) in sequences(lengths, log_probs.len()).zip(advantages) {
        value += share * a * log_probs[tokens.clone()].iter().sum::<f64>();
        weights[tokens].iter_mut().for_each(|w| *w += scale * share * a);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::testing::assert_weights_are_the_derivative;

    #[test]
    fn weights_are_the_derivative() {
        let advantages = [0.5, -1.0, 2.0];
        assert_weights_are_the_derivative(&[-0.2, -2.0, -3.0], |lp, s, w| {
            policy_gradient_objective(lp, &advantages, s, w)
        });
        assert_weights_are_the_derivative(&[-0.2, -2.0, -3.0], |lp, s, w| {
            sequence_policy_gradient_objective(lp, &[1, 0, 2], &advantages, s, w)
        });
    }

    #[test]
    fn tokens_of_a_sequence_share_its_advantage() {
        let mut weights = [0.0; 3];
        let value = sequence_policy_gradient_objective(&[-1.0, -2.0, -4.0], &[2, 1], &[3.0, 0.5], 2.0, &mut weights);
        assert_eq!((value, weights), (0.5 * (-9.0 - 2.0), [3.0, 3.0, 0.5]));
    }
}
