//! The candle engine: the same interface as [`super::cpu`] from differentiable tensor operations, on any device that
//! candle has. On the CPU it is slow and serves as the other engine's oracle; with the cargo feature `cuda` it runs real
//! models on a GPU.
//!
//! Batches are padded and masked by tensors; logits of a large vocabulary are made in chunks of rows, never all at once.
//! Candle starts threads of its own, and the last bits may depend on the device and their number: rows that must be the
//! same bytes everywhere come from the other engine.

mod forward;
mod head;
mod ops;
mod padded;
mod sample;
#[cfg(test)]
mod tests;
mod weights;

pub use candle_core::{DType, Device};

use super::batch::{Batch, Side};
use super::config::{Config, Positions};
use super::layout::Layout;
use super::transformer::{Keep, check_batch, transformer_by_own_methods};
use crate::error::{Error, Result};
use candle_core::{Tensor, WithDType};

/// Logits held at a time on the CPU: 64 MB in 32 bits, a few times that in the backward pass.
const CHUNK_ON_CPU: usize = 1 << 24;
/// Logits held at a time on a GPU: 256 MB.
const CHUNK_ON_GPU: usize = 1 << 26;

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        // the first line has the reason; a backtrace may follow
        Self::Device(error.to_string().lines().next().unwrap_or("unknown error").to_owned())
    }
}

/// A transformer of one config on one device. The weights are the caller's; [`Engine::forward`] and
/// [`Engine::sample`] copy them to the device.
#[derive(Clone, Debug)]
pub struct Engine {
    config: Config,
    layout: Layout,
    device: Device,
    dtype: DType,
    padding: Side,
    /// Most logits held at a time.
    chunk: usize,
    /// Cosines and sines, context × half; none without rotary positions.
    rotary: Option<(Tensor, Tensor)>,
    batch: Batch,
    /// What the last forward pass left; none of an empty batch.
    pass: Option<Pass>,
    head: head::Head,
}

/// What a forward pass leaves.
#[derive(Clone, Debug)]
struct Pass {
    weights: weights::Weights,
    model: weights::Model,
    places: Vec<u32>,
    /// Padded rows × width; records its operations if a backward pass may follow.
    hidden: Tensor,
    tracked: bool,
}

impl Engine {
    /// An engine in f32 on the CPU, with padding at the right.
    ///
    /// # Errors
    /// A config that has no layout.
    pub fn new(config: &Config) -> Result<Self> {
        Self::on(config, &Device::Cpu, DType::F32, Side::Right)
    }

    /// An engine on a device. Activations are of type `dtype`; parameters, gradients, norms and softmax of at least 32
    /// bits.
    ///
    /// # Errors
    /// A config that has no layout; a type that is not a float of 16 bits or more; whatever the device refuses.
    pub fn on(config: &Config, device: &Device, dtype: DType, padding: Side) -> Result<Self> {
        let layout = Layout::new(config)?;
        if !matches!(dtype, DType::F64 | DType::F32 | DType::F16 | DType::BF16) {
            return Err(Error::parameter("dtype", dtype.as_str(), "f64, f32, f16 or bf16"));
        }
        let rotary = match config.positions {
            Positions::Rotary { base, width } if width > 0 => {
                Some(rotary_table(base, width, config.context, device, dtype)?)
            }
            _ => None,
        };
        Ok(Self {
            layout,
            device: device.clone(),
            dtype,
            padding,
            chunk: if device.is_cpu() { CHUNK_ON_CPU } else { CHUNK_ON_GPU },
            rotary,
            batch: Batch::default(),
            pass: None,
            head: head::Head::default(),
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

    /// Rows of logits per chunk.
    fn step(&self) -> usize {
        (self.chunk / self.config.vocab).max(1)
    }

    fn check(&self, params: usize, batch: &Batch) -> Result<()> {
        Error::check_shape("parameters", self.layout.len(), params)?;
        check_batch(&self.config, batch)
    }

    /// Runs the blocks over a batch; the weights and the final hidden states stay on the device.
    ///
    /// # Errors
    /// Parameters of the wrong length, a token outside the vocabulary, a sequence longer than the context; whatever the
    /// device refuses.
    pub fn forward(&mut self, params: &[f32], batch: &Batch, keep: Keep) -> Result<()> {
        self.forward_from(params, batch, keep)
    }

    /// [`Engine::forward`] with parameters of any type.
    fn forward_from<T: WithDType>(&mut self, params: &[T], batch: &Batch, keep: Keep) -> Result<()> {
        self.check(params.len(), batch)?;
        self.batch.clone_from(batch);
        self.head = head::Head::default();
        // the last pass's memory is free before the next one asks for more
        self.pass = None;
        if batch.tokens().is_empty() {
            return Ok(());
        }
        let tracked = keep == Keep::All;
        let weights = weights::Weights::load(&self.config, &self.layout, params, &self.device, self.dtype)?;
        let model = weights.model(&self.config, &self.layout, tracked)?;
        let input = padded::Padded::new(batch, self.padding, &self.device, self.dtype)?;
        let hidden = self.run(&model, &input, None)?;
        self.pass = Some(Pass { weights, model, places: input.places, hidden, tracked });
        Ok(())
    }
}

/// # Formula
/// cos and sin of p · base^(−2i/width), i < width / 2; frequencies and angles rounded to f32 as in Transformers.
fn rotary_table(base: f64, width: usize, context: usize, device: &Device, dtype: DType) -> Result<(Tensor, Tensor)> {
    let half = width / 2;
    let frequencies: Vec<f32> = (0..half).map(|i| base.powf(-(2.0 * i as f64) / width as f64) as f32).collect();
    let angles = || (0..context).flat_map(|p| frequencies.iter().map(move |f| f64::from(p as f32 * f)));
    let table = |f: fn(f64) -> f64| -> Result<Tensor> {
        let values: Vec<f64> = angles().map(f).collect();
        Ok(Tensor::from_vec(values, (context, half), &Device::Cpu)?.to_dtype(dtype)?.to_device(device)?)
    };
    Ok((table(f64::cos)?, table(f64::sin)?))
}

transformer_by_own_methods!(Engine);
