//! Whether labels from rollouts have the errors that they should have, and what they are worth.

use super::Row;
use crate::statistics::{by_seed, greatest, least};
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{Estimate, mean, mean_interval};
use std::collections::BTreeSet;

const SHEPHERD: &str = "arXiv:2312.08935";
/// Rollouts at which hard labels are held against outcomes: chosen on seeds outside the reported range, with a stronger prior than the
/// reported one.
const SOME: usize = 16;

fn labels<'a>(rows: &'a [Record<Row>], kind: &'a str) -> impl Iterator<Item = &'a Record<Row>> {
    rows.iter().filter(move |r| r.part == "labels" && r.kind == kind)
}

/// Of what is chosen after labels of a kind from K rollouts, in rows of one seed.
fn chosen(rows: &[&Record<Row>], kind: &str, rollouts: usize, value: fn(&Row) -> Option<f64>) -> f64 {
    let found = rows.iter().find(|r| r.part == "choice" && r.kind == kind && r.rollouts == rollouts);
    found.and_then(|r| value(&r.row)).unwrap_or(f64::NAN)
}

/// Solved by the product of steps.
fn solved(rows: &[&Record<Row>], kind: &str, rollouts: usize) -> f64 {
    chosen(rows, kind, rollouts, |r| r.solved)
}

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    [errors(rows), worth(rows)].concat()
}

fn errors(rows: &[Record<Row>]) -> Vec<Check> {
    let z: Vec<f64> = labels(rows, "soft").filter_map(|r| Some(r.bias? / r.standard_error?)).collect();
    let together = z.iter().sum::<f64>().abs() / (z.len() as f64).sqrt();
    let ratio = by_seed(labels(rows, "soft"), |g| {
        let ratio = |r: &&Record<Row>| Some(r.squared_error? / r.variance?);
        mean(&g.iter().filter_map(ratio).collect::<Vec<_>>())
    });
    let hard = |of: fn(&Row) -> Option<(f64, f64)>| {
        mean_interval(&by_seed(labels(rows, "hard"), |g| {
            mean(&g.iter().filter_map(|r| of(&r.row)).map(|(seen, exact)| seen - exact).collect::<Vec<_>>())
        }))
    };
    let most = rows.iter().map(|r| r.rollouts).max().unwrap_or(0);
    let fooled = |g: &[&Record<Row>], k| g.iter().find(|r| r.rollouts == k).and_then(|r| r.fooled).unwrap_or(f64::NAN);
    let fewest = labels(rows, "hard").map(|r| r.rollouts).min().unwrap_or(0);
    vec![
        Check::new(
            Kind::Claim,
            "soft_labels_are_unbiased",
            "the share of rollouts that end right has no bias for the value of the prefix",
            format!("{SHEPHERD}; dynamic programming"),
            "mean of label less value, in exact standard errors, over all K and seeds together: |sum| / √count",
            Estimate::exact(together, z.len()),
            Criterion::AtMost(3.0),
        ),
        Check::new(
            Kind::Theory,
            "soft_labels_variance",
            "and variance Q (1 − Q)/K",
            "derived",
            "mean squared error over the mean of Q (1 − Q)/K, mean over K",
            mean_interval(&ratio),
            Criterion::near(1.0, 0.05),
        ),
        Check::new(
            Kind::Theory,
            "hard_labels_miss",
            "right steps are called wrong with probability (1 − Q)ᴷ",
            "derived",
            "share of right steps that are called wrong, less the mean of (1 − Q)ᴷ, mean over K",
            hard(|r| r.missed.zip(r.missed_exact)),
            Criterion::near(0.0, 0.005),
        ),
        Check::new(
            Kind::Theory,
            "hard_labels_are_fooled",
            "wrong steps are called right with probability 1 − (1 − Q)ᴷ",
            "derived",
            "share of first wrong steps that are called right, less the mean of 1 − (1 − Q)ᴷ, mean over K",
            hard(|r| r.fooled.zip(r.fooled_exact)),
            Criterion::near(0.0, 0.01),
        ),
        Check::new(
            Kind::Theory,
            "more_rollouts_fool_more",
            "more rollouts call more wrong steps right",
            "derived; criterion ours",
            format!("share of first wrong steps that are called right at K = {most} less at K = {fewest}"),
            mean_interval(&by_seed(labels(rows, "hard"), |g| fooled(g, most) - fooled(g, fewest))),
            Criterion::AtLeast(0.1),
        ),
    ]
}

fn worth(rows: &[Record<Row>]) -> Vec<Check> {
    let choices = || rows.iter().filter(|r| r.part == "choice");
    let most = choices().map(|r| r.rollouts).max().unwrap_or(0);
    let some = choices().map(|r| r.rollouts).filter(|k| *k <= SOME).max().unwrap_or(0);
    let less = |a: (&str, usize), b: (&str, usize)| {
        mean_interval(&by_seed(choices(), |g| solved(g, a.0, a.1) - solved(g, b.0, b.1)))
    };
    let rate = |g: &[&Record<Row>]| g.iter().find_map(|r| r.pass_rate).unwrap_or(f64::NAN);
    let dealt = by_seed(choices(), |g| solved(g, "soft_dealt", most) - rate(g));
    let numbers: BTreeSet<usize> = labels(rows, "hard").map(|r| r.rollouts).collect();
    let minimum = by_seed(choices(), |g| chosen(g, "soft", most, |r| r.solved_minimum) - solved(g, "outcomes", 0));
    let claim = |id: &str, statement: &str, statistic: String, estimate: Estimate, criterion| {
        Check::new(Kind::Claim, id, statement, format!("{SHEPHERD}; criterion ours"), statistic, estimate, criterion)
    };
    vec![
        claim(
            "hard_labels_beat_outcomes",
            "hard labels from some rollouts make a better model than outcomes of the same solutions",
            format!("share solved: process model of hard labels at K = {some} less outcome model"),
            less(("hard", some), ("outcomes", 0)),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "hard_labels_beat_outcomes_somewhere",
            "or at least hard labels from that number of rollouts which suits them best",
            "share solved: process model of hard labels less outcome model, paired by seed: the largest mean over K"
                .into(),
            greatest(numbers.iter().map(|k| less(("hard", *k), ("outcomes", 0)))),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "soft_labels_beat_outcomes",
            "soft labels from rollouts make a better model than outcomes of the same solutions",
            format!("share solved: process model of soft labels at K = {most} less outcome model"),
            less(("soft", most), ("outcomes", 0)),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "soft_labels_by_minimum_beat_outcomes",
            "and so where a solution is scored by the least of its steps, as the source does",
            format!(
                "share solved: soft labels at K = {most}, minimum over steps, less outcome model (its own product)"
            ),
            mean_interval(&minimum),
            Criterion::AtLeast(0.0),
        ),
        Check::new(
            Kind::Theory,
            "more_rollouts_hurt_in_the_end",
            "hard labels from many rollouts are worth less than those from some",
            "follows from the labels' errors; criterion ours",
            format!("share solved: hard labels at K = {most} less at K = {some}"),
            less(("hard", most), ("hard", some)),
            Criterion::AtMost(0.0),
        ),
        Check::new(
            Kind::Theory,
            "true_labels_are_better",
            "true labels of steps are worth more than hard ones from any number of rollouts",
            "criterion ours",
            "share solved: true labels of steps less hard labels, paired by seed: the smallest mean over K",
            least(numbers.iter().map(|k| less(("steps", 0), ("hard", *k)))),
            Criterion::AtLeast(0.0),
        ),
        Check::new(
            Kind::Control,
            "dealt_anew",
            "soft labels that were dealt anew choose as a single solution is",
            "control; criterion ours",
            format!("share solved at K = {most} less the generator's pass rate"),
            mean_interval(&dealt),
            Criterion::near(0.0, 0.05),
        ),
        Check::new(
            Kind::Control,
            "random",
            "scores at random choose as a single solution is",
            "control",
            "share solved less the generator's pass rate",
            mean_interval(&by_seed(rows.iter().filter(|r| r.kind == "random"), |g| {
                let own = g.first().and_then(|r| Some(r.solved? - r.pass_rate?));
                own.unwrap_or(f64::NAN)
            })),
            Criterion::near(0.0, 0.05),
        ),
    ]
}
