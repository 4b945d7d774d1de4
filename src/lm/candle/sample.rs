//! Sampling completions in batches, with a cache of keys and values.

use super::core::Core;
use super::draw::{by_blocks, most_probable};
use super::ops::{host, log_softmax, wide};
use super::padded::{Padded, step_mask};
use super::weights::Model;
use crate::error::{Error, Result};
use crate::lm::batch::{Batch, Side};
use crate::lm::sampling::{Logits, Sample, Sampling, Scratch, complete, distinct};
use crate::lm::transformer::check_batch;
use crate::rng::Stream;
use candle_core::Tensor;

/// Bytes of keys and values that are held at a time.
const CACHE: usize = 1 << 33;

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
struct Run<'a> {
    core: &'a Core,
    model: &'a Model,
    cache: Cache,
    /// Which samples the cache's sequences are.
    held: Vec<usize>,
    /// Padding before every sample's prompt.
    starts: Vec<u32>,
    /// After every sample that runs on, samples × vocabulary.
    logits: Tensor,
    scratch: Scratch,
}

impl Logits for Run<'_> {
    /// Where nothing is left out the draw is made on the device, and what travels is a token, or the masses of blocks of the vocabulary
    /// and one block of each row.
    fn draw(
        &mut self,
        rows: &[(usize, usize)],
        sampling: &Sampling,
        streams: &mut [Stream],
    ) -> Result<Vec<(u32, f64)>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let logits = if rows.len() == self.logits.dim(0)? {
            self.logits.clone()
        } else {
            let places: Vec<u32> = rows.iter().map(|(place, _)| *place as u32).collect();
            self.logits.index_select(&Tensor::from_vec(places, rows.len(), &self.core.device)?, 0)?
        };
        if sampling.temperature == 0.0 {
            return most_probable(&log_softmax(&logits)?);
        }
        if sampling.top_k == 0 && sampling.top_p >= 1.0 {
            let uniforms = rows.iter().map(|(_, sample)| streams[*sample].uniform());
            return by_blocks(&log_softmax(&logits)?, sampling.temperature, uniforms);
        }
        let (all, vocab) = (host::<f32>(&logits)?, self.core.config.vocab);
        let each = all.chunks_exact(vocab).zip(rows);
        Ok(each.map(|(row, (_, i))| sampling.draw(row, &mut self.scratch, &mut streams[*i])).collect())
    }

    fn advance(&mut self, running: &[usize], last: &[u32]) -> Result<()> {
        self.step(running, last)
    }
}

impl Core {
    /// A completion of every prompt, each drawn from its own stream; equal prompts next to each other are read once.
    pub(super) fn sample<P: AsRef<[u32]>>(
        &self,
        model: &Model,
        prompts: &[P],
        sampling: &Sampling,
        streams: &mut [Stream],
    ) -> Result<Vec<Sample>> {
        sampling.validate()?;
        Error::check_shape("streams", prompts.len(), streams.len())?;
        check_batch(&self.config, &Batch::new(&distinct(prompts)?.0))?;
        let longest = prompts.iter().map(|p| p.as_ref().len()).max().unwrap_or(0) + sampling.length;
        let of_token = 2 * self.config.layers * self.config.kv_width() * self.dtype.size_in_bytes();
        let together = (CACHE / (of_token * longest.min(self.config.context)).max(1)).max(1);
        let mut samples = Vec::with_capacity(prompts.len());
        for (prompts, streams) in prompts.chunks(together).zip(streams.chunks_mut(together)) {
            let (unique, shared) = distinct(prompts)?;
            let run = self.read(model, &Batch::new(&unique), &shared, sampling.length)?;
            samples.extend(complete(prompts, self.config.context, sampling, streams, run)?);
        }
        Ok(samples)
    }

    /// Reads the distinct prompts; every sample's first logits.
    fn read<'a>(&'a self, model: &'a Model, batch: &Batch, shared: &[usize], steps: usize) -> Result<Run<'a>> {
        let input = Padded::new(batch, Side::Left, &self.device, self.dtype)?;
        let (sequences, length) = (input.sequences, input.length);
        let shortest = batch.all_rows().map(|r| r.len()).min().unwrap_or(0);
        let capacity = length + steps.min(self.config.context - shortest);
        let mut cache = Cache { blocks: Vec::new(), capacity, used: 0 };
        let hidden = self.run(model, &input, Some(&mut cache))?;
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
        let logits = logits(model, &last.index_select(&chosen, 0)?)?;
        let starts = shared.iter().map(|&i| (length - batch.rows(i).len()) as u32).collect();
        let (held, scratch) = ((0..shared.len()).collect(), Scratch::default());
        Ok(Run { core: self, model, cache, held, starts, logits, scratch })
    }
}

impl Run<'_> {
    /// Runs one more token of every sample that runs on.
    fn step(&mut self, running: &[usize], last: &[u32]) -> Result<()> {
        let (core, device) = (self.core, &self.core.device);
        // where the running samples lie among the held; both are in ascending order
        let mut held = self.held.iter();
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
        if 2 * running.len() <= self.held.len() {
            self.cache.keep(&places)?;
            self.held = running.to_vec();
            places = Tensor::arange(0, running.len() as u32, device)?;
        }
        let (sequences, used) = (self.held.len(), self.cache.used);
        let (mut tokens, mut positions) = (vec![0; sequences], vec![0; sequences]);
        let starts: Vec<u32> = self.held.iter().map(|&i| self.starts[i]).collect();
        let mut next = running.iter().zip(last).peekable();
        for (slot, &i) in self.held.iter().enumerate() {
            if let Some((_, &token)) = next.next_if(|(r, _)| **r == i) {
                (tokens[slot], positions[slot]) = (token, used as u32 - starts[slot]);
            }
        }
        let input = Padded {
            sequences,
            length: 1,
            tokens: Tensor::from_vec(tokens, sequences, device)?,
            positions: Tensor::from_vec(positions, sequences, device)?,
            mask: step_mask(&starts, used + 1, device, core.dtype)?,
            places: Vec::new(),
        };
        let hidden = core.run(self.model, &input, Some(&mut self.cache))?;
        self.logits = logits(self.model, &hidden.index_select(&places, 0)?)?;
        Ok(())
    }
}

fn logits(model: &Model, hidden: &Tensor) -> candle_core::Result<Tensor> {
    wide(&hidden.matmul(&model.head.t()?)?)
}
