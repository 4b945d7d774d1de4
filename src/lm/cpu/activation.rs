//! The feed-forward block's non-linearities: values and, in the pre-activations' place, local derivatives.
#![allow(clippy::inline_always, reason = "wide instructions reach only code that is inlined into the kernel")]

use super::lanes::{LANES, exp};
use crate::lm::config::Activation;
use crate::num::simd::{Kernel, dispatch};

/// 1/√(2π).
const INVERSE_SQRT_TAU: f32 = 0.398_942_3;
/// 2 √(2/π).
const TWICE: f32 = 1.595_769_2;

/// (x Φ(x), its derivative). erfc by formula 7.1.26 of Abramowitz and Stegun, absolute error below 1.5e-7.
#[inline(always)]
fn gelu_exact(x: f32) -> (f32, f32) {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / 0.327_591_1_f32.mul_add(z, 1.0);
    let density = exp(-z * z);
    let poly = 1.061_405_4_f32.mul_add(t, -1.453_152).mul_add(t, 1.421_413_7).mul_add(t, -0.284_496_74);
    let tail = 0.5 * poly.mul_add(t, 0.254_829_6) * t * density;
    let phi = if x < 0.0 { tail } else { 1.0 - tail };
    (x * phi, phi + x * density * INVERSE_SQRT_TAU)
}

/// (x σ(2u), its derivative) with u = √(2/π) (x + 0.044715 x³): 0.5 (1 + tanh u) = σ(2u).
#[inline(always)]
fn gelu_tanh(x: f32) -> (f32, f32) {
    let square = x * x;
    let u = TWICE * x * square.mul_add(0.044_715, 1.0);
    let sigmoid = 1.0 / (1.0 + exp(-u));
    let slope = TWICE * square.mul_add(3.0 * 0.044_715, 1.0);
    (x * sigmoid, sigmoid * (x * (1.0 - sigmoid)).mul_add(slope, 1.0))
}

/// (x σ(x), its derivative).
#[inline(always)]
fn silu(x: f32) -> (f32, f32) {
    let sigmoid = 1.0 / (1.0 + exp(-x));
    (x * sigmoid, sigmoid * x.mul_add(1.0 - sigmoid, 1.0))
}

struct Gelu<'a, F: Fn(f32) -> (f32, f32)>(F, &'a mut [f32], &'a [f32], &'a mut [f32]);

impl<F: Fn(f32) -> (f32, f32)> Kernel for Gelu<'_, F> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let Self(f, pre, bias, out) = self;
        let width = bias.len();
        for (pre, out) in pre.chunks_exact_mut(width).zip(out.chunks_exact_mut(width)) {
            let ((pre, pre_tail), (out, out_tail)) = (pre.as_chunks_mut::<LANES>(), out.as_chunks_mut::<LANES>());
            let (bias, bias_tail) = bias.as_chunks::<LANES>();
            // whole registers by hand: the compiler alone would take half ones
            for ((p, o), b) in pre.iter_mut().zip(out).zip(bias) {
                for i in 0..LANES {
                    (o[i], p[i]) = f(p[i] + b[i]);
                }
            }
            for ((p, o), b) in pre_tail.iter_mut().zip(out_tail).zip(bias_tail) {
                (*o, *p) = f(*p + b);
            }
        }
    }
}

/// (silu(gate) · up, its derivatives with respect to gate and up).
#[inline(always)]
fn swiglu(gate: f32, up: f32) -> (f32, f32, f32) {
    let (value, slope) = silu(gate);
    (value * up, slope * up, value)
}

struct SwiGlu<'a>(&'a mut [f32], &'a [f32], &'a mut [f32], usize);

impl Kernel for SwiGlu<'_> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let Self(pre, bias, out, width) = self;
        let (gate_bias, up_bias) = bias.split_at(width);
        for (pre, out) in pre.chunks_exact_mut(2 * width).zip(out.chunks_exact_mut(width)) {
            let (gate, up) = pre.split_at_mut(width);
            let ((gate, gate_tail), (up, up_tail)) = (gate.as_chunks_mut::<LANES>(), up.as_chunks_mut::<LANES>());
            let (out, out_tail) = out.as_chunks_mut::<LANES>();
            let ((gb, gb_tail), (ub, ub_tail)) = (gate_bias.as_chunks::<LANES>(), up_bias.as_chunks::<LANES>());
            for ((((g, u), o), gb), ub) in gate.iter_mut().zip(up).zip(out).zip(gb).zip(ub) {
                for i in 0..LANES {
                    (o[i], g[i], u[i]) = swiglu(g[i] + gb[i], u[i] + ub[i]);
                }
            }
            for ((((g, u), o), gb), ub) in gate_tail.iter_mut().zip(up_tail).zip(out_tail).zip(gb_tail).zip(ub_tail) {
                (*o, *g, *u) = swiglu(*g + gb, *u + ub);
            }
        }
    }
}

/// Applies the non-linearity to pre-activations plus bias; leaves the local derivatives in `pre`.
///
/// # Shapes
/// `pre`: rows of `bias.len()` (gate and up side by side for `SwiGLU`); `out`: rows of `inner`.
pub(crate) fn forward(kind: Activation, pre: &mut [f32], bias: &[f32], out: &mut [f32]) {
    match kind {
        Activation::GeluExact => dispatch(Gelu(gelu_exact, pre, bias, out)),
        Activation::GeluTanh => dispatch(Gelu(gelu_tanh, pre, bias, out)),
        Activation::SwiGlu => dispatch(SwiGlu(pre, bias, out, bias.len() / 2)),
    }
}

struct Backward<'a>(&'a mut [f32], &'a [f32], usize, usize);

impl Kernel for Backward<'_> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let Self(pre, upstream, copies, inner) = self;
        for (pre, d) in pre.chunks_exact_mut(copies * inner).zip(upstream.chunks_exact(inner)) {
            for part in pre.chunks_exact_mut(inner) {
                for (p, d) in part.iter_mut().zip(d) {
                    *p *= d;
                }
            }
        }
    }
}

/// Turns the local derivatives that [`forward`] left in `pre` into the gradient of the pre-activations.
///
/// # Shapes
/// `upstream`: rows of `inner`; `pre`: rows of `inner`, or of twice that for `SwiGLU`.
pub(crate) fn backward(kind: Activation, pre: &mut [f32], upstream: &[f32], inner: usize) {
    let copies = if kind == Activation::SwiGlu { 2 } else { 1 };
    dispatch(Backward(pre, upstream, copies, inner));
}
