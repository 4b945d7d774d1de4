//! How completions are drawn: the same for every engine, so that equal probabilities give equal tokens.

use crate::error::{Error, Result};
use crate::num;
use crate::rng::Stream;

/// How the next token is drawn: temperature first, then the most probable `top_k`, then the smallest set of probability
/// at least `top_p` among them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Divides the logits; 0 takes the most probable token. At least 0.
    pub temperature: f64,
    /// How many of the most probable tokens stay; 0 for all.
    pub top_k: usize,
    /// In (0, 1]; 1 for all.
    pub top_p: f64,
    /// The tokens after which a completion ends; the one that came is part of the completion.
    pub end: Ends,
    /// Longest completion.
    pub length: usize,
}

/// The tokens that end a completion: none, one or a few. A chat model often has two, its turn's and its text's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// The first `count` of them count, the others are 0.
    ids: [u32; Self::MOST],
    count: usize,
}

impl Ends {
    /// No token ends a completion.
    pub const NONE: Self = Self { ids: [0; Self::MOST], count: 0 };

    /// How many there may be.
    pub const MOST: usize = 8;

    /// Any of these.
    ///
    /// # Errors
    /// More than [`Ends::MOST`].
    pub fn new(ids: &[u32]) -> Result<Self> {
        Error::check_counts(&[("number of end tokens", ids.len(), 0, Self::MOST)])?;
        let mut ends = Self { count: ids.len(), ..Self::NONE };
        ends.ids[..ids.len()].copy_from_slice(ids);
        Ok(ends)
    }

    /// Whether this token ends a completion.
    pub fn contains(&self, token: u32) -> bool {
        self.ids[..self.count].contains(&token)
    }
}

impl From<u32> for Ends {
    fn from(id: u32) -> Self {
        let mut ends = Self { count: 1, ..Self::NONE };
        ends.ids[0] = id;
        ends
    }
}

impl Sampling {
    /// The model's own distribution, up to `length` tokens.
    pub fn plain(length: usize) -> Self {
        Self { temperature: 1.0, top_k: 0, top_p: 1.0, end: Ends::NONE, length }
    }

    /// Fails unless every option is legal.
    ///
    /// # Errors
    /// [`Error::Parameter`] naming the first that is not.
    pub fn validate(&self) -> Result<()> {
        if !(self.temperature >= 0.0 && self.temperature.is_finite()) {
            return Err(Error::parameter("temperature", self.temperature, "at least 0 and finite"));
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return Err(Error::parameter("top_p", self.top_p, "above 0 and at most 1"));
        }
        Ok(())
    }

    /// Draws a token: (its index, its log-probability under the logits themselves, in nats).
    pub(crate) fn draw(&self, logits: &[f32], scratch: &mut Scratch, stream: &mut Stream) -> (u32, f64) {
        let Scratch { log_probs, tempered, probs, order } = scratch;
        log_probs.clear();
        log_probs.extend(logits.iter().map(|&l| f64::from(l)));
        num::log_softmax(log_probs);
        let token = if self.temperature == 0.0 {
            // the first of equals
            let better = |best: usize, i: usize| if log_probs[i] > log_probs[best] { i } else { best };
            (0..logits.len()).fold(0, better)
        } else {
            probs.resize(logits.len(), 0.0);
            if self.temperature == 1.0 {
                num::exp_into(log_probs, probs);
            } else {
                tempered.clear();
                tempered.extend(log_probs.iter().map(|l| l / self.temperature));
                num::log_softmax(tempered);
                num::exp_into(tempered, probs);
            }
            if self.top_k > 0 || self.top_p < 1.0 {
                self.truncate(probs, order);
            }
            stream.categorical(probs)
        };
        (token as u32, log_probs[token])
    }

    /// Sets the probabilities that `top_k` and `top_p` leave out to zero, and scales the rest to sum to one.
    fn truncate(&self, probs: &mut [f64], order: &mut Vec<usize>) {
        order.clear();
        order.extend(0..probs.len());
        // ties keep the order of the vocabulary
        order.sort_by(|&a, &b| probs[b].total_cmp(&probs[a]).then(a.cmp(&b)));
        let kept = if self.top_k > 0 { self.top_k.min(probs.len()) } else { probs.len() };
        let total: f64 = order[..kept].iter().map(|&i| probs[i]).sum();
        let mut mass = 0.0;
        let mut stays = 0;
        while stays < kept && (stays == 0 || mass < self.top_p * total) {
            mass += probs[order[stays]];
            stays += 1;
        }
        order[stays..].iter().for_each(|&i| probs[i] = 0.0);
        probs.iter_mut().for_each(|p| *p /= mass);
    }
}

/// Buffers of [`Sampling::draw`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Scratch {
    log_probs: Vec<f64>,
    tempered: Vec<f64>,
    probs: Vec<f64>,
    order: Vec<usize>,
}

/// A completion.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// The tokens after the prompt, the end token among them.
    pub tokens: Vec<u32>,
    /// Their log-probabilities under the model (temperature 1, nothing left out), in nats.
    pub log_probs: Vec<f64>,
    /// Whether an end token came.
    pub ended: bool,
}

/// The logits after every sample that runs on, wherever they are.
pub(super) trait Logits {
    /// Draws a token from each of some rows, row i for sample `rows[i].1` from that sample's stream: (the token, its log-probability under
    /// the logits themselves, in nats).
    fn draw(&mut self, rows: &[(usize, usize)], sampling: &Sampling, streams: &mut [Stream])
    -> Result<Vec<(u32, f64)>>;

    /// Goes on to the logits after the last tokens of the samples that run on: one row for each.
    fn advance(&mut self, running: &[usize], last: &[u32]) -> Result<()>;
}

/// Logits in memory.
pub(super) struct InMemory<F> {
    pub(super) logits: Vec<f32>,
    pub(super) vocab: usize,
    pub(super) scratch: Scratch,
    /// Takes the numbers of the samples that run on and their last tokens, and leaves a row of logits for each.
    pub(super) next: F,
}

impl<F: FnMut(&[usize], &[u32], &mut Vec<f32>) -> Result<()>> Logits for InMemory<F> {
    fn draw(
        &mut self,
        rows: &[(usize, usize)],
        sampling: &Sampling,
        streams: &mut [Stream],
    ) -> Result<Vec<(u32, f64)>> {
        let row = |i: usize| &self.logits[i * self.vocab..][..self.vocab];
        Ok(rows.iter().map(|&(i, sample)| sampling.draw(row(i), &mut self.scratch, &mut streams[sample])).collect())
    }

    fn advance(&mut self, running: &[usize], last: &[u32]) -> Result<()> {
        (self.next)(running, last, &mut self.logits)
    }
}

/// Completes prompts, given the logits after each.
pub(super) fn complete<P: AsRef<[u32]>>(
    prompts: &[P],
    context: usize,
    sampling: &Sampling,
    streams: &mut [Stream],
    mut logits: impl Logits,
) -> Result<Vec<Sample>> {
    let mut samples = vec![Sample::default(); prompts.len()];
    let mut running: Vec<usize> = (0..prompts.len()).collect();
    for step in 0..sampling.length {
        let room = |i: usize, step: usize| prompts[i].as_ref().len() + step < context;
        let rows: Vec<(usize, usize)> = running.iter().copied().enumerate().filter(|(_, i)| room(*i, step)).collect();
        for (&(_, i), (token, log_prob)) in rows.iter().zip(logits.draw(&rows, sampling, streams)?) {
            if !log_prob.is_finite() {
                return Err(Error::NotFinite { what: format!("log-probability of sample {i}"), value: log_prob });
            }
            samples[i].tokens.push(token);
            samples[i].log_probs.push(log_prob);
            samples[i].ended = sampling.end.contains(token);
        }
        running.retain(|&i| !samples[i].ended && room(i, step + 1));
        if running.is_empty() || step + 1 == sampling.length {
            break;
        }
        let last: Vec<u32> = running.iter().map(|&i| samples[i].tokens[step]).collect();
        logits.advance(&running, &last)?;
    }
    Ok(samples)
}

/// The prompts without repeats next to each other, and which of them each prompt is.
pub(super) fn distinct<P: AsRef<[u32]>>(prompts: &[P]) -> Result<(Vec<&[u32]>, Vec<usize>)> {
    let mut unique: Vec<&[u32]> = Vec::new();
    let mut shared = Vec::with_capacity(prompts.len());
    for (i, prompt) in prompts.iter().enumerate() {
        let prompt = prompt.as_ref();
        if prompt.is_empty() {
            return Err(Error::parameter(format!("prompts[{i}]"), "(empty)", "at least one token long"));
        }
        if unique.last() != Some(&prompt) {
            unique.push(prompt);
        }
        shared.push(unique.len() - 1);
    }
    Ok((unique, shared))
}
