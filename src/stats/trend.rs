//! Whether noisy values go up or down.

use super::kendall;
use statrs::function::erf::erfc;

/// A monotone trend, or none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// Kendall's τ-b of the values with their places: 1 always up, −1 always down.
    pub tau: f64,
    /// The probability of a |τ| as large if the values had no order, two-sided.
    pub p: f64,
    /// How many values.
    pub n: usize,
}

impl Trend {
    /// Fewest values that are called a trend: the normal approximation of the test holds from about here on.
    pub const LEAST: usize = 8;

    /// Up, with p below `level`.
    pub fn rises(&self, level: f64) -> bool {
        self.n >= Self::LEAST && self.p < level && self.tau > 0.0
    }

    /// Down, with p below `level`.
    pub fn falls(&self, level: f64) -> bool {
        self.n >= Self::LEAST && self.p < level && self.tau < 0.0
    }
}

/// The test of Mann (Econometrica 1945) and Kendall, ties allowed for: one outlier moves it by one rank, whatever its size. It assumes that the
/// values are independent but for the trend; neighbours that go together make p too small.
///
/// # Formula
/// z = S / √(\[n(n−1)(2n+5) − Σ t(t−1)(2t+5)\] / 18) with S concordant less discordant pairs and t the sizes of ties, normal, without a correction for
/// continuity. τ and p are NaN when there is no pair of different values, or a NaN among them.
pub fn mann_kendall(values: &[f64]) -> Trend {
    let n = values.len();
    let places: Vec<f64> = (0..n).map(|i| i as f64).collect();
    if n < 2 || values.iter().any(|v| v.is_nan()) {
        return Trend { tau: f64::NAN, p: f64::NAN, n };
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    // n(n − 1)(2n + 5) and the untied pairs of which τ-b is the share
    let term = |t: usize| (t * (t - 1)) as f64 * (2 * t + 5) as f64;
    let tied = || sorted.chunk_by(|a, b| a >= b).map(<[f64]>::len);
    let pairs = |t: usize| (t * (t - 1)) as f64 / 2.0;
    let tau = kendall(&places, values);
    let score = tau * f64::sqrt(pairs(n) * (pairs(n) - tied().map(pairs).sum::<f64>()));
    let variance = (term(n) - tied().map(term).sum::<f64>()) / 18.0;
    Trend { tau, p: erfc((score / variance.sqrt()).abs() / std::f64::consts::SQRT_2), n }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    // for y in ([0.3, -1.2, 2.5, 2.5, 0.0, 7.1, -3.3, 1.9, 4.0, 4.0, 4.0, 5.5], [1, 2, 3, 4, 5, 6, 7, 8], [3, 3, 2, 1, 1, 0, -1, -1, -2]):
    //     print(scipy.stats.kendalltau(range(len(y)), y, method="asymptotic"))
    #[test]
    fn agrees_with_scipy() {
        for (values, tau, p) in [
            (
                &[0.3, -1.2, 2.5, 2.5, 0.0, 7.1, -3.3, 1.9, 4.0, 4.0, 4.0, 5.5][..],
                0.437_713_779_636_505_65,
                0.052_203_635_341_314_63,
            ),
            (&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], 1.0, 0.000_532_005_505_139_249_2),
            (&[3.0, 3.0, 2.0, 1.0, 1.0, 0.0, -1.0, -1.0, -2.0], -0.957_427_107_756_338_1, 0.000_468_773_429_066_289_2),
        ] {
            let trend = mann_kendall(values);
            assert_relative_eq!(trend.tau, tau, max_relative = 1e-12);
            assert_relative_eq!(trend.p, p, max_relative = 1e-9);
        }
    }

    #[test]
    fn what_has_no_order_has_no_trend() {
        assert!(mann_kendall(&[]).p.is_nan() && mann_kendall(&[1.0; 20]).p.is_nan());
        let up = mann_kendall(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        assert!(!up.rises(0.05) && up.p < 0.05, "seven are too few");
        assert!(mann_kendall(&[1.0; 20]).tau.is_nan() && !mann_kendall(&[1.0; 20]).rises(0.05));
    }
}
