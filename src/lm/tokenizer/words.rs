//! A tokeniser of words: for models that are trained in a small world, so that they are asked, saved and loaded like any other.

use super::{Special, Tokenizer};
use crate::error::{Error, Result};
use serde_json::{Map, json};
use std::path::Path;

impl Tokenizer {
    /// Token i is `words[i]`; in a text the words are separated by white space. Special tokens are written by their names, and left out
    /// where a text is decoded.
    ///
    /// # Errors
    /// A word that is empty, has white space in it or comes twice; a special token that is not among the words.
    pub fn of_words(words: &[&str], special: Special) -> Result<Self> {
        let mut vocab = Map::new();
        for (id, word) in words.iter().enumerate() {
            let legal = "a word without white space that no other token is";
            if word.is_empty() || word.contains(char::is_whitespace) || vocab.contains_key(*word) {
                return Err(Error::parameter(format!("words[{id}]"), format!("{word:?}"), legal));
            }
            vocab.insert((*word).to_owned(), json!(id));
        }
        let ids = special.bos.into_iter().chain(special.eos.iter().copied()).chain(special.pad).chain(special.unk);
        let mut ids: Vec<u32> = ids.collect();
        ids.sort_unstable();
        ids.dedup();
        let mut added = Vec::new();
        for id in ids {
            let missing = || Error::parameter("special token", id, format!("below the {} words", words.len()));
            let content = words.get(id as usize).ok_or_else(missing)?;
            added.push(json!({
                "id": id, "content": content, "single_word": false, "lstrip": true, "rstrip": true,
                "normalized": false, "special": true,
            }));
        }
        // a word that is not there is an error: no text means one that the vocabulary lacks
        let json = json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
            "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": null, "decoder": null,
            "model": {"type": "WordLevel", "vocab": vocab, "unk_token": ""},
        });
        let tokenizer = Self::from_json(Path::new("tokeniser of words"), &json.to_string(), words.len())?;
        Ok(Self { special, ..tokenizer })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: [&str; 6] = ["<pad>", "<bos>", "<eos>", "two", "and", "<sep>"];

    fn special() -> Special {
        Special { bos: Some(1), eos: vec![2], pad: Some(0), unk: None }
    }

    #[test]
    fn words_go_in_and_come_out() {
        let tokenizer = Tokenizer::of_words(&WORDS, special()).expect("legal");
        let ids = tokenizer.encode("<bos> two and  two <sep> and<eos>").expect("known words");
        assert_eq!(ids, [1, 3, 4, 3, 5, 4, 2]);
        assert_eq!(tokenizer.decode(&ids).expect("known"), "two and two <sep> and");
        assert_eq!(tokenizer.decode_all(&ids).expect("known"), "<bos> two and two <sep> and <eos>");
        let error = tokenizer.encode("two three").expect_err("no such word").to_string();
        assert!(!error.contains('\n'), "{error}");
        let again = Tokenizer::from_json(Path::new("again"), &tokenizer.to_json().expect("JSON"), 6).expect("legal");
        assert_eq!(again.encode("<bos> and").expect("known"), [1, 4]);
    }

    #[test]
    fn words_that_are_none_are_refused() {
        for wrong in [&["a", "a"][..], &["a", ""], &["a b"]] {
            assert!(Tokenizer::of_words(wrong, Special::default()).is_err(), "{wrong:?}");
        }
        assert!(Tokenizer::of_words(&["a"], special()).is_err());
    }
}
