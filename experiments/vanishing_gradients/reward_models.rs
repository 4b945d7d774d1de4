//! The worlds and reward models of `reward_teacher`: outputs sorted from worst to best.

use rewardlab::exact::softmax;
use rewardlab::rng::Stream;

/// Outputs with their true rewards, worst first, and an initial policy.
#[derive(Debug)]
pub(crate) struct World {
    /// True reward of each output, in [−1, 1].
    pub(crate) truth: Vec<f64>,
    /// Initial probability of each output.
    pub(crate) policy: Vec<f64>,
}

impl World {
    /// ⌈K/2⌉ bad outputs, then ⌊K/2⌋ good ones that share `good_mass`.
    pub(crate) fn new(outputs: usize, good_mass: f64, stream: &mut Stream) -> Self {
        let bad = outputs.div_ceil(2);
        let mut truth: Vec<f64> =
            (0..outputs).map(|y| 0.5 * stream.uniform() + if y < bad { -1.0 } else { 0.5 }).collect();
        truth.sort_by(f64::total_cmp);
        let mut policy = shares(bad, 1.0 - good_mass, stream);
        policy.extend(shares(outputs - bad, good_mass, stream));
        Self { truth, policy }
    }

    fn bad(&self) -> usize {
        self.truth.len().div_ceil(2)
    }

    /// The accurate ranking, evenly spaced over [−1, 1].
    pub(crate) fn ranking(&self) -> Vec<f64> {
        spaced(self.truth.len())
    }

    /// Good near 1, bad near −1, each half upside down.
    pub(crate) fn upside_down(&self) -> Vec<f64> {
        let half = |n: usize, centre: f64| spaced(n).into_iter().map(move |u| centre - 0.1 * u);
        half(self.bad(), -0.9).chain(half(self.truth.len() - self.bad(), 0.9)).collect()
    }

    /// A policy with nearly all mass on the bad output `common`, `rare_mass` on each other bad one, and the good ones
    /// as in the initial policy.
    pub(crate) fn mostly(&self, common: usize, rare_mass: f64) -> Vec<f64> {
        let mut probs = self.policy.clone();
        probs[..self.bad()].fill(rare_mass);
        probs[common] = 0.0;
        probs[common] = 1.0 - probs.iter().sum::<f64>();
        probs
    }

    /// Nearly 1 and accurate, but for one output at −1.
    pub(crate) fn flat_but(&self, output: usize, squash: f64) -> Vec<f64> {
        let mut rewards = scaled(&self.ranking(), squash, 1.0 - squash);
        rewards[output] = -1.0;
        rewards
    }
}

/// `n` values over [−1, 1], ascending.
fn spaced(n: usize) -> Vec<f64> {
    (0..n).map(|i| if n == 1 { 0.0 } else { 2.0 * i as f64 / (n as f64 - 1.0) - 1.0 }).collect()
}

/// factor · r + offset.
pub(crate) fn scaled(rewards: &[f64], factor: f64, offset: f64) -> Vec<f64> {
    rewards.iter().map(|r| factor * r + offset).collect()
}

/// `mass` divided among `n` outputs by a softmax of half-normal-scale logits.
fn shares(n: usize, mass: f64, stream: &mut Stream) -> Vec<f64> {
    let mut logits = vec![0.0; n];
    stream.fill_normal(0.5, &mut logits);
    let mut probs = logits.clone();
    softmax(&logits, &mut probs);
    scaled(&probs, mass, 0.0)
}

/// The share of output pairs of unequal truth that `rewards` ranks as the truth does; ties count as wrong.
pub(crate) fn accuracy(rewards: &[f64], truth: &[f64]) -> f64 {
    let all = || (0..truth.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
    let pairs = || all().filter(|&(a, b)| (truth[a] - truth[b]).abs() > 0.0);
    let right = pairs().filter(|&(a, b)| (rewards[a] - rewards[b]) * (truth[a] - truth[b]) > 0.0).count();
    right as f64 / pairs().count() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn teachers_are_as_accurate_as_they_are_called() {
        for outputs in 3..=10 {
            let world = World::new(outputs, 0.1, &mut Stream::named(&["tests", "teachers"]));
            assert!(accuracy(&world.ranking(), &world.truth) >= 1.0);
            assert!(accuracy(&world.flat_but(0, 1e-3), &world.truth) >= 1.0);
            let pairs = (outputs * (outputs - 1) / 2) as f64;
            assert!((accuracy(&world.flat_but(1, 1e-3), &world.truth) - (1.0 - 1.0 / pairs)).abs() < 1e-12);
            assert!(accuracy(&world.upside_down(), &world.truth) <= 0.7);
            for policy in [&world.policy, &world.mostly(0, 1e-3), &world.mostly(1, 1e-3)] {
                assert!((policy.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{policy:?}");
            }
        }
    }
}
