//! A model's chat template: the text of a conversation as the model was trained to see it.

use crate::error::{Error, Result};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, ErrorKind, Value};
use serde::{Deserialize, Serialize};
use serde_json::ser::{Formatter, Serializer};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Steps that a template may take; a thousand messages need a hundredth of it.
const FUEL: u64 = 10_000_000;
const NAME: &str = "chat_template";

/// A turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user`, `assistant`, …
    pub role: String,
    /// What is said.
    pub content: String,
}

impl Message {
    /// A turn of the user.
    pub fn user(content: impl Into<String>) -> Self {
        Self { role: "user".into(), content: content.into() }
    }

    /// A turn of the model.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self { role: "assistant".into(), content: content.into() }
    }

    /// The instructions before the first turn.
    pub fn system(content: impl Into<String>) -> Self {
        Self { role: "system".into(), content: content.into() }
    }
}

/// A template in Jinja's language with the surroundings that Hugging Face's Transformers give it: `messages`,
/// `add_generation_prompt`, `raise_exception`, `tojson`, the special tokens' names, no clock.
#[derive(Clone, Debug)]
pub struct ChatTemplate {
    path: PathBuf,
    source: String,
    tokens: BTreeMap<String, String>,
}

impl ChatTemplate {
    /// Checks a template; `tokens` are the values of `bos_token`, `eos_token` and the like, `path` is for messages.
    ///
    /// # Errors
    /// A template that is not Jinja.
    pub fn new(path: &Path, source: String, tokens: BTreeMap<String, String>) -> Result<Self> {
        let template = Self { path: path.into(), source, tokens };
        environment().template_from_named_str(NAME, &template.source).map_err(|e| template.wrong(&e))?;
        Ok(template)
    }

    /// The template itself.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The text of a conversation; with `open` it ends where the model's next turn begins.
    ///
    /// # Errors
    /// Whatever the template refuses: roles that do not alternate, a role that it does not know.
    pub fn render(&self, messages: &[Message], open: bool) -> Result<String> {
        let environment = environment();
        let template = environment.template_from_named_str(NAME, &self.source).map_err(|e| self.wrong(&e))?;
        let turn = |m: &Message| Value::from_pairs([("role", m.role.as_str()), ("content", m.content.as_str())]);
        let mut values = vec![
            ("messages", messages.iter().map(turn).collect::<Value>()),
            ("add_generation_prompt", Value::from(open)),
        ];
        values.extend(self.tokens.iter().map(|(name, token)| (name.as_str(), Value::from(token.as_str()))));
        let values = Value::from_pairs(values);
        template.render(values).map_err(|e| self.wrong(&e))
    }

    /// The text of a conversation up to a reply, and that of the reply with what the template puts behind it.
    ///
    /// # Errors
    /// As [`ChatTemplate::render`]; a template under which a conversation does not go on as it began.
    pub fn render_reply(&self, messages: &[Message], reply: &[Message]) -> Result<(String, String)> {
        let before = self.render(messages, true)?;
        let whole = self.render(&[messages, reply].concat(), false)?;
        let Some(rest) = whole.strip_prefix(&before) else {
            let message = "a conversation with a reply does not begin as the one that waits for it";
            return Err(Error::content(&self.path, NAME, message));
        };
        Ok((before.clone(), rest.to_owned()))
    }

    fn wrong(&self, error: &minijinja::Error) -> Error {
        Error::content(&self.path, NAME, error.to_string().lines().next().unwrap_or("unknown error").to_owned())
    }
}

/// What Transformers offers to a template.
fn environment<'a>() -> Environment<'a> {
    let mut environment = Environment::new();
    // two switches without delimiters cannot clash
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        environment.set_syntax(syntax);
    }
    environment.set_fuel(Some(FUEL));
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_function("raise_exception", |message: String| -> Result<Value, minijinja::Error> {
        Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
    });
    environment.add_filter("tojson", |value: Value| -> Result<Value, minijinja::Error> {
        let mut bytes = Vec::new();
        let mut serializer = Serializer::with_formatter(&mut bytes, Python);
        let failed = |e: String| minijinja::Error::new(ErrorKind::BadSerialization, e);
        value.serialize(&mut serializer).map_err(|e| failed(e.to_string()))?;
        Ok(Value::from_safe_string(String::from_utf8(bytes).map_err(|e| failed(e.to_string()))?))
    });
    environment
}

/// JSON with the spaces of Python's `json.dumps`.
struct Python;

impl Formatter for Python {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}
