//! Learning rates over the steps of a run.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// How the learning rate falls after warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// It does not.
    Constant,
    /// Linearly to zero.
    Linear,
    /// Half a cosine to zero.
    Cosine,
}

/// A learning rate that rises linearly over the warm-up, then decays until the last step, as in Hugging Face's
/// schedulers: step s of the warm-up has s / warm-up of the peak, starting from zero.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Highest learning rate, positive.
    pub peak: f64,
    /// Steps of warm-up.
    pub warm_up: u64,
    /// Steps of the run, warm-up included.
    pub steps: u64,
    /// The way down.
    pub decay: Decay,
}

impl Schedule {
    /// Fails unless the peak is positive and finite and the warm-up fits into the run.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn validate(&self) -> Result<()> {
        if !(self.peak > 0.0 && self.peak.is_finite()) {
            return Err(Error::parameter("peak", self.peak, "positive and finite"));
        }
        if self.warm_up > self.steps {
            return Err(Error::parameter("warm_up", self.warm_up, format!("at most steps = {}", self.steps)));
        }
        Ok(())
    }

    /// The learning rate of step number `step`, counted from zero; zero after the last of a decaying schedule.
    pub fn rate(&self, step: u64) -> f64 {
        if step < self.warm_up {
            return self.peak * step as f64 / self.warm_up as f64;
        }
        let rest = (self.steps - self.warm_up).max(1);
        let progress = ((step - self.warm_up) as f64 / rest as f64).min(1.0);
        self.peak
            * match self.decay {
                Decay::Constant => 1.0,
                Decay::Linear => 1.0 - progress,
                Decay::Cosine => 0.5 * (1.0 + (PI * progress).cos()),
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // transformers 5.23: get_cosine_schedule_with_warmup(opt, 4, 20), get_linear_schedule_with_warmup(opt, 4, 20),
    // lr 1: [sched.lr_lambdas[0](s) for s in (0, 1, 4, 8, 20)]
    #[test]
    fn rates_are_those_of_hugging_face() {
        let at = |decay, s| Schedule { peak: 1.0, warm_up: 4, steps: 20, decay }.rate(s);
        let cosine = [0.0, 0.25, 1.0, 0.853_553_390_593_273_8, 0.0];
        let linear = [0.0, 0.25, 1.0, 0.75, 0.0];
        for (i, s) in [0, 1, 4, 8, 20].into_iter().enumerate() {
            assert!((at(Decay::Cosine, s) - cosine[i]).abs() < 1e-15);
            assert!((at(Decay::Linear, s) - linear[i]).abs() < 1e-15);
        }
        assert_eq!(at(Decay::Constant, 100), 1.0);
    }

    #[test]
    fn a_warm_up_longer_than_the_run_is_refused() {
        assert!(Schedule { peak: 1.0, warm_up: 5, steps: 4, decay: Decay::Linear }.validate().is_err());
        assert!(Schedule { peak: 0.0, warm_up: 0, steps: 4, decay: Decay::Linear }.validate().is_err());
    }
}
