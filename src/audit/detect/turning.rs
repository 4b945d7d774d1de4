//! Where a true reward turns over as the policy leaves its start: the form of arXiv:2210.10760, fitted.

use crate::num::{Cholesky, inverse_diagonal};
use crate::stats::{Estimate, Method, student_t_975};

/// R(d) = c + d·(α − β·log d), fitted by least squares.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turning {
    /// α, reward per √nat.
    pub(super) alpha: f64,
    /// β with Student's t interval.
    pub(super) beta: Estimate,
    /// The d at which it is highest, exp(α/β − 1); none unless β's interval is above 0.
    pub(super) peak: Option<f64>,
}

/// Fits the form for reinforcement learning to points (d, reward), d = √KL. The constant is there because a reward does not start at 0. Errors in d are
/// not allowed for. None for fewer than eight points with d above 0, or too few different ones.
pub(super) fn fit(points: &[(f64, f64)]) -> Option<Turning> {
    let kept: Vec<(f64, f64)> = points.iter().copied().filter(|p| p.0 > 0.0).collect();
    let n = kept.len();
    if n < 8 {
        return None;
    }
    let columns = |d: f64| [1.0, d, -d * d.ln()];
    let (mut matrix, mut right) = ([0.0; 9], [0.0; 3]);
    for (d, y) in &kept {
        let x = columns(*d);
        for i in 0..3 {
            right[i] += x[i] * y;
            for j in 0..3 {
                matrix[3 * i + j] += x[i] * x[j];
            }
        }
    }
    let solution = Cholesky::new(&matrix, 3)?.solve(&right);
    let fitted = |d: f64| columns(d).iter().zip(&solution).map(|(x, w)| x * w).sum::<f64>();
    let residual: f64 = kept.iter().map(|(d, y)| (y - fitted(*d)).powi(2)).sum();
    let variance = residual / (n - 3) as f64 * inverse_diagonal(&matrix, 3)?[2];
    let half = student_t_975(n - 3) * variance.sqrt();
    let (alpha, value) = (solution[1], solution[2]);
    let beta = Estimate { value, low: value - half, high: value + half, n, method: Method::StudentT };
    Some(Turning { alpha, beta, peak: (beta.low > 0.0).then(|| (alpha / value - 1.0).exp()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;
    use approx::assert_relative_eq;

    #[test]
    fn the_form_is_found_in_its_own_points() {
        let reward = |d: f64| 0.3 + d * (1.2 - 0.8 * d.ln());
        let points: Vec<(f64, f64)> = (1..20).map(|i| (0.4 * f64::from(i), reward(0.4 * f64::from(i)))).collect();
        let found = fit(&points).expect("enough points");
        assert_relative_eq!(found.alpha, 1.2, max_relative = 1e-9);
        assert_relative_eq!(found.beta.value, 0.8, max_relative = 1e-9);
        // the derivative α − β − β·log d is 0 there
        assert_relative_eq!(found.peak.expect("curved"), (1.2_f64 / 0.8 - 1.0).exp(), max_relative = 1e-9);
    }

    /// 200 straight lines in noise: β's 95% interval is above 0 in about one of 40.
    #[test]
    fn a_straight_line_seldom_turns() {
        let mut rng = Stream::named(&["audit", "turning"]);
        let mut line = || -> Vec<(f64, f64)> {
            (1..30).map(|i| (0.2 * f64::from(i), 0.2 * f64::from(i) + 0.3 * rng.normal())).collect()
        };
        let turns = (0..200).filter(|_| fit(&line()).expect("enough points").peak.is_some()).count();
        assert!((1..=12).contains(&turns), "{turns}");
    }

    #[test]
    fn too_little_is_not_fitted() {
        assert!(fit(&[(1.0, 1.0); 7]).is_none() && fit(&[(0.0, 1.0); 20]).is_none());
        assert!(fit(&[(1.0, 1.0); 20]).is_none_or(|t| t.peak.is_none()));
    }
}
