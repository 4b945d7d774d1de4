//! Bias, variance and cosine of sampled policy-gradient estimators to the exact gradient, across reward standard deviation.
//!
//! **Formula**: for an estimator ĝ of g = ∇V from n outputs: `bias = ‖E ĝ − g‖`, `noise = √tr Cov ĝ`, `E cos(ĝ, g)`.
//!
//! **Question**: a small reward std makes the *exact* gradient vanish (arXiv:2310.20703). What becomes of what one really
//! has, an estimate from n outputs? Is it only short, or does it also lose its direction, and which estimator loses least?
//!
//! **Measured**, at n outputs of one prompt for everyone: REINFORCE without baseline, with a moving average, with the
//! batch's mean; RLOO; GRPO; Dr. GRPO; PPO with GAE and a perfect critic at the first inner step, and after the policy
//! has moved (clipped and not). Exact by enumeration: mean step, bias, noise (root of the covariance's trace), dead groups.
//! Sampled by the objectives themselves: the expected cosine, and a check of the exact moments. Two roads to a small
//! std: rewards on three levels, scaled down (`rescaled`); a success of ±1 that gets rare (`rare`). Policies over one
//! prompt's tree of outputs: tabular, log-linear, and a small transformer with random weights.
//!
//! Theory, derived here: scaling rewards changes the length of every step but GRPO's and no direction: bias and signal
//! to noise stay. A rare success leaves a signal to noise of √(np) ‖∇ log p‖/√E[‖s‖²|success]: the direction is lost as
//! well, and no advantage that is computed from the same rewards brings it back.
//!
//! **Controls**: at std 1 (p = 1/2) all on-policy methods point alike; equal rewards give group methods a step of exactly
//! zero, and REINFORCE without baseline pure noise.
//!
//! **Findings**: all reproduced, and the transformer's verdicts are the table's one for one. GRPO's longer step at a small std is no better
//! aimed than RLOO's. What does help is knowledge from outside the batch: a perfect critic tells PPO at each token how much nearer success
//! has come, and keeps a cosine of 0.3 where one success in 40,000 outputs leaves the others with none. Once the policy has moved by a
//! total variation of 0.1, the clip more than doubles PPO's bias at std 1 (0.14 to 0.33 of the gradient, for a tenth less noise; the
//! transformer's 0.16 to 0.43, for a twentieth less); at small std noise is all that counts.

mod figure;
mod judge;
mod methods;

use super::estimation::{Quality, Space, moved};
use super::groups::{Method as Rule, grpo_multiple};
use crate::statistics::rounded;
use methods::{Method, Problem, exact, sampled};
use rewardlab::env::{Tree, World};
use rewardlab::error::{Error, Result};
use rewardlab::exact::{sharp_bound, theorem1_bound, total_variation};
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::plot::Chart;
use rewardlab::policy::{LogLinear, Policy, Tabular, Transformer};
use rewardlab::rng::Stream;
use rewardlab::stats::mean;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct Estimators;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Tokens V; in 2..=6.
    vocab: usize,
    /// Tokens per output; at least 1, with V^length at most 256.
    length: usize,
    /// Features of the log-linear policy; in 1..=64.
    features: usize,
    /// Width of the transformer; even, in 4..=64.
    width: usize,
    /// Standard deviation of the random logits, nats; in (0, 5].
    spread: f64,
    /// Reward standard deviations reached by scaling; each in (0, 0.5].
    rescaled_stds: Vec<f64>,
    /// Reward standard deviations aimed at by making success rare; each in (0, 1].
    rare_stds: Vec<f64>,
    /// Outputs per step, n; a multiple of `group`, at most 512.
    samples: usize,
    /// Outputs per group; in 2..=32.
    group: usize,
    /// GRPO's constant beside the standard deviation, in units of the reward; in [0, 1].
    epsilon: f64,
    /// Share of the old moving average that a batch keeps; in [0, 1).
    decay: f64,
    /// PPO's discount; in (0, 1].
    gamma: f64,
    /// PPO's GAE parameter; in [0, 1].
    lambda: f64,
    /// PPO's clip; in (0, 1).
    clip: f64,
    /// Total variation between the sampling policy and the policy, after inner steps; in (0, 0.5].
    moved: f64,
    /// Sampled steps per method; in 2..=1e5.
    draws: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Tabular,
    LogLinear,
    Transformer,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Family {
    /// Rewards on three levels, scaled.
    Rescaled,
    /// ±1, success rare.
    Rare,
    /// One reward for all.
    Constant,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    policy: Kind,
    family: Family,
    std: f64,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} {} std={}", self.policy.name(), self.family.name(), self.std)
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Tabular => "tabular",
            Self::LogLinear => "log_linear",
            Self::Transformer => "transformer",
        }
    }
}

impl Family {
    fn name(self) -> &'static str {
        match self {
            Self::Rescaled => "rescaled",
            Self::Rare => "rare",
            Self::Constant => "constant",
        }
    }
}

/// What is not compared beyond its size has six significant digits.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `tabular`, `log_linear` or `transformer`.
    policy: String,
    /// `rescaled`, `rare` or `constant`.
    family: String,
    /// Reward std that was aimed at.
    std: f64,
    /// Reward std under the policy.
    reward_std: f64,
    /// The estimator; see `methods`.
    method: String,
    /// ‖exact gradient‖.
    gradient: f64,
    /// ‖expected step‖.
    step: f64,
    /// ‖expected step‖ over the bound of Theorem 1, 6 `L_out` γ std^(2/3).
    over_bound: Option<f64>,
    /// ‖expected step‖ over the sharp bound, γ √(L/2) std.
    over_sharp: Option<f64>,
    /// Root of the trace of the step's covariance.
    noise: f64,
    /// Expected step along the gradient, over the gradient's length.
    factor: Option<f64>,
    /// ‖expected step − gradient‖ / ‖gradient‖.
    bias: Option<f64>,
    /// Sine of the angle between expected step and gradient.
    sine: Option<f64>,
    /// √(np) ‖∇ log p‖ / √E[‖s‖² given success] (rare only).
    snr_formula: Option<f64>,
    /// |factor / closed form − 1|, where there is one.
    formula_error: Option<f64>,
    /// Probability that all advantages of a group are zero.
    dead: f64,
    /// Mean cosine between a sampled step and the gradient; a step of zero counts as 0.
    cosine: Option<f64>,
    /// (Sampled − exact) mean of the step along the gradient, in standard errors; n · draws times the rarest reward's
    /// probability must be at least 500.
    z: Option<f64>,
    /// Sampled over exact mean squared length of the step, under the same condition.
    square_ratio: Option<f64>,
}

impl Row {
    /// Signal to noise: ‖expected step‖ / noise.
    fn snr(&self) -> f64 {
        self.step / self.noise
    }

    /// With the digits that a row needs.
    fn rounded(self) -> Self {
        let (long, short) = (|v| rounded(v, 13), |v: Option<f64>| v.map(|v| rounded(v, 6)));
        Self {
            reward_std: long(self.reward_std),
            gradient: long(self.gradient),
            step: long(self.step),
            noise: long(self.noise),
            over_bound: short(self.over_bound),
            over_sharp: short(self.over_sharp),
            factor: short(self.factor),
            bias: short(self.bias),
            sine: short(self.sine),
            snr_formula: short(self.snr_formula),
            formula_error: short(self.formula_error),
            dead: rounded(self.dead, 6),
            cosine: short(self.cosine),
            z: short(self.z),
            square_ratio: short(self.square_ratio),
            ..self
        }
    }
}

/// The estimators by name.
fn methods(p: &Params) -> Vec<(&'static str, Method)> {
    let group = |rule, group| Method::Group { rule, group };
    let ppo = |gamma, lambda, clip| Method::Ppo { gamma, lambda, clip };
    vec![
        ("reinforce", group(Rule::Reinforce { baseline: 0.0 }, p.group)),
        ("reinforce+average", Method::MovingAverage { decay: p.decay }),
        ("reinforce+batch", group(Rule::DrGrpo, p.samples)),
        ("rloo", group(Rule::Rloo, p.group)),
        ("dr_grpo", group(Rule::DrGrpo, p.group)),
        ("grpo", group(Rule::Grpo { epsilon: p.epsilon }, p.group)),
        ("ppo", ppo(p.gamma, p.lambda, p.clip)),
        ("ppo_undiscounted", ppo(1.0, 1.0, p.clip)),
        ("ppo_moved", ppo(p.gamma, p.lambda, p.clip)),
        ("ppo_moved_unclipped", ppo(p.gamma, p.lambda, f64::INFINITY)),
    ]
}

/// Rewards of the outputs, given log π(y).
fn rewards(family: Family, std: f64, log_probs: &[f64], stream: &mut Stream) -> Vec<f64> {
    match family {
        Family::Constant => vec![0.5; log_probs.len()],
        Family::Rescaled => {
            let mut levels: Vec<f64> = log_probs.iter().map(|_| stream.below(3) as f64 - 1.0).collect();
            // all three levels, whatever was drawn
            levels[..3].copy_from_slice(&[-1.0, 0.0, 1.0]);
            let scale = std / std_under(log_probs, &levels);
            levels.iter().map(|r| scale * r).collect()
        }
        Family::Rare => {
            // σ = 2 √(p (1 − p))
            let target = 0.5 * (1.0 - (1.0 - std * std).max(0.0).sqrt());
            success_set(log_probs, target).into_iter().map(|s| if s { 1.0 } else { -1.0 }).collect()
        }
    }
}

/// A set of outputs whose probability is close to `target`: the largest that still fit, or the smallest of all.
fn success_set(log_probs: &[f64], target: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..log_probs.len()).collect();
    order.sort_by(|a, b| log_probs[*b].total_cmp(&log_probs[*a]));
    let mut inside = vec![false; log_probs.len()];
    let mut left = target * (1.0 + 1e-9);
    for &y in &order {
        if log_probs[y].exp() <= left {
            inside[y] = true;
            left -= log_probs[y].exp();
        }
    }
    if !inside.contains(&true) {
        inside[order[order.len() - 1]] = true;
    }
    inside
}

fn std_under(log_probs: &[f64], rewards: &[f64]) -> f64 {
    let mean: f64 = log_probs.iter().zip(rewards).map(|(lp, r)| lp.exp() * r).sum();
    log_probs.iter().zip(rewards).map(|(lp, r)| lp.exp() * (r - mean).powi(2)).sum::<f64>().sqrt()
}

/// All methods on one policy.
fn of_policy<P: Policy + Clone>(p: &Params, cell: Cell, mut policy: P, tree: Tree, ctx: &Context) -> Result<Vec<Row>> {
    let space = Space::new(&mut policy, tree);
    let rewards = rewards(cell.family, cell.std, &space.outputs, &mut ctx.shared_stream("rewards"));
    let world = World::new(tree, rewards.clone())?;
    let truth = space.policy_gradient(&mut policy, &world);
    let mut old = moved(&policy, tree, p.moved, total_variation, &mut ctx.shared_stream("moved"))?;
    let far = Space::of_sampler(&mut old, tree);
    let reward_std = std_under(&space.outputs, &rewards);
    let jacobian = policy.largest_jacobian_norm(tree.contexts_of(0));
    let over = |step: f64, bound: fn(usize, f64, f64) -> f64| {
        (reward_std > 0.0).then(|| step / bound(tree.length, jacobian, reward_std))
    };
    let success = (cell.family == Family::Rare).then(|| Success::new(&space, &rewards));
    let rows = methods(p).into_iter().map(|(name, method)| {
        let sampler = if name.starts_with("ppo_moved") { &far } else { &space };
        let problem = Problem { space: &space, rewards: &rewards, sampler, samples: p.samples };
        let mut row = measured(&problem, method, &truth, p.draws, &mut ctx.stream(name));
        if let (Some(success), Some(factor)) = (&success, row.factor) {
            row.snr_formula = Some((p.samples as f64 * success.chance).sqrt() * success.unit_snr);
            row.formula_error = closed_form(method, success.chance).map(|c| (factor / c - 1.0).abs());
        }
        Row {
            policy: cell.policy.name().into(),
            family: cell.family.name().into(),
            std: cell.std,
            reward_std,
            method: name.into(),
            over_bound: over(row.step, theorem1_bound),
            over_sharp: over(row.step, sharp_bound),
            ..row
        }
        .rounded()
    });
    Ok(rows.collect())
}

/// Moments, quality and samples of one method.
fn measured(problem: &Problem, method: Method, truth: &[f64], draws: usize, stream: &mut Stream) -> Row {
    let Problem { space, rewards, sampler, samples } = *problem;
    let (moments, blocks, dead) = exact(problem, method);
    let Quality { step, noise, factor, bias, sine, .. } = space.quality(&moments, blocks, truth);
    let gradient = space.norm(truth);
    let drawn = sampled(problem, method, truth, draws, stream);
    let some = |x: f64| (gradient > 0.0).then_some(x);
    let cosine = |d: &methods::Draw| if d.square > 0.0 { d.along / (d.square.sqrt() * gradient) } else { 0.0 };
    let along: Vec<f64> = drawn.iter().map(|d| d.along).collect();
    let error = rewardlab::stats::std_dev(&along) / (draws as f64).sqrt();
    let rarest = rewards
        .iter()
        .map(|r| sampler.outputs.iter().zip(rewards).map(|(lp, s)| if s == r { lp.exp() } else { 0.0 }).sum())
        .fold(1.0, f64::min);
    let enough = (samples * draws) as f64 * rarest >= 500.0 && gradient > 0.0;
    let square = mean(&drawn.iter().map(|d| d.square).collect::<Vec<_>>());
    Row {
        gradient,
        step,
        noise,
        factor: some(factor),
        bias: some(bias),
        sine: some(sine),
        dead,
        cosine: some(mean(&drawn.iter().map(cosine).collect::<Vec<_>>())),
        z: enough.then(|| (mean(&along) - factor * gradient * gradient) / error),
        square_ratio: enough.then(|| square / (step * step + noise * noise)),
        ..Row::default()
    }
}

/// The step over the gradient under rewards of ±1, as `group_normalisation` derives it.
fn closed_form(method: Method, p: f64) -> Option<f64> {
    match method {
        Method::Group { rule: Rule::DrGrpo, group } => Some((group as f64 - 1.0) / group as f64),
        Method::Group { rule: Rule::Grpo { epsilon }, group } => Some(grpo_multiple(p, group, epsilon) / (2.0 * p)),
        Method::Ppo { .. } => None,
        _ => Some(1.0),
    }
}

/// What a success of ±1 rewards looks like to the gradient.
struct Success {
    /// p.
    chance: f64,
    /// ‖∇ log p‖ / √E[‖s‖² given success].
    unit_snr: f64,
}

impl Success {
    fn new(space: &Space, rewards: &[f64]) -> Self {
        let inside: Vec<f64> =
            space.outputs.iter().zip(rewards).map(|(lp, r)| if *r > 0.0 { lp.exp() } else { 0.0 }).collect();
        let chance: f64 = inside.iter().sum();
        let share: Vec<f64> = inside.iter().map(|p| p / chance).collect();
        let score = space.moments(&share, |y, w| space.path(y).iter().for_each(|c| w[*c] = 1.0));
        Self { chance, unit_snr: space.norm(&score.mean) / score.square.sqrt() }
    }
}

impl Experiment for Estimators {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "vanishing_gradients/estimators";
    const PAPER: &'static str =
        "arXiv:2310.20703 (Theorem 1) with the estimators of arXiv:2402.14740, 2402.03300, 2503.20783, 1707.06347";
    const CLAIM: &'static str =
        "small rewards shorten a sampled step, rare success also takes its direction, whatever the estimator";
    const SECONDS: (f64, f64) = (1.5, 25.0);

    fn params(profile: Profile) -> Params {
        let (draws, rare_stds) = match profile {
            Profile::Smoke => (100, vec![1.0, 0.2, 0.05]),
            Profile::Paper => (1_500, vec![1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01]),
        };
        Params {
            vocab: 3,
            length: 4,
            features: 12,
            width: 16,
            spread: 1.5,
            rescaled_stds: vec![0.5, 0.1, 0.01, 0.001],
            rare_stds,
            samples: 64,
            group: 8,
            epsilon: 1e-4,
            decay: 0.9,
            gamma: 0.99,
            lambda: 0.95,
            clip: 0.2,
            moved: 0.1,
            draws,
        }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..2,
            Profile::Paper => 0..10,
        }
    }

    fn validate(p: &Params) -> Result<()> {
        let check = |name: &str, legal: bool, value: String, words: &str| {
            if legal { Ok(()) } else { Err(Error::parameter(name, value, words)) }
        };
        let number = |name: &str, v: f64, legal: bool, words: &str| check(name, legal, v.to_string(), words);
        check("vocab", (2..=6).contains(&p.vocab), p.vocab.to_string(), "in 2..=6")?;
        let few = p.length >= 1 && p.vocab.checked_pow(p.length as u32).is_some_and(|n| (3..=256).contains(&n));
        check("length", few, p.length.to_string(), "at least 1, with vocab^length in 3..=256")?;
        check("features", (1..=64).contains(&p.features), p.features.to_string(), "in 1..=64")?;
        check(
            "width",
            (4..=64).contains(&p.width) && p.width.is_multiple_of(2),
            p.width.to_string(),
            "even, in 4..=64",
        )?;
        number("spread", p.spread, p.spread > 0.0 && p.spread <= 5.0, "in (0, 5]")?;
        for v in &p.rescaled_stds {
            number("rescaled_stds", *v, *v > 0.0 && *v <= 0.5, "each in (0, 0.5]")?;
        }
        for v in &p.rare_stds {
            number("rare_stds", *v, *v > 0.0 && *v <= 1.0, "each in (0, 1]")?;
        }
        check("group", (2..=32).contains(&p.group), p.group.to_string(), "in 2..=32")?;
        let whole = (1..=512).contains(&p.samples) && p.samples.is_multiple_of(p.group);
        check("samples", whole, p.samples.to_string(), "a multiple of group, at most 512")?;
        number("epsilon", p.epsilon, (0.0..=1.0).contains(&p.epsilon), "in [0, 1]")?;
        number("decay", p.decay, (0.0..1.0).contains(&p.decay), "in [0, 1)")?;
        number("gamma", p.gamma, p.gamma > 0.0 && p.gamma <= 1.0, "in (0, 1]")?;
        number("lambda", p.lambda, (0.0..=1.0).contains(&p.lambda), "in [0, 1]")?;
        number("clip", p.clip, p.clip > 0.0 && p.clip < 1.0, "in (0, 1)")?;
        number("moved", p.moved, p.moved > 0.0 && p.moved <= 0.5, "in (0, 0.5]")?;
        check("draws", (2..=100_000).contains(&p.draws), p.draws.to_string(), "in 2..=1e5")
    }

    fn cells(p: &Params) -> Vec<Cell> {
        let families = |policy| {
            let rescaled = p.rescaled_stds.iter().map(move |std| Cell { policy, family: Family::Rescaled, std: *std });
            let rare = p.rare_stds.iter().map(move |std| Cell { policy, family: Family::Rare, std: *std });
            rescaled.chain(rare).chain([Cell { policy, family: Family::Constant, std: 0.0 }])
        };
        [Kind::Tabular, Kind::LogLinear, Kind::Transformer].into_iter().flat_map(families).collect()
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let tree = Tree { prompts: 1, vocab: p.vocab, length: p.length };
        let logits = tree.prefixes() * p.vocab;
        let mut stream = ctx.shared_stream(cell.policy.name());
        match cell.policy {
            Kind::Tabular => {
                let mut params = vec![0.0; logits];
                stream.fill_normal(p.spread, &mut params);
                of_policy(p, *cell, Tabular::from_logits(p.vocab, params), tree, ctx)
            }
            Kind::LogLinear => {
                let (mut features, mut params) = (vec![0.0; logits * p.features], vec![0.0; p.features]);
                // unit rows on average, so that a logit has the std of a parameter
                stream.fill_normal(1.0 / (p.features as f64).sqrt(), &mut features);
                stream.fill_normal(p.spread, &mut params);
                of_policy(p, *cell, LogLinear::new(p.vocab, features, params), tree, ctx)
            }
            Kind::Transformer => {
                of_policy(p, *cell, Transformer::random(p.width, p.spread, tree, &mut stream)?, tree, ctx)
            }
        }
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        judge::checks(rows)
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        figure::chart(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn success_sets_come_close() {
        let probs: [f64; 5] = [0.5, 0.25, 0.125, 0.1, 0.025];
        let log_probs = probs.map(f64::ln);
        let mass = |target| {
            success_set(&log_probs, target).iter().zip(probs).filter(|(s, _)| **s).map(|(_, p)| p).sum::<f64>()
        };
        for (target, expected) in [(0.5, 0.5), (0.4, 0.4), (0.01, 0.025), (0.13, 0.125)] {
            assert!((mass(target) - expected).abs() < 1e-12, "{target}");
        }
    }
}
