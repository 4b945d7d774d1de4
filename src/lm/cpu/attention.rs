//! Causal attention of packed sequences, forward and backward; nothing is computed for keys after the query but for the
//! diagonal's tiles.
//!
//! Scores and probabilities are kept transposed, one row per key: then a register holds one key's scores for 16 queries,
//! and the softmax over keys needs no sum across a register.
#![allow(clippy::inline_always, reason = "wide instructions reach only code that is inlined into the kernel")]

use super::lanes::{LANES, exp};
use super::tile::{PAD, Rows, RowsMut, rows_product, transposed_product, triangle_product};
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
fn transpose(head: usize, from: &[f32], stride: usize, column: usize, wide: usize, to: &mut [f32]) {
    let length = from.len() / stride;
    for (c, row) in to[..head * wide].chunks_exact_mut(wide).enumerate() {
        for (t, f) in row.iter_mut().zip(from[column + c..].iter().step_by(stride)) {
            *t = *f;
        }
        for t in &mut row[length..] {
            *t = 0.0;
        }
    }
}

/// Sixteen queries' numbers.
type Lanes = [f32; LANES];

/// One key's numbers for the sixteen queries from `first` on.
#[inline(always)]
fn lanes(row: &mut [f32], first: usize) -> &mut Lanes {
    row[first..].first_chunk_mut().expect("padded rows")
}

/// Softmax over the keys of scores times `scale`; zero where the key is after the query.
///
/// # Shapes
/// `scores`: keys × queries, rows of `wide`.
#[inline(always)]
fn softmax_columns(scores: &mut [f32], wide: usize, scale: f32) {
    for first in (0..wide).step_by(LANES) {
        // the keys that any of the sixteen queries sees
        let last = (first + LANES) * wide;
        let last = last.min(scores.len());
        let scores = &mut scores[..last];
        let mut top = [f32::NEG_INFINITY; LANES];
        for (key, row) in scores.chunks_exact_mut(wide).enumerate() {
            let (s, seen) = (lanes(row, first), key.saturating_sub(first));
            for i in 0..LANES {
                s[i] = if i < seen { f32::NEG_INFINITY } else { s[i] };
                top[i] = if s[i] > top[i] { s[i] } else { top[i] };
            }
        }
        let mut total = [0.0; LANES];
        for row in scores.chunks_exact_mut(wide) {
            let s = lanes(row, first);
            let mut e = [0.0; LANES];
            for i in 0..LANES {
                e[i] = exp(scale * (s[i] - top[i]));
            }
            for i in 0..LANES {
                total[i] += e[i];
            }
            *s = e;
        }
        for t in &mut total {
            *t = 1.0 / *t;
        }
        for row in scores.chunks_exact_mut(wide) {
            let p = lanes(row, first);
            for i in 0..LANES {
                p[i] *= total[i];
            }
        }
    }
}

/// d ← scale · p ∘ (d − Σ over keys of p d); zero where the key is after the query.
#[inline(always)]
fn softmax_columns_backward(p: &[f32], d: &mut [f32], wide: usize, scale: f32) {
    for first in (0..wide).step_by(LANES) {
        let last = ((first + LANES) * wide).min(p.len());
        let (p, d) = (&p[..last], &mut d[..last]);
        let mut total = [0.0; LANES];
        for (p, d) in p.chunks_exact(wide).zip(d.chunks_exact_mut(wide)) {
            let (p, d): (&Lanes, _) = (p[first..].first_chunk().expect("padded rows"), lanes(d, first));
            for i in 0..LANES {
                total[i] += p[i] * d[i];
            }
        }
        for (p, d) in p.chunks_exact(wide).zip(d.chunks_exact_mut(wide)) {
            let (p, d): (&Lanes, _) = (p[first..].first_chunk().expect("padded rows"), lanes(d, first));
            for i in 0..LANES {
                d[i] = scale * p[i] * (d[i] - total[i]);
            }
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
        let Scratch { key, value, out: mixed, transposed, .. } = scratch;
        for (h, probs) in probs.chunks_exact_mut(length * wide).enumerate() {
            let [q, k, v] = shape.columns(h);
            transpose(shape.head, qkv, stride, q, wide, transposed);
            let query = Rows { data: transposed, stride: wide };
            let key = view(shape, qkv, stride, k, key);
            let mut scores = RowsMut { data: probs, stride: wide };
            rows_product::<S, false, true>(simd, key, query, &mut scores, (length, shape.head, wide));
            softmax_columns(probs, wide, shape.scale());
            let weights = Rows { data: probs, stride: wide };
            let value = view(shape, qkv, stride, v, value);
            let mut result = target(shape, out, columns, q, mixed);
            transposed_product(simd, weights, value, &mut result, (length, shape.padded));
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
        let Scratch { query, key, value, out, transposed, dprobs, dquery, dkey, dvalue } = scratch;
        for (h, probs) in probs.chunks_exact(length * wide).enumerate() {
            let [q, k, v] = shape.columns(h);
            if h % group == 0 {
                dkey.fill(0.0);
                dvalue.fill(0.0);
            }
            transpose(head, dout, shape.heads * head, q, wide, transposed);
            let query = view(shape, qkv, stride, q, query);
            let key = view(shape, qkv, stride, k, key);
            let value = view(shape, qkv, stride, v, value);
            let out = view(shape, dout, shape.heads * head, q, out);
            let weights = Rows { data: probs, stride: wide };
            let mut result = target(shape, dqkv, stride, v, dvalue);
            triangle_product::<S, true>(simd, weights, out, &mut result, (length, padded));
            let mut result = RowsMut { data: dprobs, stride: wide };
            let out = Rows { data: transposed, stride: wide };
            rows_product::<S, false, true>(simd, value, out, &mut result, (length, head, wide));
            softmax_columns_backward(probs, &mut dprobs[..length * wide], wide, shape.scale());
            let dscores = Rows { data: dprobs, stride: wide };
            let mut result = target(shape, dqkv, stride, q, dquery);
            transposed_product(simd, dscores, key, &mut result, (length, padded));
            let mut result = target(shape, dqkv, stride, k, dkey);
            triangle_product::<S, true>(simd, dscores, query, &mut result, (length, padded));
            settle(shape, dquery, dqkv, stride, q);
            settle(shape, dkey, dqkv, stride, k);
            settle(shape, dvalue, dqkv, stride, v);
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
