//! A proportion with Wilson's score interval.

use super::{Estimate, Method};

/// The 0.975-quantile of the standard normal.
const Z: f64 = 1.959_963_984_540_054;

/// `successes` out of `n` with Wilson's interval, which stays within [0, 1] and does not collapse at 0 or n
/// successes; NaN for `n` = 0.
///
/// # Formula
/// (p̂ + z²/2n ± z √(p̂(1 − p̂)/n + z²/4n²)) / (1 + z²/n), z = 1.96.
///
/// # Panics
/// If there are more successes than trials.
pub fn wilson(successes: usize, n: usize) -> Estimate {
    assert!(successes <= n, "wilson: {successes} successes out of {n}");
    let trials = n as f64;
    let p = successes as f64 / trials;
    let centre = p + Z * Z / (2.0 * trials);
    let half_width = Z * (p * (1.0 - p) / trials + (Z / (2.0 * trials)).powi(2)).sqrt();
    let scale = 1.0 + Z * Z / trials;
    // at the edges the end is the edge itself, which rounding would miss
    let low = if successes == 0 && n > 0 { 0.0 } else { (centre - half_width) / scale };
    let high = if successes == n && n > 0 { 1.0 } else { (centre + half_width) / scale };
    Estimate { value: p, low, high, n, method: Method::Wilson }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    // for k, n in ((0, 10), (3, 10), (10, 10), (1, 1), (497, 1000)):
    //     print(k, n, scipy.stats.binomtest(k, n).proportion_ci(.95, "wilson"))
    #[test]
    fn agrees_with_scipy() {
        let expected = [
            (0, 10, 0.0, 0.277_532_799_862_889_26),
            (3, 10, 0.107_791_267_406_301_04, 0.603_221_852_538_854_6),
            (10, 10, 0.722_467_200_137_111_1, 1.0),
            (1, 1, 0.206_549_314_377_237_45, 1.0),
            (497, 1_000, 0.466_081_635_265_189_7, 0.527_941_325_285_723_6),
        ];
        for (successes, n, low, high) in expected {
            let estimate = wilson(successes, n);
            assert_relative_eq!(estimate.value, successes as f64 / n as f64);
            assert_relative_eq!(estimate.low, low, max_relative = 1e-13);
            assert_relative_eq!(estimate.high, high, max_relative = 1e-13);
            assert_eq!((estimate.n, estimate.method), (n, Method::Wilson));
        }
    }

    #[test]
    fn nothing_of_nothing_is_undefined() {
        let estimate = wilson(0, 0);
        assert!(estimate.value.is_nan() && estimate.low.is_nan() && estimate.high.is_nan());
    }
}
