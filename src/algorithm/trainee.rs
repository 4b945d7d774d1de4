//! A transformer in training: one engine, its weights and an optimiser, on one thread.

use crate::error::{Error, Result};
use crate::lm::cpu::{Engine, Keep, Scores, Signal};
use crate::lm::{AdamW, Batch, Checkpoint, Choices, Config, clip_gradient, part_tokens, parts};
use crate::objective::token_nll_loss;
use std::ops::Range;

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
    pub(super) grad: Vec<f32>,
    /// Limit of the gradient's norm.
    clip: f64,
    /// Tokens of a part of a step.
    part: usize,
}

/// Some of a step's sequences after their forward pass.
#[derive(Debug)]
pub(super) struct Part<'a> {
    /// Which of the step's sequences.
    pub(super) sequences: Range<usize>,
    /// The tokens of their completions.
    pub(super) choices: Choices,
    /// Each sequence's first row.
    starts: Vec<usize>,
    /// Each sequence's last row.
    ends: Vec<usize>,
    /// log π of these.
    pub(super) log_probs: Vec<f64>,
    /// Their share of the step's tokens: what a mean over a part's tokens weighs in the step's.
    pub(super) of_tokens: f64,
    /// The part's share of the step's sequences.
    pub(super) of_sequences: f64,
    trainee: &'a Trainee,
}

impl Part<'_> {
    /// What score head 0 says of each token's context.
    pub(super) fn values(&self) -> Result<Vec<f64>> {
        self.trainee.engine.scores(&self.trainee.params, 0, &self.choices.rows)
    }

    /// What score head 0 says of each whole sequence, at its last token.
    pub(super) fn finals(&self) -> Result<Vec<f64>> {
        self.trainee.engine.scores(&self.trainee.params, 0, &self.ends)
    }

    /// The rows of some tokens of each sequence, `places` counted from its first token.
    pub(super) fn rows_of(&self, places: &[&[usize]]) -> Vec<usize> {
        let of = |(start, own): (&usize, &&[usize])| own.iter().map(|t| start + t).collect::<Vec<_>>();
        self.starts.iter().zip(places).flat_map(of).collect()
    }

    /// What score head 0 says at some rows, rows × outputs.
    pub(super) fn scores_at(&self, rows: &[usize]) -> Result<Vec<f64>> {
        self.trainee.engine.scores(&self.trainee.params, 0, rows)
    }

    /// log π of each sequence's completion; `lengths` are their tokens.
    pub(super) fn sums(&self, lengths: &[usize]) -> Vec<f64> {
        sums(&self.log_probs, lengths)
    }

    /// The log-probabilities of the whole vocabulary at each token's context, tokens × vocabulary.
    pub(super) fn distributions(&self) -> Result<Vec<f32>> {
        let mut out = vec![0.0; self.log_probs.len() * self.trainee.engine.config().vocab];
        self.trainee.engine.distributions(&mut out)?;
        Ok(out)
    }
}

/// What a step descends is Σ weight · quantity over a part's tokens. Empty vectors weigh nothing.
#[derive(Debug, Default)]
pub(super) struct Weights {
    /// On log-probabilities.
    pub(super) log_probs: Vec<f64>,
    /// On entropies.
    pub(super) entropies: Vec<f64>,
    /// On all log-probabilities of the distributions.
    pub(super) distributions: Vec<f32>,
    /// On what score head 0 says at each token's context.
    pub(super) values: Vec<f64>,
    /// On what it says at each sequence's last token.
    pub(super) finals: Vec<f64>,
    /// Some rows, and the weights on what it says there, rows × outputs.
    pub(super) at: (Vec<usize>, Vec<f64>),
}

impl Weights {
    /// An entropy bonus: `coefficient` · mean over the step's tokens.
    pub(super) fn add_entropy(&mut self, coefficient: f64, part: &Part) {
        if coefficient > 0.0 {
            let tokens = part.log_probs.len();
            self.entropies = vec![-coefficient * (part.of_tokens / tokens as f64); tokens];
        }
    }
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
        Ok(Self { engine, params, optimizer, grad, clip, part: usize::MAX })
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
        Ok(())
    }

    /// # Errors
    /// A score head 0 of another number of outputs than this, `what` naming them; none has 0.
    pub(super) fn check_score_head(&self, what: &'static str, outputs: usize) -> Result<()> {
        let own = self.engine.config().scores.first().map_or(0, |head| head.outputs);
        Error::check_shape(what, outputs, own)
    }

    /// Goes on from other weights of the same model, with fresh moments.
    pub(super) fn restart(&mut self, params: &[f32]) -> Result<()> {
        Error::check_shape("parameters", self.params.len(), params.len())?;
        self.params.copy_from_slice(params);
        self.optimizer = AdamW::new(params.len(), 0.0)?;
        Ok(())
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
        let norm = clip_gradient(&mut self.grad, self.clip)?;
        self.optimizer.step(&mut self.params, &self.grad, learning_rate);
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
        for groups in parts(sequences.chunks(group).map(of_group), self.part) {
            let range = group * groups.start..group * groups.end;
            let batch = Batch::new(&sequences[range.clone()]);
            let choices = batch.completions(&prompts[range.clone()])?;
            self.engine.forward(&self.params, &batch, Keep::All)?;
            let log_probs = self.engine.log_probs(&self.params, &choices)?.to_vec();
            let (of_tokens, of_sequences) = (share(choices.len(), tokens), share(range.len(), sequences.len()));
            let (starts, ends) = batch.all_rows().map(|r| (r.start, r.end - 1)).unzip();
            let part =
                Part { sequences: range, choices, starts, ends, log_probs, of_tokens, of_sequences, trainee: self };
            let (value, weights) = weigh(&part)?;
            loss += value;
            if !loss.is_finite() {
                return Err(Error::NotFinite { what: "loss (training diverged)".into(), value: loss });
            }
            let (rows, ends) = (part.choices.rows, part.ends);
            let scores: Vec<Scores> =
                [(&rows, &weights.values), (&ends, &weights.finals), (&weights.at.0, &weights.at.1)]
                    .into_iter()
                    .filter(|(_, weights)| !weights.is_empty())
                    .map(|(rows, weights)| Scores { head: 0, rows, weights })
                    .collect();
            let signal = Signal {
                log_probs: &weights.log_probs,
                entropies: &weights.entropies,
                distributions: &weights.distributions,
                scores: &scores,
                ..Signal::default()
            };
            self.engine.backward(&self.params, &signal, &mut self.grad)?;
        }
        Ok(Descent { loss, grad_norm: self.follow(learning_rate)? })
    }

    /// All that a run needs to go on, with the loop's `cursor` and the weights of its reference, if any.
    pub(super) fn checkpoint(&self, cursor: String, reference: Vec<f32>) -> Checkpoint {
        Checkpoint { params: self.params.clone(), optimizer: self.optimizer.clone(), cursor, reference }
    }

    /// Takes a checkpoint of the same config; returns the reference's weights.
    pub(super) fn restore(&mut self, checkpoint: Checkpoint) -> Vec<f32> {
        self.params = checkpoint.params;
        self.optimizer = checkpoint.optimizer;
        checkpoint.reference
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

/// Sums over consecutive runs of these lengths.
fn sums(values: &[f64], lengths: &[usize]) -> Vec<f64> {
    let mut rest = values;
    let mut sum = |length: &usize| {
        let (own, after) = rest.split_at(*length);
        rest = after;
        own.iter().sum()
    };
    lengths.iter().map(&mut sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lm::{Size, init};
    use crate::num::relative_error;
    use crate::rng::Stream;

    fn config() -> Config {
        Config::gpt2(Size { vocab: 6, width: 16, layers: 1, heads: 2, context: 8 })
    }

    fn fresh() -> Trainee {
        let params = init(&config(), 0.1, &mut Stream::named(&["trainee"])).expect("a layout");
        Trainee::new(&config(), params, 1.0).expect("legal")
    }

    #[test]
    fn weight_one_on_prompts_is_the_likelihood_of_all_tokens() {
        let (mut one, mut two) = (fresh(), fresh());
        let text = [Example { tokens: vec![0, 3, 2, 5], prompt: 3 }, Example { tokens: vec![0, 1, 4], prompt: 0 }];
        let whole = text.clone().map(|e| Example { prompt: 1, ..e });
        let a = one.text_step(&text, 1.0, 1e-2).expect("finite");
        let b = two.nll_step(&whole, 1e-2).expect("finite");
        assert!((a - b).abs() < 1e-6, "{a} {b}");
        let worst = one.params.iter().zip(&two.params).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-5, "{worst}");
    }

    /// Gradients, not weights: Adam's first step would hide a factor.
    #[test]
    fn parts_of_a_step_add_up_to_the_whole() {
        let text: Vec<Example> = (0..9_u32)
            .map(|i| Example { tokens: (0..=i % 5 + 1).map(|t| (t * i + 1) % 6).collect(), prompt: 1 + i as usize % 2 })
            .collect();
        let step = |tokens: usize, whole_text: bool| {
            let mut trainee = fresh().in_parts_of(tokens);
            let loss = if whole_text { trainee.text_step(&text, 0.3, 1e-2) } else { trainee.nll_step(&text, 1e-2) };
            (loss.expect("finite"), trainee.grad.iter().map(|g| f64::from(*g)).collect::<Vec<_>>())
        };
        for whole_text in [false, true] {
            let (loss, whole) = step(usize::MAX, whole_text);
            for tokens in [1, 7, 20] {
                let (in_parts, gradient) = step(tokens, whole_text);
                assert!((in_parts - loss).abs() < 1e-6, "{in_parts} {loss}");
                assert!(relative_error(&gradient, &whole) < 1e-5 && gradient != whole);
            }
            assert_eq!(step(1000, whole_text).1, whole);
        }
    }

    #[test]
    fn divergence_is_an_error_and_leaves_the_weights() {
        let mut trainee = fresh();
        trainee.params[0] = f32::NAN;
        let before: Vec<u32> = trainee.params.iter().map(|p| p.to_bits()).collect();
        let error = trainee.nll_step(&[Example { tokens: vec![0, 1, 2], prompt: 1 }], 1e-2);
        assert!(matches!(error, Err(Error::NotFinite { .. })));
        assert_eq!(before, trainee.params.iter().map(|p| p.to_bits()).collect::<Vec<_>>());
    }
}
