//! Student's t: the interval of a mean over few independent units.

use super::summary::{mean, std_dev};
use super::{Estimate, Method};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// The mean of independent units (seeds) with Student's t interval: exact coverage for normal units at any n, where
/// the percentile bootstrap is too narrow (see [`super::bootstrap()`]).
///
/// # Formula
/// mean ± t₀.₉₇₅(n − 1) · s / √n. With fewer than two units, or a NaN among them, both ends are NaN.
pub fn mean_interval(units: &[f64]) -> Estimate {
    let (n, value) = (units.len(), mean(units));
    let half_width = if n < 2 { f64::NAN } else { student_t_975(n - 1) * std_dev(units) / (n as f64).sqrt() };
    Estimate { value, low: value - half_width, high: value + half_width, n, method: Method::StudentT }
}

/// The mean of `a[i] − b[i]`, two conditions of the same unit (seed), with Student's t interval.
///
/// # Panics
/// If the lengths differ.
pub fn paired_difference(a: &[f64], b: &[f64]) -> Estimate {
    assert_eq!(a.len(), b.len(), "paired_difference: as many units in both conditions");
    mean_interval(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>())
}

/// The 0.975-quantile of Student's t; NaN without a degree of freedom.
pub fn student_t_975(degrees: usize) -> f64 {
    StudentsT::new(0.0, 1.0, degrees as f64).map_or(f64::NAN, |t| t.inverse_cdf(0.975))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    const X: [f64; 8] = [0.3, -1.2, 2.5, 2.5, 0.0, 7.1, -3.3, 1.9];
    const D: [f64; 8] = [2.0, 1.0, 3.0, 2.5, 1.5, 4.0, 0.5, 2.0];

    // scipy.stats.t.interval(0.95, 7, loc=x.mean(), scale=x.std(ddof=1) / 8**.5), and the same for x - d
    #[test]
    fn agrees_with_scipy() {
        for (e, value, low, high) in [
            (mean_interval(&X), 1.225, -1.360_203_646, 3.810_203_646),
            (paired_difference(&X, &D), -0.8375, -2.529_686_535, 0.854_686_535),
        ] {
            assert!(
                (e.value - value).abs() < 1e-12 && (e.low - low).abs() < 1e-6 && (e.high - high).abs() < 1e-6,
                "{e:?}"
            );
        }
    }

    #[test]
    fn undefined_and_degenerate_intervals() {
        assert!(mean_interval(&[]).value.is_nan() && mean_interval(&[3.0]).low.is_nan());
        assert!(mean_interval(&[1.0, f64::NAN, 2.0]).high.is_nan());
        let constant = mean_interval(&[0.1; 7]);
        assert_eq!([constant.value, constant.low, constant.high].map(f64::to_bits), [0.1_f64.to_bits(); 3]);
    }

    // 2,000 normal samples of n = 5: 95% coverage; alpha = 0.001 two-sided, 3.29 binomial standard errors
    #[test]
    fn the_mean_of_five_is_covered_as_often_as_promised() {
        let mut stream = Stream::named(&["test", "coverage", "student"]);
        let covered = (0..2_000).filter(|_| {
            let mut sample = [0.0; 5];
            stream.fill_normal(1.0, &mut sample);
            let e = mean_interval(&sample);
            e.low <= 0.0 && 0.0 <= e.high
        });
        let share = covered.count() as f64 / 2_000.0;
        assert!((share - 0.95).abs() < 3.29 * (0.95_f64 * 0.05 / 2_000.0).sqrt(), "{share}");
    }
}
