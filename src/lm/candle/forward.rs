//! The forward pass.

use super::core::Core;
use super::ops::{activation, rotate, softmax};
use super::padded::Padded;
use super::sample::Cache;
use super::weights::{Block, Model};
use candle_core::{Result, Tensor};

impl Core {
    /// The final normalised hidden states. With a cache, keys and values join it; a filled cache takes one token more of
    /// every sequence.
    ///
    /// # Shapes
    /// Result: padded rows × width.
    pub(super) fn run(&self, model: &Model, input: &Padded, mut cache: Option<&mut Cache>) -> Result<Tensor> {
        let mut x = Self::embed(model, input)?;
        let angles = self.angles(input)?;
        for (l, block) in model.blocks.iter().enumerate() {
            let cache = cache.as_deref_mut().map(|c| (c, l));
            x = self.block(block, input, &x, angles.as_ref(), cache)?;
        }
        model.norm.forward(&x)
    }

    /// What the first block reads.
    pub(super) fn embed(model: &Model, input: &Padded) -> Result<Tensor> {
        let x = model.tokens.index_select(&input.tokens, 0)?;
        match &model.positions {
            Some(positions) => x + positions.index_select(&input.positions, 0)?,
            None => Ok(x),
        }
    }

    /// Cosines and sines at every place.
    pub(super) fn angles(&self, input: &Padded) -> Result<Option<(Tensor, Tensor)>> {
        let Some((cos, sin)) = &self.rotary else { return Ok(None) };
        let at = |table: &Tensor| {
            let rows = table.index_select(&input.positions, 0)?;
            rows.reshape((input.sequences, input.length, 1, ()))
        };
        Ok(Some((at(cos)?, at(sin)?)))
    }

    /// One block.
    pub(super) fn block(
        &self,
        block: &Block,
        input: &Padded,
        x: &Tensor,
        angles: Option<&(Tensor, Tensor)>,
        cache: Option<(&mut Cache, usize)>,
    ) -> Result<Tensor> {
        let read = self.attention(block, input, &block.attention_norm.forward(x)?, angles, cache)?;
        if self.config.parallel_residual {
            return (x + read)? + self.feed_forward(block, x)?;
        }
        let middle = (x + read)?;
        &middle + self.feed_forward(block, &middle)?
    }

    fn feed_forward(&self, block: &Block, x: &Tensor) -> Result<Tensor> {
        let up = block.up.forward(&block.inner_norm.forward(x)?)?;
        block.down.forward(&activation(self.config.activation, &up, self.config.inner)?)
    }

    /// q, k and v per head, normalised and rotated.
    ///
    /// # Shapes
    /// Each: sequences × heads × length × head.
    fn heads(
        &self,
        block: &Block,
        input: &Padded,
        x: &Tensor,
        angles: Option<&(Tensor, Tensor)>,
    ) -> Result<[Tensor; 3]> {
        let (config, qkv) = (&self.config, block.qkv.forward(x)?);
        let part = |start: usize, heads: usize| {
            let columns = qkv.narrow(1, start, heads * config.head_width)?;
            columns.reshape((input.sequences, input.length, heads, config.head_width))
        };
        let mut q = part(0, config.heads)?;
        let mut k = part(config.query_width(), config.kv_heads)?;
        let v = part(config.query_width() + config.kv_width(), config.kv_heads)?;
        if let (Some(query), Some(key)) = (&block.query_norm, &block.key_norm) {
            (q, k) = (query.forward(&q)?, key.forward(&k)?);
        }
        if let Some((cos, sin)) = angles {
            (q, k) = (rotate(&q, cos, sin)?, rotate(&k, cos, sin)?);
        }
        let outward = |t: Tensor| t.transpose(1, 2)?.contiguous();
        Ok([outward(q)?, outward(k)?, outward(v)?])
    }

    fn attention(
        &self,
        block: &Block,
        input: &Padded,
        x: &Tensor,
        angles: Option<&(Tensor, Tensor)>,
        cache: Option<(&mut Cache, usize)>,
    ) -> Result<Tensor> {
        let config = &self.config;
        let [q, mut k, mut v] = self.heads(block, input, x, angles)?;
        if let Some((cache, l)) = cache {
            (k, v) = cache.join(l, k, v)?;
        }
        let (sequences, length, seen) = (input.sequences, input.length, k.dim(2)?);
        let (shared, group, head) = (config.kv_heads, config.heads / config.kv_heads, config.head_width);
        // the query heads that share a key head lie next to each other: one product for all of them
        let q = (q.reshape((sequences, shared, group * length, head))? * (1.0 / (head as f64).sqrt()))?;
        let scores = q.matmul(&k.t()?)?.reshape((sequences, shared, group, length, seen))?;
        let probs = softmax(&scores.broadcast_add(&input.mask)?)?;
        let mixed = probs.reshape((sequences, shared, group * length, seen))?.matmul(&v)?;
        let mixed = mixed.reshape((sequences, config.heads, length, head))?.transpose(1, 2)?;
        block.out.forward(&mixed.reshape((sequences * length, config.query_width()))?)
    }
}
