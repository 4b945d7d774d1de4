//! Model files with bytes overwritten, cut off or repeated: an error or a model, never a panic, never a huge allocation.

use proptest::prelude::*;
use rewardlab::lm::gguf::Gguf;
use rewardlab::lm::{Config, LanguageModel, Layout, Precision, Tokenizer, tensor_names};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

fn golden(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)).expect("a golden file")
}

/// A folder with the tiny llama in Hugging Face's files.
static SAVED: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/gguf/llama.gguf");
    LanguageModel::load(&path).expect("a model").save(folder.path(), Precision::F32).expect("saved");
    folder
});

/// What happens to a file.
#[derive(Clone, Debug)]
struct Damage {
    /// (place as a share of the first bytes, new byte)
    bytes: Vec<(f64, u8)>,
    /// (place, eight bytes): a length or an offset of another size.
    words: Vec<(f64, u64)>,
    keep: f64,
}

fn damage() -> impl Strategy<Value = Damage> {
    let word = prop_oneof![any::<u64>(), 0_u64..300, (0_u32..64).prop_map(|s| 1 << s), Just(u64::MAX)];
    let bytes = prop::collection::vec((0.0..1.0, any::<u8>()), 0..4);
    let words = prop::collection::vec((0.0..1.0, word), 0..3);
    let keep = prop_oneof![3 => Just(1.0), 1 => 0.0..1.0_f64];
    (bytes, words, keep).prop_map(|(bytes, words, keep)| Damage { bytes, words, keep })
}

impl Damage {
    /// Damages the first `head` bytes, then cuts.
    fn of(&self, file: &[u8], head: usize) -> Vec<u8> {
        let mut file = file.to_vec();
        let head = head.min(file.len());
        let at = |share: f64| (share * head as f64) as usize;
        for (share, byte) in &self.bytes {
            file[at(*share)] = *byte;
        }
        for (share, word) in &self.words {
            let at = at(*share).min(head - 8);
            file[at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
        let kept = if self.keep < 1.0 { (self.keep * file.len() as f64) as usize } else { file.len() };
        file.truncate(kept);
        file
    }
}

fn one_line<T>(result: Result<T, rewardlab::error::Error>) {
    if let Err(error) = result {
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn gguf(damage in damage(), which in 0_usize..5) {
        let name = ["llama", "qwen2", "qwen3", "gpt2", "gptneox"][which];
        let bytes = damage.of(&golden(&format!("gguf/{name}.gguf")), 3500);
        let file = Gguf::parse(Path::new("x.gguf"), bytes.as_slice(), bytes.len() as u64);
        if let Ok(file) = &file {
            let config = file.config();
            if let Ok(config) = &config {
                one_line(Tokenizer::from_gguf(file, config.vocab));
                one_line(Layout::new(config));
            }
            one_line(config);
        }
        one_line(file);
        let scratch = tempfile::NamedTempFile::new().expect("a file");
        fs::write(scratch.path(), &bytes).expect("written");
        one_line(LanguageModel::load(scratch.path()));
    }

    #[test]
    fn safetensors(damage in damage()) {
        let bytes = damage.of(&golden("lm/llama/model.safetensors"), 1500);
        one_line(tensor_names(Path::new("x.safetensors"), bytes.as_slice(), bytes.len() as u64));
    }

    #[test]
    fn config(damage in damage(), which in 0_usize..5) {
        let name = ["llama", "qwen2", "qwen3", "gpt2", "gpt_neox"][which];
        let bytes = damage.of(&golden(&format!("lm/{name}/config.json")), usize::MAX);
        let config = Config::from_hf(Path::new("config.json"), &String::from_utf8_lossy(&bytes));
        if let Ok(config) = &config {
            one_line(Layout::new(config));
        }
        one_line(config);
    }

    #[test]
    fn tokenizer(damage in damage()) {
        let text = fs::read(SAVED.path().join("tokenizer.json")).expect("saved");
        let bytes = damage.of(&text, usize::MAX);
        let tokenizer = Tokenizer::from_json(Path::new("tokenizer.json"), &String::from_utf8_lossy(&bytes), 29);
        if let Ok(tokenizer) = &tokenizer {
            let ids = tokenizer.encode("the hat</s> t1 ü");
            if let Ok(ids) = &ids {
                one_line(tokenizer.decode(ids));
            }
            one_line(ids);
        }
        one_line(tokenizer);
    }

    #[test]
    fn folders(damage in damage(), which in 0_usize..5) {
        let names = ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];
        let folder = tempfile::tempdir().expect("a folder");
        for (i, name) in names.iter().enumerate() {
            let bytes = fs::read(SAVED.path().join(name)).expect("saved");
            let bytes = if i == which { damage.of(&bytes, 3000) } else { bytes };
            fs::write(folder.path().join(name), bytes).expect("written");
        }
        one_line(LanguageModel::load(folder.path()));
    }
}
