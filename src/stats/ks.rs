//! Kolmogorov–Smirnov tests: does a sample come from this distribution, do two samples come from the same?
//!
//! p-values are those of Kolmogorov's limit distribution at (√m + 0.12 + 0.11/√m) · D, Stephens' correction for a
//! sample of effective size m (J. R. Stat. Soc. B 32, 1970), with m = n for one sample and n₁n₂/(n₁ + n₂) for two.
//! Errors against the exact distribution: for one sample of n ≥ 5, at most 0.025 anywhere and 0.0015 where p < 0.1.
//! For two samples of equal size the p-value is too small, near 0.05 by 0.02 for twice 10 and 0.01 for twice 100;
//! with unequal sizes the error is far smaller. Ties (discrete data) make it too large.

use super::summary::sorted;
use std::f64::consts::PI;

/// The outcome of a Kolmogorov–Smirnov test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KsTest {
    /// D, the largest distance between the two distribution functions.
    pub statistic: f64,
    /// The probability of a distance at least this large if the distributions are equal.
    pub p_value: f64,
}

/// Tests a sample against a continuous distribution function; NaN for an empty sample or one with a NaN.
pub fn ks_one_sample(sample: &[f64], cdf: impl Fn(f64) -> f64) -> KsTest {
    let n = sample.len() as f64;
    let Some(sorted) = sorted(sample) else { return outcome(f64::NAN, n) };
    let distances = sorted.iter().enumerate().map(|(i, &x)| {
        let expected = cdf(x);
        // the empirical function jumps at x: both of its sides count
        larger((i + 1) as f64 / n - expected, expected - i as f64 / n)
    });
    outcome(distances.fold(0.0, larger), n)
}

/// Tests two samples against each other; NaN if either is empty or has a NaN.
pub fn ks_two_sample(a: &[f64], b: &[f64]) -> KsTest {
    let (n, m) = (a.len() as f64, b.len() as f64);
    let effective = n * m / (n + m);
    let (Some(a), Some(b)) = (sorted(a), sorted(b)) else { return outcome(f64::NAN, effective) };
    let (mut i, mut j, mut statistic) = (0, 0, 0.0_f64);
    while i < a.len() && j < b.len() {
        let x = a[i].min(b[j]);
        // past all values equal to x in both samples before comparing
        i += a[i..].iter().take_while(|&&v| v <= x).count();
        j += b[j..].iter().take_while(|&&v| v <= x).count();
        statistic = statistic.max((i as f64 / n - j as f64 / m).abs());
    }
    outcome(statistic, effective)
}

/// The p-value of a distance for a sample of effective size `size`.
fn outcome(statistic: f64, size: f64) -> KsTest {
    if statistic.is_nan() || size.is_nan() || size <= 0.0 {
        return KsTest { statistic: f64::NAN, p_value: f64::NAN };
    }
    let root = size.sqrt();
    KsTest { statistic, p_value: kolmogorov_survival((root + 0.12 + 0.11 / root) * statistic) }
}

/// P(K > x) of Kolmogorov's distribution, by whichever of its two theta series converges fast at x.
fn kolmogorov_survival(x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let terms = 1..=6;
    if x < 1.0 {
        let sum: f64 = terms.map(|k| (-(f64::from(2 * k - 1) * PI / x).powi(2) / 8.0).exp()).sum();
        1.0 - (2.0 * PI).sqrt() / x * sum
    } else {
        let term = |k: i32| (-2.0 * (f64::from(k) * x).powi(2)).exp();
        2.0 * terms.map(|k| if k % 2 == 1 { term(k) } else { -term(k) }).sum::<f64>()
    }
}

/// The larger of two numbers, or NaN if either is NaN (`f64::max` would drop it).
fn larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;
    use approx::assert_relative_eq;
    use statrs::distribution::{ContinuousCDF, Normal};

    fn uniform_cdf(x: f64) -> f64 {
        x.clamp(0.0, 1.0)
    }

    // for x in (.2, .5, .8, .999, 1, 1.001, 1.36, 2, 4): print(scipy.special.kolmogorov(x))
    #[test]
    fn the_limit_distribution_agrees_with_scipy() {
        let expected = [
            (0.2, 0.999_999_999_999_495),
            (0.5, 0.963_945_243_664_875_1),
            (0.8, 0.544_142_411_574_198_1),
            (0.999, 0.271_073_164_115_063_94),
            (1.0, 0.269_999_671_677_354_56),
            (1.001, 0.268_929_266_298_627_07),
            (1.36, 0.049_485_876_755_377_876),
            (2.0, 0.000_670_925_255_779_695_3),
            (4.0, 2.532_833_109_818_835e-14),
        ];
        for (x, survival) in expected {
            assert_relative_eq!(kolmogorov_survival(x), survival, max_relative = 1e-12);
        }
        assert_relative_eq!(kolmogorov_survival(0.0), 1.0);
        assert_relative_eq!(kolmogorov_survival(1e-3), 1.0);
    }

    // u = np.array([0.02, 0.11, 0.13, 0.27, 0.35, 0.48, 0.52, 0.66, 0.71, 0.94])
    // for p in (1, 2, 3): print(scipy.stats.kstest(u ** p, "uniform", method="exact"))
    #[test]
    fn one_sample_agrees_with_scipy() {
        let u: [f64; 10] = [0.94, 0.02, 0.11, 0.27, 0.13, 0.35, 0.52, 0.48, 0.66, 0.71];
        // beside D: the exact p-value, and how far off the correction is
        let expected = [(1, 0.19, 0.799_460, 0.023), (2, 0.4296, 0.034_208_1, 3e-4), (3, 0.559_392, 0.001_779_9, 3e-4)];
        for (power, statistic, exact, tolerance) in expected {
            let test = ks_one_sample(&u.map(|u| u.powi(power)), uniform_cdf);
            assert_relative_eq!(test.statistic, statistic, max_relative = 1e-14);
            assert!((test.p_value - exact).abs() < tolerance, "{test:?}");
        }
    }

    // a = [0.1, 0.4, 0.4, 0.9, 1.3, 1.7, 2.2, 2.8, 3.1, 3.3, 4.0, 4.1]
    // b = [0.4, 0.4, 0.5, 0.6, 1.3, 1.4, 1.5, 1.6, 1.9, 2.0]
    // print(scipy.stats.ks_2samp(a, b, method="exact"))   # 0.5, 0.0927
    // r = np.sqrt(120 / 22); print(scipy.special.kolmogorov((r + .12 + .11 / r) * .5))
    #[test]
    fn two_samples_agree_with_scipy() {
        let a = [3.3, 0.1, 0.4, 0.4, 0.9, 1.3, 1.7, 2.2, 2.8, 3.1, 4.0, 4.1];
        let b = [0.4, 0.4, 0.5, 0.6, 1.3, 1.4, 1.5, 1.6, 1.9, 2.0];
        for test in [ks_two_sample(&a, &b), ks_two_sample(&b, &a)] {
            assert_relative_eq!(test.statistic, 0.5, max_relative = 1e-15);
            assert_relative_eq!(test.p_value, 0.087_297_852_021_569_63, max_relative = 1e-12);
        }
        let same = ks_two_sample(&a, &a);
        assert_eq!((same.statistic.to_bits(), same.p_value.to_bits()), (0, 1.0_f64.to_bits()));
        assert_relative_eq!(ks_two_sample(&[1.0, 2.0], &[3.0]).statistic, 1.0);
    }

    #[test]
    fn what_is_undefined_is_nan() {
        let undefined = [
            ks_one_sample(&[], uniform_cdf),
            ks_one_sample(&[0.5, f64::NAN], uniform_cdf),
            ks_one_sample(&[0.2, 0.5], |_| f64::NAN),
            ks_two_sample(&[], &[]),
            ks_two_sample(&[1.0], &[]),
            ks_two_sample(&[1.0], &[f64::NAN]),
        ];
        assert!(undefined.iter().all(|t| t.statistic.is_nan() && t.p_value.is_nan()), "{undefined:?}");
    }

    // n = 10,000, alpha = 0.001: D must stay below 1.9495 / sqrt(n) = 0.0195 (scipy.special.kolmogi(0.001)).
    #[test]
    fn streams_are_uniform_and_normal() {
        let n = 10_000;
        let critical = 1.9495 / f64::from(n).sqrt();
        let mut stream = Stream::named(&["test", "ks", "streams"]);
        let uniform: Vec<f64> = (0..n).map(|_| stream.uniform()).collect();
        let normal: Vec<f64> = (0..n).map(|_| stream.normal()).collect();
        let standard = Normal::standard();
        let uniform_test = ks_one_sample(&uniform, uniform_cdf);
        let normal_test = ks_one_sample(&normal, |x| standard.cdf(x));
        assert!(uniform_test.statistic < critical, "{uniform_test:?}");
        assert!(normal_test.statistic < critical, "{normal_test:?}");
        // and the test has the power to say no: a shift of a twentieth of a standard deviation
        assert!(ks_one_sample(&normal, |x| standard.cdf(x + 0.05)).statistic > critical);
    }

    // 2,000 tests of true hypotheses, n = 40 (and 40 against 60): p < 0.05 in 5% of them.
    // Critical value: alpha = 0.001 two-sided, 3.29 binomial standard errors, plus 0.005 for the asymptotics.
    #[test]
    fn a_true_hypothesis_is_rejected_as_often_as_it_says() {
        let mut stream = Stream::named(&["test", "ks", "level"]);
        let mut draw = |n: usize| -> Vec<f64> { (0..n).map(|_| stream.uniform()).collect() };
        let (mut one, mut two) = (0, 0);
        for _ in 0..2_000 {
            let (a, b) = (draw(40), draw(60));
            one += u32::from(ks_one_sample(&a, uniform_cdf).p_value < 0.05);
            two += u32::from(ks_two_sample(&a, &b).p_value < 0.05);
        }
        for rejected in [one, two] {
            let share = f64::from(rejected) / 2_000.0;
            assert!((share - 0.05).abs() < 3.29 * (0.05_f64 * 0.95 / 2_000.0).sqrt() + 0.005, "{share}");
        }
    }
}
