//! Rewards that hardly come twice: how much each prompt's spread.

use super::Counted;
use super::types::{KEPT, dirichlet, ln_rising, normalised, weights, weights_prior};
use crate::rng::Stream;
use crate::stats::{mean, std_dev};

/// The spreads on the grid, as shares of the range of what was seen: 10^-4 to 10^0.4 in 24ths of a decade, finer than one prompt
/// tells: where all have one spread, they tell it together.
const SPREADS: std::ops::RangeInclusive<i32> = -96..=10;
/// Prompts' worth of the prior in a distribution on a grid.
const SMOOTHING: f64 = 1.0;
/// Draws that are left out at the start.
const UNUSED: usize = 100;

/// The prior of a continuous reward.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Continuous {
    /// Of its own weight, in samples.
    pub(super) weights: Grid,
    /// Mean and standard deviation of the prompts' locations.
    location: (f64, f64),
    /// Of a prompt's spread.
    spreads: Grid,
}

/// Draws of a distribution on a grid.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Grid {
    pub(super) points: Vec<f64>,
    /// Logarithms of the points' shares, by draw.
    log_shares: Vec<Vec<f64>>,
}

/// What is said of one prompt, before its draws.
pub(super) struct Own<'a> {
    prior: &'a Continuous,
    values: &'a [(f64, f64)],
    weights: Vec<f64>,
    spreads: Vec<f64>,
}

impl Grid {
    /// Draws of the distribution from its posterior, which a priori is Dirichlet with mean `prior`: by turns at which point each prompt
    /// is, and the shares. `log_likelihoods`: by prompt, at each point.
    fn draw(points: Vec<f64>, prior: &[f64], log_likelihoods: &[Vec<f64>], rng: &mut Stream) -> Self {
        let mut shares = prior.to_vec();
        let mut log_shares = Vec::with_capacity(KEPT);
        for sweep in 0..UNUSED + KEPT {
            let logs: Vec<f64> = shares.iter().map(|s| s.max(f64::MIN_POSITIVE).ln()).collect();
            let mut mass: Vec<f64> = prior.iter().map(|p| SMOOTHING * p).collect();
            for of_prompt in log_likelihoods {
                mass[rng.categorical(&posterior(&logs, of_prompt))] += 1.0;
            }
            if sweep >= UNUSED {
                log_shares.push(logs);
            }
            shares = dirichlet(mass, rng);
        }
        Self { points, log_shares }
    }

    /// The mean over draws of the mean logarithm of a point.
    pub(super) fn mean_log(&self) -> f64 {
        let one = |logs: &Vec<f64>| logs.iter().zip(&self.points).map(|(l, p)| l.exp() * p.ln()).sum::<f64>();
        mean(&self.log_shares.iter().map(one).collect::<Vec<_>>())
    }
}

/// The points' probabilities, given a prompt's log-likelihood at each.
fn posterior(log_shares: &[f64], log_likelihood: &[f64]) -> Vec<f64> {
    normalised(log_shares.iter().zip(log_likelihood).map(|(s, l)| s + l).collect())
}

impl Continuous {
    /// `width`: of the range of what was seen.
    pub(super) fn fit(width: f64, counted: &[Counted], rng: &mut Stream) -> Self {
        let own = |c: &Counted| c.own.iter().map(|(v, _)| v).sum::<f64>() / c.own.len() as f64;
        let means: Vec<f64> = counted.iter().filter(|c| !c.own.is_empty()).map(own).collect();
        // one prompt says nothing of how far others are
        let between = if means.len() > 1 { std_dev(&means).max(1e-3 * width) } else { width };
        let location = (mean(&means), between);
        let points: Vec<f64> = SPREADS.map(|i| width * 10_f64.powf(f64::from(i) / 24.0)).collect();
        let partitions: Vec<Vec<f64>> = counted.iter().map(|c| of_weights(&weights(), c)).collect();
        let likelihoods: Vec<Vec<f64>> = counted.iter().map(|c| of_spreads(&points, location, &c.own)).collect();
        let even = vec![1.0 / points.len() as f64; points.len()];
        let weights = Grid::draw(weights(), &weights_prior(), &partitions, rng);
        Self { weights, location, spreads: Grid::draw(points, &even, &likelihoods, rng) }
    }

    pub(super) fn own<'a>(&'a self, counted: &'a Counted) -> Own<'a> {
        let weights = of_weights(&self.weights.points, counted);
        let spreads = of_spreads(&self.spreads.points, self.location, &counted.own);
        Own { prior: self, values: &counted.own, weights, spreads }
    }
}

/// The log-likelihood of each weight.
fn of_weights(points: &[f64], counted: &Counted) -> Vec<f64> {
    let (all, distinct) = (counted.own(), counted.own.len() as f64);
    points.iter().map(|a| distinct * a.ln() - ln_rising(*a, all)).collect()
}

/// Logarithm of the density of a prompt's distinct values at each spread, its location integrated out, but for factors that do not depend
/// on the spread.
fn of_spreads(points: &[f64], (mean, std): (f64, f64), own: &[(f64, f64)]) -> Vec<f64> {
    if own.is_empty() {
        return vec![0.0; points.len()];
    }
    let k = own.len() as f64;
    let centre = own.iter().map(|(v, _)| v).sum::<f64>() / k;
    let squares: f64 = own.iter().map(|(v, _)| (v - centre) * (v - centre)).sum();
    let of = |spread: &f64| {
        let (var, between) = (spread * spread, std * std);
        let far = (centre - mean) * (centre - mean) / (2.0 * (between + var / k));
        -(k - 1.0) * spread.ln() - squares / (2.0 * var) - 0.5 * (var + k * between).ln() - far
    };
    points.iter().map(of).collect()
}

impl Own<'_> {
    /// The posterior under the `i`-th draw of the prior: of the weight, and of the spread.
    pub(super) fn posterior(&self, i: usize) -> (Vec<f64>, Vec<f64>) {
        let of = |grid: &Grid, own: &[f64]| posterior(&grid.log_shares[i], own);
        (of(&self.prior.weights, &self.weights), of(&self.prior.spreads, &self.spreads))
    }

    /// A weight, a location and a spread.
    pub(super) fn draw(&self, (weights, spreads): &(Vec<f64>, Vec<f64>), rng: &mut Stream) -> (f64, f64, f64) {
        let weight = self.prior.weights.points[rng.categorical(weights)];
        // anywhere in the cell: prompts may all have one spread, which need not be on the grid
        let spread = self.prior.spreads.points[rng.categorical(spreads)] * 10_f64.powf((rng.uniform() - 0.5) / 24.0);
        let (mean, std) = self.prior.location;
        let (precision, prior) = (self.values.len() as f64 / (spread * spread), 1.0 / (std * std));
        let total: f64 = self.values.iter().map(|(v, _)| v).sum();
        let var = 1.0 / (prior + precision);
        let centre = var * (mean * prior + total / (spread * spread));
        (weight, centre + var.sqrt() * rng.normal(), spread)
    }
}
