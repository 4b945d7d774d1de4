//! A transformer in training: one engine, its weights and an optimiser, on one thread.

use crate::error::{Error, Result};
use crate::lm::cpu::{Engine, Keep, Signal};
use crate::lm::{AdamW, Batch, Choices, Config, Schedule, clip_gradient};
use crate::objective::token_nll_loss;
use crate::rng::Stream;

/// A prompt and what should follow, or a whole text with an empty prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Prompt and completion.
    pub tokens: Vec<u32>,
    /// Tokens that are given, not learned; at least 1.
    pub prompt: usize,
}

/// What a model is trained with.
#[derive(Clone, Debug)]
pub struct Trainee {
    /// Forward and backward passes.
    pub engine: Engine,
    /// The weights, in the layout's order.
    pub params: Vec<f32>,
    optimizer: AdamW,
    grad: Vec<f32>,
    /// Limit of the gradient's norm.
    clip: f64,
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
        Ok(Self { engine, params, optimizer, grad, clip })
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
        let norm = clip_gradient(&mut self.grad, self.clip)?;
        self.optimizer.step(&mut self.params, &self.grad, learning_rate);
        Ok(norm)
    }

    /// One step of descent on the mean negative log-likelihood per completion token, nats; returns that mean before the
    /// step.
    ///
    /// # Errors
    /// As [`Trainee::descend`]; a sequence that does not fit the model.
    pub fn nll_step<'a>(&mut self, batch: impl IntoIterator<Item = &'a Example>, learning_rate: f64) -> Result<f64> {
        let (sequences, prompts): (Vec<&[u32]>, Vec<usize>) =
            batch.into_iter().map(|e| (e.tokens.as_slice(), e.prompt)).unzip();
        let batch = Batch::new(&sequences);
        let choices = batch.completions(&prompts)?;
        self.likelihood_step(&batch, &choices, None, learning_rate)
    }

    /// The same over all tokens but the first, those of prompts weighing `prompt_weight` in \[0, 1\] of a completion's: a
    /// step of pretraining.
    ///
    /// # Errors
    /// As [`Trainee::nll_step`].
    pub fn text_step(&mut self, batch: &[Example], prompt_weight: f64, learning_rate: f64) -> Result<f64> {
        let sequences: Vec<&[u32]> = batch.iter().map(|e| e.tokens.as_slice()).collect();
        let packed = Batch::new(&sequences);
        let of_example = |e: &Example| {
            let (learned, all) = (e.prompt.max(1), e.tokens.len());
            (1..all).map(move |t| if t < learned { prompt_weight } else { 1.0 })
        };
        let shares: Vec<f64> = batch.iter().flat_map(of_example).collect();
        self.likelihood_step(&packed, &packed.next_tokens(), Some(&shares), learning_rate)
    }

    fn likelihood_step(
        &mut self,
        batch: &Batch,
        choices: &Choices,
        shares: Option<&[f64]>,
        learning_rate: f64,
    ) -> Result<f64> {
        self.engine.forward(&self.params, batch, Keep::All)?;
        let log_probs = self.engine.log_probs(&self.params, choices)?;
        let mut weights = vec![0.0; choices.len()];
        let loss = match shares {
            None => token_nll_loss(log_probs, 1.0, &mut weights),
            Some(shares) => {
                let total: f64 = shares.iter().sum();
                weights.iter_mut().zip(shares).for_each(|(w, s)| *w = -s / total);
                weights.iter().zip(log_probs).map(|(w, lp)| w * lp).sum()
            }
        };
        self.descend(&Signal { log_probs: &weights, ..Signal::default() }, learning_rate)?;
        Ok(loss)
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

/// Supervised finetuning: `schedule.steps` steps on minibatches of `size` examples, drawn epoch by epoch in random order.
/// Returns the mean loss of the last tenth of the steps, nats per token.
///
/// # Errors
/// No examples, an illegal schedule, training that diverges.
pub fn sft(
    trainee: &mut Trainee,
    examples: &[Example],
    size: usize,
    schedule: &Schedule,
    rng: &mut Stream,
) -> Result<f64> {
    schedule.validate()?;
    if examples.is_empty() || size == 0 {
        return Err(Error::Usage(
            "supervised finetuning needs at least one example and a batch of at least one".into(),
        ));
    }
    let (mut order, mut last) = (Vec::new(), (0.0, 0.0));
    for step in 0..schedule.steps {
        let mut batch = Vec::with_capacity(size);
        while batch.len() < size.min(examples.len()) {
            let next = order.pop().unwrap_or_else(|| {
                order = rng.permutation(examples.len());
                order.pop().unwrap_or(0)
            });
            batch.push(&examples[next]);
        }
        let loss = trainee.nll_step(batch, schedule.rate(step))?;
        if step >= schedule.steps - schedule.steps.div_ceil(10) {
            last = (last.0 + loss, last.1 + 1.0);
        }
    }
    Ok(last.0 / last.1)
}
