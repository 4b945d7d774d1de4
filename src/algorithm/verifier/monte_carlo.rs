//! Labels of steps without a human: how often the solution that goes on from a prefix ends right (arXiv:2312.08935).

use crate::error::{Error, Result};

/// How often some rollouts from each prefix ended right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollouts {
    /// Right ones among them, for each step: from the prefix that ends with it.
    pub right: Vec<usize>,
    /// Rollouts from each prefix.
    pub rollouts: usize,
}

impl Rollouts {
    /// Completes each of the `steps` prefixes of a solution `rollouts` times: `finish(t)` goes on behind step t and says whether the answer is right.
    ///
    /// # Errors
    /// No rollouts; those of `finish`.
    pub fn collect(steps: usize, rollouts: usize, mut finish: impl FnMut(usize) -> Result<bool>) -> Result<Self> {
        Error::check_counts(&[("rollouts", rollouts, 1, usize::MAX)])?;
        let mut right = vec![0; steps];
        for (t, count) in right.iter_mut().enumerate() {
            for _ in 0..rollouts {
                *count += usize::from(finish(t)?);
            }
        }
        Ok(Self { right, rollouts })
    }

    /// Soft labels: the share that ended right. Without bias for the value of the prefix, variance Q (1 − Q) / rollouts.
    pub fn soft(&self) -> Vec<f64> {
        self.right.iter().map(|r| *r as f64 / self.rollouts as f64).collect()
    }

    /// Hard labels: +1 if any ended right, else −1. Too good to a wrong step from which luck leads to the right answer, too hard on a
    /// right one from which few do.
    pub fn hard(&self) -> Vec<i8> {
        self.right.iter().map(|r| if *r > 0 { 1 } else { -1 }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    /// Mean and variance over 20 000 draws against Q and Q (1 − Q)/K; alpha = 0.001 two-sided, critical value 3.29.
    #[test]
    fn soft_labels_have_no_bias_and_their_variance() {
        let (values, rollouts, draws) = ([0.9, 0.3, 0.02], 8, 20_000);
        let mut rng = Stream::named(&["tests", "rollouts"]);
        let (mut sums, mut squares, mut hard) = ([0.0; 3], [0.0; 3], [0; 3]);
        for _ in 0..draws {
            let labels = Rollouts::collect(3, rollouts, |t| Ok(rng.uniform() < values[t])).expect("legal");
            for t in 0..3 {
                sums[t] += labels.soft()[t];
                squares[t] += (labels.soft()[t] - values[t]).powi(2);
                hard[t] += i32::from(labels.hard()[t] == 1);
            }
        }
        for t in 0..3 {
            let (n, variance) = (f64::from(draws), values[t] * (1.0 - values[t]) / rollouts as f64);
            assert!((sums[t] / n - values[t]).abs() < 3.29 * (variance / n).sqrt());
            assert!((squares[t] / n / variance - 1.0).abs() < 0.1);
            let any = 1.0 - (1.0 - values[t]).powi(rollouts as i32);
            assert!((f64::from(hard[t]) / n - any).abs() < 3.29 * (any * (1.0 - any) / n).sqrt());
        }
    }

    #[test]
    fn no_rollouts_are_refused_and_errors_go_through() {
        assert!(Rollouts::collect(2, 0, |_| Ok(true)).is_err());
        assert!(Rollouts::collect(2, 1, |_| Err(Error::Usage("x".into()))).is_err());
    }
}
