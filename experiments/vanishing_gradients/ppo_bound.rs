//! Theorem 1 for PPO's clipped surrogate (an appendix of arXiv:2310.20703): its gradient obeys a bound of the same kind
//! plus a term in the total variation between the current policy and the one that sampled. We know the shape of the
//! paper's bound but not its constants; the constants here are ours ([`rewardlab::exact::Surrogate`]):
//!
//! `‖∇V_PPO‖ ≤ √2 γ [(1 + ε) Σ_l E|A_l| + M Σ_l TV_l] ≤ √2 γ [(1 + ε) √L STD + M Σ_l TV_l]`,
//!
//! and the sharper `γ √(L/2) √(STD² + M² Σ_l TV_l)`. STD, A, E and TV's weights are of the sampling policy, γ is of the
//! current one.
//!
//! **Formula**: `‖∇V_PPO‖ ≤ √2 γ [(1 + ε) √L STD + M Σ_l TV_l]`, with M = max |A|, ε the clip and `TV_l` the total
//! variation between current and sampling policy at token l.
//!
//! **Measured**: the exact expected surrogate `Σ_s P_old(s) Σ_a π_old(a|s) min(ρA, clip(ρ)A)` of a random sampling policy with
//! its exact advantages, at the sampling policy itself (where its gradient must be the policy gradient that
//! [`rewardlab::exact::Engine`] finds by other code) and after parameters have moved by a random step, small or large;
//! and paths on which TV grows at a fixed, tiny STD. Gradients are compared with a bound plus 1e-14 · γ · L · max|r|.
//!
//! **Controls**: the bound without its TV term fails; on the path to a rare *success* (A > 0) the clip stops the gradient,
//! and without the clip it grows with TV, as it does on the path to a rare failure (A < 0), which no clip stops.
//!
//! **Findings**: neither the factor 1 + ε nor the clip is needed. `π|A| ≤ π_old|A| + (π − π_old)₊ M` holds token by token,
//! so `√2 γ Σ_l [E|A_l| + M TV_l]` bounds the surrogate with or without clipping; both are checked. What clipping buys is
//! that, while all ratios stay within it, the TV term can be dropped; also checked.

mod moved;

use super::families::{DrawParams, Family, Reward};
use crate::statistics::{largest, log_axis, over_draws, worse};
use moved::{paths, sweep};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::{Check, Context, Criterion, Experiment, Kind, Profile, Record};
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::stats::{fit_line, mean_interval};
use serde::{Deserialize, Serialize};
use std::f64::consts::FRAC_1_SQRT_2;
use std::fmt;
use std::ops::Range;

pub(crate) struct PpoBound;

#[derive(Serialize, Deserialize)]
pub(crate) struct Params {
    /// Random draws per (family, kind of reward) and seed, spread evenly over the shapes; at least one per shape.
    draws: usize,
    /// How many of these draws are kept as rows of their own, for the figure; at least 1.
    points: usize,
    /// Draws of policies and rewards on one random feature map (log-linear family only); at least 1.
    per_feature_map: usize,
    /// PPO's clip ε; in (0, 1).
    clip: f64,
    /// Smallest step from the sampling policy: standard deviation per parameter (drawn log-uniformly); positive.
    step_min: f64,
    /// Largest step; at most 100.
    step_max: f64,
    /// Points of each path; at least 3.
    path_points: usize,
    /// Probability of the rare output under the policy that samples, where the paths along TV start. At least 1e-12,
    /// and at most 1e-8 so that the probabilities along the path lie far above it.
    rare_min: f64,
    /// Probability of the rare output where the paths end; at most 1e-4 (slopes are 1 and 2 up to a term of this order
    /// times V^(L−1)) and at least 1e4 times `rare_min`.
    rare_max: f64,
    #[serde(flatten)]
    draw: DrawParams,
}

/// What a row holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Part {
    /// One random draw, for the figure.
    Draw,
    /// All random draws: counts add up, ratios and errors are the largest; the rest is of the draw nearest to its bound.
    Summary,
    /// A rare success gets rarer, nothing has moved: std falls at zero TV.
    AtOld,
    /// A rare failure gets likelier than it was when sampled: TV grows at fixed std.
    Failure,
    /// Before a rare success gets likelier: nothing has moved.
    SuccessStart,
    /// A rare success gets likelier than it was when sampled.
    Success,
    /// The same for a rare success and a surrogate without clip.
    SuccessUnclipped,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// What the row holds.
    part: Part,
    /// Family of the policy.
    family: Family,
    /// Kind of reward.
    reward: Reward,
    /// Tokens, V.
    vocab: usize,
    /// Tokens of an output, L.
    length: usize,
    /// Exact draws behind the row.
    draws: usize,
    /// STD of the reward under the sampling policy.
    reward_std: f64,
    /// `Σ_l TV_l` between current and sampling policy.
    total_variation: f64,
    /// Norm of the clipped surrogate's gradient at the current policy.
    grad_norm: f64,
    /// γ of the current policy.
    jacobian_norm: f64,
    /// `√2 γ [(1 + ε) √L STD + M Σ TV]`.
    std_bound: f64,
    /// ‖surrogate gradient − policy gradient‖ / γ at the sampling policy; rewards are within [−1, 1].
    error_at_old: f64,
    /// Gradient norm over `std_bound`.
    std_ratio: f64,
    /// Gradient norm over `√2 γ Σ [(1 + ε) E|A| + M TV]`.
    absolute_ratio: f64,
    /// Gradient norm over γ √(L/2) √(STD² + M² Σ TV).
    variance_ratio: f64,
    /// Gradient norm over `√2 γ Σ [E|A| + M TV]`.
    unit_ratio: f64,
    /// Norm of the gradient without clip over `√2 γ Σ [E|A| + M TV]`.
    unclipped_ratio: f64,
    /// Draws above `std_bound`.
    std_violations: usize,
    /// Draws above `√2 γ Σ [(1 + ε) E|A| + M TV]`.
    absolute_violations: usize,
    /// Draws above γ √(L/2) √(STD² + M² Σ TV).
    variance_violations: usize,
    /// Draws above `√2 γ Σ [E|A| + M TV]`.
    unit_violations: usize,
    /// Draws whose gradient without clip is above `√2 γ Σ [E|A| + M TV]`.
    unclipped_violations: usize,
    /// Draws above √2 γ Σ (1 + ε) E|A|: no TV term.
    no_tv_violations: usize,
    /// Draws with all ratios within the clip.
    inside: usize,
    /// Of these, draws above √2 γ Σ (1 + ε) E|A|.
    inside_no_tv_violations: usize,
}

impl Row {
    /// Adds draws.
    fn absorb(&mut self, other: &Self) {
        let nearer = if other.std_ratio.is_nan() || other.std_ratio > self.std_ratio { other } else { &*self };
        *self = Self {
            part: self.part,
            draws: self.draws + other.draws,
            error_at_old: worse(self.error_at_old, other.error_at_old),
            absolute_ratio: worse(self.absolute_ratio, other.absolute_ratio),
            variance_ratio: worse(self.variance_ratio, other.variance_ratio),
            unit_ratio: worse(self.unit_ratio, other.unit_ratio),
            unclipped_ratio: worse(self.unclipped_ratio, other.unclipped_ratio),
            std_violations: self.std_violations + other.std_violations,
            absolute_violations: self.absolute_violations + other.absolute_violations,
            variance_violations: self.variance_violations + other.variance_violations,
            unit_violations: self.unit_violations + other.unit_violations,
            unclipped_violations: self.unclipped_violations + other.unclipped_violations,
            no_tv_violations: self.no_tv_violations + other.no_tv_violations,
            inside: self.inside + other.inside,
            inside_no_tv_violations: self.inside_no_tv_violations + other.inside_no_tv_violations,
            ..*nearer
        };
    }
}

/// A setting.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell {
    Sweep(Family, Reward),
    Paths(Family),
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Sweep(family, reward) => write!(f, "sweep {family} {reward}"),
            Self::Paths(family) => write!(f, "paths {family}"),
        }
    }
}

impl Experiment for PpoBound {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "vanishing_gradients/ppo_bound";
    const PAPER: &'static str = "Razin et al., arXiv:2310.20703, Theorem 1 for PPO (appendix)";
    const CLAIM: &'static str = "PPO's clipped gradient is bounded by the reward's std plus a total-variation term";
    const SECONDS: (f64, f64) = (1.0, 3.0);

    fn params(profile: Profile) -> Params {
        let (draws, points) = match profile {
            Profile::Smoke => (320, 60),
            Profile::Paper => (2_500, 12),
        };
        Params {
            draws,
            points,
            per_feature_map: 16,
            clip: 0.2,
            step_min: 1e-4,
            step_max: 10.0,
            path_points: 8,
            rare_min: 1e-10,
            rare_max: 1e-5,
            draw: DrawParams::standard(),
        }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..2,
            Profile::Paper => 0..10,
        }
    }

    fn validate(p: &Params) -> Result<()> {
        p.draw.validate()?;
        let need = |legal: bool, name: &str, value: &dyn fmt::Display, what: &str| {
            if legal { Ok(()) } else { Err(Error::parameter(name, value, what)) }
        };
        let shapes = p.draw.trees().len();
        need(p.draws >= shapes, "draws", &p.draws, &format!("at least {shapes}, one per shape"))?;
        need(p.points >= 1, "points", &p.points, "at least 1")?;
        need(p.per_feature_map >= 1, "per_feature_map", &p.per_feature_map, "at least 1")?;
        need(p.clip > 0.0 && p.clip < 1.0, "clip", &p.clip, "in (0, 1)")?;
        need(p.step_min > 0.0 && p.step_min <= p.step_max, "step_min", &p.step_min, "positive and at most step_max")?;
        need(p.step_max <= 100.0, "step_max", &p.step_max, "at most 100")?;
        need(p.path_points >= 3, "path_points", &p.path_points, "at least 3")?;
        need((1e-12..=1e-8).contains(&p.rare_min), "rare_min", &p.rare_min, "from 1e-12 to 1e-8")?;
        let far = p.rare_max >= 1e4 * p.rare_min && p.rare_max <= 1e-4;
        need(far, "rare_max", &p.rare_max, "at most 1e-4 and at least 1e4 times rare_min")
    }

    fn cells(_: &Params) -> Vec<Cell> {
        let rewards = [Reward::Random, Reward::Rescaled, Reward::RareSuccess, Reward::RareFailure];
        let sweeps = Family::ALL.into_iter().flat_map(|f| rewards.map(|r| Cell::Sweep(f, r)));
        sweeps.chain(Family::ALL.map(Cell::Paths)).collect()
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let rng = &mut ctx.stream("draws");
        match *cell {
            Cell::Sweep(family, reward) => sweep(p, family, reward, rng),
            Cell::Paths(family) => paths(p, family, rng),
        }
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        let mut checks = vec![at_old(rows)];
        checks.extend(bounds(rows));
        checks.extend(path_checks(rows));
        checks
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        let draws: usize = rows.iter().filter(|r| r.part == Part::Summary).map(|r| r.draws).sum();
        Chart {
            title: "The clipped surrogate's gradient against std and total variation".into(),
            subtitle: format!(
                "Exact expected gradients; {draws} random draws in all, a thinned sample is shown. \
                 Bound: √2 γ [(1 + ε) √L STD + M Σ TV]"
            ),
            panels: vec![against_bound(rows), against_std(rows), against_tv(rows)],
            columns: 3,
        }
    }
}

fn summaries(rows: &[Record<Row>]) -> impl Iterator<Item = &Record<Row>> {
    rows.iter().filter(|r| r.part == Part::Summary)
}

fn at_old(rows: &[Record<Row>]) -> Check {
    let worst = summaries(rows).map(|r| r.error_at_old).fold(0.0, worse);
    Check::new(
        Kind::Claim,
        "at_old",
        "where nothing has moved, the clipped surrogate's gradient is the policy gradient",
        "Theorem 1 for PPO (appendix)",
        "largest ‖difference‖ / γ, absolute, rewards within [−1, 1]",
        over_draws(worst, summaries(rows).map(|r| r.draws).sum()),
        Criterion::AtMost(1e-12),
    )
}

/// Violations of each form of the bound over all random draws.
fn bounds(rows: &[Record<Row>]) -> Vec<Check> {
    let total = |column: fn(&Row) -> usize| summaries(rows).map(|r| column(r)).sum::<usize>();
    let count = |column: fn(&Row) -> usize, draws: usize| over_draws(total(column) as f64, draws);
    let (draws, inside) = (total(|r| r.draws), total(|r| r.inside));
    let never = Criterion::AtMost(0.0);
    let check = |kind, id: &str, statement: &str, source: &str, estimate, criterion| {
        Check::new(kind, id, statement, source, "violations among random draws", estimate, criterion)
    };
    let ours = "derived (exact::Surrogate)";
    vec![
        check(
            Kind::Claim,
            "std_tv_bound",
            "the gradient is at most √2 γ [(1 + ε) √L STD + M Σ TV]: a std term and a TV term",
            "Theorem 1 for PPO (appendix); constants ours",
            count(|r| r.std_violations, draws),
            never,
        ),
        check(
            Kind::Theory,
            "absolute_tv_bound",
            "the gradient is at most √2 γ Σ [(1 + ε) E|A| + M TV]",
            ours,
            count(|r| r.absolute_violations, draws),
            never,
        ),
        check(
            Kind::Theory,
            "variance_bound",
            "the gradient is at most γ √(L/2) √(STD² + M² Σ TV)",
            ours,
            count(|r| r.variance_violations, draws),
            never,
        ),
        check(
            Kind::Theory,
            "one_plus_clip_not_needed",
            "√2 γ Σ [E|A| + M TV] suffices",
            ours,
            count(|r| r.unit_violations, draws),
            never,
        ),
        check(
            Kind::Theory,
            "clip_not_needed",
            "and it bounds the surrogate without clip, too",
            ours,
            count(|r| r.unclipped_violations, draws),
            never,
        ),
        check(
            Kind::Theory,
            "no_tv_inside",
            "while all ratios are within the clip, √2 γ Σ (1 + ε) E|A| suffices",
            ours,
            count(|r| r.inside_no_tv_violations, inside),
            never,
        ),
        check(
            Kind::Control,
            "tv_needed",
            "beyond the clip the bound without its TV term fails",
            ours,
            count(|r| r.no_tv_violations, draws),
            Criterion::AtLeast(1.0),
        ),
    ]
}

/// Log–log slope of the gradient along a path, per family and seed.
fn slopes(rows: &[Record<Row>], part: Part, x: fn(&Row) -> f64) -> Vec<f64> {
    let mut units: Vec<(&str, u64)> =
        rows.iter().filter(|r| r.part == part).map(|r| (r.cell.as_str(), r.seed)).collect();
    units.dedup();
    let slope = |(cell, seed): (&str, u64)| {
        let of_unit = rows.iter().filter(|r| r.part == part && r.cell == cell && r.seed == seed);
        let (x, y): (Vec<f64>, Vec<f64>) = of_unit.map(|r| (x(r).ln(), r.grad_norm.ln())).unzip();
        fit_line(&x, &y).slope.value
    };
    units.into_iter().map(slope).collect()
}

fn path_checks(rows: &[Record<Row>]) -> [Check; 4] {
    let slope = |kind, id: &str, statement: &str, part, x: (&str, fn(&Row) -> f64), expected| {
        Check::new(
            kind,
            id,
            statement,
            "derived",
            format!("log–log slope of ‖∇V_PPO‖ against {}, mean over families and seeds", x.0),
            mean_interval(&slopes(rows, part, x.1)),
            Criterion::near(expected, 0.02),
        )
    };
    let tv: (&str, fn(&Row) -> f64) = ("Σ TV", |r| r.total_variation);
    let std: (&str, fn(&Row) -> f64) = ("STD", |r| r.reward_std);
    // the gradient anywhere on the clipped path, over the gradient of the same world where nothing has moved
    let before = |r: &Record<Row>| {
        let start = |s: &&Record<Row>| s.part == Part::SuccessStart && s.cell == r.cell && s.seed == r.seed;
        rows.iter().find(start).map_or(f64::NAN, |s| s.grad_norm)
    };
    let growth = largest(rows.iter().filter(|r| r.part == Part::Success).map(|r| r.grad_norm / before(r)));
    [
        slope(
            Kind::Claim,
            "vanishes_at_zero_tv",
            "where nothing has moved the gradient vanishes with the std (a rare success: like its square)",
            Part::AtOld,
            std,
            2.0,
        ),
        slope(
            Kind::Theory,
            "grows_with_tv",
            "towards a rare failure the gradient grows like TV at a fixed tiny std: the TV term is real",
            Part::Failure,
            tv,
            1.0,
        ),
        Check::new(
            Kind::Control,
            "clip_stops_success",
            "towards a rare success the clip stops the gradient: it never exceeds its value before the move",
            "derived",
            "largest ‖∇V_PPO‖ on the path / before the move",
            growth,
            Criterion::AtMost(1.0),
        ),
        slope(
            Kind::Control,
            "unclipped_success_grows",
            "and without the clip it grows like TV there, too",
            Part::SuccessUnclipped,
            tv,
            1.0,
        ),
    ]
}

fn against_bound(rows: &[Record<Row>]) -> Panel {
    let (low, high) = (1e-9, 1e4);
    let cloud = |family: Family| Layer::Scatter {
        series: family.to_string(),
        points: rows
            .iter()
            .filter(|r| r.part == Part::Draw && r.family == family)
            .map(|r| (r.std_bound, r.grad_norm))
            .filter(|&(x, y)| x > low && x < high && y > low && y < high)
            .collect(),
    };
    let mut layers: Vec<Layer> = Family::ALL.into_iter().map(cloud).collect();
    layers.push(Layer::Reference { label: "gradient = bound".into(), points: vec![(low, low), (high, high)] });
    Panel {
        title: "against the bound".into(),
        x: Axis { range: Some((low, high)), ..log_axis("the bound") },
        y: Axis { range: Some((low, high)), ..log_axis("‖∇V_PPO‖") },
        layers,
    }
}

fn against_std(rows: &[Record<Row>]) -> Panel {
    let (low, high) = (1e-9, 2.0);
    let points = rows
        .iter()
        .filter(|r| r.part == Part::Draw)
        .map(|r| {
            let size = r.grad_norm / (r.jacobian_norm * (r.length as f64).sqrt());
            (r.reward_std, size, r.total_variation.max(1e-6).log10())
        })
        .filter(|&(x, y, _)| x > low && y > low && y < high)
        .collect();
    Panel {
        title: "against the std".into(),
        x: Axis { range: Some((low, high)), ..log_axis("STD of the reward") },
        y: Axis { range: Some((low, high)), ..log_axis("‖∇V_PPO‖ / (γ √L)") },
        layers: vec![
            Layer::ColoredScatter { points, value_label: "log10 Σ TV".into(), range: Some((-6.0, 0.5)) },
            Layer::Reference {
                label: "STD/√2, the bound at TV = 0".into(),
                points: vec![(low, low * FRAC_1_SQRT_2), (high, high * FRAC_1_SQRT_2)],
            },
        ],
    }
}

fn against_tv(rows: &[Record<Row>]) -> Panel {
    let first = rows.iter().map(|r| r.seed).min();
    let line = |part, series: &str, stroke| Layer::Line {
        series: series.into(),
        points: rows
            .iter()
            .filter(|r| r.part == part && r.family == Family::Tabular && Some(r.seed) == first)
            .map(|r| (r.total_variation, r.grad_norm))
            .collect(),
        stroke,
        markers: true,
    };
    Panel {
        title: "one world: std fixed".into(),
        x: log_axis("Σ TV since sampling"),
        y: log_axis("‖∇V_PPO‖"),
        layers: vec![
            line(Part::SuccessUnclipped, "rare success, no clip", Stroke::Solid),
            line(Part::Failure, "towards a rare failure", Stroke::Dotted),
            line(Part::Success, "towards a rare success", Stroke::Dashed),
        ],
    }
}
