//! A tokenizer.json from any text, used on a line with letters, digits, spaces and an umlaut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rewardlab::lm::Tokenizer;
use std::path::Path;

fuzz_target!(|text: &str| {
    let Ok(tokenizer) = Tokenizer::from_json(Path::new("tokenizer.json"), text, 1 << 16) else { return };
    if let Ok(ids) = tokenizer.encode("the  hat 12 ü</s>") {
        let _ = tokenizer.decode(&ids);
    }
});
