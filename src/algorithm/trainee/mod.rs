//! A transformer in training: its engine, its weights and an optimiser.

mod adapters;
mod lanes;
mod part;
#[cfg(test)]
mod tests;

pub(super) use part::{Part, Weights};

use crate::error::{Error, Result};
use crate::lm::cpu::{Engine, Keep, Signal};
use crate::lm::{AdamW, Batch, Checkpoint, Choices, Config, clip_gradient, part_tokens, parts};
use crate::objective::token_nll_loss;
use adapters::Adapters;
use lanes::{Lane, at_once};
use part::{Asked, sums};

/// A prompt and what should follow, or a whole text with an empty prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Prompt and completion.
    pub tokens: Vec<u32>,
    /// Tokens that are given, not learned; at least 1.
    pub prompt: usize,
}

/// What a model is trained with: on one thread, or with lanes on as many.
#[derive(Clone, Debug)]
pub struct Trainee {
    /// Forward and backward passes.
    pub engine: Engine,
    /// The weights, in the layout's order.
    pub params: Vec<f32>,
    optimizer: AdamW,
    pub(super) grad: Vec<f32>,
    /// Limit of the gradient's norm.
    clip: f64,
    /// Tokens of a part of a step.
    part: usize,
    /// If these are trained instead of the weights.
    adapters: Option<Adapters>,
    /// Beside the first, which is the trainee's own engine.
    lanes: Vec<Lane>,
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
        if clip.is_nan() || clip <= 0.0 {
            return Err(Error::parameter("clip", clip, "positive"));
        }
        let engine = Engine::new(config)?;
        Error::check_shape("parameters", engine.layout().len(), params.len())?;
        let (optimizer, grad) = (AdamW::new(params.len(), 0.0)?, vec![0.0; params.len()]);
        Ok(Self { engine, params, optimizer, grad, clip, part: usize::MAX, adapters: None, lanes: Vec::new() })
    }

    /// Steps go through the engine in parts whose activations stay in the processor's cache, their gradients added up. The
    /// parts follow from the numbers of tokens and the model's width alone, so bits repeat on any number of threads; they
    /// are not the bits of whole steps, but for rounding the gradient is the same.
    #[must_use]
    pub fn in_parts(self) -> Self {
        let tokens = part_tokens(self.engine.config().width);
        self.in_parts_of(tokens)
    }

    /// The same with some `tokens` to a part.
    pub(super) fn in_parts_of(self, tokens: usize) -> Self {
        Self { part: tokens, ..self }
    }

    /// Sets score head 0 to zero.
    ///
    /// # Errors
    /// A model without a score head.
    pub(super) fn clear_score_head(&mut self) -> Result<()> {
        let head = self.engine.layout().scores.first();
        let head =
            head.ok_or_else(|| Error::Usage("PPO's critic and a reward model need a model with a score head".into()))?;
        let [weight, bias] = [head.weight.clone(), head.bias.clone()];
        self.params[weight].fill(0.0);
        self.params[bias].fill(0.0);
        if let Some(adapters) = &mut self.adapters {
            adapters.lora.take_heads(&self.params, &mut adapters.values);
        }
        Ok(())
    }

    /// # Errors
    /// A score head 0 of another number of outputs than this, `what` naming them; none has 0.
    pub(super) fn check_score_head(&self, what: &'static str, outputs: usize) -> Result<()> {
        let own = self.engine.config().scores.first().map_or(0, |head| head.outputs);
        Error::check_shape(what, outputs, own)
    }

    /// Goes on from other values of what is trained, with fresh moments.
    pub(super) fn restart(&mut self, trained: &[f32]) -> Result<()> {
        Error::check_shape("trained parameters", self.trained().len(), trained.len())?;
        self.optimizer = AdamW::new(trained.len(), 0.0)?;
        self.put(trained)
    }

    /// One step of descent on Σ weight · quantity after a forward pass with [`Keep::All`]; returns the gradient's norm
    /// before clipping.
    ///
    /// # Errors
    /// A signal that does not fit the last forward pass; a gradient that is not finite (training diverged): the weights
    /// stay as they were.
    pub fn descend(&mut self, signal: &Signal, learning_rate: f64) -> Result<f64> {
        self.grad.fill(0.0);
        self.engine.backward(&self.params, signal, &mut self.grad)?;
        self.follow(learning_rate)
    }

    /// Moves the weights down the gradient, scaled down to the clip; returns its norm before.
    fn follow(&mut self, learning_rate: f64) -> Result<f64> {
        let Some(adapters) = &mut self.adapters else {
            let norm = clip_gradient(&mut self.grad, self.clip)?;
            self.optimizer.step(&mut self.params, &self.grad, learning_rate);
            return Ok(norm);
        };
        adapters.grad.fill(0.0);
        adapters.lora.pull(&adapters.values, &self.grad, &mut adapters.grad)?;
        let norm = clip_gradient(&mut adapters.grad, self.clip)?;
        self.optimizer.step(&mut adapters.values, &adapters.grad, learning_rate);
        self.merge()?;
        Ok(norm)
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
        self.grad.fill(0.0);
        let mut loss = 0.0;
        let of_group = |g: &[&[u32]]| g.iter().map(|s| s.len()).sum();
        let mut all = Vec::new();
        let of_groups = sequences.chunks(group).map(of_group);
        for groups in parts(of_groups.clone(), self.most_in_a_part(of_groups.sum())) {
            let range = group * groups.start..group * groups.end;
            let batch = Batch::new(&sequences[range.clone()]);
            let choices = batch.completions(&prompts[range.clone()])?;
            all.push((range, batch, choices));
        }
        for wave in all.chunks(1 + self.lanes.len()) {
            let params = &self.params;
            let mut engines: Vec<&mut Engine> =
                std::iter::once(&mut self.engine).chain(self.lanes.iter_mut().map(|l| &mut l.engine)).collect();
            let log_probs = at_once(engines.iter_mut().zip(wave).collect(), |(engine, (_, batch, choices))| {
                engine.forward(params, batch, Keep::All)?;
                Ok(engine.log_probs(params, choices)?.to_vec())
            })?;
            let mut asked = Vec::with_capacity(wave.len());
            for ((engine, (range, batch, choices)), log_probs) in engines.iter().zip(wave).zip(log_probs) {
                let (of_tokens, of_sequences) = (share(choices.len(), tokens), share(range.len(), sequences.len()));
                let (starts, ends) = batch.all_rows().map(|r| (r.start, r.end - 1)).unzip();
                let (sequences, choices) = (range.clone(), choices.clone());
                let part =
                    Part { sequences, choices, starts, ends, log_probs, of_tokens, of_sequences, engine, params };
                let (value, weights) = weigh(&part)?;
                loss += value;
                if !loss.is_finite() {
                    return Err(Error::NotFinite { what: "loss (training diverged)".into(), value: loss });
                }
                asked.push(Asked { rows: part.choices.rows, ends: part.ends, weights });
            }
            self.pull(&asked)?;
        }
        Ok(Descent { loss, grad_norm: self.follow(learning_rate)? })
    }

    /// All that a run needs to go on, with the loop's `cursor` and the weights of its reference, if any.
    pub(super) fn checkpoint(&self, cursor: String, reference: Vec<f32>) -> Checkpoint {
        Checkpoint { params: self.trained().to_vec(), optimizer: self.optimizer.clone(), cursor, reference }
    }

    /// Takes a checkpoint of the same config; returns the reference's weights.
    pub(super) fn restore(&mut self, checkpoint: Checkpoint) -> Result<Vec<f32>> {
        self.put(&checkpoint.params)?;
        self.optimizer = checkpoint.optimizer;
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
        self.engine.forward(&self.params, &batch, Keep::Final)?;
        let log_probs = self.engine.log_probs(&self.params, &choices)?;
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
        self.engine.scores(&self.params, 0, &ends)
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
        let width = self.engine.config().width;
        let hidden = self.engine.hidden();
        Ok(ends.iter().flat_map(|e| &hidden[e * width..(e + 1) * width]).map(|h| f64::from(*h)).collect())
    }

    /// Runs whole sequences through the model; returns each one's last row.
    fn forward_to_ends<S: AsRef<[u32]>>(&mut self, sequences: &[S]) -> Result<Vec<usize>> {
        if let Some(i) = sequences.iter().position(|s| s.as_ref().is_empty()) {
            return Err(Error::parameter(format!("sequences[{i}]"), "(empty)", "at least one token long"));
        }
        let batch = Batch::new(sequences);
        self.engine.forward(&self.params, &batch, Keep::Final)?;
        Ok(batch.all_rows().map(|r| r.end - 1).collect())
    }

    /// The log-probabilities of `choices` under other weights of the same model, in nats.
    ///
    /// # Errors
    /// A sequence or choice that does not fit the model.
    pub fn score(&mut self, params: &[f32], batch: &Batch, choices: &Choices) -> Result<Vec<f64>> {
        self.engine.forward(params, batch, Keep::Final)?;
        Ok(self.engine.log_probs(params, choices)?.to_vec())
    }
}
