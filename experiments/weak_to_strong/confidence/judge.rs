//! Gains of the losses over the naive one, at the ends of the ladder.

use super::super::gap::lead;
use super::Row;
use crate::statistics::by_seed;
use rewardlab::experiment::{Check, Criterion, Kind, PaperNumber, Record};
use rewardlab::metrics::{Scores, gap_recovered};
use rewardlab::stats::{Estimate, mean_interval};

const FIGURE: &str = "arXiv:2312.09390, Figure 5";

pub(super) fn of<'a>(
    rows: &'a [Record<Row>],
    regime: &'a str,
    loss: &'a str,
    size: usize,
) -> impl Iterator<Item = &'a Record<Row>> {
    rows.iter().filter(move |r| r.labels == "weak" && r.regime == regime && r.loss == loss && r.size == size)
}

pub(super) fn recovered(rows: &[Record<Row>], regime: &str, loss: &str, size: usize) -> Estimate {
    let scores = |r: &Record<Row>| Scores { weak: r.weak, student: r.student, ceiling: r.ceiling };
    gap_recovered(&of(rows, regime, loss, size).map(scores).collect::<Vec<_>>())
}

/// The difference of two losses' PGR: of their gains, over the same gap.
fn lift(rows: &[Record<Row>], regime: &str, loss: &str, size: usize) -> Estimate {
    let pairs = of(rows, regime, loss, size).zip(of(rows, regime, "naive", size));
    let scores = |(own, naive): (&Record<Row>, &Record<Row>)| lead(own.weak, [own.student, naive.student], own.ceiling);
    gap_recovered(&pairs.map(scores).collect::<Vec<_>>())
}

fn cost(rows: &[Record<Row>], regime: &str, loss: &str, size: usize) -> Estimate {
    let pairs = of(rows, regime, loss, size).zip(of(rows, regime, "naive", size));
    mean_interval(&pairs.map(|(own, naive)| own.student - naive.student).collect::<Vec<_>>())
}

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    let least = rows.iter().map(|r| r.size).min().unwrap_or(0);
    let most = rows.iter().map(|r| r.size).max().unwrap_or(0);
    let mut checks = Vec::new();
    for (regime, id) in [("A", "a"), ("B", "b")] {
        for (loss, name) in
            [("confidence", "the paper's schedule"), ("public_confidence", "the public code's schedule")]
        {
            let mut claim = |suffix: &str, statement: String, statistic: String, estimate: Estimate, criterion| {
                let mut check = Check::new(
                    Kind::Claim,
                    &format!("{loss}_{suffix}_{id}"),
                    statement,
                    FIGURE,
                    statistic,
                    estimate,
                    criterion,
                );
                // medians over their NLP tasks: 80% against 25%
                if suffix == "lifts" && loss == "confidence" {
                    check = check.paper(PaperNumber::SecondHand(0.55));
                }
                checks.push(check);
            };
            let statement = format!("regime {regime}, {name}: the confidence loss lifts PGR at the largest gap");
            let statistic = format!("PGR at size {most}, the loss less naive (Fieller)");
            claim("lifts", statement, statistic, lift(rows, regime, loss, most), Criterion::AtLeast(0.05));
            let statement = format!("regime {regime}, {name}: it is no better than naive at the smallest");
            let statistic =
                format!("accuracy at size {least}, the loss less naive, by seed (PGR's sign; its gap is too small)");
            claim("costs", statement, statistic, cost(rows, regime, loss, least), Criterion::AtMost(0.0));
        }
    }
    let control = |labels: &'static str| rows.iter().filter(move |r| r.labels == labels && r.size == most);
    checks.push(Check::new(
        Kind::Control,
        "true_labels",
        "on true labels the confidence loss changes little",
        "control",
        format!("accuracy with the confidence loss less naive, true labels, size {most}, mean of both regimes by seed"),
        mean_interval(&by_seed(control("true"), |g| {
            g.iter().map(|r| r.student - r.ceiling).sum::<f64>() / g.len() as f64
        })),
        Criterion::Within(-0.03, 0.03),
    ));
    checks.push(Check::new(
        Kind::Theory,
        "empty_labels",
        "without any label the confidence loss finds the salient concept, up to its sign",
        "derived",
        format!(
            "the larger of accuracy and 1 − accuracy with labels of 1/2, size {most}, mean of both regimes by seed"
        ),
        mean_interval(&by_seed(control("empty"), |g| {
            g.iter().map(|r| r.student.max(1.0 - r.student)).sum::<f64>() / g.len() as f64
        })),
        Criterion::AtLeast(0.8),
    ));
    checks
}
