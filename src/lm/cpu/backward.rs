//! The backward pass.

use super::{
    Block, Deltas, Engine, Keep, activation, attention, fit, head_norm_form, lanes, linear_input, linear_weight, norm,
    norm_form, rotary,
};
use crate::error::{Error, Result};
use crate::lm::layout::{LayerSpan, NormSpan};
use crate::lm::transformer::Signal;
use std::ops::Range;

/// The gradient's places of a norm.
fn norm_gradient<'a>(grad: &'a mut [f32], span: &NormSpan) -> norm::Gradient<'a> {
    if span.shift.is_empty() {
        return norm::Gradient { scale: &mut grad[span.scale.clone()], shift: &mut [] };
    }
    // the layout puts the shift right behind the scale
    let (scale, shift) = grad[span.scale.start..span.shift.end].split_at_mut(span.scale.len());
    norm::Gradient { scale, shift }
}

impl Engine {
    /// Adds to `grad` the gradient of the scalar that `signal` weighs: Σ weight · quantity, over the log-probabilities,
    /// entropies and scores of the last forward pass.
    ///
    /// # Shapes
    /// `grad`: as `params`.
    ///
    /// # Errors
    /// The last forward pass kept only the final states; weights that do not fit what was asked.
    pub fn backward(&mut self, params: &[f32], signal: &Signal, grad: &mut [f32]) -> Result<()> {
        Error::check_shape("parameters", self.layout.len(), params.len())?;
        Error::check_shape("gradient", self.layout.len(), grad.len())?;
        if self.keep != Keep::All {
            return Err(Error::Usage("backward needs a forward pass with Keep::All before it".into()));
        }
        let mut deltas = std::mem::take(&mut self.deltas);
        let result = self.head_backward(params, signal, grad, fit(&mut deltas.normed, self.hidden.len()));
        if result.is_ok() {
            self.blocks_backward(params, grad, &mut deltas);
        }
        self.deltas = deltas;
        result
    }

    /// From the gradient of the final hidden states, in `deltas.normed`, down to the embeddings.
    fn blocks_backward(&mut self, params: &[f32], grad: &mut [f32], deltas: &mut Deltas) {
        let layers = self.config.layers;
        let form = norm_form(&self.config, &self.layout.norm, params);
        let residual = fit(&mut deltas.residual, self.hidden.len());
        residual.fill(0.0);
        let place = norm_gradient(grad, &self.layout.norm);
        norm::backward(form, &self.residual[layers], &self.final_moments, &deltas.normed, residual, place);
        for l in (0..layers).rev() {
            let mut block = std::mem::take(&mut self.blocks[l]);
            self.block_backward(params, l, &mut block, grad, deltas);
            self.blocks[l] = block;
        }
        self.embed_backward(&deltas.residual, grad);
        // the local derivatives are used up
        self.keep = Keep::Final;
    }

    fn block_backward(&self, params: &[f32], l: usize, block: &mut Block, grad: &mut [f32], deltas: &mut Deltas) {
        let (config, span) = (&self.config, &self.layout.layers[l]);
        let inner = norm_form(config, &span.inner_norm, params);
        self.feed_forward_backward(params, l, block, grad, deltas);
        if config.parallel_residual {
            // attention's upstream is the block's, so the feed-forward norm's part joins after it
            self.attention_backward(params, l, block, grad, deltas);
        }
        let input = if config.parallel_residual { &self.residual[l] } else { &block.middle };
        let place = norm_gradient(grad, &span.inner_norm);
        norm::backward(inner, input, &block.inner_moments, &deltas.inner_normed, &mut deltas.residual, place);
        if !config.parallel_residual {
            self.attention_backward(params, l, block, grad, deltas);
        }
        let form = norm_form(config, &span.attention_norm, params);
        let place = norm_gradient(grad, &span.attention_norm);
        let (x, moments) = (&self.residual[l], &block.attention_moments);
        norm::backward(form, x, moments, &deltas.normed, &mut deltas.residual, place);
    }

    /// From `deltas.residual` to the gradient of the feed-forward norm's output.
    fn feed_forward_backward(
        &self,
        params: &[f32],
        l: usize,
        block: &mut Block,
        grad: &mut [f32],
        deltas: &mut Deltas,
    ) {
        let (config, span) = (&self.config, &self.layout.layers[l]);
        let rows = self.batch.tokens().len();
        let residual = &deltas.residual;
        let inner = fit(&mut deltas.inner, rows * config.inner);
        linear_input(residual, &params[span.down.weight.clone()], config.inner, inner, false);
        linear_weight(residual, &block.active, config.inner, &mut grad[span.down.weight.clone()]);
        lanes::add_column_sums(residual, &mut grad[span.down.bias.clone()]);
        activation::backward(config.activation, &mut block.up, inner, config.inner);
        let normed = fit(&mut deltas.inner_normed, rows * config.width);
        linear_input(&block.up, &params[span.up.weight.clone()], config.width, normed, false);
        linear_weight(&block.up, &block.inner_normed, config.width, &mut grad[span.up.weight.clone()]);
        lanes::add_column_sums(&block.up, &mut grad[span.up.bias.clone()]);
    }

    /// From `deltas.residual` to the gradient of the attention norm's output.
    fn attention_backward(&self, params: &[f32], l: usize, block: &Block, grad: &mut [f32], deltas: &mut Deltas) {
        let rows = self.batch.tokens().len();
        let (config, span) = (&self.config, &self.layout.layers[l]);
        let residual = &deltas.residual;
        let mixed = fit(&mut deltas.mixed, rows * config.query_width());
        linear_input(residual, &params[span.out.weight.clone()], config.query_width(), mixed, false);
        linear_weight(residual, &block.mixed, config.query_width(), &mut grad[span.out.weight.clone()]);
        lanes::add_column_sums(residual, &mut grad[span.out.bias.clone()]);
        let qkv = fit(&mut deltas.qkv, rows * config.qkv_width());
        let shape = attention::Shape::new(config);
        let scratch = &mut deltas.attention;
        attention::backward(shape, &block.qkv, self.batch.all_rows(), &block.probs, mixed, qkv, scratch);
        rotary::rotate(&self.rotary, qkv, self.rotated(), true, self.positions());
        self.head_norms_backward(params, span, block, grad, deltas);
        let qkv = &deltas.qkv;
        let normed = fit(&mut deltas.normed, rows * config.width);
        linear_input(qkv, &params[span.qkv.weight.clone()], config.width, normed, false);
        linear_weight(qkv, &block.normed, config.width, &mut grad[span.qkv.weight.clone()]);
        lanes::add_column_sums(qkv, &mut grad[span.qkv.bias.clone()]);
    }

    fn head_norms_backward(
        &self,
        params: &[f32],
        span: &LayerSpan,
        block: &Block,
        grad: &mut [f32],
        deltas: &mut Deltas,
    ) {
        let config = &self.config;
        if !config.query_key_norm {
            return;
        }
        let (head, stride) = (config.head_width, config.qkv_width());
        let end = config.query_width() + config.kv_width();
        let parts: [(Range<usize>, &Range<usize>, &[norm::Moments]); 2] = [
            (0..config.query_width(), &span.query_norm, &block.query_moments),
            (config.query_width()..end, &span.key_norm, &block.key_moments),
        ];
        for (columns, scale, moments) in parts {
            let form = head_norm_form(config, scale, params);
            let heads = columns.len() / head;
            let dx = fit(&mut deltas.heads, columns.len());
            let pairs = block.raw.chunks_exact(stride).zip(deltas.qkv.chunks_exact_mut(stride));
            for ((raw, row), moments) in pairs.zip(moments.chunks_exact(heads)) {
                dx.fill(0.0);
                let place = norm::Gradient { scale: &mut grad[scale.clone()], shift: &mut [] };
                norm::backward(form, &raw[columns.clone()], moments, &row[columns.clone()], dx, place);
                row[columns.clone()].copy_from_slice(dx);
            }
        }
    }

    fn embed_backward(&self, residual: &[f32], grad: &mut [f32]) {
        let width = self.config.width;
        let table = &mut grad[self.layout.tokens.clone()];
        for (d, &t) in residual.chunks_exact(width).zip(self.batch.tokens()) {
            table[t as usize * width..][..width].iter_mut().zip(d).for_each(|(g, d)| *g += d);
        }
        let positions = &mut grad[self.layout.positions.clone()];
        if !positions.is_empty() {
            for rows in self.batch.all_rows() {
                let d = &residual[rows.start * width..rows.end * width];
                positions.iter_mut().zip(d).for_each(|(g, d)| *g += d);
            }
        }
    }
}
