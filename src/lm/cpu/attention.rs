//! Causal attention of packed sequences, forward and backward; nothing is computed above the diagonal's tiles.
#![allow(clippy::inline_always, reason = "wide instructions reach only code that is inlined into the kernel")]

use super::lanes::{LANES, exp, fold, max, sum2};
use super::tile::{PAD, Rows, RowsMut, Span, product, transposed_product};
use crate::lm::config::Config;
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// The sizes that attention needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) head: usize,
    /// `head` rounded up to whole registers.
    pub(super) padded: usize,
    /// Columns of q, k, v side by side.
    pub(super) stride: usize,
}

impl Shape {
    pub(crate) fn new(config: &Config) -> Self {
        let head = config.head_width;
        Self {
            heads: config.heads,
            kv_heads: config.kv_heads,
            head,
            padded: head.next_multiple_of(PAD),
            stride: config.qkv_width(),
        }
    }

    /// Numbers that hold all heads' attention probabilities of one sequence.
    pub(crate) fn probs(&self, length: usize) -> usize {
        self.heads * length * length.next_multiple_of(PAD)
    }

    /// Whether a head's columns fill whole registers, so that tiles can read and write them where they lie.
    fn direct(self) -> bool {
        self.head == self.padded
    }

    pub(super) fn scale(&self) -> f32 {
        1.0 / (self.head as f32).sqrt()
    }

    /// First column of query head `h`, and of the key and value head that it reads.
    pub(super) fn columns(&self, h: usize) -> [usize; 3] {
        let g = h / (self.heads / self.kv_heads);
        let k = self.heads * self.head + g * self.head;
        [h * self.head, k, k + self.kv_heads * self.head]
    }
}

/// Copies of one head's q, k, v in the forms that the tiles read; kept between calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scratch {
    query: Vec<f32>,
    key: Vec<f32>,
    value: Vec<f32>,
    out: Vec<f32>,
    transposed: Vec<f32>,
    dprobs: Vec<f32>,
    dquery: Vec<f32>,
    dkey: Vec<f32>,
    dvalue: Vec<f32>,
}

impl Scratch {
    /// Makes room for sequences of this length.
    fn fit(&mut self, shape: Shape, length: usize) {
        let wide = length.next_multiple_of(PAD);
        sized(&mut self.transposed, shape.head * wide);
        sized(&mut self.dprobs, length * wide);
        if !shape.direct() {
            let Self { query, key, value, out, dquery, dkey, dvalue, .. } = self;
            let size = length * shape.padded;
            [query, key, value, out, dquery, dkey, dvalue].into_iter().for_each(|b| sized(b, size));
        }
    }
}

/// Resizes without keeping what was there.
fn sized(buffer: &mut Vec<f32>, len: usize) {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
}

/// Columns of wider rows: where they lie if they fill whole registers, else a copy padded with zeros.
#[inline(always)]
fn view<'a>(shape: Shape, from: &'a [f32], stride: usize, column: usize, copy: &'a mut [f32]) -> Rows<'a> {
    if shape.direct() {
        return Rows { data: &from[column..], stride };
    }
    for (from, to) in from.chunks_exact(stride).zip(copy.chunks_exact_mut(shape.padded)) {
        to[..shape.head].copy_from_slice(&from[column..column + shape.head]);
        to[shape.head..].fill(0.0);
    }
    Rows { data: copy, stride: shape.padded }
}

/// Where a result of `head` columns goes: its place, or a padded copy.
#[inline(always)]
fn target<'a>(shape: Shape, to: &'a mut [f32], stride: usize, column: usize, copy: &'a mut [f32]) -> RowsMut<'a> {
    if shape.direct() {
        RowsMut { data: &mut to[column..], stride }
    } else {
        RowsMut { data: copy, stride: shape.padded }
    }
}

/// Brings a padded copy to its place.
#[inline(always)]
fn settle(shape: Shape, copy: &[f32], to: &mut [f32], stride: usize, column: usize) {
    if !shape.direct() {
        for (from, to) in copy.chunks_exact(shape.padded).zip(to.chunks_exact_mut(stride)) {
            to[column..column + shape.head].copy_from_slice(&from[..shape.head]);
        }
    }
}

/// Copies `head` columns from `column` on, transposed: one row of `wide` per column, zeros after the last position.
#[inline(always)]
fn transpose(shape: Shape, from: &[f32], column: usize, wide: usize, to: &mut [f32]) {
    let length = from.len() / shape.stride;
    for (c, row) in to[..shape.head * wide].chunks_exact_mut(wide).enumerate() {
        for (t, f) in row.iter_mut().zip(from[column + c..].iter().step_by(shape.stride)) {
            *t = *f;
        }
        row[length..].fill(0.0);
    }
}

/// Softmax of a row of scores times `scale` up to `valid`, zeros after.
#[inline(always)]
pub(super) fn softmax<S: Simd>(simd: S, row: &mut [f32], valid: usize, scale: f32) {
    let (live, dead) = row.split_at_mut(valid.next_multiple_of(PAD));
    // block by block: `fill` would call a function for a register's worth
    for block in dead.as_chunks_mut::<LANES>().0 {
        *block = [0.0; LANES];
    }
    let (blocks, _) = live.as_chunks_mut::<LANES>();
    // masked in registers: a scalar store in front of a wide load would stall
    if let Some(last) = blocks.last_mut() {
        let left = (valid - 1) % PAD;
        let mut masked = [0.0; LANES];
        for i in 0..LANES {
            masked[i] = if i <= left { last[i] } else { f32::NEG_INFINITY };
        }
        *last = masked;
    }
    let top = max(simd, blocks.as_flattened());
    let mut lanes = [0.0; LANES];
    for block in &mut *blocks {
        let mut e = [0.0; LANES];
        for i in 0..LANES {
            e[i] = exp(scale * (block[i] - top));
        }
        for i in 0..LANES {
            lanes[i] += e[i];
        }
        *block = e;
    }
    let inverse = 1.0 / fold(simd, lanes);
    for block in blocks {
        for v in block {
            *v *= inverse;
        }
    }
}

struct Forward<'a> {
    shape: Shape,
    qkv: &'a [f32],
    length: usize,
    probs: &'a mut [f32],
    out: &'a mut [f32],
    scratch: &'a mut Scratch,
}

impl WithSimd for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { shape, qkv, length, probs, out, scratch } = self;
        let wide = length.next_multiple_of(PAD);
        let (stride, columns) = (shape.stride, shape.heads * shape.head);
        let Scratch { query, value, out: mixed, transposed, .. } = scratch;
        for (h, probs) in probs.chunks_exact_mut(length * wide).enumerate() {
            let [q, k, v] = shape.columns(h);
            if h % (shape.heads / shape.kv_heads) == 0 {
                transpose(shape, qkv, k, wide, transposed);
            }
            let query = view(shape, qkv, stride, q, query);
            let key = Rows { data: transposed, stride: wide };
            let mut scores = RowsMut { data: probs, stride: wide };
            product::<S, false>(simd, Span::Columns, query, key, &mut scores, (length, shape.head, wide));
            for (t, row) in probs.chunks_exact_mut(wide).enumerate() {
                softmax(simd, row, t + 1, shape.scale());
            }
            let weights = Rows { data: probs, stride: wide };
            let value = view(shape, qkv, stride, v, value);
            let mut result = target(shape, out, columns, q, mixed);
            product::<S, false>(simd, Span::Depth, weights, value, &mut result, (length, 0, shape.padded));
            settle(shape, mixed, out, columns, q);
        }
    }
}

/// Writes every position's mixed values, all heads side by side, and the attention probabilities.
///
/// # Shapes
/// `qkv`: rows of q, k, v; `sequences`: their rows; `probs`: [`Shape::probs`] of each sequence in turn; `out`: rows of
/// heads × head width.
pub(crate) fn forward(
    shape: Shape,
    qkv: &[f32],
    sequences: impl Iterator<Item = Range<usize>>,
    probs: &mut [f32],
    out: &mut [f32],
    scratch: &mut Scratch,
) {
    let columns = shape.heads * shape.head;
    let mut at = 0;
    for rows in sequences {
        let length = rows.len();
        if length == 0 {
            continue;
        }
        scratch.fit(shape, length);
        pulp::Arch::new().dispatch(Forward {
            shape,
            qkv: &qkv[rows.start * shape.stride..rows.end * shape.stride],
            length,
            probs: &mut probs[at..][..shape.probs(length)],
            out: &mut out[rows.start * columns..rows.end * columns],
            scratch,
        });
        at += shape.probs(length);
    }
}

struct Backward<'a> {
    shape: Shape,
    qkv: &'a [f32],
    length: usize,
    probs: &'a [f32],
    dout: &'a [f32],
    dqkv: &'a mut [f32],
    scratch: &'a mut Scratch,
}

impl WithSimd for Backward<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { shape, qkv, length, probs, dout, dqkv, scratch } = self;
        let wide = length.next_multiple_of(PAD);
        let (head, padded, stride) = (shape.head, shape.padded, shape.stride);
        let group = shape.heads / shape.kv_heads;
        let Scratch { query, key, out, transposed, dprobs, dquery, dkey, dvalue, .. } = scratch;
        for (h, probs) in probs.chunks_exact(length * wide).enumerate() {
            let [q, k, v] = shape.columns(h);
            if h % group == 0 {
                transpose(shape, qkv, v, wide, transposed);
                dkey.fill(0.0);
                dvalue.fill(0.0);
            }
            let query = view(shape, qkv, stride, q, query);
            let key = view(shape, qkv, stride, k, key);
            let out = view(shape, dout, shape.heads * head, q, out);
            let weights = Rows { data: probs, stride: wide };
            let mut result = target(shape, dqkv, stride, v, dvalue);
            transposed_product::<S, true>(simd, weights, out, &mut result, (length, padded));
            let mut result = RowsMut { data: dprobs, stride: wide };
            let values = Rows { data: transposed, stride: wide };
            product::<S, false>(simd, Span::Columns, out, values, &mut result, (length, head, wide));
            for (t, (d, p)) in dprobs.chunks_exact_mut(wide).zip(probs.chunks_exact(wide)).enumerate() {
                // the probabilities are zero from t + 1 on, and so is what this makes of the row's rest
                let live = (t + 1).next_multiple_of(PAD);
                softmax_backward(simd, &p[..live], &mut d[..live], shape.scale());
                for block in d[live..].as_chunks_mut::<LANES>().0 {
                    *block = [0.0; LANES];
                }
            }
            let dscores = Rows { data: dprobs, stride: wide };
            let mut result = target(shape, dqkv, stride, q, dquery);
            product::<S, false>(simd, Span::Depth, dscores, key, &mut result, (length, 0, padded));
            let mut result = target(shape, dqkv, stride, k, dkey);
            transposed_product::<S, true>(simd, dscores, query, &mut result, (length, padded));
            settle(shape, dquery, dqkv, stride, q);
            settle(shape, dkey, dqkv, stride, k);
            settle(shape, dvalue, dqkv, stride, v);
        }
    }
}

/// d ← scale · p ∘ (d − Σ p d).
#[inline(always)]
fn softmax_backward<S: Simd>(simd: S, p: &[f32], d: &mut [f32], scale: f32) {
    let total = sum2(simd, p, d, |p, d| p * d);
    for (d, p) in d.as_chunks_mut::<LANES>().0.iter_mut().zip(p.as_chunks::<LANES>().0) {
        for i in 0..LANES {
            d[i] = scale * p[i] * (d[i] - total);
        }
    }
}

/// Writes the gradient of q, k, v, given that of the mixed values.
///
/// # Shapes
/// As in [`forward`]; `dout` as its `out`, `dqkv` as its `qkv`.
pub(crate) fn backward(
    shape: Shape,
    qkv: &[f32],
    sequences: impl Iterator<Item = Range<usize>>,
    probs: &[f32],
    dout: &[f32],
    dqkv: &mut [f32],
    scratch: &mut Scratch,
) {
    dqkv.fill(0.0);
    let columns = shape.heads * shape.head;
    let mut at = 0;
    for rows in sequences {
        let length = rows.len();
        if length == 0 {
            continue;
        }
        scratch.fit(shape, length);
        pulp::Arch::new().dispatch(Backward {
            shape,
            qkv: &qkv[rows.start * shape.stride..rows.end * shape.stride],
            length,
            probs: &probs[at..][..shape.probs(length)],
            dout: &dout[rows.start * columns..rows.end * columns],
            dqkv: &mut dqkv[rows.start * shape.stride..rows.end * shape.stride],
            scratch,
        });
        at += shape.probs(length);
    }
}
