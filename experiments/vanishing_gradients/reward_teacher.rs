//! What makes a reward model a good teacher: variance, not accuracy.
//!
//! **Formula**: flow of `E_π[r_RM] − λ KL(π‖π₀)`; `t(rise of E_π[truth] by c) = Ω(Var[r_RM]^(−1/3))` (the paper's),
//! `t ≥ 2 (1 − e^(−c)) / STD[r_RM]` (ours, λ = 0).
//!
//! **Claims** (arXiv:2503.15477). Theorem 1: under gradient flow on `E[r_RM] − λ KL(π‖π₀)`, the time until the ground
//! truth has risen by any constant is Ω(Var^{-1/3}), Var the variance of the reward model under the initial policy.
//! Theorem 2: so a perfectly accurate reward model can teach arbitrarily slower than an inaccurate one. Theorem 3:
//! which of two reward models teaches faster flips between initial policies.
//!
//! **Measured**: a tabular softmax over 3 to 10 outputs, exact gradient flow, time until `E_π[truth]` has risen by a
//! constant. The truth puts half of the outputs in [0.5, 1] (good), the others in [−1, −0.5]; the initial policy has
//! most of its mass on the bad ones; the seed draws both. The *accurate* teacher is ε · rank. The *inaccurate* one
//! parts good from bad by a wide gap and ranks each half upside down. Theorem 3's teachers are nearly flat but for
//! the worst output (`first`, perfectly accurate) or the second worst (`second`); the policies put their mass on the
//! one or the other.
//!
//! Theory beside the paper's, derived here for λ = 0 and rewards in [−1, 1], with s the reward model's standard
//! deviation: `|p_y (r_y − V)| ≤ s/2` gives ds/dt ≤ s²/2, and dE[truth]/dt ≤ s/2, hence a rise by c takes at least
//! 2 (1 − e^{−c}) / s. This is Var^{-1/2}, sharper than the theorem's exponent, and rescaling a reward model attains
//! it; a single rare good output needs Var^{-1}.
//!
//! **Control**: at equal variance the accurate teacher is slower by a small factor at most.
//!
//! **Findings**: all reproduced. At equal variance a factor of 2 to 3 remains on average, up to 4 in single worlds (from
//! about 1000): the accurate ranking spends part of its variance on the order within the halves, which moves the
//! truth little. Variance is the larger part of the story, not all of it.

use super::reward_models::{World, accuracy, scaled};
use crate::statistics::{by_seed, farthest, largest, log_axis, log_slope, means, smallest, summary};
use rewardlab::error::{Error, Result};
use rewardlab::exact::{Flow, regularised_gradient, reward_std, softmax};
use rewardlab::experiment::{Check, Context, Criterion, Experiment, Kind, Profile, Record};
use rewardlab::num::dot;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::stats::{Estimate, mean_interval};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct RewardTeacher;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Numbers of outputs; each in 3..=100.
    outputs: Vec<usize>,
    /// ε: the accurate teacher's rewards lie in [−ε, ε], and the flat parts of Theorem 3's teachers are 2ε wide;
    /// in (0, 0.1].
    squash: f64,
    /// Strengths λ of the KL penalty in the comparison of accurate and inaccurate; each ≥ 0.
    kl: Vec<f64>,
    /// The rise c of the expected ground truth that is waited for; in (0, 0.5].
    rise: f64,
    /// Initial probability of all good outputs together; in (0, 0.3].
    good_mass: f64,
    /// Theorem 3: initial probability of each bad output but the common one; in (0, 0.001].
    rare_mass: f64,
    /// Factors by which the accurate ranking is rescaled in the scan of variance; each in (0, 1].
    scales: Vec<f64>,
    /// Initial probabilities of the one good output in the scan of rare successes; each in (0, 0.1].
    rare_probs: Vec<f64>,
    /// Random reward models per seed and number of outputs; at most 10,000.
    random_models: usize,
    /// Flow time after which a rise counts as never; positive.
    horizon: f64,
    /// Relative local error of the flow; in [1e-14, 0.1].
    tolerance: f64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    Pair { kl: f64 },
    Flip,
    Rescaled,
    Rare,
    Random,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    part: Part,
    outputs: usize,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let k = self.outputs;
        match self.part {
            Part::Pair { kl } => write!(f, "pair K={k} kl={kl:e}"),
            Part::Flip => write!(f, "flip K={k}"),
            Part::Rescaled => write!(f, "rescaled K={k}"),
            Part::Rare => write!(f, "rare K={k}"),
            Part::Random => write!(f, "random K={k}"),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `pair`, `flip`, `rescaled`, `rare` or `random`.
    part: String,
    /// The reward model.
    teacher: String,
    /// The initial policy.
    policy: String,
    /// Number of outputs.
    outputs: usize,
    /// λ, the strength of the KL penalty.
    kl: f64,
    /// Share of output pairs that the teacher ranks as the truth does.
    accuracy: f64,
    /// Variance of the teacher's reward under the initial policy, ½ E(r − r′)².
    variance: f64,
    /// The rise of the expected ground truth.
    rise: f64,
    /// Flow time until that rise; absent if not reached.
    time: Option<f64>,
    /// Flow time at which waiting ended.
    horizon: f64,
}

/// One comparison: what is recorded for a teacher, a policy and a world.
struct Lesson<'a> {
    params: &'a Params,
    part: &'a str,
    kl: f64,
}

impl Lesson<'_> {
    /// Follows the flow of E[teacher] − λ KL(π‖π₀) and records when the expected truth has risen by each fifth of c.
    fn rows(&self, world: &World, policy: (&str, &[f64]), teacher: (&str, &[f64])) -> Result<Vec<Row>> {
        const FIFTHS: usize = 5;
        let (policy_name, start) = policy;
        let k = start.len();
        let logits: Vec<f64> = start.iter().map(|p| p.ln()).collect();
        let mut probs = vec![0.0; k];
        let field = |z: &[f64], rate: &mut [f64]| {
            softmax(z, &mut probs);
            regularised_gradient(&probs, teacher.1, start, self.kl, rate);
        };
        let value = |z: &[f64]| {
            let mut probs = vec![0.0; k];
            softmax(z, &mut probs);
            dot(&probs, &world.truth)
        };
        let rises: Vec<f64> = (1..=FIFTHS).map(|i| self.params.rise * i as f64 / FIFTHS as f64).collect();
        let levels: Vec<f64> = rises.iter().map(|rise| value(&logits) + rise).collect();
        let flow = Flow::new(self.params.tolerance, self.params.horizon)?;
        let found = flow.crossings(field, value, &levels, &logits)?;
        let row = |(i, rise): (usize, &f64)| Row {
            part: self.part.into(),
            teacher: teacher.0.into(),
            policy: policy_name.into(),
            outputs: k,
            kl: self.kl,
            accuracy: accuracy(teacher.1, &world.truth),
            variance: reward_std(start, teacher.1).powi(2),
            rise: *rise,
            time: found.get(i).map(|c| c.time),
            horizon: self.params.horizon,
        };
        Ok(rises.iter().enumerate().map(row).collect())
    }

    /// As [`Lesson::rows`], the whole rise only.
    fn row(&self, world: &World, policy: (&str, &[f64]), teacher: (&str, &[f64])) -> Result<Option<Row>> {
        Ok(self.rows(world, policy, teacher)?.pop())
    }
}

impl Experiment for RewardTeacher {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "vanishing_gradients/reward_teacher";
    const PAPER: &'static str = "arXiv:2503.15477, Theorems 1-3: what makes a reward model a good teacher";
    const CLAIM: &'static str = "an accurate reward model with small variance teaches slower than an inaccurate one";
    const SECONDS: (f64, f64) = (1.0, 1.0);

    fn params(profile: Profile) -> Params {
        Params {
            outputs: vec![3, 5, 10],
            squash: 1e-3,
            kl: vec![0.0, 1e-4, 0.05],
            rise: 0.5,
            good_mass: 0.1,
            rare_mass: 1e-3,
            scales: vec![1.0, 0.1, 1e-2, 1e-3, 1e-4],
            rare_probs: vec![1e-2, 1e-3, 1e-4, 1e-5],
            random_models: match profile {
                Profile::Smoke => 10,
                Profile::Paper => 30,
            },
            horizon: 1e6,
            tolerance: 1e-10,
        }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..3,
            Profile::Paper => 0..10,
        }
    }

    fn validate(p: &Params) -> Result<()> {
        let all = |name: &str, values: &[f64], legal: &dyn Fn(f64) -> bool, words: &str| match values
            .iter()
            .find(|v| !legal(**v))
        {
            Some(v) => Err(Error::parameter(name, v, words)),
            None => Ok(()),
        };
        if let Some(k) = p.outputs.iter().find(|k| !(3..=100).contains(*k)) {
            return Err(Error::parameter("outputs", k, "each in 3..=100"));
        }
        if p.random_models > 10_000 {
            return Err(Error::parameter("random_models", p.random_models, "at most 10000"));
        }
        all("squash", &[p.squash], &|v| v > 0.0 && v <= 0.1, "in (0, 0.1]")?;
        all("kl", &p.kl, &|v| v >= 0.0 && v.is_finite(), "each ≥ 0")?;
        all("rise", &[p.rise], &|v| v > 0.0 && v <= 0.5, "in (0, 0.5]")?;
        all("good_mass", &[p.good_mass], &|v| v > 0.0 && v <= 0.3, "in (0, 0.3]")?;
        all("rare_mass", &[p.rare_mass], &|v| v > 0.0 && v <= 1e-3, "in (0, 0.001]")?;
        all("scales", &p.scales, &|v| v > 0.0 && v <= 1.0, "each in (0, 1]")?;
        all("rare_probs", &p.rare_probs, &|v| (1e-10..=0.1).contains(&v), "each in [1e-10, 0.1]")?;
        Flow::new(p.tolerance, p.horizon).map(|_| ())
    }

    fn cells(p: &Params) -> Vec<Cell> {
        let parts = p.kl.iter().map(|kl| Part::Pair { kl: *kl });
        let parts = parts.chain([Part::Flip, Part::Rescaled, Part::Rare, Part::Random]);
        parts.flat_map(|part| p.outputs.iter().map(move |outputs| Cell { part, outputs: *outputs })).collect()
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        // the same world and policy for every part and λ at this seed and number of outputs
        let world = World::new(cell.outputs, p.good_mass, &mut ctx.shared_stream(&format!("world {}", cell.outputs)));
        let start = ("mostly bad", &world.policy[..]);
        let lesson = |part: &'static str, kl: f64| Lesson { params: p, part, kl };
        match cell.part {
            Part::Pair { kl } => {
                let (accurate, inaccurate) = (scaled(&world.ranking(), p.squash, 0.0), world.upside_down());
                let wider = reward_std(start.1, &inaccurate) / reward_std(start.1, &accurate);
                let teachers = [
                    ("accurate", accurate.clone()),
                    ("inaccurate", inaccurate),
                    ("truth", world.truth.clone()),
                    ("accurate, equal variance", scaled(&accurate, wider, 0.0)),
                ];
                let rows = teachers.iter().map(|(name, r)| lesson("pair", kl).rows(&world, start, (name, r)));
                Ok(rows.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
            }
            Part::Flip => {
                let mut rows = Vec::new();
                for (policy, common) in [("mostly worst", 0), ("mostly second worst", 1)] {
                    let probs = world.mostly(common, p.rare_mass);
                    for (teacher, low) in [("first", 0), ("second", 1)] {
                        let rewards = world.flat_but(low, p.squash);
                        rows.extend(lesson("flip", 0.0).row(&world, (policy, &probs), (teacher, &rewards))?);
                    }
                }
                Ok(rows)
            }
            Part::Rescaled => each(&p.scales, |scale| {
                lesson("rescaled", 0.0).row(&world, start, ("accurate", &scaled(&world.ranking(), scale, 0.0)))
            }),
            Part::Rare => each(&p.rare_probs, |prob| {
                let mut truth = vec![-1.0; cell.outputs];
                truth[cell.outputs - 1] = 1.0;
                let rest: f64 = world.policy[..cell.outputs - 1].iter().sum();
                let mut probs = scaled(&world.policy, (1.0 - prob) / rest, 0.0);
                probs[cell.outputs - 1] = prob;
                let rare = World { truth: truth.clone(), policy: probs.clone() };
                lesson("rare", 0.0).row(&rare, ("rare success", &probs), ("truth", &truth))
            }),
            Part::Random => {
                let mut stream = ctx.stream("reward models");
                each(&vec![(); p.random_models], |()| {
                    let (truthful, scale) = (stream.uniform(), 10f64.powf(-3.0 * stream.uniform()));
                    let mix = |t: &f64| scale * (truthful * t + (1.0 - truthful) * (2.0 * stream.uniform() - 1.0));
                    let rewards: Vec<f64> = world.truth.iter().map(mix).collect();
                    lesson("random", 0.0).row(&world, start, ("random", &rewards))
                })
            }
        }
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        [claims(rows), theory(rows), controls(rows)].into_iter().flatten().collect()
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        Chart {
            title: "A good teacher has variance, not just accuracy".into(),
            subtitle: format!(
                "Time until the expected ground truth has risen, exact gradient flow, no KL penalty. Left: {} outputs; \
                 right: all worlds. Lines: mean over seeds; bars: range over seeds.",
                most_outputs(rows)
            ),
            panels: vec![rise_panel(rows), flip_panel(rows), scan_panel(rows), random_panel(rows)],
            columns: 2,
        }
    }
}

fn claims(rows: &[Record<Row>]) -> Vec<Check> {
    vec![
        Check::new(
            Kind::Claim,
            "accurate_slower",
            "a perfectly accurate reward model with small variance teaches slower than an inaccurate one",
            "arXiv:2503.15477, Theorem 2",
            "smallest ratio of times, accurate / inaccurate, no KL penalty",
            smallest(pair(rows, |kl| kl == 0.0).filter(|r| r.accuracy >= 1.0).map(|r| slower(rows, r))),
            Criterion::AtLeast(100.0),
        ),
        Check::new(
            Kind::Claim,
            "accurate_slower_kl",
            "the same with a KL penalty",
            "arXiv:2503.15477, Theorem 2",
            "smallest ratio of times with λ > 0; a rise that is never reached counts as the horizon",
            smallest(pair(rows, |kl| kl > 0.0).filter(|r| r.accuracy >= 1.0).map(|r| slower(rows, r))),
            Criterion::AtLeast(100.0),
        ),
        Check::new(
            Kind::Claim,
            "inaccurate",
            "the faster teacher is quite inaccurate",
            "arXiv:2503.15477, Theorem 2",
            "largest accuracy of the inaccurate teacher, share of pairs",
            largest(whole_rises(rows).filter(|r| r.part == "pair" && r.teacher == "inaccurate").map(|r| r.accuracy)),
            Criterion::AtMost(0.7),
        ),
        Check::new(
            Kind::Claim,
            "flip_worst",
            "which reward model is better depends on the initial policy: from one, the first wins",
            "arXiv:2503.15477, Theorem 3",
            "smallest ratio of times, second / first, mass on the worst output",
            flip(rows, "mostly worst", "second", "first"),
            Criterion::AtLeast(10.0),
        ),
        Check::new(
            Kind::Claim,
            "flip_second_worst",
            "and from another, the second wins",
            "arXiv:2503.15477, Theorem 3",
            "smallest ratio of times, first / second, mass on the second worst output",
            flip(rows, "mostly second worst", "first", "second"),
            Criterion::AtLeast(10.0),
        ),
        Check::new(
            Kind::Claim,
            "variance_bound",
            "the time is Ω(Var^(-1/3)); with the constant derived here, 2(1 − e^−c), it is never less",
            "arXiv:2503.15477, Theorem 1",
            "smallest time / (2(1 − e^−c) Var^(-1/3)) over all teachers, λ = 0",
            smallest(free(rows).map(|r| bound(r, -1.0 / 3.0))),
            Criterion::AtLeast(1.0),
        ),
    ]
}

fn theory(rows: &[Record<Row>]) -> Vec<Check> {
    vec![
        Check::new(
            Kind::Theory,
            "sharper_bound",
            "for a tabular softmax and λ = 0 the time is at least 2(1 − e^−c) Var^(-1/2)",
            "derived",
            "smallest time / bound over all teachers, λ = 0",
            smallest(free(rows).map(|r| bound(r, -0.5))),
            Criterion::AtLeast(1.0),
        ),
        Check::new(
            Kind::Theory,
            "rescaling_rate",
            "rescaling a reward model costs Var^(-1/2)",
            "derived",
            "slope of log time on log variance, the number of outputs farthest from −1/2",
            mean_interval(&steepest(rows, "rescaled", -0.5)),
            Criterion::near(-0.5, 0.02),
        ),
        Check::new(
            Kind::Theory,
            "rare_success_rate",
            "a single rare good output costs Var^(-1)",
            "derived",
            "slope of log time on log variance at p0 ≤ 1e-2, the number of outputs farthest from −1",
            mean_interval(&steepest(rows, "rare", -1.0)),
            Criterion::near(-1.0, 0.02),
        ),
    ]
}

fn controls(rows: &[Record<Row>]) -> Vec<Check> {
    vec![Check::new(
        Kind::Control,
        "equal_variance",
        "at equal variance the accurate teacher is not slower by more than a small factor",
        "derived",
        "ratio of times, accurate rescaled to equal variance / inaccurate, the worst number of outputs, λ = 0",
        mean_interval(&by_seed(pair(rows, |kl| kl == 0.0), |g| {
            let equal = |r: &Record<Row>| other(rows, r, "accurate, equal variance", &r.policy);
            largest(g.iter().map(|r| equal(r) / other(rows, r, "inaccurate", &r.policy))).value
        })),
        Criterion::AtMost(3.0),
    )]
}

/// The whole rises under the accurate teacher, at the KL penalties asked for.
fn pair(rows: &[Record<Row>], kl: fn(f64) -> bool) -> impl Iterator<Item = &Record<Row>> {
    whole_rises(rows).filter(move |r| r.part == "pair" && r.teacher == "accurate" && kl(r.kl))
}

/// Comparisons without a KL penalty.
fn free(rows: &[Record<Row>]) -> impl Iterator<Item = &Record<Row>> {
    rows.iter().filter(|r| r.kl == 0.0)
}

/// Time under this teacher over time under the inaccurate one.
fn slower(rows: &[Record<Row>], r: &Record<Row>) -> f64 {
    waited(r) / other(rows, r, "inaccurate", &r.policy)
}

/// The smallest ratio of times, slow teacher over fast, from one of Theorem 3's policies.
fn flip(rows: &[Record<Row>], policy: &str, slow: &str, fast: &str) -> Estimate {
    let of = rows.iter().filter(|r| r.part == "flip" && r.policy == policy && r.teacher == slow);
    smallest(of.map(|r| waited(r) / other(rows, r, fast, policy)))
}

/// The time over 2 (1 − e^−c) Var^power.
fn bound(r: &Record<Row>, power: f64) -> f64 {
    waited(r) / (2.0 * (1.0 - (-r.rise).exp()) * r.variance.powf(power))
}

/// Each seed's slope of log time on log variance, farthest from `power`.
fn steepest(rows: &[Record<Row>], part: &str, power: f64) -> Vec<f64> {
    by_seed(rows.iter().filter(|r| r.part == part), |g| worst_slope(g, power))
}

/// The rows that one measurement gives for each item.
fn each<T: Copy>(items: &[T], mut measure: impl FnMut(T) -> Result<Option<Row>>) -> Result<Vec<Row>> {
    items.iter().filter_map(|item| measure(*item).transpose()).collect()
}

/// The last rise of each comparison.
fn whole_rises(rows: &[Record<Row>]) -> impl Iterator<Item = &Record<Row>> {
    let c = rows.iter().map(|r| r.rise).fold(0.0, f64::max);
    rows.iter().filter(move |r| r.rise >= c)
}

fn most_outputs(rows: &[Record<Row>]) -> usize {
    rows.iter().map(|r| r.outputs).max().unwrap_or(0)
}

/// The time, or the horizon when the rise never came.
fn waited(r: &Record<Row>) -> f64 {
    r.time.unwrap_or(r.horizon)
}

/// The time of another teacher under the same conditions.
fn other(rows: &[Record<Row>], of: &Record<Row>, teacher: &str, policy: &str) -> f64 {
    let mut twins = rows.iter().filter(|r| {
        (r.seed, r.outputs, &r.part) == (of.seed, of.outputs, &of.part)
            && (r.kl.to_bits(), r.rise.to_bits()) == (of.kl.to_bits(), of.rise.to_bits())
    });
    twins.find(|r| r.teacher == teacher && r.policy == policy).map_or(f64::NAN, waited)
}

/// The slope of log time on log variance for the number of outputs for which it is farthest from `target`.
fn worst_slope(rows: &[&Record<Row>], target: f64) -> f64 {
    let outputs: BTreeSet<usize> = rows.iter().map(|r| r.outputs).collect();
    let of = |k: usize| rows.iter().filter(move |r| r.outputs == k).map(|r| (r.variance, waited(r)));
    farthest(outputs.into_iter().map(|k| log_slope(of(k))), target)
}

fn rise_panel(rows: &[Record<Row>]) -> Panel {
    let k = most_outputs(rows);
    let mut layers = Vec::new();
    for teacher in ["accurate", "inaccurate", "truth", "accurate, equal variance"] {
        let of = rows.iter().filter(|r| r.part == "pair" && r.kl == 0.0 && r.outputs == k && r.teacher == teacher);
        let rises = summary(of.filter_map(|r| Some((r.rise, r.time?))));
        // time is the horizontal axis: each rise with its mean time
        let points = rises.iter().map(|s| (s.1, s.0)).collect();
        layers.push(Layer::Line { series: teacher.into(), points, stroke: Stroke::Solid, markers: true });
    }
    Panel {
        title: "Theorem 2: accurate but slow".into(),
        x: log_axis("time (mean over seeds)"),
        y: Axis { label: "rise of E[truth]".into(), ..Axis::default() },
        layers,
    }
}

fn flip_panel(rows: &[Record<Row>]) -> Panel {
    let policies = ["mostly worst", "mostly second worst"];
    let mut layers = Vec::new();
    for (teacher, series) in [("first", "first (accurate)"), ("second", "second (one pair wrong)")] {
        let place = |r: &Record<Row>| policies.iter().position(|p| *p == r.policy).map(|x| (x as f64, waited(r)));
        let of = rows.iter().filter(|r| r.part == "flip" && r.teacher == teacher);
        let points = summary(of.filter_map(place));
        layers.push(Layer::Line {
            series: series.into(),
            points: means(&points),
            stroke: Stroke::Dashed,
            markers: false,
        });
        layers.push(Layer::ErrorBars { series: series.into(), points });
    }
    let categories = policies.map(String::from).to_vec();
    Panel {
        title: "Theorem 3: the better teacher flips".into(),
        x: Axis { label: "initial policy".into(), categories, ..Axis::default() },
        y: log_axis("time to the whole rise"),
        layers,
    }
}

fn scan_panel(rows: &[Record<Row>]) -> Panel {
    let k = most_outputs(rows);
    let mut layers = Vec::new();
    let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
    for (part, series) in [("rescaled", "accurate, rescaled"), ("rare", "one rare good output")] {
        let of = rows.iter().filter(|r| r.part == part && r.outputs == k);
        let points: Vec<(f64, f64)> = of.map(|r| (r.variance, waited(r))).collect();
        low = points.iter().fold(low, |m, p| m.min(p.0));
        high = points.iter().fold(high, |m, p| m.max(p.0));
        layers.push(Layer::Scatter { series: series.into(), points });
    }
    let c = rows.iter().map(|r| r.rise).fold(0.0, f64::max);
    for (power, label) in [(-1.0 / 3.0, "C · Var^(−1/3) (Theorem 1)"), (-0.5, "C · Var^(−1/2) (derived bound)")] {
        let points = [low, high].map(|v| (v, 2.0 * (1.0 - (-c).exp()) * v.powf(power))).to_vec();
        layers.push(Layer::Reference { label: label.into(), points });
    }
    Panel {
        title: "Theorem 1: time against variance".into(),
        x: log_axis("variance of the teacher's reward"),
        y: log_axis("time to the whole rise"),
        layers,
    }
}

fn random_panel(rows: &[Record<Row>]) -> Panel {
    let of = rows.iter().filter(|r| r.part == "random");
    let points = of.filter_map(|r| Some((r.variance, r.time?, r.accuracy))).collect();
    Panel {
        title: "Random reward models that get there".into(),
        x: log_axis("variance of the teacher's reward"),
        y: log_axis("time to the whole rise"),
        layers: vec![Layer::ColoredScatter { points, value_label: "accuracy".into(), range: None }],
    }
}
