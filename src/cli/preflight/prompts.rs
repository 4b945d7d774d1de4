//! The prompts' file.

use crate::error::Result;
use crate::jsonl::{self, field, short};
use crate::lm::Message;
use serde_json::{Map, Value};
use std::path::Path;

/// One line of the file.
#[derive(Clone, Debug)]
pub(super) struct Prompt {
    /// The turns, or one turn of the user.
    pub(super) messages: Vec<Message>,
    /// As rewards and readers see it: plain text, or the turns' contents, a line break between them.
    pub(super) text: String,
    /// The line's other fields.
    pub(super) fields: Map<String, Value>,
    /// As the model reads it.
    pub(super) tokens: Vec<u32>,
}

/// # Errors
/// With path and line: no JSON object, no `prompt`, one that is neither text nor messages, or empty.
pub(super) fn read(path: &Path) -> Result<Vec<Prompt>> {
    jsonl::read(path, |line| {
        let prompt = field(line, "prompt")?;
        let messages = match prompt {
            Value::String(text) => vec![Message::user(text.as_str())],
            Value::Array(list) => list.iter().map(message).collect::<Result<Vec<_>, String>>()?,
            other => return Err(format!("`prompt` is {}: it must be a string or a list of messages", short(other))),
        };
        let text = messages.iter().map(|m| m.content.as_str()).collect::<Vec<_>>().join("\n");
        if text.trim().is_empty() {
            return Err("`prompt` is empty".into());
        }
        let mut fields = line.clone();
        fields.remove("prompt");
        Ok(Prompt { messages, text, fields, tokens: Vec::new() })
    })
}

fn message(value: &Value) -> Result<Message, String> {
    let part = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let wrong = || format!("`prompt` holds {}: no message with role and content", short(value));
    let (role, content) = part("role").zip(part("content")).ok_or_else(wrong)?;
    Ok(Message { role, content })
}
