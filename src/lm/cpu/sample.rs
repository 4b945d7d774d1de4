//! Sampling completions in batches, with a cache of keys and values.

use super::attention::Shape;
use super::cache::Cache;
use super::{Engine, Keep, fit};
use crate::error::{Error, Result};
use crate::lm::batch::Batch;
use crate::lm::sampling::{InMemory, Sample, Sampling, Scratch, complete, distinct};
use crate::rng::Stream;

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
        let (unique, shared) = distinct(prompts)?;
        let batch = Batch::new(&unique);
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
        let longest = prompts.iter().map(|p| p.as_ref().len()).max().unwrap_or(0) + sampling.length;
        let (vocab, context) = (self.config.vocab, self.config.context);
        let longest = longest.min(context);
        let mut cache = Cache::new(Shape::new(&self.config), self.config.layers, prompts.len(), longest);
        let logits = self.read(params, batch, shared, &mut cache);
        let next = |running: &[usize], last: &[u32], logits: &mut Vec<f32>| {
            self.advance(params, last, running, &mut cache, logits);
            Ok(())
        };
        let logits = InMemory { logits, vocab, scratch: Scratch::default(), next };
        complete(prompts, context, sampling, streams, logits)
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
    fn advance(&mut self, params: &[f32], tokens: &[u32], running: &[usize], cache: &mut Cache, logits: &mut Vec<f32>) {
        self.batch = Batch::new(tokens.as_chunks::<1>().0);
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
