//! A tokeniser learned from text: for models that are trained from scratch on text of their own.

use super::{Special, Tokenizer, one_line};
use crate::error::{Error, Result};
use serde_json::json;
use std::path::Path;
use tokenizers::AddedToken;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::BpeTrainer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

/// The bytes, and the special tokens `<pad>` and `<eos>`.
const LEAST: usize = 258;

impl Tokenizer {
    /// Byte-level BPE as GPT-2's: all bytes are tokens, so that every text has ids, and pairs that occur at least twice are merged, the most
    /// frequent first, until there are `vocab` tokens or nothing is left to merge. Tokens 0 and 1 are `<pad>` and `<eos>`. The same texts, in
    /// any order, give the same tokeniser.
    ///
    /// # Errors
    /// A `vocab` below 258, or above 1 000 000.
    pub fn train_bpe(texts: &[&str], vocab: usize) -> Result<Self> {
        Error::check_counts(&[("vocab", vocab, LEAST, 1_000_000)])?;
        let path = Path::new("tokeniser trained from text");
        let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
        let empty = json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
            "pre_tokenizer": bytes, "post_processor": null, "decoder": bytes,
            "model": {"type": "BPE", "vocab": {}, "merges": []},
        });
        let mut tokenizer = Self::from_json(path, &empty.to_string(), vocab)?;
        let special = ["<pad>", "<eos>"].map(|name| AddedToken::from(name, true));
        let trainer = BpeTrainer::builder()
            .vocab_size(vocab)
            .min_frequency(2)
            .show_progress(false)
            .special_tokens(special.to_vec())
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .build();
        let trained = tokenizer.inner.train(&mut TrainerWrapper::BpeTrainer(trainer), texts.iter());
        trained.map_err(|e| Error::content(path, "training", one_line(e)))?;
        let vocab = tokenizer.inner.get_vocab_size(true);
        let special = Special { bos: None, eos: vec![1], pad: Some(0), unk: None };
        Ok(Self { special, ..Self::from_json(path, &tokenizer.to_json()?, vocab)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 4] =
        ["the lower the newer", "lowest and newest: the newest", "größer als der größte", "the low new"];

    #[test]
    fn the_most_frequent_pairs_are_merged() {
        let tokenizer = Tokenizer::train_bpe(&TEXTS, 262).expect("legal");
        assert_eq!(
            (tokenizer.vocab(), tokenizer.token(0).as_deref(), tokenizer.id("<eos>")),
            (262, Some("<pad>"), Some(1))
        );
        // by hand: `we` occurs five times; then `he`, `ne`, `th` and a blank before `n` four times each, of which the pair of the lowest bytes
        // comes first; then `ne`, and `t` before what is now one token
        let merged: Vec<String> = (258..262).filter_map(|id| tokenizer.token(id)).collect();
        assert_eq!(merged, ["we", "he", "ne", "the"]);
        for text in TEXTS.iter().copied().chain(["Žluťoučký kůň\n<3", ""]) {
            let ids = tokenizer.encode(text).expect("every byte has a token");
            assert_eq!(tokenizer.decode(&ids).expect("known"), text);
        }
    }

    #[test]
    fn training_repeats_whatever_the_order_of_texts() {
        let texts: Vec<String> =
            (0..200_u32).map(|i| format!("word{} and {} ende{}", i % 17, i * i % 101, i % 7)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let first = Tokenizer::train_bpe(&texts, 400).expect("legal").to_json().expect("JSON");
        let backwards: Vec<&str> = texts.iter().rev().copied().collect();
        for texts in [&texts, &backwards] {
            assert_eq!(Tokenizer::train_bpe(texts, 400).expect("legal").to_json().expect("JSON"), first);
        }
    }

    #[test]
    fn little_text_has_few_tokens_and_bytes_are_never_left_out() {
        let tokenizer = Tokenizer::train_bpe(&["ab"], 1000).expect("legal");
        assert_eq!(tokenizer.vocab(), LEAST);
        assert!(matches!(Tokenizer::train_bpe(&TEXTS, LEAST - 1), Err(Error::Parameter { .. })));
    }
}
