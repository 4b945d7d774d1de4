//! The inverse of a symmetric positive definite matrix, as much of it as variances need.

/// The diagonal of A⁻¹: with A a Fisher information, the smallest variances that unbiased estimates can have.
///
/// # Shapes
/// `matrix`: n × n, row by row, symmetric; the lower triangle is read.
///
/// `None` for a matrix that is not positive definite to rounding: something cannot be estimated at all.
pub fn inverse_diagonal(matrix: &[f64], n: usize) -> Option<Vec<f64>> {
    assert_eq!(matrix.len(), n * n, "n × n entries");
    let mut lower = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| lower[i * n + k] * lower[j * n + k]).sum();
            let rest = matrix[i * n + j] - dot;
            if i == j {
                let positive = rest > 1e-12 * matrix[i * n + i].abs();
                if !positive {
                    return None;
                }
                lower[i * n + i] = rest.sqrt();
            } else {
                lower[i * n + j] = rest / lower[j * n + j];
            }
        }
    }
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
}
