//! A model's own tokeniser: from `tokenizer.json`, from the metadata of a GGUF file, of given words, or learned from text.

mod gguf;
mod special;
mod train;
mod words;

pub use special::Special;
pub(super) use special::read_optional;

use super::gguf::Gguf;
use crate::error::{Error, Result};
use serde_json::Value;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Text to token ids and back, as the model was trained with.
#[derive(Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// Where it came from, for messages.
    path: PathBuf,
    vocab: usize,
    special: Special,
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, vocab, special, .. } = self;
        f.debug_struct("Tokenizer").field("path", path).field("vocab", vocab).field("special", special).finish()
    }
}

impl Tokenizer {
    /// Reads `tokenizer.json` of a Hugging Face folder, and the special tokens that `generation_config.json`,
    /// `config.json` and `tokenizer_config.json` name, in this order. `vocab` is the model's number of tokens; it may be
    /// larger than the tokeniser's (rows that only pad the embedding).
    ///
    /// # Errors
    /// A file that is missing (the last three may be) or malformed; a token at or above `vocab`.
    pub fn from_folder(folder: &Path, vocab: usize) -> Result<Self> {
        let path = folder.join("tokenizer.json");
        let text = fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
        let mut tokenizer = Self::from_json(&path, &text, vocab)?;
        tokenizer.special = Special::from_folder(folder, &tokenizer)?;
        Ok(tokenizer)
    }

    /// Reads the text of a `tokenizer.json`, without special tokens; `path` is for messages.
    ///
    /// # Errors
    /// Malformed text; a token at or above `vocab`, the model's number of tokens.
    pub fn from_json(path: &Path, text: &str, vocab: usize) -> Result<Self> {
        let json = serde_json::from_str(text).map_err(|e| Error::content(path, "JSON", e.to_string()))?;
        Self::from_value(path, &json, vocab)
    }

    fn from_value(path: &Path, json: &Value, vocab: usize) -> Result<Self> {
        // the library panics on text that is not JSON and on templates with unknown tokens: it sees only what was checked
        check_templates(path, &json["post_processor"])?;
        let inner = tokenizers::Tokenizer::from_bytes(json.to_string());
        let mut inner = inner.map_err(|e| Error::content(path, "tokenizer", one_line(e)))?;
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|e| Error::content(path, "truncation", one_line(e)))?;
        let all = inner.get_vocab(true);
        if let Some((token, id)) = all.into_iter().filter(|(_, id)| *id as usize >= vocab).min_by_key(|(_, id)| *id) {
            let message = format!("{token:?} has id {id}, but the model has {vocab} tokens");
            return Err(Error::content(path, "vocabulary", message));
        }
        Ok(Self { inner, path: path.into(), vocab, special: Special::default() })
    }

    /// The tokeniser in a GGUF file's metadata: byte-level BPE (`tokenizer.ggml.model` = `gpt2`) whose pre-tokeniser
    /// (`tokenizer.ggml.pre`) is known: gpt-2, smollm, qwen2, llama-bpe, olmo.
    ///
    /// # Errors
    /// Another kind of tokeniser; missing or malformed metadata; as many tokens as `vocab` are needed.
    pub fn from_gguf(file: &Gguf, vocab: usize) -> Result<Self> {
        gguf::read(file, vocab)
    }

    /// The ids of a text, with the tokens that the tokeniser puts around every text (none, or a beginning). The names of
    /// special tokens in the text become those tokens.
    ///
    /// # Errors
    /// Whatever the tokeniser refuses.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        self.ids(text, true)
    }

    /// The ids of a text and no others: for the output of a chat template, or a text's continuation.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_part(&self, text: &str) -> Result<Vec<u32>> {
        self.ids(text, false)
    }

    fn ids(&self, text: &str, around: bool) -> Result<Vec<u32>> {
        let encoding = self.inner.encode_fast(text, around);
        let encoding = encoding.map_err(|e| Error::content(&self.path, "encoding", one_line(e)))?;
        match encoding.get_ids().iter().find(|id| **id as usize >= self.vocab) {
            None => Ok(encoding.get_ids().to_vec()),
            Some(id) => {
                let message = format!("gives token {id}, but the model has {} tokens", self.vocab);
                Err(Error::content(&self.path, "post_processor", message))
            }
        }
    }

    /// The text of ids, special tokens left out.
    ///
    /// # Errors
    /// An id at or above [`Tokenizer::vocab`].
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.text(ids, true)
    }

    /// The text of ids, special tokens by their names.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn decode_all(&self, ids: &[u32]) -> Result<String> {
        self.text(ids, false)
    }

    fn text(&self, ids: &[u32], skip: bool) -> Result<String> {
        if let Some(id) = ids.iter().find(|id| **id as usize >= self.vocab) {
            return Err(Error::parameter("token", id, format!("below the {} tokens of the vocabulary", self.vocab)));
        }
        self.inner.decode(ids, skip).map_err(|e| Error::content(&self.path, "decoding", one_line(e)))
    }

    /// The id of a token, by its name in the vocabulary.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// A token's name in the vocabulary; none for an id that only pads the embedding.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The model's number of tokens.
    pub fn vocab(&self) -> usize {
        self.vocab
    }

    /// The tokens with a meaning of their own.
    pub fn special(&self) -> &Special {
        &self.special
    }

    /// The text of a `tokenizer.json`.
    ///
    /// # Errors
    /// Never for a tokeniser that was read.
    pub fn to_json(&self) -> Result<String> {
        self.inner.to_string(false).map_err(|e| Error::content(&self.path, "tokenizer", one_line(e)))
    }
}

/// Fails unless the tokens that templates put around a text are in their tables.
fn check_templates(path: &Path, processor: &Value) -> Result<()> {
    let wrong = |message: String| Err(Error::content(path, "post_processor", message));
    for inner in processor["processors"].as_array().into_iter().flatten() {
        check_templates(path, inner)?;
    }
    if processor["type"] != "TemplateProcessing" {
        return Ok(());
    }
    for form in ["single", "pair"] {
        let Some(pieces) = processor[form].as_array() else {
            return wrong(format!("{form} is not an array"));
        };
        for name in pieces.iter().filter_map(|piece| piece["SpecialToken"]["id"].as_str()) {
            if processor["special_tokens"].get(name).is_none_or(|token| token["id"] != name) {
                return wrong(format!("{form} has {name:?}, which is not in special_tokens"));
            }
        }
    }
    Ok(())
}

/// The first line of a foreign error.
fn one_line(error: impl fmt::Display) -> String {
    error.to_string().lines().next().unwrap_or("unknown error").to_owned()
}
