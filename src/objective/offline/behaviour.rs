//! The pull towards the behaviour policy, and the schedule of its coefficient.

use super::super::ppo::log_ratio;

/// `KL(π_β‖π) = Σ_a π_β(a) (log π_β(a) − log π(a))` of one context's whole distribution, nats: exact, and the *other* direction than
/// [`kl_loss`](super::super::kl_loss). BVMPO's regulariser, with `π_β` the policy that was cloned (arXiv:2308.08998, Appendix A.8).
///
/// # Shapes
/// `log_probs`, `behaviour`, `weights`: one entry per token of the vocabulary; `behaviour` holds log `π_β`, constants.
///
/// # Formula
/// `∂/∂log π(a) = −π_β(a)`: up to the constant entropy of `π_β` it is the cross-entropy to the soft target `π_β`, so its gradient does not
/// die where π is small. Infinite where `π_β` puts mass and π none.
pub fn behaviour_kl_loss(log_probs: &[f64], behaviour: &[f64], scale: f64, weights: &mut [f64]) -> f64 {
    assert!(log_probs.len() == behaviour.len() && behaviour.len() == weights.len(), "one of each per token");
    let mut kl = 0.0;
    for ((&lp, &of_behaviour), w) in log_probs.iter().zip(behaviour).zip(weights) {
        let p = of_behaviour.exp();
        if p > 0.0 {
            kl += p * log_ratio(of_behaviour, lp);
            *w -= scale * p;
        }
    }
    kl
}

/// A coefficient that falls (or rises) by the same factor at each of so many steps and then stays: BVMPO's λ goes from 1 to 1e-5
/// (arXiv:2308.08998, Appendix A.8; the geometric form is ours).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GeometricSchedule {
    from: f64,
    to: f64,
    steps: usize,
}

impl GeometricSchedule {
    /// `from` > 0 at step 0, `to` > 0 from step `steps` ≥ 1 on, finite. None outside these ranges.
    pub fn new(from: f64, to: f64, steps: usize) -> Option<Self> {
        let legal = from > 0.0 && from.is_finite() && to > 0.0 && to.is_finite() && steps >= 1;
        legal.then_some(Self { from, to, steps })
    }

    /// The coefficient at a step.
    ///
    /// # Formula
    /// from^(1 − u) · to^u with u = min(step/steps, 1); both ends exactly.
    pub fn at(&self, step: usize) -> f64 {
        if step >= self.steps {
            return self.to;
        }
        let u = step as f64 / self.steps as f64;
        self.from.powf(1.0 - u) * self.to.powf(u)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::log_softmax;
    use crate::objective::testing::assert_weights_are_the_derivative;
    use crate::objective::{kl_loss, soft_cross_entropy_loss};
    use approx::assert_relative_eq;

    const BEHAVIOUR: [f64; 3] = [-1.609_437_912_434_100_3, -0.510_825_623_765_990_7, -1.609_437_912_434_100_3];

    #[test]
    fn weights_are_the_derivative() {
        assert_weights_are_the_derivative(&[-0.2, -2.0, -3.0], |lp, s, w| behaviour_kl_loss(lp, &BEHAVIOUR, s, w));
    }

    #[test]
    fn is_the_other_direction_and_a_cross_entropy_less_a_constant() {
        let mut p = [0.3, -1.0, 2.0];
        log_softmax(&mut p);
        let kl = behaviour_kl_loss(&p, &BEHAVIOUR, 0.0, &mut [0.0; 3]);
        assert_relative_eq!(kl, kl_loss(&BEHAVIOUR, &p, 0.0, &mut [0.0; 3]), max_relative = 1e-14);
        assert!((kl - kl_loss(&p, &BEHAVIOUR, 0.0, &mut [0.0; 3])).abs() > 0.1);
        let (target, entropy) = (BEHAVIOUR.map(f64::exp), -BEHAVIOUR.iter().map(|b| b.exp() * b).sum::<f64>());
        let (mut of_kl, mut of_cross) = ([0.0; 3], [0.0; 3]);
        behaviour_kl_loss(&p, &BEHAVIOUR, 1.0, &mut of_kl);
        let cross = soft_cross_entropy_loss(&p, &target, 1.0, &mut of_cross);
        assert_relative_eq!(kl, cross - entropy, max_relative = 1e-13);
        assert_eq!(of_kl, of_cross);
    }

    #[test]
    fn what_the_behaviour_never_does_costs_nothing() {
        let never = f64::NEG_INFINITY;
        let mut weights = [0.0; 2];
        assert_eq!(behaviour_kl_loss(&[0.0, never], &[0.0, never], 1.0, &mut weights), 0.0);
        assert_eq!(weights, [-1.0, 0.0]);
        assert_eq!(behaviour_kl_loss(&[0.0, never], &[never, 0.0], 1.0, &mut weights), f64::INFINITY);
        assert_eq!(behaviour_kl_loss(&[], &[], 1.0, &mut []), 0.0);
    }

    #[test]
    fn the_schedule_falls_by_equal_factors() {
        let lambda = GeometricSchedule::new(1.0, 1e-5, 10).expect("legal");
        assert_eq!((lambda.at(0), lambda.at(10), lambda.at(1000)), (1.0, 1e-5, 1e-5));
        for step in 0..10 {
            assert_relative_eq!(lambda.at(step + 1) / lambda.at(step), 10.0_f64.powf(-0.5), max_relative = 1e-12);
        }
        assert_eq!(GeometricSchedule::new(0.3, 0.3, 1).expect("legal").at(0), 0.3);
        for (from, to, steps) in
            [(0.0, 1.0, 1), (1.0, 0.0, 1), (1.0, 1.0, 0), (f64::NAN, 1.0, 1), (1.0, f64::INFINITY, 1)]
        {
            assert!(GeometricSchedule::new(from, to, steps).is_none());
        }
    }
}
