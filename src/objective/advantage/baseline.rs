//! Baselines of REINFORCE (Williams 1992): none, the batch's mean, a moving average of earlier batches.

use serde::{Deserialize, Serialize};

/// `A_i = r_i − baseline`; `baseline` 0 gives the plain estimator. Unbiased if the baseline does not depend on the batch.
pub fn reinforce_advantages(rewards: &[f64], baseline: f64, advantages: &mut [f64]) {
    assert_eq!(rewards.len(), advantages.len(), "one advantage per output");
    advantages.iter_mut().zip(rewards).for_each(|(a, r)| *a = r - baseline);
}

/// `A_i = r_i` − mean of the batch, whatever prompts it mixes.
///
/// With n independent outputs of one prompt the expected step is (n−1)/n of the policy gradient, because every output is in
/// its own baseline. Exactly zero where all rewards are equal.
pub fn batch_mean_advantages(rewards: &[f64], advantages: &mut [f64]) {
    super::dr_grpo_advantages(rewards, advantages);
}

/// The exponential moving average of the means of *earlier* batches: a baseline that is independent of the current one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MovingAverage {
    decay: f64,
    mean: Option<f64>,
}

impl MovingAverage {
    /// `decay` in [0, 1) is the share of the old average that an update keeps; None elsewhere.
    pub fn new(decay: f64) -> Option<Self> {
        (0.0..1.0).contains(&decay).then_some(Self { decay, mean: None })
    }

    /// The baseline for the next batch: 0 before the first.
    pub fn baseline(&self) -> f64 {
        self.mean.unwrap_or(0.0)
    }

    /// Takes a batch in, after its advantages have been formed; the first batch sets the average, an empty one is ignored.
    pub fn update(&mut self, rewards: &[f64]) {
        if rewards.is_empty() {
            return;
        }
        let batch = rewards.iter().sum::<f64>() / rewards.len() as f64;
        self.mean = Some(self.mean.map_or(batch, |old| self.decay * old + (1.0 - self.decay) * batch));
    }

    /// (1 − decay)/(1 + decay): the average's variance in the long run, over the variance of a batch's mean.
    pub fn variance_factor(&self) -> f64 {
        (1.0 - self.decay) / (1.0 + self.decay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    #[test]
    fn the_baseline_is_subtracted() {
        let mut a = [0.0; 2];
        reinforce_advantages(&[1.0, -1.0], 0.25, &mut a);
        assert_eq!(a, [0.75, -1.25]);
        batch_mean_advantages(&[1.0, -1.0], &mut a);
        assert_eq!(a, [1.0, -1.0]);
    }

    #[test]
    fn the_average_lags_one_batch_and_starts_at_the_first() {
        let mut average = MovingAverage::new(0.75).expect("legal");
        let mut seen = Vec::new();
        for batch in [&[2.0, 4.0][..], &[], &[7.0], &[0.0]] {
            seen.push(average.baseline());
            average.update(batch);
        }
        assert_eq!(seen, [0.0, 3.0, 3.0, 4.0]);
        assert!([1.0, -0.1, f64::NAN].iter().all(|d| MovingAverage::new(*d).is_none()));
    }

    // Mean of n = 20,000 squared averages of standard normals, one in 30 to be nearly independent: relative standard
    // error √(2/n) = 0.01; alpha = 1e-4: 3.9 of them.
    #[test]
    fn the_variance_factor_is_the_stationary_variance() {
        let mut stream = Stream::named(&["test", "moving average"]);
        let mut average = MovingAverage::new(0.8).expect("legal");
        let mut squares = 0.0;
        for _ in 0..20_000 {
            (0..30).for_each(|_| average.update(&[stream.normal()]));
            squares += average.baseline().powi(2) / 20_000.0;
        }
        assert!((squares / average.variance_factor() - 1.0).abs() < 0.039, "{squares}");
    }
}
