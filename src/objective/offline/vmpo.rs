//! V-MPO: advantages as weights of a likelihood, with a learned temperature (arXiv:1909.12238).
//!
//! Of n advantages the ⌈n/2⌉ largest are the *top half*, and every further one equal to the smallest of these: which of several equal
//! tokens come first in a batch changes nothing, and if all are equal all are in. The temperature η > 0 has the unit of an advantage.

/// ψ, the softmax of A/η over the top half of the batch; the others are 0. The sum is 1 (an empty batch has none).
///
/// # Shapes
/// `advantages`, `out`: one per token of the batch.
///
/// # Panics
/// If η is not positive and finite or an advantage is NaN or infinite.
pub fn vmpo_weights(advantages: &[f64], eta: f64, out: &mut [f64]) {
    assert_eq!(advantages.len(), out.len(), "one weight per advantage");
    let Some(top) = Top::of(advantages, eta) else { return };
    for (a, psi) in advantages.iter().zip(out) {
        *psi = if *a >= top.smallest { top.psi(*a) } else { 0.0 };
    }
}

/// `−Σ_t ψ_t log π(y_t)`: the weighted maximum likelihood of V-MPO. A sum, since ψ adds up to 1.
///
/// # Shapes
/// `log_probs`, `psi`, `weights`: one per token of the batch; `psi` from [`vmpo_weights`], constants.
///
/// # Formula
/// `∂/∂log π_t = −ψ_t`.
pub fn vmpo_policy_loss(log_probs: &[f64], psi: &[f64], scale: f64, weights: &mut [f64]) -> f64 {
    // the mean over n, n times
    let n = log_probs.len() as f64;
    n * super::weighted_nll_loss(log_probs, psi, n * scale, weights)
}

/// `η ε + η log mean_top exp(A/η)` and its derivative in η: minimising it holds KL(ψ‖uniform over the top half) at ε, nats.
///
/// # Shapes
/// `advantages`: one per token of the batch. `epsilon` ≥ 0 in nats.
///
/// # Formula
/// ∂/∂η = ε − KL(ψ‖uniform over the top half): η grows while the weights are further than ε from equal. The largest advantage is
/// taken out of the exponent, so that a tiny η gives the limit: value → max A, derivative → ε − log(|top|/number at the maximum).
/// An empty batch: (η ε, ε).
///
/// # Panics
/// As [`vmpo_weights`], or if ε is negative.
pub fn vmpo_temperature_loss(advantages: &[f64], eta: f64, epsilon: f64) -> (f64, f64) {
    assert!(epsilon >= 0.0, "epsilon must be at least 0, got {epsilon}");
    let Some(top) = Top::of(advantages, eta) else { return (eta * epsilon, epsilon) };
    let log_mean = (top.sum / top.count as f64).ln();
    let mean_exponent: f64 = advantages.iter().filter(|a| **a >= top.smallest).map(|a| top.entropic(*a)).sum();
    (eta * epsilon + top.largest + eta * log_mean, epsilon + log_mean - mean_exponent)
}

/// The better half of a batch and what its softmax needs.
struct Top {
    eta: f64,
    largest: f64,
    smallest: f64,
    count: usize,
    /// Σ exp((A − max A)/η) over the top half, at least 1.
    sum: f64,
}

impl Top {
    fn of(advantages: &[f64], eta: f64) -> Option<Self> {
        assert!(eta > 0.0 && eta.is_finite(), "eta must be positive, got {eta}");
        assert!(advantages.iter().all(|a| a.is_finite()), "an advantage must be a finite number");
        let mut sorted = advantages.to_vec();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let (largest, smallest) = (*sorted.first()?, sorted[sorted.len().div_ceil(2) - 1]);
        let count = sorted.partition_point(|a| *a >= smallest);
        let sum = sorted[..count].iter().map(|a| ((a - largest) / eta).exp()).sum();
        Some(Self { eta, largest, smallest, count, sum })
    }

    fn psi(&self, advantage: f64) -> f64 {
        ((advantage - self.largest) / self.eta).exp() / self.sum
    }

    /// ψ (A − max A)/η, 0 in the limit of ψ → 0.
    fn entropic(&self, advantage: f64) -> f64 {
        let psi = self.psi(advantage);
        if psi > 0.0 { psi * (advantage - self.largest) / self.eta } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::testing::assert_weights_are_the_derivative;
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    fn psi(advantages: &[f64], eta: f64) -> Vec<f64> {
        let mut out = vec![f64::NAN; advantages.len()];
        vmpo_weights(advantages, eta, &mut out);
        out
    }

    #[test]
    fn weights_are_the_derivative() {
        let psi = psi(&[0.3, -0.5, 1.2, 0.9], 0.7);
        assert_weights_are_the_derivative(&[-0.2, -2.0, -3.0, -0.7], |lp, s, w| vmpo_policy_loss(lp, &psi, s, w));
    }

    #[test]
    fn the_top_half() {
        let in_top = |a: &[f64]| psi(a, 1.0).iter().map(|p| *p > 0.0).collect::<Vec<_>>();
        assert_eq!(in_top(&[1.0, 3.0, 2.0, 0.0]), [false, true, true, false]);
        // odd: rounded up; a tie at the edge: all of them, wherever they stand
        assert_eq!(in_top(&[1.0, 3.0, 2.0]), [false, true, true]);
        assert_eq!(
            in_top(&[2.0, 1.0, 2.0, 3.0, 0.0, 0.0, 2.0, -1.0]),
            [true, false, true, true, false, false, true, false]
        );
        // half of them equal to the worst: everything
        assert_eq!(in_top(&[0.0; 5]), [true; 5]);
        assert_eq!(psi(&[-4.0], 0.1), [1.0]);
        assert_eq!(psi(&[], 0.1), [0.0; 0]);
        assert_eq!(psi(&[0.0; 4], 0.1), [0.25; 4]);
        // log 3 apart at η = 1
        let got = psi(&[0.0, 3.0_f64.ln(), -1.0, -2.0], 1.0);
        assert!((got[0] - 0.25).abs() < 1e-15 && (got[1] - 0.75).abs() < 1e-15);
    }

    #[test]
    fn a_tiny_temperature_takes_the_best_and_stays_finite() {
        for eta in [1e-3, 1e-100, 1e-308] {
            assert_eq!(psi(&[800.0, -1e5, 799.0, 800.0, 3.0], eta), [0.5, 0.0, 0.0, 0.5, 0.0]);
            let (value, slope) = vmpo_temperature_loss(&[800.0, -1e5, 799.0, 800.0, 3.0], eta, 0.1);
            assert_relative_eq!(value, 800.0 + eta * (0.1 + (2.0_f64 / 3.0).ln()), max_relative = 1e-15);
            assert_relative_eq!(slope, 0.1 - (3.0_f64 / 2.0).ln(), max_relative = 1e-14);
        }
        // and a huge one makes them equal
        let (value, slope) = vmpo_temperature_loss(&[1.0, 2.0, 3.0, 4.0], 1e9, 0.0);
        assert!((value - 3.5).abs() < 1e-6 && slope.abs() < 1e-15);
    }

    #[test]
    fn nothing_to_choose_from() {
        assert_eq!(vmpo_temperature_loss(&[], 2.0, 0.1), (0.2, 0.1));
        assert_eq!(vmpo_temperature_loss(&[0.0; 3], 2.0, 0.1), (0.2, 0.1));
        assert_eq!(vmpo_temperature_loss(&[-7.0], 2.0, 0.1), (0.2 - 7.0, 0.1));
        assert_eq!(vmpo_policy_loss(&[], &[], 1.0, &mut []), 0.0);
        assert_eq!(vmpo_policy_loss(&[-3.0], &[1.0], 1.0, &mut [0.0]), 3.0);
    }

    proptest! {
        #[test]
        fn the_temperature_derivative_is_the_difference_quotient(
            a in prop::collection::vec(-2.0..2.0_f64, 1..12), eta in 0.05..5.0_f64, epsilon in 0.0..1.0_f64,
        ) {
            let h = 1e-5 * eta;
            let value = |eta| vmpo_temperature_loss(&a, eta, epsilon).0;
            let difference = (value(eta + h) - value(eta - h)) / (2.0 * h);
            prop_assert!((vmpo_temperature_loss(&a, eta, epsilon).1 - difference).abs() < 1e-6);
        }

        /// The derivative is ε − KL(ψ‖uniform), ψ from the other function, and no shift of the advantages changes it.
        #[test]
        fn it_measures_how_unequal_the_weights_are(a in prop::collection::vec(-2.0..2.0_f64, 1..12), eta in 0.05..5.0_f64, shift in -3.0..3.0_f64) {
            let psi = psi(&a, eta);
            let count = psi.iter().filter(|p| **p > 0.0).count() as f64;
            let kl: f64 = psi.iter().filter(|p| **p > 0.0).map(|p| p * (p * count).ln()).sum();
            prop_assert!((psi.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            prop_assert!((vmpo_temperature_loss(&a, eta, 0.3).1 - (0.3 - kl)).abs() < 1e-10);
            let moved: Vec<f64> = a.iter().map(|a| a + shift).collect();
            prop_assert!((vmpo_temperature_loss(&moved, eta, 0.3).0 - vmpo_temperature_loss(&a, eta, 0.3).0 - shift).abs() < 1e-10);
        }
    }
}
