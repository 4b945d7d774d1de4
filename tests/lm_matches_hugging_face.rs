//! Logits, losses and gradients of tiny random models against Hugging Face Transformers; `tests/golden/lm/make.py` made
//! the numbers. A bug in any architecture's forward or backward, or in reading its files, fails here.

use rewardlab::lm::{Batch, Config, Keep, Side, Signal, Transformer, load_model, read_weights, save_model};
use rewardlab::lm::{candle, cpu};
use safetensors::SafeTensors;
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};

const MODELS: [&str; 5] = ["gpt2", "gpt_neox", "llama", "qwen2", "qwen3"];

#[derive(Deserialize)]
struct Golden {
    sequences: Vec<Vec<u32>>,
    loss: f64,
    logits: Vec<Vec<Vec<f64>>>,
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/lm").join(name)
}

fn golden(name: &str) -> Golden {
    let text = fs::read_to_string(folder(name).join("golden.json")).expect("golden.json");
    serde_json::from_str(&text).expect("golden values")
}

#[test]
fn logits_losses_and_gradients() {
    for name in MODELS {
        let (config, params) = load_model(&folder(name), &[]).expect("a model");
        assert_golden(name, &params, &mut cpu::Engine::new(&config).expect("legal"));
        for padding in [Side::Left, Side::Right] {
            let engine = candle::Engine::on(&config, &candle::Device::Cpu, candle::DType::F32, padding);
            assert_golden(name, &params, &mut engine.expect("legal"));
        }
    }
}

fn assert_golden(name: &str, params: &[f32], engine: &mut impl Transformer) {
    let (golden, config) = (golden(name), engine.config().clone());
    let batch = Batch::new(&golden.sequences);
    engine.forward(params, &batch, Keep::All).expect("legal");

    let mut every = batch.next_tokens();
    every.rows = (0..batch.tokens().len()).collect();
    every.tokens = vec![0; every.rows.len()];
    engine.log_probs(params, &every).expect("legal");
    let mut ours = vec![0.0; every.len() * config.vocab];
    engine.distributions(&mut ours).expect("kept");
    let rows = golden.logits.iter().flatten();
    for (i, (logits, ours)) in rows.zip(ours.chunks_exact(config.vocab)).enumerate() {
        let norm = rewardlab::num::log_sum_exp(logits);
        for (theirs, ours) in logits.iter().zip(ours) {
            let gap = f64::from(*ours) - (theirs - norm);
            assert!(gap.abs() < 2e-5, "{name}, row {i}: {ours} against {}", theirs - norm);
        }
    }

    let choices = batch.next_tokens();
    let share = 1.0 / choices.len() as f64;
    let loss = -share * engine.log_probs(params, &choices).expect("legal").iter().sum::<f64>();
    assert!((loss - golden.loss).abs() < 2e-6, "{name}: loss {loss} against {}", golden.loss);

    let weights = vec![-share; choices.len()];
    let mut grad = vec![0.0; params.len()];
    engine.backward(params, &Signal { log_probs: &weights, ..Signal::default() }, &mut grad).expect("legal");
    let mut theirs = vec![0.0; params.len()];
    let file = folder(name).join("gradients.safetensors");
    read_weights(&[file], &config, engine.layout(), &mut theirs).expect("gradients");
    for tensor in &engine.layout().tensors {
        let norm = |f: &dyn Fn(usize) -> f32| tensor.range.clone().map(|i| f64::from(f(i)).powi(2)).sum::<f64>().sqrt();
        let (gap, size) = (norm(&|i| grad[i] - theirs[i]), norm(&|i| theirs[i]));
        assert!(gap < 1e-5 * size + 1e-6, "{name}, gradient of {}: {gap} of {size}", tensor.name);
    }
}

#[test]
fn a_saved_model_is_read_back_bit_for_bit() {
    for name in MODELS {
        let (config, params) = load_model(&folder(name), &[]).expect("a model");
        let scratch = tempfile::tempdir().expect("a folder");
        save_model(scratch.path(), &config, &params).expect("saved");
        let (config_back, params_back) = load_model(scratch.path(), &[]).expect("read back");
        assert_eq!(config, config_back);
        assert!(params == params_back, "{name}");
        // and tensor by tensor the file is the one that Transformers wrote
        let bytes = |folder: &Path| fs::read(folder.join("model.safetensors")).expect("a model");
        let (ours, theirs) = (bytes(scratch.path()), bytes(&folder(name)));
        let tensors = |bytes| SafeTensors::deserialize(bytes).expect("safetensors");
        let (ours, theirs) = (tensors(&ours), tensors(&theirs));
        for (tensor, view) in theirs.tensors() {
            let same = ours.tensor(&tensor).is_ok_and(|o| o.shape() == view.shape() && o.data() == view.data());
            assert!(same, "{name}: {tensor}");
        }
    }
}

#[test]
fn the_older_spelling_of_config_files_means_the_same() {
    let newer = r#"{"model_type": "llama", "vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 1,
        "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 4, "rms_norm_eps": 1e-5,
        "rope_parameters": {"rope_theta": 500000.0, "rope_type": "default"}, "dtype": "float32"}"#;
    let older = newer.replace(
        r#""rope_parameters": {"rope_theta": 500000.0, "rope_type": "default"}, "dtype""#,
        r#""rope_theta": 500000.0, "rope_scaling": null, "torch_dtype""#,
    );
    let read = |text: &str| Config::from_hf(Path::new("config.json"), text);
    assert_eq!(read(newer).expect("version 5"), read(&older).expect("version 4"));
    let scaled = newer.replace(r#""rope_type": "default""#, r#""rope_type": "llama3", "factor": 8.0"#);
    let message = read(&scaled).expect_err("unknown").to_string();
    assert!(message.contains("config.json, rope_type: \"llama3\""), "{message}");
}

#[test]
fn a_truncated_or_alien_file_is_one_line_of_error() {
    let scratch = tempfile::tempdir().expect("a folder");
    let copy = |name: &str| fs::copy(folder("llama").join(name), scratch.path().join(name)).expect("copied");
    copy("config.json");
    let weights = scratch.path().join("model.safetensors");
    let error = || load_model(scratch.path(), &[]).expect_err("refused").to_string();
    assert!(error().contains("model.safetensors"), "missing file");
    let bytes = fs::read(folder("llama").join("model.safetensors")).expect("a model");
    fs::write(&weights, &bytes[..bytes.len() / 2]).expect("written");
    assert!(error().contains("model.safetensors, header"), "{}", error());
    fs::copy(folder("qwen3").join("model.safetensors"), &weights).expect("copied");
    let message = error();
    assert!(message.contains("shape") && !message.contains('\n'), "{message}");
}
