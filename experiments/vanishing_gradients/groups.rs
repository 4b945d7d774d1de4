//! Exact expectations over groups of sampled outputs: by enumeration, and over counts when rewards are binary.

use super::softmax_linear::RIGHT;
use rewardlab::error::Result;
use rewardlab::exact::{Flow, log_prob_gradient, softmax};
use rewardlab::objective::{
    dr_grpo_advantages, grpo_advantages, policy_gradient_objective, reinforce_advantages, rloo_advantages,
};
use rewardlab::rng::Stream;

/// How a group's rewards become advantages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Method {
    /// r − baseline.
    Reinforce { baseline: f64 },
    /// r − mean of the others.
    Rloo,
    /// r − mean.
    DrGrpo,
    /// (r − mean) / (sample std + epsilon).
    Grpo { epsilon: f64 },
}

impl Method {
    /// Fills the advantages of a group.
    pub(crate) fn advantages(self, rewards: &[f64], out: &mut [f64]) {
        match self {
            Self::Reinforce { baseline } => reinforce_advantages(rewards, baseline, out),
            Self::Rloo => rloo_advantages(rewards, out),
            Self::DrGrpo => dr_grpo_advantages(rewards, out),
            Self::Grpo { epsilon } => grpo_advantages(rewards, epsilon, out),
        }
    }
}

/// E[(1/G) `Σ A_i ∇ log π(y_i)`] on the logits, over all Kᴳ groups.
pub(crate) fn expected_step(probs: &[f64], rewards: &[f64], group: usize, method: Method) -> Vec<f64> {
    let outputs = probs.len();
    let (mut of_group, mut advantages) = (vec![0.0; group], vec![0.0; group]);
    let mut step = vec![0.0; outputs];
    for code in 0..outputs.pow(group as u32) {
        let ys: Vec<usize> = (0..group).map(|i| code / outputs.pow(i as u32) % outputs).collect();
        let chance: f64 = ys.iter().map(|y| probs[*y]).product();
        of_group.iter_mut().zip(&ys).for_each(|(r, y)| *r = rewards[*y]);
        method.advantages(&of_group, &mut advantages);
        let log_probs: Vec<f64> = ys.iter().map(|y| probs[*y].ln()).collect();
        let mut weights = vec![0.0; group];
        policy_gradient_objective(&log_probs, &advantages, chance, &mut weights);
        // ∇ log π(y) = e_y − π
        let total: f64 = weights.iter().sum();
        ys.iter().zip(&weights).for_each(|(y, w)| step[*y] += w);
        step.iter_mut().zip(probs).for_each(|(s, p)| *s -= total * p);
    }
    step
}

/// A method's expected step under binary rewards, as a multiple of ∇ log p(success).
///
/// With E[∇ log π] = 0, failures pull along −p/(1−p) times the mean score of a success; so a group with k successes is
/// worth (k A₊ − (G−k) A₋ p/(1−p)) / G, averaged over the binomial distribution of k.
#[derive(Clone, Debug)]
pub(crate) struct BinaryDrift {
    /// k A₊ / G and −(G−k) A₋ / G for every count k of successes.
    gains: Vec<(f64, f64)>,
}

impl BinaryDrift {
    /// For groups of `group` with rewards `low` (failure) and `high` (success).
    pub(crate) fn new(method: Method, group: usize, low: f64, high: f64) -> Self {
        let (mut rewards, mut advantages) = (vec![low; group], vec![0.0; group]);
        let mut gains = Vec::with_capacity(group + 1);
        for k in 0..=group {
            if k > 0 {
                rewards[k - 1] = high;
            }
            method.advantages(&rewards, &mut advantages);
            let (successes, failures) = advantages.split_at(k);
            let share = |part: &[f64]| part.iter().sum::<f64>() / group as f64;
            gains.push((share(successes), -share(failures)));
        }
        Self { gains }
    }

    /// The multiple at success probability `p` in (0, 1).
    pub(crate) fn at(&self, p: f64) -> f64 {
        let odds = p / (1.0 - p);
        self.mean(p, 1e-20, |k| self.gains[k].0 + self.gains[k].1 * odds)
    }

    /// The probability that every advantage of a group is zero.
    pub(crate) fn dead(&self, p: f64) -> f64 {
        self.mean(p, 0.0, |k| f64::from(self.gains[k] == (0.0, 0.0)))
    }

    /// The mean of f(k) under the binomial distribution, from its mode outwards while a probability is at least `cut`
    /// times the mode's. Weights are relative to the mode's and divided by their sum: no factorials.
    fn mean(&self, p: f64, cut: f64, f: impl Fn(usize) -> f64) -> f64 {
        let n = self.gains.len() - 1;
        let mode = (((n + 1) as f64 * p) as usize).min(n);
        let odds = p / (1.0 - p);
        let (mut sum, mut total) = (f(mode), 1.0);
        let mut weight = 1.0;
        for k in mode + 1..=n {
            weight *= odds * (n - k + 1) as f64 / k as f64;
            if weight < cut {
                break;
            }
            sum += weight * f(k);
            total += weight;
        }
        weight = 1.0;
        for k in (0..mode).rev() {
            weight *= (k + 1) as f64 / (n - k) as f64 / odds;
            if weight < cut {
                break;
            }
            sum += weight * f(k);
            total += weight;
        }
        sum / total
    }
}

/// m(p) of GRPO for ±1 rewards, written out: 2 E[k(G−k) / (G² (1−p) (std + ε))], std = 2√(k(G−k)/(G(G−1))).
pub(crate) fn grpo_multiple(p: f64, group: usize, epsilon: f64) -> f64 {
    let g = group as f64;
    let mut chance = (1.0 - p).powf(group as f64);
    let mut mean = 0.0;
    for k in 1..group {
        let k = k as f64;
        chance *= p / (1.0 - p) * (g - k + 1.0) / k;
        let std = 2.0 * (k * (g - k) / (g * (g - 1.0))).sqrt();
        mean += chance * 2.0 * k * (g - k) / (g * g * (1.0 - p) * (std + epsilon));
    }
    mean
}

/// Flow time until the right label has probability 1/2, from `logits` with a single right label, when the step is
/// `multiple(p)` · ∇ log p; `None` if the flow's horizon comes first.
pub(crate) fn time_to_half(multiple: impl Fn(f64) -> f64, logits: &[f64], flow: Flow) -> Result<Option<f64>> {
    let mut probs = vec![0.0; logits.len()];
    let field = |logits: &[f64], rate: &mut [f64]| {
        softmax(logits, &mut probs);
        log_prob_gradient(&probs, RIGHT, rate);
        let multiple = multiple(probs[RIGHT]);
        for r in rate {
            *r *= multiple;
        }
    };
    let right = |logits: &[f64]| {
        let mut probs = vec![0.0; logits.len()];
        softmax(logits, &mut probs);
        probs[RIGHT]
    };
    Ok(flow.crossings(field, right, &[0.5], logits)?.first().map(|crossing| crossing.time))
}

/// The share of `samples` groups of `group` outputs, each right with probability `p`, whose advantages are all zero.
pub(crate) fn sampled_dead(method: Method, group: usize, p: f64, samples: usize, stream: &mut Stream) -> f64 {
    let (mut rewards, mut advantages) = (vec![0.0; group], vec![0.0; group]);
    let mut dead = 0;
    for _ in 0..samples {
        rewards.fill_with(|| if stream.uniform() < p { 1.0 } else { -1.0 });
        method.advantages(&rewards, &mut advantages);
        dead += usize::from(advantages.iter().all(|a| *a == 0.0));
    }
    dead as f64 / samples as f64
}

/// A random policy with random rewards in [−1, 1], or ±1 with the first half of the outputs successful.
pub(crate) fn problem(outputs: usize, binary: bool, stream: &mut Stream) -> (Vec<f64>, Vec<f64>) {
    let mut logits = vec![0.0; outputs];
    stream.fill_normal(1.0, &mut logits);
    let mut probs = logits.clone();
    softmax(&logits, &mut probs);
    let general = (0..outputs).map(|_| 2.0 * stream.uniform() - 1.0).collect();
    let halves = (0..outputs).map(|y| if y < outputs / 2 { 1.0 } else { -1.0 }).collect();
    (probs, if binary { halves } else { general })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_enumeration_agree() {
        let probs = [0.2, 0.1, 0.4, 0.3]; // the first two succeed
        let rewards = [0.7, 0.7, -0.3, -0.3];
        let p = 0.3;
        for method in [Method::Reinforce { baseline: 0.1 }, Method::Rloo, Method::DrGrpo, Method::Grpo { epsilon: 0.2 }]
        {
            for group in 1..=4 {
                let step = expected_step(&probs, &rewards, group, method);
                let drift = BinaryDrift::new(method, group, -0.3, 0.7).at(p);
                // ∇ log p(success) on the logits: π(y | success) − π(y)
                for y in 0..4 {
                    let score = if y < 2 { probs[y] / p } else { 0.0 } - probs[y];
                    assert!((step[y] - drift * score).abs() < 1e-14, "{method:?}, G = {group}: {step:?}");
                }
            }
        }
    }

    /// Mean G p, variance G p (1 − p), and all mass in two points: what the binomial distribution is known for.
    #[test]
    fn counts_are_binomial() {
        for (group, p) in [(1, 0.5), (8, 1e-6), (64, 0.999), (4096, 0.01), (4096, 0.5)] {
            let drift = BinaryDrift::new(Method::DrGrpo, group, -1.0, 1.0);
            let mean = group as f64 * p;
            let moment = |power| drift.mean(p, 1e-20, |k| (k as f64 - mean).powi(power));
            let variance = mean * (1.0 - p);
            assert!(moment(1).abs() < 1e-11 * mean, "G = {group}, p = {p}: {}", moment(1));
            assert!((moment(2) / variance - 1.0).abs() < 1e-11, "G = {group}, p = {p}: {}", moment(2));
            let dead = p.powf(group as f64) + (1.0 - p).powf(group as f64);
            assert!((drift.dead(p) - dead).abs() <= 1e-11 * dead, "G = {group}, p = {p}: {}", drift.dead(p));
        }
    }
}
