//! From final hidden states to log-probabilities, entropies and scores, and back.

use super::core::{Core, Pass, Sink};
use super::ops::{host, log_softmax, upload, wide};
use crate::error::{Error, Result};
use crate::lm::batch::Choices;
use crate::lm::transformer::{Scores, Signal, check_choices, check_rows, score_head};
use candle_core::{D, Tensor, WithDType};
use std::ops::Range;

/// What the last [`Core::log_probs`] saw.
#[derive(Clone, Debug, Default)]
pub(super) struct Head {
    pub(super) choices: Choices,
    log_probs: Vec<f64>,
    entropies: Vec<f64>,
}

impl Head {
    pub(super) fn entropies(&self) -> &[f64] {
        &self.entropies
    }
}

/// Some choices' distributions.
struct Chunk {
    /// rows × vocabulary, before normalisation.
    logits: Tensor,
    /// rows × vocabulary.
    every: Tensor,
    /// The chosen tokens, rows × 1.
    tokens: Tensor,
}

impl Chunk {
    /// From rows of hidden states, the output matrix and the chosen tokens.
    fn new(hidden: &Tensor, head: &Tensor, tokens: &[u32]) -> candle_core::Result<Self> {
        let logits = wide(&hidden.matmul(&head.t()?)?)?;
        let every = log_softmax(&logits)?;
        let tokens = Tensor::from_slice(tokens, (tokens.len(), 1), hidden.device())?;
        Ok(Self { logits, every, tokens })
    }

    fn log_probs(&self) -> candle_core::Result<Tensor> {
        self.every.gather(&self.tokens, 1)?.squeeze(1)
    }

    fn entropies(&self, probs: &Tensor) -> candle_core::Result<Tensor> {
        (probs * &self.every)?.sum(D::Minus1)?.neg()
    }

    /// The gradient by the logits of what the rows `at` of a signal weigh.
    ///
    /// # Formula
    /// By z, with p = softmax(z), of w log `p_t`: w (`1_t` − p); of h H: −h p (log p + H); of Σ D log p: D − p Σ D; of Σ L z: L.
    fn pull(&self, signal: &Signal, at: &Range<usize>) -> candle_core::Result<Tensor> {
        let (vocab, like) = (self.every.dim(1)?, &self.every);
        let column = |values: &[f64]| upload(part(values, at, 1), (at.len(), 1), like);
        let matrix = |values: &[f32]| upload(part(values, at, vocab), (at.len(), vocab), like);
        let probs = self.every.exp()?;
        // what stands before −p, a number for every row, and what is added
        let mut before = Tensor::zeros((at.len(), 1), like.dtype(), like.device())?;
        let mut added: Option<Tensor> = None;
        if !signal.log_probs.is_empty() {
            before = (before + column(signal.log_probs)?)?;
        }
        if !signal.distributions.is_empty() {
            let on_all = matrix(signal.distributions)?;
            before = (before + on_all.sum_keepdim(1)?)?;
            added = Some(on_all);
        }
        if !signal.logits.is_empty() {
            let on_all = matrix(signal.logits)?;
            added = Some(match added {
                Some(sum) => (sum + on_all)?,
                None => on_all,
            });
        }
        let mut pull = if signal.entropies.is_empty() {
            probs.broadcast_mul(&before.neg()?)?
        } else {
            let weights = column(signal.entropies)?;
            before = (before + (&weights * self.entropies(&probs)?.unsqueeze(1)?)?)?;
            (self.every.broadcast_mul(&weights)?.broadcast_add(&before)? * probs)?.neg()?
        };
        if let Some(added) = added {
            pull = (pull + added)?;
        }
        if signal.log_probs.is_empty() {
            Ok(pull)
        } else {
            pull.scatter_add(&self.tokens, &column(signal.log_probs)?, 1)
        }
    }
}

/// The part of a per-row slice that belongs to `rows`.
fn part<'a, T>(values: &'a [T], rows: &Range<usize>, width: usize) -> &'a [T] {
    &values[rows.start * width..rows.end * width]
}

impl Pass {
    /// Hidden states of some rows of the batch.
    fn select(&self, rows: &[usize]) -> candle_core::Result<Tensor> {
        let places: Vec<u32> = rows.iter().map(|&r| self.places[r]).collect();
        self.hidden.index_select(&Tensor::from_vec(places, rows.len(), self.hidden.device())?, 0)
    }

    /// Rows of values at some rows of the batch as padded rows: sums where rows meet, zero elsewhere. It is made of as many gathers as
    /// rows come twice, three times …: scattered sums are slow on a GPU.
    fn spread(&self, rows: &[usize], values: &Tensor) -> candle_core::Result<Tensor> {
        let (padded, width) = self.hidden.dims2()?;
        let mut layers: Vec<Vec<u32>> = Vec::new();
        let mut seen = vec![0_usize; padded];
        for (i, &row) in rows.iter().enumerate() {
            let place = self.places[row] as usize;
            if seen[place] == layers.len() {
                layers.push(vec![rows.len() as u32; padded]);
            }
            layers[seen[place]][place] = i as u32;
            seen[place] += 1;
        }
        let zero = Tensor::zeros((1, width), values.dtype(), values.device())?;
        let values = Tensor::cat(&[values, &zero], 0)?;
        let gather = |at: Vec<u32>| values.index_select(&Tensor::from_vec(at, padded, values.device())?, 0);
        let mut layers = layers.into_iter();
        let first = gather(layers.next().unwrap_or_else(|| vec![rows.len() as u32; padded]))?;
        layers.try_fold(first, |sum, layer| sum + gather(layer)?)
    }
}

impl Core {
    /// Rows of logits per chunk.
    fn step(&self) -> usize {
        (self.chunk / self.config.vocab).max(1)
    }

    /// The log-probability of every choice in the last batch.
    pub(super) fn log_probs(&mut self, choices: &Choices) -> Result<&[f64]> {
        check_choices(&self.config, &self.batch, choices)?;
        let mut head = Head { choices: choices.clone(), ..Head::default() };
        let (mut log_probs, mut entropies) = (Vec::new(), Vec::new());
        self.chunks(choices, |_, chunk| {
            log_probs.push(chunk.log_probs()?);
            entropies.push(chunk.entropies(&chunk.every.exp()?)?);
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

    /// Goes through the choices' distributions.
    fn chunks(
        &self,
        choices: &Choices,
        mut each: impl FnMut(Range<usize>, Chunk) -> candle_core::Result<()>,
    ) -> Result<()> {
        let Some(pass) = self.pass.as_ref().filter(|_| !choices.is_empty()) else { return Ok(()) };
        let (hidden, head) = (pass.select(&choices.rows)?, pass.model.head.detach());
        for start in (0..choices.len()).step_by(self.step()) {
            let at = start..(start + self.step()).min(choices.len());
            let chunk = Chunk::new(&hidden.narrow(0, at.start, at.len())?, &head, &choices.tokens[at.clone()])?;
            each(at, chunk)?;
        }
        Ok(())
    }

    /// The log-probability of every token for the choices of the last [`Core::log_probs`], in any type.
    pub(super) fn distributions_into<T: WithDType>(&self, out: &mut [T]) -> Result<()> {
        self.rows_into(out, |chunk| &chunk.every)
    }

    /// The same before normalisation.
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

    /// What a score head says of some rows of the last batch.
    pub(super) fn scores(&self, head: usize, rows: &[usize]) -> Result<Vec<f64>> {
        score_head(&self.layout, head)?;
        check_rows(&self.batch, rows)?;
        let Some(pass) = self.pass.as_ref().filter(|_| !rows.is_empty()) else { return Ok(Vec::new()) };
        Ok(host(&pass.model.scores[head].forward(&pass.select(rows)?)?)?)
    }

    /// The final normalised states at some rows of the last batch, rows × width.
    pub(super) fn hidden(&self, rows: &[usize]) -> Result<Vec<f64>> {
        check_rows(&self.batch, rows)?;
        let Some(pass) = self.pass.as_ref().filter(|_| !rows.is_empty()) else { return Ok(Vec::new()) };
        Ok(host(&pass.select(rows)?)?)
    }

    /// The gradient by the final states, padded rows × width; none where nothing is weighed. Those of the output matrix and the score
    /// heads are handed out.
    pub(super) fn pull(&self, pass: &Pass, signal: &Signal, sink: &mut Sink) -> Result<Option<Tensor>> {
        let (mut rows, mut pulls) = (Vec::new(), Vec::new());
        let weights = [signal.log_probs.len(), signal.entropies.len(), signal.distributions.len(), signal.logits.len()];
        if !(weights == [0; 4] || self.head.choices.is_empty()) {
            rows.extend_from_slice(&self.head.choices.rows);
            pulls.extend(self.pull_choices(pass, signal, sink)?);
        }
        for scores in signal.scores.iter().filter(|s| !s.rows.is_empty()) {
            rows.extend_from_slice(scores.rows);
            pulls.push(Self::pull_scores(pass, scores, sink)?);
        }
        if pulls.is_empty() {
            return Ok(None);
        }
        Ok(Some(pass.spread(&rows, &Tensor::cat(&pulls, 0)?)?))
    }

    /// The gradients by the choices' hidden states, chunk by chunk: the logits of one chunk are alive at a time.
    fn pull_choices(&self, pass: &Pass, signal: &Signal, sink: &mut Sink) -> Result<Vec<Tensor>> {
        let choices = &self.head.choices;
        let (hidden, head) = (pass.select(&choices.rows)?, pass.model.head.detach());
        let (mut pulls, mut total) = (Vec::new(), None);
        for start in (0..choices.len()).step_by(self.step()) {
            let at = start..(start + self.step()).min(choices.len());
            let rows = hidden.narrow(0, at.start, at.len())?;
            let chunk = Chunk::new(&rows, &head, &choices.tokens[at.clone()])?;
            let pull = chunk.pull(signal, &at)?.to_dtype(rows.dtype())?;
            pulls.push(wide(&pull.matmul(&head)?)?);
            if pass.model.head.is_variable() {
                let part = wide(&pull.t()?.matmul(&rows)?)?;
                total = Some(match total {
                    Some(total) => (total + part)?,
                    None => part,
                });
            }
        }
        if let Some(total) = total {
            sink(pass.model.head.id(), total)?;
        }
        Ok(pulls)
    }

    fn pull_scores(pass: &Pass, scores: &Scores, sink: &mut Sink) -> Result<Tensor> {
        let head = &pass.model.scores[scores.head];
        let rows = wide(&pass.select(scores.rows)?)?;
        let outputs = head.weight.dim(0)?;
        let weights = upload(scores.weights, (scores.rows.len(), outputs), &rows)?;
        if head.weight.is_variable() {
            sink(head.weight.id(), weights.t()?.matmul(&rows)?)?;
        }
        match &head.bias {
            Some(bias) if bias.is_variable() => sink(bias.id(), weights.sum(0)?)?,
            _ => {}
        }
        Ok(weights.matmul(&wide(&head.weight.detach())?)?)
    }
}
