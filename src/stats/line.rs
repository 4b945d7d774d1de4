//! The least-squares line with an interval for its slope.

use super::summary::mean;
use super::{Estimate, Method};
use statrs::distribution::{ContinuousCDF, StudentsT};

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

/// The 0.975-quantile of Student's t; NaN without a degree of freedom.
fn student_t_975(degrees: usize) -> f64 {
    StudentsT::new(0.0, 1.0, degrees as f64).map_or(f64::NAN, |t| t.inverse_cdf(0.975))
}
