//! A batch as tensors: rows padded to the longest sequence, positions, and who sees whom.

use crate::lm::batch::{Batch, Side};
use candle_core::{DType, Device, Result, Tensor};

/// A batch padded on one side. A padded row's results are finite and nobody reads them.
#[derive(Clone, Debug)]
pub(super) struct Padded {
    pub(super) sequences: usize,
    pub(super) length: usize,
    /// sequences · length token ids.
    pub(super) tokens: Tensor,
    /// sequences · length positions.
    pub(super) positions: Tensor,
    /// 0 where a query (row) may see a key (column), −∞ elsewhere: length × length, or per sequence,
    /// sequences × 1 × 1 × length × length.
    pub(super) mask: Tensor,
    /// Where every row of the batch lies among the padded ones.
    pub(super) places: Vec<u32>,
}

impl Padded {
    /// The batch on the device; it must not be empty.
    pub(super) fn new(batch: &Batch, side: Side, device: &Device, dtype: DType) -> Result<Self> {
        let (sequences, length) = (batch.sequences(), batch.all_rows().map(|r| r.len()).max().unwrap_or(0));
        let mut tokens = vec![0_u32; sequences * length];
        let mut positions = vec![0_u32; sequences * length];
        let mut places = Vec::with_capacity(batch.tokens().len());
        let mut starts = Vec::with_capacity(sequences);
        for (i, rows) in batch.all_rows().enumerate() {
            let start = if side == Side::Left { length - rows.len() } else { 0 };
            starts.push(start as u32);
            for (p, row) in rows.enumerate() {
                let place = i * length + start + p;
                tokens[place] = batch.tokens()[row];
                positions[place] = p as u32;
                places.push(place as u32);
            }
        }
        Ok(Self {
            sequences,
            length,
            tokens: Tensor::from_vec(tokens, sequences * length, device)?,
            positions: Tensor::from_vec(positions, sequences * length, device)?,
            mask: mask(&starts, length, device, dtype)?,
            places,
        })
    }
}

/// A query sees the keys up to its own, from its sequence's start on; a row before the start sees itself alone.
fn mask(starts: &[u32], length: usize, device: &Device, dtype: DType) -> Result<Tensor> {
    let indices = Tensor::arange(0, length as u32, device)?;
    let (rows, columns) = (indices.reshape((length, 1))?, indices.reshape((1, length))?);
    let causal = columns.broadcast_le(&rows)?;
    let seen = if starts.iter().all(|&s| s == 0) {
        causal
    } else {
        let begun = begun(starts, length, device)?;
        let own = columns.broadcast_eq(&rows)?;
        begun.broadcast_maximum(&own)?.broadcast_mul(&causal)?
    };
    bias(&seen, dtype)
}

/// 1 for the columns from a sequence's start on: sequences × 1 × 1 × 1 × length.
fn begun(starts: &[u32], length: usize, device: &Device) -> Result<Tensor> {
    let columns = Tensor::arange(0, length as u32, device)?.reshape((1, 1, 1, 1, length))?;
    columns.broadcast_ge(&Tensor::from_slice(starts, (starts.len(), 1, 1, 1, 1), device)?)
}

/// The mask of one new token per sequence over `length` columns: everything from the start on.
pub(super) fn step_mask(starts: &[u32], length: usize, device: &Device, dtype: DType) -> Result<Tensor> {
    bias(&begun(starts, length, device)?, dtype)
}

fn bias(seen: &Tensor, dtype: DType) -> Result<Tensor> {
    let zeros = Tensor::zeros(seen.shape(), dtype, seen.device())?;
    let never = Tensor::full(f32::NEG_INFINITY, seen.shape(), seen.device())?.to_dtype(dtype)?;
    seen.where_cond(&zeros, &never)
}
