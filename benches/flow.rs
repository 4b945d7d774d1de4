//! The flow integrator: time to p(right label) = 1/2 from small p₀, ten labels, ±1 reward, tolerance 1e-11.

#![allow(missing_docs)]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rewardlab::exact::{Flow, log_prob_gradient, policy_field, softmax, value_gradient};
use rewardlab::policy::Tabular;
use std::hint::black_box;

const LABELS: usize = 10;

fn right(logits: &[f64]) -> f64 {
    let mut probs = [0.0; LABELS];
    softmax(logits, &mut probs);
    probs[0]
}

fn time_to_half(p0: f64, reinforce: bool) -> f64 {
    let mut start = vec![0.0; LABELS];
    start[0] = (p0 * (LABELS as f64 - 1.0) / (1.0 - p0)).ln();
    let mut rewards = [-1.0; LABELS];
    rewards[0] = 1.0;
    let field = policy_field(Tabular::from_logits(LABELS, start.clone()), vec![0], |_, probs, grad| {
        if reinforce {
            value_gradient(probs, &rewards, grad);
        } else {
            log_prob_gradient(probs, 0, grad);
        }
    });
    let flow = Flow::new(1e-11, 1e9).expect("legal");
    flow.crossings(field, right, &[0.5], &start).expect("smooth")[0].time
}

fn flows(c: &mut Criterion) {
    let mut group = c.benchmark_group("flow_to_half");
    for p0 in [1e-1, 1e-3, 1e-6] {
        for (name, reinforce) in [("rft", true), ("sft", false)] {
            group.bench_with_input(BenchmarkId::new(name, format!("p0={p0:e}")), &p0, |b, p0| {
                b.iter(|| time_to_half(black_box(*p0), reinforce));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, flows);
criterion_main!(benches);
