//! Weights rearranged once for many products with few rows: sampling goes token by token, and a general product would
//! rearrange them for every token.
#![allow(clippy::inline_always, reason = "wide instructions reach only code that is inlined into the kernel")]

use super::tile::{PAD, Rows, RowsMut, rows_product};
use crate::lm::layout::{Layout, LinearSpan};
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// Outputs side by side: two AVX-512 registers.
const PANEL: usize = 2 * PAD;
/// With more rows than this a general product is as fast.
const FEW: usize = 96;

/// All matrices whose outputs fill whole registers, each at its place in the flat vector, as panels: `inputs × PANEL`
/// for every [`PANEL`] outputs, one of [`PAD`] at the end if they are odd. Empty until filled.
#[derive(Clone, Debug, Default)]
pub(super) struct Packed {
    data: Vec<f32>,
}

impl Packed {
    /// Forgets the weights; the memory stays.
    pub(super) fn clear(&mut self) {
        self.data.clear();
    }

    pub(super) fn fill(&mut self, params: &[f32], layout: &Layout, width: usize) {
        self.data.resize(params.len(), 0.0);
        let mut pack = |range: &Range<usize>, outputs: usize| {
            if fits(outputs) {
                panels(&params[range.clone()], outputs, &mut self.data[range.clone()]);
            }
        };
        for span in &layout.layers {
            let columns = |s: &LinearSpan| s.weight.len() / width;
            pack(&span.qkv.weight, columns(&span.qkv));
            pack(&span.up.weight, columns(&span.up));
            pack(&span.out.weight, width);
            pack(&span.down.weight, width);
        }
        pack(&layout.head, layout.head.len() / width);
    }

    /// The panels of a matrix of so many outputs, if there are any and so few rows gain from them.
    pub(super) fn get(&self, weight: &Range<usize>, outputs: usize, rows: usize) -> Option<&[f32]> {
        if rows <= FEW && fits(outputs) { self.data.get(weight.clone()) } else { None }
    }
}

fn fits(outputs: usize) -> bool {
    outputs.is_multiple_of(PAD)
}

/// w: `outputs × inputs`, row-major, into panels.
fn panels(w: &[f32], outputs: usize, to: &mut [f32]) {
    let inputs = w.len() / outputs;
    for (rows, panel) in w.chunks(PANEL * inputs).zip(to.chunks_mut(PANEL * inputs)) {
        let width = rows.len() / inputs;
        for (c, row) in rows.chunks_exact(inputs).enumerate() {
            for (to, v) in panel[c..].iter_mut().step_by(width).zip(row) {
                *to = *v;
            }
        }
    }
}

struct Product<'a> {
    x: &'a [f32],
    panels: &'a [f32],
    inputs: usize,
    out: &'a mut [f32],
    accumulate: bool,
}

impl WithSimd for Product<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, panels, inputs, out, accumulate } = self;
        let (rows, outputs) = (x.len() / inputs, panels.len() / inputs);
        let a = Rows { data: x, stride: inputs };
        for (i, panel) in panels.chunks(PANEL * inputs).enumerate() {
            let columns = panel.len() / inputs;
            let b = Rows { data: panel, stride: columns };
            let mut out = RowsMut { data: &mut out[i * PANEL..], stride: outputs };
            if accumulate {
                rows_product::<S, true, false>(simd, a, b, &mut out, (rows, inputs, columns));
            } else {
                rows_product::<S, false, false>(simd, a, b, &mut out, (rows, inputs, columns));
            }
        }
    }
}

/// out ← x · wᵀ, or out + x · wᵀ, with w in panels.
pub(super) fn product(x: &[f32], panels: &[f32], inputs: usize, out: &mut [f32], accumulate: bool) {
    if !x.is_empty() {
        pulp::Arch::new().dispatch(Product { x, panels, inputs, out, accumulate });
    }
}
