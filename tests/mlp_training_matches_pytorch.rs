//! Training an MLP step by step as PyTorch does: initialisation order, gradients, Adam, SGD, means over minibatches.
//!
//! The numbers come from PyTorch 2.15 in float64:
//!
//! ```python
//! import torch
//! torch.set_default_dtype(torch.float64)
//! N, D, H, K, BATCH, EPOCHS = 6, 4, [5, 3], 3, 4, 3
//! x = torch.tensor([[torch.cos(torch.tensor(1.0 + i * D + j)).item() for j in range(D)] for i in range(N)])
//! target = torch.tensor([0, 2, 1, 1, 0, 2])
//! reward = torch.full((N, K), -1.0)
//! reward[torch.arange(N), target] = 1.0
//! reward[4] = torch.tensor([1.0, 0.5, 0.5])
//! def net():
//!     sizes, layers, n = [D, *H, K], [], 0
//!     for a, b in zip(sizes, sizes[1:]):
//!         layer = torch.nn.Linear(a, b)
//!         for p in (layer.weight, layer.bias):
//!             p.data = 0.7 * torch.sin(torch.arange(n + 1, n + 1 + p.numel(), dtype=torch.float64)).reshape(p.shape)
//!             n += p.numel()
//!         layers += [layer, torch.nn.ReLU()]
//!     return torch.nn.Sequential(*layers[:-1])
//! nll = lambda lp, b: -lp[torch.arange(len(b)), target[b]].mean()
//! neg_value = lambda lp, b: -(lp.exp() * reward[b]).sum(-1).mean()
//! for name, loss in (("nll", nll), ("value", neg_value)):
//!     for opt in ("adam", "sgd"):
//!         model, out = net(), []
//!         o = (torch.optim.Adam(model.parameters(), lr=0.05) if opt == "adam"
//!              else torch.optim.SGD(model.parameters(), lr=0.5))
//!         for epoch in range(EPOCHS):
//!             order = [(i * 5 + epoch) % N for i in range(N)]
//!             for b in (torch.tensor(order[:BATCH]), torch.tensor(order[BATCH:])):
//!                 o.zero_grad()
//!                 l = loss(model(x[b]).log_softmax(-1), b)
//!                 l.backward()
//!                 o.step()
//!                 out.append(-l.item())
//!         print(name, opt, out)
//! ```

#![allow(missing_docs)]

use rewardlab::algorithm::{Adam, Learner, Optimizer, Sgd};
use rewardlab::objective::{expected_reward_objective, nll_loss};
use rewardlab::policy::{Activation, Init, Mlp, Policy};
use rewardlab::rng::Stream;

const N: usize = 6;
const SIZES: [usize; 4] = [4, 5, 3, 3];
const BATCH: usize = 4;
const EPOCHS: usize = 3;
const TARGETS: [usize; N] = [0, 2, 1, 1, 0, 2];

fn network() -> Mlp {
    let inputs: Vec<f64> = (0..N * SIZES[0]).map(|i| (1.0 + i as f64).cos()).collect();
    let rng = &mut Stream::named(&["overwritten below"]);
    let mut network = Mlp::new(inputs.into(), &SIZES, Activation::Relu, Init::Torch, rng);
    for (i, p) in network.params_mut().iter_mut().enumerate() {
        *p = 0.7 * (1.0 + i as f64).sin();
    }
    network
}

/// The objective at every step, before it moves.
fn train(optimizer: Box<dyn Optimizer>, objective: impl Fn(usize, &[f64], &mut [f64]) -> f64) -> Vec<f64> {
    let mut learner = Learner::new(network(), optimizer);
    let mut values = Vec::new();
    for epoch in 0..EPOCHS {
        let order: Vec<usize> = (0..N).map(|i| (i * 5 + epoch) % N).collect();
        for batch in order.chunks(BATCH) {
            values.push(learner.step(batch, &objective).expect("finite gradients").objective);
        }
    }
    values
}

fn adam() -> Box<dyn Optimizer> {
    Box::new(Adam::new(0.05, network().params().len()).expect("legal rate"))
}

fn sgd() -> Box<dyn Optimizer> {
    Box::new(Sgd { learning_rate: 0.5 })
}

fn assert_near(got: &[f64], expected: [f64; 2 * EPOCHS]) {
    assert_eq!(got.len(), expected.len());
    for (step, (g, e)) in got.iter().zip(expected).enumerate() {
        assert!((g - e).abs() < 1e-10, "step {step}: {g}, PyTorch {e}");
    }
}

#[test]
fn supervised_finetuning() {
    let objective = |i: usize, lp: &[f64], w: &mut [f64]| -nll_loss(lp, TARGETS[i], -1.0, w);
    assert_near(
        &train(adam(), objective),
        [
            -1.023_380_242_024_578_3,
            -1.517_144_906_148_666_8,
            -1.111_433_855_771_320_6,
            -1.211_644_490_339_171_2,
            -1.196_975_780_987_231_5,
            -0.929_423_871_398_409_3,
        ],
    );
    assert_near(
        &train(sgd(), objective),
        [
            -1.023_380_242_024_578_3,
            -1.503_353_772_147_233_4,
            -1.119_264_834_617_405_7,
            -1.294_203_074_696_334,
            -1.194_538_911_547_472_3,
            -1.002_898_044_699_394_3,
        ],
    );
}

#[test]
fn reinforcement_finetuning_with_the_exact_expected_reward() {
    let objective = |i: usize, lp: &[f64], w: &mut [f64]| {
        let rewards = match i {
            4 => [1.0, 0.5, 0.5],
            _ => std::array::from_fn(|y| if y == TARGETS[i] { 1.0 } else { -1.0 }),
        };
        expected_reward_objective(lp, &rewards, 1.0, w)
    };
    assert_near(
        &train(adam(), objective),
        [
            -0.045_071_417_384_902_06,
            -0.584_498_921_369_006_2,
            -0.102_519_799_344_776_9,
            -0.414_898_720_202_791_67,
            -0.388_967_507_570_762_6,
            0.225_900_134_354_220_96,
        ],
    );
    assert_near(
        &train(sgd(), objective),
        [
            -0.045_071_417_384_902_06,
            -0.553_824_603_657_945_8,
            -0.111_733_704_510_805_8,
            -0.436_563_982_455_192_57,
            -0.403_366_854_584_126_36,
            0.230_084_393_339_674_18,
        ],
    );
}
