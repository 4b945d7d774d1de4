//! What a few sampled rewards per prompt say, before any training, of the spread of all of them: of which prompts the gradient of the
//! expected reward will vanish (arXiv:2310.20703, Theorem 1), and how many groups will be dead.
//!
//! Sixteen equal rewards do not make a spread of zero. A prompt's rewards are believed to be draws from an unknown distribution, a priori a
//! Dirichlet process: a base, which says what it may be paid, and a weight, which says how far the prompt's policy is from always writing the same.
//! What all prompts say is the prior of both:
//!
//! - Prompts are of a few types, each with a base and a weight of its own: those that never succeed, those that succeed now and then, those that
//!   always do. Where most prompts give one value only, and hardly any give it nearly always, sixteen equal rewards say much; where rare
//!   successes are seen too, little.
//! - Types are not fitted, they are drawn from their posterior: a single prompt leaves them near their own prior, under which the
//!   probability that two rewards of a prompt are one draw from the base, 1/(1 + weight), is uniform.
//! - Values that several prompts give (right and wrong, grades) are in every type's base.
//! - Other values, those of a continuous reward, say how much *that* prompt's rewards spread. They are together one more value of the base,
//!   which is again a process, with a weight of its own and a normal base whose location and spread are the prompt's; their priors are a normal
//!   distribution and distributions on grids. Spreads are pooled, not values.
//!
//! The likelihood of a weight is that of the partition into equal values (Antoniak, Ann. Statist. 1974); the posterior is again a Dirichlet
//! process (Ferguson, Ann. Statist. 1973), and is drawn by breaking sticks (Sethuraman, Statist. Sinica 1994).

mod continuous;
#[cfg(test)]
mod tests;
mod types;

use crate::error::{Error, Result};
use crate::rng::Stream;
use crate::stats::{Estimate, Method, mean, quantile};
use continuous::{Continuous, Own};
use std::collections::BTreeMap;
use types::{Type, dirichlet, ln_rising, posterior};

/// Draws from the posterior behind an interval.
const DRAWS: usize = 1000;
/// Sticks that are broken off what no sample has shown; the rest is spread like the base itself.
const STICKS: usize = 40;
/// Values that one prompt alone gives are a continuous reward's if they are at least this share of all samples, and at least three, and half as
/// many as prompts: a few prompts' grades are not.
const CONTINUOUS: f64 = 0.1;
/// Values below this share of all samples are no prompt's but their own, where the reward is continuous.
const RARE: f64 = 0.01;

/// What is believed of a prompt's rewards before its own are seen: draws from what all prompts say of it.
#[derive(Clone, Debug, PartialEq)]
pub struct RewardPrior {
    /// Values that every prompt may be paid, ascending.
    values: Vec<f64>,
    /// Draws of the types of prompts; their bases have the values and, of a continuous reward, all others together.
    types: Vec<Vec<Type>>,
    /// What else a prompt may be paid.
    continuous: Option<Continuous>,
    /// Least and greatest reward.
    range: (f64, f64),
}

/// A prompt's samples: how often each common value, and its own values with how often each.
struct Counted {
    common: Vec<f64>,
    own: Vec<(f64, f64)>,
}

/// What is said of one prompt. Intervals are the central 95% of the posterior, stretched to the point where that lies outside of them, as a
/// mean of a skewed distribution may.
#[derive(Clone, Debug, PartialEq)]
pub struct SpreadPrediction {
    /// Samples that it stands on.
    pub samples: usize,
    /// Mean reward.
    pub mean: Estimate,
    /// Standard deviation of the reward under the model (of all outputs, not of the samples).
    pub std: Estimate,
    /// Probability that a group of outputs gets equal rewards, for each group size that was asked for.
    pub dead: Vec<Estimate>,
    /// Posterior probability that the standard deviation is below the threshold, or zero.
    pub vanishes: f64,
}

/// What is said of several prompts, one by one and on the mean over them. An interval of a mean is of means of joint draws: prompts are
/// independent given the types, which they share.
#[derive(Clone, Debug)]
pub struct Spreads {
    /// Prompt by prompt.
    pub prompts: Vec<SpreadPrediction>,
    /// Means over prompts of std, mean and dead groups by size: point, and draws.
    means: Vec<(f64, Vec<f64>)>,
}

impl SpreadPrediction {
    /// The probability from which on a prompt is said to vanish.
    pub const SURE: f64 = 0.9;

    /// Whether the prompt is said to vanish.
    pub fn is_vanishing(&self) -> bool {
        self.vanishes >= Self::SURE
    }
}

impl Spreads {
    /// Mean over prompts of the reward's standard deviation.
    pub fn std(&self) -> Estimate {
        self.of(0)
    }

    /// Mean reward.
    pub fn mean(&self) -> Estimate {
        self.of(1)
    }

    /// Expected share of dead groups of the `group`-th size.
    pub fn dead(&self, group: usize) -> Estimate {
        self.of(2 + group)
    }

    /// How many prompts are said to vanish.
    pub fn vanishing(&self) -> usize {
        self.prompts.iter().filter(|p| p.is_vanishing()).count()
    }

    fn of(&self, i: usize) -> Estimate {
        let (value, drawn) = &self.means[i];
        estimate(*value, drawn, self.prompts.len())
    }

    /// How much larger the mean std is than that of `before`, predictions by the same prior.
    pub fn change_of_std(&self, before: &Self) -> Estimate {
        let ((after, drawn), (first, earlier)) = (&self.means[0], &before.means[0]);
        let drawn: Vec<f64> = drawn.iter().zip(earlier).map(|(a, b)| a - b).collect();
        estimate(after - first, &drawn, self.prompts.len())
    }
}

/// With the central 95% of the draws.
fn estimate(value: f64, drawn: &[f64], n: usize) -> Estimate {
    let (low, high) = (quantile(drawn, 0.025), quantile(drawn, 0.975));
    Estimate { value, low: low.min(value), high: high.max(value), n, method: Method::Posterior }
}

impl RewardPrior {
    /// The prior that the rewards of all prompts tell. The ends of the reward's `range`, if it is known, are common values too, unless the
    /// reward is continuous. Its draws are from a stream of their own: the same rewards make the same prior.
    ///
    /// # Formula
    /// Of a prompt with n samples, `k_j` of them the j-th common value (all continuous values count as one), of a type with weight c and
    /// base w the log-likelihood is `log Γ(c)/Γ(c + n) + Σ_j log Γ(c w_j + k_j)/Γ(c w_j)`. Of m samples of a continuous reward with d distinct
    /// values that of its weight a is log Γ(a)/Γ(a + m) + d log a; that of the spread is the normal density of the d values, the location
    /// integrated out.
    ///
    /// # Errors
    /// No reward; one that is not finite; a range that is empty or not finite.
    pub fn fit<R: AsRef<[f64]>>(prompts: &[R], range: Option<(f64, f64)>) -> Result<Self> {
        Self::fit_beside(prompts, &[], range)
    }

    /// The same; prompts may be paid the values `beside` too, which other samples than these have shown.
    ///
    /// # Errors
    /// As of [`RewardPrior::fit`].
    pub fn fit_beside<R: AsRef<[f64]>>(prompts: &[R], beside: &[f64], range: Option<(f64, f64)>) -> Result<Self> {
        let pooled: Vec<f64> = prompts.iter().flat_map(AsRef::as_ref).copied().collect();
        Error::check_finite("reward", &pooled)?;
        Error::check_finite("reward", beside)?;
        if pooled.is_empty() {
            return Err(Error::Usage("no reward was sampled".into()));
        }
        Self::check_range(range)?;
        let seen = tally(&pooled);
        let ends = (seen[0].0, seen[seen.len() - 1].0);
        let common = common(prompts, &seen);
        let own = 1.0 - common.iter().map(|(_, k)| k).sum::<f64>() / pooled.len() as f64;
        let many = seen.len() - common.len() >= (prompts.len() / 2).max(3);
        let is_continuous = own >= CONTINUOUS && many;
        let values: Vec<f64> = if is_continuous {
            common.into_iter().map(|(v, _)| v).collect()
        } else {
            let mut all: Vec<f64> = seen.into_iter().map(|(v, _)| v).chain(beside.iter().copied()).collect();
            all.extend(range.into_iter().flat_map(|(low, high)| [low, high]));
            tally(&all).into_iter().map(|(v, _)| v).collect()
        };
        let mut prior = Self { values, types: Vec::new(), continuous: None, range: range.unwrap_or(ends) };
        let counted: Vec<Counted> = prompts.iter().map(|r| prior.count(r.as_ref())).collect();
        let rng = &mut Stream::named(&["preflight", "prior"]);
        if is_continuous {
            prior.continuous = Some(Continuous::fit(ends.1 - ends.0, &counted, rng));
        }
        let counts: Vec<Vec<f64>> = counted.iter().map(|c| prior.counts(c)).collect();
        prior.types = types::draw(&counts, prior.values.len() + usize::from(is_continuous), rng);
        Ok(prior)
    }

    /// Fails on a range that is empty or not finite.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn check_range(range: Option<(f64, f64)>) -> Result<()> {
        match range.filter(|(low, high)| !(low < high && (high - low).is_finite())) {
            None => Ok(()),
            Some((low, high)) => {
                Err(Error::parameter("range", format!("{low},{high}"), "two finite numbers, the first the smaller"))
            }
        }
    }

    fn count(&self, rewards: &[f64]) -> Counted {
        let mut counted = Counted { common: vec![0.0; self.values.len()], own: Vec::new() };
        for (value, count) in tally(rewards) {
            match self.values.binary_search_by(|v| v.total_cmp(&value)) {
                Ok(i) => counted.common[i] = count,
                Err(_) => counted.own.push((value, count)),
            }
        }
        counted
    }

    /// How often each value of the types' bases.
    fn counts(&self, counted: &Counted) -> Vec<f64> {
        let own = self.continuous.as_ref().map(|_| counted.own());
        counted.common.iter().copied().chain(own).collect()
    }

    /// How many samples of a prompt's own the prior counts as: the geometric mean over the prior, of the continuous part where there is one.
    pub fn weight(&self) -> f64 {
        let of_types = || {
            let one = |types: &Vec<Type>| types.iter().map(|t| t.share * t.weight.ln()).sum::<f64>();
            mean(&self.types.iter().map(one).collect::<Vec<_>>())
        };
        self.continuous.as_ref().map_or_else(of_types, |c| c.weights.mean_log()).exp()
    }

    /// Least and greatest value that was seen of any prompt, or that the range was said to have.
    pub fn range(&self) -> (f64, f64) {
        self.range
    }

    /// What a prompt's own rewards say then; none say what the prior does. `threshold`: the reward std below which a prompt's gradient
    /// counts as vanished.
    ///
    /// # Formula
    /// Given the type, with a = prior + counts and A = Σ a: mean Σ a r / A; P(dead group of G) = Σ Π a (a+1) … (a+G−1) / (A (A+1) …
    /// (A+G−1)); where a part of the base is continuous both are means of draws. The std is the posterior's median.
    ///
    /// # Errors
    /// A reward that is not finite, or, unless the reward is continuous, that was not among those of [`RewardPrior::fit`].
    pub fn predict(
        &self,
        rewards: &[f64],
        groups: &[usize],
        threshold: f64,
        rng: &mut Stream,
    ) -> Result<SpreadPrediction> {
        self.say(rewards, groups, threshold, rng).map(|(said, _)| said)
    }

    /// What the rewards of each of several prompts say, and of the mean over them.
    ///
    /// # Errors
    /// As of [`RewardPrior::predict`]; no prompt.
    pub fn predict_all<R: AsRef<[f64]>>(
        &self,
        prompts: &[R],
        groups: &[usize],
        threshold: f64,
        rng: &mut Stream,
    ) -> Result<Spreads> {
        Error::check_counts(&[("prompts", prompts.len(), 1, usize::MAX)])?;
        let mut sums = vec![vec![0.0; DRAWS]; 2 + groups.len()];
        let mut said = Vec::with_capacity(prompts.len());
        for rewards in prompts {
            let (one, drawn) = self.say(rewards.as_ref(), groups, threshold, rng)?;
            for (sum, drawn) in sums.iter_mut().zip(&drawn) {
                sum.iter_mut().zip(drawn).for_each(|(s, d)| *s += d / prompts.len() as f64);
            }
            said.push(one);
        }
        let point = |of: &dyn Fn(&SpreadPrediction) -> f64| mean(&said.iter().map(of).collect::<Vec<_>>());
        let mut points = vec![quantile(&sums[0], 0.5), point(&|p| p.mean.value)];
        points.extend((0..groups.len()).map(|g| point(&|p| p.dead[g].value)));
        Ok(Spreads { means: points.into_iter().zip(sums).collect(), prompts: said })
    }

    /// What is said of a prompt, and the draws behind it: std, mean, and a dead group's probability by size. The i-th draws of all
    /// prompts are of one draw of the types.
    fn say(
        &self,
        rewards: &[f64],
        groups: &[usize],
        threshold: f64,
        rng: &mut Stream,
    ) -> Result<(SpreadPrediction, Vec<Vec<f64>>)> {
        Error::check_finite("reward", rewards)?;
        let counted = self.count(rewards);
        if let (None, Some((value, _))) = (&self.continuous, counted.own.first()) {
            return Err(Error::parameter("reward", value, "one of those that the prior was fitted to"));
        }
        let counts = self.counts(&counted);
        let of_types: Vec<Vec<f64>> = self.types.iter().map(|t| posterior(t, &counts)).collect();
        let drawn = self.draw(&counted, &counts, &of_types, groups, rng);
        let exact = self.continuous.is_none().then(|| self.expected(&counts, &of_types, groups));
        let value = |i: usize, drawn: &[f64]| exact.as_ref().map_or_else(|| mean(drawn), |e| e[i]);
        let below = drawn[0].iter().filter(|s| **s < threshold || **s == 0.0).count();
        let n = rewards.len();
        let said = SpreadPrediction {
            samples: n,
            mean: estimate(value(0, &drawn[1]), &drawn[1], n),
            std: estimate(quantile(&drawn[0], 0.5), &drawn[0], n),
            dead: drawn[2..].iter().enumerate().map(|(g, d)| estimate(value(1 + g, d), d, n)).collect(),
            vanishes: below as f64 / DRAWS as f64,
        };
        Ok((said, drawn))
    }

    /// Posterior means where all values are common: of the mean reward, and of a dead group's probability by size.
    fn expected(&self, counts: &[f64], of_types: &[Vec<f64>], groups: &[usize]) -> Vec<f64> {
        let mut expected = vec![0.0; 1 + groups.len()];
        let draws = self.types.len() as f64;
        for (types, probs) in self.types.iter().zip(of_types) {
            for (of, prob) in types.iter().zip(probs).filter(|(_, p)| **p > 1e-9) {
                let mass: Vec<f64> = of.base.iter().zip(counts).map(|(w, k)| of.weight * w + k).collect();
                let total: f64 = mass.iter().sum();
                let paid = self.values.iter().zip(&mass).map(|(r, a)| r * a).sum::<f64>() / total;
                expected[0] += prob * paid / draws;
                for (group, out) in groups.iter().zip(&mut expected[1..]) {
                    let g = *group as f64;
                    let all = ln_rising(total, g);
                    *out += prob * mass.iter().map(|a| (ln_rising(*a, g) - all).exp()).sum::<f64>() / draws;
                }
            }
        }
        expected
    }

    /// Draws of the posterior: std, mean, and a dead group's probability by size.
    fn draw(
        &self,
        counted: &Counted,
        counts: &[f64],
        of_types: &[Vec<f64>],
        groups: &[usize],
        rng: &mut Stream,
    ) -> Vec<Vec<f64>> {
        let mut drawn = vec![vec![0.0; DRAWS]; 2 + groups.len()];
        let own = self.continuous.as_ref().map(|c| c.own(counted));
        for (i, types) in self.types.iter().enumerate() {
            let of_own = own.as_ref().map(|o| o.posterior(i));
            for d in (i..DRAWS).step_by(self.types.len()) {
                let of = &types[rng.categorical(&of_types[i])];
                let mass = of.base.iter().zip(counts).map(|(w, k)| of.weight * w + k).collect();
                let mut probs = dirichlet(mass, rng);
                // what is left of the base: mass, centre and variance
                let mut rest = (0.0, 0.0, 0.0);
                let mut atoms: Vec<(f64, f64)> = Vec::new();
                if let (Some(own), Some(posterior)) = (&own, &of_own) {
                    let mass = probs.pop().unwrap_or(0.0);
                    rest = broken(own, posterior, &counted.own, mass, &mut atoms, rng);
                }
                atoms.extend(self.values.iter().copied().zip(probs));
                let mean = atoms.iter().map(|(v, p)| v * p).sum::<f64>() + rest.0 * rest.1;
                let square = |v: f64| (v - mean) * (v - mean);
                let var = atoms.iter().map(|(v, p)| p * square(*v)).sum::<f64>() + rest.0 * (square(rest.1) + rest.2);
                drawn[0][d] = var.sqrt();
                drawn[1][d] = mean;
                for (group, out) in groups.iter().zip(&mut drawn[2..]) {
                    out[d] = atoms.iter().map(|(_, p)| p.powf(*group as f64)).sum();
                }
            }
        }
        drawn
    }
}

/// Breaks a continuous reward's probability into values that were seen and others; says what is left: mass, centre and variance.
fn broken(
    own: &Own,
    posterior: &(Vec<f64>, Vec<f64>),
    seen: &[(f64, f64)],
    mass: f64,
    atoms: &mut Vec<(f64, f64)>,
    rng: &mut Stream,
) -> (f64, f64, f64) {
    let (unseen, centre, spread) = own.draw(posterior, rng);
    let mut probs = dirichlet(seen.iter().map(|(_, k)| *k).chain([unseen]).collect(), rng);
    let mut left = mass * probs.pop().unwrap_or(0.0);
    atoms.extend(seen.iter().zip(probs).map(|((v, _), p)| (*v, mass * p)));
    for _ in 0..STICKS {
        if left < 1e-4 {
            break;
        }
        let stick = 1.0 - (1.0 - rng.uniform()).powf(1.0 / unseen);
        atoms.push((centre + spread * rng.normal(), left * stick));
        left *= 1.0 - stick;
    }
    (left, centre, spread * spread)
}

impl Counted {
    /// How many samples have values of the prompt's own.
    fn own(&self) -> f64 {
        self.own.iter().map(|(_, k)| k).sum()
    }
}

/// The values that more than one prompt gives (of a single prompt those that it gives more than once), unless rarely: a coincidence of two prompts
/// is not what all may be paid. With how often all do.
fn common<R: AsRef<[f64]>>(prompts: &[R], seen: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut givers: BTreeMap<u64, usize> = BTreeMap::new();
    for prompt in prompts {
        for (value, count) in tally(prompt.as_ref()) {
            let once = if prompts.len() == 1 { count as usize } else { 1 };
            *givers.entry(value.to_bits()).or_default() += once;
        }
    }
    let several = |v: f64| givers.get(&v.to_bits()).is_some_and(|n| *n > 1);
    let least = RARE * seen.iter().map(|(_, k)| k).sum::<f64>();
    seen.iter().copied().filter(|(v, k)| *k >= least && several(*v)).collect()
}

/// Distinct values, ascending, and how often each comes.
fn tally(rewards: &[f64]) -> Vec<(f64, f64)> {
    let mut sorted: Vec<f64> = rewards.iter().map(|r| r + 0.0).collect();
    sorted.sort_by(f64::total_cmp);
    sorted.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as f64)).collect()
}
