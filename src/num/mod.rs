//! Stable numerics on slices: log-space sums, softmax, norms, matrix products. All logarithms are natural.

mod matmul;

pub use matmul::{Matrix, matmul};

/// log Σ exp(xᵢ), without overflow; −∞ for an empty slice or one that is all −∞.
pub fn log_sum_exp(x: &[f64]) -> f64 {
    let max = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if max == f64::NEG_INFINITY {
        return max;
    }
    max + x.iter().map(|v| (v - max).exp()).sum::<f64>().ln()
}

/// Replaces logits by log-probabilities, in place.
pub fn log_softmax(x: &mut [f64]) {
    let norm = log_sum_exp(x);
    x.iter_mut().for_each(|v| *v -= norm);
}

/// log σ(x) = −log(1 + e^−x), without overflow.
pub fn log_sigmoid(x: f64) -> f64 {
    x.min(0.0) - (-x.abs()).exp().ln_1p()
}

/// σ(x) = 1 / (1 + e^−x), without overflow.
pub fn sigmoid(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    if x >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
}

/// Σ aᵢ bᵢ.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// The Euclidean norm, ‖a‖₂.
pub fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// ‖a − b‖₂ / max(‖b‖₂, tiny): the relative error of `a` against the reference `b`.
pub fn relative_error(a: &[f64], b: &[f64]) -> f64 {
    let difference = a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt();
    difference / norm(b).max(f64::MIN_POSITIVE)
}

/// The cosine of the angle between two vectors; NaN if either is zero.
pub fn cosine(a: &[f64], b: &[f64]) -> f64 {
    dot(a, b) / (norm(a) * norm(b))
}
