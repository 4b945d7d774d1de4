//! What `benches/peers/lm.sh` times against PyTorch: one JSON line per piece of work, with the median seconds.

#![allow(missing_docs)]
#![allow(clippy::print_stdout, reason = "the lines are what the script reads")]

use rewardlab::algorithm::{Example, PreferenceLoss, PreferenceTuning, TokenPair, Trainee};
use rewardlab::lm::{Activation, Batch, Choices, Config, Decay, Keep, Norm, Sampling, Schedule, Size, init};
use rewardlab::num::{Matrix, matmul};
use rewardlab::rng::Stream;
use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

/// Engines side by side, here and in the peers.
const THREADS: usize = 2;

/// A model and its batch.
#[derive(Clone, Copy)]
struct Work {
    name: &'static str,
    width: usize,
    layers: usize,
    heads: usize,
    length: usize,
    batch: usize,
}

/// The last is a translator's as in `rest`: sources of about eight words, up to 24 tokens said.
const WORK: [Work; 3] = [
    Work { name: "small", width: 64, layers: 2, heads: 4, length: 32, batch: 64 },
    Work { name: "big", width: 256, layers: 4, heads: 8, length: 64, batch: 16 },
    Work { name: "translator", width: 48, layers: 2, heads: 4, length: 32, batch: 256 },
];

const VOCAB: usize = 64;

impl Work {
    fn config(&self) -> Config {
        let Self { width, layers, heads, length, .. } = *self;
        let size = Size { vocab: VOCAB, width, layers, heads, context: length + 1 };
        Config { tied: false, norm: Norm::Layer { bias: true }, activation: Activation::GeluTanh, ..Config::gpt2(size) }
    }

    /// Parameters in matrices that a token passes through, times tokens: a multiply-add each forward, two backward;
    /// and attention's, counted whole as PyTorch does it.
    fn flops(&self) -> f64 {
        let Self { width, layers, length, batch, .. } = *self;
        let per_token = 12 * width * width * layers + VOCAB * width + 2 * length * width * layers;
        6.0 * per_token as f64 * (length * batch) as f64
    }
}

struct Trainer {
    trainee: Trainee,
    examples: Vec<Example>,
    batch: Batch,
    choices: Choices,
}

impl Trainer {
    fn new(work: &Work, stream: &str) -> Self {
        let mut rng = Stream::named(&["peers", stream]);
        let config = work.config();
        let params = init(&config, 0.02, &mut rng).expect("legal");
        let rows: Vec<Vec<u32>> =
            (0..work.batch).map(|_| (0..=work.length).map(|_| rng.below(VOCAB) as u32).collect()).collect();
        let inputs: Vec<&[u32]> = rows.iter().map(|r| &r[..work.length]).collect();
        let batch = Batch::new(&inputs);
        let tokens = rows.iter().flat_map(|r| r[1..].to_vec()).collect();
        let choices = Choices { rows: (0..work.batch * work.length).collect(), tokens };
        let trainee = Trainee::new(&config, params, f64::INFINITY).expect("legal").in_parts();
        let examples = rows.into_iter().map(|tokens| Example { tokens, prompt: 1 }).collect();
        Self { trainee, examples, batch, choices }
    }

    fn score(&mut self) {
        self.trainee.forward(&self.batch, Keep::Final).expect("legal");
        black_box(self.trainee.log_probs(&self.choices).expect("legal"));
    }

    /// Completes prompts of a quarter of the length up to the whole.
    fn sample(&mut self) {
        let length = self.choices.len() / self.batch.sequences();
        let prompts: Vec<&[u32]> =
            self.batch.all_rows().map(|r| &self.batch.tokens()[r.start..r.start + length / 4]).collect();
        let mut streams: Vec<Stream> =
            (0..prompts.len()).map(|i| Stream::named(&["peers", "sample", &i.to_string()])).collect();
        let sampling = Sampling::plain(length - length / 4);
        black_box(self.trainee.sample(&prompts, &sampling, &mut streams).expect("legal"));
    }

    fn step(&mut self) {
        self.trainee.nll_step(&self.examples, 1e-3).expect("finite");
    }
}

/// Sequences of `batch` / 2 pairs, prompts a quarter of the length: DPO steps, and log π of whole completions.
struct PairTrainer {
    trainee: Trainee,
    pairs: Vec<TokenPair>,
    sequences: Vec<Vec<u32>>,
    prompts: Vec<usize>,
    run: PreferenceTuning,
}

/// Pairs of a transformer as small as that of `reward_kl/frontier`, and of the small one above.
const PAIRS: [Work; 2] = [
    Work { name: "tiny", width: 32, layers: 2, heads: 2, length: 12, batch: 128 },
    Work { name: "small", width: 64, layers: 2, heads: 4, length: 32, batch: 64 },
];

impl PairTrainer {
    fn new(work: &Work, stream: &str) -> Self {
        let mut rng = Stream::named(&["peers", "pairs", stream]);
        let config = work.config();
        let params = init(&config, 0.02, &mut rng).expect("legal");
        let prompt = work.length / 4;
        let mut words = |n: usize| (0..n).map(|_| rng.below(VOCAB) as u32).collect::<Vec<_>>();
        let pairs: Vec<TokenPair> = (0..work.batch / 2)
            .map(|_| TokenPair {
                prompt: words(prompt),
                chosen: words(work.length - prompt),
                rejected: words(work.length - prompt),
            })
            .collect();
        let mut trainee = Trainee::new(&config, params, 1.0).expect("legal").in_parts();
        let schedule = Schedule { peak: 1e-3, warm_up: 0, steps: 1, decay: Decay::Constant };
        let loss = PreferenceLoss::Dpo { beta: 0.1 };
        let run = PreferenceTuning::new(&mut trainee, &pairs, loss, &schedule, pairs.len(), rng).expect("legal");
        let whole = |p: &TokenPair| [[&p.prompt[..], &p.chosen].concat(), [&p.prompt[..], &p.rejected].concat()];
        let sequences: Vec<Vec<u32>> = pairs.iter().flat_map(whole).collect();
        let prompts = vec![prompt; sequences.len()];
        Self { trainee, pairs, sequences, prompts, run }
    }

    fn log_prob(&mut self) {
        black_box(self.trainee.completion_log_probs(&self.sequences, &self.prompts).expect("legal"));
    }

    fn dpo_step(&mut self) {
        black_box(self.run.step(&mut self.trainee, &self.pairs).expect("finite"));
    }
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

fn report(work: &str, seconds: f64, gflops: f64) {
    println!("{{\"work\": \"{work}\", \"seconds\": {seconds:e}, \"gflops\": {gflops:.2}}}");
}

/// Median seconds of a call.
fn time(repeats: usize, mut call: impl FnMut()) -> f64 {
    call();
    median(
        (0..repeats)
            .map(|_| {
                let start = Instant::now();
                call();
                start.elapsed().as_secs_f64()
            })
            .collect(),
    )
}

/// Median seconds of a call per unit, on all threads at once: `repeats` rounds that start together.
fn side_by_side<T: Send>(repeats: usize, states: &mut [T], call: impl Fn(&mut T) + Sync) -> f64 {
    let barrier = Barrier::new(states.len());
    let rounds: Vec<Vec<f64>> = thread::scope(|scope| {
        let threads: Vec<_> = states
            .iter_mut()
            .map(|state| {
                let (barrier, call) = (&barrier, &call);
                scope.spawn(move || {
                    call(state);
                    barrier.wait();
                    (0..repeats)
                        .map(|_| {
                            let start = Instant::now();
                            call(state);
                            start.elapsed().as_secs_f64()
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().expect("no panic")).collect()
    });
    let threads = rounds.len() as f64;
    rounds.into_iter().map(median).sum::<f64>() / threads / threads
}

/// The matrix-product rate of this machine, GFLOP/s on one thread, at the shapes of a model's layers.
fn products(work: &Work) {
    let (rows, width) = (work.length * work.batch, work.width);
    let x = vec![0.5_f32; rows * 4 * width];
    let w = vec![0.5_f32; 4 * width * width];
    let mut out = vec![0.0_f32; rows * 4 * width];
    let flops = 2.0 * (rows * 4 * width * width) as f64;
    let wide = |x| Matrix::new(x, rows, 4 * width);
    let narrow = |x| Matrix::new(x, rows, width);
    let (up, down) = (Matrix::new(&w[..], 4 * width, width), Matrix::new(&w[..], width, 4 * width));
    let mut line = |name: &str, call: &mut dyn FnMut(&mut [f32])| {
        let seconds = time(50, || call(black_box(&mut out)));
        report(&format!("product {} {name}", work.name), seconds, flops / seconds / 1e9);
    };
    line("up", &mut |out| matmul(narrow(&x[..rows * width]), up.t(), out, false));
    line("down", &mut |out| matmul(wide(&x), down.t(), &mut out[..rows * width], false));
    line("input", &mut |out| matmul(wide(&x), up, &mut out[..rows * width], false));
    line("weight", &mut |out| {
        matmul(wide(&x).t(), narrow(&x[..rows * width]), &mut out[..4 * width * width], true);
    });
}

fn main() {
    // an argument keeps only the lines whose name contains it
    let only = std::env::args().skip(1).find(|a| !a.starts_with('-')).unwrap_or_default();
    let wanted = |name: &str| name.contains(&only);
    if wanted("product 1024") {
        let (size, mut out) = (1024, vec![0.0_f32; 1024 * 1024]);
        let a = vec![0.5_f32; size * size];
        let seconds = time(20, || {
            matmul(Matrix::new(&a, size, size), Matrix::new(&a, size, size), black_box(&mut out), false);
        });
        report("product 1024", seconds, 2.0 * (size as f64).powi(3) / seconds / 1e9);
    }
    for work in &WORK {
        if wanted(&format!("product {}", work.name)) {
            products(work);
        }
        let repeats = if work.name == "small" { 100 } else { 20 };
        let mut trainers: Vec<Trainer> = (0..THREADS).map(|i| Trainer::new(work, &i.to_string())).collect();
        let pieces: [(&str, usize, f64, &(dyn Fn(&mut Trainer) + Sync)); 3] = [
            ("score", repeats, work.flops() / 3.0, &Trainer::score),
            ("sample", repeats.min(20), 0.0, &Trainer::sample),
            ("step", repeats, work.flops(), &Trainer::step),
        ];
        for (name, repeats, flops, call) in pieces {
            let alone = format!("{} {name} alone", work.name);
            if wanted(&alone) {
                let seconds = time(repeats, || call(&mut trainers[0]));
                report(&alone, seconds, flops / seconds / 1e9);
            }
            let both = format!("{} {name} side by side", work.name);
            if wanted(&both) {
                let seconds = side_by_side(repeats, &mut trainers, call);
                report(&both, seconds, flops / seconds / 1e9);
            }
        }
    }
    for work in &PAIRS {
        let mut trainers: Vec<PairTrainer> = (0..THREADS).map(|i| PairTrainer::new(work, &i.to_string())).collect();
        let pieces: [(&str, f64, &(dyn Fn(&mut PairTrainer) + Sync)); 2] = [
            ("log_prob", work.flops() / 3.0, &PairTrainer::log_prob),
            ("dpo_step", work.flops(), &PairTrainer::dpo_step),
        ];
        for (name, flops, call) in pieces {
            let both = format!("{} {name} side by side", work.name);
            if wanted(&both) {
                let seconds = side_by_side(100, &mut trainers, call);
                report(&both, seconds, flops / seconds / 1e9);
            }
        }
    }
}
