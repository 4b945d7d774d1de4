//! Package files from any bytes: the first byte tells the kind.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rewardlab::import::{
    ImageParams, MathsParams, PairFormat, PairParams, ReviewParams, Shape, TextParams, emails, images, maths, pairs, reviews,
};
use std::fs;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let Ok(folder) = tempfile::tempdir() else { return };
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        let _ = path.parent().map(fs::create_dir_all);
        let _ = fs::write(&path, bytes);
        path
    };
    let text = TextParams { shape: Shape::Continue, prompt_words: 2, most_words: Some(20) };
    let of = |format| PairParams {
        format,
        languages: ("a".into(), "b".into()),
        reverse: false,
        least_words: 1,
        most_words: None,
        ratio: 2.0,
        sentences: false,
    };
    match kind % 8 {
        0 => drop(reviews(&put("x.csv", bytes), &ReviewParams { text, sources: Vec::new() })),
        1 => {
            put("spam/1.txt", bytes);
            put("ham/1.txt", b"Subject: x\n\ny");
            drop(emails(folder.path(), &text));
        }
        2 => {
            put("eng/symbolic/0000.toml", bytes);
            put("eng/replacements.json", b"{\"names\": [\"a\", \"b\"], \"numbers\": [\"one\", \"two\", \"three\"]}");
            let params = MathsParams { languages: vec!["eng".into()], instances: 2, seed: 0 };
            drop(maths(folder.path(), &params));
        }
        3 => drop(pairs(&[put("x", bytes)], &of(PairFormat::Dictionary))),
        4 => drop(pairs(&[put("x", bytes), put("y", b"$$$A 1:1\nx\n")], &of(PairFormat::Verses))),
        5 => drop(pairs(&[put("x.mo", bytes)], &of(PairFormat::Mo))),
        6 => {
            let half = bytes.len() / 2;
            for prefix in ["train", "t10k"] {
                put(&format!("{prefix}-images-idx3-ubyte"), &bytes[..half]);
                put(&format!("{prefix}-labels-idx1-ubyte"), &bytes[half..]);
            }
            let params = ImageParams { side: 1, pixels: false, digits: true, limit: None };
            drop(images(folder.path(), &params));
        }
        // an archive of whatever it holds
        _ => drop(reviews(&put("x.zip", bytes), &ReviewParams { text, sources: Vec::new() })),
    }
});
