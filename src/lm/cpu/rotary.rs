//! Rotary positions (arXiv:2104.09864), half-split pairs as in Hugging Face's models.
#![allow(clippy::inline_always, reason = "wide instructions reach only code that is inlined into the kernel")]

use crate::num::simd::{Kernel, dispatch};

/// Cosines and sines of every position; empty without rotary positions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    half: usize,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Table {
    /// # Formula
    /// angle(p, i) = p · base^(−2i/width), i < width / 2; frequencies and angles rounded to f32 as in PyTorch.
    pub(crate) fn new(base: f64, width: usize, context: usize) -> Self {
        let half = width / 2;
        let frequencies: Vec<f32> = (0..half).map(|i| base.powf(-(2.0 * i as f64) / width as f64) as f32).collect();
        let angles = || (0..context).flat_map(|p| frequencies.iter().map(move |f| f64::from(p as f32 * f)));
        Self { half, cos: angles().map(|a| a.cos() as f32).collect(), sin: angles().map(|a| a.sin() as f32).collect() }
    }
}

struct Rotate<'a, P> {
    table: &'a Table,
    rows: &'a mut [f32],
    stride: usize,
    heads: usize,
    head: usize,
    sign: f32,
    positions: P,
}

impl<P: Iterator<Item = usize>> Kernel for Rotate<'_, P> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let Self { table, rows, stride, heads, head, sign, positions } = self;
        let half = table.half;
        for (row, p) in rows.chunks_exact_mut(stride).zip(positions) {
            let (cos, sin) = (&table.cos[p * half..][..half], &table.sin[p * half..][..half]);
            for x in row[..heads * head].chunks_exact_mut(head) {
                let (a, b) = x[..2 * half].split_at_mut(half);
                for (((a, b), cos), sin) in a.iter_mut().zip(b).zip(cos).zip(sin) {
                    let sin = sign * sin;
                    (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
                }
            }
        }
    }
}

/// Rotates the first `heads` heads (q, then k) of every row by its position, or back.
///
/// # Shapes
/// `rows`: whole rows of `stride`; `positions`: one per row.
pub(crate) fn rotate(
    table: &Table,
    rows: &mut [f32],
    (stride, heads, head): (usize, usize, usize),
    back: bool,
    positions: impl Iterator<Item = usize>,
) {
    if table.half > 0 {
        let sign = if back { -1.0 } else { 1.0 };
        dispatch(Rotate { table, rows, stride, heads, head, sign, positions });
    }
}
