//! A transformer in training: its weights, the engine that computes with them, and an optimiser.

mod device;
#[cfg(test)]
mod devices;
mod home;
mod host;
mod part;
#[cfg(test)]
mod tests;

pub use home::Frozen;
pub(super) use part::{Part, Weights};

use crate::error::{Error, Result};
use crate::lm::cpu::{Keep, Sample, Sampling, Signal};
use crate::lm::{AdamW, Batch, Checkpoint, Choices, Config, Device, Layout, Lora, Placement, parts};
use crate::objective::token_nll_loss;
use crate::rng::Stream;
use device::OnDevice;
use home::Home;
use host::OnCpu;
use part::{Asked, sums};
use std::borrow::Cow;

/// A prompt and what should follow, or a whole text with an empty prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Prompt and completion.
    pub tokens: Vec<u32>,
    /// Tokens that are given, not learned; at least 1.
    pub prompt: usize,
}

/// A model in training. All loops work on it, wherever its weights are.
#[derive(Debug)]
pub struct Trainee {
    home: Box<dyn Home>,
    /// Limit of the gradient's norm.
    clip: f64,
    /// Tokens of a part of a step.
    part: usize,
}

/// What a step of descent saw before it moved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Descent {
    pub(super) loss: f64,
    /// Norm of the gradient before it was scaled down.
    pub(super) grad_norm: f64,
}

impl Trainee {
    /// A model with fresh moments and no weight decay; gradients are scaled down to the norm `clip` > 0.
    ///
    /// # Errors
    /// Weights that do not fit the config; a clip that is not positive.
    pub fn new(config: &Config, params: Vec<f32>, clip: f64) -> Result<Self> {
        check_clip(clip)?;
        Ok(Self { home: Box::new(OnCpu::new(config, params)?), clip, part: usize::MAX })
    }

    /// The same wherever it is to be: [`Device::Cpu`] gives what [`Trainee::new`] does; on any other device the weights, their gradient
    /// and the optimiser stay there. Of both all loops ask the same, and the answers are the same but for rounding.
    ///
    /// # Errors
    /// Those of [`Trainee::new`]; a device that is not there or was not built in; an option that it does not have.
    pub fn on(placement: &Placement, config: &Config, params: Vec<f32>, clip: f64) -> Result<Self> {
        placement.validate()?;
        if placement.device == Device::Cpu {
            return Self::new(config, params, clip);
        }
        check_clip(clip)?;
        Ok(Self { home: Box::new(OnDevice::new(placement, config, &params)?), clip, part: usize::MAX })
    }

    /// The same weights, adapters and moments once more.
    ///
    /// # Errors
    /// A device that has no room for them.
    pub fn twin(&self) -> Result<Self> {
        Ok(Self { home: self.home.twin()?, ..*self })
    }

    /// Trains low-rank adapters of the present weights, and score heads, instead of all weights; with fresh moments.
    ///
    /// # Errors
    /// Adapters of another config.
    pub fn with_adapters(self, lora: Lora, values: Vec<f32>) -> Result<Self> {
        Error::check_shape("adapter", lora.len(), values.len())?;
        Ok(Self { home: self.home.with_adapters(lora, values)?, ..self })
    }

    /// Goes through a step's parts in `lanes` at a time, each on a thread of its own, and through prompts likewise. It follows from the
    /// number of lanes, not from that of the processors, which parts' gradients are added in which order: the same number gives the
    /// same bits anywhere. Every lane beyond the first holds a gradient more.
    ///
    /// # Errors
    /// No lane.
    pub fn in_lanes(self, lanes: usize) -> Result<Self> {
        Error::check_counts(&[("lanes", lanes, 1, 1024)])?;
        Ok(Self { home: self.home.in_lanes(lanes)?, ..self })
    }

    /// Steps go through the engine in parts whose activations stay in the processor's cache (on a device: in its memory), their gradients added up. The
    /// parts follow from the numbers of tokens and the model's width alone, so bits repeat on any number of threads; they
    /// are not the bits of whole steps, but for rounding the gradient is the same.
    #[must_use]
    pub fn in_parts(self) -> Self {
        let tokens = self.home.part_tokens();
        self.in_parts_of(tokens)
    }

    /// The same with some `tokens` to a part: what bounds the memory of a step's activations.
    #[must_use]
    pub fn in_parts_of(self, tokens: usize) -> Self {
        Self { part: tokens.max(1), ..self }
    }

    /// The config.
    pub fn config(&self) -> &Config {
        self.home.config()
    }

    /// The table of tensors.
    pub fn layout(&self) -> &Layout {
        self.home.layout()
    }

    /// The adapters' table, if they are what is trained; [`Trainee::trained`] are their values then.
    pub fn adapters(&self) -> Option<&Lora> {
        self.home.adapters()
    }

    /// The weights, in the layout's order, adapters merged.
    ///
    /// # Errors
    /// A device that fails.
    pub fn params(&self) -> Result<Cow<'_, [f32]>> {
        self.home.params()
    }

    /// [`Trainee::params`], when the trainee is of no use any more.
    ///
    /// # Errors
    /// A device that fails.
    pub fn into_params(self) -> Result<Vec<f32>> {
        self.home.into_params()
    }

    /// What training moves, and what brings it back: the weights, or the adapters that make them.
    ///
    /// # Errors
    /// A device that fails.
    pub fn trained(&self) -> Result<Cow<'_, [f32]>> {
        self.home.trained()
    }

    pub(super) fn trained_len(&self) -> usize {
        self.home.trained_len()
    }

    /// Other values of what is trained; the moments stay.
    ///
    /// # Errors
    /// As many as there are; a device that fails.
    pub fn put(&mut self, trained: &[f32]) -> Result<()> {
        Error::check_shape("trained parameters", self.trained_len(), trained.len())?;
        self.home.put(trained)
    }

    /// The model as it is now, to be compared with later.
    ///
    /// # Errors
    /// A device that has no room for it.
    pub fn freeze(&self) -> Result<Frozen> {
        self.home.freeze(None)
    }

    /// The model as it is with other values of what is trained.
    ///
    /// # Errors
    /// As many as there are; a device that has no room for it.
    pub fn freeze_at(&self, trained: &[f32]) -> Result<Frozen> {
        Error::check_shape("trained parameters", self.trained_len(), trained.len())?;
        self.home.freeze(Some(trained))
    }

    /// Runs the blocks over a batch; what is asked next is asked of it.
    ///
    /// # Errors
    /// A sequence that does not fit the model.
    pub fn forward(&mut self, batch: &Batch, keep: Keep) -> Result<()> {
        self.home.forward(batch, keep)
    }

    /// The log-probability of every choice in the last batch, in nats.
    ///
    /// # Errors
    /// A row or token that does not exist.
    pub fn log_probs(&mut self, choices: &Choices) -> Result<&[f64]> {
        self.home.log_probs(choices)
    }

    /// The entropy of every choice's distribution, in nats, for the choices of the last [`Trainee::log_probs`].
    pub fn entropies(&self) -> &[f64] {
        self.home.entropies()
    }

    /// Writes the log-probability of every token for the choices of the last [`Trainee::log_probs`] or [`Trainee::score`].
    ///
    /// # Shapes
    /// `out`: choices × vocabulary.
    ///
    /// # Errors
    /// [`Error::Shape`]; the CPU engine has up to 2^20 of them.
    pub fn distributions(&self, out: &mut [f32]) -> Result<()> {
        self.home.distributions(0, out)
    }

    /// What score head 0 says at some rows of the last batch.
    ///
    /// # Shapes
    /// rows × outputs.
    ///
    /// # Errors
    /// A model without a score head; a row that does not exist.
    pub fn scores_at(&self, rows: &[usize]) -> Result<Vec<f64>> {
        self.home.scores(0, rows)
    }

    /// Adds to `grad` the gradient of Σ weight · quantity by what is trained, after a forward pass with [`Keep::All`].
    ///
    /// # Shapes
    /// `grad`: as [`Trainee::trained`].
    ///
    /// # Errors
    /// A signal that does not fit the last forward pass.
    pub fn add_gradient(&mut self, signal: &Signal, grad: &mut [f32]) -> Result<()> {
        Error::check_shape("gradient", self.trained_len(), grad.len())?;
        self.home.pull_into(signal, grad)
    }

    /// A completion of every prompt under the present weights, each drawn from its own stream.
    ///
    /// # Errors
    /// Illegal options; an empty prompt; a prompt longer than the context; a token outside the vocabulary; as many streams as prompts
    /// are needed; logits that are not finite.
    pub fn sample<P: AsRef<[u32]>>(
        &mut self,
        prompts: &[P],
        sampling: &Sampling,
        streams: &mut [Stream],
    ) -> Result<Vec<Sample>> {
        Error::check_shape("streams", prompts.len(), streams.len())?;
        let prompts: Vec<&[u32]> = prompts.iter().map(AsRef::as_ref).collect();
        self.home.sample(&prompts, sampling, streams)
    }

    /// Sets score head 0 to zero.
    ///
    /// # Errors
    /// A model without a score head.
    pub(super) fn clear_score_head(&mut self) -> Result<()> {
        let head = self.layout().scores.first();
        let head =
            head.ok_or_else(|| Error::Usage("PPO's critic and a reward model need a model with a score head".into()))?;
        let places = [head.weight.clone(), head.bias.clone()];
        let places = places.map(|place| self.adapters().map_or(place.clone(), |lora| lora.place_of_head(&place)));
        let mut trained = self.trained()?.into_owned();
        places.into_iter().for_each(|place| trained[place].fill(0.0));
        self.home.put(&trained)
    }

    /// # Errors
    /// A score head 0 of another number of outputs than this, `what` naming them; none has 0.
    pub(super) fn check_score_head(&self, what: &'static str, outputs: usize) -> Result<()> {
        let own = self.config().scores.first().map_or(0, |head| head.outputs);
        Error::check_shape(what, outputs, own)
    }

    /// Goes on from other values of what is trained, with fresh moments.
    pub(super) fn restart(&mut self, trained: &[f32]) -> Result<()> {
        self.put(trained)?;
        self.home.set_optimizer(AdamW::new(trained.len(), 0.0)?)
    }

    /// One step of descent on Σ weight · quantity after a forward pass with [`Keep::All`]; returns the gradient's norm
    /// before clipping.
    ///
    /// # Errors
    /// A signal that does not fit the last forward pass; a gradient that is not finite (training diverged): the weights
    /// stay as they were.
    pub fn descend(&mut self, signal: &Signal, learning_rate: f64) -> Result<f64> {
        self.home.clear_gradient()?;
        self.home.pull(signal)?;
        self.home.step(self.clip, learning_rate)
    }

    /// One step of descent on the completions of some sequences, part by part: `weigh` gives a part's loss, as its share of
    /// the step's, and its weights.
    ///
    /// # Errors
    /// Those of `weigh`; a sequence that does not fit the model; a loss or a gradient that is not finite (training
    /// diverged). The weights and moments stay as they were.
    pub(super) fn learn(
        &mut self,
        sequences: &[&[u32]],
        prompts: &[usize],
        learning_rate: f64,
        weigh: impl FnMut(&Part) -> Result<(f64, Weights)>,
    ) -> Result<Descent> {
        self.learn_in_groups(1, sequences, prompts, learning_rate, weigh)
    }

    /// Most tokens of a part of a step of so many: no lane is idle where the step has work for all.
    fn most_in_a_part(&self, tokens: usize) -> usize {
        let lanes = self.home.lanes();
        if lanes == 1 {
            return self.part;
        }
        let parts = tokens.div_ceil(self.part).max(1).next_multiple_of(lanes);
        tokens.div_ceil(parts).max(1)
    }

    /// The same with `group` consecutive sequences always in one part: what a loss takes together.
    ///
    /// # Errors
    /// As [`Trainee::learn`]; sequences that do not make whole groups.
    pub(super) fn learn_in_groups(
        &mut self,
        group: usize,
        sequences: &[&[u32]],
        prompts: &[usize],
        learning_rate: f64,
        mut weigh: impl FnMut(&Part) -> Result<(f64, Weights)>,
    ) -> Result<Descent> {
        Error::check_shape("sequences in whole groups", sequences.len().next_multiple_of(group), sequences.len())?;
        Error::check_shape("prompt lengths", sequences.len(), prompts.len())?;
        let tokens: usize = sequences.iter().zip(prompts).map(|(s, p)| s.len().saturating_sub(*p)).sum();
        let share = |of: usize, all: usize| if of == all { 1.0 } else { of as f64 / all as f64 };
        self.home.clear_gradient()?;
        let mut loss = 0.0;
        let of_group = |g: &[&[u32]]| g.iter().map(|s| s.len()).sum();
        let (mut ranges, mut all) = (Vec::new(), Vec::new());
        let of_groups = sequences.chunks(group).map(of_group);
        for groups in parts(of_groups.clone(), self.most_in_a_part(of_groups.sum())) {
            let range = group * groups.start..group * groups.end;
            let batch = Batch::new(&sequences[range.clone()]);
            let choices = batch.completions(&prompts[range.clone()])?;
            ranges.push(range);
            all.push((batch, choices));
        }
        let lanes = self.home.lanes();
        for (wave, ranges) in all.chunks(lanes).zip(ranges.chunks(lanes)) {
            let log_probs = self.home.forward_all(wave)?;
            let mut asked = Vec::with_capacity(wave.len());
            for (lane, ((range, (batch, choices)), log_probs)) in ranges.iter().zip(wave).zip(log_probs).enumerate() {
                let (of_tokens, of_sequences) = (share(choices.len(), tokens), share(range.len(), sequences.len()));
                let (starts, ends) = batch.all_rows().map(|r| (r.start, r.end - 1)).unzip();
                let (sequences, choices) = (range.clone(), choices.clone());
                let place = (&*self.home, lane);
                let part = Part { sequences, choices, starts, ends, log_probs, of_tokens, of_sequences, place };
                let (value, weights) = weigh(&part)?;
                loss += value;
                if !loss.is_finite() {
                    return Err(Error::NotFinite { what: "loss (training diverged)".into(), value: loss });
                }
                asked.push(Asked { rows: part.choices.rows, ends: part.ends, weights });
            }
            self.home.pull_all(&asked)?;
        }
        Ok(Descent { loss, grad_norm: self.home.step(self.clip, learning_rate)? })
    }

    /// All that a run needs to go on, with the loop's `cursor` and the weights of its reference, if any.
    pub(super) fn checkpoint(&self, cursor: String, reference: Vec<f32>) -> Result<Checkpoint> {
        let (params, optimizer) = (self.trained()?.into_owned(), self.home.optimizer()?.into_owned());
        Ok(Checkpoint { params, optimizer, cursor, reference })
    }

    /// Takes a checkpoint of the same config; returns the reference's weights.
    pub(super) fn restore(&mut self, checkpoint: Checkpoint) -> Result<Vec<f32>> {
        self.put(&checkpoint.params)?;
        self.home.set_optimizer(checkpoint.optimizer)?;
        Ok(checkpoint.reference)
    }

    /// One step of descent on the mean negative log-likelihood per completion token, nats; returns that mean before the
    /// step.
    ///
    /// # Errors
    /// As [`Trainee::descend`]; a sequence that does not fit the model.
    pub fn nll_step<'a>(&mut self, batch: impl IntoIterator<Item = &'a Example>, learning_rate: f64) -> Result<f64> {
        let (sequences, prompts): (Vec<&[u32]>, Vec<usize>) =
            batch.into_iter().map(|e| (e.tokens.as_slice(), e.prompt)).unzip();
        let step = self.learn(&sequences, &prompts, learning_rate, |part| {
            let mut weights = Weights { log_probs: vec![0.0; part.log_probs.len()], ..Weights::default() };
            let loss = token_nll_loss(&part.log_probs, part.of_tokens, &mut weights.log_probs);
            Ok((part.of_tokens * loss, weights))
        })?;
        Ok(step.loss)
    }

    /// The same over all tokens but the first, those of prompts weighing `prompt_weight` in \[0, 1\] of a completion's: a
    /// step of pretraining.
    ///
    /// # Errors
    /// As [`Trainee::nll_step`].
    pub fn text_step(&mut self, batch: &[Example], prompt_weight: f64, learning_rate: f64) -> Result<f64> {
        let sequences: Vec<&[u32]> = batch.iter().map(|e| e.tokens.as_slice()).collect();
        let of_example = |e: &Example| {
            let (learned, all) = (e.prompt.max(1), e.tokens.len());
            (1..all).map(move |t| if t < learned { prompt_weight } else { 1.0 })
        };
        let total: f64 = batch.iter().flat_map(of_example).sum();
        let step = self.learn(&sequences, &vec![1; batch.len()], learning_rate, |part| {
            let shares = batch[part.sequences.clone()].iter().flat_map(of_example);
            let log_probs: Vec<f64> = shares.map(|s| -s / total).collect();
            let loss = log_probs.iter().zip(&part.log_probs).map(|(w, lp)| w * lp).sum();
            Ok((loss, Weights { log_probs, ..Weights::default() }))
        })?;
        Ok(step.loss)
    }

    /// log π of the completions of some sequences under the present weights, nats.
    ///
    /// # Errors
    /// A sequence that does not fit the model; a log-probability that is not finite.
    pub fn completion_log_probs<S: AsRef<[u32]>>(&mut self, sequences: &[S], prompts: &[usize]) -> Result<Vec<f64>> {
        let batch = Batch::new(sequences);
        let choices = batch.completions(prompts)?;
        self.home.forward(&batch, Keep::Final)?;
        let log_probs = self.home.log_probs(&choices)?;
        Error::check_finite("log-probability of a completion", log_probs)?;
        let lengths: Vec<usize> = sequences.iter().zip(prompts).map(|(s, p)| s.as_ref().len() - p).collect();
        Ok(sums(log_probs, &lengths))
    }

    /// What score head 0 says of whole sequences, at their last tokens: a reward model's scores.
    ///
    /// # Errors
    /// A model without a score head; an empty sequence, or one that does not fit the model.
    pub fn scores<S: AsRef<[u32]>>(&mut self, sequences: &[S]) -> Result<Vec<f64>> {
        let ends = self.forward_to_ends(sequences)?;
        self.home.scores(0, &ends)
    }

    /// The final normalised hidden states at the last tokens of whole sequences: what a linear probe reads.
    ///
    /// # Shapes
    /// sequences × width.
    ///
    /// # Errors
    /// An empty sequence, or one that does not fit the model.
    pub fn last_hidden<S: AsRef<[u32]>>(&mut self, sequences: &[S]) -> Result<Vec<f64>> {
        let ends = self.forward_to_ends(sequences)?;
        self.home.hidden(&ends)
    }

    /// Runs whole sequences through the model; returns each one's last row.
    fn forward_to_ends<S: AsRef<[u32]>>(&mut self, sequences: &[S]) -> Result<Vec<usize>> {
        if let Some(i) = sequences.iter().position(|s| s.as_ref().is_empty()) {
            return Err(Error::parameter(format!("sequences[{i}]"), "(empty)", "at least one token long"));
        }
        let batch = Batch::new(sequences);
        self.home.forward(&batch, Keep::Final)?;
        Ok(batch.all_rows().map(|r| r.end - 1).collect())
    }

    /// The log-probabilities of `choices` under frozen weights, in nats.
    ///
    /// # Errors
    /// A sequence or choice that does not fit the model; weights that were frozen elsewhere.
    pub fn score(&mut self, frozen: &Frozen, batch: &Batch, choices: &Choices) -> Result<Vec<f64>> {
        self.home.score(frozen, batch, choices)
    }
}

fn check_clip(clip: f64) -> Result<()> {
    if clip.is_nan() || clip <= 0.0 { Err(Error::parameter("clip", clip, "positive")) } else { Ok(()) }
}

#[cfg(test)]
impl Trainee {
    /// [`Trainee::params`] in a test.
    pub(super) fn weights(&self) -> Vec<f32> {
        self.params().expect("at hand").into_owned()
    }

    /// The gradient that the last step followed.
    pub(super) fn gradient(&self) -> Vec<f64> {
        self.home.gradient().expect("at hand").into_iter().map(f64::from).collect()
    }

    /// The optimiser's first moments.
    fn moments(&self) -> Vec<f64> {
        self.home.optimizer().expect("at hand").first.iter().map(|m| f64::from(*m)).collect()
    }

    /// Moves every entry of what is trained.
    pub(super) fn nudge(&mut self, mut each: impl FnMut(usize, &mut f32)) {
        let mut trained = self.trained().expect("at hand").into_owned();
        trained.iter_mut().enumerate().for_each(|(i, p)| each(i, p));
        self.put(&trained).expect("as many");
    }
}
