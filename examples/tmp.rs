use rewardlab::env::{Tree, World};
use rewardlab::exact::Engine;
use rewardlab::policy::{Policy, Tabular};
use rewardlab::rng::Stream;
use std::time::Instant;
fn time(name: &str, n: usize, mut f: impl FnMut()) {
    let mut best = f64::INFINITY;
    for _ in 0..20 {
        let t = Instant::now();
        for _ in 0..n {
            f();
        }
        best = best.min(t.elapsed().as_secs_f64() / n as f64);
    }
    println!("{name}: {:.3} us", best * 1e6);
}
fn main() {
    let tree = Tree { prompts: 1, vocab: 5, length: 4 };
    let mut rng = Stream::named(&["x"]);
    let mut world = World::new(tree, vec![0.0; tree.outputs()]).unwrap();
    let mut r = vec![0.0; tree.outputs()];
    if false { time("uniform", 1000, || r.iter_mut().for_each(|r| *r = 2.0 * rng.uniform() - 1.0)); }
    time("set_rewards", 1000, || world.set_rewards(0, &r).unwrap());
    let mut policy = Tabular::uniform(tree.contexts(), 5);
    time("normal", 1000, || rng.fill_normal(1.0, policy.params_mut()));
    let mut engine = Engine::new(tree);
    let mut grad = vec![0.0; policy.params().len()];
    let contexts: Vec<usize> = tree.contexts_of(0).collect();
    let (mut x, mut p) = (vec![0.0; 780], vec![0.0; 780]);
    time("forward", 1000, || policy.forward(&contexts, &mut x));
    time("forward+softmax", 1000, || {
        policy.forward(&contexts, &mut x);
        rewardlab::num::softmax_rows(&mut x, &mut p, 5)
    });
    time("forward+log_softmax", 1000, || {
        policy.log_probs(&contexts, &mut x);
    });
    time("exp", 1000, || rewardlab::num::exp_into(&x, &mut p));
    time("stats", 20000, || {
        engine.stats(&mut policy, &world, 0);
    });
    time("gradient", 1000, || {
        engine.policy_gradient(&mut policy, &world, 0, 1.0, &mut grad);
    });
    let mut s = 0.0;
    time("norm", 1000, || s += rewardlab::num::norm(&grad));
    println!("{s}");
}
