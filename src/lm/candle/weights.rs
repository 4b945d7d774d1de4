//! The flat parameter vector as tensors on a device.

use super::ops::{Linear, Norm};
use crate::error::Result;
use crate::lm::config::{self, Config};
use crate::lm::layout::{Layout, LinearSpan, NormSpan};
use candle_core::{DType, Device, Tensor, Var, WithDType};
use std::ops::Range;

/// One block's parameters.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) attention_norm: Norm,
    pub(super) qkv: Linear,
    pub(super) query_norm: Option<Norm>,
    pub(super) key_norm: Option<Norm>,
    pub(super) out: Linear,
    pub(super) inner_norm: Norm,
    pub(super) up: Linear,
    pub(super) down: Linear,
}

/// All parameters.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) tokens: Tensor,
    pub(super) positions: Option<Tensor>,
    pub(super) blocks: Vec<Block>,
    pub(super) norm: Norm,
    /// vocabulary × width; the token embedding if tied.
    pub(super) head: Tensor,
    pub(super) scores: Vec<Linear>,
}

/// The parameters as variables, with their places in the flat vector; matrices that follow each other there and read the
/// same input (q, k, v) are one.
#[derive(Clone, Debug)]
pub(super) struct Weights {
    pub(super) vars: Vec<(Range<usize>, Var)>,
    dtype: DType,
}

impl Weights {
    /// Copies the flat vector to the device, in at least 32 bits; the model computes in `dtype`.
    pub(super) fn load<T: WithDType>(
        config: &Config,
        layout: &Layout,
        values: &[T],
        device: &Device,
        dtype: DType,
    ) -> Result<Self> {
        let stored = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
        let mut vars = Vec::new();
        build(config, layout, &mut |range, shape| {
            let tensor = Tensor::from_slice(&values[range.clone()], shape, device)?.to_dtype(stored)?;
            vars.push((range.clone(), Var::from_tensor(&tensor)?));
            Ok(tensor)
        })?;
        Ok(Self { vars, dtype })
    }

    /// The model, with (`tracked`) or without a record for the backward pass.
    pub(super) fn model(&self, config: &Config, layout: &Layout, tracked: bool) -> Result<Model> {
        let mut vars = self.vars.iter();
        build(config, layout, &mut |_, _| {
            let (_, var) = vars.next().expect("as many as were loaded");
            let tensor = if tracked { var.as_tensor().clone() } else { var.as_detached_tensor() };
            Ok(tensor.to_dtype(self.dtype)?)
        })
    }
}

/// Calls `take` for every span of the layout with its shape, always in the same order.
fn build(
    config: &Config,
    layout: &Layout,
    take: &mut dyn FnMut(&Range<usize>, &[usize]) -> Result<Tensor>,
) -> Result<Model> {
    let width = config.width;
    let tokens = take(&layout.tokens, &[config.vocab, width])?;
    let positions = optional(&layout.positions, &[config.context, width], take)?;
    let mut blocks = Vec::with_capacity(config.layers);
    for span in &layout.layers {
        blocks.push(Block {
            attention_norm: norm(config, &span.attention_norm, take)?,
            qkv: linear(&span.qkv, width, take)?,
            query_norm: head_norm(config, &span.query_norm, take)?,
            key_norm: head_norm(config, &span.key_norm, take)?,
            out: linear(&span.out, config.query_width(), take)?,
            inner_norm: norm(config, &span.inner_norm, take)?,
            up: linear(&span.up, width, take)?,
            down: linear(&span.down, config.inner, take)?,
        });
    }
    let norm = norm(config, &layout.norm, take)?;
    let head = if config.tied { tokens.clone() } else { take(&layout.head, &[config.vocab, width])? };
    let scores = layout.scores.iter().map(|span| linear(span, width, take)).collect::<Result<_>>()?;
    Ok(Model { tokens, positions, blocks, norm, head, scores })
}

fn optional(
    range: &Range<usize>,
    shape: &[usize],
    take: &mut dyn FnMut(&Range<usize>, &[usize]) -> Result<Tensor>,
) -> Result<Option<Tensor>> {
    if range.is_empty() { Ok(None) } else { take(range, shape).map(Some) }
}

fn linear(
    span: &LinearSpan,
    inputs: usize,
    take: &mut dyn FnMut(&Range<usize>, &[usize]) -> Result<Tensor>,
) -> Result<Linear> {
    let outputs = span.weight.len() / inputs;
    Ok(Linear { weight: take(&span.weight, &[outputs, inputs])?, bias: optional(&span.bias, &[outputs], take)? })
}

fn norm(
    config: &Config,
    span: &NormSpan,
    take: &mut dyn FnMut(&Range<usize>, &[usize]) -> Result<Tensor>,
) -> Result<Norm> {
    Ok(Norm {
        scale: take(&span.scale, &[config.width])?,
        shift: optional(&span.shift, &[config.width], take)?,
        centred: matches!(config.norm, config::Norm::Layer { .. }),
        epsilon: f64::from(config.epsilon),
    })
}

/// The norm over a head's q or k (Qwen3): always RMS.
fn head_norm(
    config: &Config,
    scale: &Range<usize>,
    take: &mut dyn FnMut(&Range<usize>, &[usize]) -> Result<Tensor>,
) -> Result<Option<Norm>> {
    let epsilon = f64::from(config.epsilon);
    let scale = optional(scale, &[config.head_width], take)?;
    Ok(scale.map(|scale| Norm { scale, shift: None, centred: false, epsilon }))
}
