//! From final hidden states to log-probabilities, entropies and scores, and back.

use super::ops::{log_softmax, wide};
use super::{Engine, Pass};
use crate::error::{Error, Result};
use crate::lm::batch::Choices;
use crate::lm::transformer::{Signal, check_choices, check_rows, check_signal, score_head};
use candle_core::backprop::GradStore;
use candle_core::{D, Tensor, Var, WithDType};
use std::ops::Range;

/// What the last [`Engine::log_probs`] saw.
#[derive(Clone, Debug, Default)]
pub(super) struct Head {
    choices: Choices,
    log_probs: Vec<f64>,
    entropies: Vec<f64>,
}

/// Some choices' distributions.
struct Chunk {
    /// rows × vocabulary, before normalisation.
    logits: Tensor,
    /// rows × vocabulary.
    every: Tensor,
    log_probs: Tensor,
    entropies: Tensor,
}

impl Chunk {
    /// From rows of hidden states, the output matrix and the chosen tokens.
    fn new(hidden: &Tensor, head: &Tensor, tokens: &[u32]) -> candle_core::Result<Self> {
        let logits = wide(&hidden.matmul(&head.t()?)?)?;
        let every = log_softmax(&logits)?;
        let tokens = Tensor::from_slice(tokens, (tokens.len(), 1), hidden.device())?;
        let log_probs = every.gather(&tokens, 1)?.squeeze(1)?;
        let entropies = (every.exp()? * &every)?.sum(D::Minus1)?.neg()?;
        Ok(Self { logits, every, log_probs, entropies })
    }
}

fn host<T: WithDType>(tensor: &Tensor) -> candle_core::Result<Vec<T>> {
    tensor.flatten_all()?.to_dtype(T::DTYPE)?.to_vec1()
}

/// Σ weight · value in the values' type; weights in their order.
fn weigh<T: WithDType>(values: &Tensor, weights: &[T]) -> candle_core::Result<Tensor> {
    let weights = Tensor::from_slice(weights, values.shape(), values.device())?.to_dtype(values.dtype())?;
    (values * weights)?.sum_all()
}

/// The part of a per-row slice that belongs to `rows`; nothing of an empty one.
fn part<T>(values: &[T], rows: Range<usize>, width: usize) -> &[T] {
    if values.is_empty() { values } else { &values[rows.start * width..rows.end * width] }
}

/// Gradients of the variables, each with its place in the flat vector, as long as there is anything to differentiate.
type Gradients = Vec<(Range<usize>, Option<Tensor>)>;

impl Pass {
    /// Hidden states of some rows of the batch.
    fn select(&self, hidden: &Tensor, rows: &[usize]) -> candle_core::Result<Tensor> {
        let places: Vec<u32> = rows.iter().map(|&r| self.places[r]).collect();
        hidden.index_select(&Tensor::from_vec(places, rows.len(), hidden.device())?, 0)
    }
}

impl Engine {
    /// The log-probability of every choice in the last batch, in nats.
    ///
    /// # Shapes
    /// One per choice.
    ///
    /// # Errors
    /// A row or token that does not exist; whatever the device refuses.
    pub fn log_probs(&mut self, params: &[f32], choices: &Choices) -> Result<&[f64]> {
        Error::check_shape("parameters", self.layout.len(), params.len())?;
        self.measure(choices)
    }

    /// [`Engine::log_probs`] with the weights of the forward pass.
    pub(super) fn measure(&mut self, choices: &Choices) -> Result<&[f64]> {
        check_choices(&self.config, &self.batch, choices)?;
        let mut head = Head { choices: choices.clone(), ..Head::default() };
        let (mut log_probs, mut entropies) = (Vec::new(), Vec::new());
        self.chunks(choices, |_, chunk| {
            log_probs.push(chunk.log_probs);
            entropies.push(chunk.entropies);
            Ok(())
        })?;
        if !choices.is_empty() {
            // one transfer for all chunks
            head.log_probs = host(&Tensor::cat(&log_probs, 0)?)?;
            head.entropies = host(&Tensor::cat(&entropies, 0)?)?;
        }
        self.head = head;
        Ok(&self.head.log_probs)
    }

    /// Goes through the choices' distributions, without a record for the backward pass.
    fn chunks(
        &self,
        choices: &Choices,
        mut each: impl FnMut(Range<usize>, Chunk) -> candle_core::Result<()>,
    ) -> Result<()> {
        let Some(pass) = self.pass.as_ref().filter(|_| !choices.is_empty()) else { return Ok(()) };
        let (hidden, head) = (pass.select(&pass.hidden.detach(), &choices.rows)?, pass.model.head.detach());
        for start in (0..choices.len()).step_by(self.step()) {
            let at = start..(start + self.step()).min(choices.len());
            let chunk = Chunk::new(&hidden.narrow(0, at.start, at.len())?, &head, &choices.tokens[at.clone()])?;
            each(at, chunk)?;
        }
        Ok(())
    }

    /// The entropy of every choice's distribution, in nats, for the choices of the last [`Engine::log_probs`].
    pub fn entropies(&self) -> &[f64] {
        &self.head.entropies
    }

    /// Writes the log-probability of every token for the choices of the last [`Engine::log_probs`].
    ///
    /// # Shapes
    /// `out`: choices × vocabulary.
    ///
    /// # Errors
    /// [`Error::Shape`]; whatever the device refuses.
    pub fn distributions(&self, out: &mut [f32]) -> Result<()> {
        self.rows_into(out, |chunk| &chunk.every)
    }

    /// Writes the logits, before normalisation, for the choices of the last [`Engine::log_probs`].
    ///
    /// # Shapes
    /// `out`: choices × vocabulary.
    ///
    /// # Errors
    /// As [`Engine::distributions`].
    pub fn raw_logits(&self, out: &mut [f32]) -> Result<()> {
        self.rows_into(out, |chunk| &chunk.logits)
    }

    /// [`Engine::distributions`] in any type.
    #[cfg(test)]
    pub(super) fn distributions_into<T: WithDType>(&self, out: &mut [T]) -> Result<()> {
        self.rows_into(out, |chunk| &chunk.every)
    }

    /// [`Engine::raw_logits`] in any type.
    #[cfg(test)]
    pub(super) fn raw_logits_into<T: WithDType>(&self, out: &mut [T]) -> Result<()> {
        self.rows_into(out, |chunk| &chunk.logits)
    }

    fn rows_into<T: WithDType>(&self, out: &mut [T], of: impl Fn(&Chunk) -> &Tensor) -> Result<()> {
        let (choices, vocab) = (&self.head.choices, self.config.vocab);
        Error::check_shape("distributions", choices.len() * vocab, out.len())?;
        self.chunks(choices, |at, chunk| {
            out[at.start * vocab..at.end * vocab].copy_from_slice(&host::<T>(of(&chunk))?);
            Ok(())
        })
    }

    /// The scores that head number `head` gives to some rows of the last batch.
    ///
    /// # Shapes
    /// rows × outputs.
    ///
    /// # Errors
    /// A head or row that does not exist; whatever the device refuses.
    pub fn scores(&self, params: &[f32], head: usize, rows: &[usize]) -> Result<Vec<f64>> {
        Error::check_shape("parameters", self.layout.len(), params.len())?;
        self.score(head, rows)
    }

    /// [`Engine::scores`] with the weights of the forward pass.
    pub(super) fn score(&self, head: usize, rows: &[usize]) -> Result<Vec<f64>> {
        score_head(&self.layout, head)?;
        check_rows(&self.batch, rows)?;
        let Some(pass) = self.pass.as_ref().filter(|_| !rows.is_empty()) else { return Ok(Vec::new()) };
        let scores = pass.model.scores[head].forward(&pass.select(&pass.hidden, rows)?)?;
        Ok(host(&scores.detach())?)
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
        Error::check_shape("parameters", self.layout.len(), params.len())?;
        Error::check_shape("gradient", self.layout.len(), grad.len())?;
        for (range, tensor) in self.gradients(signal)? {
            if let Some(tensor) = tensor {
                grad[range].iter_mut().zip(host::<f32>(&tensor)?).for_each(|(g, d)| *g += d);
            }
        }
        Ok(())
    }

    /// The gradient, on the device; none where no weight reaches a variable.
    pub(super) fn gradients(&mut self, signal: &Signal) -> Result<Gradients> {
        check_signal(&self.layout, self.config.vocab, &self.batch, self.head.choices.len(), signal)?;
        if self.batch.tokens().is_empty() {
            return Ok(Vec::new());
        }
        if !self.pass.as_ref().is_some_and(|p| p.tracked) {
            return Err(Error::Usage("backward needs a forward pass with Keep::All before it".into()));
        }
        let mut pass = self.pass.take().expect("just seen");
        let gradients = self.differentiate(&pass, signal);
        // lets go of the record
        pass.tracked = false;
        pass.hidden = pass.hidden.detach();
        pass.model = pass.weights.model(&self.config, &self.layout, false)?;
        self.pass = Some(pass);
        gradients
    }

    fn differentiate(&self, pass: &Pass, signal: &Signal) -> Result<Gradients> {
        let (mut surrogate, mut output) = (None, None);
        let weights = [signal.log_probs.len(), signal.entropies.len(), signal.distributions.len(), signal.logits.len()];
        let nothing = weights == [0; 4];
        if !(nothing || self.head.choices.is_empty()) {
            let (pull, head) = self.pull(pass, signal)?;
            output = Some(head);
            // its gradient with respect to the hidden states is `pull`
            let hidden = pass.select(&pass.hidden, &self.head.choices.rows)?;
            surrogate = Some((wide(&hidden)? * pull)?.sum_all()?);
        }
        for s in signal.scores.iter().filter(|s| !s.rows.is_empty()) {
            let scores = wide(&pass.model.scores[s.head].forward(&pass.select(&pass.hidden, s.rows)?)?)?;
            let scalar = weigh(&scores, s.weights)?;
            surrogate = Some(match surrogate {
                Some(sum) => (sum + scalar)?,
                None => scalar,
            });
        }
        let mut store = surrogate.map(|s| s.backward()).transpose()?;
        collect(pass, store.as_mut(), &self.layout.head, output)
    }

    /// The gradients with respect to the choices' hidden states and to the output matrix, chunk by chunk: the logits of
    /// one chunk are alive at a time.
    fn pull(&self, pass: &Pass, signal: &Signal) -> candle_core::Result<(Tensor, Tensor)> {
        let choices = &self.head.choices;
        let hidden = pass.select(&pass.hidden.detach(), &choices.rows)?;
        let head = Var::from_tensor(&pass.model.head.detach())?;
        let (mut pulls, mut total) = (Vec::new(), None);
        for start in (0..choices.len()).step_by(self.step()) {
            let at = start..(start + self.step()).min(choices.len());
            let rows = Var::from_tensor(&hidden.narrow(0, at.start, at.len())?.contiguous()?)?;
            let chunk = Chunk::new(&rows, &head, &choices.tokens[at.clone()])?;
            let mut sum = Tensor::zeros((), chunk.every.dtype(), rows.device())?;
            if !signal.log_probs.is_empty() {
                sum = (sum + weigh(&chunk.log_probs, part(signal.log_probs, at.clone(), 1))?)?;
            }
            if !signal.entropies.is_empty() {
                sum = (sum + weigh(&chunk.entropies, part(signal.entropies, at.clone(), 1))?)?;
            }
            if !signal.distributions.is_empty() {
                sum = (sum + weigh(&chunk.every, part(signal.distributions, at.clone(), self.config.vocab))?)?;
            }
            if !signal.logits.is_empty() {
                sum = (sum + weigh(&chunk.logits, part(signal.logits, at, self.config.vocab))?)?;
            }
            let mut store = sum.backward()?;
            let missing = || candle_core::Error::Msg("no gradient reached the hidden states".into());
            pulls.push(wide(&store.remove(&rows).ok_or_else(missing)?)?);
            let part = wide(&store.remove(&head).ok_or_else(missing)?)?;
            total = Some(match total {
                Some(total) => (total + part)?,
                None => part,
            });
        }
        Ok((Tensor::cat(&pulls, 0)?, total.expect("some chunk")))
    }
}

/// Every variable's gradient, that of the output matrix with what the logits gave it.
fn collect(
    pass: &Pass,
    mut store: Option<&mut GradStore>,
    head: &Range<usize>,
    mut output: Option<Tensor>,
) -> Result<Gradients> {
    let mut gradients = Vec::with_capacity(pass.weights.vars.len());
    for (range, var) in &pass.weights.vars {
        let mut gradient = store.as_mut().and_then(|s| s.remove(var));
        if range == head {
            gradient = match (gradient, output.take()) {
                (Some(a), Some(b)) => Some((a + b.to_dtype(var.dtype())?)?),
                (a, b) => a.or(b),
            };
        }
        gradients.push((range.clone(), gradient));
    }
    Ok(gradients)
}
