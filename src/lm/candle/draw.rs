//! Draws from next-token distributions that stay on the device.

use super::ops::{host, log_softmax};
use crate::error::Result;
use candle_core::{DType, Tensor};

/// Tokens of a block of the vocabulary.
const BLOCK: usize = 256;

/// The most probable token of every row, the first of equals, and its log-probability.
///
/// # Shapes
/// `log_probs`: rows × vocabulary.
pub(super) fn most_probable(log_probs: &Tensor) -> Result<Vec<(u32, f64)>> {
    let vocab = log_probs.dim(1)?;
    let best = log_probs.max_keepdim(1)?;
    // V, V − 1, … 1: the greatest of these is the first; f32 counts to 2^24
    let order = Tensor::arange_step(vocab as f32, 0.0, -1.0, log_probs.device())?;
    let places = log_probs.broadcast_eq(&best)?.to_dtype(DType::F32)?.broadcast_mul(&order)?.max(1)?;
    let tokens = host::<f32>(&places)?.into_iter().map(|place| (vocab as f32 - place) as u32);
    Ok(tokens.zip(host::<f64>(&best)?).collect())
}

/// A token of every row by its number in [0, 1), as [`Stream::categorical`](crate::rng::Stream::categorical) takes it, and its
/// log-probability before tempering. First the block of the vocabulary is found by the blocks' masses, then the token within it.
///
/// # Shapes
/// `log_probs`: rows × vocabulary; one number per row.
pub(super) fn by_blocks(
    log_probs: &Tensor,
    temperature: f64,
    uniforms: impl Iterator<Item = f64>,
) -> Result<Vec<(u32, f64)>> {
    let (rows, vocab) = log_probs.dims2()?;
    let (blocks, plain) = (vocab.div_ceil(BLOCK), temperature.to_bits() == 1.0_f64.to_bits());
    let in_blocks = |of: &Tensor| {
        let missing = blocks * BLOCK - vocab;
        let of = if missing == 0 {
            of.clone()
        } else {
            let never = Tensor::full(f32::NEG_INFINITY, (rows, missing), of.device())?.to_dtype(of.dtype())?;
            Tensor::cat(&[of, &never], 1)?
        };
        of.reshape((rows * blocks, BLOCK))
    };
    let own = in_blocks(log_probs)?;
    let tempered = if plain { own.clone() } else { in_blocks(&log_softmax(&(log_probs / temperature)?)?)? };
    let masses: Vec<f64> = host(&tempered.exp()?.sum(1)?)?;
    let found: Vec<(usize, f64)> = masses.chunks_exact(blocks).zip(uniforms).map(|(m, u)| walk(m, u)).collect();
    let chosen: Vec<u32> = found.iter().enumerate().map(|(row, (block, _))| (row * blocks + block) as u32).collect();
    let chosen = Tensor::from_vec(chosen, rows, log_probs.device())?;
    let own: Vec<f64> = host(&own.index_select(&chosen, 0)?)?;
    let tempered = if plain { own.clone() } else { host::<f64>(&tempered.index_select(&chosen, 0)?)? };
    let each = found.into_iter().zip(own.chunks_exact(BLOCK).zip(tempered.chunks_exact(BLOCK)));
    let draw = |((block, left), (own, tempered)): ((usize, f64), (&[f64], &[f64]))| {
        let probs: Vec<f64> = tempered.iter().map(|l| l.exp()).collect();
        let (place, _) = walk(&probs, left);
        ((block * BLOCK + place) as u32, own[place])
    };
    Ok(each.map(draw).collect())
}

/// The first place up to which the weights exceed `left`, and what of it is left there; rounding leaves the last place of any weight.
fn walk(weights: &[f64], mut left: f64) -> (usize, f64) {
    let mut last = (0, left);
    for (i, &weight) in weights.iter().enumerate() {
        if weight > 0.0 {
            last = (i, left);
            if left < weight {
                return last;
            }
            left -= weight;
        }
    }
    last
}
