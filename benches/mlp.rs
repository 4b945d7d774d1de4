//! An epoch of the controlled experiment's network: 784-250-100-10, 1,000 images, exact expected reward, Adam.

#![allow(missing_docs)]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rewardlab::algorithm::{Adam, Learner};
use rewardlab::objective::expected_reward_objective;
use rewardlab::policy::{Activation, Init, Mlp, Policy};
use rewardlab::rng::Stream;

const IMAGES: usize = 1_000;

fn epochs(c: &mut Criterion) {
    let mut rng = Stream::named(&["bench"]);
    let mut inputs = vec![0.0; IMAGES * 784];
    rng.fill_normal(1.0, &mut inputs);
    let mlp = Mlp::new(inputs.into(), &[784, 250, 100, 10], Activation::Relu, Init::Torch, &mut rng);
    let adam = Adam::new(1e-4, mlp.params().len()).expect("legal");
    let mut learner = Learner::new(mlp, adam);
    let images: Vec<usize> = (0..IMAGES).collect();
    let mut group = c.benchmark_group("mlp_epoch");
    group.sample_size(10);
    for batch in [100, 512] {
        group.bench_function(BenchmarkId::from_parameter(batch), |b| {
            b.iter(|| {
                for batch in images.chunks(batch) {
                    let reward = |c: usize| std::array::from_fn::<f64, 10, _>(|y| if y == c % 10 { 1.0 } else { -1.0 });
                    learner.step(batch, |c, lp, w| expected_reward_objective(lp, &reward(c), 1.0, w)).expect("finite");
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, epochs);
criterion_main!(benches);
