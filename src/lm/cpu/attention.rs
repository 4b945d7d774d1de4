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
    dprobs: Vec<f32>,
    dquery: Vec<f32>,
    dkey: Vec<f32>,
    dvalue: Vec<f32>,
}

/// Copies `head` columns from `column` on into rows of `padded`, times `scale`; the padding is zero.
#[inline(always)]
fn gather(from: &[f32], stride: usize, column: usize, head: usize, padded: usize, scale: f32, to: &mut [f32]) {
    for (from, to) in from.chunks_exact(stride).zip(to.chunks_exact_mut(padded)) {
        for (t, f) in to.iter_mut().zip(&from[column..column + head]) {
            *t = scale * f;
        }
        for t in &mut to[head..] {
            *t = 0.0;
        }
    }
}

/// Copies `head` columns from `column` on, transposed: one row of `wide` per column, zeros after the last position.
#[inline(always)]
fn gather_transposed(from: &[f32], stride: usize, column: usize, head: usize, wide: usize, to: &mut [f32]) {
    let length = from.len() / stride;
    for row in to[..head * wide].chunks_exact_mut(wide) {
        row[length..].fill(0.0);
    }
    for (t, from) in from.chunks_exact(stride).enumerate() {
        for (c, f) in from[column..column + head].iter().enumerate() {
            to[c * wide + t] = *f;
        }
    }
}

/// Adds rows of `padded`, times `scale`, to `head` columns from `column` on.
#[inline(always)]
fn scatter(from: &[f32], padded: usize, to: &mut [f32], stride: usize, column: usize, head: usize, scale: f32) {
    for (from, to) in from.chunks_exact(padded).zip(to.chunks_exact_mut(stride)) {
        for (t, f) in to[column..column + head].iter_mut().zip(from) {
            *t += scale * f;
        }
    }
}

/// Softmax of a row of scores up to `valid`, zeros after.
#[inline(always)]
pub(super) fn softmax(row: &mut [f32], valid: usize) {
    let (live, dead) = row.split_at_mut(valid.next_multiple_of(PAD));
    for v in &mut live[valid..] {
        *v = f32::NEG_INFINITY;
    }
    for v in dead {
        *v = 0.0;
    }
    let top = max(live);
    let (blocks, _) = live.as_chunks_mut::<LANES>();
    let mut lanes = [0.0; LANES];
    for block in &mut *blocks {
        for i in 0..LANES {
            block[i] = exp(block[i] - top);
            lanes[i] += block[i];
        }
    }
    let inverse = 1.0 / fold(lanes);
    for v in live {
        *v *= inverse;
    }
}

/// Resizes without keeping what was there.
fn sized(buffer: &mut Vec<f32>, len: usize) {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
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
        let (head, padded, stride) = (shape.head, shape.padded, shape.stride);
        let Scratch { query, key, value, out: mixed, .. } = scratch;
        for (h, probs) in probs.chunks_exact_mut(length * wide).enumerate() {
            let [q, k, v] = shape.columns(h);
            gather(qkv, stride, q, head, padded, shape.scale(), query);
            if h % (shape.heads / shape.kv_heads) == 0 {
                gather_transposed(qkv, stride, k, head, wide, key);
                gather(qkv, stride, v, head, padded, 1.0, value);
            }
            let query = Rows { data: query, stride: padded };
            let key = Rows { data: key, stride: wide };
            let mut scores = RowsMut { data: probs, stride: wide };
            product::<S, false>(simd, Span::Columns, query, key, &mut scores, (length, head, wide));
            for (t, row) in probs.chunks_exact_mut(wide).enumerate() {
                softmax(row, t + 1);
            }
            let weights = Rows { data: probs, stride: wide };
            let value = Rows { data: value, stride: padded };
            let mut result = RowsMut { data: mixed, stride: padded };
            product::<S, false>(simd, Span::Depth, weights, value, &mut result, (length, 0, padded));
            let columns = shape.heads * head;
            for (o, m) in out.chunks_exact_mut(columns).zip(mixed.chunks_exact(padded)) {
                o[q..q + head].copy_from_slice(&m[..head]);
            }
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
        let wide = length.next_multiple_of(PAD);
        [&mut scratch.query, &mut scratch.value, &mut scratch.out].into_iter().for_each(|b| {
            sized(b, length * shape.padded);
        });
        sized(&mut scratch.key, shape.padded * wide);
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
        let Scratch { query, key, value, out, dprobs, dquery, dkey, dvalue } = scratch;
        let size = length * padded;
        for (h, probs) in probs.chunks_exact(length * wide).enumerate() {
            let [q, k, v] = shape.columns(h);
            gather(qkv, stride, q, head, padded, shape.scale(), query);
            gather(dout, shape.heads * head, q, head, padded, 1.0, out);
            if h % group == 0 {
                gather(qkv, stride, k, head, padded, 1.0, key);
                gather_transposed(qkv, stride, v, head, wide, value);
                dkey[..size].fill(0.0);
                dvalue[..size].fill(0.0);
            }
            let rows = |data| Rows { data, stride: padded };
            let weights = Rows { data: probs, stride: wide };
            let mut result = RowsMut { data: dvalue, stride: padded };
            transposed_product::<S, true>(simd, weights, rows(out), &mut result, (length, padded));
            let mut result = RowsMut { data: dprobs, stride: wide };
            let values = Rows { data: value, stride: wide };
            product::<S, false>(simd, Span::Columns, rows(out), values, &mut result, (length, head, wide));
            for (t, (d, p)) in dprobs.chunks_exact_mut(wide).zip(probs.chunks_exact(wide)).enumerate() {
                // the probabilities are zero from t + 1 on, and so is what this makes of the unwritten rest
                let live = (t + 1).next_multiple_of(PAD);
                softmax_backward(&p[..live], &mut d[..live]);
                d[live..].fill(0.0);
            }
            let dscores = Rows { data: dprobs, stride: wide };
            let mut result = RowsMut { data: dquery, stride: padded };
            product::<S, false>(simd, Span::Depth, dscores, rows(key), &mut result, (length, 0, padded));
            scatter(&dquery[..size], padded, dqkv, stride, q, head, shape.scale());
            let mut result = RowsMut { data: dkey, stride: padded };
            transposed_product::<S, true>(simd, dscores, rows(query), &mut result, (length, padded));
            if h % group == group - 1 {
                scatter(&dkey[..size], padded, dqkv, stride, k, head, 1.0);
                scatter(&dvalue[..size], padded, dqkv, stride, v, head, 1.0);
            }
        }
    }
}

/// d ← p ∘ (d − Σ p d).
#[inline(always)]
fn softmax_backward(p: &[f32], d: &mut [f32]) {
    let total = sum2(p, d, |p, d| p * d);
    for (d, p) in d.iter_mut().zip(p) {
        *d = p * (*d - total);
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
        let wide = length.next_multiple_of(PAD);
        let Scratch { query, key, value, out, dprobs, dquery, dkey, dvalue } = &mut *scratch;
        [query, key, out, dquery, dkey, dvalue].into_iter().for_each(|b| sized(b, length * shape.padded));
        sized(key, shape.padded * wide);
        sized(value, shape.padded * wide);
        sized(dprobs, length * wide);
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
