//! Where a trainee lives.

use super::part::Asked;
use crate::error::{Error, Result};
use crate::lm::{AdamW, Batch, Choices, Config, Keep, Layout, Lora, Sample, Sampling, Signal, candle, part_tokens};
use crate::rng::Stream;
use std::borrow::Cow;
use std::fmt::Debug;

/// Weights, the engine that computes with them, their gradient, and the optimiser that moves them, all in one place. What is asked
/// after a forward pass is asked of the weights that it was made with.
pub(super) trait Home: Debug + Send + Sync {
    /// All of it once more.
    fn twin(&self) -> Result<Box<dyn Home>>;

    fn config(&self) -> &Config;

    fn layout(&self) -> &Layout;

    /// The adapters' table, if they are what is trained.
    fn adapters(&self) -> Option<&Lora>;

    /// Trains adapters of the present weights from here on, with fresh moments.
    fn with_adapters(self: Box<Self>, lora: Lora, values: Vec<f32>) -> Result<Box<dyn Home>>;

    /// Goes through parts on so many threads.
    fn in_lanes(self: Box<Self>, lanes: usize) -> Result<Box<dyn Home>>;

    /// The whole model's weights.
    fn params(&self) -> Result<Cow<'_, [f32]>>;

    /// The same without a copy, if possible.
    fn into_params(self: Box<Self>) -> Result<Vec<f32>>;

    /// What training moves.
    fn trained(&self) -> Result<Cow<'_, [f32]>>;

    fn trained_len(&self) -> usize {
        self.adapters().map_or_else(|| self.layout().len(), Lora::len)
    }

    /// Other values of it; the moments stay.
    fn put(&mut self, trained: &[f32]) -> Result<()>;

    fn optimizer(&self) -> Result<Cow<'_, AdamW>>;

    fn set_optimizer(&mut self, optimizer: AdamW) -> Result<()>;

    /// The model as it is with these values of what is trained, or as it is now.
    fn freeze(&self, trained: Option<&[f32]>) -> Result<Frozen>;

    /// The log-probabilities of `choices` under frozen weights.
    fn score(&mut self, frozen: &Frozen, batch: &Batch, choices: &Choices) -> Result<Vec<f64>>;

    fn forward(&mut self, batch: &Batch, keep: Keep) -> Result<()>;

    fn log_probs(&mut self, choices: &Choices) -> Result<&[f64]>;

    fn entropies(&self) -> &[f64];

    /// Of the last [`Home::log_probs`] or [`Home::score`]; after [`Home::forward_all`], of one of its batches.
    fn distributions(&self, lane: usize, out: &mut [f32]) -> Result<()>;

    /// What score head 0 says at some rows of the last batch, or of one of the last batches.
    fn scores(&self, lane: usize, rows: &[usize]) -> Result<Vec<f64>>;

    /// The final normalised hidden states at some rows of the last batch, rows × width.
    fn hidden(&self, rows: &[usize]) -> Result<Vec<f64>>;

    /// How many tokens a part of a step should have.
    fn part_tokens(&self) -> usize {
        part_tokens(self.config().width)
    }

    /// How many batches go through at once.
    fn lanes(&self) -> usize {
        1
    }

    /// A forward pass of as many batches as there are lanes or fewer, each with the choices whose log-probabilities are wanted; a
    /// backward pass may follow.
    fn forward_all(&mut self, wave: &[(Batch, Choices)]) -> Result<Vec<Vec<f64>>>;

    fn clear_gradient(&mut self) -> Result<()>;

    /// Adds the gradients of the batches of the last [`Home::forward_all`], in their order.
    fn pull_all(&mut self, asked: &[Asked]) -> Result<()>;

    /// Adds the gradient of a signal on the last forward pass.
    fn pull(&mut self, signal: &Signal) -> Result<()>;

    /// The same into `grad`, one entry for everything that is trained, instead of what the next step follows.
    fn pull_into(&mut self, signal: &Signal, grad: &mut [f32]) -> Result<()>;

    /// The gradient so far.
    #[cfg(test)]
    fn gradient(&self) -> Result<Vec<f32>>;

    /// Moves what is trained down the gradient, scaled down to the norm `clip`; returns its norm before.
    fn step(&mut self, clip: f64, learning_rate: f64) -> Result<f64>;

    fn sample(&mut self, prompts: &[&[u32]], sampling: &Sampling, streams: &mut [Stream]) -> Result<Vec<Sample>>;
}

/// The weights of a trainee's model at some time, where the trainee has its own: a reference.
#[derive(Clone, Debug, Default)]
pub struct Frozen(pub(super) Kept);

#[derive(Clone, Debug, Default)]
pub(super) enum Kept {
    #[default]
    Nothing,
    OnCpu {
        trained: Vec<f32>,
        /// The weights that adapters make.
        merged: Option<Vec<f32>>,
    },
    OnDevice(candle::Frozen),
}

impl Frozen {
    /// The values of what was trained: what [`Trainee::freeze_at`](super::Trainee::freeze_at) makes it again from.
    ///
    /// # Errors
    /// A device that fails.
    pub fn values(&self) -> Result<Cow<'_, [f32]>> {
        match &self.0 {
            Kept::Nothing => Ok(Cow::Borrowed(&[])),
            Kept::OnCpu { trained, .. } => Ok(Cow::Borrowed(trained)),
            Kept::OnDevice(frozen) => frozen.values().map(Cow::Owned),
        }
    }

    pub(super) fn misplaced() -> Error {
        Error::Usage("a reference was asked for where it is not: it is frozen by the model that it is of".into())
    }
}
