//! Statistics of curves and the claims that every model is asked about. The criteria stood before the first result.

use rewardlab::experiment::{Check, Criterion, Kind};
use rewardlab::stats::{self, Estimate};
use std::collections::BTreeSet;

/// A curve is one group of one finetuning run under one reward: (cell, reward, group). Cells are named
/// `model rft optimiser variant` or `model sft optimiser`.
pub(crate) type Curve<'a> = (&'a str, &'a str, &'a str);

/// What is read of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point<'a> {
    /// Which curve.
    pub(crate) curve: Curve<'a>,
    pub(crate) seed: u64,
    pub(crate) epoch: usize,
    pub(crate) reward_mean: f64,
    pub(crate) reward_std: f64,
    pub(crate) accuracy: f64,
    pub(crate) grad_norm: f64,
}

/// A statistic of each seed, with Student's t interval over seeds; NaN where a curve is missing.
pub(crate) struct Judge<'a> {
    points: Vec<Point<'a>>,
    seeds: BTreeSet<u64>,
}

impl<'a> Judge<'a> {
    /// Points in order of epochs within each curve.
    pub(crate) fn new(points: impl IntoIterator<Item = Point<'a>>) -> Self {
        let points: Vec<_> = points.into_iter().collect();
        let seeds = points.iter().map(|p| p.seed).collect();
        Self { points, seeds }
    }

    pub(crate) fn over_seeds(&self, statistic: impl Fn(u64) -> f64) -> Estimate {
        stats::mean_interval(&self.seeds.iter().map(|&s| statistic(s)).collect::<Vec<_>>())
    }

    fn curve(&self, at: Curve, seed: u64) -> impl DoubleEndedIterator<Item = &Point<'a>> {
        self.points.iter().filter(move |p| p.seed == seed && p.curve == at)
    }

    pub(crate) fn first(&self, at: Curve, seed: u64, value: impl Fn(&Point) -> f64) -> f64 {
        self.curve(at, seed).next().map_or(f64::NAN, value)
    }

    pub(crate) fn last(&self, at: Curve, seed: u64, value: impl Fn(&Point) -> f64) -> f64 {
        self.curve(at, seed).next_back().map_or(f64::NAN, value)
    }

    /// Share of the possible rise of the small-std group's mean reward that a run has made at the end.
    pub(crate) fn gain(&self, cell: &str, seed: u64) -> f64 {
        let at = (cell, "normal", "small");
        let (start, end) = (self.first(at, seed, |p| p.reward_mean), self.last(at, seed, |p| p.reward_mean));
        (end - start) / (1.0 - start)
    }

    /// Worst of the two groups' accuracies after SFT.
    fn sft_accuracy(&self, model: &str, optimizer: &str, seed: u64) -> f64 {
        let cell = format!("{model} sft {optimizer}");
        worst_low(["large", "small"].map(|group| self.last((&cell, "normal", group), seed, |p| p.accuracy)))
    }

    pub(crate) fn rft_accuracy(&self, model: &str, optimizer: &str, variant: &str, group: &str, seed: u64) -> f64 {
        let cell = format!("{model} rft {optimizer} {variant}");
        self.last((&cell, "normal", group), seed, |p| p.accuracy)
    }

    /// Epochs until half of the small-std inputs are right, RFT's over SFT's, at the logged epochs. RFT runs that never get
    /// there count as the whole budget: a lower bound.
    fn slowdown(&self, model: &str, optimizer: &str, seed: u64) -> f64 {
        let half = |cell: &str| {
            let at = (cell, "normal", "small");
            let reached = self.curve(at, seed).find(|p| p.accuracy >= 0.5).map(|p| p.epoch as f64);
            (reached, self.last(at, seed, |p| p.epoch as f64))
        };
        let (rft, budget) = half(&format!("{model} rft {optimizer} normal"));
        let (Some(sft), _) = half(&format!("{model} sft {optimizer}")) else { return f64::NAN };
        rft.unwrap_or(budget) / sft
    }

    /// The small-std group's final mean reward, where its wrong labels earn the high reward.
    fn high_reward(&self, model: &str, optimizer: &str, rft: bool, seed: u64) -> f64 {
        let cell = if rft { format!("{model} rft {optimizer} high") } else { format!("{model} sft {optimizer}") };
        self.last((&cell, "high", "small"), seed, |p| p.reward_mean)
    }
}

/// The smaller; NaN if either is.
fn lower(a: f64, b: f64) -> f64 {
    worst_low([a, b])
}

/// The smallest; NaN if any is.
fn worst_low(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().fold(f64::INFINITY, |a, b| if a.is_nan() || b.is_nan() { f64::NAN } else { a.min(b) })
}

/// The largest; NaN if any is.
pub(crate) fn worst_high(values: impl IntoIterator<Item = f64>) -> f64 {
    -worst_low(values.into_iter().map(|v| -v))
}

/// Both methods on both groups, for one model and optimiser.
pub(crate) fn fitting_claims(judge: &Judge, model: &str, optimizer: &str, name: &str, source: &str) -> [Check; 3] {
    let id = name.replace(['-', ' '], "_");
    let claim = |what: &str, statement: &str, statistic: &str, estimate, criterion| {
        let statement = format!("{name}: {statement}");
        Check::new(Kind::Claim, &format!("{id}_{what}"), statement, source, statistic, estimate, criterion)
    };
    [
        claim(
            "rft_fits_large",
            "RFT fits the inputs with large reward std",
            "final training accuracy of the large-std group under RFT",
            judge.over_seeds(|s| judge.rft_accuracy(model, optimizer, "normal", "large", s)),
            Criterion::AtLeast(0.99),
        ),
        claim(
            "rft_fails_small",
            "RFT does not fit the inputs with small reward std, or needs ten times the epochs of SFT",
            "smaller of: share of the small-std group's possible rise that RFT has made / 10%; 10 / (epochs to 50% accuracy \
             on it, RFT over SFT; the budget, a lower bound, where RFT is never there)",
            judge.over_seeds(|s| {
                let gain = judge.gain(&format!("{model} rft {optimizer} normal"), s);
                lower(gain / 0.1, 10.0 / judge.slowdown(model, optimizer, s))
            }),
            Criterion::AtMost(1.0),
        ),
        claim(
            "sft_fits_both",
            "SFT fits both groups",
            "final training accuracy under SFT, the worse group",
            judge.over_seeds(|s| judge.sft_accuracy(model, optimizer, s)),
            Criterion::AtLeast(0.99),
        ),
    ]
}

/// The gradient of the small-std group against the other's, before finetuning.
pub(crate) fn gradient_claim(judge: &Judge, model: &str, optimizer: &str, source: &str) -> Check {
    let start = format!("{model} rft {optimizer} normal");
    let grad = |group, seed| judge.first((&start, "normal", group), seed, |p| p.grad_norm);
    Check::new(
        Kind::Claim,
        &format!("{}_gradient_ratio", model.replace('-', "_")),
        format!("{model}: before finetuning the expected gradient of the small-std group nearly vanishes"),
        source,
        "‖∇V‖ of the small-std group over that of the large-std group, before finetuning",
        judge.over_seeds(|s| grad("small", s) / grad("large", s)),
        Criterion::AtMost(0.05),
    )
}

/// The high variant; each statistic is the worst over the (model, optimiser) settings, which `scope` names.
pub(crate) fn high_claims(judge: &Judge, settings: &[(&str, &str)], scope: &str, source: &str) -> [Check; 2] {
    let claim = |id: &str, statement: String, statistic: &str, estimate, criterion| {
        Check::new(Kind::Claim, id, statement, source, statistic, estimate, criterion)
    };
    [
        claim(
            "high_rft_stuck",
            format!("high initial reward: RFT leaves the small-std group near its initial 0.5 ({scope})"),
            "final mean reward of the small-std group under RFT in the high variant, the largest",
            judge.over_seeds(|s| worst_high(settings.iter().map(|(m, o)| judge.high_reward(m, o, true, s)))),
            Criterion::AtMost(0.55),
        ),
        claim(
            "high_sft_fits",
            format!("high initial reward: SFT takes the small-std group to reward 1 ({scope})"),
            "final mean reward of the small-std group under SFT read in the high variant, the smallest",
            judge.over_seeds(|s| worst_low(settings.iter().map(|(m, o)| judge.high_reward(m, o, false, s)))),
            Criterion::AtLeast(0.95),
        ),
    ]
}
