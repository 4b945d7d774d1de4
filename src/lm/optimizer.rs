//! Optimisers over the flat f32 parameters. They go *down* the gradient of a loss.
#![allow(clippy::inline_always, reason = "wide instructions reach only code that is inlined into the kernel")]

use crate::error::{Error, Result};
use crate::num::simd::{Kernel, dispatch};
use serde::{Deserialize, Serialize};

/// `AdamW` (arXiv:1711.05101) as PyTorch computes it: decoupled weight decay, bias correction, ε outside the root.
///
/// # Formula
/// θ ← (1 − lr λ) θ; m ← β₁ m + (1 − β₁) g; v ← β₂ v + (1 − β₂) g²;
/// θ ← θ − lr / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + ε).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdamW {
    /// β₁, in [0, 1).
    pub beta1: f64,
    /// β₂, in [0, 1).
    pub beta2: f64,
    /// ε, positive.
    pub epsilon: f64,
    /// λ, at least 0.
    pub weight_decay: f64,
    pub(crate) first: Vec<f32>,
    pub(crate) second: Vec<f32>,
    pub(crate) steps: u64,
}

impl AdamW {
    /// Fresh moments for `params` parameters, β₁ 0.9, β₂ 0.999, ε 1e-8.
    ///
    /// # Errors
    /// A weight decay that is negative or not finite.
    pub fn new(params: usize, weight_decay: f64) -> Result<Self> {
        if !(weight_decay >= 0.0 && weight_decay.is_finite()) {
            return Err(Error::parameter("weight_decay", weight_decay, "at least 0 and finite"));
        }
        // two allocations of zeros: memory that is not touched is not taken
        let zeros = || vec![0.0; params];
        Ok(Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay, first: zeros(), second: zeros(), steps: 0 })
    }

    /// One step of descent.
    ///
    /// # Shapes
    /// `params`, `grad`: as many as at creation.
    pub fn step(&mut self, params: &mut [f32], grad: &[f32], learning_rate: f64) {
        assert!(params.len() == self.first.len() && grad.len() == params.len(), "one moment per parameter");
        self.steps += 1;
        let t = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let factors = Factors {
            keep: (1.0 - learning_rate * self.weight_decay) as f32,
            beta1: self.beta1 as f32,
            rest1: (1.0 - self.beta1) as f32,
            beta2: self.beta2 as f32,
            rest2: (1.0 - self.beta2) as f32,
            step: (learning_rate / (1.0 - self.beta1.powi(t))) as f32,
            root: (1.0 / (1.0 - self.beta2.powi(t)).sqrt()) as f32,
            epsilon: self.epsilon as f32,
        };
        dispatch(Step(factors, params, grad, &mut self.first, &mut self.second));
    }
}

struct Factors {
    keep: f32,
    beta1: f32,
    rest1: f32,
    beta2: f32,
    rest2: f32,
    step: f32,
    root: f32,
    epsilon: f32,
}

struct Step<'a>(Factors, &'a mut [f32], &'a [f32], &'a mut [f32], &'a mut [f32]);

impl Kernel for Step<'_> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let Self(f, params, grad, first, second) = self;
        for (((p, g), m), v) in params.iter_mut().zip(grad).zip(first).zip(second) {
            *m = f.beta1 * *m + f.rest1 * g;
            *v = f.beta2 * *v + f.rest2 * g * g;
            *p = f.keep * *p - f.step * *m / (v.sqrt() * f.root + f.epsilon);
        }
    }
}

/// Plain gradient descent: θ ← (1 − lr λ) θ − lr g.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sgd {
    /// λ, at least 0.
    pub weight_decay: f64,
}

impl Sgd {
    /// One step of descent.
    pub fn step(&self, params: &mut [f32], grad: &[f32], learning_rate: f64) {
        let keep = (1.0 - learning_rate * self.weight_decay) as f32;
        let rate = learning_rate as f32;
        params.iter_mut().zip(grad).for_each(|(p, g)| *p = keep * *p - rate * g);
    }
}

/// Scales the gradient so that its Euclidean norm is at most `limit`; returns the norm before, summed in f64.
///
/// # Errors
/// A norm that is not finite (training diverged); the gradient stays as it was.
pub fn clip_gradient(grad: &mut [f32], limit: f64) -> Result<f64> {
    let norm = dispatch(SquareSum(grad)).sqrt();
    if !norm.is_finite() {
        return Err(Error::NotFinite { what: "gradient norm (training diverged)".into(), value: norm });
    }
    if norm > limit {
        let scale = (limit / norm) as f32;
        grad.iter_mut().for_each(|g| *g *= scale);
    }
    Ok(norm)
}

struct SquareSum<'a>(&'a [f32]);

impl Kernel for SquareSum<'_> {
    type Output = f64;
    #[inline(always)]
    fn call(self) -> f64 {
        let (blocks, tail) = self.0.as_chunks::<16>();
        let mut lanes = [0.0_f64; 16];
        for block in blocks {
            for i in 0..16 {
                lanes[i] += f64::from(block[i]) * f64::from(block[i]);
            }
        }
        for (lane, v) in lanes.iter_mut().zip(tail) {
            *lane += f64::from(*v) * f64::from(*v);
        }
        crate::num::simd::fold(lanes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // PyTorch 2.15: p = torch.tensor([1.0, -2.0, 0.5]); o = torch.optim.AdamW([p], lr=0.1, weight_decay=0.1); three steps
    // with the gradients below
    #[test]
    fn adamw_is_pytorchs() {
        let mut params = [1.0, -2.0, 0.5];
        let mut adam = AdamW::new(3, 0.1).expect("legal");
        for grad in [[0.5, -3.0, 0.0], [0.1, 2.0, -1.0], [-0.4, 0.25, 1e-3]] {
            adam.step(&mut params, &grad, 0.1);
        }
        for (p, torch) in params.into_iter().zip([0.783_418_1, -1.821_558_2, 0.616_277_1]) {
            assert!((p - torch).abs() < 2e-7, "{p} against {torch}");
        }
    }

    #[test]
    fn clipping_scales_to_the_limit_and_refuses_nan() {
        let mut grad = [3.0, 0.0, -4.0];
        assert_eq!(clip_gradient(&mut grad, 10.0).expect("finite"), 5.0);
        assert_eq!(grad, [3.0, 0.0, -4.0]);
        assert_eq!(clip_gradient(&mut grad, 1.0).expect("finite"), 5.0);
        assert!((grad[0] - 0.6).abs() < 1e-7 && (grad[2] + 0.8).abs() < 1e-7);
        assert!(clip_gradient(&mut [f32::NAN, 1.0], 1.0).is_err());
        assert!(AdamW::new(1, -1.0).is_err());
    }
}
