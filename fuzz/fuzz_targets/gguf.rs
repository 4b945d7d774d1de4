//! A GGUF header from any bytes, and what is made of it. Seeds: tests/golden/gguf/*.gguf.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rewardlab::lm::gguf::Gguf;
use rewardlab::lm::{LanguageModel, Tokenizer};
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    let Ok(file) = Gguf::parse(Path::new("x.gguf"), bytes, bytes.len() as u64) else { return };
    if let Ok(config) = file.config() {
        let _ = Tokenizer::from_gguf(&file, config.vocab);
        if let Ok(scratch) = tempfile::NamedTempFile::new() {
            if std::fs::write(scratch.path(), bytes).is_ok() {
                let _ = LanguageModel::load(scratch.path());
            }
        }
    }
});
