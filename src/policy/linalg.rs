//! Small dense linear algebra for Jacobian norms.

/// The largest eigenvalue of a symmetric positive semi-definite `n × n` matrix (row-major; overwritten), by cyclic
/// Jacobi rotations. Meant for n ≤ a few dozen.
pub(crate) fn largest_eigenvalue(a: &mut [f64], n: usize) -> f64 {
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
    (0..n).map(|i| a[i * n + i]).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvalue_of_known_matrices() {
        // rank one: v vᵀ has eigenvalue ‖v‖²
        let v = [1.0, -2.0, 3.0];
        let mut a: Vec<f64> = v.iter().flat_map(|x| v.iter().map(move |y| x * y)).collect();
        assert!((largest_eigenvalue(&mut a, 3) - 14.0).abs() < 1e-12);
        // [[2, 1], [1, 2]] has 1 and 3
        assert!((largest_eigenvalue(&mut [2.0, 1.0, 1.0, 2.0], 2) - 3.0).abs() < 1e-14);
        assert_eq!(largest_eigenvalue(&mut [0.0; 4], 2), 0.0);
    }
}
