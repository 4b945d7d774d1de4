//! What `benches/peers/run.sh` times against NumPy and PyTorch: one JSON line per measurement, seconds.

use rewardlab::env::{Tree, World};
use rewardlab::exact::{Engine, bandit};
use rewardlab::policy::{Activation, Init, LogLinear, Mlp, Policy, Tabular};
use rewardlab::rng::Stream;
use std::hint::black_box;
use std::time::Instant;

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

fn repeat(times: usize, mut work: impl FnMut()) -> f64 {
    work();
    let once = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    median((0..times).map(|_| once(&mut work)).collect())
}

fn gradient(prompts: usize, outputs: usize) -> f64 {
    let mut rng = Stream::named(&["peers", "gradient"]);
    let n = prompts * outputs;
    let (mut logits, mut rewards) = (vec![0.0; n], vec![0.0; n]);
    rng.fill_normal(1.0, &mut logits);
    rng.fill_normal(1.0, &mut rewards);
    let (mut grad, mut values, mut stds) = (vec![0.0; n], vec![0.0; prompts], vec![0.0; prompts]);
    repeat(300, || {
        let scale = 1.0 / prompts as f64;
        bandit::value_gradient(&logits, &rewards, outputs, scale, &mut grad, &mut values, &mut stds);
        black_box(&mut grad);
    })
}

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

fn sweep(family: &str, draws: usize) -> f64 {
    let mut total = 0.0;
    for vocab in 2..=5 {
        for length in 1..=4 {
            let tree = Tree { prompts: 1, vocab, length };
            let mut rng = Stream::named(&["peers", family]);
            let mut policy: Box<dyn Policy> = match family {
                "tabular" => Box::new(Tabular::uniform(tree.contexts(), vocab)),
                "log-linear" => {
                    let mut features = vec![0.0; tree.contexts() * vocab * 5];
                    rng.fill_normal(1.0, &mut features);
                    Box::new(LogLinear::new(vocab, features, vec![0.0; 5]))
                }
                _ => {
                    let inputs = one_hot_prefixes(tree);
                    let sizes = [inputs.len() / tree.contexts(), 6, vocab];
                    Box::new(Mlp::new(inputs.into(), &sizes, Activation::Tanh, Init::Zero, &mut rng))
                }
            };
            let mut engine = Engine::new(tree);
            let mut world = World::new(tree, vec![0.0; tree.outputs()]).expect("finite");
            let (mut rewards, mut grad) = (vec![0.0; tree.outputs()], vec![0.0; policy.params().len()]);
            let start = Instant::now();
            let mut largest = 0.0_f64;
            for _ in 0..draws {
                let scale = 0.03 * 1000.0_f64.powf(rng.uniform());
                rng.fill_normal(scale, policy.params_mut());
                rewards.iter_mut().for_each(|r| *r = 2.0 * rng.uniform() - 1.0);
                world.set_rewards(0, &rewards).expect("finite");
                grad.fill(0.0);
                let stats = engine.policy_gradient(&mut *policy, &world, 0, 1.0, &mut grad);
                let gamma = engine.jacobian_norm(&mut *policy, 0);
                let norm = rewardlab::num::norm(&grad);
                largest = largest.max(norm / (6.0 * length as f64 * gamma * stats.reward_std.cbrt().powi(2)));
            }
            black_box(largest);
            let t = start.elapsed().as_secs_f64() / draws as f64;
            eprintln!("{family} V={vocab} L={length}: {:.3} us", t * 1e6);
            total += t;
        }
    }
    total
}

fn main() {
    println!("gradient {:.1} us", gradient(64, 1024) * 1e6);
    for family in ["tabular", "log-linear", "mlp"] {
        println!("{family} {:.3} us per draw over 16 shapes", sweep(family, 2000) / 16.0 * 1e6);
    }
}
