//! One number for a sample: mean, standard deviation, quantiles, interquartile mean.
//!
//! What a sample does not determine is NaN (the mean of nothing, the deviation of one value), and a NaN in the
//! sample is never dropped: it makes every summary NaN.

/// The arithmetic mean; NaN for an empty sample.
///
/// A second pass adds the mean of the deviations back. It makes the mean of n equal values exactly that value, so
/// that a statistic which sits on its criterion (`0.1` in every seed, demanded `≥ 0.1`) is not judged by rounding.
pub fn mean(sample: &[f64]) -> f64 {
    let n = sample.len() as f64;
    let first = sample.iter().sum::<f64>() / n;
    if first.is_finite() { first + sample.iter().map(|v| v - first).sum::<f64>() / n } else { first }
}

/// The standard deviation with divisor n − 1; NaN for fewer than two values.
pub fn std_dev(sample: &[f64]) -> f64 {
    if sample.len() < 2 {
        return f64::NAN;
    }
    let mean = mean(sample);
    (sample.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (sample.len() - 1) as f64).sqrt()
}

/// The `q`-quantile by linear interpolation between order statistics (type 7 of Hyndman and Fan, NumPy's default);
/// NaN for an empty sample or `q` outside [0, 1].
pub fn quantile(sample: &[f64], q: f64) -> f64 {
    sorted(sample).map_or(f64::NAN, |s| quantile_of_sorted(&s, q))
}

/// The 0.5-quantile.
pub fn median(sample: &[f64]) -> f64 {
    quantile(sample, 0.5)
}

/// The interquartile mean as rliable has it: ⌊n/4⌋ values are dropped at each end and the rest averaged, without
/// fractional weights; below four values it is the mean. arXiv:2108.13264, section 4.3.
pub fn iqm(sample: &[f64]) -> f64 {
    let trim = sample.len() / 4;
    sorted(sample).map_or(f64::NAN, |s| mean(&s[trim..s.len() - trim]))
}

/// The values in ascending order; `None` if one of them is NaN.
pub(super) fn sorted(sample: &[f64]) -> Option<Vec<f64>> {
    if sample.iter().any(|v| v.is_nan()) {
        return None;
    }
    let mut values = sample.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    Some(values)
}

/// [`quantile`] of values that are in ascending order already.
pub(super) fn quantile_of_sorted(sorted: &[f64], q: f64) -> f64 {
    if sorted.is_empty() || !(0.0..=1.0).contains(&q) {
        return f64::NAN;
    }
    let position = q * (sorted.len() - 1) as f64;
    let below = position as usize;
    let (low, high) = (sorted[below], sorted[position.ceil() as usize]);
    if low >= high {
        return low; // also keeps ∞ − ∞ out
    }
    low + (high - low) * (position - below as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    // x = np.array([0.3, -1.2, 2.5, 2.5, 0.0, 7.1, -3.3, 1.9])
    // print(x.mean(), np.std(x, ddof=1), np.median(x), [np.quantile(x, q) for q in (0, .025, .1, .5, .77, .975, 1)])
    const X: [f64; 8] = [0.3, -1.2, 2.5, 2.5, 0.0, 7.1, -3.3, 1.9];

    #[test]
    fn agrees_with_numpy() {
        assert_relative_eq!(mean(&X), 1.225, max_relative = 1e-15);
        assert_relative_eq!(std_dev(&X), 3.092_271_472_096_662, max_relative = 1e-15);
        assert_relative_eq!(median(&X), 1.1, max_relative = 1e-15);
        let quantiles =
            [(0.0, -3.3), (0.025, -2.9325), (0.1, -1.83), (0.5, 1.1), (0.77, 2.5), (0.975, 6.295), (1.0, 7.1)];
        for (q, expected) in quantiles {
            assert_relative_eq!(quantile(&X, q), expected, max_relative = 1e-14);
        }
    }

    // for n in range(1, 13): print(scipy.stats.trim_mean(np.arange(n) ** 2.0, 0.25))   # rliable's IQM
    #[test]
    fn iqm_agrees_with_rliable() {
        let expected = [
            0.0,
            0.5,
            5.0 / 3.0,
            2.5,
            14.0 / 3.0,
            7.5,
            11.0,
            13.5,
            18.0,
            23.166_666_666_666_668,
            29.0,
            33.166_666_666_666_664,
        ];
        for (n, expected) in (1..).zip(expected) {
            let descending: Vec<f64> = (0..n).rev().map(|i| f64::from(i * i)).collect();
            assert_relative_eq!(iqm(&descending), expected, max_relative = 1e-15);
        }
    }

    #[test]
    fn what_is_undefined_is_nan() {
        for summary in [mean, std_dev, median, iqm] {
            assert!(summary(&[]).is_nan());
            assert!(summary(&[1.0, f64::NAN, 2.0]).is_nan());
        }
        assert!(std_dev(&[1.0]).is_nan());
        assert!(quantile(&X, -0.1).is_nan() && quantile(&X, 1.1).is_nan() && quantile(&X, f64::NAN).is_nan());
        assert!(median(&[f64::NEG_INFINITY, 1.0]).is_nan());
        assert_eq!(median(&[f64::INFINITY; 4]).to_bits(), f64::INFINITY.to_bits());
        assert_eq!(mean(&[f64::INFINITY, 1.0]).to_bits(), f64::INFINITY.to_bits());
    }

    proptest! {
        #[test]
        fn equal_values_have_exactly_their_mean(value in -1e9..1e9_f64, n in 2..200_usize) {
            let sample = vec![value; n];
            prop_assert_eq!(mean(&sample).to_bits(), value.to_bits());
            prop_assert_eq!(std_dev(&sample).to_bits(), 0);
        }

        #[test]
        fn quantile_is_monotone(sample in prop::collection::vec(-1e3..1e3_f64, 1..20), p in 0.0..=1.0, q in 0.0..=1.0) {
            let (low, high): (f64, f64) = if p < q { (p, q) } else { (q, p) };
            prop_assert!(quantile(&sample, 0.0) <= quantile(&sample, low));
            prop_assert!(quantile(&sample, low) <= quantile(&sample, high));
            prop_assert!(quantile(&sample, high) <= quantile(&sample, 1.0));
        }

        #[test]
        fn iqm_knows_no_order(sample in prop::collection::vec(-1e3..1e3_f64, 1..20).prop_shuffle(), turn in 0..20_usize) {
            let mut turned = sample.clone();
            turned.rotate_left(turn % sample.len());
            prop_assert_eq!(iqm(&sample).to_bits(), iqm(&turned).to_bits());
        }

        #[test]
        fn iqm_ignores_the_size_of_an_outlier(mut sample in prop::collection::vec(-1e3..1e3_f64, 4..20)) {
            sample[0] = 1e4;
            let before = iqm(&sample);
            sample[0] = 1e300;
            prop_assert_eq!(before.to_bits(), iqm(&sample).to_bits());
        }
    }
}
