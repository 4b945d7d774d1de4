//! What a few sampled rewards per prompt say, before any training, of the spread of all of them: of which prompts the gradient of the
//! expected reward will vanish (arXiv:2310.20703, Theorem 1), and how many groups will be dead.
//!
//! Sixteen equal rewards do not make a spread of zero. A prompt's rewards are believed to be draws from an unknown distribution, a priori a
//! Dirichlet process: a base, which says what it may be paid, and a weight, which says how far the prompt's policy is from always writing the same.
//! What all prompts say is the prior of both (empirical Bayes):
//!
//! - The weight is a prompt's own, and its prior a distribution on a grid, fitted to all prompts (the nonparametric maximum likelihood of Laird,
//!   JASA 1978, smoothed by a third of a prompt's worth of equal shares): where most prompts give one value only, sixteen equal rewards say much; where few
//!   do, little.
//! - Values that several prompts give (right and wrong, grades) are in every prompt's base, with their pooled shares.
//! - Other values, those of a continuous reward, say how much *that* prompt's rewards spread. They are together one more value of the base,
//!   which is again a process, with a weight of its own and a normal base whose location and spread are the prompt's; their priors are a normal
//!   distribution and a distribution on a grid. Spreads are pooled, not values.
//!
//! The likelihood of a weight is that of the partition into equal values (Antoniak, Ann. Statist. 1974); the posterior is again a Dirichlet
//! process (Ferguson, Ann. Statist. 1973), and is drawn by breaking sticks (Sethuraman, Statist. Sinica 1994).

use crate::error::{Error, Result};
use crate::num::log_sum_exp;
use crate::rng::Stream;
use crate::stats::{Estimate, Method, mean, quantile, std_dev};
use statrs::function::gamma::ln_gamma;
use std::collections::BTreeMap;

/// Draws from the posterior behind an interval.
const DRAWS: usize = 1000;
/// The weights on the grid, in samples: 10^-3 to 10^3 in sixths of a decade.
const WEIGHTS: std::ops::RangeInclusive<i32> = -18..=18;
/// The spreads on the grid, as shares of the range of what was seen: 10^-4 to 10^0.4 in 24ths of a decade, finer than one prompt
/// tells: where all have one spread, they tell it together.
const SPREADS: std::ops::RangeInclusive<i32> = -96..=10;
/// Rounds of expectation and maximisation.
const ROUNDS: usize = 100;
/// Prompts' worth of equal shares in a fitted distribution.
const SMOOTHING: f64 = 0.3;
/// Sticks that are broken off what no sample has shown; the rest is spread like the base itself.
const STICKS: usize = 40;
/// Values that one prompt alone gives are a continuous reward's if they are at least this share of all samples, and at least three, and half as
/// many as prompts: a few prompts' grades are not.
const CONTINUOUS: f64 = 0.1;
/// Values below this share of all samples are no prompt's but their own, where the reward is continuous.
const RARE: f64 = 0.01;

/// What is believed of a prompt's rewards before its own are seen.
#[derive(Clone, Debug, PartialEq)]
pub struct RewardPrior {
    /// Values that every prompt may be paid, ascending.
    values: Vec<f64>,
    /// Their shares of the base.
    shares: Vec<f64>,
    /// Of the weight, in samples.
    weights: Grid,
    /// What else a prompt may be paid.
    continuous: Option<Continuous>,
    /// Least and greatest reward.
    range: (f64, f64),
}

/// The prior of a continuous reward.
#[derive(Clone, Debug, PartialEq)]
struct Continuous {
    /// Its share of the base.
    share: f64,
    /// Of its own weight, in samples.
    weights: Grid,
    /// Mean and standard deviation of the prompts' locations.
    location: (f64, f64),
    /// Of a prompt's spread.
    spreads: Grid,
}

/// A distribution on a grid.
#[derive(Clone, Debug, PartialEq)]
struct Grid {
    points: Vec<f64>,
    shares: Vec<f64>,
}

/// A prompt's samples: how often each common value, and its own values with how often each.
struct Counted {
    common: Vec<f64>,
    own: Vec<(f64, f64)>,
    total: f64,
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
    /// Posterior probability that the standard deviation is below the threshold.
    pub vanishes: f64,
}

impl Grid {
    /// The distribution under which what was seen of all prompts is most probable, [`SMOOTHING`] added.
    /// `log_likelihoods`: by prompt, at each point.
    fn fit(points: Vec<f64>, log_likelihoods: &[Vec<f64>]) -> Self {
        let equal = 1.0 / points.len() as f64;
        let mut grid = Self { shares: vec![equal; points.len()], points };
        for _ in 0..ROUNDS {
            let mut shares = vec![SMOOTHING * equal; grid.points.len()];
            for of_prompt in log_likelihoods {
                shares.iter_mut().zip(grid.posterior(of_prompt)).for_each(|(s, p)| *s += p);
            }
            let total: f64 = shares.iter().sum();
            grid.shares = shares.into_iter().map(|s| s / total).collect();
        }
        grid
    }

    /// The points' probabilities, given a prompt's log-likelihood at each.
    fn posterior(&self, log_likelihood: &[f64]) -> Vec<f64> {
        let joint: Vec<f64> = self.shares.iter().zip(log_likelihood).map(|(s, l)| s.ln() + l).collect();
        let total = log_sum_exp(&joint);
        joint.into_iter().map(|j| (j - total).exp()).collect()
    }
}

impl Continuous {
    /// Logarithm of the density of a prompt's distinct values at each spread, its location integrated out, but for factors that do not depend
    /// on the spread.
    fn log_likelihood(&self, points: &[f64], own: &[(f64, f64)]) -> Vec<f64> {
        if own.is_empty() {
            return vec![0.0; points.len()];
        }
        let k = own.len() as f64;
        let centre = own.iter().map(|(v, _)| v).sum::<f64>() / k;
        let squares: f64 = own.iter().map(|(v, _)| (v - centre) * (v - centre)).sum();
        let (mean, std) = self.location;
        let of = |spread: &f64| {
            let (var, between) = (spread * spread, std * std);
            let far = (centre - mean) * (centre - mean) / (2.0 * (between + var / k));
            -(k - 1.0) * spread.ln() - squares / (2.0 * var) - 0.5 * (var + k * between).ln() - far
        };
        points.iter().map(of).collect()
    }

    /// A prompt's location and spread, from the posterior.
    fn draw(&self, posterior: &[f64], own: &[(f64, f64)], rng: &mut Stream) -> (f64, f64) {
        // anywhere in the cell: prompts may all have one spread, which need not be on the grid
        let spread = self.spreads.points[rng.categorical(posterior)] * 10_f64.powf((rng.uniform() - 0.5) / 24.0);
        let (mean, std) = self.location;
        let (precision, prior) = (own.len() as f64 / (spread * spread), 1.0 / (std * std));
        let total: f64 = own.iter().map(|(v, _)| v).sum();
        let var = 1.0 / (prior + precision);
        let centre = var * (mean * prior + total / (spread * spread));
        (centre + var.sqrt() * rng.normal(), spread)
    }
}

impl RewardPrior {
    /// The prior that the rewards of all prompts tell. The ends of the reward's `range`, if it is known, are common values too, each as
    /// one sample more, unless the reward is continuous.
    ///
    /// # Formula
    /// Of a prompt with n samples, `k_j` of them the j-th common value (share `w_j` of the base; all continuous values count as one), the
    /// log-likelihood of the weight c is `log Γ(c)/Γ(c + n) + Σ_j log Γ(c w_j + k_j)/Γ(c w_j)`. Of m samples of a continuous reward with d distinct values that
    /// of its weight a is log Γ(a)/Γ(a + m) + d log a; that of the spread is the normal density of the d values, the location
    /// integrated out.
    ///
    /// # Errors
    /// No reward; one that is not finite; a range that is empty or not finite.
    pub fn fit<R: AsRef<[f64]>>(prompts: &[R], range: Option<(f64, f64)>) -> Result<Self> {
        let pooled: Vec<f64> = prompts.iter().flat_map(AsRef::as_ref).copied().collect();
        Error::check_finite("reward", &pooled)?;
        if pooled.is_empty() {
            return Err(Error::Usage("no reward was sampled".into()));
        }
        if let Some((low, high)) = range.filter(|(low, high)| !(low < high && (high - low).is_finite())) {
            return Err(Error::parameter("range", format!("{low}..{high}"), "two finite numbers, ascending"));
        }
        let seen = tally(&pooled);
        let ends = (seen[0].0, seen[seen.len() - 1].0);
        let common = common(prompts, &seen);
        let own = 1.0 - common.iter().map(|(_, k)| k).sum::<f64>() / pooled.len() as f64;
        let many = seen.len() - common.len() >= (prompts.len() / 2).max(3);
        let is_continuous = own >= CONTINUOUS && many;
        let mut counts = if is_continuous { common } else { seen };
        if let (false, Some((low, high))) = (is_continuous, range) {
            let again: Vec<f64> = counts.iter().flat_map(|(v, k)| std::iter::repeat_n(*v, *k as usize)).collect();
            counts = tally(&[again, vec![low, high]].concat());
        }
        let own = if is_continuous { own } else { 0.0 };
        let total: f64 = counts.iter().map(|(_, k)| k).sum();
        let shares = counts.iter().map(|(_, k)| (1.0 - own) * k / total).collect();
        let values = counts.into_iter().map(|(v, _)| v).collect();
        let weights = Grid { points: weights(), shares: Vec::new() };
        let mut prior = Self { values, shares, weights, continuous: None, range: range.unwrap_or(ends) };
        let counted: Vec<Counted> = prompts.iter().map(|r| prior.count(r.as_ref())).collect();
        if is_continuous {
            prior.continuous = Some(Continuous::fit(own, ends.1 - ends.0, &counted));
        }
        let likelihoods: Vec<Vec<f64>> = counted.iter().map(|c| prior.weights_of(c)).collect();
        prior.weights = Grid::fit(prior.weights.points, &likelihoods);
        Ok(prior)
    }

    fn count(&self, rewards: &[f64]) -> Counted {
        let mut counted =
            Counted { common: vec![0.0; self.values.len()], own: Vec::new(), total: rewards.len() as f64 };
        for (value, count) in tally(rewards) {
            match self.values.binary_search_by(|v| v.total_cmp(&value)) {
                Ok(i) => counted.common[i] = count,
                Err(_) => counted.own.push((value, count)),
            }
        }
        counted
    }

    /// The log-likelihood of each weight.
    fn weights_of(&self, counted: &Counted) -> Vec<f64> {
        let common = self.shares.iter().copied().zip(counted.common.iter().copied());
        let own = self.continuous.as_ref().map(|c| (c.share, counted.own()));
        let seen: Vec<(f64, f64)> = common.chain(own).filter(|(_, k)| *k > 0.0).collect();
        let of = |c: &f64| {
            let values: f64 = seen.iter().map(|(s, k)| ln_gamma(c * s + k) - ln_gamma(c * s)).sum();
            ln_gamma(*c) - ln_gamma(c + counted.total) + values
        };
        self.weights.points.iter().map(of).collect()
    }

    /// How many samples of a prompt's own the prior counts as: the geometric mean over the prior, of the continuous part where there is one.
    pub fn weight(&self) -> f64 {
        let weights = self.continuous.as_ref().map_or(&self.weights, |c| &c.weights);
        weights.points.iter().zip(&weights.shares).map(|(c, s)| s * c.ln()).sum::<f64>().exp()
    }

    /// Least and greatest value that was seen of any prompt, or that the range was said to have.
    pub fn range(&self) -> (f64, f64) {
        self.range
    }

    /// What a prompt's own rewards say then; none say what the prior does. `threshold`: the reward std below which a prompt's gradient
    /// counts as vanished.
    ///
    /// # Formula
    /// Given the weight, with a = prior + counts and A = Σ a: mean Σ a r / A; P(dead group of G) = Σ Π a (a+1) … (a+G−1) / (A (A+1) …
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
        Error::check_finite("reward", rewards)?;
        let counted = self.count(rewards);
        if let (None, Some((value, _))) = (&self.continuous, counted.own.first()) {
            return Err(Error::parameter("reward", value, "one of those that the prior was fitted to"));
        }
        let weights = self.weights.posterior(&self.weights_of(&counted));
        let drawn = self.draw(&counted, &weights, groups, rng);
        let estimate = |value: f64, drawn: &[f64]| {
            let (low, high) = (quantile(drawn, 0.025), quantile(drawn, 0.975));
            Estimate { value, low: low.min(value), high: high.max(value), n: rewards.len(), method: Method::Posterior }
        };
        let exact = self.continuous.is_none().then(|| self.expected(&counted, &weights, groups));
        let value = |i: usize, drawn: &[f64]| exact.as_ref().map_or_else(|| mean(drawn), |e| e[i]);
        let below = drawn[0].iter().filter(|s| **s < threshold).count();
        Ok(SpreadPrediction {
            samples: rewards.len(),
            mean: estimate(value(0, &drawn[1]), &drawn[1]),
            std: estimate(quantile(&drawn[0], 0.5), &drawn[0]),
            dead: drawn[2..].iter().enumerate().map(|(g, d)| estimate(value(1 + g, d), d)).collect(),
            vanishes: below as f64 / DRAWS as f64,
        })
    }

    /// Posterior means where all values are common: of the mean reward, and of a dead group's probability by size.
    fn expected(&self, counted: &Counted, weights: &[f64], groups: &[usize]) -> Vec<f64> {
        let mut expected = vec![0.0; 1 + groups.len()];
        for (weight, prob) in self.weights.points.iter().zip(weights) {
            let mass: Vec<f64> = self.shares.iter().zip(&counted.common).map(|(s, k)| weight * s + k).collect();
            let total: f64 = mass.iter().sum();
            expected[0] += prob * self.values.iter().zip(&mass).map(|(r, a)| r * a).sum::<f64>() / total;
            for (group, out) in groups.iter().zip(&mut expected[1..]) {
                let of = |a: &f64| (0..*group).map(|i| (a + i as f64) / (total + i as f64)).product::<f64>();
                *out += prob * mass.iter().map(of).sum::<f64>();
            }
        }
        expected
    }

    /// Draws of the posterior: std, mean, and a dead group's probability by size.
    fn draw(&self, counted: &Counted, weights: &[f64], groups: &[usize], rng: &mut Stream) -> Vec<Vec<f64>> {
        let mut drawn = vec![Vec::with_capacity(DRAWS); 2 + groups.len()];
        let own = self.continuous.as_ref().map(|c| {
            let spreads = c.spreads.posterior(&c.log_likelihood(&c.spreads.points, &counted.own));
            (c, c.weights.posterior(&Continuous::weights_of(&c.weights.points, counted)), spreads)
        });
        let mut atoms: Vec<(f64, f64)> = Vec::new();
        let mut values: Vec<(f64, f64)> = Vec::new();
        for _ in 0..DRAWS {
            let weight = self.weights.points[rng.categorical(weights)];
            atoms.clear();
            let common = self.values.iter().zip(&self.shares).zip(&counted.common);
            atoms.extend(common.map(|((v, s), k)| (*v, weight * s + k)));
            // what is left of the base: mass, centre and variance
            let mut rest = (0.0, 0.0, 0.0);
            match &own {
                None => dirichlet(&mut atoms, rng),
                Some((continuous, weights, spreads)) => {
                    atoms.push((0.0, weight * continuous.share + counted.own()));
                    dirichlet(&mut atoms, rng);
                    let mass = atoms.pop().map_or(0.0, |(_, p)| p);
                    let (centre, spread) = continuous.draw(spreads, &counted.own, rng);
                    let unseen = continuous.weights.points[rng.categorical(weights)];
                    values.clear();
                    values.extend(counted.own.iter().copied());
                    values.push((centre, unseen));
                    dirichlet(&mut values, rng);
                    let mut left = mass * values.pop().map_or(0.0, |(_, p)| p);
                    atoms.extend(values.iter().map(|(v, p)| (*v, mass * p)));
                    for _ in 0..STICKS {
                        if left < 1e-4 {
                            break;
                        }
                        let stick = 1.0 - (1.0 - rng.uniform()).powf(1.0 / unseen);
                        atoms.push((centre + spread * rng.normal(), left * stick));
                        left *= 1.0 - stick;
                    }
                    rest = (left, centre, spread * spread);
                }
            }
            let mean = atoms.iter().map(|(v, p)| v * p).sum::<f64>() + rest.0 * rest.1;
            let square = |v: f64| (v - mean) * (v - mean);
            let var = atoms.iter().map(|(v, p)| p * square(*v)).sum::<f64>() + rest.0 * (square(rest.1) + rest.2);
            drawn[0].push(var.sqrt());
            drawn[1].push(mean);
            for (group, out) in groups.iter().zip(&mut drawn[2..]) {
                out.push(atoms.iter().map(|(_, p)| p.powf(*group as f64)).sum());
            }
        }
        drawn
    }
}

impl Continuous {
    fn fit(share: f64, width: f64, counted: &[Counted]) -> Self {
        let means: Vec<f64> = counted
            .iter()
            .filter(|c| !c.own.is_empty())
            .map(|c| c.own.iter().map(|(v, _)| v).sum::<f64>() / c.own.len() as f64)
            .collect();
        let between = if means.len() > 1 { std_dev(&means) } else { 0.0 };
        let points: Vec<f64> = SPREADS.map(|i| width * 10_f64.powf(f64::from(i) / 24.0)).collect();
        let partitions: Vec<Vec<f64>> = counted.iter().map(|c| Self::weights_of(&weights(), c)).collect();
        let weights = Grid::fit(weights(), &partitions);
        let empty = Grid { points: Vec::new(), shares: Vec::new() };
        let mut prior = Self { share, weights, location: (mean(&means), between.max(1e-3 * width)), spreads: empty };
        let likelihoods: Vec<Vec<f64>> = counted.iter().map(|c| prior.log_likelihood(&points, &c.own)).collect();
        prior.spreads = Grid::fit(points, &likelihoods);
        prior
    }

    /// The log-likelihood of each weight.
    fn weights_of(points: &[f64], counted: &Counted) -> Vec<f64> {
        let (all, distinct) = (counted.own(), counted.own.len() as f64);
        points.iter().map(|a| ln_gamma(*a) - ln_gamma(a + all) + distinct * a.ln()).collect()
    }
}

impl Counted {
    /// How many samples have values of the prompt's own.
    fn own(&self) -> f64 {
        self.own.iter().map(|(_, k)| k).sum()
    }
}

/// The grid of weights.
fn weights() -> Vec<f64> {
    WEIGHTS.map(|i| 10_f64.powf(f64::from(i) / 6.0)).collect()
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

/// Masses become a draw from their Dirichlet distribution, by normalised gammas; their logarithms, since those of small masses underflow.
fn dirichlet(atoms: &mut [(f64, f64)], rng: &mut Stream) {
    for (_, a) in atoms.iter_mut() {
        *a = rng.log_gamma(*a);
    }
    let top = atoms.iter().map(|(_, p)| *p).fold(f64::NEG_INFINITY, f64::max);
    atoms.iter_mut().for_each(|(_, p)| *p = (*p - top).exp());
    let total: f64 = atoms.iter().map(|(_, p)| p).sum();
    atoms.iter_mut().for_each(|(_, p)| *p /= total);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rng() -> Stream {
        Stream::named(&["preflight"])
    }

    /// Binary rewards under a flat prior: mean (k + 1)/(n + 2), P(dead pair) from the beta's second moments.
    #[test]
    fn the_posterior_of_binary_rewards_is_the_betas() {
        let weights = Grid { points: vec![2.0], shares: vec![1.0] };
        let (values, shares) = (vec![0.0, 1.0], vec![0.5, 0.5]);
        let prior = RewardPrior { values, shares, weights, continuous: None, range: (0.0, 1.0) };
        let said = prior.predict(&[1.0, 0.0, 0.0, 0.0], &[1, 2], 0.05, &mut rng()).expect("finite");
        let (a, b) = (2.0, 4.0);
        assert!((said.mean.value - a / (a + b)).abs() < 1e-15);
        assert!((said.dead[0].value - 1.0).abs() < 1e-15);
        let pair = (a * (a + 1.0) + b * (b + 1.0)) / ((a + b) * (a + b + 1.0));
        assert!((said.dead[1].value - pair).abs() < 1e-15);
        // the beta(2, 4)'s central 95% is 0.0527 to 0.7164 (scipy 1.17: beta(2, 4).ppf([.025, .975]))
        assert!((said.mean.low - 0.0527).abs() < 0.02 && (said.mean.high - 0.7164).abs() < 0.03, "{:?}", said.mean);
        assert!(said.vanishes < 0.05);
    }

    #[test]
    fn equal_rewards_say_more_where_prompts_give_one_value_each() {
        let same = |value: f64| vec![value; 16];
        let rare: Vec<f64> = (0..16).map(|i| f64::from(u8::from(i < 2))).collect();
        let most_dead: Vec<Vec<f64>> = (0..20).map(|i| same(f64::from(i % 2))).collect();
        let few_dead: Vec<Vec<f64>> = (0..20).map(|i| if i == 0 { same(0.0) } else { rare.clone() }).collect();
        let of = |all: &[Vec<f64>]| {
            let prior = RewardPrior::fit(all, None).expect("finite");
            (prior.weight(), prior.predict(&same(0.0), &[8], 0.05, &mut rng()).expect("finite"))
        };
        let ((dead, sure), (mixed, unsure)) = (of(&most_dead), of(&few_dead));
        assert!(dead < 0.1 && mixed > 1.0, "{dead} {mixed}");
        assert!(sure.vanishes > 0.9 && unsure.vanishes < 0.5, "{} {}", sure.vanishes, unsure.vanishes);
        assert!(sure.dead[0].value > 0.95 && unsure.dead[0].value < sure.dead[0].value);
        assert!(sure.std.low >= 0.0 && sure.std.high < unsure.std.high);
    }

    /// Prompts of two spreads, around one mean, under a flat policy: each is known better than from its own samples, and the truth, which is not
    /// on the grid, lies in the intervals.
    #[test]
    fn continuous_rewards_keep_their_own_spread() {
        let world = &mut Stream::named(&["preflight", "continuous"]);
        let spreads: Vec<f64> = (0..30).map(|i| if i % 2 == 0 { 1.0 } else { 0.01 }).collect();
        let all: Vec<Vec<f64>> = spreads.iter().map(|s| (0..40).map(|_| 0.3 + s * world.normal()).collect()).collect();
        let prior = RewardPrior::fit(&all, None).expect("finite");
        let rng = &mut rng();
        let mut held = 0;
        for (own, spread) in all.iter().zip(&spreads) {
            let said = prior.predict(own, &[2], 0.05, rng).expect("finite");
            assert!((said.std.value / spread - 1.0).abs() < 0.25, "{:?} for {spread}", said.std);
            // alone, 40 samples would tell it to a factor of 0.82 to 1.28 (scipy 1.17: sqrt(39 / chi2(39).ppf([.975, .025])))
            assert!((said.std.high - said.std.low) / spread < 0.6, "{:?}", said.std);
            // the common spread is known to 3%, which the intervals leave out
            held += usize::from(said.std.low <= 1.05 * spread && 0.95 * spread <= said.std.high);
            assert_eq!(said.vanishes > 0.5, *spread < 0.05);
            assert!(said.dead[0].value < 0.02, "{:?}", said.dead[0]);
            assert!((said.mean.value - 0.3).abs() < 0.6 * spread, "{:?}", said.mean);
        }
        assert!(held >= 27, "{held} of 30 intervals hold the truth");
        // a new value of a new prompt is no error, and one sample says little
        let one = prior.predict(&[0.123], &[2], 0.05, rng).expect("finite");
        assert!(one.std.low < 0.05 && one.std.high > 0.5, "{:?}", one.std);
    }

    /// A reward that is 0 for failures and continuous for the rest: prompts that always fail are told from those that spread.
    #[test]
    fn failures_are_common_and_other_values_are_not() {
        let world = &mut Stream::named(&["preflight", "mixed"]);
        let all: Vec<Vec<f64>> = (0..40)
            .map(|x| (0..16).map(|i| if x % 2 == 0 || i % 2 == 0 { 0.0 } else { world.uniform() }).collect())
            .collect();
        let prior = RewardPrior::fit(&all, Some((0.0, 1.0))).expect("finite");
        assert_eq!((prior.range(), prior.values.as_slice()), ((0.0, 1.0), &[0.0][..]));
        let rng = &mut rng();
        // half zeros, half uniform: var = 1/2 · 1/3 − 1/16
        let truth = (1.0_f64 / 6.0 - 1.0 / 16.0).sqrt();
        let mut held = 0;
        for (x, own) in all.iter().enumerate() {
            let said = prior.predict(own, &[4], 0.05, rng).expect("finite");
            if x % 2 == 0 {
                assert!(said.vanishes > 0.5 && said.dead[0].value > 0.8, "{said:?}");
            } else {
                assert!(said.vanishes < 0.01 && (said.dead[0].value - 0.0625).abs() < 0.08, "{said:?}");
                held += usize::from(said.std.low <= truth && truth <= said.std.high);
            }
        }
        assert!(held >= 17, "{held} of 20 intervals hold the truth");
    }

    #[test]
    fn few_prompts_grades_are_no_continuous_reward() {
        let all = [vec![1.0; 8], vec![0.25; 8]];
        let prior = RewardPrior::fit(&all, Some((0.0, 1.0))).expect("finite");
        assert!(prior.continuous.is_none() && prior.values == [0.0, 0.25, 1.0]);
        assert!(RewardPrior::fit(&[vec![0.5]], None).expect("finite").continuous.is_none());
    }

    #[test]
    fn a_known_range_keeps_a_constant_reward_open() {
        let all = vec![vec![1.0; 4]; 3];
        let blind = RewardPrior::fit(&all, None).expect("finite");
        assert_eq!(blind.predict(&all[0], &[4], 0.05, &mut rng()).expect("finite").std.high, 0.0);
        let told = RewardPrior::fit(&all, Some((0.0, 2.0))).expect("finite");
        assert_eq!(told.range(), (0.0, 2.0));
        assert!(told.predict(&[], &[4], 0.05, &mut rng()).expect("finite").std.high > 0.0);
        assert!(RewardPrior::fit(&all, Some((1.0, 1.0))).is_err());
        assert!(RewardPrior::fit(&[vec![]], None).is_err());
        assert!(RewardPrior::fit(&[vec![f64::NAN]], None).is_err());
        assert!(told.predict(&[0.5], &[4], 0.05, &mut rng()).is_err());
    }
}
