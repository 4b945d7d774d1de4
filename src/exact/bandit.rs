//! The policy gradient of a contextual bandit on its logits, in one fused pass per prompt: the fast path of what
//! [`Engine`](super::Engine) does for a tabular policy on a tree of length 1.
#![allow(clippy::inline_always, reason = "wide instructions reach only code that is inlined into the kernel")]

use crate::num::exp_shifted;
use crate::num::simd::{Kernel, LANES, dispatch, fold, max, position};

/// Writes `scale` · ∂V(x)/∂ logits for every prompt x, and each prompt's value and reward std.
///
/// Rewards are measured from that of the most probable output, so that r(y) − V keeps its digits when nearly all the
/// mass has the same reward.
///
/// # Shapes
/// `logits`, `rewards`, `grad`: `prompts × outputs`, row-major; `values`, `stds`: `prompts`.
///
/// # Formula
/// ∂V/∂ logit(y) = π(y) (r(y) − V).
pub fn value_gradient(
    logits: &[f64],
    rewards: &[f64],
    outputs: usize,
    scale: f64,
    grad: &mut [f64],
    values: &mut [f64],
    stds: &mut [f64],
) {
    assert!(outputs > 0 && logits.len().is_multiple_of(outputs), "whole rows of {outputs}");
    assert!(rewards.len() == logits.len() && grad.len() == logits.len(), "one reward and gradient per logit");
    assert!(values.len() * outputs == logits.len() && stds.len() == values.len(), "one value and std per prompt");
    dispatch(Rows { logits, rewards, outputs, scale, grad, values, stds });
}

struct Rows<'a> {
    logits: &'a [f64],
    rewards: &'a [f64],
    outputs: usize,
    scale: f64,
    grad: &'a mut [f64],
    values: &'a mut [f64],
    stds: &'a mut [f64],
}

impl Kernel for Rows<'_> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let n = self.outputs;
        let table = self.logits.chunks_exact(n).zip(self.rewards.chunks_exact(n)).zip(self.grad.chunks_exact_mut(n));
        for (((logits, rewards), grad), (value, std)) in table.zip(self.values.iter_mut().zip(self.stds)) {
            let max = max(logits);
            // NaN logits have no maximum among them; any origin serves
            let origin = rewards[position(logits, max).min(n - 1)];
            let total = exp_shifted(logits, max, grad);
            let above = mean(grad, rewards, origin) / total;
            *std = centre(grad, rewards, origin, above, 1.0 / total, self.scale).sqrt();
            *value = origin + above;
        }
    }
}

/// Σ w (r − origin).
#[inline(always)]
fn mean(weights: &[f64], rewards: &[f64], origin: f64) -> f64 {
    let ((w, w_tail), (r, r_tail)) = (weights.as_chunks::<LANES>(), rewards.as_chunks::<LANES>());
    let mut lanes = [0.0; LANES];
    for (w, r) in w.iter().zip(r) {
        for i in 0..LANES {
            lanes[i] = w[i].mul_add(r[i] - origin, lanes[i]);
        }
    }
    for (lane, (w, r)) in lanes.iter_mut().zip(w_tail.iter().zip(r_tail)) {
        *lane = w.mul_add(r - origin, *lane);
    }
    fold(lanes)
}

/// Turns unnormalised weights w into scale · π ((r − origin) − above) with π = w · `inverse`; returns the variance.
#[inline(always)]
fn centre(weights: &mut [f64], rewards: &[f64], origin: f64, above: f64, inverse: f64, scale: f64) -> f64 {
    let ((w, w_tail), (r, r_tail)) = (weights.as_chunks_mut::<LANES>(), rewards.as_chunks::<LANES>());
    let mut lanes = [0.0; LANES];
    for (w, r) in w.iter_mut().zip(r) {
        let mut deviation = [0.0; LANES];
        for i in 0..LANES {
            deviation[i] = (r[i] - origin) - above;
        }
        for i in 0..LANES {
            w[i] = (w[i] * inverse) * deviation[i];
        }
        for i in 0..LANES {
            lanes[i] = w[i].mul_add(deviation[i], lanes[i]);
        }
        for w in w {
            *w *= scale;
        }
    }
    for (lane, (w, r)) in lanes.iter_mut().zip(w_tail.iter_mut().zip(r_tail)) {
        let deviation = (r - origin) - above;
        let weighted = (*w * inverse) * deviation;
        *lane = weighted.mul_add(deviation, *lane);
        *w = weighted * scale;
    }
    fold(lanes)
}
