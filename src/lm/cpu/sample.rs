//! Sampling completions in batches, with a cache of keys and values.

use super::attention::Shape;
use super::cache::Cache;
use super::{Engine, Keep, fit};
use crate::error::{Error, Result};
use crate::lm::batch::Batch;
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
    /// The token after which a completion ends; it is part of the completion.
    pub end: Option<u32>,
    /// Longest completion.
    pub length: usize,
}

impl Sampling {
    /// The model's own distribution, up to `length` tokens.
    pub fn plain(length: usize) -> Self {
        Self { temperature: 1.0, top_k: 0, top_p: 1.0, end: None, length }
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
    pub(super) fn draw(&self, logits: &[f32], scratch: &mut Scratch, stream: &mut Stream) -> (u32, f64) {
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
pub(super) struct Scratch {
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
    /// Whether the end token came.
    pub ended: bool,
}

impl Engine {
    /// A completion of every prompt. Each draws from its own stream, so that it depends neither on the other prompts
    /// nor on their order (but for the rounding of logits). Equal prompts next to each other are read once.
    ///
    /// A completion stops at the end token, at `sampling.length` tokens, or where the context is full.
    ///
    /// # Errors
    /// Illegal options; an empty prompt; a prompt longer than the context; a token outside the vocabulary; as many
    /// streams as prompts are needed; logits that are not finite.
    pub fn sample<P: AsRef<[u32]>>(
        &mut self,
        params: &[f32],
        prompts: &[P],
        sampling: &Sampling,
        streams: &mut [Stream],
    ) -> Result<Vec<Sample>> {
        sampling.validate()?;
        Error::check_shape("streams", prompts.len(), streams.len())?;
        let (batch, shared) = distinct(prompts)?;
        self.check(params, &batch)?;
        let mut packed = std::mem::take(&mut self.packed);
        packed.fill(params, &self.layout, self.config.width);
        self.packed = packed;
        let samples = self.complete(params, prompts, (batch, &shared), sampling, streams);
        // the caller may change the weights before the next forward pass
        self.packed.clear();
        samples
    }

    fn complete<P: AsRef<[u32]>>(
        &mut self,
        params: &[f32],
        prompts: &[P],
        (batch, shared): (Batch, &[usize]),
        sampling: &Sampling,
        streams: &mut [Stream],
    ) -> Result<Vec<Sample>> {
        let mut samples = vec![Sample::default(); prompts.len()];
        let longest = prompts.iter().map(|p| p.as_ref().len()).max().unwrap_or(0) + sampling.length;
        let longest = longest.min(self.config.context);
        let mut cache = Cache::new(Shape::new(&self.config), self.config.layers, prompts.len(), longest);
        let mut logits = self.read(params, batch, shared, &mut cache);
        let mut scratch = Scratch::default();
        let mut running: Vec<usize> = (0..prompts.len()).collect();
        for step in 0..sampling.length {
            let room = |i: usize, step: usize| prompts[i].as_ref().len() + step < self.config.context;
            let rows = logits.chunks_exact(self.config.vocab).zip(&running);
            for (row, &i) in rows.filter(|(_, i)| room(**i, step)) {
                let (token, log_prob) = sampling.draw(row, &mut scratch, &mut streams[i]);
                if !log_prob.is_finite() {
                    return Err(Error::NotFinite { what: format!("log-probability of sample {i}"), value: log_prob });
                }
                samples[i].tokens.push(token);
                samples[i].log_probs.push(log_prob);
                samples[i].ended = sampling.end == Some(token);
            }
            running.retain(|&i| !samples[i].ended && room(i, step + 1));
            if running.is_empty() || step + 1 == sampling.length {
                break;
            }
            let last: Vec<[u32; 1]> = running.iter().map(|&i| [samples[i].tokens[step]]).collect();
            self.advance(params, &last, &running, &mut cache, &mut logits);
        }
        Ok(samples)
    }

    /// Reads the distinct prompts; returns every prompt's first logits.
    fn read(&mut self, params: &[f32], batch: Batch, shared: &[usize], cache: &mut Cache) -> Vec<f32> {
        let (width, vocab) = (self.config.width, self.config.vocab);
        let firsts: Vec<usize> = (0..shared.len()).filter(|&i| i == 0 || shared[i] != shared[i - 1]).collect();
        self.batch = batch;
        self.offsets.clear();
        cache.active.clone_from(&firsts);
        self.run(params, Keep::Final, Some(cache));
        for (&slot, rows) in firsts.iter().zip(self.batch.all_rows()) {
            cache.lengths[slot] = rows.len();
        }
        let mut hidden = Vec::with_capacity(shared.len() * width);
        for (slot, &from) in shared.iter().enumerate() {
            if slot != firsts[from] {
                cache.copy(self.config.layers, firsts[from], slot);
            }
            let last = self.batch.rows(from).end - 1;
            hidden.extend_from_slice(&self.hidden[last * width..][..width]);
        }
        let mut logits = vec![0.0; shared.len() * vocab];
        self.linear(params, &self.layout.head, &hidden, width, &mut logits, false);
        logits
    }

    /// Runs one more token of every running sequence and leaves its logits.
    fn advance(
        &mut self,
        params: &[f32],
        tokens: &[[u32; 1]],
        running: &[usize],
        cache: &mut Cache,
        logits: &mut Vec<f32>,
    ) {
        self.batch = Batch::new(tokens);
        self.offsets.clear();
        self.offsets.extend(running.iter().map(|&i| cache.lengths[i]));
        cache.active.clear();
        cache.active.extend_from_slice(running);
        self.run(params, Keep::Final, Some(cache));
        running.iter().for_each(|&i| cache.lengths[i] += 1);
        let logits = fit(logits, running.len() * self.config.vocab);
        self.linear(params, &self.layout.head, &self.hidden, self.config.width, logits, false);
    }
}

/// The prompts without repeats next to each other, and which of them each prompt is.
fn distinct<P: AsRef<[u32]>>(prompts: &[P]) -> Result<(Batch, Vec<usize>)> {
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
    Ok((Batch::new(&unique), shared))
}
