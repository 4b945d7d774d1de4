//! What a few sampled rewards per prompt say, before any training, of the spread of all of them: of which prompts the gradient of the
//! expected reward will vanish (arXiv:2310.20703, Theorem 1), and how many groups will be dead.
//!
//! Sixteen equal rewards do not make a spread of zero. What is believed of a prompt is a Dirichlet posterior over reward values: its own
//! samples, and as a prior the pooled values of all prompts with a weight that the prompts themselves tell (empirical Bayes): where
//! most prompts give one value only, sixteen equal rewards say much; where few do, little.

use crate::error::{Error, Result};
use crate::rng::Stream;
use crate::stats::{Estimate, Method, quantile};
use statrs::function::gamma::ln_gamma;

/// Draws from the posterior behind an interval.
const DRAWS: usize = 1000;
/// The weights that are tried for the prior, in samples: 10^-3 to 10^3 in sixths of a decade.
const WEIGHTS: std::ops::RangeInclusive<i32> = -18..=18;

/// What is believed of a prompt's rewards before its own are seen.
#[derive(Clone, Debug, PartialEq)]
pub struct RewardPrior {
    /// Distinct values, ascending.
    values: Vec<f64>,
    /// Their shares among the rewards of all prompts.
    shares: Vec<f64>,
    /// How many samples of a prompt's own the prior counts as.
    weight: f64,
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

impl RewardPrior {
    /// The prior that the rewards of all prompts tell: pooled values (and the ends of the reward's `range`, if it is known, each as one
    /// sample more), and the weight at which the samples of all prompts together are most probable.
    ///
    /// # Formula
    /// Σ over prompts of log Γ(c)/Γ(c + n) + Σ over values of log Γ(c s + k)/Γ(c s), k of n samples of the prompt having a value of
    /// share s; c at its maximum on a grid.
    ///
    /// # Errors
    /// No reward; one that is not finite; a range that is empty or not finite.
    pub fn fit<R: AsRef<[f64]>>(prompts: &[R], range: Option<(f64, f64)>) -> Result<Self> {
        let mut pooled: Vec<f64> = prompts.iter().flat_map(AsRef::as_ref).map(|r| r + 0.0).collect();
        Error::check_finite("reward", &pooled)?;
        if pooled.is_empty() {
            return Err(Error::Usage("no reward was sampled".into()));
        }
        if let Some((low, high)) = range {
            if !(low < high && (high - low).is_finite()) {
                return Err(Error::parameter("range", format!("{low}..{high}"), "two finite numbers, ascending"));
            }
            pooled.extend([low, high]);
        }
        let total = pooled.len() as f64;
        let (values, counts): (Vec<f64>, Vec<f64>) = tally(&pooled).into_iter().unzip();
        let shares: Vec<f64> = counts.into_iter().map(|k| k / total).collect();
        let tallies: Vec<Vec<(f64, f64)>> = prompts.iter().map(|r| tally(r.as_ref())).collect();
        let share = |value: f64| values.binary_search_by(|v| v.total_cmp(&value)).map_or(0.0, |i| shares[i]);
        let counted: Vec<Vec<(f64, f64)>> =
            tallies.iter().map(|t| t.iter().map(|(value, k)| (share(value + 0.0), *k)).collect()).collect();
        let evidence = |weight: f64| -> f64 {
            let of_prompt = |counts: &Vec<(f64, f64)>| {
                let n: f64 = counts.iter().map(|(_, k)| k).sum();
                let of_values: f64 = counts.iter().map(|(s, k)| ln_gamma(weight * s + k) - ln_gamma(weight * s)).sum();
                ln_gamma(weight) - ln_gamma(weight + n) + of_values
            };
            counted.iter().map(of_prompt).sum()
        };
        let weights = WEIGHTS.map(|i| 10_f64.powf(f64::from(i) / 6.0));
        let best = weights.map(|w| (evidence(w), w)).reduce(|a, b| if b.0 > a.0 { b } else { a });
        Ok(Self { values, shares, weight: best.map_or(1.0, |(_, w)| w) })
    }

    /// How many samples of a prompt's own the prior counts as.
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// Least and greatest value that was seen of any prompt, or that the range was said to have.
    pub fn range(&self) -> (f64, f64) {
        (self.values[0], self.values[self.values.len() - 1])
    }

    /// What a prompt's own rewards say then; none say what the prior does. `threshold`: the reward std below which a prompt's gradient
    /// counts as vanished.
    ///
    /// # Formula
    /// With a = prior + counts and A = Σ a: mean Σ a r / A; P(dead group of G) = Σ Π a (a+1) … (a+G−1) / (A (A+1) … (A+G−1)); the std is
    /// the posterior's median.
    ///
    /// # Errors
    /// A reward that is not finite, or that was not among those of [`RewardPrior::fit`].
    pub fn predict(
        &self,
        rewards: &[f64],
        groups: &[usize],
        threshold: f64,
        rng: &mut Stream,
    ) -> Result<SpreadPrediction> {
        Error::check_finite("reward", rewards)?;
        let mut mass: Vec<f64> = self.shares.iter().map(|s| self.weight * s).collect();
        for (value, count) in tally(rewards) {
            let i = self.values.binary_search_by(|v| v.total_cmp(&(value + 0.0)));
            let i = i.map_err(|_| Error::parameter("reward", value, "one of those that the prior was fitted to"))?;
            mass[i] += count;
        }
        let total: f64 = mass.iter().sum();
        let mean = self.values.iter().zip(&mass).map(|(r, a)| r * a).sum::<f64>() / total;
        let dead_of = |group: usize| -> f64 {
            let of = |a: &f64| (0..group).map(|i| (a + i as f64) / (total + i as f64)).product::<f64>();
            mass.iter().map(of).sum()
        };
        let mut drawn = vec![Vec::with_capacity(DRAWS); 2 + groups.len()];
        let mut probs = vec![0.0; mass.len()];
        for _ in 0..DRAWS {
            dirichlet(&mass, &mut probs, rng);
            let of = |f: &dyn Fn(f64, f64) -> f64| self.values.iter().zip(&probs).map(|(r, p)| f(*r, *p)).sum::<f64>();
            let centre = of(&|r, p| p * r);
            drawn[0].push(centre);
            drawn[1].push(of(&|r, p| p * (r - centre) * (r - centre)).sqrt());
            for (g, out) in groups.iter().zip(&mut drawn[2..]) {
                out.push(of(&|_, p| p.powf(*g as f64)));
            }
        }
        let estimate = |value: f64, drawn: &[f64]| {
            let (low, high) = (quantile(drawn, 0.025), quantile(drawn, 0.975));
            Estimate { value, low: low.min(value), high: high.max(value), n: rewards.len(), method: Method::Posterior }
        };
        let below = drawn[1].iter().filter(|s| **s < threshold).count();
        Ok(SpreadPrediction {
            samples: rewards.len(),
            mean: estimate(mean, &drawn[0]),
            std: estimate(quantile(&drawn[1], 0.5), &drawn[1]),
            dead: groups.iter().zip(&drawn[2..]).map(|(g, d)| estimate(dead_of(*g), d)).collect(),
            vanishes: below as f64 / DRAWS as f64,
        })
    }
}

/// Distinct values, ascending, and how often each comes.
fn tally(rewards: &[f64]) -> Vec<(f64, f64)> {
    let mut sorted: Vec<f64> = rewards.iter().map(|r| r + 0.0).collect();
    sorted.sort_by(f64::total_cmp);
    sorted.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as f64)).collect()
}

/// A draw from the Dirichlet distribution, by normalised gammas; their logarithms, since those of small masses underflow.
fn dirichlet(mass: &[f64], probs: &mut [f64], rng: &mut Stream) {
    for (p, a) in probs.iter_mut().zip(mass) {
        *p = rng.log_gamma(*a);
    }
    let top = probs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    probs.iter_mut().for_each(|p| *p = (*p - top).exp());
    let total: f64 = probs.iter().sum();
    probs.iter_mut().for_each(|p| *p /= total);
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
        let prior = RewardPrior { values: vec![0.0, 1.0], shares: vec![0.5, 0.5], weight: 2.0 };
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
        let mixed: Vec<f64> = (0..16).map(|i| f64::from(i % 2)).collect();
        let most_dead: Vec<Vec<f64>> = (0..20).map(|i| same(f64::from(i % 2))).collect();
        let few_dead: Vec<Vec<f64>> = (0..20).map(|i| if i == 0 { same(0.0) } else { mixed.clone() }).collect();
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
