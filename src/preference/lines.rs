//! Lines of the files that models are trained on, scored with and asked with, in TRL's shapes.

use super::jsonl::{not_empty, pair, text, texts};
use super::{Message, Pair, Text};
use crate::error::{Error, Result};
use crate::jsonl::{read_numbered, short};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// What a line is, by the fields that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `{"text"}`: a whole text.
    Whole(String),
    /// `{"prompt", "completion"}`.
    Completion {
        /// What is given.
        prompt: Text,
        /// What follows.
        completion: Text,
    },
    /// `{"messages"}`: a whole conversation.
    Conversation(Vec<Message>),
    /// `{"chosen", "rejected"}`, with or without `prompt`.
    Pair(Pair),
    /// `{"prompt"}`: what is to be completed.
    Prompt(Text),
}

impl Shape {
    /// The names of its fields, for messages.
    pub fn fields(&self) -> &'static str {
        match self {
            Self::Whole(_) => "text",
            Self::Completion { .. } => "prompt and completion",
            Self::Conversation(_) => "messages",
            Self::Pair(_) => "chosen and rejected",
            Self::Prompt(_) => "prompt alone",
        }
    }
}

/// A line of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its number in the file, from 1.
    pub number: u64,
    /// What is trained on.
    pub shape: Shape,
    /// The fields that are no part of the shape: answers for verifiers, labels, notes.
    pub fields: Map<String, Value>,
}

/// The lines of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Lines {
    /// The file.
    pub path: PathBuf,
    /// At least one.
    pub lines: Vec<Line>,
}

impl Lines {
    /// An error that names the file and a line.
    pub fn wrong(&self, line: &Line, message: impl Into<String>) -> Error {
        Error::content(&self.path, format!("line {}", line.number), message)
    }

    /// A line's shape is not what is needed.
    pub fn misshapen(&self, line: &Line, needed: &str) -> Error {
        self.wrong(line, format!("has {}, expected {needed}", line.shape.fields()))
    }
}

/// The lines of a file, whatever their shapes.
///
/// # Errors
/// With path and line: no JSON object, text that is not UTF-8, fields of no known shape or of another type, an empty prompt, completion or
/// text, a pair that prefers nothing. A file without lines.
pub fn read_lines(path: &Path) -> Result<Lines> {
    let lines = read_numbered(path, |number, line| {
        let mut fields = line.clone();
        let shape = shape(&mut fields)?;
        Ok(Line { number, shape, fields })
    })?;
    Ok(Lines { path: path.into(), lines })
}

/// Takes the fields of a shape out of a line.
fn shape(fields: &mut Map<String, Value>) -> Result<Shape, String> {
    let has = |name: &str| fields.contains_key(name);
    if has("chosen") || has("rejected") {
        let pair = pair(fields)?;
        fields.retain(|name, _| !["prompt", "chosen", "rejected"].contains(&name.as_str()));
        return Ok(Shape::Pair(pair));
    }
    if has("prompt") && has("completion") {
        let [prompt, completion] = texts(fields, ["prompt", "completion"])?;
        not_empty("completion", &completion)?;
        fields.retain(|name, _| !["prompt", "completion"].contains(&name.as_str()));
        return Ok(Shape::Completion { prompt, completion });
    }
    if let Some(value) = fields.remove("prompt") {
        let prompt = text("prompt", &value)?;
        if prompt.content().trim().is_empty() {
            return Err("`prompt` is empty".into());
        }
        return Ok(Shape::Prompt(prompt));
    }
    if let Some(value) = fields.remove("messages") {
        return match text("messages", &value)? {
            Text::Messages(messages) if !messages.is_empty() => Ok(Shape::Conversation(messages)),
            _ => Err(format!("`messages` is {}: it must be a list of messages", short(&value))),
        };
    }
    match fields.remove("text") {
        Some(Value::String(text)) if !text.is_empty() => Ok(Shape::Whole(text)),
        Some(other) => Err(format!("`text` is {}: it must be a string that is not empty", short(&other))),
        None => {
            let known: Vec<&str> = fields.keys().map(|k| &**k).collect();
            Err(format!("no field `prompt`, `chosen`, `messages` or `text` among {known:?}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &str) -> Result<Vec<Line>> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("data.jsonl");
        std::fs::write(&path, content).expect("writable");
        read_lines(&path).map(|lines| lines.lines)
    }

    #[test]
    fn every_shape_is_known_by_its_fields() {
        let lines = read(
            "{\"text\": \"a\"}\n\n{\"prompt\": \"a\", \"completion\": \"b\", \"label\": true}\n\
             {\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}\n{\"chosen\": \"a b\", \"rejected\": \"a c\"}\n\
             {\"prompt\": [{\"role\": \"user\", \"content\": \"a\"}], \"answer\": 3}\n",
        );
        let lines = lines.expect("readable");
        let numbers: Vec<u64> = lines.iter().map(|l| l.number).collect();
        assert_eq!(numbers, [1, 3, 4, 5, 6]);
        let kinds: Vec<&str> = lines.iter().map(|l| l.shape.fields()).collect();
        assert_eq!(kinds, ["text", "prompt and completion", "messages", "chosen and rejected", "prompt alone"]);
        let left: Vec<usize> = lines.iter().map(|l| l.fields.len()).collect();
        assert_eq!(left, [0, 1, 0, 0, 1]);
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        for (line, message) in [
            ("{\"a\": 1}", "no field `prompt`, `chosen`, `messages` or `text` among [\"a\"]"),
            ("{\"text\": \"\"}", "`text` is \"\": it must be a string that is not empty"),
            ("{\"messages\": []}", "`messages` is []: it must be a list of messages"),
            ("{\"messages\": \"hi\"}", "`messages` is \"hi\": it must be a list of messages"),
            ("{\"prompt\": \" \"}", "`prompt` is empty"),
            ("{\"prompt\": \"a\", \"completion\": \"\"}", "`completion` is empty"),
            ("{\"chosen\": \"a\"}", "no field `rejected` among [\"chosen\"]"),
        ] {
            let said = read(&format!("{{\"text\": \"x\"}}\n{line}")).expect_err(line).to_string();
            assert!(said.ends_with(&format!("data.jsonl, line 2: {message}")), "{said}");
        }
    }
}
