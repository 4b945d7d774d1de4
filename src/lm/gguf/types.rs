//! The types of tensors in GGUF files, and their values in f32.

use crate::error::{Error, Result};
use candle_core::CpuStorage;
use candle_core::quantized::GgmlDType;
use half::{bf16, f16};
use std::borrow::Cow;

/// Blocks that are decoded at a time: at most 8 MB of f32.
const BLOCKS: usize = 1 << 13;
/// More than the alignment of any block.
const ALIGNMENT: usize = 16;

/// How a tensor's numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorType(GgmlDType);

impl TensorType {
    /// (number in the file, type).
    pub(super) const ALL: [(u32, Self); 13] = [
        (0, Self(GgmlDType::F32)),
        (1, Self(GgmlDType::F16)),
        (30, Self(GgmlDType::BF16)),
        (2, Self(GgmlDType::Q4_0)),
        (3, Self(GgmlDType::Q4_1)),
        (6, Self(GgmlDType::Q5_0)),
        (7, Self(GgmlDType::Q5_1)),
        (8, Self(GgmlDType::Q8_0)),
        (10, Self(GgmlDType::Q2K)),
        (11, Self(GgmlDType::Q3K)),
        (12, Self(GgmlDType::Q4K)),
        (13, Self(GgmlDType::Q5K)),
        (14, Self(GgmlDType::Q6K)),
    ];

    pub(super) fn from_number(number: u32) -> Option<Self> {
        Self::ALL.iter().find(|(n, _)| *n == number).map(|(_, t)| *t)
    }

    /// Its name in llama.cpp.
    pub fn name(self) -> &'static str {
        match self.0 {
            GgmlDType::F32 => "F32",
            GgmlDType::F16 => "F16",
            GgmlDType::BF16 => "BF16",
            GgmlDType::Q4_0 => "Q4_0",
            GgmlDType::Q4_1 => "Q4_1",
            GgmlDType::Q5_0 => "Q5_0",
            GgmlDType::Q5_1 => "Q5_1",
            GgmlDType::Q8_0 => "Q8_0",
            GgmlDType::Q8_1 => "Q8_1",
            GgmlDType::Q2K => "Q2_K",
            GgmlDType::Q3K => "Q3_K",
            GgmlDType::Q4K => "Q4_K",
            GgmlDType::Q5K => "Q5_K",
            GgmlDType::Q6K => "Q6_K",
            GgmlDType::Q8K => "Q8_K",
        }
    }

    /// Numbers in a block.
    fn block(self) -> usize {
        self.0.block_size()
    }

    /// Bytes of a tensor, or why it cannot have this shape.
    pub(super) fn bytes(self, shape: &[usize]) -> Result<u64, String> {
        let (block, size) = (self.block(), self.0.type_size());
        let row = shape.last().copied().unwrap_or(0);
        if !row.is_multiple_of(block) {
            return Err(format!("rows of {row} numbers, expected a multiple of {}'s {block}", self.name()));
        }
        let numbers = shape.iter().try_fold(1_usize, |all, n| all.checked_mul(*n));
        let bytes = numbers.and_then(|n| (n / block).checked_mul(size));
        bytes.map(|b| b as u64).ok_or_else(|| format!("shape {shape:?} is too large"))
    }

    /// Reads a tensor's numbers, part by part; `fill` reads the next bytes.
    ///
    /// # Shapes
    /// `out`: the tensor's numbers, in whole blocks.
    pub(super) fn read(self, mut fill: impl FnMut(&mut [u8]) -> Result<()>, out: &mut [f32]) -> Result<()> {
        let (block, size) = (self.block(), self.0.type_size());
        let mut buffer = vec![0; BLOCKS.min(out.len() / block) * size + ALIGNMENT];
        // the decoders want blocks at addresses that suit them
        let shift = buffer.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        for values in out.chunks_mut(BLOCKS * block) {
            let bytes = &mut buffer[shift..shift + values.len() / block * size];
            fill(bytes)?;
            self.decode(bytes, values)?;
        }
        Ok(())
    }

    fn decode(self, bytes: &[u8], out: &mut [f32]) -> Result<()> {
        match self.0 {
            GgmlDType::F32 => {
                let values = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b));
                out.iter_mut().zip(values).for_each(|(o, v)| *o = v);
            }
            GgmlDType::F16 => {
                let values = bytes.as_chunks::<2>().0.iter().map(|b| f16::from_le_bytes(*b).to_f32());
                out.iter_mut().zip(values).for_each(|(o, v)| *o = v);
            }
            GgmlDType::BF16 => {
                let values = bytes.as_chunks::<2>().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32());
                out.iter_mut().zip(values).for_each(|(o, v)| *o = v);
            }
            quantised => match quantised.from_data(Cow::Borrowed(bytes)).dequantize(out.len())? {
                CpuStorage::F32(values) => out.copy_from_slice(&values),
                _ => return Err(Error::Device(format!("{} was not decoded to f32", self.name()))),
            },
        }
        Ok(())
    }
}
