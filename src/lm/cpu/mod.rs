//! The CPU engine: batched forward and backward in f32 over flat buffers that are kept between calls. One engine per
//! thread; it never starts a thread of its own, and the same calls give the same bits.

mod activation;
mod attention;
mod backward;
mod cache;
mod forward;
mod head;
mod lanes;
mod norm;
mod packed;
mod rotary;
mod sample;
mod size;
mod tile;
mod tree;

#[cfg(test)]
mod tests;

pub use super::sampling::{Sample, Sampling};
pub use super::transformer::{Keep, Scores, Signal};
pub use size::{sampling_bytes, step_bytes};

use super::batch::Batch;
use super::config::{Config, Norm, Positions};
use super::layout::{Layout, NormSpan};
use super::transformer::{check_batch, transformer_by_own_methods};
use crate::error::{Error, Result};
use crate::num::{Matrix, matmul};
use std::ops::Range;

/// What one block leaves for its backward pass.
#[derive(Clone, Debug, Default)]
struct Block {
    attention_moments: Vec<norm::Moments>,
    normed: Vec<f32>,
    /// q, k, v after bias, head norms and rotation.
    qkv: Vec<f32>,
    /// q and k before the head norms, if there are any.
    raw: Vec<f32>,
    query_moments: Vec<norm::Moments>,
    key_moments: Vec<norm::Moments>,
    probs: Vec<f32>,
    mixed: Vec<f32>,
    /// The residual stream between attention and feed-forward (sequential residual only).
    middle: Vec<f32>,
    inner_moments: Vec<norm::Moments>,
    inner_normed: Vec<f32>,
    /// Pre-activations; after the forward pass, local derivatives.
    up: Vec<f32>,
    active: Vec<f32>,
}

/// Buffers of the backward pass.
#[derive(Clone, Debug, Default)]
struct Deltas {
    residual: Vec<f32>,
    normed: Vec<f32>,
    inner_normed: Vec<f32>,
    inner: Vec<f32>,
    mixed: Vec<f32>,
    qkv: Vec<f32>,
    heads: Vec<f32>,
    attention: attention::Scratch,
}

/// A transformer of one config on one thread. The weights are the caller's: a flat slice in [`Layout`]'s order.
#[derive(Clone, Debug)]
pub struct Engine {
    config: Config,
    layout: Layout,
    rotary: rotary::Table,
    batch: Batch,
    /// Position of every sequence's first token, if not zero (sampling goes token by token).
    offsets: Vec<usize>,
    keep: Keep,
    /// The residual stream before every block, then after the last; two in turn when only scoring.
    residual: Vec<Vec<f32>>,
    blocks: Vec<Block>,
    final_moments: Vec<norm::Moments>,
    hidden: Vec<f32>,
    /// Gathers the hidden states of parts.
    all_hidden: Vec<f32>,
    head: head::Head,
    deltas: Deltas,
    scratch: attention::Scratch,
    zeros: Vec<f32>,
    /// Filled while sampling.
    packed: packed::Packed,
}

impl Engine {
    /// An engine without a batch.
    ///
    /// # Errors
    /// A config that has no layout.
    pub fn new(config: &Config) -> Result<Self> {
        let layout = Layout::new(config)?;
        let rotary = match config.positions {
            Positions::Learned => rotary::Table::default(),
            Positions::Rotary { base, width } => rotary::Table::new(base, width, config.context),
        };
        Ok(Self {
            layout,
            rotary,
            batch: Batch::default(),
            offsets: Vec::new(),
            keep: Keep::Final,
            residual: vec![Vec::new(); config.layers + 1],
            blocks: vec![Block::default(); config.layers],
            final_moments: Vec::new(),
            hidden: Vec::new(),
            all_hidden: Vec::new(),
            head: head::Head::default(),
            deltas: Deltas::default(),
            scratch: attention::Scratch::default(),
            zeros: vec![0.0; config.up_width().max(config.vocab)],
            packed: packed::Packed::default(),
            config: config.clone(),
        })
    }

    /// The config.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The table of tensors.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The final normalised hidden state of every row of the last batch.
    ///
    /// # Shapes
    /// tokens × width.
    pub fn hidden(&self) -> &[f32] {
        &self.hidden
    }

    /// out ← x · wᵀ, or out + x · wᵀ, w the matrix at `weight`.
    fn linear(
        &self,
        params: &[f32],
        weight: &Range<usize>,
        x: &[f32],
        inputs: usize,
        out: &mut [f32],
        accumulate: bool,
    ) {
        match self.packed.get(weight, weight.len() / inputs, x.len() / inputs) {
            Some(panels) => packed::product(x, panels, inputs, out, accumulate),
            None => linear(x, &params[weight.clone()], inputs, out, accumulate),
        }
    }

    fn check(&self, params: &[f32], batch: &Batch) -> Result<()> {
        Error::check_shape("parameters", self.layout.len(), params.len())?;
        check_batch(&self.config, batch)
    }
}

transformer_by_own_methods!(Engine);

/// The norm over whole rows that a span of the parameters describes.
fn norm_form<'a>(config: &Config, span: &NormSpan, params: &'a [f32]) -> norm::Form<'a> {
    norm::Form {
        scale: &params[span.scale.clone()],
        shift: &params[span.shift.clone()],
        centred: matches!(config.norm, Norm::Layer { .. }),
        epsilon: config.epsilon,
    }
}

/// The norm over a head's q or k (Qwen3): always RMS.
fn head_norm_form<'a>(config: &Config, scale: &Range<usize>, params: &'a [f32]) -> norm::Form<'a> {
    norm::Form { scale: &params[scale.clone()], shift: &[], centred: false, epsilon: config.epsilon }
}

/// out ← x · wᵀ, or out + x · wᵀ: `inputs` columns in, w `out × in`.
fn linear(x: &[f32], w: &[f32], inputs: usize, out: &mut [f32], accumulate: bool) {
    let (rows, outputs) = (x.len() / inputs, w.len() / inputs);
    matmul(Matrix::new(x, rows, inputs), Matrix::new(w, outputs, inputs).t(), out, accumulate);
}

/// dx ← dy · w, or dx + dy · w.
fn linear_input(dy: &[f32], w: &[f32], inputs: usize, dx: &mut [f32], accumulate: bool) {
    let outputs = w.len() / inputs;
    matmul(Matrix::new(dy, dy.len() / outputs, outputs), Matrix::new(w, outputs, inputs), dx, accumulate);
}

/// dw ← dw + dyᵀ · x.
fn linear_weight(dy: &[f32], x: &[f32], inputs: usize, dw: &mut [f32]) {
    let (rows, outputs) = (x.len() / inputs, dw.len() / inputs);
    matmul(Matrix::new(dy, rows, outputs).t(), Matrix::new(x, rows, inputs), dw, true);
}

/// Resizes without caring for what was there: every user writes all of it.
fn fit<T: Copy + Default>(buffer: &mut Vec<T>, len: usize) -> &mut [T] {
    if buffer.len() < len {
        buffer.resize(len, T::default());
    } else {
        buffer.truncate(len);
    }
    buffer
}
