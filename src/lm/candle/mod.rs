//! Candle engines: the same interface as [`super::cpu`] from differentiable tensor operations, on any device that candle has. On the CPU
//! they are slow and serve as the other engine's oracle; with the cargo feature `cuda` they run real models on a GPU.
//!
//! [`Engine`] computes with weights that are the caller's; [`Resident`] holds its weights on the device and moves them there.
//!
//! Batches are padded and masked by tensors; logits of a large vocabulary are made in chunks of rows, never all at once.
//! Candle starts threads of its own, and the last bits may depend on the device and their number: rows that must be the
//! same bytes everywhere come from the other engine.

mod adamw;
mod core;
mod draw;
mod forward;
mod head;
mod model;
mod ops;
mod padded;
mod product;
mod resident;
mod sample;
#[cfg(test)]
mod tests;
mod weights;

pub use candle_core::{DType, Device};
pub use resident::{Frozen, Resident};

use self::core::Core;
use super::batch::{Batch, Choices, Side};
use super::config::Config;
use super::layout::Layout;
use super::sampling::{Sample, Sampling};
use super::transformer::{Keep, Signal, transformer_by_own_methods};
use crate::error::{Error, Result};
use crate::rng::Stream;
use candle_core::{Tensor, WithDType};
use std::collections::HashMap;
use std::ops::Range;
use weights::{Model, whole};

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
    core: Core,
    /// The variables of the last pass, with their places in the flat vector; matrices that follow each other there and read the same
    /// input (q, k, v) are one.
    vars: Vec<(Range<usize>, Tensor)>,
}

/// Gradients of the variables, each with its place in the flat vector, as long as there is anything to differentiate.
type Gradients = Vec<(Range<usize>, Option<Tensor>)>;

impl Engine {
    /// An engine in f32 on the CPU, with padding at the right.
    ///
    /// # Errors
    /// A config that has no layout.
    pub fn new(config: &Config) -> Result<Self> {
        Self::on(config, &Device::Cpu, DType::F32, Side::Right)
    }

    /// An engine on a device that computes in `dtype`; norms and softmax in at least 32 bits.
    ///
    /// # Errors
    /// A config that has no layout; a type that is not a float of 16 bits or more; whatever the device refuses.
    pub fn on(config: &Config, device: &Device, dtype: DType, padding: Side) -> Result<Self> {
        Ok(Self { core: Core::new(config, device, dtype, padding)?, vars: Vec::new() })
    }

    /// The backward pass keeps no activations but every block's input, and computes the others again.
    #[must_use]
    pub fn checkpointing(mut self) -> Self {
        self.core.checkpointing = true;
        self
    }

    /// The config.
    pub fn config(&self) -> &Config {
        &self.core.config
    }

    /// The table of tensors.
    pub fn layout(&self) -> &Layout {
        &self.core.layout
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
        Error::check_shape("parameters", self.core.layout.len(), params.len())?;
        self.core.forget();
        self.vars.clear();
        let model = self.load(params)?;
        self.core.forward(model, batch, keep)
    }

    /// The weights on the device, as variables.
    fn load<T: WithDType>(&mut self, params: &[T]) -> Result<Model> {
        let (device, dtype) = (&self.core.device, self.core.dtype);
        let vars = &mut self.vars;
        whole(&self.core.config, &self.core.layout, &mut |range, shape| {
            let var = weights::variable(&params[range.clone()], shape, device, dtype)?;
            vars.push((range.clone(), var.clone()));
            Ok(var)
        })
    }

    fn check(&self, params: &[f32]) -> Result<()> {
        Error::check_shape("parameters", self.core.layout.len(), params.len())
    }

    /// The log-probability of every choice in the last batch, in nats.
    ///
    /// # Shapes
    /// One per choice.
    ///
    /// # Errors
    /// A row or token that does not exist; whatever the device refuses.
    pub fn log_probs(&mut self, params: &[f32], choices: &Choices) -> Result<&[f64]> {
        self.check(params)?;
        self.core.log_probs(choices)
    }

    /// The entropy of every choice's distribution, in nats, for the choices of the last [`Engine::log_probs`].
    pub fn entropies(&self) -> &[f64] {
        self.core.head.entropies()
    }

    /// Writes the log-probability of every token for the choices of the last [`Engine::log_probs`].
    ///
    /// # Shapes
    /// `out`: choices × vocabulary.
    ///
    /// # Errors
    /// [`Error::Shape`]; whatever the device refuses.
    pub fn distributions(&self, out: &mut [f32]) -> Result<()> {
        self.core.distributions_into(out)
    }

    /// Writes the logits, before normalisation, for the choices of the last [`Engine::log_probs`].
    ///
    /// # Shapes
    /// `out`: choices × vocabulary.
    ///
    /// # Errors
    /// As [`Engine::distributions`].
    pub fn raw_logits(&self, out: &mut [f32]) -> Result<()> {
        self.core.raw_logits_into(out)
    }

    /// The scores that head number `head` gives to some rows of the last batch.
    ///
    /// # Shapes
    /// rows × outputs.
    ///
    /// # Errors
    /// A head or row that does not exist; whatever the device refuses.
    pub fn scores(&self, params: &[f32], head: usize, rows: &[usize]) -> Result<Vec<f64>> {
        self.check(params)?;
        self.core.scores(head, rows)
    }

    /// Adds to `grad` the gradient of the scalar that `signal` weighs: Σ weight · quantity, over the log-probabilities,
    /// entropies and scores of the last forward pass.
    ///
    /// # Shapes
    /// `grad`: as `params`.
    ///
    /// # Errors
    /// The last forward pass kept only the final states, or a backward pass has used it up; weights that do not fit what
    /// was asked; whatever the device refuses.
    pub fn backward(&mut self, params: &[f32], signal: &Signal, grad: &mut [f32]) -> Result<()> {
        self.check(params)?;
        Error::check_shape("gradient", self.core.layout.len(), grad.len())?;
        for (range, tensor) in self.gradients(signal)? {
            if let Some(tensor) = tensor {
                grad[range].iter_mut().zip(ops::host::<f32>(&tensor)?).for_each(|(g, d)| *g += d);
            }
        }
        Ok(())
    }

    /// The gradient, on the device; none where no weight reaches a variable.
    fn gradients(&mut self, signal: &Signal) -> Result<Gradients> {
        let mut store = HashMap::new();
        self.core.backward(signal, &mut |id, gradient| {
            let gradient = ops::wide(&gradient)?;
            let sum = match store.remove(&id) {
                Some(before) => (before + gradient)?,
                None => gradient,
            };
            store.insert(id, sum);
            Ok(())
        })?;
        Ok(self.vars.iter().map(|(range, var)| (range.clone(), store.remove(&var.id()))).collect())
    }

    /// A completion of every prompt. Each draws from its own stream, so that it depends neither on the other prompts
    /// nor on their order (but for the rounding of logits). Equal prompts next to each other are read once.
    ///
    /// A completion stops at the end token, at `sampling.length` tokens, or where the context is full.
    ///
    /// # Errors
    /// Illegal options; an empty prompt; a prompt longer than the context; a token outside the vocabulary; as many
    /// streams as prompts are needed; logits that are not finite; whatever the device refuses.
    pub fn sample<P: AsRef<[u32]>>(
        &mut self,
        params: &[f32],
        prompts: &[P],
        sampling: &Sampling,
        streams: &mut [Stream],
    ) -> Result<Vec<Sample>> {
        self.check(params)?;
        self.core.forget();
        self.vars.clear();
        let model = self.load(params)?.detached();
        self.core.sample(&model, prompts, sampling, streams)
    }
}

transformer_by_own_methods!(Engine);
