//! Exact quantities: a bandit's gradient, the enumeration of a token world, the Jacobian's norm.

#![allow(missing_docs)]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rewardlab::env::{Automaton, TokenWorld, Tree, World};
use rewardlab::exact::{AutomatonEngine, Engine, bandit};
use rewardlab::policy::{Activation, Init, Mlp, Policy, Tabular};
use rewardlab::rng::Stream;
use std::hint::black_box;

fn bandits(c: &mut Criterion) {
    let (prompts, outputs) = (64, 1024);
    let mut rng = Stream::named(&["bench"]);
    let (mut logits, mut rewards) = (vec![0.0; prompts * outputs], vec![0.0; prompts * outputs]);
    rng.fill_normal(1.0, &mut logits);
    rng.fill_normal(1.0, &mut rewards);
    let (mut grad, mut values, mut stds) = (vec![0.0; logits.len()], vec![0.0; prompts], vec![0.0; prompts]);
    c.bench_function("bandit_gradient/64x1024", |b| {
        b.iter(|| {
            let scale = 1.0 / prompts as f64;
            bandit::value_gradient(&logits, &rewards, outputs, scale, &mut grad, &mut values, &mut stds);
            black_box(&mut grad);
        });
    });
}

fn world(tree: Tree, rng: &mut Stream) -> World {
    World::new(tree, (0..tree.outputs()).map(|_| 2.0 * rng.uniform() - 1.0).collect::<Vec<_>>()).expect("finite")
}

fn enumeration(c: &mut Criterion) {
    let mut group = c.benchmark_group("enumeration");
    for (vocab, length) in [(5, 4), (10, 4)] {
        let tree = Tree { prompts: 1, vocab, length };
        let mut rng = Stream::named(&["bench"]);
        let world = world(tree, &mut rng);
        let mut policy = Tabular::uniform(tree.contexts(), vocab);
        rng.fill_normal(1.0, policy.params_mut());
        let mut engine = Engine::new(tree);
        let mut grad = vec![0.0; policy.params().len()];
        group.bench_function(BenchmarkId::new("gradient", format!("V={vocab} L={length}")), |b| {
            b.iter(|| black_box(engine.policy_gradient(&mut policy, &world, 0, 1.0, &mut grad)));
        });
    }
    group.finish();
}

fn jacobian(c: &mut Criterion) {
    let tree = Tree { prompts: 1, vocab: 5, length: 4 };
    let mut rng = Stream::named(&["bench"]);
    let mut inputs = vec![0.0; tree.contexts() * 12];
    rng.fill_normal(1.0, &mut inputs);
    let mut policy = Mlp::new(inputs.into(), &[12, 6, 5], Activation::Tanh, Init::Torch, &mut rng);
    let engine = Engine::new(tree);
    c.bench_function("jacobian_norm/mlp V=5 L=4", |b| b.iter(|| black_box(engine.jacobian_norm(&mut policy, 0))));
}

/// 10^20 outputs: a level in −10..=10 that the tokens move.
fn automaton(c: &mut Criterion) {
    let (vocab, length) = (10, 20);
    let steps: Vec<i64> = (0..vocab as i64).map(|a| a % 3 - 1).collect();
    let level = Automaton::level(&steps, -10, 10, |l| l as f64 / 10.0).expect("legal");
    let world = TokenWorld::new(level, vec![10], length, None).expect("legal");
    let mut group = c.benchmark_group("automaton");
    for order in [1, 2] {
        let engine = AutomatonEngine::new(world.clone(), order);
        let mut policy = Tabular::uniform(engine.ngrams().contexts(), vocab);
        Stream::named(&["bench"]).fill_normal(1.0, policy.params_mut());
        let log_probs = engine.log_probs(&mut policy, 0);
        let mut weights = vec![0.0; log_probs.len()];
        let id = |what| BenchmarkId::new(what, format!("V={vocab} L={length} 21 states k={order}"));
        group.bench_function(id("gradient"), |b| {
            b.iter(|| engine.value_weights(black_box(&log_probs), 0, 1.0, &mut weights));
        });
        group.bench_function(id("tilted"), |b| b.iter(|| black_box(engine.tilted(black_box(&log_probs), 0, 0.1))));
    }
    group.finish();
}

criterion_group!(benches, bandits, enumeration, jacobian, automaton);
criterion_main!(benches);
