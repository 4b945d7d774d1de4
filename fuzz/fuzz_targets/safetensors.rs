//! A safetensors header from any bytes. Seeds: tests/golden/lm/*/model.safetensors.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    let _ = rewardlab::lm::tensor_names(Path::new("x.safetensors"), bytes, bytes.len() as u64);
});
