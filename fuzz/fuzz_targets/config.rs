//! A config.json from any text, and its table of tensors. Seeds: tests/golden/lm/*/config.json.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rewardlab::lm::{Config, Layout};
use std::path::Path;

fuzz_target!(|text: &str| {
    if let Ok(config) = Config::from_hf(Path::new("config.json"), text) {
        let _ = Layout::new(&config);
        let _ = config.to_hf();
    }
});
