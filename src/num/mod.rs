//! Stable numerics on slices: log-space sums, softmax, norms, matrix products. All logarithms are natural.

mod cholesky;
pub(crate) mod eigen;
mod exp;
mod matmul;
pub(crate) mod pack;
mod planes;
pub(crate) mod simd;
mod softmax;
mod symmetric;

pub use cholesky::{Cholesky, inverse_diagonal};
pub use exp::{exp_into, tanh_in_place};
pub use matmul::{Element, Matrix, matmul};
pub use planes::Window;
pub use simd::dot;
pub(crate) use softmax::exp_shifted;
pub use softmax::{log_softmax, log_softmax_rows, log_sum_exp, softmax_pullback_rows, softmax_rows};
pub use symmetric::{Symmetric, symmetric_eigen};

/// log σ(x) = −log(1 + e^−x), without overflow.
pub fn log_sigmoid(x: f64) -> f64 {
    x.min(0.0) - (-x.abs()).exp().ln_1p()
}

/// σ(x) = 1 / (1 + e^−x), without overflow.
pub fn sigmoid(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    if x >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
}

/// log(1 − e^x) for x ≤ 0, without cancellation at either end; −∞ at 0.
pub fn log_one_minus_exp(x: f64) -> f64 {
    if x > -std::f64::consts::LN_2 { (-x.exp_m1()).ln() } else { (-x.exp()).ln_1p() }
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
