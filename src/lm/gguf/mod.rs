//! GGUF model files (llama.cpp's format, versions 2 and 3), read into flat f32 weights.
//!
//! The format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>. The header's parser is ours, so that no file makes
//! it panic or allocate more than a few times the file's size; blocks of quantised numbers are decoded by candle.

mod header;
mod model;
mod types;

pub use types::TensorType;

use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A value of the metadata.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Any integer type.
    Whole(i64),
    /// 32 or 64 bits.
    Float(f64),
    /// A boolean.
    Flag(bool),
    /// A string.
    Text(String),
    /// An array of integers.
    Wholes(Vec<i64>),
    /// An array of floats.
    Floats(Vec<f64>),
    /// An array of booleans.
    Flags(Vec<bool>),
    /// An array of strings.
    Texts(Vec<String>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(v) => write!(f, "{v}"),
            Self::Float(v) => write!(f, "{v}"),
            Self::Flag(v) => write!(f, "{v}"),
            Self::Text(v) => write!(f, "{:?}", v.chars().take(80).collect::<String>()),
            Self::Wholes(v) => write!(f, "an array of {} integers", v.len()),
            Self::Floats(v) => write!(f, "an array of {} floats", v.len()),
            Self::Flags(v) => write!(f, "an array of {} booleans", v.len()),
            Self::Texts(v) => write!(f, "an array of {} strings", v.len()),
        }
    }
}

/// A tensor's place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Rows before columns: `out × in` for a linear map.
    pub shape: Vec<usize>,
    /// How its numbers are stored.
    pub kind: TensorType,
    /// From the start of the file, in bytes.
    pub offset: u64,
    /// Its length in bytes.
    pub bytes: u64,
}

/// The header of a GGUF file: metadata and the table of tensors.
#[derive(Debug)]
pub struct Gguf {
    path: PathBuf,
    metadata: BTreeMap<String, Value>,
    tensors: BTreeMap<String, TensorInfo>,
}

impl Gguf {
    /// Reads a file's header.
    ///
    /// # Errors
    /// A file that cannot be read, or is not GGUF of version 2 or 3; any length or offset beyond the file.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        let length = file.metadata().map_err(|e| Error::io(path, e))?.len();
        Self::parse(path, BufReader::new(file), length)
    }

    /// Reads the header of a file of `length` bytes; `path` is for messages and for [`Gguf::read_weights`].
    ///
    /// # Errors
    /// As [`Gguf::open`].
    pub fn parse(path: &Path, reader: impl Read, length: u64) -> Result<Self> {
        let header::Header { metadata, tensors } = header::parse(path, reader, length)?;
        Ok(Self { path: path.into(), metadata, tensors })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All metadata.
    pub fn metadata(&self) -> &BTreeMap<String, Value> {
        &self.metadata
    }

    /// All tensors.
    pub fn tensors(&self) -> &BTreeMap<String, TensorInfo> {
        &self.tensors
    }

    /// A tensor's numbers.
    ///
    /// # Errors
    /// A tensor that is not there; a file that cannot be read.
    pub fn floats(&self, name: &str) -> Result<Vec<f32>> {
        let info = self.tensors.get(name).ok_or_else(|| Error::content(&self.path, name, "tensor is missing"))?;
        let mut values = vec![0.0; info.shape.iter().product()];
        let mut file = File::open(&self.path).map_err(|e| Error::io(&self.path, e))?;
        self.fill(&mut file, info, &mut values)?;
        Ok(values)
    }

    fn fill(&self, file: &mut File, info: &TensorInfo, values: &mut [f32]) -> Result<()> {
        file.seek(SeekFrom::Start(info.offset)).map_err(|e| Error::io(&self.path, e))?;
        info.kind.read(|bytes| file.read_exact(bytes).map_err(|e| Error::io(&self.path, e)), values)
    }

    /// An error about a key that is missing or of the wrong kind.
    pub(crate) fn wrong(&self, key: &str, expected: &str) -> Error {
        let value = self.metadata.get(key).map_or_else(|| "missing".to_owned(), Value::to_string);
        Error::content(&self.path, key, format!("{value}, expected {expected}"))
    }

    /// A value of one kind, if the key is there.
    fn value<'a, T>(&'a self, key: &str, expected: &str, of: impl Fn(&'a Value) -> Option<T>) -> Result<Option<T>> {
        self.metadata.get(key).map(|v| of(v).ok_or_else(|| self.wrong(key, expected))).transpose()
    }

    pub(crate) fn text(&self, key: &str) -> Result<Option<&str>> {
        self.value(key, "a string", |v| if let Value::Text(t) = v { Some(t.as_str()) } else { None })
    }

    pub(crate) fn texts(&self, key: &str) -> Result<Option<&[String]>> {
        self.value(key, "an array of strings", |v| if let Value::Texts(t) = v { Some(t.as_slice()) } else { None })
    }

    pub(crate) fn wholes(&self, key: &str) -> Result<Option<&[i64]>> {
        self.value(key, "an array of integers", |v| if let Value::Wholes(n) = v { Some(n.as_slice()) } else { None })
    }

    pub(crate) fn size(&self, key: &str) -> Result<Option<usize>> {
        self.value(key, "a whole number", |v| if let Value::Whole(n) = v { usize::try_from(*n).ok() } else { None })
    }

    pub(crate) fn number(&self, key: &str) -> Result<Option<f64>> {
        self.value(key, "a number", |v| match v {
            Value::Float(x) => Some(*x),
            Value::Whole(n) => Some(*n as f64),
            _ => None,
        })
    }

    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>> {
        self.value(key, "true or false", |v| if let Value::Flag(b) = v { Some(*b) } else { None })
    }
}
