//! Low-rank adapters against PEFT itself: its folders read here, ours read there. `tests/golden/peft/make.py` made the numbers; it reads
//! `ours/`, which this file writes with `REWARDLAB_WRITE_PEFT=1 cargo test --test peft`.

use rewardlab::lm::cpu::Engine;
use rewardlab::lm::{Batch, Config, Keep, Lora, LoraSettings, load_model};
use rewardlab::rng::Stream;
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};

/// Of one token's log-probability, in nats: both sides compute in f32.
const TOKEN: f64 = 2e-5;

#[derive(Deserialize)]
struct Golden {
    sequences: Vec<Vec<u32>>,
    base: Vec<Vec<f64>>,
    theirs: Vec<Vec<f64>>,
    theirs_some: Vec<Vec<f64>>,
    ours: Vec<Vec<f64>>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/peft")
}

fn golden() -> Golden {
    let text = fs::read_to_string(folder().join("golden.json")).expect("golden.json");
    serde_json::from_str(&text).expect("golden values")
}

fn base() -> (Config, Vec<f32>) {
    load_model(&folder().join("../lm/llama"), &[]).expect("a model")
}

/// The largest gap of a token's log-probability under the model with adapters to PEFT's.
fn gap(adapters: &Path, expected: &[Vec<f64>]) -> f64 {
    let (config, params) = base();
    let (lora, values) = Lora::load(adapters, &config).expect("adapters");
    let mut merged = vec![0.0; params.len()];
    lora.merge(&params, &values, &mut merged).expect("fits");
    let mut engine = Engine::new(&config).expect("legal");
    let batch = Batch::new(&golden().sequences);
    engine.forward(&merged, &batch, Keep::Final).expect("fits");
    let ours = engine.log_probs(&merged, &batch.next_tokens()).expect("fits");
    let expected = expected.concat();
    assert_eq!(ours.len(), expected.len());
    ours.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn adapters_of_pefts_give_its_log_probs() {
    let golden = golden();
    for (name, expected) in [("theirs", &golden.theirs), ("theirs_some", &golden.theirs_some)] {
        let gap = gap(&folder().join(name), expected);
        assert!(gap < TOKEN, "{name}: a token's log-probability off by {gap}");
        // they are not those of the model without adapters
        let moved = golden.base.concat().iter().zip(expected.concat()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(moved > 0.1, "{name}: {moved}");
    }
}

#[test]
fn peft_reads_our_adapters() {
    let (config, _) = base();
    let settings = LoraSettings { rank: 2, alpha: 5.0, targets: Vec::new() };
    let lora = Lora::new(&config, &settings).expect("legal");
    let mut rng = Stream::named(&["tests", "peft"]);
    let values: Vec<f32> = (0..lora.len()).map(|_| (0.3 * rng.normal()) as f32).collect();
    let scratch = tempfile::tempdir().expect("a folder");
    let committed = folder().join("ours");
    if std::env::var_os("REWARDLAB_WRITE_PEFT").is_some() {
        lora.save(&committed, &values, "../lm/llama").expect("written");
        return;
    }
    // what PEFT read is what is written today
    lora.save(scratch.path(), &values, "../lm/llama").expect("written");
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
        let bytes = |folder: &Path| fs::read(folder.join(name)).expect("there");
        assert!(bytes(scratch.path()) == bytes(&committed), "{name}");
    }
    let gap = gap(&committed, &golden().ours);
    assert!(gap < TOKEN, "a token's log-probability off by {gap}");
}

#[test]
fn adapters_of_another_model_are_refused() {
    let (config, _) = load_model(&folder().join("../lm/qwen3"), &[]).expect("a model");
    let message = Lora::load(&folder().join("theirs"), &config).expect_err("another width").to_string();
    assert!(message.contains("adapter_model.safetensors") && message.contains("shape"), "{message}");
    let (config, _) = load_model(&folder().join("../lm/gpt2"), &[]).expect("a model");
    let message = Lora::load(&folder().join("theirs"), &config).expect_err("other names").to_string();
    assert!(message.contains("unknown adapted module"), "{message}");
}
