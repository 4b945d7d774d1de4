//! The language models' engine on one thread: a training step, scoring and sampling of a small transformer.

#![allow(missing_docs)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rewardlab::algorithm::{Example, PreferenceLoss, PreferenceTuning, TokenPair, Trainee};
use rewardlab::lm::cpu::Engine;
use rewardlab::lm::{
    AdamW, Batch, Choices, Config, Decay, Keep, Sampling, Schedule, Signal, Size, Transformer, candle, init,
};
use rewardlab::rng::Stream;
use std::hint::black_box;

const LENGTH: usize = 32;
const SEQUENCES: usize = 64;

/// A step of training on the weighted log-probabilities.
fn step(
    engine: &mut impl Transformer,
    params: &mut [f32],
    (batch, choices): (&Batch, &Choices),
    weights: &[f64],
    adam: &mut AdamW,
) {
    engine.forward(params, batch, Keep::All).expect("legal");
    engine.log_probs(params, choices).expect("legal");
    let mut grad = vec![0.0; params.len()];
    engine.backward(params, &Signal { log_probs: weights, ..Signal::default() }, &mut grad).expect("legal");
    adam.step(params, &grad, 1e-3);
}

fn engine(c: &mut Criterion) {
    let size = Size { vocab: 64, width: 64, layers: 2, heads: 4, context: LENGTH };
    let mut group = c.benchmark_group("lm_w64_l2_t32_b64");
    group.sample_size(20).throughput(Throughput::Elements((LENGTH * SEQUENCES) as u64));
    for (name, config) in [("gpt2", Config::gpt2(size)), ("llama", Config::llama(size))] {
        let mut rng = Stream::named(&["bench", name]);
        let mut params = init(&config, 0.02, &mut rng).expect("legal");
        let mut engine = Engine::new(&config).expect("legal");
        let rows: Vec<Vec<u32>> = (0..SEQUENCES).map(|_| (0..LENGTH).map(|_| rng.below(64) as u32).collect()).collect();
        let batch = Batch::new(&rows);
        let choices = batch.next_tokens();
        let weights = vec![-1.0 / choices.len() as f64; choices.len()];
        let mut adam = AdamW::new(params.len(), 0.01).expect("legal");
        group.bench_function(BenchmarkId::new("step", name), |b| {
            b.iter(|| step(&mut engine, &mut params, (&batch, &choices), &weights, &mut adam));
        });
        let mut oracle = candle::Engine::new(&config).expect("legal");
        group.bench_function(BenchmarkId::new("step_candle", name), |b| {
            b.iter(|| step(&mut oracle, &mut params, (&batch, &choices), &weights, &mut adam));
        });
        let text: Vec<Example> = rows.iter().map(|r| Example { tokens: r.clone(), prompt: 1 }).collect();
        let trainee = || Trainee::new(&config, params.clone(), 1.0).expect("legal");
        for (way, mut trainee) in [("train", trainee()), ("train_in_parts", trainee().in_parts())] {
            group.bench_function(BenchmarkId::new(way, name), |b| {
                b.iter(|| trainee.nll_step(&text, 1e-3).expect("finite"));
            });
        }
        group.bench_function(BenchmarkId::new("score", name), |b| {
            b.iter(|| {
                engine.forward(&params, &batch, Keep::Final).expect("legal");
                black_box(engine.log_probs(&params, &choices).expect("legal"));
            });
        });
        let prompts: Vec<&[u32]> = rows.iter().map(|r| &r[..LENGTH / 4]).collect();
        let sampling = Sampling::plain(LENGTH - LENGTH / 4);
        group.bench_function(BenchmarkId::new("sample", name), |b| {
            b.iter(|| {
                let mut streams: Vec<Stream> =
                    (0..SEQUENCES).map(|i| Stream::named(&["bench", &i.to_string()])).collect();
                black_box(engine.sample(&params, &prompts, &sampling, &mut streams).expect("legal"));
            });
        });
    }
    group.finish();
}

/// All 6^6 completions of a prompt, and a DPO step on 64 pairs, of the transformer of `reward_kl/frontier`.
fn preferences(c: &mut Criterion) {
    let config = Config::llama(Size { vocab: 6, width: 32, layers: 2, heads: 2, context: 14 });
    let mut rng = Stream::named(&["bench", "preferences"]);
    let params = init(&config, 0.3, &mut rng).expect("legal");
    let mut words = |n: usize| (0..n).map(|_| rng.below(6) as u32).collect::<Vec<_>>();
    let mut group = c.benchmark_group("lm_w32_l2_v6");
    group.sample_size(20);
    let (mut engine, prompt) = (Engine::new(&config).expect("legal"), words(5));
    group.bench_function("every_completion", |b| {
        b.iter(|| black_box(engine.completion_log_probs(&params, &prompt, 6).expect("legal")));
    });
    let pairs: Vec<TokenPair> =
        (0..64).map(|_| TokenPair { prompt: words(5), chosen: words(6), rejected: words(6) }).collect();
    let mut trainee = Trainee::new(&config, params.clone(), 1.0).expect("legal").in_parts();
    let schedule = Schedule { peak: 1e-3, warm_up: 0, steps: 1, decay: Decay::Constant };
    let (loss, rng) = (PreferenceLoss::Dpo { beta: 0.1 }, Stream::named(&["bench", "order"]));
    let mut run = PreferenceTuning::new(&mut trainee, &pairs, loss, &schedule, 64, rng).expect("legal");
    group.bench_function("dpo_step", |b| b.iter(|| run.step(&mut trainee, &pairs).expect("finite")));
    group.finish();
}

criterion_group!(benches, engine, preferences);
criterion_main!(benches);
