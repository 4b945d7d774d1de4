//! The forward pass.

use super::cache::Cache;
use super::{Block, Engine, Keep, activation, attention, fit, head_norm_form, lanes, norm, norm_form, rotary};
use crate::error::Result;
use crate::lm::batch::Batch;
use crate::lm::layout::LayerSpan;
use crate::lm::{part_tokens, parts};

impl Engine {
    /// Runs the blocks over a batch; the final hidden states stay in the engine for [`Engine::log_probs`] and
    /// [`Engine::scores`].
    ///
    /// # Errors
    /// Parameters of the wrong length, a token outside the vocabulary, a sequence longer than the context.
    pub fn forward(&mut self, params: &[f32], batch: &Batch, keep: Keep) -> Result<()> {
        self.check(params, batch)?;
        self.offsets.clear();
        match keep {
            Keep::All => {
                self.batch.clone_from(batch);
                self.run(params, keep, None);
            }
            Keep::Final => self.run_in_parts(params, batch),
        }
        Ok(())
    }

    /// Where nothing else is kept, parts of the batch go through the blocks one after the other, so that what they leave
    /// behind stays in the cache.
    fn run_in_parts(&mut self, params: &[f32], batch: &Batch) {
        let mut hidden = std::mem::take(&mut self.all_hidden);
        hidden.clear();
        for part in parts(batch.all_rows().map(|r| r.len()), part_tokens(self.config.width)) {
            self.batch.clone_from_part(batch, part);
            self.run(params, Keep::Final, None);
            hidden.extend_from_slice(&self.hidden);
        }
        self.batch.clone_from(batch);
        self.head.forget();
        self.keep = Keep::Final;
        self.all_hidden = std::mem::replace(&mut self.hidden, hidden);
    }

    /// Runs the blocks over `self.batch`, whose sequences start at `self.offsets` (zero if empty). With a cache, its
    /// keys and values join; an empty cache is filled.
    pub(super) fn run(&mut self, params: &[f32], keep: Keep, mut cache: Option<&mut Cache>) {
        self.keep = keep;
        self.head.forget();
        let mut x = std::mem::take(&mut self.residual[0]);
        self.embed(params, &mut x);
        for l in 0..self.config.layers {
            // when only scoring, the residual stream alternates between two buffers and the blocks share one
            let (slot, next) = if keep == Keep::All { (l, l + 1) } else { (0, 1) };
            let mut out = std::mem::take(&mut self.residual[next]);
            let mut block = std::mem::take(&mut self.blocks[slot]);
            self.block(params, l, &x, &mut out, &mut block, cache.as_deref_mut());
            self.blocks[slot] = block;
            if keep == Keep::All {
                self.residual[l] = std::mem::replace(&mut x, out);
            } else {
                self.residual[1] = std::mem::replace(&mut x, out);
            }
        }
        let last = if keep == Keep::All { self.config.layers } else { 0 };
        let form = norm_form(&self.config, &self.layout.norm, params);
        let moments = fit(&mut self.final_moments, self.batch.tokens().len());
        norm::forward(form, &x, fit(&mut self.hidden, x.len()), moments);
        self.residual[last] = x;
    }

    fn embed(&self, params: &[f32], x: &mut Vec<f32>) {
        let width = self.config.width;
        let x = fit(x, self.batch.tokens().len() * width);
        let table = &params[self.layout.tokens.clone()];
        for (x, &t) in x.chunks_exact_mut(width).zip(self.batch.tokens()) {
            x.copy_from_slice(&table[t as usize * width..][..width]);
        }
        let positions = &params[self.layout.positions.clone()];
        if !positions.is_empty() {
            for (x, p) in x.chunks_exact_mut(width).zip(self.positions()) {
                x.iter_mut().zip(&positions[p * width..]).for_each(|(x, p)| *x += p);
            }
        }
    }

    /// One block: `out` ← the residual stream after it.
    fn block(
        &mut self,
        params: &[f32],
        l: usize,
        x: &[f32],
        out: &mut Vec<f32>,
        block: &mut Block,
        cache: Option<&mut Cache>,
    ) {
        let (config, span) = (&self.config, &self.layout.layers[l]);
        let rows = self.batch.tokens().len();
        let out = fit(out, x.len());
        let form = norm_form(config, &span.attention_norm, params);
        norm::forward(form, x, fit(&mut block.normed, x.len()), fit(&mut block.attention_moments, rows));
        let qkv = fit(&mut block.qkv, rows * config.qkv_width());
        self.linear(params, &span.qkv.weight, &block.normed, config.width, qkv, false);
        lanes::add_row(qkv, &params[span.qkv.bias.clone()]);
        self.head_norms(params, span, block);
        rotary::rotate(&self.rotary, &mut block.qkv, self.rotated(), false, self.positions());
        self.attend(l, block, cache);
        let (config, span) = (&self.config, &self.layout.layers[l]);
        let middle = if config.parallel_residual { &mut *out } else { fit(&mut block.middle, x.len()) };
        lanes::plus_row(x, &params[span.out.bias.clone()], middle);
        self.linear(params, &span.out.weight, &block.mixed, config.query_width(), middle, true);
        self.feed_forward(params, l, x, out, block);
    }

    fn attend(&mut self, l: usize, block: &mut Block, cache: Option<&mut Cache>) {
        let shape = attention::Shape::new(&self.config);
        let mixed = fit(&mut block.mixed, self.batch.tokens().len() * self.config.query_width());
        if let Some(cache) = cache {
            if !self.offsets.is_empty() {
                return cache.attend(l, &block.qkv, mixed);
            }
            cache.store(l, &block.qkv, self.batch.all_rows());
        }
        let probs = self.batch.all_rows().map(|r| shape.probs(r.len())).sum();
        let probs = fit(&mut block.probs, probs);
        attention::forward(shape, &block.qkv, self.batch.all_rows(), probs, mixed, &mut self.scratch);
    }

    fn feed_forward(&self, params: &[f32], l: usize, x: &[f32], out: &mut [f32], block: &mut Block) {
        let (config, span) = (&self.config, &self.layout.layers[l]);
        let rows = self.batch.tokens().len();
        let input = if config.parallel_residual { x } else { &block.middle };
        let form = norm_form(config, &span.inner_norm, params);
        norm::forward(form, input, fit(&mut block.inner_normed, x.len()), fit(&mut block.inner_moments, rows));
        let up = fit(&mut block.up, rows * config.up_width());
        self.linear(params, &span.up.weight, &block.inner_normed, config.width, up, false);
        let bias = if config.inner_bias { &params[span.up.bias.clone()] } else { &self.zeros[..config.up_width()] };
        let active = fit(&mut block.active, rows * config.inner);
        activation::forward(config.activation, up, bias, active);
        let bias = &params[span.down.bias.clone()];
        if config.parallel_residual {
            lanes::add_row(out, bias);
        } else {
            lanes::plus_row(&block.middle, bias, out);
        }
        self.linear(params, &span.down.weight, active, config.inner, out, true);
    }

    /// Normalises every head's q and k, if the config says so.
    fn head_norms(&self, params: &[f32], span: &LayerSpan, block: &mut Block) {
        let config = &self.config;
        if !config.query_key_norm {
            return;
        }
        let rows = self.batch.tokens().len();
        block.raw.clone_from(&block.qkv);
        let (head, stride) = (config.head_width, config.qkv_width());
        let columns = [0..config.query_width(), config.query_width()..config.query_width() + config.kv_width()];
        let scales = [&span.query_norm, &span.key_norm];
        let moments = [&mut block.query_moments, &mut block.key_moments];
        for ((columns, scale), moments) in columns.into_iter().zip(scales).zip(moments) {
            let form = head_norm_form(config, scale, params);
            let heads = columns.len() / head;
            let moments = fit(moments, rows * heads);
            let pairs = block.raw.chunks_exact(stride).zip(block.qkv.chunks_exact_mut(stride));
            for ((raw, row), moments) in pairs.zip(moments.chunks_exact_mut(heads)) {
                norm::forward(form, &raw[columns.clone()], &mut row[columns.clone()], moments);
            }
        }
    }

    /// What [`rotary::rotate`] needs of a row: its length, the heads of q and k, their width.
    pub(super) fn rotated(&self) -> (usize, usize, usize) {
        let config = &self.config;
        (config.qkv_width(), config.heads + config.kv_heads, config.head_width)
    }

    /// Every row's position.
    pub(super) fn positions(&self) -> impl Iterator<Item = usize> + '_ {
        self.batch.all_rows().enumerate().flat_map(|(i, r)| {
            let offset = self.offsets.get(i).copied().unwrap_or(0);
            offset..offset + r.len()
        })
    }
}
