//! From final hidden states to log-probabilities, entropies and scores, and back.
#![allow(clippy::inline_always, reason = "wide instructions reach only code that is inlined into the kernel")]

use super::lanes::{self, LANES, exp, fold, max, sum};
use super::{Engine, Keep, fit, linear_input, linear_weight};
use crate::error::{Error, Result};
use crate::lm::batch::Choices;
use crate::lm::transformer::{Scores, Signal, check_choices, check_rows, check_signal, score_head};
use pulp::{Arch, Simd, WithSimd};

/// Logits held at a time: with a large vocabulary they are made, used and made again in chunks of rows.
pub(super) const CHUNK: usize = 1 << 20;

/// What the last [`Engine::log_probs`] saw.
#[derive(Clone, Debug, Default)]
pub(super) struct Head {
    choices: Choices,
    /// Final hidden states of the choices' rows.
    hidden: Vec<f32>,
    logits: Vec<f32>,
    /// Whether `logits` holds all rows.
    whole: bool,
    /// log Σ exp of every row's logits.
    norms: Vec<f32>,
    log_probs: Vec<f64>,
    entropies: Vec<f64>,
    dhidden: Vec<f32>,
}

impl Head {
    /// Forgets the last choices.
    pub(super) fn forget(&mut self) {
        self.choices.rows.clear();
        self.choices.tokens.clear();
        self.whole = false;
    }
}

struct Measure<'a> {
    logits: &'a [f32],
    tokens: &'a [u32],
    norms: &'a mut [f32],
    log_probs: &'a mut [f64],
    entropies: &'a mut [f64],
}

impl WithSimd for Measure<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { logits, tokens, norms, log_probs, entropies } = self;
        let vocab = logits.len() / tokens.len().max(1);
        for (i, row) in logits.chunks_exact(vocab.max(1)).enumerate() {
            let top = max(simd, row);
            let (blocks, tail) = row.as_chunks::<LANES>();
            let (mut totals, mut moments) = ([0.0; LANES], [0.0; LANES]);
            for block in blocks {
                for i in 0..LANES {
                    let e = exp(block[i] - top);
                    totals[i] += e;
                    moments[i] += e * (block[i] - top);
                }
            }
            for (i, v) in tail.iter().enumerate() {
                let e = exp(v - top);
                totals[i] += e;
                moments[i] += e * (v - top);
            }
            let total = f64::from(fold(simd, totals));
            let log_total = total.ln();
            norms[i] = (f64::from(top) + log_total) as f32;
            log_probs[i] = f64::from(row[tokens[i] as usize] - top) - log_total;
            entropies[i] = log_total - f64::from(fold(simd, moments)) / total;
        }
    }
}

/// Turns logits into the gradient with respect to them.
struct Pull<'a> {
    logits: &'a mut [f32],
    tokens: &'a [u32],
    norms: &'a [f32],
    entropies: &'a [f64],
    on_chosen: &'a [f64],
    on_entropy: &'a [f64],
    on_all: &'a [f32],
    on_logits: &'a [f32],
}

impl WithSimd for Pull<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let vocab = self.logits.len() / self.tokens.len().max(1);
        for (i, row) in self.logits.chunks_exact_mut(vocab.max(1)).enumerate() {
            let chosen = self.on_chosen.get(i).map_or(0.0, |w| *w as f32);
            let on_all = if self.on_all.is_empty() { &[] } else { &self.on_all[i * vocab..][..vocab] };
            let total = chosen + sum(simd, on_all, |w| w);
            let norm = self.norms[i];
            if let Some(&w) = self.on_entropy.get(i) {
                let (w, entropy) = (w as f32, self.entropies[i] as f32);
                for v in row.iter_mut() {
                    let log_prob = *v - norm;
                    *v = -exp(log_prob) * (total + w * (log_prob + entropy));
                }
            } else {
                for v in row.iter_mut() {
                    *v = -total * exp(*v - norm);
                }
            }
            for (v, w) in row.iter_mut().zip(on_all) {
                *v += w;
            }
            row[self.tokens[i] as usize] += chosen;
            for (v, w) in row.iter_mut().zip(part(self.on_logits, i..i + 1, vocab)) {
                *v += w;
            }
        }
    }
}

/// The part of a per-row slice that belongs to `rows`; nothing of an empty one.
fn part<T>(values: &[T], rows: std::ops::Range<usize>, width: usize) -> &[T] {
    if values.is_empty() { values } else { &values[rows.start * width..rows.end * width] }
}

impl Engine {
    /// The log-probability of every choice in the last batch, in nats.
    ///
    /// # Shapes
    /// One per choice.
    ///
    /// # Errors
    /// A row or token that does not exist.
    pub fn log_probs(&mut self, params: &[f32], choices: &Choices) -> Result<&[f64]> {
        Error::check_shape("parameters", self.layout.len(), params.len())?;
        check_choices(&self.config, &self.batch, choices)?;
        let mut head = std::mem::take(&mut self.head);
        head.choices.clone_from(choices);
        let (width, vocab, rows) = (self.config.width, self.config.vocab, choices.len());
        let hidden = fit(&mut head.hidden, rows * width);
        for (h, &row) in hidden.chunks_exact_mut(width).zip(&choices.rows) {
            h.copy_from_slice(&self.hidden[row * width..][..width]);
        }
        fit(&mut head.norms, rows);
        fit(&mut head.log_probs, rows);
        fit(&mut head.entropies, rows);
        let step = (CHUNK / vocab).max(1);
        head.whole = rows <= step;
        for start in (0..rows).step_by(step) {
            let at = start..(start + step).min(rows);
            self.logits(params, &mut head, at.clone());
            Arch::new().dispatch(Measure {
                logits: &head.logits,
                tokens: &head.choices.tokens[at.clone()],
                norms: &mut head.norms[at.clone()],
                log_probs: &mut head.log_probs[at.clone()],
                entropies: &mut head.entropies[at],
            });
        }
        self.head = head;
        Ok(&self.head.log_probs)
    }

    fn logits(&self, params: &[f32], head: &mut Head, at: std::ops::Range<usize>) {
        let width = self.config.width;
        let logits = fit(&mut head.logits, at.len() * self.config.vocab);
        let hidden = &head.hidden[at.start * width..at.end * width];
        self.linear(params, &self.layout.head, hidden, width, logits, false);
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
    /// [`Error::Shape`]; more logits than the engine holds at once (2^20), or a backward pass since.
    pub fn distributions(&self, out: &mut [f32]) -> Result<()> {
        self.raw_logits(out)?;
        for (out, norm) in out.chunks_exact_mut(self.config.vocab).zip(&self.head.norms) {
            out.iter_mut().for_each(|o| *o -= norm);
        }
        Ok(())
    }

    /// Writes the logits, before normalisation, for the choices of the last [`Engine::log_probs`].
    ///
    /// # Shapes
    /// `out`: choices × vocabulary.
    ///
    /// # Errors
    /// As [`Engine::distributions`].
    pub fn raw_logits(&self, out: &mut [f32]) -> Result<()> {
        let vocab = self.config.vocab;
        Error::check_shape("distributions", self.head.choices.len() * vocab, out.len())?;
        if !self.head.whole {
            let message =
                format!("whole distributions are kept for at most {} choices, and until backward", CHUNK / vocab);
            return Err(Error::Usage(message));
        }
        out.copy_from_slice(&self.head.logits);
        Ok(())
    }

    /// The scores that head number `head` gives to some rows of the last batch.
    ///
    /// # Shapes
    /// rows × outputs.
    ///
    /// # Errors
    /// A head or row that does not exist.
    pub fn scores(&self, params: &[f32], head: usize, rows: &[usize]) -> Result<Vec<f64>> {
        Error::check_shape("parameters", self.layout.len(), params.len())?;
        let span = score_head(&self.layout, head)?;
        check_rows(&self.batch, rows)?;
        let width = self.config.width;
        let (weight, bias) = (&params[span.weight.clone()], &params[span.bias.clone()]);
        let mut scores = Vec::with_capacity(rows.len() * bias.len());
        for &row in rows {
            let hidden = &self.hidden[row * width..][..width];
            scores.extend(weight.chunks_exact(width).zip(bias).map(|(w, b)| f64::from(b + lanes::dot(w, hidden))));
        }
        Ok(scores)
    }

    /// Writes the gradient of the final hidden states; adds those of the output matrix and of the score heads.
    pub(super) fn head_backward(
        &mut self,
        params: &[f32],
        signal: &Signal,
        grad: &mut [f32],
        dhidden: &mut [f32],
    ) -> Result<()> {
        check_signal(&self.layout, self.config.vocab, &self.batch, self.head.choices.len(), signal)?;
        dhidden.fill(0.0);
        let mut head = std::mem::take(&mut self.head);
        let on_choices =
            [signal.log_probs.len(), signal.entropies.len(), signal.distributions.len(), signal.logits.len()];
        if on_choices != [0; 4] {
            self.choices_backward(params, signal, &mut head, grad, dhidden);
        }
        self.head = head;
        for s in signal.scores {
            self.scores_backward(params, s, grad, dhidden);
        }
        Ok(())
    }

    fn choices_backward(
        &self,
        params: &[f32],
        signal: &Signal,
        head: &mut Head,
        grad: &mut [f32],
        dhidden: &mut [f32],
    ) {
        let (width, vocab, rows) = (self.config.width, self.config.vocab, head.choices.len());
        let step = (CHUNK / vocab).max(1);
        for start in (0..rows).step_by(step) {
            let at = start..(start + step).min(rows);
            if !head.whole {
                self.logits(params, head, at.clone());
            }
            Arch::new().dispatch(Pull {
                logits: &mut head.logits,
                tokens: &head.choices.tokens[at.clone()],
                norms: &head.norms[at.clone()],
                entropies: &head.entropies[at.clone()],
                on_chosen: part(signal.log_probs, at.clone(), 1),
                on_entropy: part(signal.entropies, at.clone(), 1),
                on_all: part(signal.distributions, at.clone(), vocab),
                on_logits: part(signal.logits, at.clone(), vocab),
            });
            let hidden = &head.hidden[at.start * width..at.end * width];
            let d = fit(&mut head.dhidden, hidden.len());
            linear_input(&head.logits, &params[self.layout.head.clone()], width, d, false);
            linear_weight(&head.logits, hidden, width, &mut grad[self.layout.head.clone()]);
            for (d, &row) in d.chunks_exact(width).zip(&head.choices.rows[at]) {
                dhidden[row * width..][..width].iter_mut().zip(d).for_each(|(o, d)| *o += d);
            }
        }
        head.whole = false;
    }

    fn scores_backward(&self, params: &[f32], s: &Scores, grad: &mut [f32], dhidden: &mut [f32]) {
        let (width, span) = (self.config.width, &self.layout.scores[s.head]);
        let outputs = span.bias.len();
        for (&row, weights) in s.rows.iter().zip(s.weights.chunks_exact(outputs)) {
            let (h, d) = (&self.hidden[row * width..][..width], &mut dhidden[row * width..][..width]);
            for (o, &w) in weights.iter().enumerate() {
                let (w, at) = (w as f32, span.weight.start + o * width);
                d.iter_mut().zip(&params[at..][..width]).for_each(|(d, p)| *d += w * p);
                grad[at..][..width].iter_mut().zip(h).for_each(|(g, h)| *g += w * h);
                grad[span.bias.start + o] += w;
            }
        }
    }

    /// Whether a backward pass may follow.
    pub fn keeps_all(&self) -> bool {
        self.keep == Keep::All
    }
}
