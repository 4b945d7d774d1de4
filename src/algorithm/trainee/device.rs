//! A trainee on a device: candle's resident model.

use super::home::{Frozen, Home, Kept};
use super::part::Asked;
use crate::error::{Error, Result};
use crate::lm::candle::Resident;
use crate::lm::{AdamW, Batch, Choices, Config, Keep, Layout, Lora, Placement, Sample, Sampling, Signal};
use crate::rng::Stream;
use std::borrow::Cow;

/// Weights on a device, moved there.
#[derive(Debug)]
pub(super) struct OnDevice(Resident);

impl OnDevice {
    pub(super) fn new(placement: &Placement, config: &Config, params: &[f32]) -> Result<Self> {
        Ok(Self(Resident::on(placement, config, params)?))
    }
}

impl Home for OnDevice {
    fn twin(&self) -> Result<Box<dyn Home>> {
        Ok(Box::new(Self(self.0.twin()?)))
    }

    fn config(&self) -> &Config {
        self.0.config()
    }

    fn layout(&self) -> &Layout {
        self.0.layout()
    }

    fn adapters(&self) -> Option<&Lora> {
        self.0.adapters()
    }

    fn with_adapters(self: Box<Self>, lora: Lora, values: Vec<f32>) -> Result<Box<dyn Home>> {
        Ok(Box::new(Self(self.0.with_adapters(lora, &values)?)))
    }

    fn in_lanes(self: Box<Self>, lanes: usize) -> Result<Box<dyn Home>> {
        // the device has threads of its own
        Error::check_counts(&[("lanes", lanes, 1, 1)])?;
        Ok(self)
    }

    fn params(&self) -> Result<Cow<'_, [f32]>> {
        self.0.params().map(Cow::Owned)
    }

    fn into_params(self: Box<Self>) -> Result<Vec<f32>> {
        self.0.params()
    }

    fn trained(&self) -> Result<Cow<'_, [f32]>> {
        self.0.trained().map(Cow::Owned)
    }

    fn put(&mut self, trained: &[f32]) -> Result<()> {
        self.0.put(trained)
    }

    fn optimizer(&self) -> Result<Cow<'_, AdamW>> {
        self.0.optimizer().map(Cow::Owned)
    }

    fn set_optimizer(&mut self, optimizer: AdamW) -> Result<()> {
        self.0.set_optimizer(optimizer)
    }

    fn freeze(&self, trained: Option<&[f32]>) -> Result<Frozen> {
        Ok(Frozen(Kept::OnDevice(self.0.freeze(trained)?)))
    }

    fn score(&mut self, frozen: &Frozen, batch: &Batch, choices: &Choices) -> Result<Vec<f64>> {
        let Kept::OnDevice(frozen) = &frozen.0 else { return Err(Frozen::misplaced()) };
        self.0.forward_under(frozen, batch)?;
        Ok(self.0.log_probs(choices)?.to_vec())
    }

    fn forward(&mut self, batch: &Batch, keep: Keep) -> Result<()> {
        self.0.forward(batch, keep)
    }

    fn log_probs(&mut self, choices: &Choices) -> Result<&[f64]> {
        self.0.log_probs(choices)
    }

    fn entropies(&self) -> &[f64] {
        self.0.entropies()
    }

    fn distributions(&self, _lane: usize, out: &mut [f32]) -> Result<()> {
        self.0.distributions(out)
    }

    fn scores(&self, _lane: usize, rows: &[usize]) -> Result<Vec<f64>> {
        self.0.scores(0, rows)
    }

    fn hidden(&self, rows: &[usize]) -> Result<Vec<f64>> {
        self.0.hidden(rows)
    }

    /// A guess that keeps a GPU busy and activations within a few tens of gigabytes for models of a hundred million weights.
    fn part_tokens(&self) -> usize {
        if self.0.is_checkpointing() { 1 << 14 } else { 1 << 12 }
    }

    fn forward_all(&mut self, wave: &[(Batch, Choices)]) -> Result<Vec<Vec<f64>>> {
        let each = wave.iter().map(|(batch, choices)| {
            self.0.forward(batch, Keep::All)?;
            Ok(self.0.log_probs(choices)?.to_vec())
        });
        each.collect()
    }

    fn clear_gradient(&mut self) -> Result<()> {
        self.0.clear_gradient();
        Ok(())
    }

    fn pull_all(&mut self, asked: &[Asked]) -> Result<()> {
        asked.iter().try_for_each(|asked| asked.with_signal(|signal| self.0.pull(signal)))
    }

    fn pull(&mut self, signal: &Signal) -> Result<()> {
        self.0.pull(signal)
    }

    fn pull_into(&mut self, signal: &Signal, grad: &mut [f32]) -> Result<()> {
        self.0.clear_gradient();
        self.0.pull(signal)?;
        grad.iter_mut().zip(self.0.gradient()?).for_each(|(sum, g)| *sum += g);
        Ok(())
    }

    #[cfg(test)]
    fn gradient(&self) -> Result<Vec<f32>> {
        self.0.gradient()
    }

    fn step(&mut self, clip: f64, learning_rate: f64) -> Result<f64> {
        self.0.step(clip, learning_rate)
    }

    fn sample(&mut self, prompts: &[&[u32]], sampling: &Sampling, streams: &mut [Stream]) -> Result<Vec<Sample>> {
        self.0.sample(prompts, sampling, streams)
    }
}
