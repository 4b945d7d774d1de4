//! From rows to statistics and curves: what several figures form per seed, and over exact draws.

use rewardlab::experiment::{Check, Record};
use rewardlab::plot::{Axis, Layer, Scale, Stroke};
use rewardlab::stats::{Estimate, fit_line, mean, mean_interval, quantile, std_dev};
use statrs::distribution::{ContinuousCDF, Normal};
use std::collections::BTreeSet;

/// The statistic of each seed's rows, in the order of seeds; seeds without a row are left out.
pub(crate) fn by_seed<'a, R: 'a>(
    rows: impl IntoIterator<Item = &'a Record<R>>,
    statistic: impl Fn(&[&'a Record<R>]) -> f64,
) -> Vec<f64> {
    let rows: Vec<_> = rows.into_iter().collect();
    let seeds: BTreeSet<u64> = rows.iter().map(|r| r.seed).collect();
    let of_seed = |seed: u64| rows.iter().copied().filter(|r| r.seed == seed).collect::<Vec<_>>();
    seeds.into_iter().map(|seed| statistic(&of_seed(seed))).collect()
}

/// The least-squares slope of log y on log x.
pub(crate) fn log_slope(points: impl IntoIterator<Item = (f64, f64)>) -> f64 {
    let (x, y): (Vec<f64>, Vec<f64>) = points.into_iter().map(|(x, y)| (x.ln(), y.ln())).unzip();
    fit_line(&x, &y).slope.value
}

/// The largest of quantities that were computed, not sampled; NaN when there is none or one is NaN.
pub(crate) fn largest(values: impl IntoIterator<Item = f64>) -> Estimate {
    extreme(values, |a, b| a > b)
}

/// The smallest of quantities that were computed, not sampled; NaN when there is none or one is NaN.
pub(crate) fn smallest(values: impl IntoIterator<Item = f64>) -> Estimate {
    extreme(values, |a, b| a < b)
}

/// Of estimates the one with the smallest value, with its own interval over seeds: what a claim about each of several settings stands on.
/// One that is NaN comes before all; none is NaN too.
pub(crate) fn least(estimates: impl IntoIterator<Item = Estimate>) -> Estimate {
    foremost(estimates, |a, b| a < b)
}

/// The same with the largest value.
pub(crate) fn greatest(estimates: impl IntoIterator<Item = Estimate>) -> Estimate {
    foremost(estimates, |a, b| a > b)
}

fn foremost(estimates: impl IntoIterator<Item = Estimate>, ahead: fn(f64, f64) -> bool) -> Estimate {
    let before = |a: f64, b: f64| !b.is_nan() && (a.is_nan() || ahead(a, b));
    let foremost = estimates.into_iter().reduce(|a, b| if before(b.value, a.value) { b } else { a });
    foremost.unwrap_or_else(|| mean_interval(&[]))
}

/// What the largest |z| of `count` normal statistics, dependent or not, exceeds with a probability of 0.01 at most (Bonferroni).
pub(crate) fn largest_z(count: usize) -> f64 {
    -Normal::standard().inverse_cdf(0.005 / count.max(1) as f64)
}

/// The larger of two; NaN if one is. For gathering what must never hide a NaN.
pub(crate) fn worse(a: f64, b: f64) -> f64 {
    if a.is_nan() || b <= a { a } else { b }
}

/// 1 where a ratio to a bound is above 1 or is not a number: a bound that cannot be checked does not hold.
pub(crate) fn violated(ratio: f64) -> usize {
    usize::from(ratio.is_nan() || ratio > 1.0)
}

/// A count or an extreme over exact draws; NaN (inconclusive) where there was no draw.
pub(crate) fn over_draws(value: f64, draws: usize) -> Estimate {
    Estimate::exact(if draws == 0 { f64::NAN } else { value }, draws)
}

/// The seeds, ascending.
pub(crate) fn seeds<R>(rows: &[Record<R>]) -> Vec<u64> {
    rows.iter().map(|r| r.seed).collect::<BTreeSet<_>>().into_iter().collect()
}

/// How many seeds have rows of a kind.
pub(crate) fn seeds_where<R>(rows: &[Record<R>], inside: impl Fn(&R) -> bool) -> usize {
    rows.iter().filter(|r| inside(&r.row)).map(|r| r.seed).collect::<BTreeSet<_>>().len()
}

/// A mean over its standard error, for criteria of "so many standard errors": the value itself decides what is reproduced; refuted is only
/// what the upper end of the mean's 95% t interval, over the same error, refutes too.
pub(crate) fn standard_errors(units: &[f64]) -> Estimate {
    let mean = mean_interval(units);
    if !units.is_empty() && units.iter().all(|u| *u == 0.0) {
        return mean;
    }
    let error = std_dev(units) / (units.len() as f64).sqrt();
    Estimate { value: mean.value / error, low: mean.value / error, high: mean.high / error, ..mean }
}

/// Of some values the one farthest from `target`; NaN if one is NaN or there is none.
pub(crate) fn farthest(values: impl IntoIterator<Item = f64>, target: f64) -> f64 {
    values.into_iter().max_by(|a, b| (a - target).abs().total_cmp(&(b - target).abs())).unwrap_or(f64::NAN)
}

fn extreme(values: impl IntoIterator<Item = f64>, beats: impl Fn(f64, f64) -> bool) -> Estimate {
    let values: Vec<f64> = values.into_iter().collect();
    let best = values.iter().copied().reduce(|a, b| if b.is_nan() || beats(b, a) { b } else { a });
    Estimate::exact(best.unwrap_or(f64::NAN), values.len())
}

/// Mean, lowest and highest y at each x, in the order of x.
pub(crate) fn summary(points: impl IntoIterator<Item = (f64, f64)>) -> Vec<(f64, f64, f64, f64)> {
    at_each_x(points, |y| (mean(y), quantile(y, 0.0), quantile(y, 1.0)))
}

/// Mean and 95% t interval of y at each x, in the order of x. A single y has no interval: both ends are its own.
pub(crate) fn intervals(points: impl IntoIterator<Item = (f64, f64)>) -> Vec<(f64, f64, f64, f64)> {
    at_each_x(points, |y| {
        let Estimate { value, low, high, .. } = mean_interval(y);
        if y.len() < 2 { (value, value, value) } else { (value, low, high) }
    })
}

fn at_each_x(
    points: impl IntoIterator<Item = (f64, f64)>,
    of: impl Fn(&[f64]) -> (f64, f64, f64),
) -> Vec<(f64, f64, f64, f64)> {
    let mut points: Vec<(f64, f64)> = points.into_iter().collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
        .chunk_by(|a, b| a.0.to_bits() == b.0.to_bits())
        .map(|chunk| {
            let y: Vec<f64> = chunk.iter().map(|p| p.1).collect();
            let (middle, low, high) = of(&y);
            (chunk[0].0, middle, low, high)
        })
        .collect()
}

/// A line with markers through means, in the band of their lowest and highest values or intervals.
pub(crate) fn banded(series: &str, points: &[(f64, f64, f64, f64)], stroke: Stroke) -> [Layer; 2] {
    [
        Layer::Band { series: series.into(), points: points.iter().map(|p| (p.0, p.2, p.3)).collect() },
        Layer::Line { series: series.into(), points: means(points), stroke, markers: true },
    ]
}

/// Rounded to so many significant digits: what a row says of a number that nothing is subtracted from.
pub(crate) fn rounded(value: f64, digits: usize) -> f64 {
    format!("{value:.*e}", digits.saturating_sub(1)).parse().unwrap_or(value)
}

/// The same checks on some policies' rows and again on others': (prefix of the ids, words for the statement, rows).
pub(crate) fn for_each_group<R: Clone>(
    rows: &[Record<R>],
    groups: &[(&str, &str, fn(&R) -> bool)],
    checks: impl Fn(&[Record<R>]) -> Vec<Check>,
) -> Vec<Check> {
    let of_group = |(prefix, words, inside): &(&str, &str, fn(&R) -> bool)| {
        let rows: Vec<Record<R>> = rows.iter().filter(|r| inside(&r.row)).cloned().collect();
        let mut checks = checks(&rows);
        for check in &mut checks {
            check.id = format!("{prefix}{}", check.id);
            check.statement = format!("{words}{}", check.statement);
        }
        checks
    };
    groups.iter().flat_map(of_group).collect()
}

/// The means of a summary.
pub(crate) fn means(summary: &[(f64, f64, f64, f64)]) -> Vec<(f64, f64)> {
    summary.iter().map(|s| (s.0, s.1)).collect()
}

/// A logarithmic axis.
pub(crate) fn log_axis(label: &str) -> Axis {
    Axis { label: label.into(), scale: Scale::Log, ..Axis::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_and_nan_are_nan() {
        assert!(
            worse(f64::NAN, 1.0).is_nan() && worse(1.0, f64::NAN).is_nan() && farthest([1.0, f64::NAN], 0.0).is_nan()
        );
        assert_eq!((worse(2.0, 1.0), violated(f64::NAN), violated(1.0), violated(1.1)), (2.0, 1, 0, 1));
        assert!(largest([]).value.is_nan() && smallest([1.0, f64::NAN, 0.5]).value.is_nan());
        assert_eq!((largest([1.0, 3.0, 2.0]).value, smallest([1.0, 3.0, 2.0]).n), (3.0, 3));
    }

    #[test]
    fn the_least_of_estimates_keeps_its_interval_and_hides_no_nan() {
        let of = |values: &[f64]| mean_interval(values);
        let (low, high) = (of(&[0.0, 1.0]), of(&[2.0, 3.0, 4.0]));
        assert_eq!((least([high, low]), greatest([low, high])), (low, high));
        assert!(least([of(&[f64::NAN]), low]).value.is_nan() && greatest([high, of(&[f64::NAN])]).value.is_nan());
        assert!(least([]).value.is_nan() && greatest([]).value.is_nan());
    }

    // Python: -statistics.NormalDist().inv_cdf(0.005 / count)
    #[test]
    fn critical_values_of_the_largest() {
        assert!(
            (largest_z(1) - 2.575_829_303_548_9).abs() < 1e-9 && (largest_z(258) - 4.114_751_411_385_6).abs() < 1e-9
        );
    }

    #[test]
    fn means_with_their_intervals() {
        let points = [(2.0, 5.0), (1.0, 1.0), (1.0, 3.0)];
        let interval = mean_interval(&[1.0, 3.0]);
        assert_eq!(intervals(points), [(1.0, 2.0, interval.low, interval.high), (2.0, 5.0, 5.0, 5.0)]);
        assert_eq!(summary(points), [(1.0, 2.0, 1.0, 3.0), (2.0, 5.0, 5.0, 5.0)]);
    }

    #[test]
    fn rounding_keeps_significant_digits() {
        assert_eq!(rounded(1.234_567_89e-12, 4), 1.235e-12);
        assert_eq!((rounded(0.0, 3), rounded(-1.0, 3), rounded(f64::INFINITY, 3)), (0.0, -1.0, f64::INFINITY));
        assert!(rounded(f64::NAN, 3).is_nan());
    }

    #[test]
    fn slopes_of_power_laws() {
        assert!((log_slope([1.0, 2.0, 5.0].map(|x: f64| (x, 3.0 * x.powi(-2)))) + 2.0).abs() < 1e-12);
    }
}
