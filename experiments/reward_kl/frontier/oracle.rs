//! Exact values of a transformer: every completion of every held-out prompt.

use super::world::Setup;
use rewardlab::env::{Sentiment, Tree};
use rewardlab::error::Result;
use rewardlab::exact::tilted;
use rewardlab::lm::Sampling;
use rewardlab::lm::cpu::Engine;
use rewardlab::num::exp_into;
use rewardlab::rng::Stream;
use rewardlab::stats::mean;

/// Held-out prompts, with the reward and the reference's log-probability of each of their completions.
pub(super) struct Oracle {
    engine: Engine,
    tree: Tree,
    prompts: Vec<Vec<u32>>,
    rewards: Vec<Vec<f64>>,
    reference: Vec<Vec<f64>>,
}

/// Means over prompts of what a policy is worth, exactly.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) kl: f64,
    pub(super) reward: f64,
    /// Standard error of the mean KL estimated from one sample a prompt, and of the mean reward.
    pub(super) one_sample: [f64; 2],
}

/// Estimates of the same from samples, with their standard errors: [KL, reward].
#[derive(Clone, Copy, Debug)]
pub(super) struct Sampled {
    pub(super) means: [f64; 2],
    pub(super) errors: [f64; 2],
}

impl Oracle {
    pub(super) fn new(setup: &Setup, reference: &[f32], prompts: Vec<Vec<u32>>) -> Result<Self> {
        let sentiment: Sentiment = setup.sentiment()?;
        let tree = Tree { prompts: prompts.len(), vocab: sentiment.words().len(), length: setup.length };
        let of_prompt = |prompt: &Vec<u32>| -> Vec<f64> {
            let text = |code: usize| {
                let words = tree.tokens(tree.length, code).into_iter().map(|t| t as u32);
                prompt.iter().copied().chain(words).collect::<Vec<_>>()
            };
            (0..tree.outputs()).map(|code| sentiment.reward(&text(code))).collect()
        };
        let rewards = prompts.iter().map(of_prompt).collect();
        let engine = Engine::new(&setup.config())?;
        let mut oracle = Self { engine, tree, prompts, rewards, reference: Vec::new() };
        oracle.reference = oracle.log_probs(reference)?;
        Ok(oracle)
    }

    /// log π of every completion of every prompt.
    fn log_probs(&mut self, params: &[f32]) -> Result<Vec<Vec<f64>>> {
        let Self { engine, tree, prompts, .. } = self;
        prompts.iter().map(|prompt| engine.completion_log_probs(params, prompt, tree.length)).collect()
    }

    /// What weights are worth.
    pub(super) fn point(&mut self, params: &[f32]) -> Result<Point> {
        let log_probs = self.log_probs(params)?;
        let mut probs = vec![0.0; self.tree.outputs()];
        // over prompts: sums of KL and reward, and of their variances
        let mut sums = [0.0; 4];
        for ((own, reference), rewards) in log_probs.iter().zip(&self.reference).zip(&self.rewards) {
            exp_into(own, &mut probs);
            let mut moments = [0.0; 4];
            for (((p, own), base), r) in probs.iter().zip(own).zip(reference).zip(rewards) {
                let ratio = own - base;
                moments[0] += p * ratio;
                moments[1] += p * r;
                moments[2] += p * ratio * ratio;
                moments[3] += p * r * r;
            }
            let [kl, reward, kl_squares, reward_squares] = moments;
            let own = [kl, reward, (kl_squares - kl * kl).max(0.0), (reward_squares - reward * reward).max(0.0)];
            sums.iter_mut().zip(own).for_each(|(s, v)| *s += v);
        }
        let n = self.prompts.len() as f64;
        Ok(Point { kl: sums[0] / n, reward: sums[1] / n, one_sample: [sums[2].sqrt() / n, sums[3].sqrt() / n] })
    }

    /// The same from `count` samples of each prompt; the standard errors are exact, so that rare completions that no sample met
    /// are in them.
    pub(super) fn sampled(&mut self, params: &[f32], count: usize, rng: &mut Stream) -> Result<Sampled> {
        let exact = self.point(params)?;
        let (mut kl, mut reward) = (Vec::new(), Vec::new());
        for (x, prompt) in self.prompts.iter().enumerate() {
            let mut streams: Vec<Stream> = (0..count).map(|_| rng.split()).collect();
            let asked = vec![prompt; count];
            for sample in self.engine.sample(params, &asked, &Sampling::plain(self.tree.length), &mut streams)? {
                let code = sample.tokens.iter().fold(0, |code, t| code * self.tree.vocab + *t as usize);
                kl.push(sample.log_probs.iter().sum::<f64>() - self.reference[x][code]);
                reward.push(self.rewards[x][code]);
            }
        }
        let errors = exact.one_sample.map(|e| e / (count as f64).sqrt());
        Ok(Sampled { means: [mean(&kl), mean(&reward)], errors })
    }

    /// The front's points (KL, reward): of each prompt the tilted optimum at each β, means over prompts.
    pub(super) fn front(&self, betas: &[f64]) -> Vec<(f64, f64)> {
        let point = |&beta: &f64| {
            let of_prompt = |(p, r): (&Vec<f64>, &Vec<f64>)| tilted(p, r, beta);
            let optima: Vec<_> = self.reference.iter().zip(&self.rewards).map(of_prompt).collect();
            let over = |of: fn(&rewardlab::exact::Tilted) -> f64| mean(&optima.iter().map(of).collect::<Vec<_>>());
            (over(|t| t.kl), over(|t| t.reward))
        };
        betas.iter().map(point).collect()
    }

    /// The reward at the front's far end: of each prompt's best completions, mean over prompts.
    pub(super) fn most_reward(&self) -> f64 {
        let most = |r: &Vec<f64>| r.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        mean(&self.rewards.iter().map(most).collect::<Vec<_>>())
    }

    /// The KL of the front's far end: of the reference, restricted to each prompt's best completions; mean over prompts.
    pub(super) fn room(&self) -> f64 {
        let of_prompt = |(log_probs, rewards): (&Vec<f64>, &Vec<f64>)| {
            let most = rewards.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let best = log_probs.iter().zip(rewards).filter(|(_, r)| **r >= most);
            -best.map(|(lp, _)| lp.exp()).sum::<f64>().ln()
        };
        mean(&self.reference.iter().zip(&self.rewards).map(of_prompt).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup() -> Setup {
        Setup {
            slope: 0.5,
            length: 3,
            corpus: 10,
            width: 16,
            layers: 1,
            heads: 2,
            sft_steps: 1,
            sft_batch: 1,
            sft_learning_rate: 1e-3,
            gradient_clip: 1.0,
            prompts: 10,
            completions: 2,
            held_out: 2,
        }
    }

    /// The reference, and a policy away from it.
    fn policies() -> [Vec<f32>; 2] {
        ["a", "b"].map(|name| {
            let mut rng = Stream::named(&["tests", "oracle", name]);
            let count = setup().parameters().expect("a layout");
            (0..count).map(|_| 0.4 * rng.normal() as f32).collect()
        })
    }

    /// Against every completion scored whole, and against samples: fixed seed, 4000 of them, |z| < 4.
    #[test]
    fn points_are_those_of_enumeration_and_of_samples() {
        let [reference, policy] = policies();
        let prompts = vec![vec![4, 5], vec![0, 1, 2, 3, 4, 5, 0, 1]];
        let mut oracle = Oracle::new(&setup(), &reference, prompts.clone()).expect("fits");
        let same = oracle.point(&reference).expect("finite");
        assert!(same.kl.abs() < 1e-12 && same.reward > 0.0);
        let point = oracle.point(&policy).expect("finite");

        let sentiment = setup().sentiment().expect("legal");
        let (mut kl, mut reward) = (0.0, 0.0);
        for prompt in &prompts {
            let word = |code: usize, d: u32| (code / 6_usize.pow(d) % 6) as u32;
            let texts: Vec<Vec<u32>> = (0..216)
                .map(|code| prompt.iter().copied().chain((0..3).rev().map(|d| word(code, d))).collect())
                .collect();
            let of = |params: &[f32]| setup().score(params, &texts, prompt.len()).expect("fits");
            let (own, base) = (of(&policy), of(&reference));
            kl += 0.5 * own.iter().zip(&base).map(|(p, q)| p.exp() * (p - q)).sum::<f64>();
            reward += 0.5 * own.iter().zip(&texts).map(|(p, t)| p.exp() * sentiment.reward(t)).sum::<f64>();
        }
        assert!((point.kl - kl).abs() < 1e-5 && (point.reward - reward).abs() < 1e-5, "{point:?} {kl} {reward}");

        let sampled = oracle.sampled(&policy, 2000, &mut Stream::named(&["tests", "oracle"])).expect("finite");
        for (seen, error, exact) in
            [(sampled.means[0], sampled.errors[0], point.kl), (sampled.means[1], sampled.errors[1], point.reward)]
        {
            assert!((seen - exact).abs() < 4.0 * error && error < 0.05, "{sampled:?} {point:?}");
        }
    }

    /// From the reference (β = ∞) to the best completions (β → 0); no policy is above.
    #[test]
    fn the_front_reaches_from_the_reference_to_the_end_of_the_room() {
        let [reference, policy] = policies();
        let mut oracle = Oracle::new(&setup(), &reference, vec![vec![4, 5], vec![1, 0]]).expect("fits");
        let start = oracle.point(&reference).expect("finite");
        let ends = oracle.front(&[1e9, 1e-5]);
        assert!(ends[0].0 < 1e-9 && (ends[0].1 - start.reward).abs() < 1e-8);
        assert!((ends[1].0 - oracle.room()).abs() < 1e-6, "{ends:?} {}", oracle.room());
        assert!((ends[1].1 - oracle.most_reward()).abs() < 1e-9);
        let point = oracle.point(&policy).expect("finite");
        for beta in [0.01, 0.1, 1.0] {
            let (kl, reward) = oracle.front(&[beta])[0];
            assert!(point.reward - beta * point.kl <= reward - beta * kl);
        }
    }
}
