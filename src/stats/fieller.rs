//! Fieller's interval: a ratio of means of few independent units.

use super::student::student_t_975;
use super::summary::{mean, std_dev};
use super::{Estimate, Method};

/// mean(`numerator`) / mean(`denominator`), two quantities of the same unit (seed), with Fieller's interval: exact coverage for
/// jointly normal units at any n, where the bootstrap of few units is too narrow.
///
/// # Formula
/// The ratios ρ for which mean(a − ρ b) is within t₀.₉₇₅(n − 1) standard errors of 0. They are an interval only where the
/// denominator's own interval does not cover 0; elsewhere the ratio means nothing: value and both ends are NaN. With fewer than two
/// units, or a NaN among them, both ends are NaN.
///
/// # Panics
/// If the lengths differ.
pub fn fieller(numerator: &[f64], denominator: &[f64]) -> Estimate {
    assert_eq!(numerator.len(), denominator.len(), "fieller: as many numerators as denominators");
    let n = numerator.len();
    let (a, b) = (mean(numerator), mean(denominator));
    let of = |value: f64, low: f64, high: f64| Estimate { value, low, high, n, method: Method::Fieller };
    if n < 2 {
        let value = if b == 0.0 { f64::NAN } else { a / b };
        return of(value, f64::NAN, f64::NAN);
    }
    let t = student_t_975(n - 1) / (n as f64).sqrt();
    let (sa, sb) = (t * std_dev(numerator), t * std_dev(denominator));
    let covariance = numerator.iter().zip(denominator).map(|(x, y)| (x - a) * (y - b)).sum::<f64>() / (n - 1) as f64;
    let cab = t * t * covariance;
    // ρ² square − 2 ρ middle + rest ≤ 0
    let (square, middle, rest) = (b * b - sb * sb, a * b - cab, a * a - sa * sa);
    if square.is_nan() || square <= 0.0 {
        return of(f64::NAN, f64::NAN, f64::NAN);
    }
    // not negative where the square is positive, but for rounding
    let root = (middle * middle - square * rest).max(0.0).sqrt();
    of(a / b, (middle - root) / square, (middle + root) / square)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;
    use crate::stats::mean_interval;

    // import numpy as np; from scipy import stats, optimize
    // a = np.array([.3, 1.2, .9, 1.6, .7]); b = np.array([2., 2.6, 1.9, 3.1, 2.4]); t = stats.t.ppf(.975, 4)
    // f = lambda r: abs((a - r * b).mean()) - t * (a - r * b).std(ddof=1) / 5**.5
    // a.mean() / b.mean(), optimize.brentq(f, -1, .39), optimize.brentq(f, .4, 2)
    #[test]
    fn the_ends_are_where_the_test_of_the_difference_turns() {
        let (a, b) = ([0.3, 1.2, 0.9, 1.6, 0.7], [2.0, 2.6, 1.9, 3.1, 2.4]);
        let e = fieller(&a, &b);
        assert!((e.value - 0.94 / 2.4).abs() < 1e-15 && e.low < e.value && e.value < e.high && e.n == 5, "{e:?}");
        for end in [e.low, e.high] {
            let difference = mean_interval(&a.iter().zip(b).map(|(a, b)| a - end * b).collect::<Vec<_>>());
            let reached = difference.low.abs().min(difference.high.abs());
            assert!(reached < 1e-12, "{end}: {difference:?}");
        }
    }

    #[test]
    fn a_constant_denominator_leaves_students_interval() {
        let a = [0.3, -1.2, 2.5, 0.9];
        let (e, m) = (fieller(&a, &[2.0; 4]), mean_interval(&a));
        assert!((2.0 * e.low - m.low).abs() < 1e-12 && (2.0 * e.high - m.high).abs() < 1e-12);
    }

    #[test]
    fn a_denominator_that_may_be_zero_leaves_nothing() {
        let e = fieller(&[1.0, 2.0, 3.0], &[1.0, -1.0, 0.5]);
        assert!(e.value.is_nan() && e.low.is_nan() && e.high.is_nan());
        assert!(fieller(&[], &[]).value.is_nan());
        let lone = fieller(&[1.0], &[2.0]);
        assert!(lone.value == 0.5 && lone.low.is_nan());
        assert!(fieller(&[1.0, f64::NAN], &[1.0, 1.1]).low.is_nan());
    }

    // 2,000 pairs of five, means 1 and 2, a third of the variance in common: 95% coverage; 3.29 binomial standard errors (alpha 0.001)
    #[test]
    fn the_ratio_is_covered_as_often_as_promised() {
        let mut stream = Stream::named(&["test", "coverage", "fieller"]);
        let covered = (0..2_000).filter(|_| {
            let pair = |s: &mut Stream| {
                let common = s.normal();
                (1.0 + 0.3 * (common + s.normal()), 2.0 + 0.3 * (common + s.normal()))
            };
            let (a, b): (Vec<f64>, Vec<f64>) = (0..5).map(|_| pair(&mut stream)).unzip();
            let e = fieller(&a, &b);
            e.low <= 0.5 && 0.5 <= e.high
        });
        let share = covered.count() as f64 / 2_000.0;
        assert!((share - 0.95).abs() < 3.29 * (0.95_f64 * 0.05 / 2_000.0).sqrt(), "{share}");
    }
}
