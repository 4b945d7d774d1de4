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
