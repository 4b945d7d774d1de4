//! What DPO is in theory: one reward per class, the policy as its own reward model, and the loss whose optimum is known.
//!
//! **Formula**: `π* ∝ π_ref exp(r/β)` (Eq. 4); `ℓ_DPO = −log σ(β h)`,
//! `h = log(π(y_w)/π_ref(y_w)) − log(π(y_l)/π_ref(y_l))` (Eq. 7); `∇ℓ = −β σ(−β h) ∇(log π(y_w) − log π(y_l))`.
//!
//! **Claims** (arXiv:2305.18290). Rewards that differ by a function of the prompt prefer alike (Lemma 1) and have the
//! same KL-regularised optimum (Lemma 2); each class has one representative of the form β log(π/`π_ref`) (Theorem 1,
//! Proposition 1), r − β log Z; the gradient of the loss weighs a pair by `σ(r̂_l` − `r̂_w`); with Bradley–Terry labels the
//! loss (Eq. 7) is least where the policy is the optimum (Eq. 4).
//!
//! **Measured**: random rewards and references, f64. `identities`: a few prompts with 8 outputs. `population`: the loss
//! of infinitely many labels, one prompt with 16 outputs, one logit each, gradient descent with a step in proportion to
//! 1/β² (β h is what the labels say, so the curvature goes as β²) and with one step for all β; pairs drawn evenly, or
//! some a hundred times as often as others. `sample`: n labels and the exact minimiser. `deterministic`: the better
//! output always wins; the gradient flow of DPO, conservative DPO and IPO over time.
//!
//! Theory, derived here: at the optimum the Hessian by the logits is β² times a matrix that β is not in. With
//! deterministic labels log-odds of adjacent outputs grow as log(t)/β, whatever β: no finite optimum, and a frontier
//! that early stopping draws.
//!
//! **Controls**: the optimum for another β is not reached; with deterministic labels the KL-regularised optimum is not
//! reached; conservative DPO and IPO stay finite on the same labels.
//!
//! **Found**: all identities and optima to rounding; the error of n labels falls as n^(−1/2); the curvature goes as β².
//! The control in total variation is refuted at β = 0.3 by a badly put criterion: there the optimum is itself nearly
//! one output, so that running past it moves 0.7% of the probability; in log-odds it is passed by far.

mod figure;
mod judge;

use super::pairs::{Loss as PairLoss, Population, normalised};
use rewardlab::error::{Error, Result};
use rewardlab::exact::{Flow, Tilted, tilted, total_variation};
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::num::{norm, relative_error, sigmoid};
use rewardlab::objective::{dpo_loss, implicit_rewards};
use rewardlab::plot::Chart;
use rewardlab::policy::{LogLinear, Policy};
use rewardlab::rng::Stream;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct ClosedForm;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Prompts of the identities; 1 to 1000.
    prompts: usize,
    /// Outputs of the identities, the samples and the deterministic labels; 3 to 64.
    outputs: usize,
    /// Outputs of the population; 3 to 64.
    population_outputs: usize,
    /// Strengths of the KL penalty; each positive.
    betas: Vec<f64>,
    /// Most steps of gradient descent; at least 10.
    steps: usize,
    /// Numbers of sampled labels; each at least 100.
    labels: Vec<usize>,
    /// Times at which the flow on deterministic labels is looked at; increasing, positive.
    times: Vec<f64>,
    /// The last time for losses that have an optimum: a flow that has arrived goes on in small steps. Positive.
    horizon: f64,
    /// Label noise of conservative DPO; in (0, 0.5).
    label_smoothing: f64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    Identities,
    Population { skewed: bool, own_step: bool },
    Sample { labels: usize },
    Deterministic { loss: Loss },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    Dpo,
    Conservative,
    Ipo,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    part: Part,
    beta: f64,
}

impl Loss {
    fn name(self) -> &'static str {
        match self {
            Self::Dpo => "dpo",
            Self::Conservative => "conservative_dpo",
            Self::Ipo => "ipo",
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let beta = self.beta;
        match self.part {
            Part::Identities => write!(f, "identities beta={beta}"),
            Part::Population { skewed, own_step } => {
                let (pairs, step) = (if skewed { "skewed" } else { "even" }, if own_step { "own" } else { "one" });
                write!(f, "population beta={beta} pairs={pairs} step={step}")
            }
            Part::Sample { labels } => write!(f, "sample beta={beta} labels={labels}"),
            Part::Deterministic { loss } => write!(f, "deterministic beta={beta} {}", loss.name()),
        }
    }
}

/// One number; `part` and `quantity` say of what.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `identities`, `population`, `sample` or `deterministic`.
    part: String,
    /// The identity; `even` or `skewed` pairs, with ` one step` where the step is the same for all β; the loss.
    setting: String,
    /// β, or τ for IPO.
    beta: f64,
    /// Steps of gradient descent, labels, or flow time (of DPO in units of 1/β²).
    at: f64,
    /// Largest violation of an identity (relative for the gradient).
    violation: Option<f64>,
    /// Total variation to the KL-regularised optimum.
    total_variation: Option<f64>,
    /// Total variation to the optimum for twice this β.
    to_other: Option<f64>,
    /// Largest eigenvalue of the loss's Hessian by the logits, at the optimum.
    curvature: Option<f64>,
    /// Log-odds of best against second-best output, less the reference's.
    log_odds: Option<f64>,
    /// The same of the KL-regularised optimum.
    log_odds_of_optimum: Option<f64>,
}

/// A world of one prompt: true rewards and the reference's log-probabilities.
struct World {
    rewards: Vec<f64>,
    reference: Vec<f64>,
}

impl World {
    fn random(outputs: usize, rng: &mut Stream) -> Self {
        let (mut rewards, mut logits) = (vec![0.0; outputs], vec![0.0; outputs]);
        rng.fill_normal(1.0, &mut rewards);
        rng.fill_normal(1.0, &mut logits);
        Self { rewards, reference: normalised(&logits) }
    }

    fn optimum(&self, beta: f64) -> Tilted {
        tilted(&self.reference, &self.rewards, beta)
    }

    /// The probability that i is preferred to j.
    fn wins(&self, i: usize, j: usize) -> f64 {
        sigmoid(self.rewards[i] - self.rewards[j])
    }
}

impl Experiment for ClosedForm {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "reward_kl/closed_form";
    const PAPER: &'static str =
        "Rafailov et al., arXiv:2305.18290, Theorem 1, Lemmas 1 and 2, Proposition 1, Equations 4 and 7";
    const CLAIM: &'static str =
        "the policy is its own reward model: DPO's optimum is that of the KL-regularised reward";
    const SECONDS: (f64, f64) = (1.0, 70.0);

    fn params(profile: Profile) -> Params {
        let (steps, labels) = match profile {
            Profile::Smoke => (10_000, vec![1_000, 10_000]),
            Profile::Paper => (100_000, vec![1_000, 4_000, 16_000, 64_000, 256_000, 1_024_000]),
        };
        Params {
            prompts: 3,
            outputs: 8,
            population_outputs: 16,
            betas: vec![0.3, 1.0, 3.0],
            steps,
            labels,
            times: (0..=8).map(|e| 10_f64.powi(e)).collect(),
            horizon: 1e5,
            label_smoothing: 0.1,
        }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..3,
            Profile::Paper => 0..10,
        }
    }

    fn validate(p: &Params) -> Result<()> {
        Error::check_counts(&[
            ("prompts", p.prompts, 1, 1000),
            ("outputs", p.outputs, 3, 64),
            ("population_outputs", p.population_outputs, 3, 64),
            ("steps", p.steps, 10, 100_000_000),
            ("labels (fewest)", p.labels.iter().copied().min().unwrap_or(100), 100, usize::MAX),
        ])?;
        Error::check_positive(&[("horizon", p.horizon)])?;
        p.betas.iter().try_for_each(|beta| Error::check_positive(&[("betas", *beta)]))?;
        if p.times.first().is_none_or(|t| *t <= 0.0) || !p.times.is_sorted_by(|a, b| a < b) {
            return Err(Error::parameter("times", format!("{:?}", p.times), "increasing and positive"));
        }
        if !(p.label_smoothing > 0.0 && p.label_smoothing < 0.5) {
            return Err(Error::parameter("label_smoothing", p.label_smoothing, "in (0, 0.5)"));
        }
        Ok(())
    }

    fn cells(p: &Params) -> Vec<Cell> {
        let mut cells = Vec::new();
        for &beta in &p.betas {
            let mut part = |part| cells.push(Cell { part, beta });
            part(Part::Identities);
            part(Part::Population { skewed: false, own_step: true });
            part(Part::Population { skewed: true, own_step: true });
            part(Part::Population { skewed: false, own_step: false });
            p.labels.iter().for_each(|&labels| part(Part::Sample { labels }));
            for loss in [Loss::Dpo, Loss::Conservative, Loss::Ipo] {
                part(Part::Deterministic { loss });
            }
        }
        cells
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let beta = cell.beta;
        let world = |outputs| World::random(outputs, &mut ctx.shared_stream(&format!("world of {outputs}")));
        match cell.part {
            Part::Identities => Ok(identities(p, beta, &mut ctx.stream("rewards"))),
            Part::Population { skewed, own_step } => {
                // one step for all: what the largest β allows
                let most = p.betas.iter().copied().fold(beta, f64::max);
                let scale = if own_step { beta } else { most };
                let world = world(p.population_outputs);
                Ok(of_population(&world, (beta, scale), (skewed, own_step), p.steps))
            }
            Part::Sample { labels } => of_sample(&world(p.outputs), beta, labels, &mut ctx.stream("labels")),
            Part::Deterministic { loss } => of_deterministic(p, &world(p.outputs), beta, loss),
        }
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        judge::checks(rows)
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        figure::chart(rows)
    }
}

/// Plackett and Luce's probability of a ranking by rewards (Eq. 18 of arXiv:2305.18290), best first.
fn plackett_luce(ranked: &[f64]) -> f64 {
    let place = |k: usize| 1.0 / ranked[k..].iter().map(|r| (r - ranked[k]).exp()).sum::<f64>();
    (0..ranked.len()).map(place).product()
}

/// r − β log Σ `π_ref` e^(r/β), the representative of r's class (Proposition 1 of arXiv:2305.18290).
fn representative(world: &World, rewards: &[f64], beta: f64) -> Vec<f64> {
    let normaliser = beta * tilted(&world.reference, rewards, beta).log_partition;
    rewards.iter().map(|r| r - normaliser).collect()
}

fn identities(p: &Params, beta: f64, rng: &mut Stream) -> Vec<Row> {
    let largest_difference = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
    let mut worst = [
        ("lemma_1", 0.0),
        ("lemma_2", 0.0),
        ("theorem_1", 0.0),
        ("proposition_1", 0.0),
        ("optimal_value", 0.0),
        ("gradient", 0.0),
    ];
    for _ in 0..p.prompts {
        let world = World::random(p.outputs, rng);
        let (rewards, shift) = (&world.rewards, 3.0 * rng.normal());
        let shifted: Vec<f64> = rewards.iter().map(|r| r + shift).collect();
        let projected = representative(&world, rewards, beta);
        let optimum = world.optimum(beta);
        let preferences = |r: &[f64]| -> Vec<f64> {
            let pairs = (0..r.len()).flat_map(|i| (0..r.len()).map(move |j| (i, j)));
            pairs.map(|(i, j)| sigmoid(r[i] - r[j])).chain([plackett_luce(&r[..4.min(r.len())])]).collect()
        };
        let moved = tilted(&world.reference, &shifted, beta);
        let value = optimum.reward - beta * optimum.kl;
        let violations = [
            largest_difference(&preferences(rewards), &preferences(&projected))
                .max(largest_difference(&preferences(rewards), &preferences(&shifted))),
            total_variation(&optimum.log_probs, &moved.log_probs),
            largest_difference(&projected, &implicit_rewards(&optimum.log_probs, &world.reference, beta)),
            largest_difference(&representative(&world, &shifted, beta), &projected)
                .max(largest_difference(&representative(&world, &projected, beta), &projected)),
            (value - beta * optimum.log_partition).abs(),
            gradient_error(&world, beta, rng),
        ];
        worst.iter_mut().zip(violations).for_each(|(w, v)| w.1 = f64::max(w.1, v));
    }
    let row = |(name, violation): (&str, f64)| Row {
        part: "identities".into(),
        setting: name.into(),
        beta,
        violation: Some(violation),
        ..Row::default()
    };
    worst.map(row).into()
}

/// The loss's gradient by the parameters of a log-linear policy: Eq. 7's formula, β `σ(r̂_l` − `r̂_w)(∇log` `π(y_w)` − ∇log `π(y_l)`),
/// against central differences of the loss.
fn gradient_error(world: &World, beta: f64, rng: &mut Stream) -> f64 {
    const FEATURES: usize = 5;
    let n = world.rewards.len();
    let (mut features, mut params) = (vec![0.0; n * FEATURES], vec![0.0; FEATURES]);
    rng.fill_normal(1.0, &mut features);
    rng.fill_normal(1.0, &mut params);
    let mut policy = LogLinear::new(n, features, params.clone());
    let pairs: Vec<(usize, usize)> = (0..n).map(|i| (i, (i + 1) % n)).collect();
    let both =
        |of: &[f64]| -> Vec<f64> { pairs.iter().map(|p| of[p.0]).chain(pairs.iter().map(|p| of[p.1])).collect() };
    let reference = both(&world.reference);
    let mut log_probs = vec![0.0; n];
    policy.log_probs(&[0], &mut log_probs);
    let implicit = implicit_rewards(&log_probs, &world.reference, beta);
    let mut weights = vec![0.0; n];
    for (chosen, rejected) in &pairs {
        let weight = -beta * sigmoid(implicit[*rejected] - implicit[*chosen]) / pairs.len() as f64;
        weights[*chosen] += weight;
        weights[*rejected] -= weight;
    }
    let mut gradient = vec![0.0; FEATURES];
    policy.backward_log_probs(&log_probs, &mut weights, &mut gradient);
    let mut loss = |params: &[f64]| {
        policy.params_mut().copy_from_slice(params);
        let mut log_probs = vec![0.0; n];
        policy.log_probs(&[0], &mut log_probs);
        dpo_loss(&both(&log_probs), &reference, beta, 1.0, &mut vec![0.0; 2 * n])
    };
    let difference = |k: usize| {
        let mut at = |step: f64| {
            let mut moved = params.clone();
            moved[k] += step;
            loss(&moved)
        };
        (at(1e-5) - at(-1e-5)) / 2e-5
    };
    let differences: Vec<f64> = (0..FEATURES).map(difference).collect();
    relative_error(&gradient, &differences)
}

/// `scale`: the β by whose curvature the step is chosen.
fn of_population(world: &World, (beta, scale): (f64, f64), (skewed, own_step): (bool, bool), steps: usize) -> Vec<Row> {
    let n = world.rewards.len();
    // pairs outside the first half of the outputs are drawn a hundred times more rarely
    let weight = |i: usize, j: usize| if skewed && (i >= n / 2 || j >= n / 2) { 0.01 } else { 1.0 };
    let pairs = Population::new(n, weight, |i, j| world.wins(i, j));
    let step = step(&pairs, scale);
    let (optimum, other) = (world.optimum(beta), world.optimum(2.0 * beta));
    let (mut logits, mut gradient) = (world.reference.clone(), vec![0.0; n]);
    let mut rows = Vec::new();
    let mut next = 1;
    for t in 1..=steps {
        pairs.gradient(PairLoss::Dpo, beta, &world.reference, &logits, &mut gradient);
        logits.iter_mut().zip(&gradient).for_each(|(z, g)| *z -= step * g);
        if t == next || t == steps {
            next = (next as f64 * 1.25).ceil() as usize;
            let log_probs = normalised(&logits);
            rows.push(Row {
                part: "population".into(),
                setting: format!(
                    "{}{}",
                    if skewed { "skewed" } else { "even" },
                    if own_step { "" } else { " one step" }
                ),
                beta,
                at: t as f64,
                total_variation: Some(total_variation(&log_probs, &optimum.log_probs)),
                to_other: Some(total_variation(&log_probs, &other.log_probs)),
                curvature: (t == steps).then(|| largest_curvature(&pairs, beta, world, &optimum.log_probs)),
                ..Row::default()
            });
        }
    }
    rows
}

/// The step of gradient descent: one over a bound of the Hessian.
fn step(pairs: &Population, beta: f64) -> f64 {
    2.0 / (beta * beta * pairs.largest_degree())
}

/// The largest eigenvalue of the Hessian by the logits: power iteration on central differences of the gradient.
fn largest_curvature(pairs: &Population, beta: f64, world: &World, at: &[f64]) -> f64 {
    let n = world.rewards.len();
    let gradient_at = |direction: &[f64], step: f64| {
        let moved: Vec<f64> = at.iter().zip(direction).map(|(z, d)| z + step * d).collect();
        let mut gradient = vec![0.0; n];
        pairs.gradient(PairLoss::Dpo, beta, &world.reference, &moved, &mut gradient);
        gradient
    };
    let mut direction: Vec<f64> = (0..n).map(|i| (1.0 + i as f64).sin()).collect();
    let mut curvature = 0.0;
    for _ in 0..2_000 {
        let length = norm(&direction);
        direction.iter_mut().for_each(|d| *d /= length);
        let (up, down) = (gradient_at(&direction, 1e-4), gradient_at(&direction, -1e-4));
        direction = up.iter().zip(&down).map(|(u, d)| (u - d) / 2e-4).collect();
        curvature = norm(&direction);
    }
    curvature
}

/// The minimiser of the loss of n sampled labels on pairs drawn evenly.
fn of_sample(world: &World, beta: f64, labels: usize, rng: &mut Stream) -> Result<Vec<Row>> {
    let n = world.rewards.len();
    let mut counts = vec![[0_u32; 2]; n * n];
    for _ in 0..labels {
        let (i, j) = (rng.below(n), rng.below(n - 1));
        let j = if j < i { j } else { j + 1 };
        let (i, j) = (i.min(j), i.max(j));
        counts[i * n + j][usize::from(rng.uniform() >= world.wins(i, j))] += 1;
    }
    let count = |i: usize, j: usize| counts[i * n + j].map(f64::from);
    let pairs = Population::new(
        n,
        |i, j| count(i, j).iter().sum(),
        |i, j| {
            let [won, lost] = count(i, j);
            won / (won + lost)
        },
    );
    let step = step(&pairs, beta);
    let (mut logits, mut gradient) = (world.reference.clone(), vec![0.0; n]);
    for _ in 0..MOST_STEPS {
        pairs.gradient(PairLoss::Dpo, beta, &world.reference, &logits, &mut gradient);
        if norm(&gradient) < 1e-13 * beta {
            let found = total_variation(&normalised(&logits), &world.optimum(beta).log_probs);
            return Ok(vec![Row {
                part: "sample".into(),
                setting: "even".into(),
                beta,
                at: labels as f64,
                total_variation: Some(found),
                ..Row::default()
            }]);
        }
        logits.iter_mut().zip(&gradient).for_each(|(z, g)| *z -= step * g);
    }
    let left = norm(&gradient);
    Err(Error::Numeric(format!(
        "the loss of {labels} labels has no minimiser in reach: after {MOST_STEPS} steps |gradient| is {left:e}"
    )))
}

/// Steps of gradient descent for the minimiser of a sample.
const MOST_STEPS: usize = 200_000;

/// The gradient flow where the better output always wins.
fn of_deterministic(p: &Params, world: &World, beta: f64, loss: Loss) -> Result<Vec<Row>> {
    // best output first, so that the first of a pair is the better
    let mut order: Vec<usize> = (0..world.rewards.len()).collect();
    order.sort_by(|a, b| world.rewards[*b].total_cmp(&world.rewards[*a]));
    let sorted = |of: &[f64]| order.iter().map(|i| of[*i]).collect::<Vec<f64>>();
    let world = World { rewards: sorted(&world.rewards), reference: sorted(&world.reference) };
    let noise = if loss == Loss::Conservative { p.label_smoothing } else { 0.0 };
    let pairs = Population::new(order.len(), |_, _| 1.0, |_, _| 1.0 - noise);
    let of_pair = if loss == Loss::Ipo { PairLoss::Ipo } else { PairLoss::Dpo };
    let field = |logits: &[f64], rate: &mut [f64]| {
        pairs.gradient(of_pair, beta, &world.reference, logits, rate);
        rate.iter_mut().for_each(|r| *r = -*r);
    };
    let log_odds = |lp: &[f64]| lp[0] - lp[1];
    // DPO's curvature goes as β², IPO's does not depend on τ
    let unit = if loss == Loss::Ipo { 1.0 } else { beta.powi(-2) };
    let optimum = world.optimum(beta);
    let (mut state, mut time, mut rows) = (world.reference.clone(), 0.0, Vec::new());
    for &at in p.times.iter().filter(|t| loss == Loss::Dpo || **t <= p.horizon) {
        state = Flow::new(1e-9, (at - time) * unit)?.end(field, &state)?;
        time = at;
        let log_probs = normalised(&state);
        rows.push(Row {
            part: "deterministic".into(),
            setting: loss.name().into(),
            beta,
            at,
            total_variation: Some(total_variation(&log_probs, &optimum.log_probs)),
            log_odds: Some(log_odds(&log_probs) - log_odds(&world.reference)),
            log_odds_of_optimum: Some(log_odds(&optimum.log_probs) - log_odds(&world.reference)),
            ..Row::default()
        });
    }
    Ok(rows)
}
