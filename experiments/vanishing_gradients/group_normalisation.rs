//! What dividing by a group's standard deviation does to vanishing gradients: the exact expected update of REINFORCE,
//! RLOO, GRPO and Dr. GRPO.
//!
//! **Formula**: advantages `r_i` (REINFORCE), `r_i − mean of the others` (RLOO), `r_i − mean` (Dr. GRPO),
//! `(r_i − mean)/(std + ε)` (GRPO); expected step `m(p) ∇log p`; `P(dead group) = p^G + (1 − p)^G`.
//!
//! **Question**: a small reward standard deviation makes policy gradients vanish (arXiv:2310.20703). GRPO
//! (arXiv:2402.03300) divides advantages by the standard deviation of a group of G outputs. Does that undo it?
//!
//! **Measured**, all exact but for one sampled control: bias to the policy gradient by enumerating all Kᴳ groups; the
//! probability that a group is dead (all rewards equal) against pᴳ + (1−p)ᴳ, and against sampling; the length of the
//! expected step when rewards are rescaled; the time to p = 1/2 under the flow of the expected step, from p₀.
//! The seed draws policies, rewards, and the initial distribution over wrong labels.
//!
//! Theory, derived here for rewards ±1: the expected step is m ∇log p with m = 2p for REINFORCE and RLOO,
//! (G−1)/G of that for Dr. GRPO, and E[√(k(G−k)(G−1)/G³)]/(1−p), k binomial, for GRPO. That tends to √(p/(1−p)) for
//! large groups, so that time falls from p₀⁻¹ to p₀^(−1/2); at finite G and p₀G ≪ 1 nearly all groups are dead and
//! it is p₀⁻¹ again, √G/2 times faster than REINFORCE. G = 2 is the policy gradient over √2 times the gap between the two rewards.
//!
//! **Controls**: without rare success (p = 1/2) all methods agree up to a factor of 3; GRPO with two outputs is a rescaled
//! policy gradient; TRL's 1e-4 in the denominator brings the vanishing back for rewards of that scale.
//!
//! **Findings**: all reproduced. The square root is a promise of groups larger than 1/p₀; below that, normalisation
//! buys the factor √G/2 that one rare success in a group is magnified by, and the exponent stays −1.

use super::group_panels;
use super::groups::{BinaryDrift, Method, expected_step, grpo_multiple, problem, sampled_dead, time_to_half};
use super::softmax_linear::initial_probs;
use crate::statistics::{by_seed, largest, log_slope};
use rewardlab::error::{Error, Result};
use rewardlab::exact::{Flow, value_gradient};
use rewardlab::experiment::{Check, Context, Criterion, Experiment, Kind, Profile, Record};
use rewardlab::num::{cosine, norm, relative_error};
use rewardlab::plot::Chart;
use rewardlab::rng::Stream;
use rewardlab::stats::{mean, mean_interval};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

/// Flow time by which every case here has ended.
const HORIZON: f64 = 1e14;

#[derive(Debug)]
pub(crate) struct GroupNormalisation;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Number of outputs K; in 3..=8.
    outputs: usize,
    /// Group sizes G whose groups are all enumerated; each at least 2, K^G at most 1e6.
    enumerated_groups: Vec<usize>,
    /// The constant that REINFORCE with a baseline subtracts; any.
    baseline: f64,
    /// TRL's constant beside the standard deviation, in units of the reward; in (0, 1].
    epsilon: f64,
    /// Factors by which rewards are rescaled; each in (0, 1].
    reward_scales: Vec<f64>,
    /// Success probabilities for dead groups; each in (0, 1).
    dead_probs: Vec<f64>,
    /// Group sizes for dead groups; each in 2..=1024.
    dead_groups: Vec<usize>,
    /// Groups sampled per probability and size; in 1..=1e7.
    samples: usize,
    /// Group sizes for GRPO's time; each in 2..=8192.
    time_groups: Vec<usize>,
    /// Initial success probabilities p₀ for times; each in [1e-9, 1/2).
    initial_probs: Vec<f64>,
    /// Standard deviation of the random initial logits of wrong labels, nats; in [0, 10].
    spread: f64,
    /// Relative local error of the flow; in [1e-14, 0.1].
    tolerance: f64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell {
    Bias { binary: bool, group: usize },
    Dead { group: usize },
    Rescale { group: usize },
    Time { name: &'static str, group: usize },
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Bias { binary, group } => write!(f, "bias {} G={group}", rewards_name(*binary)),
            Self::Dead { group } => write!(f, "dead G={group}"),
            Self::Rescale { group } => write!(f, "rescale G={group}"),
            Self::Time { name, group } => write!(f, "time {name} G={group}"),
        }
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `bias`, `dead`, `rescale`, `time`, or `even` (the step at p = 1/2).
    pub(crate) part: String,
    /// `reinforce`, `reinforce+baseline`, `rloo`, `dr_grpo`, `grpo` (no constant beside the standard deviation),
    /// `grpo+eps`, or `grpo_limit` (infinite group).
    pub(crate) method: String,
    /// `binary` or `general`.
    pub(crate) rewards: String,
    /// Group size G; 0 for an infinite group.
    pub(crate) group: usize,
    /// Probability of success p (at the start, for times); absent for general rewards.
    pub(crate) success: Option<f64>,
    /// Factor on the rewards.
    pub(crate) reward_scale: f64,
    /// Expected step over policy gradient: their scalar product over the gradient's squared norm (binary, times: the
    /// ratio of their lengths at the start).
    pub(crate) factor: Option<f64>,
    /// ‖expected step − gradient‖ / ‖gradient‖.
    pub(crate) bias: Option<f64>,
    /// Tangent of the angle between expected step and gradient.
    pub(crate) angle: Option<f64>,
    /// Distance of the expected step from its closed form, relative.
    pub(crate) formula_error: Option<f64>,
    /// Probability that a group is dead, summed over counts.
    pub(crate) dead: Option<f64>,
    /// pᴳ + (1−p)ᴳ.
    pub(crate) dead_formula: Option<f64>,
    /// Share of sampled groups that are dead.
    pub(crate) dead_sampled: Option<f64>,
    /// Number of sampled groups.
    pub(crate) samples: Option<usize>,
    /// ‖expected step‖.
    pub(crate) step: Option<f64>,
    /// Flow time to p = 1/2.
    pub(crate) time: Option<f64>,
}

fn rewards_name(binary: bool) -> &'static str {
    if binary { "binary" } else { "general" }
}

fn methods(p: &Params) -> [(&'static str, Method); 6] {
    [
        ("reinforce", Method::Reinforce { baseline: 0.0 }),
        ("reinforce+baseline", Method::Reinforce { baseline: p.baseline }),
        ("rloo", Method::Rloo),
        ("dr_grpo", Method::DrGrpo),
        ("grpo", Method::Grpo { epsilon: 0.0 }),
        ("grpo+eps", Method::Grpo { epsilon: p.epsilon }),
    ]
}

/// A row that says where it stands; what was measured is added to it.
fn row(part: &str, method: &str, binary: bool, group: usize, success: Option<f64>) -> Row {
    let rewards = rewards_name(binary).into();
    Row { part: part.into(), method: method.into(), rewards, group, success, reward_scale: 1.0, ..Row::default() }
}

fn bias_rows(p: &Params, binary: bool, group: usize, stream: &mut Stream) -> Vec<Row> {
    let (probs, rewards) = problem(p.outputs, binary, stream);
    let mut gradient = vec![0.0; p.outputs];
    value_gradient(&probs, &rewards, &mut gradient);
    let success: f64 = probs[..p.outputs / 2].iter().sum();
    let of = |(name, method): (&str, Method)| {
        let step = expected_step(&probs, &rewards, group, method);
        let along = cosine(&step, &gradient);
        let factor = along * norm(&step) / norm(&gradient);
        let times = |c: f64| gradient.iter().map(|g| c * g).collect::<Vec<_>>();
        // under binary rewards ∇V = 2p ∇log p
        let closed_form = match method {
            Method::Reinforce { .. } | Method::Rloo => Some(1.0),
            Method::DrGrpo => Some((group as f64 - 1.0) / group as f64),
            Method::Grpo { epsilon } => binary.then(|| grpo_multiple(success, group, epsilon) / (2.0 * success)),
        };
        Row {
            factor: Some(factor),
            bias: Some(relative_error(&step, &gradient)),
            angle: Some(relative_error(&step, &times(factor)) / factor.signum()),
            formula_error: closed_form.map(|c| relative_error(&step, &times(c))),
            step: Some(norm(&step)),
            ..row("bias", name, binary, group, binary.then_some(success))
        }
    };
    methods(p).map(of).into()
}

fn dead_rows(p: &Params, group: usize, stream: &mut Stream) -> Vec<Row> {
    let method = Method::Grpo { epsilon: p.epsilon };
    let drift = BinaryDrift::new(method, group, -1.0, 1.0);
    let of = |&success: &f64| Row {
        dead: Some(drift.dead(success)),
        dead_formula: Some(success.powf(group as f64) + (1.0 - success).powf(group as f64)),
        dead_sampled: Some(sampled_dead(method, group, success, p.samples, stream)),
        samples: Some(p.samples),
        ..row("dead", "grpo+eps", true, group, Some(success))
    };
    p.dead_probs.iter().map(of).collect()
}

fn rescale_rows(p: &Params, group: usize, stream: &mut Stream) -> Vec<Row> {
    let (probs, rewards) = problem(p.outputs, false, stream);
    let mut rows = Vec::new();
    for &scale in &p.reward_scales {
        let scaled: Vec<f64> = rewards.iter().map(|r| scale * r).collect();
        rows.extend(methods(p).into_iter().filter(|(name, _)| *name != "reinforce+baseline").map(|(name, method)| {
            Row {
                reward_scale: scale,
                step: Some(norm(&expected_step(&probs, &scaled, group, method))),
                ..row("rescale", name, false, group, None)
            }
        }));
    }
    rows
}

fn time_rows(p: &Params, name: &'static str, group: usize, wrong: &Stream) -> Result<Vec<Row>> {
    let drift: Box<dyn Fn(f64) -> f64> = match name {
        "reinforce" => Box::new(|p: f64| 2.0 * p),
        "grpo_limit" => Box::new(|p: f64| (p / (1.0 - p)).sqrt()),
        _ => {
            let drift = BinaryDrift::new(Method::Grpo { epsilon: 0.0 }, group, -1.0, 1.0);
            Box::new(move |p: f64| drift.at(p))
        }
    };
    let of = |part: &str, success: f64, time: Option<f64>| Row {
        factor: Some(drift(success) / (2.0 * success)),
        time,
        ..row(part, name, true, group, Some(success))
    };
    let mut rows = vec![of("even", 0.5, None)];
    for &p0 in &p.initial_probs {
        // a copy of the stream each time: the same wrong labels for every p₀
        let start: Vec<f64> =
            initial_probs(p.outputs, p0, p.spread, &mut wrong.clone()).iter().map(|p| p.ln()).collect();
        rows.push(of("time", p0, time_to_half(&drift, &start, Flow::new(p.tolerance, HORIZON)?)?));
    }
    Ok(rows)
}

impl Experiment for GroupNormalisation {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "vanishing_gradients/group_normalisation";
    const PAPER: &'static str =
        "arXiv:2310.20703 against the group baselines of arXiv:2402.14740, 2402.03300, 2503.20783";
    const CLAIM: &'static str =
        "dividing by the group's std undoes small rewards, but rare success only by a square root";
    const SECONDS: (f64, f64) = (1.0, 2.0);

    fn params(profile: Profile) -> Params {
        let (samples, time_groups) = match profile {
            Profile::Smoke => (2_000, vec![8, 64, 4096]),
            Profile::Paper => (50_000, vec![2, 8, 64, 4096]),
        };
        Params {
            outputs: 4,
            enumerated_groups: vec![2, 3, 4, 5],
            baseline: 0.3,
            epsilon: 1e-4,
            reward_scales: vec![1.0, 0.1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6],
            dead_probs: vec![0.01, 0.1, 0.5],
            dead_groups: vec![2, 4, 8, 16, 32, 64],
            samples,
            time_groups,
            initial_probs: (0..=10).map(|i| 10f64.powf(-1.0 - 0.5 * f64::from(i))).collect(),
            spread: 1.0,
            tolerance: 1e-9,
        }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..3,
            Profile::Paper => 0..10,
        }
    }

    fn validate(p: &Params) -> Result<()> {
        let check = |name: &str, legal: bool, value: String, words: &str| {
            if legal { Ok(()) } else { Err(Error::parameter(name, value, words)) }
        };
        let all = |name: &str, values: &[f64], legal: &dyn Fn(f64) -> bool, words: &str| {
            values.iter().try_for_each(|v| check(name, legal(*v), v.to_string(), words))
        };
        let sizes = |name: &str, values: &[usize], most: usize| {
            values
                .iter()
                .try_for_each(|g| check(name, (2..=most).contains(g), g.to_string(), &format!("in 2..={most}")))
        };
        check("outputs", (3..=8).contains(&p.outputs), p.outputs.to_string(), "in 3..=8")?;
        for g in &p.enumerated_groups {
            let few = *g >= 2 && p.outputs.checked_pow(*g as u32).is_some_and(|n| n <= 1_000_000);
            check("enumerated_groups", few, g.to_string(), "at least 2, with outputs^G at most 1e6")?;
        }
        sizes("dead_groups", &p.dead_groups, 1024)?;
        sizes("time_groups", &p.time_groups, 8192)?;
        check("samples", (1..=10_000_000).contains(&p.samples), p.samples.to_string(), "in 1..=1e7")?;
        check("baseline", p.baseline.is_finite(), p.baseline.to_string(), "finite")?;
        all("epsilon", &[p.epsilon], &|v| v > 0.0 && v <= 1.0, "in (0, 1]")?;
        all("reward_scales", &p.reward_scales, &|v| v > 0.0 && v <= 1.0, "each in (0, 1]")?;
        all("dead_probs", &p.dead_probs, &|v| v > 0.0 && v < 1.0, "each in (0, 1)")?;
        all("initial_probs", &p.initial_probs, &|v| (1e-9..0.5).contains(&v), "each in [1e-9, 0.5)")?;
        all("spread", &[p.spread], &|v| (0.0..=10.0).contains(&v), "in [0, 10]")?;
        Flow::new(p.tolerance, HORIZON).map(|_| ())
    }

    fn cells(p: &Params) -> Vec<Cell> {
        let enumerated = || p.enumerated_groups.iter().copied();
        let mut cells: Vec<Cell> = enumerated().map(|group| Cell::Bias { binary: true, group }).collect();
        cells.extend(enumerated().map(|group| Cell::Bias { binary: false, group }));
        cells.extend(p.dead_groups.iter().map(|group| Cell::Dead { group: *group }));
        cells.extend(enumerated().max().map(|group| Cell::Rescale { group }));
        cells.extend([("reinforce", 1), ("grpo_limit", 0)].map(|(name, group)| Cell::Time { name, group }));
        cells.extend(p.time_groups.iter().map(|group| Cell::Time { name: "grpo", group: *group }));
        cells
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        match *cell {
            Cell::Bias { binary, group } => Ok(bias_rows(p, binary, group, &mut ctx.shared_stream("problem"))),
            Cell::Dead { group } => Ok(dead_rows(p, group, &mut ctx.stream("groups"))),
            Cell::Rescale { group } => Ok(rescale_rows(p, group, &mut ctx.shared_stream("problem"))),
            Cell::Time { name, group } => time_rows(p, name, group, &ctx.shared_stream("wrong labels")),
        }
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        [claims(rows), theory(rows), theory_of_time(rows), controls(rows)].into_iter().flatten().collect()
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        Chart {
            title: "Group normalisation undoes small rewards, rare success only in part".into(),
            subtitle:
                "Exact expected updates (markers in the first panel: sampled groups). Softmax over a few outputs, \
                       rewards ±1 unless rescaled; mean over seeds."
                    .into(),
            panels: group_panels::all(rows),
            columns: 2,
        }
    }
}

fn claims(rows: &[Record<Row>]) -> Vec<Check> {
    vec![
        Check::new(
            Kind::Claim,
            "policy_gradient_time",
            "the policy gradient's time to escape a rare success is 1/p0, that is 1/σ²",
            "arXiv:2310.20703, Section 4.3 (rate reported second-hand)",
            "slope of log time on log p0 at p0 ≤ 1e-2, REINFORCE",
            mean_interval(&by_seed(times(rows, "reinforce").filter(rare), slope)),
            Criterion::near(-1.0, 0.02),
        ),
        Check::new(
            Kind::Claim,
            "unbiased",
            "REINFORCE, with and without baseline, and RLOO are unbiased",
            "arXiv:2402.14740 (standard)",
            "largest relative distance of the expected step from the policy gradient",
            largest(bias(rows, &["reinforce", "reinforce+baseline", "rloo"]).filter_map(|r| r.bias)),
            Criterion::AtMost(1e-12),
        ),
    ]
}

fn theory(rows: &[Record<Row>]) -> Vec<Check> {
    vec![
        Check::new(
            Kind::Theory,
            "dr_grpo_factor",
            "Dr. GRPO is (G−1)/G times the policy gradient",
            "derived",
            "largest relative distance of the expected step from that",
            largest(errors(rows, &["dr_grpo"])),
            Criterion::AtMost(1e-12),
        ),
        Check::new(
            Kind::Theory,
            "grpo_biased",
            "under general rewards GRPO's expected step leaves the direction of the policy gradient",
            "derived",
            "tangent of the angle between them, mean over group sizes",
            mean_interval(&by_seed(bias(rows, &["grpo"]).filter(|r| r.rewards == "general"), |g| {
                mean(&g.iter().filter_map(|r| r.angle).collect::<Vec<_>>())
            })),
            Criterion::AtLeast(0.01),
        ),
        Check::new(
            Kind::Theory,
            "grpo_binary",
            "under binary rewards GRPO keeps the direction, and its length is the closed form",
            "derived",
            "largest relative distance of the expected step from the closed form",
            largest(errors(rows, &["grpo", "grpo+eps"])),
            Criterion::AtMost(1e-12),
        ),
        Check::new(
            Kind::Theory,
            "dead_groups",
            "a group is dead with probability p^G + (1−p)^G",
            "derived",
            "largest relative difference of the sum over counts",
            largest(part(rows, "dead").filter_map(|r| Some((r.dead? / r.dead_formula? - 1.0).abs()))),
            Criterion::AtMost(1e-12),
        ),
        Check::new(
            Kind::Theory,
            "dead_groups_sampled",
            "sampled groups are dead as often",
            "derived",
            "root mean square over (p, G) of (sampled − exact) / standard error, where 10 of each kind are expected",
            mean_interval(&by_seed(part(rows, "dead"), spread_of_z)),
            Criterion::Within(0.5, 1.5),
        ),
        Check::new(
            Kind::Theory,
            "rescaling_grpo",
            "GRPO's step does not feel the scale of rewards",
            "derived",
            "largest |step at a scale / step at scale 1 − 1|, nothing added to the standard deviation",
            largest(rescaled(rows, "grpo").map(|r| (shrink(rows, r) - 1.0).abs())),
            Criterion::AtMost(1e-9),
        ),
        Check::new(
            Kind::Theory,
            "rescaling_reinforce",
            "REINFORCE's step shrinks in proportion to rewards",
            "derived",
            "slope of log step on log scale",
            mean_interval(&by_seed(rescaled(rows, "reinforce"), |g| {
                log_slope(g.iter().filter_map(|r| Some((r.reward_scale, r.step?))))
            })),
            Criterion::near(1.0, 1e-6),
        ),
    ]
}

fn theory_of_time(rows: &[Record<Row>]) -> Vec<Check> {
    vec![
        Check::new(
            Kind::Theory,
            "grpo_time_limit",
            "with an infinite group GRPO's time is p0^(-1/2)",
            "derived",
            "slope of log time on log p0 at p0 ≤ 1e-2, drift √(p/(1−p))",
            mean_interval(&by_seed(times(rows, "grpo_limit").filter(rare), slope)),
            Criterion::near(-0.5, 0.02),
        ),
        Check::new(
            Kind::Theory,
            "grpo_time_large_group",
            "with a finite group the same law holds while p0 G ≥ 10",
            "derived",
            "slope of log time on log p0 at p0 G ≥ 10 and p0 ≤ 0.05, largest group",
            mean_interval(&by_seed(
                times(rows, "grpo").filter(|r| expected(r) >= 10.0 && r.success <= Some(0.05) && r.group == most(rows)),
                slope,
            )),
            Criterion::near(-0.5, 0.05),
        ),
        Check::new(
            Kind::Theory,
            "grpo_time_dead_groups",
            "and crosses over to 1/p0 when nearly all groups are dead",
            "derived",
            "slope of log time on log p0 at p0 G ≤ 0.01, groups of 8",
            mean_interval(&by_seed(times(rows, "grpo").filter(|r| expected(r) <= 0.01 && r.group == 8), slope)),
            Criterion::near(-1.0, 0.05),
        ),
        Check::new(
            Kind::Theory,
            "grpo_speed_up",
            "there GRPO is (G−1)/(2√G) times faster than REINFORCE",
            "derived",
            "mean ratio of times over that, p0 G ≤ 1e-3",
            mean_interval(&by_seed(times(rows, "grpo").filter(|r| expected(r) <= 1e-3), |g| {
                mean(&g.iter().map(|r| speed_up(rows, r)).collect::<Vec<_>>())
            })),
            Criterion::near(1.0, 0.1),
        ),
    ]
}

fn controls(rows: &[Record<Row>]) -> Vec<Check> {
    vec![
        Check::new(
            Kind::Control,
            "no_rare_success",
            "without rare success (p = 1/2) all methods step alike, up to a factor of 3",
            "derived",
            "largest factor between a step and the policy gradient, either way",
            largest(part(rows, "even").filter_map(|r| r.factor).map(|f| f.max(1.0 / f))),
            Criterion::AtMost(3.0),
        ),
        Check::new(
            Kind::Control,
            "two_outputs",
            "in groups of two, binary rewards, GRPO is the policy gradient over √2 times the gap of rewards",
            "derived",
            "largest |factor · 2√2 − 1| and tangent of the angle",
            largest(bias(rows, &["grpo"]).filter(|r| r.group == 2 && r.rewards == "binary").flat_map(|r| {
                [r.factor.map_or(f64::NAN, |f| (f * 8f64.sqrt() - 1.0).abs()), r.angle.unwrap_or(f64::NAN)]
            })),
            Criterion::AtMost(1e-12),
        ),
        Check::new(
            Kind::Control,
            "epsilon_brings_it_back",
            "a constant beside the standard deviation brings the vanishing back for rewards below its scale",
            "derived",
            "largest step / step at scale 1, TRL's constant, scale 1e-6",
            largest(rescaled(rows, "grpo+eps").filter(|r| r.reward_scale <= 1.1e-6).map(|r| shrink(rows, r))),
            Criterion::AtMost(0.05),
        ),
    ]
}

/// The rows of one part.
fn part<'a>(rows: &'a [Record<Row>], name: &'a str) -> impl Iterator<Item = &'a Record<Row>> {
    rows.iter().filter(move |r| r.part == name)
}

fn bias<'a>(rows: &'a [Record<Row>], methods: &'a [&str]) -> impl Iterator<Item = &'a Record<Row>> {
    part(rows, "bias").filter(move |r| methods.contains(&&*r.method))
}

fn errors<'a>(rows: &'a [Record<Row>], methods: &'a [&str]) -> impl Iterator<Item = f64> + 'a {
    bias(rows, methods).filter_map(|r| r.formula_error)
}

fn times<'a>(rows: &'a [Record<Row>], method: &'a str) -> impl Iterator<Item = &'a Record<Row>> {
    part(rows, "time").filter(move |r| r.method == method)
}

fn rescaled<'a>(rows: &'a [Record<Row>], method: &'a str) -> impl Iterator<Item = &'a Record<Row>> {
    part(rows, "rescale").filter(move |r| r.method == method)
}

/// p₀ G, the expected number of successes in a group.
fn expected(r: &Record<Row>) -> f64 {
    r.success.unwrap_or(f64::NAN) * r.group as f64
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the shape that `filter` wants
fn rare(r: &&Record<Row>) -> bool {
    r.success.is_some_and(|p| p <= 1e-2 * (1.0 + 1e-9))
}

fn slope(group: &[&Record<Row>]) -> f64 {
    log_slope(group.iter().filter_map(|r| Some((r.success?, r.time?))))
}

/// The step over the step of the same method at reward scale 1.
fn shrink(rows: &[Record<Row>], r: &Record<Row>) -> f64 {
    let whole = rescaled(rows, &r.method).find(|o| o.seed == r.seed && o.reward_scale >= 1.0);
    r.step.zip(whole.and_then(|o| o.step)).map_or(f64::NAN, |(step, whole)| step / whole)
}

/// Root mean square of the sampled shares' distances from the formula, in standard errors.
fn spread_of_z(group: &[&Record<Row>]) -> f64 {
    let square = |r: &&Record<Row>| {
        let (p, n) = (r.dead_formula?, r.samples? as f64);
        // too few of one kind, and the error is not nearly normal
        let enough = n * p.min(1.0 - p) >= 10.0;
        enough.then_some((r.dead_sampled? - p).powi(2) * n / (p * (1.0 - p)))
    };
    mean(&group.iter().filter_map(square).collect::<Vec<_>>()).sqrt()
}

/// How many times faster than REINFORCE from the same start, over (G−1)/(2√G).
fn speed_up(rows: &[Record<Row>], r: &Record<Row>) -> f64 {
    let twin = times(rows, "reinforce").find(|o| (o.seed, o.success) == (r.seed, r.success)).and_then(|o| o.time);
    let g = r.group as f64;
    twin.zip(r.time).map_or(f64::NAN, |(slow, fast)| slow / fast / ((g - 1.0) / (2.0 * g.sqrt())))
}

fn most(rows: &[Record<Row>]) -> usize {
    rows.iter().filter(|r| r.part == "time").map(|r| r.group).max().unwrap_or(0)
}
