//! How much memory an engine takes, before it does.

use super::attention::Shape;
use crate::lm::config::Config;
use crate::lm::cpu::head::CHUNK;

/// Bytes of an f32.
const FLOAT: u64 = 4;

/// Bytes that a forward pass which keeps everything and its backward pass take for sequences of these lengths, the weights and their
/// gradient apart.
pub fn step_bytes(config: &Config, lengths: &[usize]) -> u64 {
    let shape = Shape::new(config);
    let tokens = lengths.iter().sum::<usize>() as u64;
    let probs: u64 = lengths.iter().map(|l| shape.probs(*l) as u64).sum();
    let [width, query, qkv, inner, up] =
        [config.width, config.query_width(), config.qkv_width(), config.inner, config.up_width()].map(|n| n as u64);
    let raw = if config.query_key_norm { qkv + 2 * (config.heads + config.kv_heads) as u64 } else { 0 };
    let middle = if config.parallel_residual { 0 } else { width };
    // residual, the two normed inputs with their moments, q k v, what attention mixed, and the feed-forward block
    let block = width + 2 * (width + 2) + qkv + raw + query + middle + up + inner;
    let layers = config.layers as u64;
    // the last residual, hidden states, those of the choices and their deltas, the deltas of one block
    let once = 6 * width + 2 + 3 * width + up + query + qkv;
    let logits = (tokens * config.vocab as u64).min(CHUNK.max(config.vocab) as u64);
    FLOAT * (tokens * (layers * block + once) + layers * probs + logits)
}

/// Bytes that writing this many completions side by side takes, to sequences of at most `longest` tokens: the cache and a row of logits for
/// each. A copy of the weights, rearranged, comes to it and stays.
pub fn sampling_bytes(config: &Config, slots: usize, longest: usize) -> u64 {
    let shape = Shape::new(config);
    let wide = longest.min(config.context).next_multiple_of(super::tile::PAD);
    let cache = config.layers * slots * config.kv_heads * (shape.head + shape.padded) * wide;
    FLOAT * (cache + slots * config.vocab) as u64
}
