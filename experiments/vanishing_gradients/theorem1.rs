//! Theorem 1 of arXiv:2310.20703: ‖∇V(x; θ)‖ ≤ 6 · L · γ · STD[r]^(2/3), for rewards in [−1, 1], wherever V stands.
//! (The exponent is the authors' own; the constant 6 and the factors L and γ are known to us second-hand.)
//!
//! **Formula**: `‖∇V(x; θ)‖ ≤ 6 · L · γ · STD[r]^(2/3)` (the paper's, its factors 6, L and γ known to us
//! second-hand); `‖∇V(x; θ)‖ ≤ γ √(L/2) STD[r]` (ours), with L tokens per output and γ the largest spectral norm of the logits' Jacobian.
//!
//! **Measured**: exact gradients of random policies (tabular, log-linear with shared features, tanh MLP) on random worlds
//! against the paper's bound and against the sharper γ √(L/2) STD (STD/√2 if tabular) of [`rewardlab::exact`]; a
//! search that climbs the ratio of the gradient to each bound; paths on which the reward shrinks (slope 1) or success
//! becomes rare (slope 2), so that 2/3 is an envelope and never a rate; and worlds in which the reward's STD is zero
//! although a better output exists.
//!
//! A softmax gives every output some probability, so in real arithmetic STD = 0 means that all rewards are equal and
//! nothing better exists. What the theorem is about is the limit, and f64 holds it exactly: the good output needs
//! token 0, whose logit is so low that its probability underflows to zero. The policy on the other tokens is random
//! and far from deterministic, so the gradient does not vanish for want of entropy.
//!
//! **Controls**: in the same worlds with token 0 within reach the gradient is back; a "policy" that is linear and not
//! normalised (V = Σ θ(y) r(y), at a θ that happens to be a distribution) breaks the bound; the tabular form of the
//! sharper bound fails once parameters are shared, so its √L is needed.
//!
//! **Findings**: the paper's bound is never closer than a factor 6√2 (two equally likely tokens, rewards ±1), and looser
//! for longer outputs; the sharper bound is attained at every length in every family, so it cannot be improved in these
//! quantities. The 2/3 is nobody's rate.
//!
//! **Rounding**: a component of the gradient is a sum of terms whose Q − V carries the rounding of V. What is compared
//! with a bound is therefore ‖∇V‖ / (bound + 1e-14 · γ · L · max|r|).

mod figure;
mod worlds;

use super::families::{DrawParams, Family, ROUNDING, Reward};
use crate::statistics::{over_draws, seeds, violated, worse};
use rewardlab::env::Tree;
use rewardlab::error::{Error, Result};
use rewardlab::exact::{PromptStats, sharp_bound, sharp_tabular_bound, theorem1_bound};
use rewardlab::experiment::{Check, Context, Criterion, Experiment, Kind, Profile, Record};
use rewardlab::plot::Chart;
use rewardlab::stats::{fit_line, mean_interval};
use serde::{Deserialize, Serialize};
use std::f64::consts::SQRT_2;
use std::fmt;
use std::ops::Range;

pub(crate) struct Theorem1;

#[derive(Serialize, Deserialize)]
pub(crate) struct Params {
    /// Random draws per (family, kind of reward) and seed, spread evenly over the shapes; at least one per shape.
    draws: usize,
    /// How many of these draws are kept as rows of their own, for the figure; at least 1.
    points: usize,
    /// Draws of parameters and rewards on one random feature map (log-linear family only); at least 1.
    per_feature_map: usize,
    /// Evaluations of each search for a tight case; at least 1.
    search_steps: usize,
    /// Random worlds with zero reward std per family and seed, each with its control; at least 1.
    zero_draws: usize,
    /// Points of each path in the limit of small std; at least 3.
    path_points: usize,
    /// Probability of success where its path starts. At most 1e-5: the slope is 2 up to a term of the order of the
    /// probability of the good output's rare token, which is at most V^(L−1) times this.
    rare_max: f64,
    /// Probability of success where its path ends; below `rare_max` and at least 1e-12, four digits above rounding.
    rare_min: f64,
    #[serde(flatten)]
    draw: DrawParams,
}

/// What a row holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Part {
    /// One random draw, for the figure.
    Draw,
    /// All random draws of one length: counts of violations, largest ratios, and the draw tightest to the sharper bound.
    Summary,
    /// All evaluations of the search for the largest ratio to the paper's bound, one length.
    SearchPaper,
    /// The same for the sharper bound.
    SearchSharp,
    /// A world that attains the sharper bound, one per length.
    Construction,
    /// One point of a path to small std.
    Path,
    /// Worlds with zero std: largest std and gradient norm, median entropy, smallest shortfall.
    ZeroStd,
    /// The same worlds with token 0 within reach: median std and gradient norm.
    WithinReach,
    /// All draws of the linear policy that is not normalised.
    Unnormalised,
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
    /// STD of the reward under the policy.
    reward_std: f64,
    /// ‖∇_θ V‖₂.
    grad_norm: f64,
    /// γ, the largest spectral norm of the logits' Jacobian.
    jacobian_norm: f64,
    /// Largest reward of any output − V.
    shortfall: f64,
    /// Entropy of the outputs, nats.
    entropy: f64,
    /// ‖∇V‖ over 6 L γ STD^(2/3).
    paper_ratio: f64,
    /// ‖∇V‖ over γ √(L/2) STD (tabular: STD/√2).
    sharp_ratio: f64,
    /// Draws above the paper's bound.
    paper_violations: usize,
    /// Draws above the sharper bound.
    sharp_violations: usize,
}

impl Row {
    /// One draw.
    fn draw(family: Family, reward: Reward, tree: Tree, stats: PromptStats, norms: [f64; 2], rewards: &[f64]) -> Self {
        let [grad_norm, jacobian_norm] = norms;
        let PromptStats { value, reward_std, entropy } = stats;
        let length = tree.length;
        let largest = rewards.iter().fold(0.0, |m: f64, r| m.max(r.abs()));
        let floor = ROUNDING * jacobian_norm * length as f64 * largest;
        let paper_ratio = grad_norm / (theorem1_bound(length, jacobian_norm, reward_std) + floor);
        let sharp = match family {
            Family::Tabular => sharp_tabular_bound(reward_std),
            Family::LogLinear | Family::Mlp => sharp_bound(length, jacobian_norm, reward_std),
        };
        let sharp_ratio = grad_norm / (sharp + floor);
        Self {
            part: Part::Draw,
            family,
            reward,
            vocab: tree.vocab,
            length,
            draws: 1,
            reward_std,
            grad_norm,
            jacobian_norm,
            shortfall: rewards.iter().copied().fold(f64::NEG_INFINITY, f64::max) - value,
            entropy,
            paper_ratio,
            sharp_ratio,
            paper_violations: violated(paper_ratio),
            sharp_violations: violated(sharp_ratio),
        }
    }

    /// Adds draws: counts add up, ratios are the largest, the rest is of the draw tightest to the sharper bound.
    fn absorb(&mut self, other: &Self) {
        let tighter = if other.sharp_ratio.is_nan() || other.sharp_ratio > self.sharp_ratio { other } else { &*self };
        *self = Self {
            part: self.part,
            draws: self.draws + other.draws,
            paper_ratio: worse(self.paper_ratio, other.paper_ratio),
            paper_violations: self.paper_violations + other.paper_violations,
            sharp_violations: self.sharp_violations + other.sharp_violations,
            ..*tighter
        };
    }
}

/// Draws of one part gathered by length.
struct Summaries {
    part: Part,
    rows: Vec<Option<Row>>,
}

impl Summaries {
    fn new(part: Part, length_max: usize) -> Self {
        Self { part, rows: vec![None; length_max] }
    }

    fn absorb(&mut self, draw: &Row) {
        match &mut self.rows[draw.length - 1] {
            Some(row) => row.absorb(draw),
            empty => *empty = Some(Row { part: self.part, ..*draw }),
        }
    }

    fn into_rows(self) -> impl Iterator<Item = Row> {
        self.rows.into_iter().flatten()
    }
}

/// A setting.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell {
    Sweep(Family, Reward),
    Search(Family, Part),
    Construction(Family),
    Paths(Family),
    ZeroStd(Family),
    Unnormalised,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Sweep(family, reward) => write!(f, "sweep {family} {reward}"),
            Self::Search(family, Part::SearchPaper) => write!(f, "search {family} paper"),
            Self::Search(family, _) => write!(f, "search {family} sharper"),
            Self::Construction(family) => write!(f, "construction {family}"),
            Self::Paths(family) => write!(f, "paths {family}"),
            Self::ZeroStd(family) => write!(f, "zero std {family}"),
            Self::Unnormalised => f.write_str("unnormalised"),
        }
    }
}

const SWEPT: [Reward; 3] = [Reward::Random, Reward::Rescaled, Reward::RareSuccess];

impl Experiment for Theorem1 {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "vanishing_gradients/theorem1";
    const PAPER: &'static str = "Razin et al., arXiv:2310.20703, Theorem 1";
    const CLAIM: &'static str =
        "the gradient's norm is at most 6 L γ STD^(2/3), however far the reward is from its best";
    const SECONDS: (f64, f64) = (1.0, 6.0);

    fn params(profile: Profile) -> Params {
        let draw = DrawParams::standard();
        let (draws, points, search_steps, zero_draws) = match profile {
            Profile::Smoke => (320, 60, 400, 64),
            Profile::Paper => (10_000, 20, 4_000, 1_000),
        };
        Params {
            draws,
            points,
            per_feature_map: 16,
            search_steps,
            zero_draws,
            path_points: 11,
            rare_max: 1e-6,
            rare_min: 1e-11,
            draw,
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
        let at_least = |name: &str, value: usize, low: usize| {
            if value >= low { Ok(()) } else { Err(Error::parameter(name, value, format!("at least {low}"))) }
        };
        at_least("draws", p.draws, p.draw.trees().len())?;
        at_least("points", p.points, 1)?;
        at_least("per_feature_map", p.per_feature_map, 1)?;
        at_least("search_steps", p.search_steps, 1)?;
        at_least("zero_draws", p.zero_draws, 1)?;
        at_least("path_points", p.path_points, 3)?;
        if !(p.rare_min >= 1e-12 && p.rare_min < p.rare_max) {
            return Err(Error::parameter("rare_min", p.rare_min, "at least 1e-12 and below rare_max"));
        }
        if p.rare_max > 1e-5 {
            return Err(Error::parameter("rare_max", p.rare_max, "at most 1e-5"));
        }
        Ok(())
    }

    fn cells(_: &Params) -> Vec<Cell> {
        let sweeps = Family::ALL.into_iter().flat_map(|f| SWEPT.map(|r| Cell::Sweep(f, r)));
        let searches =
            Family::ALL.into_iter().flat_map(|f| [Part::SearchPaper, Part::SearchSharp].map(|b| Cell::Search(f, b)));
        let rest = Family::ALL.into_iter().flat_map(|f| [Cell::Construction(f), Cell::Paths(f), Cell::ZeroStd(f)]);
        sweeps.chain(searches).chain(rest).chain([Cell::Unnormalised]).collect()
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let rng = &mut ctx.stream("draws");
        match *cell {
            Cell::Sweep(family, reward) => worlds::sweep(p, family, reward, rng),
            Cell::Search(family, part) => worlds::search(p, family, part, rng),
            Cell::Construction(family) => worlds::construction(p, family, rng),
            Cell::Paths(family) => worlds::paths(p, family, rng),
            Cell::ZeroStd(family) => worlds::zero_std(p, family, rng),
            Cell::Unnormalised => worlds::unnormalised(p, rng),
        }
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        let mut checks = Vec::new();
        for family in Family::ALL {
            checks.extend(violations(rows, family));
        }
        checks.extend(zero_std_checks(rows));
        for family in Family::ALL {
            checks.push(slope(rows, family, Reward::Rescaled, 1.0));
            checks.push(slope(rows, family, Reward::RareSuccess, 2.0));
        }
        checks.extend(tightness(rows));
        checks.push(unnormalised_breaks(rows));
        checks
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        figure::chart(rows)
    }
}

/// The largest value of a column over the rows that are wanted; −∞ if there is none, NaN if one is NaN.
fn largest(rows: &[Record<Row>], wanted: impl Fn(&Row) -> bool, column: impl Fn(&Row) -> f64) -> f64 {
    rows.iter().filter(|r| wanted(r)).map(|r| column(r)).fold(f64::NEG_INFINITY, worse)
}

fn total(rows: &[Record<Row>], wanted: impl Fn(&Row) -> bool, column: impl Fn(&Row) -> usize) -> usize {
    rows.iter().filter(|r| wanted(r)).map(|r| column(r)).sum()
}

fn violations(rows: &[Record<Row>], family: Family) -> [Check; 2] {
    let counted =
        |r: &Row| r.family == family && matches!(r.part, Part::Summary | Part::SearchPaper | Part::SearchSharp);
    let draws = total(rows, counted, |r| r.draws);
    let estimate = |column: fn(&Row) -> usize| over_draws(total(rows, counted, column) as f64, draws);
    let sharper = if family == Family::Tabular { "STD/√2" } else { "γ √(L/2) STD" };
    [
        Check::new(
            Kind::Claim,
            &format!("paper_bound_{}", family.name().replace('-', "_")),
            format!("‖∇V‖ ≤ 6 L γ STD^(2/3) for {family} policies"),
            "Theorem 1 (constant 6 reported second-hand)",
            "violations among random draws and search steps",
            estimate(|r| r.paper_violations),
            Criterion::AtMost(0.0),
        ),
        Check::new(
            Kind::Theory,
            &format!("sharp_bound_{}", family.name().replace('-', "_")),
            format!("‖∇V‖ ≤ {sharper} for {family} policies"),
            "derived (exact::bounds)",
            "violations among random draws and search steps",
            estimate(|r| r.sharp_violations),
            Criterion::AtMost(0.0),
        ),
    ]
}

fn zero_std_checks(rows: &[Record<Row>]) -> [Check; 3] {
    // the premise is part of the check: a row whose std is not zero to rounding, or whose value is near the best,
    // does not count
    let premise = |r: &Row| r.part == Part::ZeroStd && r.reward_std <= ROUNDING && r.shortfall >= 1.0;
    let draws = total(rows, premise, |r| r.draws);
    let reach = |r: &Row| r.part == Part::WithinReach;
    let least = -largest(rows, reach, |r| -r.grad_norm);
    [
        Check::new(
            Kind::Claim,
            "zero_std",
            "at zero reward std the gradient is zero although the value is 1 or more below the best reward",
            "Theorem 1",
            "largest ‖∇V‖ over worlds with STD ≤ 1e-14 and V ≤ max r − 1",
            over_draws(largest(rows, premise, |r| r.grad_norm), draws),
            Criterion::AtMost(1e-12),
        ),
        Check::new(
            Kind::Claim,
            "zero_std_high_entropy",
            "and not only for near-deterministic policies",
            "Theorem 1, discussion",
            "smallest over families and seeds of the median entropy of these worlds, nats",
            over_draws(-largest(rows, premise, |r| -r.entropy), draws),
            Criterion::AtLeast(1.0),
        ),
        Check::new(
            Kind::Control,
            "within_reach",
            "in the same worlds with the good output within reach the gradient is back",
            "derived",
            "smallest over families and seeds of the median ‖∇V‖",
            over_draws(least, total(rows, reach, |r| r.draws)),
            Criterion::AtLeast(1e-3),
        ),
    ]
}

fn slope(rows: &[Record<Row>], family: Family, reward: Reward, expected: f64) -> Check {
    let seeds = seeds(rows);
    let slopes = seeds.into_iter().filter_map(|seed| {
        let points = path(rows, family, reward, seed);
        let (x, y): (Vec<f64>, Vec<f64>) = points.into_iter().map(|(x, y)| (x.ln(), y.ln())).unzip();
        (x.len() > 2).then(|| fit_line(&x, &y).slope.value)
    });
    let (id, statement) = match reward {
        Reward::Rescaled => ("slope_rescaled", "scaling the rewards scales the gradient like the std"),
        _ => ("slope_rare_success", "as one good output gets rare, the gradient falls like the square of the std"),
    };
    Check::new(
        Kind::Theory,
        &format!("{id}_{}", family.name().replace('-', "_")),
        format!("{statement} ({family})"),
        "derived; the 2/3 of Theorem 1 is an envelope",
        "log–log slope of ‖∇V‖ against STD, mean over seeds",
        mean_interval(&slopes.collect::<Vec<_>>()),
        Criterion::near(expected, 0.02),
    )
}

/// (STD, ‖∇V‖) along one path.
fn path(rows: &[Record<Row>], family: Family, reward: Reward, seed: u64) -> Vec<(f64, f64)> {
    rows.iter()
        .filter(|r| r.part == Part::Path && r.family == family && r.reward == reward && r.seed == seed)
        .map(|r| (r.reward_std, r.grad_norm))
        .collect()
}

fn tightness(rows: &[Record<Row>]) -> [Check; 4] {
    // two equally likely tokens with rewards ±1 attain the sharper bound; for the paper's that is 1/(6√2)
    let best_possible = 1.0 / (6.0 * SQRT_2);
    let found = |part, column: fn(&Row) -> f64| {
        let of_part = |r: &Row| r.part == part;
        over_draws(largest(rows, of_part, column), total(rows, of_part, |r| r.draws))
    };
    let shared =
        |r: &Row| r.family != Family::Tabular && r.length > 1 && matches!(r.part, Part::Summary | Part::SearchSharp);
    let constructed = |r: &Row| r.part == Part::Construction;
    let attained = -largest(rows, constructed, |r| -r.sharp_ratio);
    let without_root = largest(rows, shared, |r| r.sharp_ratio * (r.length as f64).sqrt());
    [
        Check::new(
            Kind::Theory,
            "paper_tightness",
            "the paper's bound is loose by 6√2 at its tightest, two equally likely tokens with rewards ±1",
            "derived",
            "largest ‖∇V‖ / bound that the search found",
            found(Part::SearchPaper, |r| r.paper_ratio),
            Criterion::Within(0.99 * best_possible, best_possible + 1e-9),
        ),
        Check::new(
            Kind::Theory,
            "sharp_attained",
            "the sharper bound is attained at every length, so neither γ √(L/2) nor STD/√2 can be lowered",
            "derived",
            "smallest ‖∇V‖ / bound over families and lengths, by construction",
            over_draws(attained, total(rows, constructed, |r| r.draws)),
            Criterion::Within(1.0 - 1e-12, 1.0),
        ),
        Check::new(
            Kind::Theory,
            "sharp_tightness",
            "and a search finds such cases and none above",
            "derived",
            "largest ‖∇V‖ / bound that the search found",
            found(Part::SearchSharp, |r| r.sharp_ratio),
            Criterion::Within(0.99, 1.0),
        ),
        Check::new(
            Kind::Control,
            "sharing_needs_root_length",
            "without its √L the sharper bound fails for shared parameters and L > 1",
            "derived",
            "largest ‖∇V‖ / (γ STD/√2), shared parameters, L > 1",
            over_draws(without_root, total(rows, shared, |r| r.draws)),
            Criterion::AtLeast(1.05),
        ),
    ]
}

fn unnormalised_breaks(rows: &[Record<Row>]) -> Check {
    let wanted = |r: &Row| r.part == Part::Unnormalised;
    let draws = total(rows, wanted, |r| r.draws);
    Check::new(
        Kind::Control,
        "unnormalised_breaks",
        "a linear policy that is not normalised breaks the paper's bound: the score's zero mean is needed",
        "derived",
        "violations of 6 L γ STD^(2/3)",
        over_draws(total(rows, wanted, |r| r.paper_violations) as f64, draws),
        Criterion::AtLeast(1.0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A draw of two tokens and rewards ±1 whose gradient has this norm.
    fn two_tokens(family: Family, length: usize, grad_norm: f64) -> Row {
        let tree = Tree { prompts: 1, vocab: 2, length };
        let stats = PromptStats { value: 0.0, reward_std: 1.0, entropy: 2.0_f64.ln() };
        Row::draw(family, Reward::Random, tree, stats, [grad_norm, 1.0], &[1.0, -1.0])
    }

    #[test]
    fn ratios_and_violations_by_hand() {
        let tight = two_tokens(Family::Tabular, 1, 0.5_f64.sqrt());
        assert!((tight.sharp_ratio - 1.0).abs() < 1e-13 && (tight.paper_ratio - 1.0 / 72.0_f64.sqrt()).abs() < 1e-13);
        assert!(tight.sharp_violations == 0 && (tight.shortfall - 1.0).abs() < 1e-15);
        let above = two_tokens(Family::Tabular, 1, 0.5_f64.sqrt() + 1e-9);
        assert!(above.sharp_violations == 1 && above.paper_violations == 0);
        assert_eq!(two_tokens(Family::Mlp, 1, 6.1).paper_violations, 1);
        // shared parameters are allowed √L more, tabular ones are not
        let [shared, tabular] = [Family::LogLinear, Family::Tabular].map(|f| two_tokens(f, 4, 1.0).sharp_violations);
        assert_eq!([shared, tabular], [0, 1]);
    }

    #[test]
    fn summaries_add_counts_and_keep_extremes_by_length() {
        let mut summaries = Summaries::new(Part::Summary, 2);
        for (length, grad_norm) in [(1, 0.3), (2, 0.1), (1, 7.0), (1, 0.5)] {
            summaries.absorb(&two_tokens(Family::Tabular, length, grad_norm));
        }
        let rows: Vec<Row> = summaries.into_rows().collect();
        assert_eq!(rows.iter().map(|r| (r.length, r.draws)).collect::<Vec<_>>(), [(1, 3), (2, 1)]);
        assert_eq!((rows[0].paper_violations, rows[0].sharp_violations, rows[1].sharp_violations), (1, 1, 0));
        assert!(rows[0].grad_norm > 6.9 && rows[0].part == Part::Summary);
    }
}
