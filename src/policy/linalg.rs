//! Small dense linear algebra for Jacobian norms.

/// The largest eigenvalue over a sequence of symmetric positive semi-definite matrices.
///
/// Most matrices are turned away by an upper bound on their largest eigenvalue; only those that may raise the maximum
/// are diagonalised.
#[derive(Clone, Debug, Default)]
pub(crate) struct LargestEigenvalue {
    best: f64,
    work: Vec<f64>,
}

impl LargestEigenvalue {
    /// Forgets what it has seen.
    pub(crate) fn reset(&mut self) {
        self.best = 0.0;
    }

    /// The largest eigenvalue so far; 0 before the first matrix; NaN once a matrix held a NaN.
    pub(crate) fn value(&self) -> f64 {
        self.best
    }

    /// Takes the `n × n` matrix (row-major) into account.
    pub(crate) fn offer(&mut self, gram: &[f64], n: usize) {
        debug_assert_eq!(gram.len(), n * n, "a square matrix");
        // λ_max ≤ (Σ λ⁴)^¼, the Frobenius norm of the square's root
        if fourth_moment(gram, n).sqrt().sqrt() <= self.best || self.best.is_nan() {
            return;
        }
        self.work.clear();
        self.work.extend_from_slice(gram);
        let largest = largest_eigenvalue(&mut self.work, n);
        // the negation lets NaN through
        if !(largest <= self.best) {
            self.best = largest;
        }
    }
}

/// ‖G²‖²_F = Σ λ⁴ of a symmetric matrix.
fn fourth_moment(gram: &[f64], n: usize) -> f64 {
    let mut sum = 0.0;
    for (i, row) in gram.chunks_exact(n).enumerate() {
        for (j, other) in gram.chunks_exact(n).take(i + 1).enumerate() {
            let entry: f64 = row.iter().zip(other).map(|(a, b)| a * b).sum();
            sum += if i == j { entry * entry } else { 2.0 * entry * entry };
        }
    }
    sum
}

/// The largest eigenvalue of a symmetric positive semi-definite `n × n` matrix (row-major; overwritten), in closed
/// form up to n = 2, by cyclic Jacobi rotations above. Meant for n ≤ a few dozen.
pub(crate) fn largest_eigenvalue(a: &mut [f64], n: usize) -> f64 {
    match n {
        0 => 0.0,
        1 => a[0],
        2 => f64::midpoint(a[0], a[3]) + (0.5 * (a[0] - a[3])).hypot(a[1]),
        _ => jacobi(a, n),
    }
}

fn jacobi(a: &mut [f64], n: usize) -> f64 {
    let scale = (0..n).map(|i| a[i * n + i]).sum::<f64>();
    for _sweep in 0..30 {
        let off: f64 = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i * n + j].powi(2)).sum();
        if off <= (1e-15 * scale).powi(2) {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                let apq = a[p * n + q];
                if apq == 0.0 {
                    continue;
                }
                let tau = (a[q * n + q] - a[p * n + p]) / (2.0 * apq);
                let t = tau.signum() / (tau.abs() + (1.0 + tau * tau).sqrt());
                let c = 1.0 / (1.0 + t * t).sqrt();
                let s = t * c;
                for k in 0..n {
                    let (x, y) = (a[k * n + p], a[k * n + q]);
                    a[k * n + p] = c * x - s * y;
                    a[k * n + q] = s * x + c * y;
                }
                for k in 0..n {
                    let (x, y) = (a[p * n + k], a[q * n + k]);
                    a[p * n + k] = c * x - s * y;
                    a[q * n + k] = s * x + c * y;
                }
            }
        }
    }
    // a NaN on the diagonal is the answer, not passed over
    (0..n).map(|i| a[i * n + i]).fold(0.0, |m, v| if v <= m { m } else { v })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    #[test]
    fn eigenvalue_of_known_matrices() {
        // rank one: v vᵀ has eigenvalue ‖v‖²
        let v = [1.0, -2.0, 3.0];
        let mut a: Vec<f64> = v.iter().flat_map(|x| v.iter().map(move |y| x * y)).collect();
        assert!((largest_eigenvalue(&mut a, 3) - 14.0).abs() < 1e-12);
        // [[2, 1], [1, 2]] has 1 and 3
        assert!((largest_eigenvalue(&mut [2.0, 1.0, 1.0, 2.0], 2) - 3.0).abs() < 1e-14);
        assert_eq!(largest_eigenvalue(&mut [0.0; 4], 2), 0.0);
        assert_eq!(largest_eigenvalue(&mut [7.0], 1), 7.0);
    }

    #[test]
    fn turning_matrices_away_does_not_change_the_maximum() {
        let mut rng = Stream::named(&["linalg", "largest"]);
        for n in 1..7 {
            let (mut largest, mut expected) = (LargestEigenvalue::default(), 0.0_f64);
            for _ in 0..200 {
                let mut half = vec![0.0; n * n];
                rng.fill_normal(1.0, &mut half);
                let gram: Vec<f64> =
                    (0..n * n).map(|at| (0..n).map(|k| half[at / n * n + k] * half[at % n * n + k]).sum()).collect();
                largest.offer(&gram, n);
                expected = expected.max(largest_eigenvalue(&mut gram.clone(), n));
                assert!((largest.value() - expected).abs() <= 4e-16 * expected, "{n}: {} {expected}", largest.value());
            }
        }
    }

    #[test]
    fn nan_is_not_lost() {
        let mut largest = LargestEigenvalue::default();
        largest.offer(&[1.0, 0.0, 0.0, f64::NAN], 2);
        largest.offer(&[1.0, 0.0, 0.0, 5.0], 2);
        assert!(largest.value().is_nan());
    }
}
