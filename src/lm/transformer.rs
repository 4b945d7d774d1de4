//! What every engine offers: log-probabilities of a batch, and the gradient of any weighting of them.

use super::batch::{Batch, Choices};
use super::config::Config;
use super::layout::{Layout, LinearSpan};
use super::sampling::{Sample, Sampling};
use crate::error::{Error, Result};
use crate::rng::Stream;

/// Whether a forward pass keeps what [`Transformer::backward`] needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Everything; a backward pass may follow.
    All,
    /// Only the final hidden states: for scoring, with the memory of one layer.
    Final,
}

/// The weights of a scalar: what [`Transformer::backward`] differentiates is Σ weight · quantity. Empty slices weigh nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signal<'a> {
    /// One weight per choice, on its log-probability.
    pub log_probs: &'a [f64],
    /// One weight per choice, on the entropy of the distribution that it was drawn from.
    pub entropies: &'a [f64],
    /// choices × vocabulary, on every log-probability of every distribution.
    pub distributions: &'a [f32],
    /// choices × vocabulary, on every logit before normalisation.
    pub logits: &'a [f32],
    /// Weights on scores.
    pub scores: &'a [Scores<'a>],
}

/// Weights on the scores that one head gives to some rows.
#[derive(Clone, Copy, Debug)]
pub struct Scores<'a> {
    /// Index into the config's heads.
    pub head: usize,
    /// The rows.
    pub rows: &'a [usize],
    /// rows × outputs.
    pub weights: &'a [f64],
}

/// An engine: a decoder transformer of one config, whose weights are the caller's, a flat slice in [`Layout`]'s order.
///
/// A forward pass comes first; what is asked after it (log-probabilities, scores, the gradient) is asked with the same
/// weights.
pub trait Transformer {
    /// The config.
    fn config(&self) -> &Config;

    /// The table of tensors.
    fn layout(&self) -> &Layout;

    /// Runs the blocks over a batch.
    ///
    /// # Errors
    /// Parameters of the wrong length, a token outside the vocabulary, a sequence longer than the context.
    fn forward(&mut self, params: &[f32], batch: &Batch, keep: Keep) -> Result<()>;

    /// The log-probability of every choice in the last batch, in nats.
    ///
    /// # Errors
    /// A row or token that does not exist.
    fn log_probs(&mut self, params: &[f32], choices: &Choices) -> Result<&[f64]>;

    /// The entropy of every choice's distribution, in nats, for the choices of the last [`Transformer::log_probs`].
    fn entropies(&self) -> &[f64];

    /// Writes the log-probability of every token for the choices of the last [`Transformer::log_probs`].
    ///
    /// # Shapes
    /// `out`: choices × vocabulary.
    ///
    /// # Errors
    /// [`Error::Shape`]; an engine may refuse more than 2^20 of them, or after a backward pass.
    fn distributions(&self, out: &mut [f32]) -> Result<()>;

    /// The same before normalisation.
    ///
    /// # Shapes
    /// `out`: choices × vocabulary.
    ///
    /// # Errors
    /// As [`Transformer::distributions`].
    fn raw_logits(&self, out: &mut [f32]) -> Result<()>;

    /// The scores that head number `head` gives to some rows of the last batch.
    ///
    /// # Shapes
    /// rows × outputs.
    ///
    /// # Errors
    /// A head or row that does not exist.
    fn scores(&self, params: &[f32], head: usize, rows: &[usize]) -> Result<Vec<f64>>;

    /// Adds to `grad` the gradient of the scalar that `signal` weighs: Σ weight · quantity, over the log-probabilities,
    /// logits, entropies and scores of the last forward pass.
    ///
    /// # Shapes
    /// `grad`: as `params`.
    ///
    /// # Errors
    /// The last forward pass kept only the final states, or was used up by a backward pass; weights that do not fit what
    /// was asked.
    fn backward(&mut self, params: &[f32], signal: &Signal, grad: &mut [f32]) -> Result<()>;

    /// A completion of every prompt, each drawn from its own stream. It stops at the end token, at `sampling.length`
    /// tokens, or where the context is full.
    ///
    /// # Errors
    /// Illegal options; an empty prompt; a prompt longer than the context; a token outside the vocabulary; as many
    /// streams as prompts are needed; logits that are not finite.
    fn sample(
        &mut self,
        params: &[f32],
        prompts: &[&[u32]],
        sampling: &Sampling,
        streams: &mut [Stream],
    ) -> Result<Vec<Sample>>;
}

/// Makes an engine a [`Transformer`] by its methods of the same names, which callers of that one engine use without the trait.
macro_rules! transformer_by_own_methods {
    ($engine:ty) => {
        impl $crate::lm::Transformer for $engine {
            fn config(&self) -> &$crate::lm::Config {
                self.config()
            }

            fn layout(&self) -> &$crate::lm::Layout {
                self.layout()
            }

            fn forward(
                &mut self,
                params: &[f32],
                batch: &$crate::lm::Batch,
                keep: $crate::lm::Keep,
            ) -> $crate::error::Result<()> {
                self.forward(params, batch, keep)
            }

            fn log_probs(&mut self, params: &[f32], choices: &$crate::lm::Choices) -> $crate::error::Result<&[f64]> {
                self.log_probs(params, choices)
            }

            fn entropies(&self) -> &[f64] {
                self.entropies()
            }

            fn distributions(&self, out: &mut [f32]) -> $crate::error::Result<()> {
                self.distributions(out)
            }

            fn raw_logits(&self, out: &mut [f32]) -> $crate::error::Result<()> {
                self.raw_logits(out)
            }

            fn scores(&self, params: &[f32], head: usize, rows: &[usize]) -> $crate::error::Result<Vec<f64>> {
                self.scores(params, head, rows)
            }

            fn backward(
                &mut self,
                params: &[f32],
                signal: &$crate::lm::Signal,
                grad: &mut [f32],
            ) -> $crate::error::Result<()> {
                self.backward(params, signal, grad)
            }

            fn sample(
                &mut self,
                params: &[f32],
                prompts: &[&[u32]],
                sampling: &$crate::lm::Sampling,
                streams: &mut [$crate::rng::Stream],
            ) -> $crate::error::Result<Vec<$crate::lm::Sample>> {
                self.sample(params, prompts, sampling, streams)
            }
        }
    };
}

pub(super) use transformer_by_own_methods;

pub(super) fn check_batch(config: &Config, batch: &Batch) -> Result<()> {
    let longest = batch.all_rows().map(|r| r.len()).max().unwrap_or(0);
    if longest > config.context {
        return Err(Error::parameter("sequence length", longest, format!("at most {}", config.context)));
    }
    check_tokens(config, batch.tokens())
}

fn check_tokens(config: &Config, tokens: &[u32]) -> Result<()> {
    match tokens.iter().find(|&&t| t as usize >= config.vocab) {
        Some(t) => Err(Error::parameter("token", t, format!("below the vocabulary's {}", config.vocab))),
        None => Ok(()),
    }
}

pub(super) fn check_choices(config: &Config, batch: &Batch, choices: &Choices) -> Result<()> {
    Error::check_shape("chosen tokens", choices.rows.len(), choices.tokens.len())?;
    check_rows(batch, &choices.rows)?;
    check_tokens(config, &choices.tokens)
}

pub(super) fn check_rows(batch: &Batch, rows: &[usize]) -> Result<()> {
    let tokens = batch.tokens().len();
    match rows.iter().find(|&&r| r >= tokens) {
        Some(r) => Err(Error::parameter("row", r, format!("below the batch's {tokens} tokens"))),
        None => Ok(()),
    }
}

/// The place of a score head.
pub(super) fn score_head(layout: &Layout, head: usize) -> Result<&LinearSpan> {
    let legal = || format!("below the config's {} score heads", layout.scores.len());
    layout.scores.get(head).ok_or_else(|| Error::parameter("head", head, legal()))
}

/// Fails unless the weights fit the number of choices, the batch and the heads.
pub(super) fn check_signal(
    layout: &Layout,
    vocab: usize,
    batch: &Batch,
    choices: usize,
    signal: &Signal,
) -> Result<()> {
    let expect = |what, len, each| if len == 0 { Ok(()) } else { Error::check_shape(what, choices * each, len) };
    expect("weights on log-probabilities", signal.log_probs.len(), 1)?;
    expect("weights on entropies", signal.entropies.len(), 1)?;
    expect("weights on distributions", signal.distributions.len(), vocab)?;
    expect("weights on logits", signal.logits.len(), vocab)?;
    for s in signal.scores {
        let outputs = score_head(layout, s.head)?.bias.len();
        Error::check_shape("weights on scores", s.rows.len() * outputs, s.weights.len())?;
        check_rows(batch, s.rows)?;
    }
    Ok(())
}
