//! What counts as reproduced. The criteria stood before the first result.

use super::Row;
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{self, Estimate};

/// A curve is one group of one finetuning run under one reward: (cell, reward, group).
type Curve<'a> = (&'a str, &'a str, &'a str);

/// Each model with its main optimiser: plain gradient ascent where nothing is shared, Adam for the networks.
pub(super) const MODELS: [(&str, &str); 3] = [("tabular", "sgd"), ("log-linear", "adam"), ("mlp", "adam")];

/// The models whose parameters inputs share; the paper's appendix trains such a model with SGD.
const NETWORKS: [&str; 2] = ["log-linear", "mlp"];

/// The rows of one curve at one seed, in order of epochs.
fn curve<'a>(rows: &'a [Record<Row>], (cell, reward, group): Curve, seed: u64) -> Vec<&'a Row> {
    let wanted = |r: &&Record<Row>| r.cell == cell && r.seed == seed && r.reward == reward && r.group == group;
    rows.iter().filter(wanted).map(|r| &r.row).collect()
}

pub(super) fn seeds(rows: &[Record<Row>]) -> Vec<u64> {
    let mut seeds: Vec<u64> = rows.iter().map(|r| r.seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    seeds
}

/// A statistic of each seed, with Student's t interval over seeds; NaN where a curve is missing.
struct Judge<'a> {
    rows: &'a [Record<Row>],
    seeds: Vec<u64>,
}

impl Judge<'_> {
    fn over_seeds(&self, statistic: impl Fn(u64) -> f64) -> Estimate {
        stats::mean_interval(&self.seeds.iter().map(|&s| statistic(s)).collect::<Vec<_>>())
    }

    fn first(&self, at: Curve, seed: u64, value: impl Fn(&Row) -> f64) -> f64 {
        curve(self.rows, at, seed).first().map_or(f64::NAN, |r| value(r))
    }

    fn last(&self, at: Curve, seed: u64, value: impl Fn(&Row) -> f64) -> f64 {
        curve(self.rows, at, seed).last().map_or(f64::NAN, |r| value(r))
    }

    /// Share of the possible rise of the small-std group's mean reward that RFT has made at the end.
    fn gain(&self, cell: &str, seed: u64) -> f64 {
        let at = (cell, "normal", "small");
        let (start, end) = (self.first(at, seed, |r| r.reward_mean), self.last(at, seed, |r| r.reward_mean));
        (end - start) / (1.0 - start)
    }

    /// Worst of the two groups' accuracies after SFT.
    fn sft_accuracy(&self, model: &str, optimizer: &str, seed: u64) -> f64 {
        let cell = format!("{model} sft {optimizer}");
        let of = |group| self.last((&cell, "normal", group), seed, |r| r.accuracy);
        worst_low([of("large"), of("small")])
    }

    fn rft_accuracy(&self, model: &str, optimizer: &str, variant: &str, group: &str, seed: u64) -> f64 {
        let cell = format!("{model} rft {optimizer} {variant}");
        self.last((&cell, "normal", group), seed, |r| r.accuracy)
    }

    /// Epochs until half of the small-std inputs are right, RFT's over SFT's, at the logged epochs. RFT runs that never get
    /// there count as the whole budget: a lower bound.
    fn slowdown(&self, model: &str, optimizer: &str, seed: u64) -> f64 {
        let half = |cell: &str| {
            let rows = curve(self.rows, (cell, "normal", "small"), seed);
            let reached = rows.iter().find(|r| r.accuracy >= 0.5).map(|r| r.epoch as f64);
            (reached, rows.last().map_or(f64::NAN, |r| r.epoch as f64))
        };
        let (rft, budget) = half(&format!("{model} rft {optimizer} normal"));
        let (Some(sft), _) = half(&format!("{model} sft {optimizer}")) else { return f64::NAN };
        rft.unwrap_or(budget) / sft
    }

    fn high_reward(&self, model: &str, optimizer: &str, rft: bool, seed: u64) -> f64 {
        let cell = if rft { format!("{model} rft {optimizer} high") } else { format!("{model} sft {optimizer}") };
        self.last((&cell, "high", "small"), seed, |r| r.reward_mean)
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
fn worst_high(values: impl IntoIterator<Item = f64>) -> f64 {
    -worst_low(values.into_iter().map(|v| -v))
}

const FIGURE: &str = "Section 4.2, Figure 3; criterion ours";
const SGD: &str = "appendix (SGD); criterion ours";
const HIGH: &str = "appendix (high initial reward); criterion ours";

pub(super) fn check(rows: &[Record<Row>]) -> Vec<Check> {
    let judge = Judge { rows, seeds: seeds(rows) };
    let mut checks = Vec::new();
    for (model, optimizer) in MODELS {
        checks.extend(fitting_claims(&judge, model, optimizer, model, FIGURE));
        checks.push(gradient_claim(&judge, model, optimizer));
    }
    for model in NETWORKS {
        checks.extend(fitting_claims(&judge, model, "sgd", &format!("{model} sgd"), SGD));
    }
    checks.extend(high_claims(&judge));
    checks.extend(theory_and_controls(&judge));
    checks
}

/// Both methods on both groups, for one model and optimiser.
fn fitting_claims(judge: &Judge, model: &str, optimizer: &str, name: &str, source: &str) -> [Check; 3] {
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

fn gradient_claim(judge: &Judge, model: &str, optimizer: &str) -> Check {
    let start = format!("{model} rft {optimizer} normal");
    let grad = |group, seed| judge.first((&start, "normal", group), seed, |r| r.grad_norm);
    Check::new(
        Kind::Claim,
        &format!("{}_gradient_ratio", model.replace('-', "_")),
        format!("{model}: before finetuning the expected gradient of the small-std group nearly vanishes"),
        FIGURE,
        "‖∇V‖ of the small-std group over that of the large-std group, before finetuning",
        judge.over_seeds(|s| grad("small", s) / grad("large", s)),
        Criterion::AtMost(0.05),
    )
}

/// The high variant; each statistic is the worst over the models (and optimisers) that the statement names.
fn high_claims(judge: &Judge) -> Vec<Check> {
    let settings = [MODELS.as_slice(), &NETWORKS.map(|m| (m, "sgd"))].concat();
    let claim = |id: &str, statement: &str, source: &str, statistic: &str, estimate, criterion| {
        Check::new(Kind::Claim, id, statement, source, statistic, estimate, criterion)
    };
    vec![
        claim(
            "high_rft_stuck",
            "high initial reward: RFT leaves the small-std group near its initial 0.5 (all models; networks with both optimisers)",
            HIGH,
            "final mean reward of the small-std group under RFT in the high variant, the largest",
            judge.over_seeds(|s| worst_high(settings.iter().map(|(m, o)| judge.high_reward(m, o, true, s)))),
            Criterion::AtMost(0.55),
        ),
        claim(
            "high_sft_fits",
            "high initial reward: SFT takes the small-std group to reward 1 (all models; networks with both optimisers)",
            HIGH,
            "final mean reward of the small-std group under SFT read in the high variant, the smallest",
            judge.over_seeds(|s| worst_low(settings.iter().map(|(m, o)| judge.high_reward(m, o, false, s)))),
            Criterion::AtLeast(0.95),
        ),
    ]
}

fn theory_and_controls(judge: &Judge) -> Vec<Check> {
    let errors = judge.rows.iter().filter_map(|r| r.identity_error);
    let (worst, count) = errors.fold((f64::NAN, 0), |(worst, n), e| (if e.is_nan() { e } else { e.max(worst) }, n + 1));
    let deviation = |model: &str, optimizer: &str, seed| {
        let cell = format!("{model} rft {optimizer} normal");
        (judge.first((&cell, "normal", "large"), seed, |r| r.reward_std) - 0.8).abs()
    };
    let inside = ["tabular", "log-linear"].map(|model| {
        let optimizer = if model == "tabular" { "sgd" } else { "adam" };
        Check::new(
            Kind::Control,
            &format!("{}_inside_labels", model.replace('-', "_")),
            format!("{model}: RFT fits relabelled inputs whose new label lies inside the set, so that their std starts large"),
            "control",
            "final training accuracy of the relabelled inputs under RFT",
            judge.over_seeds(|s| judge.rft_accuracy(model, optimizer, "inside", "small", s)),
            Criterion::AtLeast(0.99),
        )
    });
    let warm = NETWORKS.map(|model| {
        Check::new(
            Kind::Control,
            &format!("{}_after_some_sft", model.replace('-', "_")),
            format!(
                "{model}: once a little SFT has made their std large, RFT fits the same inputs with the same labels"
            ),
            "control",
            "share of the small-std group's possible rise in mean reward that RFT makes after `warm_epochs` of SFT",
            judge.over_seeds(|s| judge.gain(&format!("{model} rft adam warm"), s)),
            Criterion::AtLeast(0.9),
        )
    });
    let mut checks = vec![
        Check::new(
            Kind::Theory,
            "rft_is_sft_times_p",
            "per input the gradient of RFT is 2p (small-std inputs of the high variant: p/2) times that of SFT",
            "derived (softmax, two reward values)",
            "largest ‖∇V − (r_right − r_wrong) p ∇log p‖ / ‖∇log p‖ over inputs, models and seeds, before finetuning",
            Estimate::exact(worst, count),
            Criterion::AtMost(1e-10),
        ),
        Check::new(
            Kind::Control,
            "initial_std",
            "pretraining leaves the large-std group with the reward std 0.8 of a uniform choice among m = 5 labels",
            "derived: 2√(p(1−p)) at p = 1/5",
            "|mean reward std of the large-std group − 0.8| before finetuning, the worst model",
            judge.over_seeds(|s| worst_high(MODELS.map(|(m, o)| deviation(m, o, s)))),
            Criterion::AtMost(0.05),
        ),
        Check::new(
            Kind::Control,
            "tabular_adam",
            "where no coordinate is shared between inputs Adam's normalisation undoes the vanishing, and RFT fits all",
            "control",
            "final training accuracy of the small-std group under RFT, tabular model with Adam",
            judge.over_seeds(|s| judge.rft_accuracy("tabular", "adam", "normal", "small", s)),
            Criterion::AtLeast(0.99),
        ),
    ];
    checks.extend(inside);
    checks.extend(warm);
    checks
}
