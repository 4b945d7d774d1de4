//! The Bradley–Terry reward model's loss.

use super::mean_over_pairs;
use crate::num::{log_sigmoid, sigmoid};

/// `−(1/n) Σ log σ(r_w − r_l)` of a reward model's scores (Eq. 2 of arXiv:2305.18290), nats per pair.
///
/// `share` is the weight of the pair as labelled: 1 for one label each, p for a population in which the first wins with
/// probability p (both orders are then counted: −p log σ(d) − (1 − p) log σ(−d)).
///
/// # Shapes
/// `scores`, `weights`: chosen, then rejected; `share`: one per pair, each in [0, 1].
pub fn bradley_terry_loss(scores: &[f64], share: &[f64], scale: f64, weights: &mut [f64]) -> f64 {
    assert_eq!(2 * share.len(), scores.len(), "one share per pair");
    mean_over_pairs(scores, scale, weights, |chosen, rejected, i| labelled(chosen - rejected, share[i]))
}

/// −p log σ(d) − (1 − p) log σ(−d), and its derivatives by the two sides of d.
pub(super) fn labelled(difference: f64, share: f64) -> (f64, [f64; 2]) {
    // 0 · (−∞) is 0: a label that never occurs costs nothing
    let term = |p: f64, d: f64| if p == 0.0 { 0.0 } else { -p * log_sigmoid(d) };
    let slope = (1.0 - share) * sigmoid(difference) - share * sigmoid(-difference);
    (term(share, difference) + term(1.0 - share, -difference), [slope, -slope])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::testing::assert_weights_are_the_derivative;

    #[test]
    fn weights_are_the_derivative() {
        assert_weights_are_the_derivative(&[0.3, -2.0, 1.0, 0.5], |s, scale, w| {
            bradley_terry_loss(s, &[1.0, 0.7], scale, w)
        });
    }

    /// With the true probabilities as shares, the true rewards are a stationary point.
    #[test]
    fn the_truth_is_stationary() {
        let rewards = [0.3, -2.0, 1.0, 0.5];
        let shares = [sigmoid(rewards[0] - rewards[2]), sigmoid(rewards[1] - rewards[3])];
        let mut w = [0.0; 4];
        bradley_terry_loss(&rewards, &shares, 1.0, &mut w);
        assert!(w.iter().all(|w| w.abs() < 1e-16), "{w:?}");
    }

    #[test]
    fn far_scores_stay_finite() {
        let mut w = [0.0; 2];
        assert_eq!(bradley_terry_loss(&[-2e3, 2e3], &[1.0], 1.0, &mut w), 4e3);
        assert_eq!(w, [-1.0, 1.0]);
        assert_eq!(bradley_terry_loss(&[2e3, -2e3], &[1.0], 1.0, &mut [0.0; 2]), 0.0);
    }
}
