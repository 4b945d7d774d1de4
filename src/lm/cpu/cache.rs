//! Keys and values of the tokens so far, so that sampling costs one token's work per token.
#![allow(clippy::inline_always, reason = "wide instructions reach only code that is inlined into the kernel")]

use super::attention::Shape;
use super::lanes::{LANES, exp, fold, max};
use super::tile::{PAD, Rows, RowsMut, row_product};
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// The cache of all blocks, with a slot per sequence.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    shape: Shape,
    slots: usize,
    /// Longest sequence, rounded up to whole registers.
    wide: usize,
    /// Per block, slot and key-value head: head × wide, transposed, so that scores fill registers over time.
    keys: Vec<f32>,
    /// Per block, slot and key-value head: wide × padded head.
    values: Vec<f32>,
    /// Tokens so far of every slot.
    pub(super) lengths: Vec<usize>,
    /// The slots of the batch's sequences, in order.
    pub(super) active: Vec<usize>,
    scores: Vec<f32>,
    mixed: Vec<f32>,
}

impl Cache {
    pub(super) fn new(shape: Shape, layers: usize, slots: usize, longest: usize) -> Self {
        let wide = longest.next_multiple_of(PAD);
        let heads = layers * slots * shape.kv_heads;
        Self {
            shape,
            slots,
            wide,
            keys: vec![0.0; heads * shape.head * wide],
            values: vec![0.0; heads * shape.padded * wide],
            lengths: vec![0; slots],
            active: Vec::new(),
            scores: vec![0.0; wide],
            mixed: vec![0.0; shape.padded],
        }
    }

    /// Where the keys and the values of a slot's heads lie.
    fn ranges(&self, layer: usize, slot: usize) -> [Range<usize>; 2] {
        let at = layer * self.slots + slot;
        [self.shape.head, self.shape.padded].map(|width| {
            let size = self.shape.kv_heads * width * self.wide;
            at * size..(at + 1) * size
        })
    }

    /// Appends the keys and values of a row at position `at` of a slot.
    fn append(&mut self, layer: usize, slot: usize, at: usize, row: &[f32]) {
        let [keys, values] = self.ranges(layer, slot);
        let Shape { heads, kv_heads, head, padded, .. } = self.shape;
        let (k, v) = row[heads * head..].split_at(kv_heads * head);
        for (cached, k) in self.keys[keys].chunks_exact_mut(self.wide).zip(k) {
            cached[at] = *k;
        }
        let values = self.values[values].chunks_exact_mut(self.wide * padded);
        for (cached, v) in values.zip(v.chunks_exact(head)) {
            cached[at * padded..][..head].copy_from_slice(v);
        }
    }

    /// Fills the active slots with whole prompts.
    pub(super) fn store(&mut self, layer: usize, qkv: &[f32], sequences: impl Iterator<Item = Range<usize>>) {
        for (i, rows) in sequences.enumerate() {
            for (at, row) in rows.enumerate() {
                self.append(layer, self.active[i], at, &qkv[row * self.shape.stride..][..self.shape.stride]);
            }
        }
    }

    /// Copies everything that one slot knows to another.
    pub(super) fn copy(&mut self, layers: usize, from: usize, to: usize) {
        self.lengths[to] = self.lengths[from];
        for layer in 0..layers {
            let ([k, v], [k_to, v_to]) = (self.ranges(layer, from), self.ranges(layer, to));
            self.keys.copy_within(k, k_to.start);
            self.values.copy_within(v, v_to.start);
        }
    }

    /// Attention of one new token per active slot over all before it and itself.
    ///
    /// # Shapes
    /// `qkv`: one row per active slot; `out`: heads × head width each.
    pub(super) fn attend(&mut self, layer: usize, qkv: &[f32], out: &mut [f32]) {
        let Shape { heads, head, stride, .. } = self.shape;
        let active = std::mem::take(&mut self.active);
        for ((&slot, row), out) in active.iter().zip(qkv.chunks_exact(stride)).zip(out.chunks_exact_mut(heads * head)) {
            let at = self.lengths[slot];
            self.append(layer, slot, at, row);
            let [keys, values] = self.ranges(layer, slot);
            pulp::Arch::new().dispatch(Attend {
                shape: self.shape,
                wide: self.wide,
                length: at + 1,
                row,
                keys: &self.keys[keys],
                values: &self.values[values],
                scores: &mut self.scores,
                mixed: &mut self.mixed,
                out,
            });
        }
        self.active = active;
    }
}

/// Softmax of a row of scores times `scale` up to `valid`, zeros in the rest of the last register.
#[inline(always)]
fn softmax<S: Simd>(simd: S, row: &mut [f32], valid: usize, scale: f32) {
    let (blocks, _) = row[..valid.next_multiple_of(PAD)].as_chunks_mut::<LANES>();
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

struct Attend<'a> {
    shape: Shape,
    wide: usize,
    length: usize,
    row: &'a [f32],
    keys: &'a [f32],
    values: &'a [f32],
    scores: &'a mut [f32],
    mixed: &'a mut [f32],
    out: &'a mut [f32],
}

impl WithSimd for Attend<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { shape, wide, length, row, keys, values, scores, mixed, out } = self;
        let (head, padded) = (shape.head, shape.padded);
        let live = length.next_multiple_of(PAD);
        for h in 0..shape.heads {
            let g = h / (shape.heads / shape.kv_heads);
            let query = &row[h * head..][..head];
            let key = Rows { data: &keys[g * head * wide..][..head * wide], stride: wide };
            row_product(simd, query, key, &mut RowsMut { data: scores, stride: wide }, live);
            softmax(simd, scores, length, shape.scale());
            let value = Rows { data: &values[g * wide * padded..][..wide * padded], stride: padded };
            let mut result = RowsMut { data: mixed, stride: padded };
            row_product(simd, &scores[..length], value, &mut result, padded);
            out[h * head..][..head].copy_from_slice(&mixed[..head]);
        }
    }
}
