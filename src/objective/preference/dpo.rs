//! Direct preference optimisation (arXiv:2305.18290).

use super::bradley_terry::labelled;
use super::{log_ratios, mean_over_pairs};

/// `−(1/n) Σ log σ(β h)`, Eq. 7 of arXiv:2305.18290, nats per pair.
///
/// # Shapes
/// `log_probs`, `reference`, `weights`: chosen, then rejected completions.
///
/// # Formula
/// ∂/∂log π(chosen) = −β σ(−β h)/n, and minus that for the rejected one: a pair counts as much as the implicit reward has it wrong.
pub fn dpo_loss(log_probs: &[f64], reference: &[f64], beta: f64, scale: f64, weights: &mut [f64]) -> f64 {
    conservative_dpo_loss(log_probs, reference, beta, &vec![1.0; log_probs.len() / 2], scale, weights)
}

/// `(1/n) Σ −p log σ(β h) − (1 − p) log σ(−β h)`: DPO with a share p of each pair's labels, nats per pair.
///
/// p = 1 − ε for all pairs is conservative DPO with label smoothing ε (the original code's `label_smoothing`); p(i) the
/// probability that the first wins makes it the loss of infinitely many labels.
///
/// # Shapes
/// As [`dpo_loss`]; `share`: one per pair, in [0, 1].
pub fn conservative_dpo_loss(
    log_probs: &[f64],
    reference: &[f64],
    beta: f64,
    share: &[f64],
    scale: f64,
    weights: &mut [f64],
) -> f64 {
    assert_eq!(2 * share.len(), log_probs.len(), "one share per pair");
    mean_over_pairs(&log_ratios(log_probs, reference), scale, weights, |chosen, rejected, i| {
        let (value, slopes) = labelled(beta * (chosen - rejected), share[i]);
        (value, slopes.map(|s| beta * s))
    })
}

/// `−(β/n) Σ h`: DPO without the weight σ(−β h) in its gradient, which is then −β (∇log π(chosen) − ∇log π(rejected)) for
/// every pair, right or wrong. Unbounded below; Section 4 of arXiv:2305.18290 says that it degenerates.
///
/// # Shapes
/// As [`dpo_loss`].
pub fn unweighted_dpo_loss(log_probs: &[f64], reference: &[f64], beta: f64, scale: f64, weights: &mut [f64]) -> f64 {
    mean_over_pairs(&log_ratios(log_probs, reference), scale, weights, |chosen, rejected, _| {
        (-beta * (chosen - rejected), [-beta, beta])
    })
}

/// β (log π − log `π_ref`) of every completion: the reward that the policy is optimal for, up to a function of the prompt.
pub fn implicit_rewards(log_probs: &[f64], reference: &[f64], beta: f64) -> Vec<f64> {
    log_ratios(log_probs, reference).into_iter().map(|ratio| beta * ratio).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::testing::assert_weights_are_the_derivative;
    use approx::assert_relative_eq;

    const LOG_PROBS: [f64; 4] = [-3.0, -7.0, -4.0, -2.0];
    const REFERENCE: [f64; 4] = [-4.0, -6.0, -3.0, -2.5];

    #[test]
    fn weights_are_the_derivative() {
        let (at, reference) = (&LOG_PROBS, &REFERENCE);
        assert_weights_are_the_derivative(at, |lp, s, w| dpo_loss(lp, reference, 0.7, s, w));
        assert_weights_are_the_derivative(at, |lp, s, w| conservative_dpo_loss(lp, reference, 0.7, &[0.9, 0.6], s, w));
        assert_weights_are_the_derivative(at, |lp, s, w| unweighted_dpo_loss(lp, reference, 0.7, s, w));
    }

    #[test]
    fn at_the_reference_it_is_ln_2() {
        assert_relative_eq!(dpo_loss(&REFERENCE, &REFERENCE, 0.1, 1.0, &mut [0.0; 4]), std::f64::consts::LN_2);
    }

    /// The paper's gradient: β `σ(r̂_l` − `r̂_w`), by the implicit rewards.
    #[test]
    fn a_pair_weighs_as_it_is_wrong() {
        let (beta, n) = (0.7, 2.0);
        let mut w = [0.0; 4];
        dpo_loss(&LOG_PROBS, &REFERENCE, beta, 1.0, &mut w);
        let r = implicit_rewards(&LOG_PROBS, &REFERENCE, beta);
        for i in 0..2 {
            let expected = -beta / (1.0 + (r[i] - r[2 + i]).exp()) / n;
            assert_relative_eq!(w[i], expected, max_relative = 1e-14);
            assert_relative_eq!(w[2 + i], -expected, max_relative = 1e-14);
        }
    }

    /// A shift of the reference by a function of the prompt changes nothing.
    #[test]
    fn only_differences_count() {
        let shifted = [-4.0 + 1.5, -6.0 - 0.2, -3.0 + 1.5, -2.5 - 0.2];
        let loss = |reference: &[f64]| dpo_loss(&LOG_PROBS, reference, 0.7, 1.0, &mut [0.0; 4]);
        assert_relative_eq!(loss(&shifted), loss(&REFERENCE), max_relative = 1e-14);
    }
}
