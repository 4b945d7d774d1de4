//! f32 arithmetic in wide registers: sums in a fixed order, the exponential, and adding rows.
//!
//! As in `num::simd`: every sum runs in [`LANES`] interleaved partial sums folded in a fixed tree, so that its bits do
//! not depend on the width of the registers.
#![allow(clippy::inline_always, reason = "wide instructions reach only code that is inlined into the kernel")]

use crate::num::simd::{Kernel, dispatch};
use pulp::{Simd, WithSimd};

/// Partial sums of a reduction: one AVX-512 register's worth.
pub(crate) const LANES: usize = 16;

/// The sum of the lanes, halves first: (0 + 8, 1 + 9, …), then (0 + 4, …), …
#[inline(always)]
pub(crate) fn fold<S: Simd>(simd: S, lanes: [f32; LANES]) -> f32 {
    let (vectors, _) = S::as_simd_f32s(&lanes);
    let mut total = vectors[0];
    for v in &vectors[1..] {
        total = simd.add_f32s(total, *v);
    }
    simd.reduce_sum_f32s(total)
}

/// Σ f(xᵢ, yᵢ).
#[inline(always)]
pub(crate) fn sum2<S: Simd>(simd: S, x: &[f32], y: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let ((x, x_tail), (y, y_tail)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
    let mut lanes = [0.0; LANES];
    for (x, y) in x.iter().zip(y) {
        for i in 0..LANES {
            lanes[i] += f(x[i], y[i]);
        }
    }
    for (lane, (x, y)) in lanes.iter_mut().zip(x_tail.iter().zip(y_tail)) {
        *lane += f(*x, *y);
    }
    fold(simd, lanes)
}

/// Σ f(xᵢ).
#[inline(always)]
pub(crate) fn sum<S: Simd>(simd: S, x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    sum2(simd, x, x, |x, _| f(x))
}

/// The largest element; −∞ for an empty slice. A NaN may be passed over: what is made of the rest is NaN anyway.
#[inline(always)]
pub(crate) fn max<S: Simd>(simd: S, x: &[f32]) -> f32 {
    let (blocks, tail) = x.as_chunks::<LANES>();
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for block in blocks {
        for (m, &v) in lanes.iter_mut().zip(block) {
            *m = if v > *m { v } else { *m };
        }
    }
    for (m, &v) in lanes.iter_mut().zip(tail) {
        *m = if v > *m { v } else { *m };
    }
    let (vectors, _) = S::as_simd_f32s(&lanes);
    let mut top = vectors[0];
    for v in &vectors[1..] {
        top = simd.max_f32s(top, *v);
    }
    simd.reduce_max_f32s(top)
}

/// 1.5 · 2²³: adding it rounds to an integer, whose two's complement then sits in the low bits.
const MAGIC: f32 = 12_582_912.0;
/// ln 2 in two parts; the first has 12 bits, so that its product with n is exact.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// eˣ for one lane of a kernel, within 2 ulp: 0 below −87.3 (no subnormals), largest finite powers up to 88.3, NaN for
/// NaN. 2ⁿ eʳ with n = round(x / ln 2); eʳ by its Taylor polynomial of degree 7, exact to 1e-8 on |r| ≤ ln 2 / 2.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    let capped = if x > 88.3 { 88.3 } else { x };
    let shifted = capped.mul_add(std::f32::consts::LOG2_E, MAGIC);
    let n = shifted - MAGIC;
    let r = n.mul_add(-LN2_LOW, n.mul_add(-LN2_HIGH, capped));
    let q = r.mul_add(1.0 / 5_040.0, 1.0 / 720.0);
    let q = q.mul_add(r, 1.0 / 120.0).mul_add(r, 1.0 / 24.0).mul_add(r, 1.0 / 6.0).mul_add(r, 0.5);
    let e = q.mul_add(r * r, r) + 1.0;
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
    let value = e * power;
    if x < -87.3 { 0.0 } else { value }
}

struct AddColumns<'a>(&'a [f32], &'a mut [f32]);

impl Kernel for AddColumns<'_> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let Self(rows, out) = self;
        for row in rows.chunks_exact(out.len()) {
            for (o, v) in out.iter_mut().zip(row) {
                *o += v;
            }
        }
    }
}

/// `out` ← `out` + the sum of the rows; nothing if `out` is empty (a map without bias).
pub(crate) fn add_column_sums(rows: &[f32], out: &mut [f32]) {
    if !out.is_empty() {
        dispatch(AddColumns(rows, out));
    }
}

struct PlusRow<'a>(&'a [f32], &'a [f32], &'a mut [f32]);

impl Kernel for PlusRow<'_> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let Self(x, row, out) = self;
        for (out, x) in out.chunks_exact_mut(row.len()).zip(x.chunks_exact(row.len())) {
            for ((o, x), b) in out.iter_mut().zip(x).zip(row) {
                *o = x + b;
            }
        }
    }
}

/// Every row of `out` ← the same row of `x` + `row`; a copy if `row` is empty.
pub(crate) fn plus_row(x: &[f32], row: &[f32], out: &mut [f32]) {
    if row.is_empty() {
        out.copy_from_slice(x);
    } else {
        dispatch(PlusRow(x, row, out));
    }
}

/// Every row of `out` ← out + `row`; nothing if `row` is empty.
pub(crate) fn add_row(out: &mut [f32], row: &[f32]) {
    if !row.is_empty() {
        dispatch(AddRow(out, row));
    }
}

struct AddRow<'a>(&'a mut [f32], &'a [f32]);

impl Kernel for AddRow<'_> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        for out in self.0.chunks_exact_mut(self.1.len()) {
            for (o, b) in out.iter_mut().zip(self.1) {
                *o += b;
            }
        }
    }
}

struct Dot<'a>(&'a [f32], &'a [f32]);

impl WithSimd for Dot<'_> {
    type Output = f32;
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        sum2(simd, self.0, self.1, |a, b| a * b)
    }
}

/// Σ aᵢ bᵢ.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    pulp::Arch::new().dispatch(Dot(a, b))
}
