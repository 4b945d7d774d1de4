//! Safetensors files, read tensor by tensor: the header is checked against the file's length before anything else.

use crate::error::{Error, Result};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The format's own limit, in bytes.
const LONGEST_HEADER: u64 = 100_000_000;
/// Numbers that are converted at a time.
const NUMBERS: usize = 1 << 18;

/// An open file and its header.
#[derive(Debug)]
pub(super) struct TensorFile {
    path: PathBuf,
    file: File,
    header: Header,
}

/// What a header says, and where the data begin.
#[derive(Debug)]
pub(super) struct Header {
    metadata: Metadata,
    start: u64,
}

impl Header {
    /// Reads the header of a file of `length` bytes; `path` is for messages.
    pub(super) fn parse(path: &Path, mut reader: impl Read, length: u64) -> Result<Self> {
        let wrong = |message: String| Error::content(path, "header", message);
        let mut size = [0; 8];
        if length < 8 {
            return Err(wrong(format!("the file has {length} bytes, expected at least 8")));
        }
        reader.read_exact(&mut size).map_err(|e| Error::io(path, e))?;
        let size = u64::from_le_bytes(size);
        if size > LONGEST_HEADER.min(length - 8) {
            return Err(wrong(format!("is said to have {size} bytes in a file of {length}")));
        }
        let mut text = vec![0; size as usize];
        reader.read_exact(&mut text).map_err(|e| Error::io(path, e))?;
        let metadata: Metadata = serde_json::from_slice(&text).map_err(|e| wrong(e.to_string()))?;
        let expected = (metadata.data_len() as u64).checked_add(8 + size);
        if expected != Some(length) {
            let message =
                format!("describes {} bytes of data, the file has {}", metadata.data_len(), length - 8 - size);
            return Err(wrong(message));
        }
        Ok(Self { metadata, start: 8 + size })
    }
}

/// The names of the tensors in a safetensors file of `length` bytes, by its header alone; `path` is for messages.
///
/// # Errors
/// A header that is malformed, describes overlapping or missing bytes, or does not fit the file's length.
pub fn tensor_names(path: &Path, reader: impl Read, length: u64) -> Result<Vec<String>> {
    let mut names: Vec<String> = Header::parse(path, reader, length)?.metadata.tensors().into_keys().collect();
    names.sort();
    Ok(names)
}

impl TensorFile {
    /// Opens a file and reads its header.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        let length = file.metadata().map_err(|e| Error::io(path, e))?.len();
        let header = Header::parse(path, &file, length)?;
        Ok(Self { path: path.into(), file, header })
    }

    /// Whether there is a tensor of this name; fails if it has another shape, or is not of floats.
    pub(super) fn has(&self, name: &str, shape: &[usize]) -> Result<bool> {
        let Some(info) = self.header.metadata.info(name) else { return Ok(false) };
        let wrong = |message: String| Err(Error::content(&self.path, name, message));
        if info.shape != shape {
            return wrong(format!("shape {:?}, expected {shape:?}", info.shape));
        }
        if !matches!(info.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16) {
            return wrong(format!("type {:?}, expected F32, F16 or BF16", info.dtype));
        }
        Ok(true)
    }

    /// The tensors' names, in order.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.header.metadata.tensors().into_keys().collect();
        names.sort();
        names
    }

    /// A tensor's numbers in the file's order.
    pub(super) fn floats(&mut self, name: &str) -> Result<Vec<f32>> {
        let missing = || Error::content(&self.path, name, "tensor is missing");
        let TensorInfo { dtype, data_offsets: (from, to), .. } = self.header.metadata.info(name).ok_or_else(missing)?;
        let (dtype, width) = (*dtype, if *dtype == Dtype::F32 { 4 } else { 2 });
        let mut values = Vec::with_capacity((to - from) / width);
        let mut left = to - from;
        let io = |e| Error::io(&self.path, e);
        self.file.seek(SeekFrom::Start(self.header.start + *from as u64)).map_err(io)?;
        let mut buffer = vec![0; left.min(NUMBERS * width)];
        while left > 0 {
            let part = left.min(buffer.len());
            let bytes = &mut buffer[..part];
            self.file.read_exact(bytes).map_err(io)?;
            left -= part;
            let pairs = || bytes.as_chunks::<2>().0.iter();
            match dtype {
                Dtype::F32 => values.extend(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b))),
                Dtype::F16 => values.extend(pairs().map(|b| f16::from_le_bytes(*b).to_f32())),
                _ => values.extend(pairs().map(|b| bf16::from_le_bytes(*b).to_f32())),
            }
        }
        match values.iter().position(|v| !v.is_finite()) {
            None => Ok(values),
            Some(i) => {
                let message = format!("number {i} is {}, expected finite weights", values[i]);
                Err(Error::content(&self.path, name, message))
            }
        }
    }
}
