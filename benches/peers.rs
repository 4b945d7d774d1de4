//! What `benches/peers/run.sh` times against NumPy and PyTorch: one JSON line per piece of work, with the median seconds.

#![allow(missing_docs)]
#![allow(clippy::print_stdout, reason = "the lines are what the script reads")]

use rewardlab::algorithm::{Adam, Learner};
use rewardlab::env::{Tree, World};
use rewardlab::exact::{Engine, bandit, theorem1_bound};
use rewardlab::num::norm;
use rewardlab::objective::expected_reward_objective;
use rewardlab::policy::{Activation, Init, LogLinear, Mlp, Policy, Tabular};
use rewardlab::rng::Stream;
use std::hint::black_box;
use std::thread;
use std::time::Instant;

/// Threads, here and in the peers.
const THREADS: usize = 2;

fn report(work: &str, repeats: usize, units: usize, mut call: impl FnMut()) {
    call();
    let mut seconds: Vec<f64> = (0..repeats)
        .map(|_| {
            let start = Instant::now();
            call();
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    println!("{{\"work\": \"{work}\", \"seconds\": {:e}}}", seconds[repeats / 2] / units as f64);
}

/// Values, reward stds and gradient of a bandit's mean value.
fn gradient(prompts: usize, outputs: usize) {
    let mut rng = Stream::named(&["peers", "gradient"]);
    let n = prompts * outputs;
    let (mut logits, mut rewards) = (vec![0.0; n], vec![0.0; n]);
    rng.fill_normal(1.0, &mut logits);
    rng.fill_normal(1.0, &mut rewards);
    let (mut grad, mut values, mut stds) = (vec![0.0; n], vec![0.0; prompts], vec![0.0; prompts]);
    report("gradient", 300, 1, || {
        let scale = 1.0 / prompts as f64;
        bandit::value_gradient(&logits, &rewards, outputs, scale, &mut grad, &mut values, &mut stds);
        black_box(&mut grad);
    });
}

/// Position and tokens so far, one-hot.
fn one_hot_prefixes(tree: Tree) -> Vec<f64> {
    let Tree { vocab, length, .. } = tree;
    let width = length + (length - 1) * vocab;
    let mut rows = Vec::new();
    for depth in 0..length {
        for code in 0..vocab.pow(depth as u32) {
            let start = rows.len();
            rows.resize(start + width, 0.0);
            rows[start + depth] = 1.0;
            for (position, token) in tree.tokens(depth, code).into_iter().enumerate() {
                rows[start + length + position * vocab + token] = 1.0;
            }
        }
    }
    rows
}

fn policy(family: &str, tree: Tree, rng: &mut Stream) -> Box<dyn Policy> {
    match family {
        "tabular" => Box::new(Tabular::uniform(tree.contexts(), tree.vocab)),
        "log-linear" => {
            let mut features = vec![0.0; tree.contexts() * tree.vocab * 5];
            rng.fill_normal(1.0, &mut features);
            Box::new(LogLinear::new(tree.vocab, features, vec![0.0; 5]))
        }
        _ => {
            let inputs = one_hot_prefixes(tree);
            let sizes = [inputs.len() / tree.contexts(), 6, tree.vocab];
            Box::new(Mlp::new(inputs.into(), &sizes, Activation::Tanh, Init::Zero, rng))
        }
    }
}

/// Random policies and rewards on every tree with V ≤ 5, L ≤ 4: the largest gradient norm over the paper's bound.
fn sweep(family: &str, draws: usize, stream: &str) -> f64 {
    let mut rng = Stream::named(&["peers", family, stream]);
    let mut largest = 0.0_f64;
    for (vocab, length) in (2..=5).flat_map(|v| (1..=4).map(move |l| (v, l))) {
        let tree = Tree { prompts: 1, vocab, length };
        let mut policy = policy(family, tree, &mut rng);
        let mut engine = Engine::new(tree);
        let mut world = World::new(tree, vec![0.0; tree.outputs()]).expect("finite");
        let (mut rewards, mut grad) = (vec![0.0; tree.outputs()], vec![0.0; policy.params().len()]);
        for _ in 0..draws {
            let scale = 0.03 * 1000.0_f64.powf(rng.uniform());
            rng.fill_normal(scale, policy.params_mut());
            rewards.iter_mut().for_each(|r| *r = 2.0 * rng.uniform() - 1.0);
            world.set_rewards(0, &rewards).expect("finite");
            grad.fill(0.0);
            let stats = engine.policy_gradient(&mut *policy, &world, 0, 1.0, &mut grad);
            let gamma = engine.jacobian_norm(&mut *policy, 0);
            largest = largest.max(norm(&grad) / theorem1_bound(length, gamma, stats.reward_std));
        }
    }
    largest
}

/// Seconds per draw and shape.
fn sweeps() {
    const DRAWS: usize = 5_000;
    for family in ["tabular", "log-linear", "mlp"] {
        report(&format!("sweep {family}"), 3, THREADS * DRAWS * 16, || {
            thread::scope(|scope| {
                let halves: Vec<_> =
                    (0..THREADS).map(|i| scope.spawn(move || sweep(family, DRAWS, &i.to_string()))).collect();
                let largest = halves.into_iter().map(|h| h.join().expect("no panic")).fold(0.0, f64::max);
                assert!(largest > 0.0 && largest < 1.0, "the bound holds and the draws are not empty: {largest}");
            });
        });
    }
}

/// The network of the controlled experiment, on random images, exact expected reward by Adam.
fn network(stream: &str) -> Learner<Mlp, Adam> {
    let mut rng = Stream::named(&["peers", stream]);
    let mut inputs = vec![0.0; IMAGES * 784];
    rng.fill_normal(1.0, &mut inputs);
    let mlp = Mlp::new(inputs.into(), &[784, 250, 100, 10], Activation::Relu, Init::Torch, &mut rng);
    let adam = Adam::new(1e-4, mlp.params().len()).expect("legal");
    Learner::new(mlp, adam)
}

const IMAGES: usize = 1_000;

fn epoch(learner: &mut Learner<Mlp, Adam>, batch: usize) {
    let images: Vec<usize> = (0..IMAGES).collect();
    for batch in images.chunks(batch) {
        let reward = |c: usize| std::array::from_fn::<f64, 10, _>(|y| if y == c % 10 { 1.0 } else { -1.0 });
        learner.step(batch, |c, lp, w| expected_reward_objective(lp, &reward(c), 1.0, w)).expect("finite");
    }
}

/// Seconds per epoch of one network: alone (on one thread), and of as many as there are threads, side by side.
fn epochs() {
    for batch in [100, 512] {
        let mut learners: Vec<_> = (0..THREADS).map(|i| network(&i.to_string())).collect();
        report(&format!("mlp batch {batch} alone"), 15, 1, || epoch(&mut learners[0], batch));
        report(&format!("mlp batch {batch} side by side"), 15, THREADS, || {
            thread::scope(|scope| {
                for learner in &mut learners {
                    scope.spawn(move || epoch(learner, batch));
                }
            });
        });
    }
}

fn main() {
    gradient(64, 1024);
    sweeps();
    epochs();
}
