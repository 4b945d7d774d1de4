//! The adaptive coefficient of a KL penalty.

use serde::{Deserialize, Serialize};

/// A proportional controller in log space (Section 2.2 of arXiv:1909.08593): β grows while the KL is above its target.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdaptiveKl {
    beta: f64,
    target: f64,
    gain: f64,
}

impl AdaptiveKl {
    /// The proportional error is clipped to ± this.
    pub const LARGEST_ERROR: f64 = 0.2;

    /// `beta` > 0 is the initial coefficient, `target` > 0 the KL to hold (nats, per sequence as the caller measures it); an update multiplies β by
    /// 1 + `gain` · error, `gain` in [0, 5): the source's 0.1, or TRL's batch size over horizon. None outside these ranges.
    pub fn new(beta: f64, target: f64, gain: f64) -> Option<Self> {
        let legal = beta > 0.0 && beta.is_finite() && target > 0.0 && target.is_finite() && (0.0..5.0).contains(&gain);
        legal.then_some(Self { beta, target, gain })
    }

    /// β, for the next batch.
    pub fn beta(&self) -> f64 {
        self.beta
    }

    /// Takes in a measured KL, nats; a NaN changes nothing.
    ///
    /// # Formula
    /// β ← β (1 + gain · clip(kl/target − 1, ±0.2)).
    pub fn update(&mut self, kl: f64) {
        let error = (kl / self.target - 1.0).clamp(-Self::LARGEST_ERROR, Self::LARGEST_ERROR);
        if !error.is_nan() {
            self.beta *= 1.0 + self.gain * error;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_on_target_and_moves_by_at_most_a_fifth_of_the_gain() {
        let mut control = AdaptiveKl::new(0.1, 6.0, 0.1).expect("legal");
        for (kl, factor) in [(6.0, 1.0), (1e9, 1.02), (0.0, 0.98), (6.6, 1.01), (f64::NAN, 1.0), (f64::INFINITY, 1.02)]
        {
            let before = control.beta();
            control.update(kl);
            assert!((control.beta() / before - factor).abs() < 1e-12, "{kl}");
        }
    }

    #[test]
    fn settings_are_checked() {
        for (beta, target, gain) in
            [(0.0, 6.0, 0.1), (0.1, 0.0, 0.1), (0.1, 6.0, 5.0), (f64::NAN, 6.0, 0.1), (0.1, 6.0, -0.1)]
        {
            assert!(AdaptiveKl::new(beta, target, gain).is_none());
        }
    }
}
