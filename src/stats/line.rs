//! The least-squares line with an interval for its slope.

use super::student::student_t_975;
use super::summary::mean;
use super::{Estimate, Method};

/// y ≈ intercept + slope · x.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LineFit {
    /// The slope, in units of y per unit of x, with Student's t interval; `n` counts the points.
    pub slope: Estimate,
    /// The fitted y at x = 0.
    pub intercept: f64,
    /// The share of the variance of y that the line explains; NaN when y is constant.
    pub r_squared: f64,
}

/// Fits y = a + b x by ordinary least squares.
///
/// # Formula
/// b = `S_xy` / `S_xx`, interval b ± t₀.₉₇₅(n − 2) · √(`SS_res` / (n − 2) / `S_xx`): it assumes independent errors
/// of equal variance about a line. On points that are computed, not sampled, it measures curvature.
///
/// The slope is NaN when all x are equal or there are fewer than two points; its interval needs three.
///
/// # Panics
/// If the lengths differ.
pub fn fit_line(x: &[f64], y: &[f64]) -> LineFit {
    assert_eq!(x.len(), y.len(), "fit_line: as many x as y");
    let n = x.len();
    let (mean_x, mean_y) = (mean(x), mean(y));
    let sum =
        |term: &dyn Fn(f64, f64) -> f64| -> f64 { x.iter().zip(y).map(|(x, y)| term(x - mean_x, y - mean_y)).sum() };
    let (s_xx, s_xy, s_yy) = (sum(&|dx, _| dx * dx), sum(&|dx, dy| dx * dy), sum(&|_, dy| dy * dy));
    let value = s_xy / s_xx;
    // from the residuals themselves: S_yy − b S_xy would cancel for points near the line
    let residual = sum(&|dx, dy| (dy - value * dx).powi(2));
    let half_width = student_t_975(n.saturating_sub(2)) * (residual / (n as f64 - 2.0) / s_xx).sqrt();
    LineFit {
        slope: Estimate { value, low: value - half_width, high: value + half_width, n, method: Method::StudentT },
        intercept: mean_y - value * mean_x,
        r_squared: (1.0 - residual / s_yy).clamp(0.0, 1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;
    use approx::assert_relative_eq;

    // x = np.array([0.3, -1.2, 2.5, 2.5, 0.0, 7.1, -3.3, 1.9]); y = np.array([1.0, -0.5, 2.0, 3.5, 1.0, 4.0, -2.0, 1.0])
    // r = scipy.stats.linregress(x, y); h = scipy.stats.t.ppf(.975, 6) * r.stderr
    // print(r.slope, r.slope - h, r.slope + h, r.intercept, r.rvalue ** 2)
    #[test]
    fn agrees_with_scipy() {
        let fit = fit_line(&[0.3, -1.2, 2.5, 2.5, 0.0, 7.1, -3.3, 1.9], &[1.0, -0.5, 2.0, 3.5, 1.0, 4.0, -2.0, 1.0]);
        assert_relative_eq!(fit.slope.value, 0.587_136_774_482_707_2, max_relative = 1e-14);
        assert_relative_eq!(fit.slope.low, 0.345_220_588_986_220_43, max_relative = 1e-10);
        assert_relative_eq!(fit.slope.high, 0.829_052_959_979_193_9, max_relative = 1e-10);
        assert_relative_eq!(fit.intercept, 0.530_757_451_258_683_8, max_relative = 1e-14);
        assert_relative_eq!(fit.r_squared, 0.854_610_193_969_273_8, max_relative = 1e-14);
        assert_eq!((fit.slope.n, fit.slope.method), (8, Method::StudentT));
    }

    // for df in (1, 2, 3, 8, 30, 1000): print(scipy.stats.t.ppf(.975, df))
    #[test]
    fn student_t_agrees_with_scipy() {
        let expected = [
            (1, 12.706_204_736_174_694),
            (2, 4.302_652_729_749_462),
            (3, 3.182_446_305_283_708),
            (8, 2.306_004_135_204_166),
            (30, 2.042_272_456_301_238),
            (1_000, 1.962_339_080_826_408_3),
        ];
        for (degrees, quantile) in expected {
            assert_relative_eq!(student_t_975(degrees), quantile, max_relative = 1e-10);
        }
    }

    // 2,000 normal samples of 5 points: the t interval covers exactly 95%. Critical value: alpha = 0.001 two-sided,
    // 3.29 binomial standard errors. (The normal quantile in place of t's would cover 85%.)
    #[test]
    fn the_slope_is_covered_95_times_in_100() {
        let mut stream = Stream::named(&["test", "coverage", "slope"]);
        let x = [-1.0, 0.0, 0.5, 2.0, 7.0];
        let covered = (0..2_000).filter(|_| {
            let slope = fit_line(&x, &x.map(|x| 3.0 - 0.5 * x + 0.7 * stream.normal())).slope;
            slope.low <= -0.5 && -0.5 <= slope.high
        });
        let share = covered.count() as f64 / 2_000.0;
        assert!((share - 0.95).abs() < 3.29 * (0.95_f64 * 0.05 / 2_000.0).sqrt(), "{share}");
    }

    #[test]
    fn points_on_a_line_have_its_slope_and_no_width() {
        let x: Vec<f64> = (0..20).map(|i| 1e3 + f64::from(i)).collect();
        let fit = fit_line(&x, &x.iter().map(|x| 4.0 - 2.0 * x).collect::<Vec<_>>());
        assert_relative_eq!(fit.slope.low, -2.0, max_relative = 1e-12);
        assert_relative_eq!(fit.slope.high, -2.0, max_relative = 1e-12);
        assert_relative_eq!(fit.intercept, 4.0, max_relative = 1e-9);
        assert_relative_eq!(fit.r_squared, 1.0, max_relative = 1e-12);
    }

    #[test]
    fn what_is_undefined_is_nan() {
        let two = fit_line(&[1.0, 2.0], &[3.0, 5.0]).slope;
        assert!((two.value - 2.0).abs() < 1e-12 && two.low.is_nan() && two.high.is_nan());
        for (x, y) in [(vec![], vec![]), (vec![1.0], vec![1.0]), (vec![0.1; 7], (0..7).map(f64::from).collect())] {
            let fit = fit_line(&x, &y);
            assert!(fit.slope.value.is_nan() && fit.slope.low.is_nan() && fit.intercept.is_nan(), "{fit:?}");
        }
        let flat = fit_line(&[1.0, 2.0, 4.0], &[0.1; 3]);
        assert!(flat.slope.value.abs() < 1e-15 && flat.r_squared.is_nan());
    }
}
