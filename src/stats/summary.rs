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
    let value = low + (high - low) * (position - below as f64);
    // rounding may step over the upper neighbour, which would break monotonicity in q
    if value > high { high } else { value }
}
