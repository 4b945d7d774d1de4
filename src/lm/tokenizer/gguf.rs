//! The `tokenizer.json` that a GGUF file's metadata describe.

use super::{Special, Tokenizer};
use crate::error::{Error, Result};
use crate::lm::gguf::Gguf;
use serde_json::{Map, Value, json};

/// Qwen2's and Llama 3's pattern; `{digits}` is how many go together.
const WORDS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|{digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// What surrounds the merges.
struct Pipeline {
    normalizer: Value,
    pre_tokenizer: Value,
    /// A piece that is a token as a whole is not split into bytes and merged.
    ignore_merges: bool,
    /// Whether texts begin with `bos`, if the file does not say.
    bos: bool,
}

/// llama.cpp's names of pre-tokenisers, as the models' own `tokenizer.json` has them.
fn pipeline(pre: &str) -> Option<Pipeline> {
    let bytes = |use_regex: bool| json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex});
    let sequence = |first: Value, second: Value| json!({"type": "Sequence", "pretokenizers": [first, second]});
    let words = |digits: &str| {
        let pattern = WORDS.replace("{digits}", digits);
        json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false})
    };
    let plain = |normalizer, pre_tokenizer| Pipeline { normalizer, pre_tokenizer, ignore_merges: false, bos: false };
    let composed = json!({"type": "NFC"});
    Some(match pre {
        "gpt-2" => plain(Value::Null, bytes(true)),
        "olmo" => plain(composed, bytes(true)),
        "smollm" => plain(Value::Null, sequence(json!({"type": "Digits", "individual_digits": true}), bytes(true))),
        "qwen2" => plain(composed, sequence(words(r"\p{N}"), bytes(false))),
        "llama-bpe" => Pipeline {
            ignore_merges: true,
            bos: true,
            ..plain(Value::Null, sequence(words(r"\p{N}{1,3}"), bytes(false)))
        },
        _ => return None,
    })
}

const MODEL: &str = "tokenizer.ggml.model";
const PRE: &str = "tokenizer.ggml.pre";
const TOKENS: &str = "tokenizer.ggml.tokens";
const TYPES: &str = "tokenizer.ggml.token_type";
const MERGES: &str = "tokenizer.ggml.merges";
/// Token types: a control token is special, a user-defined one is only never split.
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;

pub(super) fn read(file: &Gguf, vocab: usize) -> Result<Tokenizer> {
    if file.text(MODEL)? != Some("gpt2") {
        return Err(file.wrong(MODEL, "\"gpt2\": only byte-level BPE is known, not SentencePiece or WordPiece"));
    }
    let pipeline = file.text(PRE)?.and_then(pipeline);
    let pipeline = pipeline.ok_or_else(|| file.wrong(PRE, "gpt-2, smollm, qwen2, llama-bpe or olmo"))?;
    let tokens = file.texts(TOKENS)?.ok_or_else(|| file.wrong(TOKENS, "an array of strings"))?;
    let merges = file.texts(MERGES)?.ok_or_else(|| file.wrong(MERGES, "an array of strings"))?;
    if tokens.len() != vocab {
        return Err(file.wrong(TOKENS, &format!("{vocab} tokens, the rows of the token embedding")));
    }
    let kinds = file.wholes(TYPES)?.unwrap_or_default();
    if !kinds.is_empty() && kinds.len() != vocab {
        return Err(file.wrong(TYPES, &format!("{vocab}, one per token")));
    }
    let wrong = |place: &str, message: String| Error::content(file.path(), place, message);
    let mut table = Map::new();
    for (id, token) in tokens.iter().enumerate() {
        if let Some(first) = table.insert(token.clone(), json!(id)) {
            return Err(wrong(TOKENS, format!("{token:?} is there twice, as {first} and {id}")));
        }
    }
    let pairs = merges.iter().map(|m| m.split_once(' ').ok_or(m)).collect::<Result<Vec<_>, _>>();
    let pairs = pairs.map_err(|m| wrong(MERGES, format!("{m:?}, expected two parts with a space between")))?;
    let special = special(file, vocab)?;
    let added = |(id, kind): (usize, &i64)| {
        let flags = json!({"single_word": false, "lstrip": false, "rstrip": false, "normalized": false});
        let mut token = json!({"id": id, "content": tokens[id], "special": *kind == CONTROL});
        token.as_object_mut()?.extend(flags.as_object()?.clone());
        Some(token)
    };
    let named = kinds.iter().enumerate().filter(|(_, k)| matches!(**k, CONTROL | USER_DEFINED));
    let added: Vec<Value> = named.filter_map(added).collect();
    let json = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": pipeline.normalizer, "pre_tokenizer": pipeline.pre_tokenizer,
        "post_processor": around(file, tokens, &special, pipeline.bos)?,
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "ignore_merges": pipeline.ignore_merges, "vocab": table, "merges": pairs,
        },
    });
    Ok(Tokenizer { special, ..Tokenizer::from_value(file.path(), &json, vocab)? })
}

/// The special tokens' ids.
fn special(file: &Gguf, vocab: usize) -> Result<Special> {
    let id = |name: &str| {
        let key = format!("tokenizer.ggml.{name}_token_id");
        let id = file.size(&key)?;
        if id.is_some_and(|id| id >= vocab) {
            return Err(file.wrong(&key, &format!("a token below the model's {vocab}")));
        }
        Ok(id.map(|id| id as u32))
    };
    let mut eos: Vec<u32> = id("eos")?.into_iter().collect();
    eos.extend(id("eot")?.filter(|end| !eos.contains(end)));
    Ok(Special { bos: id("bos")?, eos, pad: id("padding")?, unk: id("unknown")? })
}

/// What puts a beginning and an end around every text, if the file asks for it.
fn around(file: &Gguf, tokens: &[String], special: &Special, bos: bool) -> Result<Value> {
    let asks = |key: &str, default: bool| Ok::<_, Error>(file.flag(key)?.unwrap_or(default));
    let begin = if asks("tokenizer.ggml.add_bos_token", bos)? { special.bos } else { None };
    let end = if asks("tokenizer.ggml.add_eos_token", false)? { special.eos.first().copied() } else { None };
    if begin.is_none() && end.is_none() {
        return Ok(json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true}));
    }
    let name = |id: u32| tokens[id as usize].as_str();
    let piece = |id: u32| json!({"SpecialToken": {"id": name(id), "type_id": 0}});
    let text = |sequence: &str, kind: u32| json!({"Sequence": {"id": sequence, "type_id": kind}});
    let wrapped = |inner: Vec<Value>| {
        let inner = begin.map(piece).into_iter().chain(inner).chain(end.map(piece));
        inner.collect::<Vec<Value>>()
    };
    let entries = begin.into_iter().chain(end);
    let entries = entries.map(|id| (name(id).to_owned(), json!({"id": name(id), "ids": [id], "tokens": [name(id)]})));
    Ok(json!({
        "type": "TemplateProcessing", "single": wrapped(vec![text("A", 0)]),
        "pair": wrapped(vec![text("A", 0), text("B", 1)]), "special_tokens": entries.collect::<Map<_, _>>(),
    }))
}
