//! Losses of a value head: weights on its scores, one per token.

/// The squared error of a value head against the returns, halved, mean over tokens.
///
/// # Shapes
/// `values`, `returns`, `weights`: one per token.
///
/// # Formula
/// `½ · mean (v − R)²`, ∂/∂v = (v − R)/n.
pub fn value_loss(values: &[f64], returns: &[f64], scale: f64, weights: &mut [f64]) -> f64 {
    assert!(values.len() == returns.len() && returns.len() == weights.len(), "one return and weight per value");
    let share = 1.0 / values.len().max(1) as f64;
    let mut loss = 0.0;
    for ((v, r), w) in values.iter().zip(returns).zip(weights) {
        loss += 0.5 * share * (v - r).powi(2);
        *w += scale * share * (v - r);
    }
    loss
}

/// `½ · mean max((v − R)², (clip(v, v_old ± range) − R)²)`: PPO's value loss as trainers have it (TRL, before its coefficient `vf_coef`, which is 0.5 in
/// the code of arXiv:2310.20703 and is not in here).
///
/// # Shapes
/// `values`, `old_values`, `returns`, `weights`: one per token. `range` ≥ 0 has the unit of the return.
///
/// # Formula
/// The clipped square is the larger one where the head has already moved *towards* the return by more than `range`; there
/// the derivative is 0. Elsewhere ∂/∂v = (v − R)/n.
pub fn clipped_value_loss(
    values: &[f64],
    old_values: &[f64],
    returns: &[f64],
    range: f64,
    scale: f64,
    weights: &mut [f64],
) -> f64 {
    let n = values.len();
    assert!(old_values.len() == n && returns.len() == n && weights.len() == n, "one of each per value");
    assert!(range >= 0.0, "range must be at least 0, got {range}");
    let share = 1.0 / n.max(1) as f64;
    let mut loss = 0.0;
    for (((v, old), r), w) in values.iter().zip(old_values).zip(returns).zip(weights) {
        let (free, clipped) = ((v - r).powi(2), (v.max(old - range).min(old + range) - r).powi(2));
        loss += 0.5 * share * free.max(clipped);
        if free >= clipped {
            *w += scale * share * (v - r);
        }
    }
    loss
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::testing::assert_weights_are_the_derivative;

    const OLD: [f64; 4] = [0.0, 0.0, 0.0, 0.0];
    /// Inside the range; beyond it towards the return; beyond it away from the return; past the return.
    const NEW: [f64; 4] = [0.1, 0.5, -0.5, 0.5];
    const RETURNS: [f64; 4] = [1.0, 1.0, 1.0, 0.3];

    #[test]
    fn weights_are_the_derivative() {
        assert_weights_are_the_derivative(&NEW, |v, s, w| value_loss(v, &RETURNS, s, w));
        assert_weights_are_the_derivative(&NEW, |v, s, w| clipped_value_loss(v, &OLD, &RETURNS, 0.2, s, w));
    }

    #[test]
    fn only_progress_beyond_the_range_is_stopped() {
        let mut weights = [0.0; 4];
        clipped_value_loss(&NEW, &OLD, &RETURNS, 0.2, 1.0, &mut weights);
        assert_eq!(weights.map(|w| w != 0.0), [true, false, true, true]);
    }

    #[test]
    fn a_wide_range_clips_nothing() {
        let mut weights = [[0.0; 4]; 2];
        let free = value_loss(&NEW, &RETURNS, 1.0, &mut weights[0]);
        let clipped = clipped_value_loss(&NEW, &OLD, &RETURNS, 10.0, 1.0, &mut weights[1]);
        assert_eq!((free, weights[0]), (clipped, weights[1]));
    }
}
