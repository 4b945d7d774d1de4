//! Layer norm and RMS norm over rows, forward and backward.
#![allow(clippy::inline_always, reason = "wide instructions reach only code that is inlined into the kernel")]

use super::lanes::{sum, sum2};
use pulp::{Arch, Simd, WithSimd};

/// What the backward pass needs of a row beside its input.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moments {
    mean: f32,
    /// 1 / √(variance + ε), or of the mean square.
    inverse: f32,
}

/// A norm over rows as long as its scale.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form<'a> {
    pub(crate) scale: &'a [f32],
    /// Empty if there is none.
    pub(crate) shift: &'a [f32],
    /// Whether the mean is subtracted.
    pub(crate) centred: bool,
    pub(crate) epsilon: f32,
}

struct Forward<'a>(Form<'a>, &'a [f32], &'a mut [f32], &'a mut [Moments]);

impl WithSimd for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self(form, x, out, moments) = self;
        let width = form.scale.len();
        for ((x, out), m) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)).zip(moments) {
            *m = row_moments(simd, &form, x);
            for ((o, x), s) in out.iter_mut().zip(x).zip(form.scale) {
                *o = (x - m.mean) * m.inverse * s;
            }
            for (o, s) in out.iter_mut().zip(form.shift) {
                *o += s;
            }
        }
    }
}

#[inline(always)]
fn row_moments<S: Simd>(simd: S, form: &Form, x: &[f32]) -> Moments {
    let share = 1.0 / x.len() as f32;
    let mean = if form.centred { sum(simd, x, |x| x) * share } else { 0.0 };
    let square = sum(simd, x, |x| (x - mean) * (x - mean)) * share;
    Moments { mean, inverse: 1.0 / (square + form.epsilon).sqrt() }
}

/// Normalises every row of `x` into `out`.
///
/// # Shapes
/// `x`, `out`: whole rows of `form.scale.len()`; `moments`: one per row.
pub(crate) fn forward(form: Form, x: &[f32], out: &mut [f32], moments: &mut [Moments]) {
    Arch::new().dispatch(Forward(form, x, out, moments));
}

/// The gradients of a norm's scale and shift; the shift's is empty if there is none.
#[derive(Debug)]
pub(crate) struct Gradient<'a> {
    pub(crate) scale: &'a mut [f32],
    pub(crate) shift: &'a mut [f32],
}

struct Backward<'a>(Form<'a>, &'a [f32], &'a [Moments], &'a [f32], &'a mut [f32], Gradient<'a>);

impl WithSimd for Backward<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self(form, x, moments, upstream, dx, grad) = self;
        let width = form.scale.len();
        let rows = x.chunks_exact(width).zip(upstream.chunks_exact(width)).zip(dx.chunks_exact_mut(width));
        for (((x, dy), dx), m) in rows.zip(moments) {
            row_backward(simd, &form, x, *m, dy, dx, grad.scale);
            for (g, d) in grad.shift.iter_mut().zip(dy) {
                *g += d;
            }
        }
    }
}

/// dx ← dx + the gradient through one row; `scale` ← scale + its gradient.
#[inline(always)]
fn row_backward<S: Simd>(simd: S, form: &Form, x: &[f32], m: Moments, dy: &[f32], dx: &mut [f32], scale: &mut [f32]) {
    let share = 1.0 / x.len() as f32;
    for ((g, d), x) in scale.iter_mut().zip(dy).zip(x) {
        *g += d * (x - m.mean) * m.inverse;
    }
    let mean = if form.centred { sum2(simd, dy, form.scale, |d, s| d * s) * share } else { 0.0 };
    let along = along_row(simd, form, x, m, dy) * share;
    for (((o, d), s), x) in dx.iter_mut().zip(dy).zip(form.scale).zip(x) {
        let normal = (x - m.mean) * m.inverse;
        *o += m.inverse * (d * s - mean - normal * along);
    }
}

/// Σ dyᵢ sᵢ x̂ᵢ.
#[inline(always)]
fn along_row<S: Simd>(simd: S, form: &Form, x: &[f32], m: Moments, dy: &[f32]) -> f32 {
    use super::lanes::{LANES, fold};
    let ((x, x_tail), (d, d_tail)) = (x.as_chunks::<LANES>(), dy.as_chunks::<LANES>());
    let (s, s_tail) = form.scale.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for ((x, d), s) in x.iter().zip(d).zip(s) {
        for i in 0..LANES {
            lanes[i] += d[i] * s[i] * ((x[i] - m.mean) * m.inverse);
        }
    }
    for (lane, ((x, d), s)) in lanes.iter_mut().zip(x_tail.iter().zip(d_tail).zip(s_tail)) {
        *lane += d * s * ((x - m.mean) * m.inverse);
    }
    fold(simd, lanes)
}

/// Adds to `dx` the gradient with respect to the norm's input, and to `grad` that of its scale and shift.
///
/// # Shapes
/// `x`, `upstream`, `dx`: as [`forward`]'s rows; `moments`: what `forward` wrote.
pub(crate) fn backward(
    form: Form,
    x: &[f32],
    moments: &[Moments],
    upstream: &[f32],
    dx: &mut [f32],
    grad: Gradient<'_>,
) {
    Arch::new().dispatch(Backward(form, x, moments, upstream, dx, grad));
}
