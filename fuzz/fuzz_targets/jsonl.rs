//! Preference data from any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rewardlab::preference::{read_lines, read_marked, read_pairs};

fuzz_target!(|bytes: &[u8]| {
    let Ok(scratch) = tempfile::NamedTempFile::new() else { return };
    if std::fs::write(scratch.path(), bytes).is_ok() {
        let _ = read_pairs(scratch.path());
        let _ = read_marked(scratch.path());
        let _ = read_lines(scratch.path());
    }
});
