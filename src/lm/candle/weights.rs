//! The flat parameter vector as tensors on a device.

use super::ops::{Linear, Norm};
use crate::error::Result;
use crate::lm::config::{self, Config};
use crate::lm::layout::{Layout, LinearSpan, NormSpan};
use candle_core::{DType, Device, Tensor, Var, WithDType};
use std::ops::Range;

/// Gives the tensor of a range of a flat vector and a shape.
pub(super) type Take<'a> = dyn FnMut(&Range<usize>, &[usize]) -> Result<Tensor> + 'a;

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

/// Some values as a tensor on a device.
pub(super) fn upload<T: WithDType>(values: &[T], shape: &[usize], device: &Device, dtype: DType) -> Result<Tensor> {
    // rounded here: half of the bytes travel
    Ok(Tensor::from_slice(values, shape, &Device::Cpu)?.to_dtype(dtype)?.to_device(device)?)
}

/// The same, to be learned.
pub(super) fn variable<T: WithDType>(values: &[T], shape: &[usize], device: &Device, dtype: DType) -> Result<Tensor> {
    Ok(Var::from_tensor(&upload(values, shape, device, dtype)?)?.into_inner())
}

/// Makes a model: calls `take` for every span of the layout with its shape, always in the same order.
pub(super) fn whole(config: &Config, layout: &Layout, take: &mut Take) -> Result<Model> {
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

fn optional(range: &Range<usize>, shape: &[usize], take: &mut Take) -> Result<Option<Tensor>> {
    if range.is_empty() { Ok(None) } else { take(range, shape).map(Some) }
}

fn linear(span: &LinearSpan, inputs: usize, take: &mut Take) -> Result<Linear> {
    let outputs = span.weight.len() / inputs;
    Ok(Linear {
        weight: take(&span.weight, &[outputs, inputs])?,
        bias: optional(&span.bias, &[outputs], take)?,
        adapters: Vec::new(),
    })
}

fn norm(config: &Config, span: &NormSpan, take: &mut Take) -> Result<Norm> {
    Ok(Norm {
        scale: take(&span.scale, &[config.width])?,
        shift: optional(&span.shift, &[config.width], take)?,
        centred: matches!(config.norm, config::Norm::Layer { .. }),
        epsilon: f64::from(config.epsilon),
    })
}

/// The norm over a head's q or k (Qwen3): always RMS.
fn head_norm(config: &Config, scale: &Range<usize>, take: &mut Take) -> Result<Option<Norm>> {
    let epsilon = f64::from(config.epsilon);
    let scale = optional(scale, &[config.head_width], take)?;
    Ok(scale.map(|scale| Norm { scale, shift: None, centred: false, epsilon }))
}
