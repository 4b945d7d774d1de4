//! Types of prompts: which rewards a prompt may be paid, and how alike a type's prompts are.

use crate::num::log_sum_exp;
use crate::rng::Stream;
use statrs::function::gamma::ln_gamma;
use std::collections::BTreeMap;

/// Most types that are told apart.
const TYPES: usize = 6;
/// Samples' worth of equal shares in what a type pays.
const BASE: f64 = 2.0;
/// Least share of a value in what a type pays, so that logarithms are finite.
const LEAST: f64 = 1e-12;
/// Draws that are left out at the start, and how many are made for one that is kept.
const SWEEPS: (usize, usize) = (150, 2);
/// Draws that are kept.
pub(super) const KEPT: usize = 250;
/// The weights on the grid, in samples: 10^-3 to 10^3 in sixths of a decade.
const WEIGHTS: std::ops::RangeInclusive<i32> = -18..=18;

/// A type of prompts: each one's rewards are draws from a distribution of its own, which is Dirichlet with mean `base`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Type {
    /// Share of the prompts.
    pub(super) share: f64,
    /// Of the base, in samples: the smaller, the farther a prompt is from all others.
    pub(super) weight: f64,
    /// Shares of the values.
    pub(super) base: Vec<f64>,
}

/// Prompts that were paid the same, how often each value: those that were seen, with their places.
struct Pattern {
    counts: Vec<(usize, f64)>,
    total: f64,
    prompts: usize,
}

impl Type {
    /// Log-likelihood of how often a prompt was paid each value.
    fn log_likelihood(&self, counts: impl Iterator<Item = (usize, f64)>, total: f64) -> f64 {
        let seen: f64 = counts.map(|(j, k)| ln_rising(self.weight * self.base[j], k)).sum();
        seen - ln_rising(self.weight, total)
    }
}

/// The probability of each type, of a prompt that was paid each value so often.
pub(super) fn posterior(types: &[Type], counts: &[f64]) -> Vec<f64> {
    let total: f64 = counts.iter().sum();
    let seen = || counts.iter().copied().enumerate().filter(|(_, k)| *k > 0.0);
    normalised(types.iter().map(|t| t.share.ln() + t.log_likelihood(seen(), total)).collect())
}

/// Draws of the types from their posterior, by Gibbs sampling: of what type each prompt is, given the types; the types' shares; of each its
/// weight, on a grid; and its base, given how many draws from it stand behind a prompt's equal rewards (the direct assignment sampler of
/// Teh et al., JASA 2006). `counts`: by prompt, how often each value.
pub(super) fn draw(counts: &[Vec<f64>], values: usize, rng: &mut Stream) -> Vec<Vec<Type>> {
    let patterns = patterns(counts);
    let (points, prior) = (weights(), weights_prior());
    let mut types: Vec<Type> = (0..TYPES)
        .map(|_| {
            let (weight, base) = (points[rng.categorical(&prior)], dirichlet(vec![BASE / values as f64; values], rng));
            Type { share: 1.0 / TYPES as f64, weight, base }
        })
        .collect();
    let mut kept = Vec::with_capacity(KEPT);
    for sweep in 1..=SWEEPS.0 + SWEEPS.1 * KEPT {
        // how many prompts of each pattern are of each type
        let mut members = vec![vec![0_usize; patterns.len()]; TYPES];
        for (p, pattern) in patterns.iter().enumerate() {
            let of = |t: &Type| t.share.ln() + t.log_likelihood(pattern.counts.iter().copied(), pattern.total);
            let probs = normalised(types.iter().map(of).collect());
            (0..pattern.prompts).for_each(|_| members[rng.categorical(&probs)][p] += 1);
        }
        let sizes = members.iter().map(|m| m.iter().sum::<usize>() as f64 + 1.0 / TYPES as f64).collect();
        for ((own, of), share) in types.iter_mut().zip(&members).zip(dirichlet(sizes, rng)) {
            own.share = share.max(f64::MIN_POSITIVE);
            let of: Vec<(&Pattern, usize)> =
                patterns.iter().zip(of.iter().copied()).filter(|(_, times)| *times > 0).collect();
            own.weight = points[rng.categorical(&weight(&own.base, &of, &points, &prior))];
            own.base = base(own, &of, values, rng);
        }
        if sweep > SWEEPS.0 && (sweep - SWEEPS.0).is_multiple_of(SWEEPS.1) {
            kept.push(types.clone());
        }
    }
    kept
}

/// The posterior of a type's weight on the grid, given its base.
fn weight(base: &[f64], of: &[(&Pattern, usize)], points: &[f64], prior: &[f64]) -> Vec<f64> {
    let joint = |(weight, prior): (&f64, &f64)| {
        let own = |(j, k): &(usize, f64)| ln_rising(weight * base[*j], *k);
        let one = |p: &Pattern| p.counts.iter().map(own).sum::<f64>() - ln_rising(*weight, p.total);
        prior.ln() + of.iter().map(|(p, times)| *times as f64 * one(p)).sum::<f64>()
    };
    normalised(points.iter().zip(prior).map(joint).collect())
}

/// A draw of a type's base, given its weight: behind k equal rewards of a prompt stand 1 to k draws from the base, the i-th reward
/// being a new one with probability a/(a + i), a the base's mass there (Antoniak, Ann. Statist. 1974).
fn base(own: &Type, of: &[(&Pattern, usize)], values: usize, rng: &mut Stream) -> Vec<f64> {
    let mut mass = vec![BASE / values as f64; values];
    for (pattern, times) in of {
        for (j, k) in &pattern.counts {
            let a = own.weight * own.base[*j];
            let fresh = |i: usize, rng: &mut Stream| i == 0 || rng.uniform() < a / (a + i as f64);
            mass[*j] += (0..*times * *k as usize).filter(|i| fresh(i % *k as usize, rng)).count() as f64;
        }
    }
    dirichlet(mass, rng).into_iter().map(|share| share.max(LEAST)).collect()
}

fn patterns(counts: &[Vec<f64>]) -> Vec<Pattern> {
    let mut all: BTreeMap<Vec<(usize, u64)>, usize> = BTreeMap::new();
    for own in counts {
        let seen = own.iter().enumerate().filter(|(_, k)| **k > 0.0).map(|(j, k)| (j, *k as u64)).collect();
        *all.entry(seen).or_default() += 1;
    }
    let pattern = |(seen, prompts): (Vec<(usize, u64)>, usize)| {
        let counts: Vec<(usize, f64)> = seen.into_iter().map(|(j, k)| (j, k as f64)).collect();
        Pattern { total: counts.iter().map(|(_, k)| k).sum(), counts, prompts }
    };
    all.into_iter().map(pattern).collect()
}

/// The grid of weights.
pub(super) fn weights() -> Vec<f64> {
    WEIGHTS.map(|i| 10_f64.powf(f64::from(i) / 6.0)).collect()
}

/// Their probabilities a priori: that of two rewards of a prompt being one draw from the base, 1/(1 + weight), is uniform.
pub(super) fn weights_prior() -> Vec<f64> {
    let density: Vec<f64> = weights().into_iter().map(|c| c / ((1.0 + c) * (1.0 + c))).collect();
    let total: f64 = density.iter().sum();
    density.into_iter().map(|d| d / total).collect()
}

/// ln Γ(a + k) − ln Γ(a), for a whole k.
pub(super) fn ln_rising(a: f64, k: f64) -> f64 {
    if k > 128.0 {
        return ln_gamma(a + k) - ln_gamma(a);
    }
    let (mut sum, mut product) = (0.0, 1.0);
    for i in 0..k as usize {
        product *= a + i as f64;
        if !(1e-250..1e250).contains(&product) {
            sum += f64::ln(product);
            product = 1.0;
        }
    }
    sum + product.ln()
}

/// Probabilities, from their logarithms up to a constant.
pub(super) fn normalised(mut logs: Vec<f64>) -> Vec<f64> {
    let total = log_sum_exp(&logs);
    logs.iter_mut().for_each(|l| *l = (*l - total).exp());
    logs
}

/// A draw from the Dirichlet distribution of these masses, by normalised gammas; by their logarithms, since those of small masses underflow.
pub(super) fn dirichlet(mut mass: Vec<f64>, rng: &mut Stream) -> Vec<f64> {
    mass.iter_mut().for_each(|a| *a = rng.log_gamma(*a));
    normalised(mass)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rising_products_are_differences_of_log_gammas() {
        for a in [1e-15, 0.3, 7.0, 999.0] {
            for k in [0.0, 1.0, 16.0, 128.0, 129.0] {
                let difference = ln_gamma(a + k) - ln_gamma(a);
                assert!((ln_rising(a, k) - difference).abs() < 1e-9 * (1.0 + difference.abs()), "{a} {k}");
            }
        }
    }

    /// Without prompts the draws are the prior's: two rewards are one draw from the base with a probability that is uniform.
    #[test]
    fn nothing_seen_leaves_the_prior() {
        let kept = draw(&[], 2, &mut Stream::named(&["types"]));
        let of = |value: &dyn Fn(&Type) -> f64| {
            let all: Vec<f64> = kept.iter().flatten().map(value).collect();
            all.iter().sum::<f64>() / all.len() as f64
        };
        let (same, first) = (of(&|t| 1.0 / (1.0 + t.weight)), of(&|t| t.base[0]));
        assert!((same - 0.5).abs() < 0.04 && (first - 0.5).abs() < 0.04, "{same} {first}");
        assert!((of(&|t| t.base[0] * t.base[0]) - 1.0 / 3.0).abs() < 0.04);
    }
}
