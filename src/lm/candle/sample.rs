//! Sampling completions in batches, with a cache of keys and values.

use super::Engine;
use super::ops::wide;
use super::padded::{Padded, step_mask};
use super::weights::{Model, Weights};
use crate::error::{Error, Result};
use crate::lm::batch::{Batch, Side};
use crate::lm::sampling::{Sample, Sampling, complete, distinct};
use crate::rng::Stream;
use candle_core::{DType, Tensor};

/// Keys and values of the tokens so far. Prompts are padded at the left, so that all sequences are equally long.
#[derive(Debug)]
pub(super) struct Cache {
    /// Per block: sequences × key-value heads × capacity × head, twice; made when the prompts are read.
    blocks: Vec<(Tensor, Tensor)>,
    capacity: usize,
    /// Columns of whole steps so far.
    used: usize,
}

impl Cache {
    /// Adds a block's new keys and values; returns all that are there.
    pub(super) fn join(&mut self, l: usize, k: Tensor, v: Tensor) -> candle_core::Result<(Tensor, Tensor)> {
        if l == self.blocks.len() {
            let (sequences, heads, length, head) = k.dims4()?;
            let shape = (sequences, heads, self.capacity, head);
            let room = || Tensor::zeros(shape, k.dtype(), k.device());
            let (keys, values) = (room()?, room()?);
            keys.slice_set(&k, 2, 0)?;
            values.slice_set(&v, 2, 0)?;
            self.blocks.push((keys, values));
            self.used = length;
            return Ok((k, v));
        }
        let (keys, values) = &self.blocks[l];
        keys.slice_set(&k, 2, self.used)?;
        values.slice_set(&v, 2, self.used)?;
        let seen = self.used + 1;
        if l + 1 == self.blocks.len() {
            self.used = seen;
        }
        Ok((keys.narrow(2, 0, seen)?, values.narrow(2, 0, seen)?))
    }

    /// Keeps the given sequences, in their order; one may come more than once.
    fn keep(&mut self, sequences: &Tensor) -> candle_core::Result<()> {
        for (keys, values) in &mut self.blocks {
            *keys = keys.index_select(sequences, 0)?;
            *values = values.index_select(sequences, 0)?;
        }
        Ok(())
    }
}

/// A batch of completions under way.
struct Run {
    model: Model,
    cache: Cache,
    /// Which samples the cache's sequences are.
    held: Vec<usize>,
    /// Padding before every sample's prompt.
    starts: Vec<u32>,
}

impl Engine {
    /// A completion of every prompt. Each draws from its own stream, so that it depends neither on the other prompts
    /// nor on their order (but for the rounding of logits). Equal prompts next to each other are read once.
    ///
    /// A completion stops at the end token, at `sampling.length` tokens, or where the context is full.
    ///
    /// # Errors
    /// Illegal options; an empty prompt; a prompt longer than the context; a token outside the vocabulary; as many
    /// streams as prompts are needed; logits that are not finite; whatever the device refuses.
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
        self.check(params.len(), &batch)?;
        if prompts.is_empty() {
            return Ok(Vec::new());
        }
        let weights = Weights::load(&self.config, &self.layout, params, &self.device, self.dtype)?;
        let model = weights.model(&self.config, &self.layout, false)?;
        let (mut run, logits) = self.read(model, &batch, &shared, sampling.length)?;
        let sizes = (self.config.vocab, self.config.context);
        complete(prompts, sizes, sampling, streams, logits, |running, last, logits| {
            *logits = self.advance(&mut run, running, last)?;
            Ok(())
        })
    }

    /// Reads the distinct prompts; every sample's first logits.
    fn read(&self, model: Model, batch: &Batch, shared: &[usize], steps: usize) -> Result<(Run, Vec<f32>)> {
        let input = Padded::new(batch, Side::Left, &self.device, self.dtype)?;
        let (sequences, length) = (input.sequences, input.length);
        let shortest = batch.all_rows().map(|r| r.len()).min().unwrap_or(0);
        let capacity = length + steps.min(self.config.context - shortest);
        let mut cache = Cache { blocks: Vec::new(), capacity, used: 0 };
        let hidden = self.run(&model, &input, Some(&mut cache))?;
        let last = hidden
            .reshape((sequences, length, self.config.width))?
            .narrow(1, length - 1, 1)?
            .squeeze(1)?
            .contiguous()?;
        let chosen: Vec<u32> = shared.iter().map(|&i| i as u32).collect();
        let chosen = Tensor::from_vec(chosen, shared.len(), &self.device)?;
        if shared.len() != sequences {
            cache.keep(&chosen)?;
        }
        let logits = logits(&model, &last.index_select(&chosen, 0)?)?;
        let starts = shared.iter().map(|&i| (length - batch.rows(i).len()) as u32).collect();
        Ok((Run { model, cache, held: (0..shared.len()).collect(), starts }, logits))
    }

    /// Runs one more token of every sample that runs on; their logits.
    fn advance(&self, run: &mut Run, running: &[usize], last: &[u32]) -> Result<Vec<f32>> {
        let device = &self.device;
        // where the running samples lie among the held; both are in ascending order
        let mut held = run.held.iter();
        let places: Vec<u32> = running
            .iter()
            .map(|i| held.position(|h| h == i).expect("held"))
            .scan(0, |from, skip| {
                let place = *from + skip;
                *from = place + 1;
                Some(place as u32)
            })
            .collect();
        let mut places = Tensor::from_vec(places, running.len(), device)?;
        // copying the cache pays when half of it is of no use any more
        if 2 * running.len() <= run.held.len() {
            run.cache.keep(&places)?;
            run.held = running.to_vec();
            places = Tensor::arange(0, running.len() as u32, device)?;
        }
        let (sequences, used) = (run.held.len(), run.cache.used);
        let (mut tokens, mut positions) = (vec![0; sequences], vec![0; sequences]);
        let starts: Vec<u32> = run.held.iter().map(|&i| run.starts[i]).collect();
        let mut next = running.iter().zip(last).peekable();
        for (slot, &i) in run.held.iter().enumerate() {
            if let Some((_, &token)) = next.next_if(|(r, _)| **r == i) {
                (tokens[slot], positions[slot]) = (token, used as u32 - starts[slot]);
            }
        }
        let input = Padded {
            sequences,
            length: 1,
            tokens: Tensor::from_vec(tokens, sequences, device)?,
            positions: Tensor::from_vec(positions, sequences, device)?,
            mask: step_mask(&starts, used + 1, device, self.dtype)?,
            places: Vec::new(),
        };
        let hidden = self.run(&run.model, &input, Some(&mut run.cache))?;
        Ok(logits(&run.model, &hidden.index_select(&places, 0)?)?)
    }
}

fn logits(model: &Model, hidden: &Tensor) -> candle_core::Result<Vec<f32>> {
    wide(&hidden.matmul(&model.head.t()?)?)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()
}
