//! All eigenvalues and eigenvectors of one symmetric matrix.

/// Most sweeps over all pairs of coordinates; convergence is quadratic, and a dozen are enough for any size met here.
const SWEEPS: usize = 60;

/// A symmetric matrix as Σ λ u uᵀ.
#[derive(Clone, Debug)]
pub struct Symmetric {
    /// λ, in no order.
    pub values: Vec<f64>,
    /// Eigenvectors of length 1 as rows, n × n, in the order of the values.
    pub vectors: Vec<f64>,
}

/// Eigenvalues and eigenvectors by Jacobi's rotations, to rounding. Meant for n up to a few hundred.
///
/// # Shapes
/// `matrix`: n × n, row by row, symmetric.
pub fn symmetric_eigen(matrix: &[f64], n: usize) -> Symmetric {
    assert_eq!(matrix.len(), n * n, "n × n entries");
    let mut a = matrix.to_vec();
    let mut vectors = vec![0.0; n * n];
    (0..n).for_each(|i| vectors[i * n + i] = 1.0);
    let scale: f64 = a.iter().map(|v| v * v).sum();
    for _ in 0..SWEEPS {
        let off: f64 = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i * n + j].powi(2)).sum();
        if off.is_nan() || off <= 1e-30 * scale {
            break;
        }
        for q in 1..n {
            for p in 0..q {
                rotate(&mut a, &mut vectors, n, p, q);
            }
        }
    }
    Symmetric { values: (0..n).map(|i| a[i * n + i]).collect(), vectors }
}

/// One rotation that makes the entry (p, q) zero; p < q.
fn rotate(a: &mut [f64], vectors: &mut [f64], n: usize, p: usize, q: usize) {
    let apq = a[p * n + q];
    if apq == 0.0 {
        return;
    }
    let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * apq);
    let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let c = 1.0 / t.hypot(1.0);
    let s = t * c;
    for k in 0..n {
        let (akp, akq) = (a[k * n + p], a[k * n + q]);
        (a[k * n + p], a[k * n + q]) = (c * akp - s * akq, s * akp + c * akq);
    }
    for rows in [a, vectors] {
        let (above, below) = rows.split_at_mut(q * n);
        for (x, y) in above[p * n..(p + 1) * n].iter_mut().zip(&mut below[..n]) {
            (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::dot;
    use crate::rng::Stream;

    #[test]
    fn by_hand() {
        let mut values = symmetric_eigen(&[2.0, 1.0, 1.0, 2.0], 2).values;
        values.sort_by(f64::total_cmp);
        assert!((values[0] - 1.0).abs() < 1e-15 && (values[1] - 3.0).abs() < 1e-15);
    }

    #[test]
    fn the_matrix_is_put_together_again() {
        let n = 30;
        let mut matrix = vec![0.0; n * n];
        Stream::named(&["symmetric"]).fill_normal(1.0, &mut matrix);
        let matrix: Vec<f64> = (0..n * n).map(|e| matrix[e] + matrix[e % n * n + e / n]).collect();
        let Symmetric { values, vectors } = symmetric_eigen(&matrix, n);
        for i in 0..n {
            for j in 0..n {
                let entry: f64 = (0..n).map(|k| values[k] * vectors[k * n + i] * vectors[k * n + j]).sum();
                assert!((entry - matrix[i * n + j]).abs() < 1e-12);
                let product = dot(&vectors[i * n..(i + 1) * n], &vectors[j * n..(j + 1) * n]);
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-13);
            }
        }
    }
}
