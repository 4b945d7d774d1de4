//! How long reinforcement finetuning takes from a small reward standard deviation, against supervised finetuning.
//!
//! **Formula**: `t_RFT = Ω(1/σ²)`, `t_SFT = O(log 1/σ)`, with t the time of gradient flow to p = 1/2 and σ = 2 √(p₀(1 −
//! p₀)) the initial reward std.
//!
//! **Claim** (arXiv:2310.20703, Section 4.3 and its appendix; the rates were read second-hand): for a softmax-linear
//! model on orthonormal inputs with reward +1 for the right label and −1 for the others, gradient flow from initial
//! reward standard deviation σ needs time Ω(1/σ²) under reinforcement finetuning (RFT) and O(log 1/σ) under
//! supervised finetuning (SFT).
//!
//! **Measured**: the time until the right label has probability 1/2, by gradient flow with error control and by plain
//! gradient descent (time = steps × learning rate). The seed draws the inputs' orthonormal frame (nothing may depend
//! on it) and, in cells with `spread` > 0, the initial distribution q over wrong labels, which is uniform otherwise.
//! Theory beside the paper's, derived here: ∇V = 2p ∇log p, so on one input both methods follow one path through
//! parameter space at different speeds; `t_RFT` σ² tends to a constant between 1 and 2(K−1)/K, the latter for uniform q;
//! `t_RFT` ≥ (1−p₀)/σ² − 1/2 and `t_SFT` ≤ 4 ln(1/(2p₀)); N inputs multiply times by N.
//!
//! **Controls**: from a large reward standard deviation (p₀ = 0.4) both methods take about as long; the power law
//! fails for SFT; on several inputs of unequal speed the paths part.
//!
//! **Findings**: the power law is asymptotic. Judged from p₀ = 0.1 down, the slope misses −2 by more than the criterion's
//! 0.02 (refuted): the exact solution itself is 20% above its own power law there (K = 2: t σ² = 1.196, limit 1). The
//! range p₀ ≤ 10⁻² of the other slopes was chosen knowing this. For the same reason gradient descent needs a learning rate well below 1: at 1 its first-order error at
//! p₀ = 10⁻² alone moves the slope to −1.977. The constant for non-uniform q is not 2/(1 + Σq²) with the initial q, as
//! one first thinks (the measurement was off by 4% and said so): q relaxes while p grows by its first factor of e.

mod figure;

use super::softmax_linear::{Method, Model, initial_probs, rft_limit};
use crate::statistics::{by_seed, farthest, largest, log_slope, smallest};
use rewardlab::error::{Error, Result};
use rewardlab::exact::{Flow, reward_std};
use rewardlab::experiment::{Check, Context, Criterion, Experiment, Kind, Profile, Record};
use rewardlab::num::norm;
use rewardlab::plot::{Chart, Panel};
use rewardlab::stats::{fit_line, mean_interval};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

/// Flow time by which every case here has ended (10⁻¹⁰ is the smallest legal p₀).
const HORIZON: f64 = 1e14;
/// (K, p₀, `t_SFT`, `t_RFT`) to p = 1/2 from uniform wrong labels: derived and computed in this project before the
/// experiment existed; not the paper's numbers.
const DERIVED: [(usize, f64, f64, f64); 8] = [
    (2, 1e-2, 2.793, 27.05),
    (2, 1e-3, 3.953, 253.20),
    (2, 1e-4, 5.105, 2504.36),
    (2, 1e-6, 7.408, 250_006.66),
    (10, 1e-2, 5.027, 48.68),
    (10, 1e-3, 7.115, 455.77),
    (10, 1e-4, 9.189, 4507.84),
    (10, 1e-6, 13.334, 450_011.98),
];

#[derive(Debug)]
pub(crate) struct Separation;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Numbers of labels K; each at least 2.
    labels: Vec<usize>,
    /// Initial probabilities p₀ of the right label; each in [1e-10, 1/2).
    initial_probs: Vec<f64>,
    /// Standard deviation of the random initial logits of wrong labels, nats; positive. Cells with uniform wrong
    /// labels are always there as well.
    spread: f64,
    /// N, orthonormal inputs in the cells with more than one; at least 2.
    inputs: usize,
    /// Learning rates of gradient descent; each in (0, 1].
    learning_rates: Vec<f64>,
    /// Gradient descent is run, with uniform wrong labels, where it needs at most this many steps (flow time / learning rate); in 1..=1e8.
    descent_steps: usize,
    /// Relative local error of the flow; in [1e-14, 0.1].
    tolerance: f64,
    /// Points between p₀ and 1/2, evenly spaced in log p, at which the two paths are compared; at least 1.
    path_points: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    labels: usize,
    p0: f64,
    spread: f64,
    inputs: usize,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "K={} p0={:e} spread={} N={}", self.labels, self.p0, self.spread, self.inputs)
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `rft` or `sft`.
    method: String,
    /// `flow` or `descent`.
    solver: String,
    /// K, the number of labels.
    labels: usize,
    /// N, the number of orthonormal inputs under the averaged objective.
    inputs: usize,
    /// Standard deviation of the random initial logits of wrong labels, nats; 0 is uniform.
    spread: f64,
    /// Initial probability of the right label.
    p0: f64,
    /// σ, the initial reward standard deviation.
    reward_std: f64,
    /// The limit of `time`·σ² for RFT as p₀ → 0 at this initial distribution of wrong labels: 2(K−1)/K when uniform.
    limit: f64,
    /// Learning rate of gradient descent.
    learning_rate: Option<f64>,
    /// The probability of the right label that is reached at `time`.
    p: f64,
    /// Flow time, or steps × learning rate (the last step in part).
    time: f64,
    /// ‖θ − θ₀‖ at that time.
    displacement: Option<f64>,
    /// Distance between the two methods' parameters at this p, relative to the displacement (flow only).
    path_gap: Option<f64>,
}

impl Experiment for Separation {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "vanishing_gradients/separation";
    const PAPER: &'static str =
        "arXiv:2310.20703, Section 4.3 and appendix: optimisation time of a softmax-linear model";
    const CLAIM: &'static str = "from reward std σ, RFT takes time Ω(1/σ²) where SFT takes O(log 1/σ)";
    const SECONDS: (f64, f64) = (3.0, 20.0);

    fn params(_: Profile) -> Params {
        Params {
            labels: vec![2, 10],
            initial_probs: vec![0.4, 0.1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6],
            spread: 1.0,
            inputs: 3,
            learning_rates: vec![0.25, 0.02],
            descent_steps: 2_000_000,
            tolerance: 1e-11,
            path_points: 5,
        }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..2,
            Profile::Paper => 0..10,
        }
    }

    fn validate(p: &Params) -> Result<()> {
        let bad = |name: &str, value: String, legal: &str| Err(Error::parameter(name, value, legal));
        if let Some(k) = p.labels.iter().find(|k| !(2..=1000).contains(*k)) {
            return bad("labels", k.to_string(), "each in 2..=1000");
        }
        if let Some(p0) = p.initial_probs.iter().find(|p| !(1e-10..0.5).contains(*p)) {
            return bad("initial_probs", p0.to_string(), "each in [1e-10, 0.5)");
        }
        if !(p.spread > 0.0 && p.spread <= 10.0) {
            return bad("spread", p.spread.to_string(), "in (0, 10]");
        }
        if !(2..=50).contains(&p.inputs) {
            return bad("inputs", p.inputs.to_string(), "in 2..=50");
        }
        if let Some(lr) = p.learning_rates.iter().find(|lr| !(**lr > 0.0 && **lr <= 1.0)) {
            return bad("learning_rates", lr.to_string(), "each in (0, 1]");
        }
        if !(1..=100_000_000).contains(&p.descent_steps) {
            return bad("descent_steps", p.descent_steps.to_string(), "in 1..=1e8");
        }
        if !(1..=1000).contains(&p.path_points) {
            return bad("path_points", p.path_points.to_string(), "in 1..=1000");
        }
        Flow::new(p.tolerance, HORIZON).map(|_| ())
    }

    fn cells(p: &Params) -> Vec<Cell> {
        let mut cells = Vec::new();
        for &labels in &p.labels {
            for &p0 in &p.initial_probs {
                // with two labels there is one wrong label, and nothing to spread
                let spread = if labels > 2 { p.spread } else { 0.0 };
                cells.push(Cell { labels, p0, spread: 0.0, inputs: 1 });
                if spread > 0.0 {
                    cells.push(Cell { labels, p0, spread, inputs: 1 });
                }
                cells.push(Cell { labels, p0, spread, inputs: p.inputs });
            }
        }
        cells
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        // one stream for all p₀ and N, so that a slope over p₀ compares equal distributions of wrong labels
        let mut wrong = ctx.shared_stream(&format!("wrong labels of {}", cell.labels));
        let draw = |_| initial_probs(cell.labels, cell.p0, cell.spread, &mut wrong);
        let initial: Vec<Vec<f64>> = (0..cell.inputs).map(draw).collect();
        let model = Model::new(&initial, &mut ctx.stream("frame"));
        let flow = Flow::new(p.tolerance, HORIZON)?;
        let share = |i: usize| (i + 1) as f64 / p.path_points as f64;
        let levels: Vec<f64> = (0..p.path_points).map(|i| 0.5 * (2.0 * cell.p0).powf(1.0 - share(i))).collect();
        let first = &initial[0];
        let limit = rft_limit(&first[1..], p.tolerance)?;
        let row = |method: &str| Row {
            method: method.into(),
            solver: "flow".into(),
            labels: cell.labels,
            inputs: cell.inputs,
            spread: cell.spread,
            p0: cell.p0,
            reward_std: reward_std(first, &model.rewards),
            limit,
            learning_rate: None,
            p: 0.5,
            time: f64::NAN,
            displacement: None,
            path_gap: None,
        };
        let paths = [model.flow(Method::Rft, &levels, flow)?, model.flow(Method::Sft, &levels, flow)?];
        let mut rows = Vec::new();
        for (method, path) in [("rft", &paths[0]), ("sft", &paths[1])] {
            for (i, at) in path.iter().enumerate() {
                let distance =
                    |other: &[f64]| norm(&at.state.iter().zip(other).map(|(a, b)| a - b).collect::<Vec<_>>());
                let (moved, gap) = (distance(&model.start), distance(&paths[1][i].state));
                let gap = (method == "rft").then_some(gap / moved);
                rows.push(Row { p: at.level, time: at.time, displacement: Some(moved), path_gap: gap, ..row(method) });
            }
        }
        for (name, method, path) in [("rft", Method::Rft, &paths[0]), ("sft", Method::Sft, &paths[1])] {
            let time = path.last().map_or(f64::NAN, |end| end.time);
            let affordable =
                |lr: &&f64| cell.inputs == 1 && cell.spread == 0.0 && time / **lr <= p.descent_steps as f64;
            for &lr in p.learning_rates.iter().filter(affordable) {
                let time = model.descent(method, lr)?;
                rows.push(Row { solver: "descent".into(), learning_rate: Some(lr), time, ..row(name) });
            }
        }
        Ok(rows)
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        [claims(rows), theory(rows), controls(rows)].into_iter().flatten().collect()
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        let labels: Vec<usize> = rows.iter().map(|r| r.labels).collect::<BTreeSet<_>>().into_iter().collect();
        let mut panels: Vec<Panel> = labels.iter().map(|k| figure::time_panel(rows, *k)).collect();
        panels.extend([figure::constant_panel(rows, &labels), figure::path_panel(rows)]);
        Chart {
            title: "Time to fit an input from a small reward std, RFT and SFT".into(),
            subtitle: "Time to p(right label) = 1/2, softmax-linear model, ±1 reward. Lines: gradient flow, exact to \
                       integration error. Random wrong labels: mean and range over seeds."
                .into(),
            panels,
            columns: 2,
        }
    }
}

const RATES: &str = "arXiv:2310.20703, Section 4.3 (rates reported second-hand)";

fn claims(rows: &[Record<Row>]) -> Vec<Check> {
    vec![
        Check::new(
            Kind::Claim,
            "rft_power_law",
            "RFT takes time Ω(1/σ²) from initial reward std σ",
            RATES,
            "slope of log t on log σ at p0 ≤ 1e-2, in the group (K, wrong labels) farthest from −2",
            mean_interval(&by_seed(flows(rows, "rft").filter(|r| at_most(r.p0, 1e-2)), |g| {
                worst_group(g, -2.0, power)
            })),
            Criterion::near(-2.0, 0.02),
        ),
        Check::new(
            Kind::Claim,
            "rft_power_law_from_a_tenth",
            "and so it does over the whole range from p0 = 0.1 down",
            RATES,
            "the same slope at p0 ≤ 0.1: not yet asymptotic",
            mean_interval(&by_seed(flows(rows, "rft").filter(|r| at_most(r.p0, 0.1)), |g| worst_group(g, -2.0, power))),
            Criterion::near(-2.0, 0.02),
        ),
        Check::new(
            Kind::Claim,
            "rft_power_law_descent",
            "plain gradient descent obeys the same law",
            RATES,
            "the same slope for gradient descent at the largest learning rate, which affords the smallest p0",
            mean_interval(&by_seed(
                descents(rows, f64::max).filter(|r| r.method == "rft" && at_most(r.p0, 1e-2)),
                |g| worst_group(g, -2.0, power),
            )),
            Criterion::near(-2.0, 0.02),
        ),
        Check::new(
            Kind::Claim,
            "sft_logarithmic",
            "SFT takes time O(log 1/σ)",
            RATES,
            "R² of t on ln(1/p0) at p0 ≤ 0.1, the worst group (K, wrong labels)",
            mean_interval(&by_seed(flows(rows, "sft").filter(|r| at_most(r.p0, 0.1)), |g| worst_group(g, 1.0, affine))),
            Criterion::AtLeast(0.999),
        ),
        Check::new(
            Kind::Claim,
            "exponential_gap",
            "the gap is exponential: the logarithm of RFT's time is affine in SFT's time",
            RATES,
            "R² of ln t_RFT on t_SFT at p0 ≤ 0.1, the worst group (K, wrong labels)",
            mean_interval(&by_seed(flows(rows, "rft").filter(|r| at_most(r.p0, 0.1)), |g| {
                worst_group(g, 1.0, |g| exponential(rows, g))
            })),
            Criterion::AtLeast(0.999),
        ),
        Check::new(
            Kind::Claim,
            "separation",
            "from a small reward std RFT takes at least a hundred times as long as SFT",
            RATES,
            "smallest t_RFT / t_SFT at p0 ≤ 1e-4",
            smallest(flows(rows, "rft").filter(|r| at_most(r.p0, 1e-4)).map(|r| gap(rows, r))),
            Criterion::AtLeast(100.0),
        ),
    ]
}

fn theory(rows: &[Record<Row>]) -> Vec<Check> {
    vec![
        Check::new(
            Kind::Theory,
            "constant_uniform",
            "t_RFT σ² → 2(K−1)/K for uniform wrong labels",
            "derived",
            "largest relative distance to the limit at p0 ≤ 1e-4",
            largest(flows(rows, "rft").filter(|r| r.spread == 0.0 && at_most(r.p0, 1e-4)).map(law)),
            Criterion::AtMost(0.01),
        ),
        Check::new(
            Kind::Theory,
            "constant_any",
            "t_RFT σ² tends to a constant that the initial distribution of wrong labels determines",
            "derived",
            "largest relative distance to that constant, computed by a flow of its own, at p0 ≤ 1e-4, random wrong labels",
            largest(flows(rows, "rft").filter(|r| r.spread > 0.0 && at_most(r.p0, 1e-4)).map(law)),
            Criterion::AtMost(0.01),
        ),
        Check::new(
            Kind::Theory,
            "table",
            "times to p = 1/2 match the table derived before this experiment (not the paper's numbers)",
            "derived",
            "largest relative difference over the table",
            largest(flows(rows, "rft").chain(flows(rows, "sft")).filter_map(off_table)),
            Criterion::AtMost(1e-3),
        ),
        Check::new(
            Kind::Theory,
            "same_path",
            "on one input, RFT and SFT follow the same path through parameter space, since ∇V = 2p ∇log p",
            "derived",
            "largest distance between their parameters at equal p, relative to the distance from the start",
            largest(rows.iter().filter(|r| r.inputs == 1).filter_map(|r| r.path_gap)),
            Criterion::AtMost(1e-6),
        ),
        Check::new(
            Kind::Theory,
            "rft_lower_bound",
            "t_RFT ≥ (1−p0)/σ² − 1/2",
            "derived",
            "smallest t_RFT / bound",
            smallest(flows(rows, "rft").map(|r| r.time / ((1.0 - r.p0) / r.reward_std.powi(2) - 0.5))),
            Criterion::AtLeast(1.0),
        ),
        Check::new(
            Kind::Theory,
            "sft_upper_bound",
            "t_SFT ≤ 4 ln(1/(2 p0))",
            "derived",
            "largest t_SFT / bound",
            largest(flows(rows, "sft").map(|r| r.time / (-4.0 * (2.0 * r.p0).ln()))),
            Criterion::AtMost(1.0),
        ),
        Check::new(
            Kind::Theory,
            "many_inputs",
            "N orthonormal inputs multiply times by N",
            "derived",
            "largest relative distance of t(N) from N t(1), both methods",
            largest(ends(rows).filter(|r| r.inputs > 1).map(|r| off_many(rows, r))),
            Criterion::AtMost(1e-6),
        ),
        Check::new(
            Kind::Theory,
            "descent_follows_flow",
            "gradient descent with a small learning rate keeps the flow's time",
            "derived",
            "largest relative difference of steps × learning rate from flow time, smallest learning rate",
            largest(descents(rows, f64::min).map(|r| off_flow(rows, r))),
            Criterion::AtMost(0.01),
        ),
    ]
}

fn controls(rows: &[Record<Row>]) -> Vec<Check> {
    vec![
        Check::new(
            Kind::Control,
            "large_std",
            "from a large reward std (p0 ≥ 0.3) the two methods take about as long",
            "derived",
            "largest t_RFT / t_SFT",
            largest(flows(rows, "rft").filter(|r| r.p0 >= 0.3).map(|r| gap(rows, r))),
            Criterion::Within(0.5, 2.0),
        ),
        Check::new(
            Kind::Control,
            "paths_part",
            "on several inputs of unequal speed the two paths differ: each input has its own clock",
            "derived",
            "largest path distance of a start, the smallest over starts at p0 ≤ 1e-2; N inputs, random wrong labels",
            mean_interval(&by_seed(
                ends(rows).filter(|r| r.method == "rft" && r.inputs > 1 && r.spread > 0.0 && at_most(r.p0, 1e-2)),
                |g| smallest(g.iter().map(|r| widest(rows, r))).value,
            )),
            Criterion::AtLeast(0.01),
        ),
        Check::new(
            Kind::Control,
            "sft_no_power_law",
            "the power law fails for SFT",
            "derived",
            "slope of log t on log σ for SFT at p0 ≤ 1e-2, in the group nearest to −2",
            mean_interval(&by_seed(flows(rows, "sft").filter(|r| at_most(r.p0, 1e-2)), |g| worst_group(g, 0.0, power))),
            Criterion::AtLeast(-0.5),
        ),
    ]
}

/// Rows at which p = 1/2 was reached.
fn ends(rows: &[Record<Row>]) -> impl Iterator<Item = &Record<Row>> {
    rows.iter().filter(|r| r.p >= 0.5)
}

/// The flow's times to p = 1/2 with one input.
fn flows<'a>(rows: &'a [Record<Row>], method: &'a str) -> impl Iterator<Item = &'a Record<Row>> {
    ends(rows).filter(move |r| r.inputs == 1 && r.solver == "flow" && r.method == method)
}

/// Gradient descent's rows at the smallest or the largest learning rate.
fn descents(rows: &[Record<Row>], choose: fn(f64, f64) -> f64) -> impl Iterator<Item = &Record<Row>> {
    let rate = rows.iter().filter_map(|r| r.learning_rate).reduce(choose);
    ends(rows).filter(move |r| r.solver == "descent" && r.learning_rate == rate)
}

fn at_most(p0: f64, limit: f64) -> bool {
    p0 <= limit * (1.0 + 1e-9)
}

fn same_start(a: &Record<Row>, b: &Record<Row>) -> bool {
    (a.seed, a.labels, a.p0.to_bits(), a.spread.to_bits()) == (b.seed, b.labels, b.p0.to_bits(), b.spread.to_bits())
}

/// The time of another method or solver from the same start.
fn twin(rows: &[Record<Row>], of: &Record<Row>, method: &str, solver: &str) -> f64 {
    let mut others = ends(rows).filter(|o| o.inputs == of.inputs && o.method == method && o.solver == solver);
    others.find(|o| same_start(o, of)).map_or(f64::NAN, |o| o.time)
}

fn scaled_time(r: &Record<Row>) -> f64 {
    r.time * r.reward_std * r.reward_std
}

/// `t_RFT` / `t_SFT`, for a row of RFT.
fn gap(rows: &[Record<Row>], r: &Record<Row>) -> f64 {
    r.time / twin(rows, r, "sft", "flow")
}

fn off_flow(rows: &[Record<Row>], r: &Record<Row>) -> f64 {
    (r.time / twin(rows, r, &r.method, "flow") - 1.0).abs()
}

fn off_many(rows: &[Record<Row>], r: &Record<Row>) -> f64 {
    let one = ends(rows).find(|o| o.inputs == 1 && same_start(o, r) && o.method == r.method);
    one.map_or(f64::NAN, |one| (r.time / (r.inputs as f64 * one.time) - 1.0).abs())
}

fn off_table(r: &Record<Row>) -> Option<f64> {
    let same = |k: usize, p0: f64| r.spread == 0.0 && k == r.labels && (p0 / r.p0 - 1.0).abs() < 1e-9;
    let (_, _, sft, rft) = DERIVED.iter().find(|(k, p0, ..)| same(*k, *p0))?;
    Some((r.time / if r.method == "rft" { rft } else { sft } - 1.0).abs())
}

/// The largest distance between the two paths from this start.
fn widest(rows: &[Record<Row>], r: &Record<Row>) -> f64 {
    let path = rows.iter().filter(|o| o.inputs == r.inputs && same_start(o, r));
    largest(path.filter_map(|o| o.path_gap)).value
}

fn law(r: &Record<Row>) -> f64 {
    (scaled_time(r) / r.limit - 1.0).abs()
}

fn power(group: &[&Record<Row>]) -> f64 {
    log_slope(group.iter().map(|r| (r.reward_std, r.time)))
}

fn exponential(rows: &[Record<Row>], group: &[&Record<Row>]) -> f64 {
    let (x, y): (Vec<f64>, Vec<f64>) = group.iter().map(|r| (twin(rows, r, "sft", "flow"), r.time.ln())).unzip();
    fit_line(&x, &y).r_squared
}

fn affine(group: &[&Record<Row>]) -> f64 {
    let (x, y): (Vec<f64>, Vec<f64>) = group.iter().map(|r| (-r.p0.ln(), r.time)).unzip();
    fit_line(&x, &y).r_squared
}

/// The statistic of the group (K, uniform or random wrong labels) in which it is farthest from `target`.
fn worst_group(rows: &[&Record<Row>], target: f64, statistic: impl Fn(&[&Record<Row>]) -> f64) -> f64 {
    let groups: BTreeSet<(usize, bool)> = rows.iter().map(|r| (r.labels, r.spread > 0.0)).collect();
    let of = |g| rows.iter().copied().filter(move |r| (r.labels, r.spread > 0.0) == g).collect::<Vec<_>>();
    farthest(groups.into_iter().map(|g| statistic(&of(g))), target)
}
