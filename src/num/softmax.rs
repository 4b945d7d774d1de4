//! Softmax over rows: normalisation, and the chain rule through it.
//!
//! A row of at least [`LANES`] logits is worked in lanes; narrower rows are worked many at a time, so that the
//! exponentials still fill wide registers.
#![allow(clippy::inline_always, reason = "wide instructions reach only code that is inlined into the kernel")]

use super::exp::exp;
use super::simd::{Kernel, LANES, dispatch, fold, max};

/// Elements of scratch on the stack where exponentials are needed but not kept.
const SCRATCH: usize = 256;

/// log Σ exp(xᵢ), without overflow; −∞ for an empty slice or one that is all −∞.
pub fn log_sum_exp(x: &[f64]) -> f64 {
    dispatch(LogSumExp(x))
}

struct LogSumExp<'a>(&'a [f64]);

impl Kernel for LogSumExp<'_> {
    type Output = f64;
    #[inline(always)]
    fn call(self) -> f64 {
        let max = max(self.0);
        if max == f64::NEG_INFINITY {
            return max;
        }
        let (blocks, tail) = self.0.as_chunks::<LANES>();
        let mut lanes = [0.0; LANES];
        for block in blocks {
            for i in 0..LANES {
                lanes[i] += exp(block[i] - max);
            }
        }
        for (lane, v) in lanes.iter_mut().zip(tail) {
            *lane += exp(v - max);
        }
        max + fold(lanes).ln()
    }
}

/// Replaces logits by log-probabilities, in place.
pub fn log_softmax(x: &mut [f64]) {
    if !x.is_empty() {
        log_softmax_rows(x, x.len());
    }
}

/// Replaces every row of logits by log-probabilities, in place.
///
/// # Shapes
/// `x`: whole rows of `width`.
pub fn log_softmax_rows(x: &mut [f64], width: usize) {
    assert_eq!(x.len() % width, 0, "whole rows of {width}");
    dispatch(LogSoftmax(x, width));
}

struct LogSoftmax<'a>(&'a mut [f64], usize);

impl Kernel for LogSoftmax<'_> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let Self(x, width) = self;
        let mut scratch = [0.0; SCRATCH];
        if width < LANES {
            for block in x.chunks_mut(SCRATCH / width * width) {
                narrow::<false>(block, &mut scratch, width);
            }
        } else {
            for row in x.chunks_exact_mut(width) {
                let norm = LogSumExp(row).call();
                row.iter_mut().for_each(|v| *v -= norm);
            }
        }
    }
}

/// Replaces every row of logits by log-probabilities, in place, and writes the probabilities.
///
/// # Shapes
/// `x`: whole rows of `width`; `probs`: as `x`.
pub fn softmax_rows(x: &mut [f64], probs: &mut [f64], width: usize) {
    assert_eq!(x.len() % width, 0, "whole rows of {width}");
    assert_eq!(x.len(), probs.len(), "one probability per logit");
    dispatch(Softmax(x, probs, width));
}

struct Softmax<'a>(&'a mut [f64], &'a mut [f64], usize);

impl Kernel for Softmax<'_> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let Self(x, probs, width) = self;
        if width < LANES {
            return narrow::<true>(x, probs, width);
        }
        for (row, probs) in x.chunks_exact_mut(width).zip(probs.chunks_exact_mut(width)) {
            let max = max(row);
            let total = exp_shifted(row, max, probs);
            let (norm, inverse) = (max + total.ln(), 1.0 / total);
            row.iter_mut().for_each(|v| *v -= norm);
            probs.iter_mut().for_each(|p| *p *= inverse);
        }
    }
}

/// Writes exp(x − max) and returns the sum.
#[inline(always)]
pub(crate) fn exp_shifted(x: &[f64], max: f64, out: &mut [f64]) -> f64 {
    let ((x, x_tail), (out, out_tail)) = (x.as_chunks::<LANES>(), out.as_chunks_mut::<LANES>());
    let mut lanes = [0.0; LANES];
    for (x, out) in x.iter().zip(out) {
        let mut e = [0.0; LANES];
        for i in 0..LANES {
            e[i] = exp(x[i] - max);
        }
        for i in 0..LANES {
            lanes[i] += e[i];
        }
        *out = e;
    }
    for (lane, (x, out)) in lanes.iter_mut().zip(x_tail.iter().zip(out_tail)) {
        *out = exp(x - max);
        *lane += *out;
    }
    fold(lanes)
}

/// Rows shorter than [`LANES`]: log-probabilities in place; `probs` gets the exponentials, normalised if asked.
#[inline(always)]
fn narrow<const NORMALISE: bool>(x: &mut [f64], probs: &mut [f64], width: usize) {
    let probs = &mut probs[..x.len()];
    for row in x.chunks_exact_mut(width) {
        let max = row.iter().fold(f64::NEG_INFINITY, |m, &v| if v > m { v } else { m });
        row.iter_mut().for_each(|v| *v -= max);
    }
    for (p, v) in probs.iter_mut().zip(&*x) {
        *p = exp(*v);
    }
    for (row, probs) in x.chunks_exact_mut(width).zip(probs.chunks_exact_mut(width)) {
        let total: f64 = probs.iter().sum();
        let norm = total.ln();
        row.iter_mut().for_each(|v| *v -= norm);
        if NORMALISE {
            let inverse = 1.0 / total;
            probs.iter_mut().for_each(|p| *p *= inverse);
        }
    }
}

/// Turns weights on log-probabilities into weights on logits, row by row, in place: w ← w − (Σ w) π.
///
/// # Shapes
/// `weights`: as `log_probs`, whole rows of `width`.
pub fn softmax_pullback_rows(weights: &mut [f64], log_probs: &[f64], width: usize) {
    assert_eq!(weights.len() % width, 0, "whole rows of {width}");
    assert_eq!(weights.len(), log_probs.len(), "one weight per log-probability");
    dispatch(Pullback(weights, log_probs, width));
}

struct Pullback<'a>(&'a mut [f64], &'a [f64], usize);

impl Kernel for Pullback<'_> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let Self(weights, log_probs, width) = self;
        if width < LANES {
            let mut scratch = [0.0; SCRATCH];
            let step = SCRATCH / width * width;
            for (w, lp) in weights.chunks_mut(step).zip(log_probs.chunks(step)) {
                for (p, &lp) in scratch.iter_mut().zip(lp) {
                    *p = exp(lp);
                }
                for (w, p) in w.chunks_exact_mut(width).zip(scratch.chunks_exact(width)) {
                    let total: f64 = w.iter().sum();
                    w.iter_mut().zip(p).for_each(|(w, p)| *w -= total * p);
                }
            }
        } else {
            for (w, lp) in weights.chunks_exact_mut(width).zip(log_probs.chunks_exact(width)) {
                let total = sum(w);
                w.iter_mut().zip(lp).for_each(|(w, &lp)| *w -= total * exp(lp));
            }
        }
    }
}

#[inline(always)]
fn sum(x: &[f64]) -> f64 {
    let (blocks, tail) = x.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for block in blocks {
        for i in 0..LANES {
            lanes[i] += block[i];
        }
    }
    lanes.iter_mut().zip(tail).for_each(|(lane, v)| *lane += v);
    fold(lanes)
}
