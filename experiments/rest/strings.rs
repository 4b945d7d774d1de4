//! The strings world: contexts, each with all strings of a length, a reward in [0, 1] for each, and supervised data that are a
//! noisy attempt at good ones. Everything is enumerated; a policy is one distribution over strings per context.
//!
//! Three tasks, in place of the paper's three data sets, differ in length, vocabulary and the shape of the reward. In each, rewards
//! are scaled per context so that the worst string has 0 and the best the context's ceiling.

use rewardlab::env::{Tree, World};
use rewardlab::error::{Error, Result};
use rewardlab::exact::{NothingPasses, Product, best_reward, expected_reward, filtered};
use rewardlab::num::log_softmax;
use rewardlab::policy::Tabular;
use rewardlab::rng::Stream;
use rewardlab::stats::mean;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One mass per string, per context: a policy (each context's sum to 1), or what a Grow step holds.
pub(crate) type Masses = Vec<Vec<f64>>;

/// What a world is drawn from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WorldParams {
    /// Contexts; 2 to 200.
    pub(crate) contexts: usize,
    /// How much of the reward the data know: the log-probability of a string rises by this from reward 0 to the context's ceiling;
    /// at least 0.
    pub(crate) skill: f64,
    /// Std of what else decides the log-probability of a string in the data; at least 0.
    pub(crate) noise: f64,
    /// The best reward in the hardest context; ceilings rise in equal steps to 1 in the easiest. In (0, 1].
    pub(crate) hardest: f64,
}

impl Default for WorldParams {
    fn default() -> Self {
        Self { contexts: 20, skill: 2.0, noise: 1.0, hardest: 1.0 }
    }
}

impl WorldParams {
    /// Fails on a number outside its range.
    pub(crate) fn validate(&self) -> Result<()> {
        Error::check_counts(&[("contexts", self.contexts, 2, 200)])?;
        Error::check_not_negative(&[("skill", self.skill), ("noise", self.noise)])?;
        if !(self.hardest > 0.0 && self.hardest <= 1.0) {
            return Err(Error::parameter("hardest", self.hardest, "in (0, 1]"));
        }
        Ok(())
    }
}

/// The shape of the reward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Ten bits; a weighted share of them is right.
    Match,
    /// Five of four tokens; every neighbouring pair has its worth.
    Pairs,
    /// Three of eight tokens; tokens have their worth, and so has every whole string.
    Rugged,
}

impl Task {
    pub(crate) const ALL: [Self; 3] = [Self::Match, Self::Pairs, Self::Rugged];

    /// The name in rows.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::Pairs => "pairs",
            Self::Rugged => "rugged",
        }
    }

    fn tree(self, prompts: usize) -> Tree {
        let (vocab, length) = match self {
            Self::Match => (2, 10),
            Self::Pairs => (4, 5),
            Self::Rugged => (8, 3),
        };
        Tree { prompts, vocab, length }
    }

    /// The worth of every string of one context, on no scale in particular.
    fn worths(self, tree: Tree, rng: &mut Stream) -> Vec<f64> {
        let (vocab, length) = (tree.vocab, tree.length);
        let strings = (0..tree.outputs()).map(|y| tree.tokens(length, y));
        match self {
            Self::Match => {
                let right: Vec<usize> = (0..length).map(|_| rng.below(vocab)).collect();
                let weights: Vec<f64> = (0..length).map(|_| 0.2 + rng.uniform()).collect();
                let worth =
                    |tokens: Vec<usize>| (0..length).filter(|i| tokens[*i] == right[*i]).map(|i| weights[i]).sum();
                strings.map(worth).collect()
            }
            Self::Pairs => {
                let mut table = vec![0.0; (length - 1) * vocab * vocab];
                rng.fill_normal(1.0, &mut table);
                let worth =
                    |t: Vec<usize>| (1..length).map(|i| table[((i - 1) * vocab + t[i - 1]) * vocab + t[i]]).sum();
                strings.map(worth).collect()
            }
            Self::Rugged => {
                let mut table = vec![0.0; length * vocab];
                rng.fill_normal(1.0, &mut table);
                let own = |tokens: Vec<usize>| -> f64 { (0..length).map(|i| table[i * vocab + tokens[i]]).sum() };
                strings.map(own).map(|worth| worth + rng.normal()).collect()
            }
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a policy can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Autoregressive with a free choice after every prefix: any distribution over strings.
    Tabular,
    /// One independent choice per position: the cross-entropy method's.
    Product,
}

impl Class {
    pub(crate) const BOTH: [Self; 2] = [Self::Tabular, Self::Product];

    /// The name in rows.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tabular => "tabular",
            Self::Product => "product",
        }
    }

    /// The policy of this class of least KL from the distribution in proportion to some masses, which is the one of least
    /// negative log-likelihood on them.
    pub(crate) fn fit(self, tree: Tree, masses: &[f64]) -> Vec<f64> {
        match self {
            Self::Tabular => {
                let total: f64 = masses.iter().sum();
                masses.iter().map(|m| m / total).collect()
            }
            Self::Product => {
                let mut product = Product::uniform(Tree { prompts: 1, ..tree });
                product.project(0, masses);
                product.output_probs(0)
            }
        }
    }
}

/// One task's contexts, with rewards and data.
#[derive(Debug)]
pub(crate) struct Strings {
    pub(crate) tree: Tree,
    /// True rewards.
    pub(crate) world: World,
    /// p(y given x), what supervised data are drawn from.
    pub(crate) data: Masses,
}

/// The data of one Improve step in each context: the mass of what passed its filter, and the policy fitted to it.
#[derive(Clone, Debug)]
pub(crate) struct Improved {
    pub(crate) policy: Masses,
    /// Share of the mass that passed, mean over contexts; 0 where nothing did.
    pub(crate) acceptance: f64,
    /// Contexts in which something passed; the others keep their policy.
    pub(crate) contexts: usize,
}

impl Strings {
    /// A world of its own for each stream.
    pub(crate) fn draw(p: &WorldParams, task: Task, rng: &mut Stream) -> Result<Self> {
        let tree = task.tree(p.contexts);
        let (mut rewards, mut data) = (Vec::new(), Vec::new());
        for x in 0..p.contexts {
            let own = task.worths(tree, rng);
            let (worst, best) = own.iter().fold((f64::MAX, f64::MIN), |(a, b), w| (a.min(*w), b.max(*w)));
            let ceiling = p.hardest + (1.0 - p.hardest) * x as f64 / (p.contexts - 1) as f64;
            let good: Vec<f64> = own.iter().map(|w| (w - worst) / (best - worst)).collect();
            let mut attempt: Vec<f64> = good.iter().map(|g| p.skill * g + p.noise * rng.normal()).collect();
            log_softmax(&mut attempt);
            rewards.extend(good.iter().map(|g| ceiling * g));
            data.push(attempt.iter().map(|lp| lp.exp()).collect());
        }
        Ok(Self { tree, world: World::new(tree, rewards)?, data })
    }

    /// The numbers of the contexts.
    pub(crate) fn contexts(&self) -> std::ops::Range<usize> {
        0..self.tree.prompts
    }

    /// The supervised policy: fitted to the whole population of the data, as after a long pretraining.
    pub(crate) fn supervised(&self, class: Class) -> Masses {
        self.data.iter().map(|p| class.fit(self.tree, p)).collect()
    }

    /// The mean over contexts of something.
    pub(crate) fn mean_of(&self, of: impl Fn(usize) -> f64) -> f64 {
        mean(&self.contexts().map(of).collect::<Vec<_>>())
    }

    /// V: the expected true reward, mean over contexts.
    pub(crate) fn value(&self, policy: &Masses) -> f64 {
        self.mean_of(|x| expected_reward(&policy[x], self.world.rewards(x)))
    }

    /// The same rewards permuted to each context's strings: what a filter sees that knows nothing.
    pub(crate) fn shuffled(&self, rng: &mut Stream) -> World {
        let mut world = self.world.clone();
        for x in self.contexts() {
            let own = self.world.rewards(x);
            let dealt: Vec<f64> = rng.permutation(own.len()).into_iter().map(|y| own[y]).collect();
            world.set_rewards(x, &dealt).expect("the same number of finite rewards");
        }
        world
    }

    /// Grow without sampling error: a share λ of the policy's own samples, the rest data.
    pub(crate) fn grow(&self, policy: &Masses, share: f64) -> Masses {
        self.contexts().map(|x| rewardlab::exact::mixture(&self.data[x], &policy[x], share)).collect()
    }

    /// How often each string is among so many draws from a policy, per context.
    pub(crate) fn draws(&self, policy: &Masses, draws: usize, rng: &mut Stream) -> Masses {
        self.contexts().map(|x| counts(&policy[x], draws, rng)).collect()
    }

    /// Grow with so many candidates per context, together with the original data (counts).
    pub(crate) fn grow_sampled(
        &self,
        policy: &Masses,
        original: &Masses,
        candidates: usize,
        rng: &mut Stream,
    ) -> Masses {
        let mut grown = self.draws(policy, candidates, rng);
        for (own, data) in grown.iter_mut().zip(original) {
            own.iter_mut().zip(data).for_each(|(count, more)| *count += more);
        }
        grown
    }

    /// Improve: keep what `filter` scores strictly above its context's threshold and fit the class to it. `prior` counts the
    /// previous policy as so many more samples that passed, so that a few survivors move it little, as a small learning rate and
    /// early stopping would; 0 is the exact minimiser. A context in which nothing passes keeps its policy.
    ///
    /// # Errors
    /// Nothing passes in any context: the highest threshold, and the best score that was seen.
    pub(crate) fn improve(
        &self,
        class: Class,
        previous: &Masses,
        grown: &Masses,
        filter: &World,
        thresholds: &[f64],
        prior: f64,
    ) -> Result<Improved, NothingPasses> {
        let mut improved = Improved { policy: previous.clone(), acceptance: 0.0, contexts: 0 };
        let mut none = NothingPasses { threshold: f64::NEG_INFINITY, best: f64::NEG_INFINITY };
        for x in self.contexts() {
            match filtered(&grown[x], filter.rewards(x), thresholds[x]) {
                Ok(kept) => {
                    let samples = kept.acceptance * grown[x].iter().sum::<f64>();
                    let target: Vec<f64> =
                        kept.probs.iter().zip(&previous[x]).map(|(q, before)| samples * q + prior * before).collect();
                    improved.policy[x] = class.fit(self.tree, &target);
                    improved.acceptance += kept.acceptance / self.tree.prompts as f64;
                    improved.contexts += 1;
                }
                Err(e) => {
                    none.threshold = none.threshold.max(e.threshold);
                    none.best = none.best.max(e.best);
                }
            }
        }
        if improved.contexts == 0 { Err(none) } else { Ok(improved) }
    }

    /// The best reward among what a Grow step holds, over all contexts.
    pub(crate) fn best_seen(&self, grown: &Masses) -> f64 {
        self.contexts().map(|x| best_reward(&grown[x], self.world.rewards(x))).fold(f64::NEG_INFINITY, f64::max)
    }
}

/// Where Grow's set comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Grow<'a> {
    /// No sampling error; this share of it is the policy's own.
    Population { share: f64 },
    /// So many candidates per context beside the original data; the previous policy counts as `prior` samples in each Improve.
    Sampled { candidates: usize, original: &'a Masses, prior: f64 },
}

/// `ReST`: so many Grow steps, each with Improve at these thresholds.
#[derive(Clone, Debug)]
pub(crate) struct Loop<'a> {
    pub(crate) class: Class,
    pub(crate) grow: Grow<'a>,
    pub(crate) grows: usize,
    pub(crate) thresholds: &'a [f64],
}

/// A policy of the loop.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// Grow, from 1; 0 is the supervised policy.
    pub(crate) grow: usize,
    /// Improve, from 1; 0 is everything that Grow holds, unfiltered.
    pub(crate) improve: usize,
    /// τ; absent where nothing is filtered.
    pub(crate) threshold: Option<f64>,
    pub(crate) policy: Masses,
    /// Share of Grow's mass that passed, mean over contexts.
    pub(crate) acceptance: f64,
    /// Contexts in which something passed. If none did, the policy is the one before, and no later Improve follows in this Grow.
    pub(crate) contexts: usize,
    /// The best true reward in Grow's set; absent before the first Grow.
    pub(crate) best: Option<f64>,
}

impl Strings {
    /// The loop of `ReST` from the supervised policy, every policy on its way. Only the last policy of a Grow step's Improve chain
    /// grows again. `filter` holds the scores that the thresholds are applied to.
    pub(crate) fn train(&self, rest: &Loop, filter: &World, rng: &mut Stream) -> Vec<Step> {
        let contexts = self.tree.prompts;
        let start = Step {
            grow: 0,
            improve: 0,
            threshold: None,
            policy: self.supervised(rest.class),
            acceptance: 1.0,
            contexts,
            best: None,
        };
        let mut steps = vec![start];
        let all: Vec<Option<f64>> = std::iter::once(None).chain(rest.thresholds.iter().copied().map(Some)).collect();
        for grow in 1..=rest.grows {
            let mut policy = steps[steps.len() - 1].policy.clone();
            let (grown, prior) = match rest.grow {
                Grow::Population { share } => (self.grow(&policy, share), 0.0),
                Grow::Sampled { candidates, original, prior } => {
                    (self.grow_sampled(&policy, original, candidates, rng), prior)
                }
            };
            let best = Some(self.best_seen(&grown));
            for (improve, &threshold) in all.iter().enumerate() {
                let thresholds = vec![threshold.unwrap_or(f64::NEG_INFINITY); contexts];
                let result = self.improve(rest.class, &policy, &grown, filter, &thresholds, prior);
                let (acceptance, contexts) = result.as_ref().map_or((0.0, 0), |i| (i.acceptance, i.contexts));
                if let Ok(improved) = result {
                    policy = improved.policy;
                }
                steps.push(Step { grow, improve, threshold, policy: policy.clone(), acceptance, contexts, best });
                if contexts == 0 {
                    break;
                }
            }
        }
        steps
    }

    /// The tabular softmax policy, one logit per prefix and token, that gives each context's strings these probabilities. A token
    /// without probability gets the logit of probability 1e-20; after a prefix without any, all tokens are equally likely.
    pub(crate) fn softmax_policy(&self, policy: &Masses) -> Tabular {
        let logits = policy.iter().flat_map(|own| {
            let through = through_cells(self.tree, own);
            let logit = |row: &[f64], p: f64| {
                let sum: f64 = row.iter().sum();
                if sum > 0.0 { (p / sum).max(1e-20).ln() } else { 0.0 }
            };
            let rows = through.chunks_exact(self.tree.vocab);
            rows.flat_map(|row| row.iter().map(|p| logit(row, *p)).collect::<Vec<_>>()).collect::<Vec<_>>()
        });
        Tabular::from_logits(self.tree.vocab, logits.collect())
    }
}

/// The mass of the strings of one context that pass each prefix and next token, `prefixes × vocab`, numbered as by [`Tree`]: then Σ mass ·
/// log π(string) is the sum over cells of what passes · log π(token given prefix).
pub(crate) fn through_cells(tree: Tree, masses: &[f64]) -> Vec<f64> {
    let mut levels = vec![masses.to_vec()];
    for _ in 1..tree.length {
        let last = &levels[levels.len() - 1];
        levels.push(last.chunks_exact(tree.vocab).map(|chunk| chunk.iter().sum()).collect());
    }
    levels.into_iter().rev().flatten().collect()
}

/// How often each index is among so many draws.
pub(crate) fn counts(probs: &[f64], draws: usize, rng: &mut Stream) -> Vec<f64> {
    let mut below = 0.0;
    let cumulative: Vec<f64> = probs
        .iter()
        .map(|p| {
            below += p;
            below
        })
        .collect();
    let last = probs.iter().rposition(|p| *p > 0.0).unwrap_or(0);
    let mut counts = vec![0.0; probs.len()];
    for _ in 0..draws {
        let at = rng.uniform() * below;
        counts[cumulative.partition_point(|c| *c <= at).min(last)] += 1.0;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use rewardlab::exact::output_log_probs;

    fn small() -> Strings {
        let p = WorldParams { contexts: 3, hardest: 0.5, ..WorldParams::default() };
        Strings::draw(&p, Task::Rugged, &mut Stream::named(&["tests", "strings"])).expect("legal")
    }

    /// Worst 0 and best the ceiling in every context of every task; data are distributions that know something of the reward.
    #[test]
    fn worlds_are_on_their_scale() {
        let p = WorldParams { hardest: 0.5, ..WorldParams::default() };
        for task in Task::ALL {
            let world = Strings::draw(&p, task, &mut Stream::named(&["tests", task.name()])).expect("legal");
            for x in world.contexts() {
                let rewards = world.world.rewards(x);
                let (low, high) = rewards.iter().fold((f64::MAX, f64::MIN), |(a, b), r| (a.min(*r), b.max(*r)));
                assert!(low == 0.0 && (high - (0.5 + 0.5 * x as f64 / 19.0)).abs() < 1e-12);
                assert!((world.data[x].iter().sum::<f64>() - 1.0).abs() < 1e-12);
            }
            let blind = vec![vec![1.0; world.tree.outputs()]; 20];
            assert!(world.value(&world.data) > world.value(&blind) + 0.02);
        }
    }

    /// The softmax policy read back by the exact engine's own code.
    #[test]
    fn softmax_policies_are_what_they_were_made_of() {
        let world = small();
        let mut policy = world.softmax_policy(&world.data);
        for x in world.contexts() {
            let back = output_log_probs(&mut policy, world.tree, x);
            assert!(back.iter().zip(&world.data[x]).all(|(lp, p)| (lp.exp() - p).abs() < 1e-14));
        }
    }

    /// A threshold that nothing passes ends the chain, with the policy before it and the best reward that was seen; contexts
    /// without survivors keep their policies.
    #[test]
    fn a_chain_ends_where_nothing_passes() {
        let world = small();
        let rest = Loop {
            class: Class::Tabular,
            grow: Grow::Population { share: 0.9 },
            grows: 1,
            thresholds: &[0.4, 0.8, 1.0, 1.5],
        };
        let steps = world.train(&rest, &world.world, &mut Stream::named(&["tests", "loop"]));
        assert_eq!(steps.iter().map(|s| s.contexts).collect::<Vec<_>>(), [3, 3, 3, 1, 0]);
        assert_eq!(steps[4].policy, steps[3].policy);
        assert_eq!(steps[3].policy[0], steps[2].policy[0]);
        assert_eq!(steps[4].best, Some(1.0));
        let grown = world.grow(&world.data, 0.9);
        let none =
            world.improve(Class::Tabular, &world.data, &grown, &world.world, &[1.0; 3], 0.0).expect_err("strict");
        assert_eq!(none, NothingPasses { threshold: 1.0, best: 1.0 });
    }

    /// One survivor against five prior samples of the previous policy moves a sixth of the mass.
    #[test]
    fn the_prior_counts_samples() {
        let world = small();
        let mut grown = vec![vec![0.0; world.tree.outputs()]; 3];
        let best = world.world.rewards(2).iter().position(|r| *r == 1.0).expect("the ceiling");
        grown[2][best] = 1.0;
        let of = |prior| {
            let improved = world.improve(Class::Tabular, &world.data, &grown, &world.world, &[0.9; 3], prior);
            improved.expect("one passes").policy[2][best]
        };
        assert!((of(5.0) - (1.0 + 5.0 * world.data[2][best]) / 6.0).abs() < 1e-14 && of(0.0) == 1.0);
    }

    // 4 strings, n = 40,000 draws; χ² with 2 degrees of freedom (one string has no probability), alpha = 0.001: 13.816.
    #[test]
    fn draws_have_their_probabilities() {
        let probs = [0.5, 0.0, 0.2, 0.3];
        let drawn = counts(&probs, 40_000, &mut Stream::named(&["tests", "counts"]));
        assert_eq!((drawn[1], drawn.iter().sum::<f64>()), (0.0, 40_000.0));
        let part = |i: usize| (drawn[i] - 40_000.0 * probs[i]).powi(2) / (40_000.0 * probs[i]);
        assert!([0, 2, 3].map(part).iter().sum::<f64>() < 13.816);
    }
}
