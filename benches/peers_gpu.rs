//! What `benches/peers/gpu.sh` times on a GPU against Hugging Face Transformers: one JSON line per piece of work, with the median seconds
//! of a call, and the device's two ceilings, copies and products, from the same run.
//!
//! The model has the shape of SmolLM2-135M and random weights; computation is in bf16, what learns in f32. `--device`, `--precision f32`,
//! `--checkpointing` and `--tiny` (shapes for a machine without a GPU) choose otherwise.

#![allow(missing_docs)]
#![allow(clippy::print_stdout, reason = "the lines are what the script reads")]

use candle_core::{DType, Tensor};
use rewardlab::algorithm::{Example, Trainee};
use rewardlab::error::{Error, Result};
use rewardlab::lm::{Config, Device, Layout, Lora, LoraSettings, Placement, Precision, Sampling, Size, init};
use rewardlab::rng::Stream;
use std::time::Instant;

/// The pieces of work.
struct Shapes {
    size: Size,
    kv_heads: usize,
    /// Prompts, their tokens and the new tokens of each.
    generation: [usize; 3],
    /// Sequences of a step, and their tokens.
    training: [usize; 2],
    rank: usize,
    /// Side of the product that is the ceiling.
    product: usize,
    /// Numbers of the copy that is the ceiling.
    copy: usize,
    repeats: usize,
}

const SMOLLM2: Shapes = Shapes {
    size: Size { vocab: 49_152, width: 576, layers: 30, heads: 9, context: 2048 },
    kv_heads: 3,
    generation: [64, 128, 128],
    training: [16, 256],
    rank: 16,
    product: 8192,
    copy: 1 << 30,
    repeats: 9,
};

const TINY: Shapes = Shapes {
    size: Size { vocab: 300, width: 32, layers: 2, heads: 4, context: 64 },
    kv_heads: 2,
    generation: [4, 8, 8],
    training: [4, 16],
    rank: 4,
    product: 256,
    copy: 1 << 16,
    repeats: 3,
};

/// Median seconds of a call, after two that warm up.
fn time(repeats: usize, mut call: impl FnMut() -> Result<()>) -> Result<f64> {
    call()?;
    call()?;
    let mut seconds = Vec::with_capacity(repeats);
    for _ in 0..repeats {
        let start = Instant::now();
        call()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[repeats / 2])
}

fn line(piece: &str, seconds: f64, tokens: usize, flops: f64, bytes: f64) {
    let line = serde_json::json!(
        { "piece": piece, "seconds": seconds, "tokens": tokens, "flops": flops, "bytes": bytes }
    );
    println!("{line}");
}

/// The two ceilings, of fresh random numbers.
fn ceilings(shapes: &Shapes, placement: &Placement) -> Result<()> {
    let device = placement.device.open()?;
    let dtype = if placement.precision == Precision::Bf16 { DType::BF16 } else { DType::F32 };
    let random = |count: usize, shape: &[usize]| -> Result<Tensor> {
        let values = Tensor::rand(-1.0_f32, 1.0, count, &device)?;
        Ok(values.reshape(shape)?.to_dtype(dtype)?)
    };
    let n = shapes.product;
    let (a, b) = (random(n * n, &[n, n])?, random(n * n, &[n, n])?);
    let seconds = time(shapes.repeats, || {
        a.matmul(&b)?;
        Ok(device.synchronize()?)
    })?;
    line("product", seconds, 0, 2.0 * (n as f64).powi(3), 0.0);
    let values = random(shapes.copy, &[shapes.copy])?;
    let seconds = time(shapes.repeats, || {
        values.copy()?;
        Ok(device.synchronize()?)
    })?;
    line("copy", seconds, 0, 0.0, 2.0 * (shapes.copy * dtype.size_in_bytes()) as f64);
    Ok(())
}

fn texts(count: usize, length: usize, vocab: usize, name: &str) -> Vec<Vec<u32>> {
    let mut rng = Stream::named(&["peers", "gpu", name]);
    (0..count).map(|_| (0..length).map(|_| rng.below(vocab) as u32).collect()).collect()
}

fn generate(shapes: &Shapes, trainee: &mut Trainee, bytes: f64) -> Result<()> {
    let [count, length, new] = shapes.generation;
    let prompts = texts(count, length, shapes.size.vocab, "prompts");
    for (piece, temperature) in [("generate", 1.0), ("generate_greedy", 0.0)] {
        let sampling = Sampling { temperature, ..Sampling::plain(new) };
        let mut round = 0;
        let seconds = time(shapes.repeats.min(3), || {
            round += 1;
            let name = |i: usize| format!("{round} {i}");
            let mut streams: Vec<Stream> = (0..count).map(|i| Stream::named(&["peers", &name(i)])).collect();
            trainee.sample(&prompts, &sampling, &mut streams).map(drop)
        })?;
        line(piece, seconds, count * new, 0.0, bytes * new as f64);
    }
    Ok(())
}

fn train(shapes: &Shapes, trainee: &mut Trainee, piece: &str, flops: f64) -> Result<()> {
    let [count, length] = shapes.training;
    let examples = texts(count, length, shapes.size.vocab, "texts").into_iter();
    let examples: Vec<Example> = examples.map(|tokens| Example { tokens, prompt: 1 }).collect();
    let seconds = time(shapes.repeats, || trainee.nll_step(&examples, 1e-5).map(drop))?;
    line(piece, seconds, count * length, flops * (count * length) as f64, 0.0);
    Ok(())
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|a| a == flag);
    let after = |flag: &str| arguments.iter().skip_while(|a| *a != flag).nth(1);
    let device: Device = after("--device").map_or(Ok(Device::CandleCpu), |d| d.parse())?;
    let precision = match after("--precision").map(String::as_str) {
        None | Some("bf16") => Precision::Bf16,
        Some("f32") => Precision::F32,
        Some(other) => return Err(Error::parameter("precision", other, "bf16 or f32")),
    };
    // the CPU engine is what it is
    let precision = if device == Device::Cpu { Precision::F32 } else { precision };
    let placement = Placement { device, precision, checkpointing: has("--checkpointing") };
    let shapes = if has("--tiny") { &TINY } else { &SMOLLM2 };
    if device == Device::CandleCpu && !has("--tiny") {
        return Err(Error::Usage("say --device cuda, or --tiny for shapes that a processor can do".into()));
    }
    let config = Config { tied: true, kv_heads: shapes.kv_heads, ..Config::llama(shapes.size) };
    let mut rng = Stream::named(&["peers", "gpu"]);
    let params = init(&config, 0.02, &mut rng)?;
    let weights = Layout::new(&config)?.len() as f64;
    let bytes = weights * if precision == Precision::Bf16 { 2.0 } else { 4.0 };
    // two per weight and token forward, four backward, with adapters two; attention reads half of all pairs
    let attention = (2 * shapes.size.layers * shapes.size.width * shapes.training[1]) as f64;
    ceilings(shapes, &placement)?;
    let mut trainee = Trainee::on(&placement, &config, params.clone(), 1.0)?;
    generate(shapes, &mut trainee, bytes)?;
    train(shapes, &mut trainee, "train_full", 3.0 * (2.0 * weights + attention))?;
    drop(trainee);
    let lora = Lora::new(&config, &LoraSettings { rank: shapes.rank, alpha: 32.0, targets: Vec::new() })?;
    let values = lora.init(&params, &mut rng)?;
    let mut trainee = Trainee::on(&placement, &config, params, 1.0)?.with_adapters(lora, values)?;
    train(shapes, &mut trainee, "train_lora", 2.0 * 2.0 * weights + 3.0 * attention)
}
