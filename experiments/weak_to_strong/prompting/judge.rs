//! Prompting against finetuning at the largest size, over shots and over sizes; models against the exact posterior.

use super::Row;
use crate::statistics::{by_seed, greatest, seeds};
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::metrics::{Scores, gap_recovered};
use rewardlab::stats::{Estimate, fit_line, mean, mean_interval, paired_difference};
use std::collections::{BTreeMap, BTreeSet};

const FIGURE: &str = "arXiv:2312.09390, Figure 9, reported second-hand; statistic ours";

/// Rows of one way, by labels.
pub(super) fn of<'a>(rows: &'a [Record<Row>], way: &'a str, labels: &'a str) -> impl Iterator<Item = &'a Record<Row>> {
    rows.iter().filter(move |r| r.way == way && r.labels == labels)
}

/// Level, parameters.
pub(super) fn ladder(rows: &[Record<Row>]) -> BTreeMap<usize, usize> {
    rows.iter().map(|r| (r.level, r.parameters)).collect()
}

/// The most labels: all of the student's items.
pub(super) fn all_labels(rows: &[Record<Row>]) -> usize {
    rows.iter().filter(|r| r.way == "prompted").map(|r| r.shots).max().unwrap_or(0)
}

/// Accuracy by seed of a way at a level with all labels.
fn whole(rows: &[Record<Row>], way: &str, labels: &str, level: usize) -> Vec<f64> {
    let all = all_labels(rows);
    by_seed(of(rows, way, labels).filter(|r| r.level == level && r.shots == all), |g| g[0].accuracy)
}

/// Teacher, student and ceiling of a way at a level, a run per seed.
pub(super) fn runs(rows: &[Record<Row>], way: &str, level: usize) -> Vec<Scores> {
    let weak = by_seed(of(rows, "teacher", "true"), |g| g[0].accuracy);
    let ceiling = whole(rows, if way == "prompted" { way } else { "finetuned" }, "true", level);
    let student = whole(rows, way, "weak", level);
    let of = |i: usize| Scores { weak: weak[i], student: student[i], ceiling: ceiling[i] };
    (0..student.len()).map(of).collect()
}

/// By seed, the slope on log₁₀ parameters of what one way is above another.
fn closing(rows: &[Record<Row>], own: &dyn Fn(usize) -> Vec<f64>, other: &dyn Fn(usize) -> Vec<f64>) -> Estimate {
    let ladder = ladder(rows);
    let ahead: Vec<(f64, Vec<f64>)> = ladder
        .iter()
        .map(|(level, n)| {
            let ahead = own(*level).iter().zip(other(*level)).map(|(a, b)| a - b).collect();
            ((*n as f64).log10(), ahead)
        })
        .collect();
    let x: Vec<f64> = ahead.iter().map(|(x, _)| *x).collect();
    let slope = |s: usize| fit_line(&x, &ahead.iter().map(|(_, y)| y[s]).collect::<Vec<_>>()).slope.value;
    mean_interval(&(0..seeds(rows).len()).map(slope).collect::<Vec<_>>())
}

/// By seed, the slope of the largest model's accuracy per doubling of shots.
fn per_doubling(rows: &[Record<Row>], labels: &str, top: usize) -> Estimate {
    mean_interval(&by_seed(of(rows, "prompted", labels).filter(|r| r.level == top), |g| {
        let (x, y): (Vec<f64>, Vec<f64>) = g.iter().map(|r| ((r.shots as f64).log2(), r.accuracy)).unzip();
        fit_line(&x, &y).slope.value
    }))
}

/// By seed, the mean over numbers of shots on fresh documents.
fn reader(rows: &[Record<Row>], way: &str, level: usize) -> Vec<f64> {
    by_seed(of(rows, way, "noisy").filter(|r| r.level == level), |g| {
        mean(&g.iter().map(|r| r.accuracy).collect::<Vec<_>>())
    })
}

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    let top = ladder(rows).keys().max().copied().unwrap_or(0);
    let all = all_labels(rows);
    let at_top = |way: &str, labels: &str| whole(rows, way, labels, top);
    let claim = |id: &str, statement: &str, statistic: &str, estimate, criterion| {
        Check::new(Kind::Claim, id, statement, FIGURE, statistic, estimate, criterion)
    };
    let mut checks = vec![
        claim(
            "competitive",
            "for the largest model a prompt of weak labels is at most two points behind finetuning on them",
            &format!(
                "accuracy prompted with all {all} weak labels less finetuned on them (naive), largest size, by seed"
            ),
            paired_difference(&at_top("prompted", "weak"), &at_top("finetuned", "weak")),
            Criterion::AtLeast(-0.02),
        ),
        claim(
            "closes_with_size",
            "prompting gains on finetuning as models grow",
            "slope per decade of parameters of that difference, by seed",
            closing(rows, &|l| whole(rows, "prompted", "weak", l), &|l| whole(rows, "finetuned", "weak", l)),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "rises_with_shots",
            "the largest model's accuracy rises with the number of weak labels in its prompt",
            "slope of accuracy per doubling of shots, by seed",
            per_doubling(rows, "weak", top),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "prompted_recovers",
            "the largest model, prompted with weak labels, is above its teacher",
            "PGR of mean accuracies, the ceiling prompted with the truth (Fieller)",
            gap_recovered(&runs(rows, "prompted", top)),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "finetuned_recovers",
            "finetuned on them it is above its teacher too",
            "PGR of mean accuracies, the ceiling finetuned on the truth (Fieller)",
            gap_recovered(&runs(rows, "finetuned", top)),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "confidence_better",
            "finetuning with the confidence loss is better than prompting",
            &format!(
                "accuracy finetuned with the confidence loss less prompted with all {all} weak labels, largest size, by seed"
            ),
            paired_difference(&at_top("confidence", "weak"), &at_top("prompted", "weak")),
            Criterion::AtLeast(0.0),
        ),
    ];
    checks.extend(theory(rows));
    checks.extend(controls(&at_top));
    checks
}

fn theory(rows: &[Record<Row>]) -> Vec<Check> {
    let theory = |id: &str, statement: &str, statistic: &str, estimate, criterion| {
        Check::new(Kind::Theory, id, statement, "derived", statistic, estimate, criterion)
    };
    let levels: BTreeSet<usize> = ladder(rows).into_keys().collect();
    let least = levels.first().copied().unwrap_or(0);
    vec![
        theory(
            "bayes_expects_itself",
            "on fresh documents the exact posterior is right as often as it expects",
            "accuracy less mean of max(p, 1 − p), mean over shots, by seed",
            paired_difference(&reader(rows, "reader_bayes", least), &reader(rows, "reader_bound", least)),
            Criterion::Within(-0.01, 0.01),
        ),
        theory(
            "below_bayes",
            "no model is above the exact posterior on fresh documents",
            "accuracy of the model less the posterior's, mean over shots, by seed: the largest over sizes",
            greatest(
                levels
                    .iter()
                    .map(|l| paired_difference(&reader(rows, "reader", *l), &reader(rows, "reader_bayes", *l))),
            ),
            Criterion::AtMost(0.0),
        ),
        theory(
            "nears_bayes",
            "larger models are nearer to it",
            "slope per decade of parameters of that difference, by seed",
            closing(rows, &|l| reader(rows, "reader", l), &|l| reader(rows, "reader_bayes", l)),
            Criterion::AtLeast(0.0),
        ),
    ]
}

fn controls(at_top: &dyn Fn(&str, &str) -> Vec<f64>) -> Vec<Check> {
    let control = |id: &str, statement: &str, way: &str, labels: &str| {
        let statistic = "test accuracy at the largest size with all labels, by seed";
        let estimate = mean_interval(&at_top(way, labels));
        Check::new(Kind::Control, id, statement, "control", statistic, estimate, Criterion::Within(0.45, 0.55))
    };
    vec![
        control("dealt_prompted", "weak labels dealt anew teach nothing in a prompt", "prompted", "dealt"),
        control("dealt_finetuned", "nor by finetuning", "finetuned", "dealt"),
        control("not_pretrained", "a model that was not pretrained learns nothing in a prompt", "bare", "weak"),
    ]
}
