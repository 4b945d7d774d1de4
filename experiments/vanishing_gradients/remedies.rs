//! A larger learning rate, a higher temperature, an entropy bonus: none makes up for a few steps of SFT.
//!
//! **Formula**: `recovered = (reward − reward of RFT) / (reward of SFT+RFT − reward of RFT)`.
//!
//! **Claim** (Table 2 of arXiv:2310.20703, values read second-hand): on `NarrativeQA` the usual heuristics against
//! vanishing gradients leave the training reward near 0.10, where SFT followed by RFT reaches 0.54.
//!
//! **Measured** on the task with 18% of rare inputs (`tasks`), all from one pretrained policy with shared features, by
//! Adam and by plain gradient ascent on exact gradients, one heuristic at a time: RFT with the learning rate multiplied, on the policy tempered
//! to softmax(f/T) (judged at T = 1), or with the entropy of the policy added to the objective. They get as many steps
//! as SFT and RFT together. Recovered gain = (reward − plain RFT's) / (SFT+RFT's − plain RFT's), over all inputs.
//!
//! In an exact world the learning rate *would* be a remedy, if the inputs did not share parameters: nothing is noisy, and
//! a rate in proportion to 1/p₀ makes up for the probability p₀ of the right output. With shared features one rate must
//! serve all inputs; our conjecture was that those with a large std break first, and a check says by how much.
//!
//! **Findings**: with Adam, which normalises, a larger rate or a higher temperature recovers most of what SFT gains, on
//! the small-std inputs as well: the claim is refuted. With plain gradient ascent the small-std inputs stay where they
//! are in most seeds whatever is tried; what a larger rate gains there is mostly on the *other* inputs, which plain RFT
//! has not finished learning (a control says so), so that its refutation over all inputs says little. The conjecture is
//! refuted: the largest rate harms the other inputs little or not at all. Gradients here are exact; sampled gradients and
//! rarely seen successes may be what defeats the heuristics in practice, which is not shown here.
//!
//! **Control**: the tabular policy, which shares nothing, by plain gradient ascent: there a large enough rate does
//! rescue the small-std inputs, and the rate that an input needs is in inverse proportion to its pretrained reward.

use super::factored::Factored;
use super::finetune::{adam, is_blind, mean_over, rft, rft_on, sft, sgd_per_prompt, shared_task, stats_of, tabular};
use super::tasks::{Setup, Task, TaskWorld, check_range};
use crate::statistics::{by_seed, worse};
use rewardlab::algorithm::{Optimizer, Sgd};
use rewardlab::error::{Error, Result};
use rewardlab::exact::PromptStats;
use rewardlab::experiment::{Check, Context, Criterion, Experiment, Kind, Profile, Record};
use rewardlab::num::log_softmax;
use rewardlab::objective::{entropy_objective, expected_reward_objective};
use rewardlab::plot::{Axis, Chart, Layer, Panel, Scale, Stroke};
use rewardlab::policy::Policy;
use rewardlab::stats::{fit_line, mean_interval};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct Remedies;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Adam learning rate of SFT and of plain RFT; above 0, at most 10.
    adam_learning_rate: f64,
    /// Gradient ascent's learning rate of SFT and of plain RFT; above 0, at most 1000.
    sgd_learning_rate: f64,
    /// Steps of SFT before RFT; 1 to 100 000.
    sft_steps: usize,
    /// Steps of RFT after SFT; RFT alone gets these and SFT's; 1 to 100 000.
    rft_steps: usize,
    /// Factors on the learning rate; positive, 1 (plain RFT) among them.
    learning_rate_factors: Vec<f64>,
    /// Temperatures other than 1; each in (0, 100].
    temperatures: Vec<f64>,
    /// Weights of the entropy bonus, per nat; each above 0, at most 100.
    entropy_weights: Vec<f64>,
    /// Tabular control: rates of gradient ascent per input; positive, increasing. The first counts as plain.
    tabular_learning_rates: Vec<f64>,
    /// Sizes, geometry, pretraining.
    world: Setup,
    /// The task.
    task: Task,
}

/// What is tried with the shared features.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Remedy {
    /// SFT, then RFT.
    Reference,
    /// RFT with this factor on the learning rate; 1 is plain RFT.
    LearningRate(f64),
    /// RFT of the tempered policy.
    Temperature(f64),
    /// RFT with an entropy bonus of this weight.
    Entropy(f64),
}

impl Remedy {
    fn family(self) -> &'static str {
        match self {
            Self::Reference => "sft_then_rft",
            Self::LearningRate(_) => "learning_rate",
            Self::Temperature(_) => "temperature",
            Self::Entropy(_) => "entropy",
        }
    }

    fn setting(self) -> Option<f64> {
        match self {
            Self::Reference => None,
            Self::LearningRate(x) | Self::Temperature(x) | Self::Entropy(x) => Some(x),
        }
    }
}

/// One remedy under one optimiser, or the whole control.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell {
    /// With Adam.
    Adam(Remedy),
    /// With gradient ascent.
    Sgd(Remedy),
    /// All settings of the tabular control.
    Tabular,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (optimizer, remedy) = match self {
            Self::Adam(remedy) => ("adam", remedy),
            Self::Sgd(remedy) => ("sgd", remedy),
            Self::Tabular => return f.write_str("tabular"),
        };
        write!(f, "{optimizer} {}", remedy.family())?;
        remedy.setting().map_or(Ok(()), |x| write!(f, "={x}"))
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `adam` or `sgd` with shared features; `tabular` is the control (gradient ascent).
    optimizer: String,
    /// `sft_then_rft`, `learning_rate`, `temperature`, `entropy`.
    family: String,
    /// Factor on the learning rate (in the control the rate itself), temperature, or entropy weight per nat; empty for
    /// SFT then RFT.
    setting: Option<f64>,
    /// Mean reward over training inputs.
    reward: f64,
    /// Mean reward over inputs whose pretrained std is small and mean low.
    blind_reward: f64,
    /// Mean reward over the other inputs.
    other_reward: f64,
    /// Mean over the inputs of small std and low mean of the base-10 logarithm of the labelled output's probability.
    blind_log10_prob: f64,
    /// Tabular SFT then RFT: slope, over inputs of small std and low mean, of log(smallest tabular rate that frees the
    /// input) on log(max p r), the largest product of pretrained probability and reward among its outputs. Free: half
    /// of that output's reward is reached.
    threshold_slope: Option<f64>,
}

impl Experiment for Remedies {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "vanishing_gradients/remedies";
    const PAPER: &'static str = "arXiv:2310.20703, Table 2: learning rate, temperature, entropy against SFT then RFT";
    const CLAIM: &'static str = "learning rate, temperature and entropy bonus do not make up for a little SFT";
    const SECONDS: (f64, f64) = (3.0, 57.0);

    fn params(profile: Profile) -> Params {
        let (prompts, steps) = match profile {
            Profile::Smoke => (150, 300),
            Profile::Paper => (500, 500),
        };
        Params {
            adam_learning_rate: 0.02,
            sgd_learning_rate: 1.0,
            sft_steps: steps,
            rft_steps: steps,
            learning_rate_factors: vec![1.0, 3.0, 10.0, 30.0, 100.0],
            temperatures: vec![1.5, 2.0],
            entropy_weights: vec![0.01, 0.1, 1.0],
            tabular_learning_rates: (0..=12).map(|i| 10_f64.powf(0.5 * f64::from(i))).collect(),
            world: Setup::of(prompts),
            task: Task::small_std(),
        }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..2,
            Profile::Paper => 0..10,
        }
    }

    fn validate(p: &Params) -> Result<()> {
        check_range("", "adam_learning_rate", p.adam_learning_rate, f64::MIN_POSITIVE, 10.0)?;
        check_range("", "sgd_learning_rate", p.sgd_learning_rate, f64::MIN_POSITIVE, 1000.0)?;
        for (name, steps) in [("sft_steps", p.sft_steps), ("rft_steps", p.rft_steps)] {
            if !(1..=100_000).contains(&steps) {
                return Err(Error::parameter(name, steps, "1 to 100 000"));
            }
        }
        if !p.learning_rate_factors.contains(&1.0) {
            let given = format!("{:?}", p.learning_rate_factors);
            return Err(Error::parameter("learning_rate_factors", given, "a list with 1 in it"));
        }
        let positive = |name: &str, values: &[f64], most: f64| {
            values.iter().try_for_each(|v| check_range("", name, *v, f64::MIN_POSITIVE, most))
        };
        positive("learning_rate_factors", &p.learning_rate_factors, 1e6)?;
        positive("temperatures", &p.temperatures, 100.0)?;
        positive("entropy_weights", &p.entropy_weights, 100.0)?;
        positive("tabular_learning_rates", &p.tabular_learning_rates, 1e12)?;
        if p.tabular_learning_rates.len() < 2 || !p.tabular_learning_rates.is_sorted_by(|a, b| a < b) {
            let given = format!("{:?}", p.tabular_learning_rates);
            return Err(Error::parameter("tabular_learning_rates", given, "two or more, increasing"));
        }
        p.world.validate("world")?;
        p.task.validate("task")
    }

    fn cells(p: &Params) -> Vec<Cell> {
        let mut remedies = vec![Remedy::Reference];
        remedies.extend(p.learning_rate_factors.iter().map(|f| Remedy::LearningRate(*f)));
        remedies.extend(p.temperatures.iter().map(|t| Remedy::Temperature(*t)));
        remedies.extend(p.entropy_weights.iter().map(|w| Remedy::Entropy(*w)));
        let (adam, sgd) = (remedies.iter().map(|r| Cell::Adam(*r)), remedies.iter().map(|r| Cell::Sgd(*r)));
        adam.chain(sgd).chain([Cell::Tabular]).collect()
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let (world, mut start) = shared_task(&p.world, &p.task, ctx)?;
        let pretrained = stats_of(&mut start, &world, world.training());
        let measured = |optimizer: &str, remedy: Remedy, mut policy: Factored| {
            Ok(vec![row(optimizer, remedy, &mut policy, &world, &pretrained)])
        };
        match *cell {
            Cell::Tabular => tabular_rows(p, &world, &mut start, &pretrained),
            Cell::Adam(remedy) => {
                let optimizer = |factor: f64| adam(factor * p.adam_learning_rate, &start);
                measured("adam", remedy, apply(remedy, p, &world, &start, optimizer)?)
            }
            Cell::Sgd(remedy) => {
                let optimizer = |factor: f64| Ok(Sgd { learning_rate: factor * p.sgd_learning_rate });
                measured("sgd", remedy, apply(remedy, p, &world, &start, optimizer)?)
            }
        }
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        let source = "arXiv:2310.20703, Table 2";
        let claims = [
            ("learning_rate", "no larger learning rate makes up for SFT"),
            ("temperature", "no higher temperature makes up for SFT"),
            ("entropy", "no entropy bonus makes up for SFT"),
        ];
        let mut checks = Vec::new();
        for (optimizer, name) in [("sgd", "gradient ascent"), ("adam", "Adam")] {
            checks.extend(claims.iter().map(|(family, statement)| {
                Check::new(
                    Kind::Claim,
                    &format!("{family}_{optimizer}"),
                    format!("{statement} ({name}, shared features)"),
                    source,
                    "share of the gain of SFT+RFT over plain RFT that the best setting recovers, per seed",
                    mean_interval(&by_seed(rows, |r| best_recovered(r, optimizer, family, |r| r.reward))),
                    Criterion::AtMost(0.25),
                )
            }));
            checks.extend(claims.iter().map(|(family, statement)| {
                Check::new(
                    Kind::Theory,
                    &format!("{family}_{optimizer}_small_std"),
                    format!("{statement} on the inputs of small std and low mean ({name}, shared features)"),
                    "our reading: Table 2 is about all inputs",
                    "the same share of the gain, over these inputs alone",
                    mean_interval(&by_seed(rows, |r| best_recovered(r, optimizer, family, |r| r.blind_reward))),
                    Criterion::AtMost(0.25),
                )
            }));
            checks.push(Check::new(
                Kind::Control,
                &format!("others_have_settled_{optimizer}"),
                format!("plain RFT has learned the other inputs, so that a larger rate has only the small-std inputs to gain ({name})"),
                "derived",
                "plain RFT's mean reward on the other inputs over that at the best learning rate",
                mean_interval(&by_seed(rows, |r| {
                    let rates = r.iter().filter(|r| r.optimizer == optimizer && r.family == "learning_rate");
                    let best = rates.map(|r| r.other_reward).fold(f64::NEG_INFINITY, worse);
                    plain(r, optimizer).map_or(f64::NAN, |r| r.other_reward) / best
                })),
                Criterion::AtLeast(0.95),
            ));
            checks.push(Check::new(
                Kind::Theory,
                &format!("rate_is_capped_{optimizer}"),
                format!("with shared features the largest rate harms the inputs that plain RFT solves ({name})"),
                "our conjecture, not the paper's",
                "share of plain RFT's reward on the other inputs that the largest learning rate loses",
                mean_interval(&by_seed(rows, |r| lost_at_the_largest_rate(r, optimizer))),
                Criterion::AtLeast(0.1),
            ));
        }
        checks.push(Check::new(
            Kind::Control,
            "tabular_rate_rescues",
            "where nothing is shared, a large enough learning rate does make up for SFT",
            "derived",
            "share of the gain of SFT+RFT over plain RFT that the best rate recovers, tabular policy, per seed",
            mean_interval(&by_seed(rows, |r| best_recovered(r, "tabular", "learning_rate", |r| r.reward))),
            Criterion::AtLeast(0.5),
        ));
        checks.push(Check::new(
            Kind::Theory,
            "tabular_rate_needed",
            "the rate that an input needs there is in inverse proportion to its largest probability × reward",
            "derived: a rare output y frees itself at time 1/(rate · p r)",
            "log–log slope over small-std inputs of the smallest sufficient rate on max p r",
            mean_interval(&by_seed(rows.iter().filter(|r| r.threshold_slope.is_some()), |r| {
                r[0].threshold_slope.unwrap_or(f64::NAN)
            })),
            Criterion::near(-1.0, 0.1),
        ));
        checks
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        Chart {
            title: "Heuristics against a little SFT".into(),
            subtitle: "mean reward of training inputs, exact gradients; bars, bands: 95% t intervals over seeds".into(),
            panels: vec![
                heuristics(rows, "gradient ascent", "sgd"),
                heuristics(rows, "Adam", "adam"),
                rates(rows, "gradient ascent: rate", "sgd"),
                rates(rows, "Adam: rate", "adam"),
                rates(rows, "tabular control: rate", "tabular"),
            ],
            columns: 2,
        }
    }
}

/// Trains from `start` as the remedy says; `optimizer` makes a fresh one from a factor on its learning rate.
fn apply<O: Optimizer>(
    remedy: Remedy,
    p: &Params,
    world: &TaskWorld,
    start: &Factored,
    optimizer: impl Fn(f64) -> Result<O>,
) -> Result<Factored> {
    let (policy, plain, steps) = (start.clone(), optimizer(1.0)?, p.sft_steps + p.rft_steps);
    match remedy {
        Remedy::Reference => {
            let taught = sft(policy, plain, world, &world.training(), p.sft_steps)?;
            rft(taught, optimizer(1.0)?, world, p.rft_steps)
        }
        Remedy::LearningRate(factor) => rft(policy, optimizer(factor)?, world, steps),
        Remedy::Temperature(t) => rft_on(policy, plain, world, steps, |l, r, s, w| tempered_objective(t, l, r, s, w)),
        Remedy::Entropy(weight) => rft_on(policy, plain, world, steps, |l, r, s, w| {
            expected_reward_objective(l, r, s, w) + weight * entropy_objective(l, s * weight, w)
        }),
    }
}

/// Mean expected reward of the policy tempered to softmax(log π / T), as a function of log π.
///
/// # Formula
/// With q = softmax(ℓ/T) and w the derivative by log q, the derivative by ℓ is (w − q Σw) / T.
fn tempered_objective(temperature: f64, log_probs: &[f64], rewards: &[f64], scale: f64, weights: &mut [f64]) -> f64 {
    let mut tempered: Vec<f64> = log_probs.iter().map(|l| l / temperature).collect();
    log_softmax(&mut tempered);
    let mut inner = vec![0.0; weights.len()];
    let value = expected_reward_objective(&tempered, rewards, scale, &mut inner);
    let total: f64 = inner.iter().sum();
    for ((weight, inner), log_prob) in weights.iter_mut().zip(&inner).zip(&tempered) {
        *weight += (inner - total * log_prob.exp()) / temperature;
    }
    value
}

fn row(
    optimizer: &str,
    remedy: Remedy,
    policy: &mut impl Policy,
    world: &TaskWorld,
    pretrained: &[PromptStats],
) -> Row {
    let stats = stats_of(policy, world, world.training());
    let inputs = |blind: bool| world.training().into_iter().filter(move |x| is_blind(&pretrained[*x]) == blind);
    let mut log_probs = vec![0.0; policy.vocab()];
    let blind: Vec<usize> = inputs(true).collect();
    let log10_probs: Vec<f64> = blind
        .iter()
        .map(|&x| {
            policy.log_probs(&[x], &mut log_probs);
            log_probs[world.labels[x]] * std::f64::consts::LOG10_E
        })
        .collect();
    Row {
        optimizer: optimizer.into(),
        family: remedy.family().into(),
        setting: remedy.setting(),
        reward: mean_over(world.training(), |x| stats[x].value),
        blind_reward: mean_over(inputs(true), |x| stats[x].value),
        other_reward: mean_over(inputs(false), |x| stats[x].value),
        blind_log10_prob: rewardlab::stats::mean(&log10_probs),
        threshold_slope: None,
    }
}

/// The tabular control: RFT at every rate, then SFT and RFT at the first rate.
fn tabular_rows(
    p: &Params,
    world: &TaskWorld,
    start: &mut impl Policy,
    pretrained: &[PromptStats],
) -> Result<Vec<Row>> {
    let start = tabular(start, world);
    let optimizer = |rate: f64| sgd_per_prompt(rate, world.train);
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    for &rate in &p.tabular_learning_rates {
        let mut policy = rft(start.clone(), optimizer(rate), world, p.sft_steps + p.rft_steps)?;
        rows.push(row("tabular", Remedy::LearningRate(rate), &mut policy, world, pretrained));
        values.push(stats_of(&mut policy, world, world.training()));
    }
    let slope = threshold_slope(&p.tabular_learning_rates, &values, &mut start.clone(), world, pretrained);
    let first = p.tabular_learning_rates[0];
    let taught = sft(start, optimizer(first), world, &world.training(), p.sft_steps)?;
    let mut policy = rft(taught, optimizer(first), world, p.rft_steps)?;
    let reference = row("tabular", Remedy::Reference, &mut policy, world, pretrained);
    rows.push(Row { threshold_slope: Some(slope), ..reference });
    Ok(rows)
}

/// [`Row::threshold_slope`], from the final statistics at each rate.
fn threshold_slope(
    rates: &[f64],
    values: &[Vec<PromptStats>],
    start: &mut impl Policy,
    world: &TaskWorld,
    pretrained: &[PromptStats],
) -> f64 {
    let mut log_probs = vec![0.0; start.vocab()];
    let (mut log_product, mut log_rate) = (Vec::new(), Vec::new());
    for x in world.training().into_iter().filter(|x| is_blind(&pretrained[*x])) {
        start.log_probs(&[x], &mut log_probs);
        let products = log_probs.iter().zip(world.world.rewards(x)).map(|(l, r)| (l.exp() * r, *r));
        let (product, reward) = products.fold((0.0, 0.0), |a, b| if b.0 > a.0 { b } else { a });
        let freed = values.iter().position(|v| v[x].value >= 0.5 * reward);
        // at the lower end of the grid, or beyond its upper end, the threshold is not known
        if let Some(i) = freed.filter(|i| *i > 0) {
            log_product.push(product.ln());
            log_rate.push(rates[i].ln());
        }
    }
    fit_line(&log_product, &log_rate).slope.value
}

/// The row of one seed with this optimiser, family and setting.
fn find<'a>(rows: &[&'a Record<Row>], optimizer: &str, family: &str, setting: Option<f64>) -> Option<&'a Record<Row>> {
    rows.iter().copied().find(|r| r.optimizer == optimizer && r.family == family && r.setting == setting)
}

/// Plain RFT: factor 1, or the first (smallest) rate of the control.
fn plain<'a>(rows: &[&'a Record<Row>], optimizer: &str) -> Option<&'a Record<Row>> {
    find(rows, optimizer, "learning_rate", Some(1.0)).filter(|_| optimizer != "tabular").or_else(|| {
        let rates = rows.iter().copied().filter(|r| r.optimizer == optimizer && r.family == "learning_rate");
        rates.min_by(|a, b| a.setting.unwrap_or(f64::NAN).total_cmp(&b.setting.unwrap_or(f64::NAN)))
    })
}

/// The largest share of the gain of SFT then RFT over plain RFT that a setting recovers, in one seed's rows.
/// `reward` says over which inputs.
fn best_recovered(rows: &[&Record<Row>], optimizer: &str, family: &str, reward: fn(&Row) -> f64) -> f64 {
    let reward_of = |row: Option<&Record<Row>>| row.map_or(f64::NAN, |r| reward(r));
    let (base, reference) = (reward_of(plain(rows, optimizer)), reward_of(find(rows, optimizer, "sft_then_rft", None)));
    let settings = rows.iter().filter(|r| r.optimizer == optimizer && r.family == family).map(|r| reward(r));
    (settings.reduce(f64::max).unwrap_or(f64::NAN) - base) / (reference - base)
}

/// Share of plain RFT's reward on the inputs that are not of small std and low mean that the largest rate loses.
fn lost_at_the_largest_rate(rows: &[&Record<Row>], optimizer: &str) -> f64 {
    let rates = rows.iter().filter(|r| r.optimizer == optimizer && r.family == "learning_rate");
    let largest = rates.max_by(|a, b| a.setting.unwrap_or(f64::NAN).total_cmp(&b.setting.unwrap_or(f64::NAN)));
    1.0 - largest.map_or(f64::NAN, |r| r.other_reward) / plain(rows, optimizer).map_or(f64::NAN, |r| r.other_reward)
}

/// All settings as bars, SFT then RFT as the line to reach.
fn heuristics(rows: &[Record<Row>], title: &str, optimizer: &str) -> Panel {
    let families = [("learning_rate", "lr ×"), ("temperature", "T "), ("entropy", "H ")];
    let (mut categories, mut layers) = (Vec::new(), Vec::new());
    for (family, short) in families {
        let mut bars = Vec::new();
        for setting in settings(rows, optimizer, family) {
            let e = mean_interval(&by_seed(at(rows, optimizer, family, Some(setting)), |r| r[0].reward));
            bars.push((categories.len(), e.value, e.low, e.high));
            categories.push(format!("{short}{setting}"));
        }
        layers.push(Layer::Bars { series: family.replace('_', " "), bars });
    }
    let reference = mean_interval(&by_seed(at(rows, optimizer, "sft_then_rft", None), |r| r[0].reward));
    layers.push(Layer::Horizontal { label: "SFT, then RFT".into(), y: reference.value });
    Panel {
        title: title.into(),
        x: Axis { label: "setting (lr ×1: plain RFT)".into(), categories, ..Axis::default() },
        y: Axis { label: "mean reward".into(), range: Some((0.0, 1.0)), ..Axis::default() },
        layers,
    }
}

/// Reward against the learning rate, for small-std inputs and the others.
fn rates(rows: &[Record<Row>], title: &str, optimizer: &str) -> Panel {
    let mut layers = Vec::new();
    let groups: [(&str, fn(&Row) -> f64, Stroke); 2] = [
        ("small std, low mean", |r| r.blind_reward, Stroke::Solid),
        ("other inputs", |r| r.other_reward, Stroke::Dashed),
    ];
    for (series, column, stroke) in groups {
        let estimate =
            |x: f64| mean_interval(&by_seed(at(rows, optimizer, "learning_rate", Some(x)), |r| column(r[0])));
        let estimates: Vec<_> =
            settings(rows, optimizer, "learning_rate").into_iter().map(|x| (x, estimate(x))).collect();
        let band = estimates.iter().map(|(x, e)| (*x, e.low, e.high)).collect();
        layers.push(Layer::Band { series: series.into(), points: band });
        let points = estimates.iter().map(|(x, e)| (*x, e.value)).collect();
        layers.push(Layer::Line { series: series.into(), points, stroke, markers: true });
    }
    let label = if optimizer == "tabular" { "learning rate per input" } else { "factor on the learning rate" };
    Panel {
        title: title.into(),
        x: Axis { label: label.into(), scale: Scale::Log, ..Axis::default() },
        y: Axis { label: "mean reward".into(), range: Some((0.0, 1.0)), ..Axis::default() },
        layers,
    }
}

fn settings(rows: &[Record<Row>], optimizer: &str, family: &str) -> Vec<f64> {
    let rows = rows.iter().filter(|r| r.optimizer == optimizer && r.family == family);
    let mut settings: Vec<f64> = rows.filter_map(|r| r.setting).collect();
    settings.sort_by(f64::total_cmp);
    settings.dedup();
    settings
}

fn at<'a>(
    rows: &'a [Record<Row>],
    optimizer: &str,
    family: &str,
    setting: Option<f64>,
) -> impl Iterator<Item = &'a Record<Row>> {
    rows.iter().filter(move |r| r.optimizer == optimizer && r.family == family && r.setting == setting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tempered_weights_are_the_derivative() {
        let (at, rewards) = ([-0.2, -2.0, -3.0], [1.0, 0.3, -0.5]);
        let mut weights = [0.0; 3];
        tempered_objective(1.7, &at, &rewards, 1.0, &mut weights);
        for i in 0..3 {
            let value = |step: f64| {
                let mut x = at;
                x[i] += step;
                tempered_objective(1.7, &x, &rewards, 1.0, &mut [0.0; 3])
            };
            let difference = (value(1e-5) - value(-1e-5)) / 2e-5;
            assert!((weights[i] - difference).abs() < 1e-9, "weight {i}: {}, difference {difference}", weights[i]);
        }
    }
}
