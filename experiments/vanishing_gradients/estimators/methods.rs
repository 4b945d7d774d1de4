//! The estimators: exact moments of the step each makes of n outputs, and sampled steps of the same.

use super::super::estimation::{Moments, Space};
use super::super::groups::Method as Rule;
use rewardlab::objective::{MovingAverage, gae_advantages, in_groups, ppo_clip_objective, terminal_rewards};
use rewardlab::rng::Stream;

/// An estimator of the policy gradient from n outputs of one prompt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Method {
    /// Advantages within groups of `group` outputs; n is a multiple of it.
    Group { rule: Rule, group: usize },
    /// REINFORCE with the moving average of earlier batches' means as baseline.
    MovingAverage { decay: f64 },
    /// PPO's clipped token surrogate with GAE and a perfect critic of the sampling policy; `clip` may be infinite.
    Ppo { gamma: f64, lambda: f64, clip: f64 },
}

/// What a method sees: a space, rewards, and the sampling policy (the same one, or one that it has moved away from).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Problem<'a> {
    pub(crate) space: &'a Space,
    pub(crate) rewards: &'a [f64],
    pub(crate) sampler: &'a Space,
    /// Outputs per step.
    pub(crate) samples: usize,
}

impl Problem<'_> {
    fn chances(&self) -> Vec<f64> {
        self.sampler.outputs.iter().map(|lp| lp.exp()).collect()
    }

    /// Expected reward and its variance under the sampling policy.
    fn mean_and_variance(&self) -> (f64, f64) {
        let chances = self.chances();
        let mean: f64 = chances.iter().zip(self.rewards).map(|(p, r)| p * r).sum();
        (mean, chances.iter().zip(self.rewards).map(|(p, r)| p * (r - mean).powi(2)).sum())
    }

    /// What a perfect critic says of every context: the expected reward under the sampling policy, discounted by the tokens that
    /// are still to come before it is paid.
    fn values(&self, gamma: f64) -> Vec<f64> {
        let vocab = self.space.tree.vocab;
        let (mut total, mut reach) = (vec![0.0; self.space.cells() / vocab], vec![0.0; self.space.cells() / vocab]);
        for ((y, p), r) in self.chances().iter().enumerate().zip(self.rewards) {
            for cell in self.space.path(y) {
                total[cell / vocab] += p * r;
                reach[cell / vocab] += p;
            }
        }
        let tree = self.space.tree;
        let depth = |context: usize| (0..tree.length).filter(|d| tree.level_start(d + 1) <= context).count();
        let discount = |context| gamma.powi((tree.length - 1 - depth(context)) as i32);
        total.iter().zip(&reach).enumerate().map(|(s, (t, p))| discount(s) * t / p).collect()
    }

    /// PPO's weights of every output.
    fn ppo_weights(&self, gamma: f64, lambda: f64, clip: f64) -> Vec<Vec<f64>> {
        let length = self.space.tree.length;
        let values = self.values(gamma);
        let of = |y: usize| {
            let path = self.space.path(y);
            let at = |x: &[f64]| path.iter().map(|c| x[*c]).collect::<Vec<_>>();
            let values: Vec<f64> = path.iter().map(|c| values[c / self.space.tree.vocab]).collect();
            let (mut rewards, mut advantages, mut weights) = (vec![0.0; length], vec![0.0; length], vec![0.0; length]);
            terminal_rewards(&[length], &[self.rewards[y]], &mut rewards);
            gae_advantages(&[length], &rewards, &values, gamma, lambda, &mut advantages);
            let (new, old) = (at(&self.space.log_probs), at(&self.sampler.log_probs));
            ppo_clip_objective(&new, &old, &advantages, clip, 1.0, &mut weights);
            weights
        };
        (0..self.rewards.len()).map(of).collect()
    }
}

/// Moments of one *block* of a method's step, the number of independent blocks in n outputs, and the probability that a
/// block's advantages are all exactly zero.
pub(crate) fn exact(problem: &Problem, method: Method) -> (Moments, usize, f64) {
    let Problem { space, rewards, samples, .. } = *problem;
    let chances = problem.chances();
    let spread = |w: &mut [f64], y: usize, a: f64| space.path(y).iter().for_each(|c| w[*c] = a);
    match method {
        Method::Group { rule: Rule::Reinforce { baseline }, .. } => {
            (space.moments(&chances, |y, w| spread(w, y, rewards[y] - baseline)), samples, 0.0)
        }
        Method::MovingAverage { decay } => {
            let (mean, variance) = problem.mean_and_variance();
            let mut moments = space.moments(&chances, |y, w| spread(w, y, rewards[y] - mean));
            // a baseline that is independent of the batch adds its variance times E‖s‖², and nothing between outputs as E s = 0
            let factor = MovingAverage::new(decay).map_or(f64::NAN, |m| m.variance_factor());
            let scores = space.moments(&chances, |y, w| spread(w, y, 1.0));
            moments.square += factor * variance / samples as f64 * scores.square;
            (moments, samples, 0.0)
        }
        Method::Ppo { gamma, lambda, clip } => {
            let weights = problem.ppo_weights(gamma, lambda, clip);
            let fill = |y: usize, w: &mut [f64]| space.path(y).iter().zip(&weights[y]).for_each(|(c, v)| w[*c] = *v);
            (space.moments(&chances, fill), samples, 0.0)
        }
        Method::Group { rule, group } => {
            let (moments, dead) = group_moments(space, &chances, rewards, rule, group);
            (moments, samples / group, dead)
        }
    }
}

/// Outputs with the same reward, taken together.
struct Level {
    reward: f64,
    chance: f64,
    /// Mean score given this reward (weights on logits).
    score: Vec<f64>,
    /// E‖score‖² given this reward.
    square: f64,
}

fn levels(space: &Space, chances: &[f64], rewards: &[f64]) -> Vec<Level> {
    let mut values = rewards.to_vec();
    values.sort_by(f64::total_cmp);
    values.dedup();
    let of = |reward: f64| {
        let inside: Vec<f64> = chances.iter().zip(rewards).map(|(p, r)| if *r == reward { *p } else { 0.0 }).collect();
        let chance: f64 = inside.iter().sum();
        let share: Vec<f64> = inside.iter().map(|p| p / chance).collect();
        let moments = space.moments(&share, |y, w| space.path(y).iter().for_each(|c| w[*c] = 1.0));
        Level { reward, chance, score: moments.mean, square: moments.square }
    };
    values.into_iter().map(of).collect()
}

/// Moments of a group's step (1/G) Σ A s over all counts of rewards in the group: members with the same reward are
/// independent given the counts, so that their scores enter through two moments.
fn group_moments(space: &Space, chances: &[f64], rewards: &[f64], rule: Rule, group: usize) -> (Moments, f64) {
    let levels = levels(space, chances, rewards);
    let inner: Vec<Vec<f64>> =
        levels.iter().map(|a| levels.iter().map(|b| space.inner(&a.score, &b.score)).collect()).collect();
    let mut moments = Moments { mean: vec![0.0; space.cells()], square: 0.0 };
    let (mut dead, mut coefficients) = (0.0, vec![0.0; levels.len()]);
    let (mut of_group, mut advantages) = (Vec::new(), vec![0.0; group]);
    each_count(&levels, group, &mut |counts: &[usize], chance: f64| {
        of_group.clear();
        levels.iter().zip(counts).for_each(|(l, k)| of_group.extend(std::iter::repeat_n(l.reward, *k)));
        rule.advantages(&of_group, &mut advantages);
        dead += if advantages.iter().all(|a| *a == 0.0) { chance } else { 0.0 };
        // Σ A over a level's members, and what their own squares add to the square of the mean
        let mut first = 0;
        for (i, (level, &k)) in levels.iter().zip(counts).enumerate() {
            let a = if k > 0 { advantages[first] / group as f64 } else { 0.0 };
            first += k;
            coefficients[i] = k as f64 * a;
            moments.square += chance * k as f64 * a * a * (level.square - inner[i][i]);
        }
        for (i, a) in coefficients.iter().enumerate() {
            moments.square += chance * a * coefficients.iter().zip(&inner[i]).map(|(b, g)| b * g).sum::<f64>();
            moments.mean.iter_mut().zip(&levels[i].score).for_each(|(m, s)| *m += chance * a * s);
        }
    });
    (moments, dead)
}

/// Calls `visit(counts, probability)` for every way to split `group` members over the levels.
fn each_count(levels: &[Level], group: usize, visit: &mut dyn FnMut(&[usize], f64)) {
    let log_factorial = |n: usize| (2..=n).map(|k| (k as f64).ln()).sum::<f64>();
    let whole = log_factorial(group);
    let chance = |counts: &[usize]| {
        let log = |(l, k): (&Level, &usize)| if *k > 0 { *k as f64 * l.chance.ln() - log_factorial(*k) } else { 0.0 };
        (whole + levels.iter().zip(counts).map(log).sum::<f64>()).exp()
    };
    split(levels.len(), group, &mut Vec::new(), &mut |counts| visit(counts, chance(counts)));
}

/// Every way to write `left` as an ordered sum of as many counts as are missing from `counts` up to `parts`.
fn split(parts: usize, left: usize, counts: &mut Vec<usize>, visit: &mut dyn FnMut(&[usize])) {
    let last = counts.len() + 1 == parts;
    for k in if last { left } else { 0 }..=left {
        counts.push(k);
        if last {
            visit(counts);
        } else {
            split(parts, left - k, counts, visit);
        }
        counts.pop();
    }
}

/// One sampled step of a method.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw {
    /// step · truth.
    pub(crate) along: f64,
    /// ‖step‖².
    pub(crate) square: f64,
}

/// `draws` sampled steps, by the objectives themselves.
pub(crate) fn sampled(
    problem: &Problem,
    method: Method,
    truth: &[f64],
    draws: usize,
    stream: &mut Stream,
) -> Vec<Draw> {
    let Problem { space, rewards, samples, .. } = *problem;
    let chances = problem.chances();
    let ppo = match method {
        Method::Ppo { gamma, lambda, clip } => problem.ppo_weights(gamma, lambda, clip),
        _ => Vec::new(),
    };
    let mut average = match method {
        Method::MovingAverage { decay } => MovingAverage::new(decay),
        _ => None,
    };
    let mut batch = vec![0.0; samples];
    let mut draw = |stream: &mut Stream| {
        let ys: Vec<usize> = (0..samples).map(|_| stream.categorical(&chances)).collect();
        batch.iter_mut().zip(&ys).for_each(|(r, y)| *r = rewards[*y]);
        let mut advantages = vec![0.0; samples];
        match (method, &mut average) {
            (Method::Group { rule, group }, _) => {
                in_groups(&batch, group, |r, a| rule.advantages(r, a), &mut advantages);
            }
            (_, Some(average)) => {
                Rule::Reinforce { baseline: average.baseline() }.advantages(&batch, &mut advantages);
                average.update(&batch);
            }
            _ => advantages.fill(1.0),
        }
        let mut weights = vec![0.0; space.cells()];
        for (&y, a) in ys.iter().zip(&advantages) {
            for (t, &cell) in space.path(y).iter().enumerate() {
                weights[cell] += a / samples as f64 * ppo.get(y).map_or(1.0, |w| w[t]);
            }
        }
        space.centre(&mut weights);
        Draw { along: space.inner(&weights, truth), square: space.inner(&weights, &weights).max(0.0) }
    };
    if matches!(method, Method::MovingAverage { .. }) {
        // to the stationary average, whose variance the exact moments have
        (0..WARM_UP).for_each(|_| {
            draw(stream);
        });
    }
    (0..draws).map(|_| draw(stream)).collect()
}

/// Batches before the moving average is used.
const WARM_UP: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vanishing_gradients::groups::expected_step;
    use rewardlab::env::Tree;
    use rewardlab::num::relative_error;
    use rewardlab::policy::Tabular;

    const RULES: [Rule; 4] = [Rule::Rloo, Rule::DrGrpo, Rule::Grpo { epsilon: 0.0 }, Rule::Grpo { epsilon: 0.1 }];

    fn bandit() -> (Space, [f64; 4]) {
        let tree = Tree { prompts: 1, vocab: 4, length: 1 };
        (Space::new(&mut Tabular::from_logits(4, vec![0.3, -1.0, 2.0, 0.0]), tree), [1.0, -0.5, 1.0, 0.25])
    }

    fn moments(method: Method) -> (Moments, f64) {
        let (space, rewards) = bandit();
        let samples = 4;
        let (m, blocks, dead) = exact(&Problem { space: &space, rewards: &rewards, sampler: &space, samples }, method);
        assert_eq!(blocks, 1);
        (m, dead)
    }

    /// Counts of rewards against the enumeration of all Kᴳ groups, mean and square.
    #[test]
    fn counts_agree_with_enumeration() {
        let (space, rewards) = bandit();
        let probs: Vec<f64> = space.outputs.iter().map(|lp| lp.exp()).collect();
        for rule in RULES {
            let (got, _) = moments(Method::Group { rule, group: 4 });
            assert!(relative_error(&got.mean, &expected_step(&probs, &rewards, 4, rule)) < 1e-12, "{rule:?}");
            let (mut square, mut total) = (0.0, 0.0);
            for code in 0..256_usize {
                let ys: Vec<usize> = (0..4).map(|i| code >> (2 * i) & 3).collect();
                let chance: f64 = ys.iter().map(|y| probs[*y]).product();
                let (mut a, mut w) = ([0.0; 4], [0.0; 4]);
                rule.advantages(&ys.iter().map(|y| rewards[*y]).collect::<Vec<_>>(), &mut a);
                ys.iter().zip(a).for_each(|(y, a)| w[*y] += a / 4.0);
                space.centre(&mut w);
                square += chance * space.inner(&w, &w);
                total += chance;
            }
            assert!((total - 1.0).abs() < 1e-12 && (got.square / square - 1.0).abs() < 1e-12, "{rule:?}");
        }
    }

    #[test]
    fn dead_groups_are_counted() {
        let (space, _) = bandit();
        let p: f64 = [0, 2].map(|y| space.outputs[y].exp()).iter().sum();
        let others = [1, 3].map(|y| space.outputs[y].exp());
        let expected = p.powi(4) + others.iter().map(|q| q.powi(4)).sum::<f64>();
        let (_, dead) = moments(Method::Group { rule: Rule::Rloo, group: 4 });
        assert!((dead / expected - 1.0).abs() < 1e-12);
    }

    /// On the sampling policy itself PPO with λ = γ = 1 is REINFORCE with a critic: unbiased; the clip does not act.
    #[test]
    fn ppo_without_discount_is_unbiased_on_policy() {
        let tree = Tree { prompts: 1, vocab: 2, length: 3 };
        let mut policy = Tabular::from_logits(2, (0..14).map(|i| f64::from(i * i % 5) / 3.0).collect());
        let rewards: Vec<f64> = (0..8).map(|i| f64::from(i * 3 % 7)).collect();
        let world = rewardlab::env::World::new(tree, rewards.clone()).expect("finite");
        let space = Space::new(&mut policy, tree);
        let truth = space.policy_gradient(&mut policy, &world);
        let problem = Problem { space: &space, rewards: &rewards, sampler: &space, samples: 8 };
        let of = |method| space.quality(&exact(&problem, method).0, 8, &truth);
        let unbiased = of(Method::Ppo { gamma: 1.0, lambda: 1.0, clip: 0.2 });
        assert!(unbiased.bias < 1e-12, "{unbiased:?}");
        assert!(of(Method::Ppo { gamma: 0.9, lambda: 0.5, clip: 0.2 }).bias > 0.01);
        let plain = of(Method::Group { rule: Rule::Reinforce { baseline: 0.0 }, group: 1 });
        assert!(unbiased.noise < plain.noise);
    }
}
