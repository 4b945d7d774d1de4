//! Symmetric positive definite systems by Cholesky's factor: solutions, and the diagonal of the inverse that variances need.

use super::dot;

/// The lower triangular L with A = L Lᵀ.
#[derive(Clone, Debug)]
pub struct Cholesky {
    /// Row by row; zero above the diagonal.
    lower: Vec<f64>,
    n: usize,
}

impl Cholesky {
    /// # Shapes
    /// `matrix`: n × n, row by row, symmetric; the lower triangle is read.
    ///
    /// `None` for a matrix that is not positive definite to rounding.
    pub fn new(matrix: &[f64], n: usize) -> Option<Self> {
        factor(matrix, n, dot).map(|lower| Self { lower, n })
    }

    /// x with A x = b.
    ///
    /// # Shapes
    /// `b`: n.
    pub fn solve(&self, b: &[f64]) -> Vec<f64> {
        assert_eq!(b.len(), self.n, "n entries");
        let n = self.n;
        let mut x = b.to_vec();
        for i in 0..n {
            let row = &self.lower[i * n..=i * n + i];
            x[i] = (x[i] - dot(&row[..i], &x[..i])) / row[i];
        }
        for i in (0..n).rev() {
            let row = &self.lower[i * n..=i * n + i];
            x[i] /= row[i];
            let solved = x[i];
            x[..i].iter_mut().zip(row).for_each(|(x, l)| *x -= solved * l);
        }
        x
    }
}

/// L, with the given inner product of two slices of one length.
fn factor(matrix: &[f64], n: usize, product: impl Fn(&[f64], &[f64]) -> f64) -> Option<Vec<f64>> {
    assert_eq!(matrix.len(), n * n, "n × n entries");
    let mut lower = vec![0.0; n * n];
    for i in 0..n {
        let (above, row) = lower.split_at_mut(i * n);
        for j in 0..i {
            let of_j = &above[j * n..=j * n + j];
            row[j] = (matrix[i * n + j] - product(&row[..j], &of_j[..j])) / of_j[j];
        }
        let rest = matrix[i * n + i] - product(&row[..i], &row[..i]);
        let positive = rest > 1e-12 * matrix[i * n + i].abs();
        if !positive {
            return None;
        }
        row[i] = rest.sqrt();
    }
    Some(lower)
}

/// The diagonal of A⁻¹: with A a Fisher information, the smallest variances that unbiased estimates can have.
///
/// # Shapes
/// `matrix`: n × n, row by row, symmetric; the lower triangle is read.
///
/// `None` for a matrix that is not positive definite to rounding: something cannot be estimated at all.
pub fn inverse_diagonal(matrix: &[f64], n: usize) -> Option<Vec<f64>> {
    // one term after the other: published variances have these bits
    let lower = factor(matrix, n, |a, b| a.iter().zip(b).map(|(x, y)| x * y).sum())?;
    // A⁻¹ = L⁻ᵀ L⁻¹: the diagonal is the squared columns of L⁻¹
    let mut diagonal = vec![0.0; n];
    let mut column = vec![0.0; n];
    for (c, square) in diagonal.iter_mut().enumerate() {
        for i in c..n {
            let dot: f64 = (c..i).map(|k| lower[i * n + k] * column[k]).sum();
            column[i] = (f64::from(u8::from(i == c)) - dot) / lower[i * n + i];
            *square += column[i] * column[i];
        }
    }
    Some(diagonal)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: the inverse of [[4, 2, 0], [2, 3, 1], [0, 1, 2]] is [[5, −4, 2], [−4, 8, −4], [2, −4, 8]] / 12.
    #[test]
    fn by_hand() {
        let got = inverse_diagonal(&[4.0, 2.0, 0.0, 2.0, 3.0, 1.0, 0.0, 1.0, 2.0], 3).expect("positive definite");
        for (a, b) in got.iter().zip([5.0, 8.0, 8.0]) {
            assert!((a - b / 12.0).abs() < 1e-15, "{got:?}");
        }
    }

    /// (a I + b 1 1ᵀ)⁻¹ has the diagonal (1 − b / (a + n b)) / a.
    #[test]
    fn rank_one_update_and_singular() {
        let (n, a, b) = (30, 0.7, 0.2);
        let matrix = |a: f64| -> Vec<f64> { (0..n * n).map(|i| if i / n == i % n { a + b } else { b }).collect() };
        let expected = (1.0 - b / (a + n as f64 * b)) / a;
        assert!(inverse_diagonal(&matrix(a), n).expect("legal").iter().all(|v| (v - expected).abs() < 1e-12));
        assert!(inverse_diagonal(&matrix(0.0), n).is_none() && inverse_diagonal(&[f64::NAN], 1).is_none());
    }

    #[test]
    fn solutions_solve() {
        let n = 40;
        let matrix: Vec<f64> = (0..n * n)
            .map(|e: usize| if e / n == e % n { 3.0 } else { 1.0 / (1.0 + (e / n).abs_diff(e % n) as f64) })
            .collect();
        let b: Vec<f64> = (0..n).map(|i| (i as f64).sin()).collect();
        let x = Cholesky::new(&matrix, n).expect("dominant diagonal").solve(&b);
        for (row, b) in matrix.chunks(n).zip(&b) {
            assert!((dot(row, &x) - b).abs() < 1e-13);
        }
    }
}
