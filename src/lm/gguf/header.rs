//! The header of a GGUF file: metadata and the table of tensors. Every length is checked against the bytes that are left
//! before anything of that length is allocated.

use super::types::TensorType;
use super::{TensorInfo, Value};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// Longest metadata and table of tensors; a vocabulary of 256 thousand tokens with its merges needs a quarter of it.
const LONGEST_HEADER: u64 = 1 << 26;
/// Bytes of a name; the format allows tensors 64 and keys 65535.
const LONGEST_NAME: usize = 256;
/// Most keys, and most tensors.
const MOST_ENTRIES: u64 = 1 << 16;
/// Tensors start at multiples of this, unless `general.alignment` says otherwise.
const ALIGNMENT: u64 = 32;

/// What a header says.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) metadata: BTreeMap<String, Value>,
    pub(super) tensors: BTreeMap<String, TensorInfo>,
}

/// Reads numbers and strings, and counts the bytes that are left.
struct Cursor<'a, R> {
    path: &'a Path,
    reader: R,
    at: u64,
    /// Bytes that the header may still have: of the file, and of [`LONGEST_HEADER`].
    left: u64,
    /// What is being read, for messages.
    place: String,
}

impl<R: Read> Cursor<'_, R> {
    fn wrong(&self, message: impl Into<String>) -> Error {
        Error::content(self.path, &self.place, message.into())
    }

    /// Fails unless that many bytes are left.
    fn need(&self, bytes: u64) -> Result<()> {
        if bytes > self.left {
            let Self { at, left, .. } = self;
            return Err(self.wrong(format!("needs {bytes} bytes at offset {at}, but the header has {left} left")));
        }
        Ok(())
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.need(N as u64)?;
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes).map_err(|e| Error::io(self.path, e))?;
        self.at += N as u64;
        self.left -= N as u64;
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    fn text(&mut self) -> Result<String> {
        let length = self.u64()?;
        self.need(length)?;
        let mut bytes = vec![0; length as usize];
        self.reader.read_exact(&mut bytes).map_err(|e| Error::io(self.path, e))?;
        self.at += length;
        self.left -= length;
        String::from_utf8(bytes).map_err(|e| self.wrong(format!("text is not UTF-8: {e}")))
    }

    /// A key's or a tensor's name: short, and on one line.
    fn name(&mut self) -> Result<String> {
        let name = self.text()?;
        if name.len() > LONGEST_NAME || name.contains(char::is_control) {
            let start: String = name.chars().take(40).collect();
            return Err(self.wrong(format!("a name of {} bytes that begins {start:?}", name.len())));
        }
        Ok(name)
    }

    fn count(&mut self, what: &str, most: u64) -> Result<u64> {
        let count = self.u64()?;
        if count > most {
            return Err(self.wrong(format!("{count} {what}, expected at most {most}")));
        }
        Ok(count)
    }

    fn whole(&mut self, kind: u32) -> Result<i64> {
        Ok(match kind {
            0 => i64::from(u8::from_le_bytes(self.bytes()?)),
            1 => i64::from(i8::from_le_bytes(self.bytes()?)),
            2 => i64::from(u16::from_le_bytes(self.bytes()?)),
            3 => i64::from(i16::from_le_bytes(self.bytes()?)),
            4 => i64::from(self.u32()?),
            5 => i64::from(i32::from_le_bytes(self.bytes()?)),
            11 => i64::from_le_bytes(self.bytes()?),
            _ => {
                let value = self.u64()?;
                i64::try_from(value).map_err(|_| self.wrong(format!("{value} is above 2^63")))?
            }
        })
    }

    fn float(&mut self, kind: u32) -> Result<f64> {
        if kind == 6 { Ok(f64::from(f32::from_le_bytes(self.bytes()?))) } else { Ok(f64::from_le_bytes(self.bytes()?)) }
    }

    fn flag(&mut self) -> Result<bool> {
        match self.bytes::<1>()?[0] {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.wrong(format!("{other}, expected 0 or 1 for a boolean"))),
        }
    }

    fn value(&mut self) -> Result<Value> {
        let kind = self.u32()?;
        Ok(match kind {
            0..=5 | 10 | 11 => Value::Whole(self.whole(kind)?),
            6 | 12 => Value::Float(self.float(kind)?),
            7 => Value::Flag(self.flag()?),
            8 => Value::Text(self.text()?),
            9 => return self.array(),
            other => return Err(self.wrong(format!("value of type {other}, expected 0 to 12"))),
        })
    }

    fn array(&mut self) -> Result<Value> {
        let kind = self.u32()?;
        let smallest = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            8 | 10..=12 => 8,
            9 => return Err(self.wrong("an array of arrays")),
            other => return Err(self.wrong(format!("array of type {other}, expected 0 to 12"))),
        };
        let count = self.u64()?;
        self.need(count.saturating_mul(smallest))?;
        Ok(match kind {
            6 | 12 => Value::Floats((0..count).map(|_| self.float(kind)).collect::<Result<_>>()?),
            7 => Value::Flags((0..count).map(|_| self.flag()).collect::<Result<_>>()?),
            8 => Value::Texts((0..count).map(|_| self.text()).collect::<Result<_>>()?),
            _ => Value::Wholes((0..count).map(|_| self.whole(kind)).collect::<Result<_>>()?),
        })
    }

    /// One line of the table: (name, tensor with an offset from the start of the data).
    fn tensor(&mut self) -> Result<(String, TensorInfo)> {
        let name = self.name()?;
        self.place.clone_from(&name);
        let dimensions = self.u32()?;
        if !(1..=4).contains(&dimensions) {
            return Err(self.wrong(format!("{dimensions} dimensions, expected 1 to 4")));
        }
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            let size = self.u64()?;
            shape.push(usize::try_from(size).map_err(|_| self.wrong(format!("dimension {size} is too large")))?);
        }
        // the file lists the fastest first
        shape.reverse();
        let kind = self.u32()?;
        let kind = TensorType::from_number(kind).ok_or_else(|| {
            let known = TensorType::ALL.map(|(_, t)| t.name()).join(", ");
            self.wrong(format!("tensor of type {kind}, expected one of {known}"))
        })?;
        let offset = self.u64()?;
        let bytes = kind.bytes(&shape).map_err(|message| self.wrong(message))?;
        Ok((name, TensorInfo { shape, kind, offset, bytes }))
    }
}

/// Reads a header from a file of `length` bytes; `path` is for messages.
pub(super) fn parse(path: &Path, reader: impl Read, length: u64) -> Result<Header> {
    let left = length.min(LONGEST_HEADER);
    let mut cursor = Cursor { path, reader, at: 0, left, place: "header".into() };
    let magic = cursor.bytes::<4>()?;
    if magic != *b"GGUF" {
        return Err(cursor.wrong(format!("starts with {:?}, expected \"GGUF\"", String::from_utf8_lossy(&magic))));
    }
    match cursor.u32()? {
        2 | 3 => {}
        version if matches!(version.swap_bytes(), 2 | 3) => return Err(cursor.wrong("a big-endian file")),
        version => return Err(cursor.wrong(format!("version {version}, expected 2 or 3"))),
    }
    let tensor_count = cursor.count("tensors", MOST_ENTRIES)?;
    let key_count = cursor.count("keys", MOST_ENTRIES)?;
    let mut metadata = BTreeMap::new();
    for i in 0..key_count {
        cursor.place = format!("key {i}");
        let key = cursor.name()?;
        cursor.place.clone_from(&key);
        let value = cursor.value()?;
        if metadata.insert(key, value).is_some() {
            return Err(cursor.wrong("the key is there twice"));
        }
    }
    let mut tensors = BTreeMap::new();
    for i in 0..tensor_count {
        cursor.place = format!("tensor {i}");
        let (name, info) = cursor.tensor()?;
        if tensors.insert(name, info).is_some() {
            return Err(cursor.wrong("the tensor is there twice"));
        }
    }
    let start = data_start(&cursor, &metadata)?;
    for (name, info) in &mut tensors {
        let end = start.checked_add(info.offset).and_then(|at| at.checked_add(info.bytes));
        match end {
            Some(end) if end <= length => info.offset += start,
            _ => {
                let TensorInfo { bytes, offset, .. } = info;
                let message = format!(
                    "{bytes} bytes at {offset} of the data, which starts at {start}: beyond the file's {length} bytes"
                );
                return Err(Error::content(path, name, message));
            }
        }
    }
    Ok(Header { metadata, tensors })
}

/// The offset at which tensors begin: the header's end, rounded up.
fn data_start<R: Read>(cursor: &Cursor<R>, metadata: &BTreeMap<String, Value>) -> Result<u64> {
    const KEY: &str = "general.alignment";
    let alignment = match metadata.get(KEY) {
        None => ALIGNMENT,
        Some(Value::Whole(n)) if (1..=1 << 20).contains(n) => *n as u64,
        Some(other) => {
            return Err(Error::content(cursor.path, KEY, format!("{other}, expected 1 to 2^20")));
        }
    };
    Ok(cursor.at.next_multiple_of(alignment))
}
