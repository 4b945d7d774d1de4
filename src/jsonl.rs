//! Files with one JSON object per line. What is wrong with one is said with its line.

use crate::error::{Error, Result};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

/// What `parse` makes of each line's object; blank lines are left out.
pub(crate) fn read<T>(path: &Path, mut parse: impl FnMut(&Map<String, Value>) -> Result<T, String>) -> Result<Vec<T>> {
    read_numbered(path, |_, line| parse(line))
}

/// The same with each line's number, from 1.
pub(crate) fn read_numbered<T>(
    path: &Path,
    parse: impl FnMut(u64, &Map<String, Value>) -> Result<T, String>,
) -> Result<Vec<T>> {
    read_mended(path, |line| Cow::Borrowed(line), parse)
}

/// The same of lines that others write as JSON although they are not quite: `mend` makes JSON of one.
pub(crate) fn read_mended<T>(
    path: &Path,
    mend: impl Fn(&str) -> Cow<'_, str>,
    mut parse: impl FnMut(u64, &Map<String, Value>) -> Result<T, String>,
) -> Result<Vec<T>> {
    let mut file = BufReader::new(File::open(path).map_err(|e| Error::io(path, e))?);
    let (mut found, mut bytes, mut number) = (Vec::new(), Vec::new(), 0_u64);
    loop {
        bytes.clear();
        number += 1;
        if file.read_until(b'\n', &mut bytes).map_err(|e| Error::io(path, e))? == 0 {
            break;
        }
        let parsed = object(&bytes, number == 1, &mend)
            .and_then(|line| line.as_ref().map(|line| parse(number, line)).transpose());
        match parsed {
            Ok(None) => {}
            Ok(Some(value)) => found.push(value),
            Err(message) => return Err(Error::content(path, format!("line {number}"), message)),
        }
    }
    if found.is_empty() {
        return Err(Error::content(path, "line 1", "the file holds no example"));
    }
    Ok(found)
}

/// Python's `NaN`, `Infinity` and `-Infinity` outside of strings, put into quotes.
pub(crate) fn mend_python(text: &str) -> Cow<'_, str> {
    if !text.contains("NaN") && !text.contains("Infinity") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let (mut inside, mut rest) = (false, text);
    while let Some(c) = rest.chars().next() {
        let word = ["NaN", "Infinity", "-Infinity"].into_iter().find(|w| !inside && rest.starts_with(w));
        if let Some(word) = word {
            out.push('"');
            out.push_str(word);
            out.push('"');
            rest = &rest[word.len()..];
            continue;
        }
        let escaped = inside && c == '\\';
        let taken = if escaped { rest.chars().take(2).map(char::len_utf8).sum() } else { c.len_utf8() };
        out.push_str(&rest[..taken]);
        rest = &rest[taken..];
        if c == '"' {
            inside = !inside;
        }
    }
    Cow::Owned(out)
}

/// A line's object; none on a blank line. A byte-order mark may stand before the first.
fn object(
    bytes: &[u8],
    first: bool,
    mend: &impl Fn(&str) -> Cow<'_, str>,
) -> Result<Option<Map<String, Value>>, String> {
    let text = std::str::from_utf8(bytes).map_err(|e| format!("byte {} is not UTF-8", e.valid_up_to() + 1))?;
    let text = if first { text.trim_start_matches('\u{feff}') } else { text };
    if text.trim().is_empty() {
        return Ok(None);
    }
    let text = mend(text.trim_end());
    match serde_json::from_str(&text) {
        Ok(Fields(map)) => Ok(Some(map)),
        Err(e) if e.is_data() => match serde_json::from_str(&text) {
            Ok(Value::Object(_)) => Err(reason(&e)),
            Ok(other) => Err(format!("{} is not an object", short(&other))),
            Err(e) => Err(not_json(&e)),
        },
        Err(e) => Err(not_json(&e)),
    }
}

fn not_json(error: &serde_json::Error) -> String {
    format!("not JSON at column {}: {}", error.column(), reason(error))
}

/// An object in which no field stands twice: a `Map` alone would keep the last and say nothing.
struct Fields(Map<String, Value>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Fields, A::Error> {
        let mut map = Map::new();
        while let Some((name, value)) = access.next_entry::<String, Value>()? {
            if map.contains_key(&name) {
                return Err(A::Error::custom(format!("the field `{name}` stands twice")));
            }
            map.insert(name, value);
        }
        Ok(Fields(map))
    }
}

/// `serde_json`'s message without its own line number, which counts within our line.
fn reason(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message.split(" at line ").next().unwrap_or_default().to_owned()
}

/// A field that must be there.
pub(crate) fn field<'a>(line: &'a Map<String, Value>, name: &str) -> Result<&'a Value, String> {
    line.get(name).ok_or_else(|| {
        let known: Vec<&str> = line.keys().map(|k| &**k).collect();
        format!("no field `{name}` among {known:?}")
    })
}

/// A value as it stands in the file, cut to what fits in a message.
pub(crate) fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Writes one line per value, so that an interrupted write leaves no half file.
pub(crate) fn write<T: Serialize>(path: &Path, lines: &[T]) -> Result<()> {
    let mut file = Writer::new(path)?;
    lines.iter().try_for_each(|line| file.write(line))?;
    file.finish()
}

/// Writes lines as they come, beside the file that they become when they are all there.
pub(crate) struct Writer<'a> {
    path: &'a Path,
    partial: PathBuf,
    file: BufWriter<File>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(path: &'a Path) -> Result<Self> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = BufWriter::new(File::create(&partial).map_err(|e| Error::io(&partial, e))?);
        Ok(Self { path, partial, file })
    }

    /// A line, which is in the file when this returns.
    pub(crate) fn write<T: Serialize>(&mut self, line: &T) -> Result<()> {
        let io = |e: std::io::Error| Error::io(&self.partial, e);
        serde_json::to_writer(&mut self.file, line).map_err(|e| io(e.into()))?;
        self.file.write_all(b"\n").and_then(|()| self.file.flush()).map_err(io)
    }

    /// All lines are there.
    pub(crate) fn finish(self) -> Result<()> {
        let io = |e: std::io::Error| Error::io(self.path, e);
        self.file.into_inner().map_err(|e| io(e.into_error()))?.sync_all().map_err(io)?;
        std::fs::rename(&self.partial, self.path).map_err(io)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_python_writes_is_mended_outside_of_strings() {
        let text = r#"{"a": NaN, "b\"NaN": "Infinity NaN", "c": [-Infinity, Infinity]}"#;
        let value: Value = serde_json::from_str(&mend_python(text)).expect("JSON");
        assert_eq!(value["a"], "NaN");
        assert_eq!(value["b\"NaN"], "Infinity NaN");
        assert_eq!(value["c"][0], "-Infinity");
        assert!(matches!(mend_python("{\"a\": 1}"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_line_is_an_object_whose_fields_stand_once() {
        let of = |line: &str| object(line.as_bytes(), false, &|text| Cow::Borrowed(text));
        assert_eq!(of("{\"a\": [1], \"b\": {\"a\": 2}}").expect("an object").map(|map| map.len()), Some(2));
        for (line, message) in [
            ("{\"a\": 1, \"b\": 2, \"a\": 1}", "the field `a` stands twice"),
            ("[1]", "[1] is not an object"),
            ("7", "7 is not an object"),
        ] {
            assert_eq!(of(line).expect_err(line), message);
        }
        // what is no JSON at all is said with its place
        assert!(of("[1").expect_err("half").starts_with("not JSON at column 2: "));
        assert!(of("{\"a\": 1} x").expect_err("more").starts_with("not JSON at column 10: "));
    }
}
