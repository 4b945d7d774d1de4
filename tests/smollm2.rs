//! SmolLM2-135M-Instruct itself against Hugging Face Transformers: token ids, log-probabilities, chat template, greedy reply.
//! `tests/golden/smollm2/make.py` made the numbers from the same file, which `.ci/fetch-smollm2` fetches; the tests skip,
//! and say so, where neither `REWARDLAB_SMOLLM2` nor `runs/models` has it.

use rewardlab::lm::{Batch, Keep, LanguageModel, Message, Sampling, cpu};
use rewardlab::rng::Stream;
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};

/// Per text, of the mean log-probability of its tokens, in nats. Both sides compute in f32 from the same decoded weights.
const MEAN: f64 = 2e-4;
/// Of one token's log-probability, in nats.
const TOKEN: f64 = 5e-4;

#[derive(Deserialize)]
struct Golden {
    texts: Vec<Scored>,
    chat: Chat,
}

#[derive(Deserialize)]
struct Scored {
    text: String,
    ids: Vec<u32>,
    /// Over all tokens but the first.
    sum: f64,
    first: Vec<f64>,
}

#[derive(Deserialize)]
struct Chat {
    rendered: String,
    prompt: Vec<u32>,
    reply: Vec<u32>,
    text: String,
}

fn golden() -> Golden {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/smollm2/golden.json");
    serde_json::from_str(&fs::read_to_string(path).expect("golden.json")).expect("golden values")
}

/// The model's file, if this machine has it.
fn file() -> Option<PathBuf> {
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("runs/models/SmolLM2-135M-Instruct.Q4_1.gguf");
    let path = std::env::var_os("REWARDLAB_SMOLLM2").map_or(usual, PathBuf::from);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: no {}; .ci/fetch-smollm2 fetches it, REWARDLAB_SMOLLM2 names another place", path.display());
    None
}

#[test]
fn token_ids_and_log_probs_are_those_of_transformers() {
    let Some(path) = file() else { return };
    let model = LanguageModel::load(&path).expect("SmolLM2");
    let mut engine = cpu::Engine::new(&model.config).expect("legal");
    let golden = golden();
    assert_eq!(golden.texts.len(), 20);
    let mut largest = (0.0_f64, 0.0_f64);
    for text in &golden.texts {
        let ids = model.tokenizer.encode(&text.text).expect("encoded");
        assert_eq!(ids, text.ids, "{:?}", text.text);
        let batch = Batch::new(&[&ids]);
        engine.forward(&model.params, &batch, Keep::Final).expect("fits");
        let log_probs = engine.log_probs(&model.params, &batch.next_tokens()).expect("fits");
        let gap = (log_probs.iter().sum::<f64>() - text.sum).abs() / log_probs.len() as f64;
        assert!(gap < MEAN, "{:?}: mean log-probability off by {gap}", text.text);
        let each = log_probs.iter().zip(&text.first).map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f64::max);
        assert!(each < TOKEN, "{:?}: a token's log-probability off by {each}", text.text);
        largest = (largest.0.max(gap), largest.1.max(each));
    }
    eprintln!("largest gaps: {:.1e} of a mean, {:.1e} of a token", largest.0, largest.1);
}

#[test]
fn chat_template_and_greedy_reply_are_those_of_transformers() {
    let Some(path) = file() else { return };
    let model = LanguageModel::load(&path).expect("SmolLM2");
    let chat = golden().chat;
    let messages = [Message::user("Name three colours.")];
    let template = model.chat_template.as_ref().expect("a template");
    assert_eq!(template.render(&messages, true).expect("rendered"), chat.rendered);
    assert_eq!(model.encode_chat(&messages, true).expect("encoded"), chat.prompt);
    let sampling = Sampling {
        temperature: 0.0,
        end: model.tokenizer.special().ends().expect("few"),
        ..Sampling::plain(chat.reply.len())
    };
    let mut engine = cpu::Engine::new(&model.config).expect("legal");
    let streams = &mut [Stream::named(&["smollm2"])];
    let samples = engine.sample(&model.params, &[&chat.prompt], &sampling, streams).expect("sampled");
    assert_eq!(samples[0].tokens, chat.reply);
    assert_eq!(model.tokenizer.decode_all(&samples[0].tokens).expect("known"), chat.text);
}
