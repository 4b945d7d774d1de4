//! Methods against naive finetuning, students against their size.

use super::super::ladder::informative;
use super::Row;
use crate::statistics::by_seed;
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::metrics::Scores;
use rewardlab::stats::{Estimate, fit_line, mean, mean_interval};
use std::collections::BTreeSet;

const SOURCE: &str = "arXiv:2312.09390, reported second-hand; statistic ours";

/// The mean over informative tasks of a value of a method at a pair, in one seed's rows. Tasks in which the value is absent are left out.
fn over_tasks(g: &[&Record<Row>], method: &str, pair: (usize, usize), value: impl Fn(&Row) -> Option<f64>) -> f64 {
    let own = g.iter().filter(|r| r.method == method && (r.teacher, r.student) == pair);
    mean(&own.filter_map(|r| value(r)).collect::<Vec<_>>())
}

/// The same of the accuracy.
fn accuracy(g: &[&Record<Row>], method: &str, pair: (usize, usize)) -> f64 {
    over_tasks(g, method, pair, |r| Some(r.accuracy))
}

/// The widest and the narrowest gap.
pub(super) fn pairs(rows: &[Record<Row>]) -> [(usize, usize); 2] {
    let top = rows.iter().map(|r| r.student).max().unwrap_or(0);
    [(0, top), (top.saturating_sub(1), top)]
}

/// Accuracy of one method less another's at a pair, mean over informative tasks, over seeds.
pub(super) fn lead(rows: &[Record<Row>], method: &str, other: &str, pair: (usize, usize)) -> Estimate {
    mean_interval(&by_seed(rows, |g| accuracy(g, method, pair) - accuracy(g, other, pair)))
}

/// The rows of the tasks that are informative for the largest student of the row's teacher: where teachers are at chance, or there is
/// no gap, methods have nothing to differ by.
pub(super) fn telling(rows: &[Record<Row>]) -> Vec<Record<Row>> {
    let ends = pairs(rows);
    let naive = rows.iter().filter(|r| r.method == "naive" && ends.contains(&(r.teacher, r.student)));
    let scores = |r: &Row| Scores { weak: r.weak, student: r.accuracy, ceiling: r.ceiling };
    let told = informative(naive.map(|r| ((r.task.clone(), r.teacher), scores(r))));
    rows.iter().filter(|r| told.contains(&(r.task.clone(), r.teacher))).cloned().collect()
}

pub(super) fn checks(all: &[Record<Row>]) -> Vec<Check> {
    let [wide, narrow] = pairs(all);
    let rows = &telling(all);
    let claim = |id: &str, statement: &str, statistic: &str, estimate, criterion| {
        Check::new(Kind::Claim, id, statement, SOURCE, statistic, estimate, criterion)
    };
    let less_naive = "accuracy less that of naive finetuning, mean over informative tasks";
    let vs = |method: &str, pair| lead(rows, method, "naive", pair);
    let mut checks = vec![
        claim(
            "confidence_helps_wide",
            "the confidence loss is better than naive finetuning at the widest gap (Figure 5)",
            less_naive,
            vs("confidence", wide),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "confidence_not_narrow",
            "and no better at the narrowest",
            less_naive,
            vs("confidence", narrow),
            Criterion::AtMost(0.005),
        ),
        claim(
            "public_helps_wide",
            "the public code's schedule and threshold: better at the widest gap",
            less_naive,
            vs("public_confidence", wide),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "public_not_narrow",
            "and no better at the narrowest",
            less_naive,
            vs("public_confidence", narrow),
            Criterion::AtMost(0.005),
        ),
        claim(
            "bootstrapping_wide",
            "bootstrapping over intermediate sizes is no worse at the widest gap (Figure 4; in NLP the paper's gain is small)",
            less_naive,
            vs("bootstrapping", wide),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "overfits_wide",
            "at the widest gap an oracle's checkpoint is better than the last (Figure 13; there because students overfit)",
            "accuracy of the best checkpoint less the last, mean over informative tasks; chosen and judged on different texts",
            lead(rows, "best", "last", wide),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "overfits_more_wide",
            "and more than at the narrowest gap",
            "the same at the widest gap less the narrowest",
            mean_interval(&by_seed(rows, |g| {
                let at = |pair| accuracy(g, "best", pair) - accuracy(g, "last", pair);
                at(wide) - at(narrow)
            })),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "stopping_helps",
            "stopping by weak labels held out is no worse than the last checkpoint, widest gap",
            "accuracy of the stopped checkpoint less the last, mean over informative tasks",
            lead(rows, "stopped", "last", wide),
            Criterion::AtLeast(0.0),
        ),
    ];
    checks.extend(no_gain(rows, wide));
    checks.extend(agreement(rows, wide));
    checks.extend(controls(all, wide, narrow));
    checks
}

/// Figure 8.
fn agreement(rows: &[Record<Row>], wide: (usize, usize)) -> Vec<Check> {
    let of_weakest = || rows.iter().filter(|r| r.method == "naive" && r.teacher == 0);
    let students: BTreeSet<(usize, usize)> = of_weakest().map(|r| (r.student, r.parameters)).collect();
    let slope = |g: &[&Record<Row>], value: fn(&Row) -> Option<f64>| {
        let points = students
            .iter()
            .map(|(student, size)| ((*size as f64).log10(), over_tasks(g, "naive", (0, *student), value)));
        let (x, y): (Vec<f64>, Vec<f64>) = points.unzip();
        fit_line(&x, &y).slope.value
    };
    let (right, wrong): (fn(&Row) -> Option<f64>, fn(&Row) -> Option<f64>) =
        (|r| r.agreement_right, |r| r.agreement_wrong);
    let claim = |id: &str, statement: &str, statistic: &str, estimate, criterion| {
        Check::new(Kind::Claim, id, statement, SOURCE, statistic, estimate, criterion)
    };
    vec![
        claim(
            "inverse_scaling",
            "larger students agree less with the weakest teacher's errors (Figure 8)",
            "slope of agreement on the teacher's errors per decade of the student's parameters, mean over informative tasks",
            mean_interval(&by_seed(of_weakest(), |g| slope(g, wrong))),
            Criterion::AtMost(0.0),
        ),
        claim(
            "errors_first",
            "agreement falls faster on errors than where the teacher is right",
            "slope on errors less slope where the teacher is right",
            mean_interval(&by_seed(of_weakest(), |g| slope(g, wrong) - slope(g, right))),
            Criterion::AtMost(0.0),
        ),
        claim(
            "confidence_disagrees",
            "the confidence loss lowers agreement on errors",
            "agreement on errors, confidence less naive, widest gap, mean over informative tasks",
            mean_interval(&by_seed(rows, |g| {
                over_tasks(g, "confidence", wide, wrong) - over_tasks(g, "naive", wide, wrong)
            })),
            Criterion::AtMost(0.0),
        ),
    ]
}

fn controls(rows: &[Record<Row>], wide: (usize, usize), narrow: (usize, usize)) -> [Check; 2] {
    [
        Check::new(
            Kind::Control,
            "truth_has_no_errors",
            "on true labels the confidence loss gains nothing",
            "control",
            "accuracy of the confidence loss on the truth less the ceiling, mean over all tasks, widest gap",
            mean_interval(&by_seed(rows, |g| {
                over_tasks(g, "confidence_on_truth", wide, |r| Some(r.accuracy - r.ceiling))
            })),
            Criterion::AtMost(0.005),
        ),
        Check::new(
            Kind::Control,
            "chain_of_one",
            "a chain of one student is naive finetuning",
            "control",
            "largest difference of accuracy over tasks, narrowest gap, exact",
            Estimate::exact(
                rows.iter()
                    .filter(|r| r.method == "bootstrapping" && (r.teacher, r.student) == narrow)
                    .map(|r| {
                        let naive = rows.iter().find(|o| {
                            o.method == "naive"
                                && o.seed == r.seed
                                && o.task == r.task
                                && (o.teacher, o.student) == narrow
                        });
                        naive.map_or(f64::NAN, |o| (o.accuracy - r.accuracy).abs())
                    })
                    .fold(0.0, |a: f64, b| if b.is_nan() || b > a { b } else { a }),
                rows.iter().filter(|r| r.method == "bootstrapping" && (r.teacher, r.student) == narrow).count(),
            ),
            Criterion::AtMost(0.0),
        ),
    ]
}

/// What public replications tried without success.
fn no_gain(rows: &[Record<Row>], wide: (usize, usize)) -> [Check; 2] {
    [
        ("entropy_nothing", "entropy", "an entropy regulariser"),
        ("filter_nothing", "filtered", "learning from the labels of which a first student is surest"),
    ]
    .map(|(id, method, words)| {
        Check::new(
            Kind::Claim,
            id,
            format!("{words} brings no consistent gain (widest gap)"),
            "EleutherAI's replication of arXiv:2312.09390; statistic ours",
            "accuracy less that of naive finetuning, mean over informative tasks",
            lead(rows, method, "naive", wide),
            Criterion::near(0.0, 0.02),
        )
    })
}
