//! The tokens that have a meaning of their own.

use super::Tokenizer;
use crate::error::{Error, Result};
use crate::lm::sampling::Ends;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Ids of the tokens that begin, end, fill and stand for the unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Special {
    /// Begins a text.
    pub bos: Option<u32>,
    /// Any of them ends a completion.
    pub eos: Vec<u32>,
    /// Fills rows of a batch.
    pub pad: Option<u32>,
    /// Stands for what has no token.
    pub unk: Option<u32>,
}

/// A JSON object; none if there is no such file.
pub(in crate::lm) fn read_optional(path: &Path) -> Result<Option<Value>> {
    match fs::read_to_string(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io(path, e)),
        Ok(text) => match serde_json::from_str(&text) {
            Ok(json @ Value::Object(_)) => Ok(Some(json)),
            Ok(_) => Err(Error::content(path, "JSON", "expected an object")),
            Err(e) => Err(Error::content(path, "JSON", e.to_string())),
        },
    }
}

impl Special {
    /// Each from the first file that has it: `generation_config.json` and `config.json` by id, `tokenizer_config.json` by
    /// name.
    pub(super) fn from_folder(folder: &Path, tokenizer: &Tokenizer) -> Result<Self> {
        let mut files = Vec::new();
        for name in ["generation_config.json", "config.json", "tokenizer_config.json"] {
            let path = folder.join(name);
            if let Some(json) = read_optional(&path)? {
                files.push((path, json));
            }
        }
        let find = |name: &str| {
            let found = files.iter().map(|(path, json)| Self::ids(path, json, name, tokenizer));
            found.into_iter().find(|ids| ids.as_ref().map_or(true, |ids| !ids.is_empty())).unwrap_or(Ok(Vec::new()))
        };
        let one = |name: &str| Ok::<_, Error>(find(name)?.first().copied());
        Ok(Self { bos: one("bos")?, eos: find("eos")?, pad: one("pad")?, unk: one("unk")? })
    }

    /// The ids under `<name>_token_id`, one or a list, or that of the token under `<name>_token`; empty for none.
    fn ids(path: &Path, json: &Value, name: &str, tokenizer: &Tokenizer) -> Result<Vec<u32>> {
        let key = format!("{name}_token_id");
        let values = match &json[&key] {
            Value::Null => &[][..],
            Value::Array(ids) => ids.as_slice(),
            id => std::slice::from_ref(id),
        };
        let id = |value: &Value| {
            let id = value.as_u64().filter(|id| *id < tokenizer.vocab as u64);
            let legal = || format!("{value}, expected a token below the model's {}", tokenizer.vocab);
            id.map(|id| id as u32).ok_or_else(|| Error::content(path, &*key, legal()))
        };
        let mut ids = values.iter().map(id).collect::<Result<Vec<_>>>()?;
        let key = format!("{name}_token");
        let token = json[&key].as_str().or_else(|| json[&key]["content"].as_str());
        if let (true, Some(token)) = (ids.is_empty(), token) {
            let message = || format!("{token:?} is not in the tokeniser's vocabulary");
            ids.push(tokenizer.id(token).ok_or_else(|| Error::content(path, &*key, message()))?);
        }
        Ok(ids)
    }

    /// What ends a completion.
    ///
    /// # Errors
    /// More end tokens than [`Ends::MOST`].
    pub fn ends(&self) -> Result<Ends> {
        Ends::new(&self.eos)
    }

    /// All with their names in config files: (name, first id).
    pub(in crate::lm) fn named(&self) -> impl Iterator<Item = (&'static str, u32)> {
        let all = [("bos", self.bos), ("eos", self.eos.first().copied()), ("pad", self.pad), ("unk", self.unk)];
        all.into_iter().filter_map(|(name, id)| id.map(|id| (name, id)))
    }
}
