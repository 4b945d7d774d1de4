//! Exponential and hyperbolic tangent over slices, in wide registers.
//!
//! # Formula
//! eˣ = 2ⁿ eʳ with n = round(x / ln 2) and |r| ≤ ln 2 / 2; eʳ = 1 + r + r² q(r), q the minimax polynomial of degree 9
//! (relative error of eʳ below 2⁻⁵⁶). Errors stay below 1 ulp for eˣ and 2 ulp for tanh, which the tests measure.
#![allow(clippy::inline_always, reason = "wide instructions reach only code that is inlined into the kernel")]

use super::simd::{Kernel, dispatch};

/// 1.5 · 2⁵²: adding it rounds to an integer, whose two's complement then sits in the low bits.
const MAGIC: f64 = 6_755_399_441_055_744.0;
/// ln 2 in two parts; the first has 32 bits, so that its product with n is exact.
const LN2_HIGH: f64 = 0.693_147_180_485_539_1;
const LN2_LOW: f64 = 7.440_617_110_012_397e-11;
/// (eʳ − 1 − r) / r², by Remez exchange with weight r² on |r| ≤ ln 2 / 2.
const Q: [f64; 10] = [
    0.500_000_000_000_001_1,
    0.166_666_666_666_664_13,
    0.041_666_666_666_530_204,
    0.008_333_333_333_494_57,
    0.001_388_888_894_365_104_6,
    0.000_198_412_695_063_470_45,
    2.480_149_305_102_316e-5,
    2.755_758_648_995_754_4e-6,
    2.763_027_320_361_474_7e-7,
    2.500_007_106_008_588_2e-8,
];
const ONE: u64 = 1.0_f64.to_bits();

/// (n + MAGIC, n, eʳ − 1).
#[inline(always)]
fn reduce(x: f64) -> (f64, f64, f64) {
    let shifted = x.mul_add(std::f64::consts::LOG2_E, MAGIC);
    let n = shifted - MAGIC;
    let r = n.mul_add(-LN2_LOW, n.mul_add(-LN2_HIGH, x));
    let r2 = r * r;
    let r4 = r2 * r2;
    let low = Q[3].mul_add(r, Q[2]).mul_add(r2, Q[1].mul_add(r, Q[0]));
    let middle = Q[7].mul_add(r, Q[6]).mul_add(r2, Q[5].mul_add(r, Q[4]));
    let high = Q[9].mul_add(r, Q[8]);
    let q = high.mul_add(r4, middle).mul_add(r4, low);
    (shifted, n, q.mul_add(r2, r))
}

/// 2^n from the low bits of n + MAGIC, for a normal result.
#[inline(always)]
fn power_of_two(low_bits: u64) -> f64 {
    f64::from_bits((low_bits << 52).wrapping_add(ONE))
}

/// eˣ for one lane of a kernel: 0 at −∞, gradual underflow, ∞ on overflow, NaN for NaN.
#[inline(always)]
pub(crate) fn exp(x: f64) -> f64 {
    let x = if x > 710.0 { 710.0 } else { x };
    let x = if x < -746.0 { -746.0 } else { x };
    let (shifted, n, e) = reduce(x);
    // two factors, because 2^n itself may be subnormal or overflow where the product does not
    let half = n.mul_add(0.5, MAGIC);
    (1.0 + e) * power_of_two(half.to_bits()) * power_of_two(shifted.to_bits().wrapping_sub(half.to_bits()))
}

/// tanh x = (e²ˣ − 1) / (e²ˣ + 1) for one lane of a kernel, without cancellation at small |x|.
#[inline(always)]
fn tanh(x: f64) -> f64 {
    let a = x.abs();
    let a = if a > 20.0 { 20.0 } else { a };
    let (shifted, _, e) = reduce(2.0 * a);
    let scale = power_of_two(shifted.to_bits());
    let expm1 = e.mul_add(scale, scale - 1.0);
    (expm1 / (expm1 + 2.0)).copysign(x)
}

struct Exp<'a>(&'a [f64], &'a mut [f64]);

impl Kernel for Exp<'_> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        self.1.iter_mut().zip(self.0).for_each(|(o, &x)| *o = exp(x));
    }
}

struct Tanh<'a>(&'a mut [f64]);

impl Kernel for Tanh<'_> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        self.0.iter_mut().for_each(|v| *v = tanh(*v));
    }
}

/// Writes the exponential of every element.
///
/// # Shapes
/// `out`: as `x`.
pub fn exp_into(x: &[f64], out: &mut [f64]) {
    assert_eq!(x.len(), out.len(), "one exponential per element");
    dispatch(Exp(x, out));
}

/// Replaces every element by its hyperbolic tangent.
pub fn tanh_in_place(x: &mut [f64]) {
    dispatch(Tanh(x));
}
