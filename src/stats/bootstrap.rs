//! Percentile-bootstrap intervals over independent units (seeds, tasks × seeds, pairs of runs).
//!
//! Units are resampled with replacement 2,000 times; the interval runs from the 0.025- to the 0.975-quantile of
//! the resampled statistic. The resamples come from fixed named streams, so an interval is a function of the
//! values and their order alone.
//!
//! What the interval cannot do:
//! - With fewer than two units there is nothing to resample: both ends are NaN (and so is the value where there is
//!   none), and a verdict on it is inconclusive.
//! - A resample on which the statistic is NaN counts as extreme at both ends, so it widens the interval; when such
//!   resamples reach an end (about 2.5% of them), both ends are NaN.
//! - For few units the percentile interval of a mean is too narrow (use [`super::mean_interval`]): it behaves like Student's t with the normal
//!   quantile and divisor n, and covers P(|t| < 1.96 √((n−1)/n)) with n − 1 degrees of freedom: 94% for n = 30,
//!   90% for n = 10, 84% for n = 5. For two or three units it is their range: 50% and 75%.

use super::summary::{iqm, mean, quantile_of_sorted};
use super::{Estimate, Method};
use crate::rng::Stream;

/// How many resamples stand behind every bootstrap interval.
pub const RESAMPLES: usize = 2_000;

/// The mean with a bootstrap interval.
pub fn bootstrap_mean(units: &[f64]) -> Estimate {
    bootstrap(units, mean)
}

/// The interquartile mean ([`iqm`]) with a bootstrap interval.
pub fn bootstrap_iqm(units: &[f64]) -> Estimate {
    bootstrap(units, iqm)
}

/// Any statistic of independent units with a bootstrap interval.
pub fn bootstrap(units: &[f64], statistic: impl Fn(&[f64]) -> f64) -> Estimate {
    let mut stream = Stream::named(&["stats", "bootstrap", "units"]);
    let mut drawn = units.to_vec();
    resampled(
        units.len(),
        Method::Bootstrap,
        || statistic(units),
        || {
            redraw(&mut stream, units, &mut drawn);
            statistic(&drawn)
        },
    )
}

/// Any statistic of units in strata (tasks), resampled within each stratum as rliable does (arXiv:2108.13264,
/// section 4.1). `n` counts the units of all strata.
///
/// A stratum with one unit would pass for one without variance, so the interval is NaN as soon as there is one.
pub fn stratified_bootstrap(strata: &[Vec<f64>], statistic: impl Fn(&[Vec<f64>]) -> f64) -> Estimate {
    let mut stream = Stream::named(&["stats", "bootstrap", "strata"]);
    let mut drawn = strata.to_vec();
    let smallest = strata.iter().map(Vec::len).min().unwrap_or(0);
    let estimate = resampled(
        smallest,
        Method::StratifiedBootstrap,
        || statistic(strata),
        || {
            for (stratum, drawn) in strata.iter().zip(&mut drawn) {
                redraw(&mut stream, stratum, drawn);
            }
            statistic(&drawn)
        },
    );
    Estimate { n: strata.iter().map(Vec::len).sum(), ..estimate }
}

/// mean(`numerator`) / mean(`denominator`), two quantities of the same unit (seed), which is resampled whole.
///
/// Where the denominator's own interval covers 0 the ratio means nothing: value and both ends are NaN.
///
/// # Panics
/// If the lengths differ.
pub fn ratio(numerator: &[f64], denominator: &[f64]) -> Estimate {
    assert_eq!(numerator.len(), denominator.len(), "ratio: as many numerators as denominators");
    let n = numerator.len();
    let mut stream = Stream::named(&["stats", "bootstrap", "pairs"]);
    let (mut above, mut below) = (numerator.to_vec(), denominator.to_vec());
    let mut below_means = Vec::with_capacity(RESAMPLES);
    let ratio = resampled(
        n,
        Method::PairedBootstrap,
        || mean(numerator) / mean(denominator),
        || {
            for (a, b) in above.iter_mut().zip(&mut below) {
                let i = stream.below(n);
                (*a, *b) = (numerator[i], denominator[i]);
            }
            below_means.push(mean(&below));
            mean(&above) / mean(&below)
        },
    );
    let (low, high) = if n < 2 { (mean(denominator), mean(denominator)) } else { percentile_interval(&below_means) };
    if low > 0.0 || high < 0.0 { ratio } else { Estimate { value: f64::NAN, low: f64::NAN, high: f64::NAN, ..ratio } }
}

/// The estimate of a statistic from its value and a source of resampled values.
fn resampled(n: usize, method: Method, value: impl Fn() -> f64, resample: impl FnMut() -> f64) -> Estimate {
    let value = if n == 0 { f64::NAN } else { value() };
    let (low, high) = if n < 2 {
        (f64::NAN, f64::NAN)
    } else {
        percentile_interval(&std::iter::repeat_with(resample).take(RESAMPLES).collect::<Vec<_>>())
    };
    Estimate { value, low, high, n, method }
}

/// The 0.025- and 0.975-quantiles, a NaN counting as −∞ for the one and +∞ for the other; both NaN unless both
/// are finite.
fn percentile_interval(values: &[f64]) -> (f64, f64) {
    let end = |undefined: f64, q: f64| {
        let mut values: Vec<f64> = values.iter().map(|&v| if v.is_nan() { undefined } else { v }).collect();
        values.sort_unstable_by(f64::total_cmp);
        quantile_of_sorted(&values, q)
    };
    let (low, high) = (end(f64::NEG_INFINITY, 0.025), end(f64::INFINITY, 0.975));
    if low.is_finite() && high.is_finite() { (low, high) } else { (f64::NAN, f64::NAN) }
}

/// Fills `drawn` with draws from `units`, with replacement.
fn redraw(stream: &mut Stream, units: &[f64], drawn: &mut [f64]) {
    for value in drawn {
        *value = units[stream.below(units.len())];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::std_dev;
    use proptest::prelude::*;

    const X: [f64; 8] = [0.3, -1.2, 2.5, 2.5, 0.0, 7.1, -3.3, 1.9];
    const D: [f64; 8] = [2.0, 1.0, 3.0, 2.5, 1.5, 4.0, 0.5, 2.0];

    fn assert_near(estimate: Estimate, value: f64, low: (f64, f64), high: (f64, f64), method: Method, n: usize) {
        assert!((estimate.value - value).abs() < 1e-12, "{estimate:?}");
        // (reference, standard error of a 2.5% quantile from 2,000 draws); 4 of them: alpha = 6e-5 an end
        assert!((estimate.low - low.0).abs() < 4.0 * low.1, "{estimate:?}, low {low:?}");
        assert!((estimate.high - high.0).abs() < 4.0 * high.1, "{estimate:?}, high {high:?}");
        assert_eq!((estimate.method, estimate.n), (method, n));
    }

    // The same intervals from 1,000,000 resamples:
    //   g = np.random.default_rng(0)
    //   x, d = the two samples above; i = g.integers(0, 8, (1_000_000, 8))
    //   def end(v):
    //       spread = [np.quantile(v, [.015, .035]), np.quantile(v, [.965, .985])]
    //       return np.quantile(v, [.025, .975]), np.sqrt(.025 * .975 / 2000) * np.diff(spread).ravel() / .02
    //   iqm = lambda v: np.sort(v, axis=-1)[..., 2:6].mean(-1)
    //   print(x.mean(), end(x[i].mean(1)), iqm(x), end(iqm(x[i])))
    //   print(x.mean() / d.mean(), end(x[i].mean(1) / d[i].mean(1)), (x - d).mean(), end((x - d)[i].mean(1)))
    //   k = g.integers(0, 3, (1_000_000, 3)); l = g.integers(0, 5, (1_000_000, 5))
    //   print((x[:3].mean() + x[3:].mean()) / 2, end((x[:3][k].mean(1) + x[3:][l].mean(1)) / 2))
    #[test]
    fn agrees_with_numpy() {
        use Method::{Bootstrap, PairedBootstrap, StratifiedBootstrap};
        assert_near(bootstrap_mean(&X), 1.225, (-0.6875, 0.057), (3.3, 0.068), Bootstrap, 8);
        assert_near(bootstrap_iqm(&X), 1.175, (-0.975, 0.065), (3.5, 0.096), Bootstrap, 8);
        assert_near(ratio(&X, &D), 1.225 / 2.0625, (-0.5, 0.049), (1.195, 0.0152), PairedBootstrap, 8);
        let strata = [X[..3].to_vec(), X[3..].to_vec()];
        let estimate = stratified_bootstrap(&strata, |s| f64::midpoint(mean(&s[0]), mean(&s[1])));
        assert_near(estimate, 1.086_666_666_666_666_7, (-0.57, 0.050), (2.837, 0.058), StratifiedBootstrap, 8);
    }

    // Recorded from the first version: every committed interval depends on these streams.
    #[test]
    fn intervals_are_stable() {
        let ends = |e: Estimate| [e.low.to_bits(), e.high.to_bits()];
        let bits = |low: f64, high: f64| [low.to_bits(), high.to_bits()];
        assert_eq!(ends(bootstrap_mean(&X)), bits(-0.774_999_999_999_999_9, 3.375));
        assert_eq!(ends(ratio(&X, &D)), bits(-0.452_173_913_043_478_2, 1.186_487_154_150_197_1));
        let strata = [X[..3].to_vec(), X[3..].to_vec()];
        let difference = stratified_bootstrap(&strata, |s| mean(&s[0]) - mean(&s[1]));
        assert_eq!(ends(difference), bits(-4.608_499_999_999_999, 2.206_666_666_666_666_6));
    }

    // 1,000 normal samples of n = 30. The percentile interval of a mean covers P(|t_29| < 1.96 sqrt(29/30)):
    //   1 - 2 * scipy.stats.t.sf(1.959964 * np.sqrt(29 / 30), 29)  ->  0.93617
    // Critical value: alpha = 0.001 two-sided, 3.29 binomial standard errors, plus 0.005 for the 2,000 resamples,
    // which all samples share.
    #[test]
    fn the_mean_is_covered_as_often_as_theory_says() {
        let mut stream = Stream::named(&["test", "coverage", "bootstrap"]);
        let covered = (0..1_000).filter(|_| {
            let mut sample = [0.0; 30];
            stream.fill_normal(1.0, &mut sample);
            let estimate = bootstrap_mean(&sample);
            estimate.low <= 0.0 && 0.0 <= estimate.high
        });
        let share = covered.count() as f64 / 1_000.0;
        assert!((share - 0.936_17).abs() < 3.29 * (0.936_f64 * 0.064 / 1_000.0).sqrt() + 0.005, "{share}");
    }

    #[test]
    fn too_few_units_leave_the_interval_undefined() {
        let (none, one) = (bootstrap_mean(&[]), bootstrap_mean(&[3.0]));
        assert!(none.value.is_nan() && none.low.is_nan() && none.high.is_nan() && none.n == 0);
        assert!((one.value - 3.0).abs() < 1e-15 && one.low.is_nan() && one.high.is_nan() && one.n == 1);
        let lone = stratified_bootstrap(&[vec![1.0, 2.0, 3.0], vec![5.0]], |s| mean(&s[0]) + mean(&s[1]));
        assert!((lone.value - 7.0).abs() < 1e-15 && lone.low.is_nan() && lone.high.is_nan() && lone.n == 4);
        assert!(stratified_bootstrap(&[vec![1.0, 2.0], vec![]], |s| mean(&s[0])).value.is_nan());
        assert!(stratified_bootstrap(&[], |_| 1.0).value.is_nan());
        assert!(ratio(&[], &[]).value.is_nan());
        let lone = ratio(&[1.0], &[2.0]);
        assert!((lone.value - 0.5).abs() < 1e-15 && lone.low.is_nan() && lone.high.is_nan());
        let holed = bootstrap_mean(&[1.0, f64::NAN, 2.0, 3.0]);
        assert!(holed.value.is_nan() && holed.low.is_nan() && holed.high.is_nan());
    }

    #[test]
    fn undefined_resamples_widen_the_interval_and_then_remove_it() {
        // undefined where all units drawn are the same one: 5^-4 of the resamples of five, half of those of two
        let unless_constant = |s: &[f64]| if std_dev(s) > 0.0 { mean(s) } else { f64::NAN };
        let units = [0.0, 1.0, 2.0, 3.0, 4.0];
        let (plain, holed) = (bootstrap_mean(&units), bootstrap(&units, unless_constant));
        assert!(holed.low.is_finite() && holed.low <= plain.low && holed.high >= plain.high);
        let few = bootstrap(&units[..2], unless_constant);
        assert!((few.value - 0.5).abs() < 1e-15 && few.low.is_nan() && few.high.is_nan());
    }

    #[test]
    fn pairing_removes_what_both_conditions_share() {
        let tripled = D.map(|v| -3.0 * v);
        let estimate = ratio(&tripled, &D);
        assert!((estimate.low + 3.0).abs() < 1e-12 && (estimate.high + 3.0).abs() < 1e-12, "{estimate:?}");
    }

    #[test]
    fn a_ratio_to_what_may_be_zero_is_undefined() {
        let estimate = ratio(&D, &X);
        assert!(estimate.value.is_nan() && estimate.low.is_nan() && estimate.high.is_nan());
        assert!(ratio(&[1.0, 2.0], &[0.0, 0.0]).value.is_nan());
        assert!(ratio(&[1.0], &[0.0]).value.is_nan());
        let negative = ratio(&X, &D.map(|v| -v));
        assert!(negative.value < 0.0 && negative.low < negative.high);
    }

    #[test]
    fn strata_do_not_mix() {
        let strata = [vec![1.0; 5], vec![10.0; 3]];
        let estimate = stratified_bootstrap(&strata, |s| mean(&s[0]) + mean(&s[1]));
        assert_eq!([estimate.low, estimate.high].map(f64::to_bits), [11.0_f64.to_bits(); 2]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn equal_units_have_a_degenerate_interval(value in -1e6..1e6_f64, n in 2..20_usize) {
            let units = vec![value; n];
            for estimate in [bootstrap_mean(&units), bootstrap_iqm(&units)] {
                let found = [estimate.value, estimate.low, estimate.high].map(f64::to_bits);
                prop_assert_eq!(found, [value.to_bits(); 3]);
            }
        }
    }
}
