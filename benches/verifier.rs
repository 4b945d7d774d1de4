//! Reward models of solutions: scoring a million of them, and learning from a hundred thousand.

#![allow(missing_docs)]

use criterion::{Criterion, criterion_group, criterion_main};
use rewardlab::algorithm::{LogisticParams, Stopping, fit_outcome_product, fit_process};
use rewardlab::reward::{Affine, Neutral, Score, Solutions, StepModel};
use rewardlab::rng::Stream;
use std::hint::black_box;

const FEATURES: usize = 10_000;

/// Solutions of 4 to 12 steps with four features each.
fn solutions(count: usize) -> Solutions {
    let mut rng = Stream::named(&["bench", "verifier"]);
    let mut all = Solutions::new(FEATURES);
    for _ in 0..count {
        let length = 4 + rng.below(9);
        all.push((0..length).map(|_| [0; 4].map(|_| rng.below(FEATURES) as u32))).expect("legal");
    }
    all
}

fn model() -> StepModel {
    let mut weights = vec![0.0; FEATURES];
    Stream::named(&["bench", "weights"]).fill_normal(0.5, &mut weights);
    StepModel(Affine { bias: 2.0, weights })
}

/// The bar: a million solutions in less than 2 seconds.
fn scoring(c: &mut Criterion) {
    let (solutions, model) = (solutions(1_000_000), model());
    let mut group = c.benchmark_group("verifier");
    group.sample_size(10);
    for score in Score::ALL {
        group.bench_function(format!("score 1e6 solutions/{}", score.name()), |b| {
            b.iter(|| black_box(model.scores(&solutions, score)));
        });
    }
    group.finish();
}

fn fitting(c: &mut Criterion) {
    let (solutions, model) = (solutions(100_000), model());
    let mut rng = Stream::named(&["bench", "labels"]);
    let labels: Vec<i8> =
        model.log_right(&solutions).iter().map(|lp| if rng.uniform() < lp.exp() { 1 } else { -1 }).collect();
    let right = |i: usize| f64::from(u8::from(labels[solutions.steps_of(i)].iter().all(|l| *l > 0)));
    let targets: Vec<f64> = (0..solutions.len()).map(right).collect();
    let params = LogisticParams { precision: 1.0, bias: true, stopping: Stopping { tolerance: 1e-5, steps: 200 } };
    let mut group = c.benchmark_group("verifier");
    group.sample_size(10);
    group.bench_function("fit process 1e5 solutions", |b| {
        b.iter(|| black_box(fit_process(&solutions, &labels, Neutral::Positive, &params).expect("legal")));
    });
    group.bench_function("fit outcome 1e5 solutions", |b| {
        b.iter(|| black_box(fit_outcome_product(&solutions, &targets, &[], 0.0, &params).expect("legal")));
    });
    group.finish();
}

criterion_group!(benches, scoring, fitting);
criterion_main!(benches);
