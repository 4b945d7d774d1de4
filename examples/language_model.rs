//! Loads a published model, scores texts and writes replies, and says how fast (one thread).
//!
//!     cargo run --release --example language_model runs/models/SmolLM2-135M-Instruct.Q4_1.gguf
//!     cargo run --release --example language_model MODEL FOLDER      saves it as a Hugging Face folder
//!
//! `tests/golden/smollm2/speed.py` does the same with Hugging Face Transformers.

#![allow(clippy::print_stdout, reason = "it says what it measured")]

use rewardlab::error::{Error, Result};
use rewardlab::lm::{Batch, Keep, LanguageModel, Message, Precision, Sampling, cpu};
use rewardlab::rng::Stream;
use std::path::Path;
use std::time::Instant;

/// Tokens of a text that is scored, texts, and tokens of a reply.
const LENGTH: usize = 128;
const TEXTS: usize = 20;
const REPLY: usize = 64;

fn main() -> Result<()> {
    let paths: Vec<_> = std::env::args_os().skip(1).collect();
    let path = paths.first().ok_or_else(|| Error::Usage("usage: language_model MODEL [FOLDER]".into()))?;
    let start = Instant::now();
    let model = LanguageModel::load(Path::new(path))?;
    println!("loaded {} parameters in {:.2} s", model.params.len(), start.elapsed().as_secs_f64());
    if let Some(folder) = paths.get(1) {
        return model.save(Path::new(folder), Precision::F32);
    }

    let story = "The quick brown fox jumps over the lazy dog, and 12 cats watch it from the old grey wall. ".repeat(40);
    let ids = model.tokenizer.encode(&story)?;
    let texts: Vec<&[u32]> = (0..TEXTS).map(|i| &ids[i * 7..][..LENGTH]).collect();
    let mut engine = cpu::Engine::new(&model.config)?;
    let start = Instant::now();
    let mut total = 0.0;
    for text in &texts {
        let batch = Batch::new(&[text]);
        engine.forward(&model.params, &batch, Keep::Final)?;
        total += engine.log_probs(&model.params, &batch.next_tokens())?.iter().sum::<f64>();
    }
    let tokens = TEXTS * LENGTH;
    let speed = tokens as f64 / start.elapsed().as_secs_f64();
    println!(
        "scoring {TEXTS} texts of {LENGTH} tokens: {speed:.0} tokens/s, {:.4} nats per token",
        -total / tokens as f64
    );

    let prompt = model.encode_chat(&[Message::user("Name three colours.")], true)?;
    for batch in [1, 16] {
        let prompts = vec![prompt.as_slice(); batch];
        let sampling = Sampling { temperature: 0.0, ..Sampling::plain(REPLY) };
        let mut streams: Vec<Stream> = (0..batch).map(|i| Stream::named(&["reply", &i.to_string()])).collect();
        let start = Instant::now();
        let replies = engine.sample(&model.params, &prompts, &sampling, &mut streams)?;
        let speed = (batch * REPLY) as f64 / start.elapsed().as_secs_f64();
        println!(
            "greedy replies, batch {batch}: {speed:.1} tokens/s; the first: {:?}",
            model.tokenizer.decode(&replies[0].tokens)?
        );
    }
    Ok(())
}
