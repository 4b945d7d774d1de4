//! Correlation of paired samples; NaN when either is constant, and for fewer than two pairs.

use super::summary::mean;

/// Pearson's correlation coefficient, in [−1, 1].
///
/// # Panics
/// If the lengths differ.
pub fn pearson(x: &[f64], y: &[f64]) -> f64 {
    assert_eq!(x.len(), y.len(), "correlation: as many x as y");
    let (mean_x, mean_y) = (mean(x), mean(y));
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        let (dx, dy) = (x - mean_x, y - mean_y);
        xx += dx * dx;
        xy += dx * dy;
        yy += dy * dy;
    }
    (xy / (xx.sqrt() * yy.sqrt())).clamp(-1.0, 1.0)
}

/// Spearman's rank correlation: Pearson's of the ranks, tied values sharing the mean of their ranks.
///
/// # Panics
/// If the lengths differ.
pub fn spearman(x: &[f64], y: &[f64]) -> f64 {
    if x.iter().chain(y).any(|v| v.is_nan()) {
        return f64::NAN;
    }
    pearson(&ranks(x), &ranks(y))
}

/// Kendall's τ-b: concordant less discordant pairs, over the geometric mean of the pairs that x (y) does not tie.
///
/// # Panics
/// If the lengths differ.
pub fn kendall(x: &[f64], y: &[f64]) -> f64 {
    assert_eq!(x.len(), y.len(), "correlation: as many x as y");
    let sign = |d: f64| if d == 0.0 { 0.0 } else { d.signum() };
    let (mut agree, mut of_x, mut of_y) = (0.0, 0.0, 0.0);
    for i in 0..x.len() {
        for j in 0..i {
            let (dx, dy) = (sign(x[i] - x[j]), sign(y[i] - y[j]));
            agree += dx * dy;
            of_x += dx * dx;
            of_y += dy * dy;
        }
    }
    agree / f64::sqrt(of_x * of_y)
}

/// Ranks from 1, ties averaged.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    // ascending already, so "not below the next" is a tie (−0 and 0 too)
    for tied in order.chunk_by(|&i, &j| values[i] >= values[j]) {
        let rank = start as f64 + (tied.len() + 1) as f64 / 2.0;
        for &i in tied {
            ranks[i] = rank;
        }
        start += tied.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    // x = np.array([0.3, -1.2, 2.5, 2.5, 0.0, 7.1, -3.3, 1.9]); y = np.array([1.0, -0.5, 2.0, 3.5, 1.0, 4.0, -2.0, 1.0])
    // print(scipy.stats.pearsonr(x, y)[0], scipy.stats.spearmanr(x, y)[0], scipy.stats.kendalltau(x, y)[0])   # ties in x (2.5) and y (1.0)
    #[test]
    fn agrees_with_scipy() {
        let x = [0.3, -1.2, 2.5, 2.5, 0.0, 7.1, -3.3, 1.9];
        let y = [1.0, -0.5, 2.0, 3.5, 1.0, 4.0, -2.0, 1.0];
        assert_relative_eq!(pearson(&x, &y), 0.924_451_293_454_270_6, max_relative = 1e-14);
        assert_relative_eq!(spearman(&x, &y), 0.969_489_370_005_786_6, max_relative = 1e-14);
        assert_relative_eq!(kendall(&x, &y), 0.923_760_430_703_401_2, max_relative = 1e-14);
    }

    #[test]
    fn ties_share_their_mean_rank() {
        assert_eq!(ranks(&[2.0, 0.0, 5.0, -0.0, 2.0, 2.0]), [4.0, 1.5, 6.0, 1.5, 4.0, 4.0]);
    }

    #[test]
    fn what_is_undefined_is_nan() {
        for correlation in [pearson, spearman] {
            assert!(correlation(&[], &[]).is_nan());
            assert!(correlation(&[1.0], &[2.0]).is_nan());
            assert!(correlation(&[0.1; 7], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]).is_nan());
            assert!(correlation(&[1.0, f64::NAN, 3.0], &[1.0, 2.0, 3.0]).is_nan());
        }
    }

    proptest! {
        #[test]
        fn spearman_sees_only_the_order(pairs in prop::collection::vec((-5.0..5.0_f64, -5.0..5.0_f64), 3..20)) {
            let (x, y): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
            let stretched: Vec<f64> = x.iter().map(|v| v.exp()).collect();
            prop_assert_eq!(spearman(&x, &y).to_bits(), spearman(&stretched, &y).to_bits());
            prop_assert!((spearman(&x, &stretched) - 1.0).abs() < 1e-12);
        }

        #[test]
        fn pearson_knows_no_scale(pairs in prop::collection::vec((-5.0..5.0_f64, -5.0..5.0_f64), 3..20)) {
            let (x, y): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
            let mapped: Vec<f64> = x.iter().map(|v| 3.0 - 0.01 * v).collect();
            prop_assert!((pearson(&x, &y) + pearson(&mapped, &y)).abs() < 1e-9);
            prop_assert!(pearson(&x, &y).abs() <= 1.0);
        }
    }
}
