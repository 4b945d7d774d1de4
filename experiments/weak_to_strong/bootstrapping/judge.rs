//! Chains against single students.

use super::super::gap::lead;
use super::Row;
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::metrics::{Scores, gap_recovered};
use rewardlab::stats::{Estimate, mean_interval};

const FIGURE: &str = "arXiv:2312.09390, Figure 4";

pub(super) fn of<'a>(rows: &'a [Record<Row>], regime: &'a str, place: usize) -> impl Iterator<Item = &'a Record<Row>> {
    rows.iter().filter(move |r| r.regime == regime && r.place == place)
}

pub(super) fn recovered(rows: &[Record<Row>], regime: &str, place: usize, student: fn(&Row) -> f64) -> Estimate {
    let scores = |r: &Record<Row>| Scores { weak: r.weak, student: student(&r.row), ceiling: r.ceiling };
    gap_recovered(&of(rows, regime, place).map(scores).collect::<Vec<_>>())
}

/// PGR of one less that of another, over the same gap.
fn lift(rows: &[Record<Row>], regime: &str, place: usize, own: fn(&Row) -> f64, other: fn(&Row) -> f64) -> Estimate {
    let scores = |r: &Record<Row>| lead(r.weak, [own(&r.row), other(&r.row)], r.ceiling);
    gap_recovered(&of(rows, regime, place).map(scores).collect::<Vec<_>>())
}

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    let last = rows.iter().map(|r| r.place).max().unwrap_or(0);
    let size = |place| rows.iter().find(|r| r.place == place).map_or(0, |r| r.size);
    let own = |r: &Record<Row>, of: &Record<Row>| {
        Scores { weak: r.weak, student: r.naive, ceiling: r.ceiling }
            .recovered(0.0)
            .zip(Scores { weak: of.weak, student: of.naive, ceiling: of.ceiling }.recovered(0.0))
            .map_or(f64::NAN, |(a, b)| a - b)
    };
    let falls: Vec<f64> = of(rows, "B", 1).zip(of(rows, "B", last)).map(|(near, far)| own(near, far)).collect();
    vec![
        Check::new(
            Kind::Claim,
            "naive_falls_b",
            "regime B: naive PGR falls with the gap",
            FIGURE,
            format!("PGR at size {} less at size {}, of each seed", size(1), size(last)),
            mean_interval(&falls),
            Criterion::AtLeast(0.05),
        ),
        Check::new(
            Kind::Claim,
            "chain_helps_b",
            "regime B: a chain recovers more than its last student alone at the largest gap",
            FIGURE,
            format!("PGR at size {}, chain less naive (Fieller)", size(last)),
            lift(rows, "B", last, |r| r.chain, |r| r.naive),
            Criterion::AtLeast(0.05),
        ),
        Check::new(
            Kind::Claim,
            "little_difference_a",
            "regime A, where most errors cannot be predicted: a chain makes little difference",
            FIGURE,
            format!("PGR at size {}, chain less naive (Fieller)", size(last)),
            lift(rows, "A", last, |r| r.chain, |r| r.naive),
            Criterion::Within(-0.05, 0.05),
        ),
        Check::new(
            Kind::Theory,
            "sizes_matter_b",
            "regime B: it is the intermediate sizes that help, not the three rounds",
            "derived",
            format!("PGR at size {}, chain less three rounds of the last size (Fieller)", size(last)),
            lift(rows, "B", last, |r| r.chain, |r| r.rounds),
            Criterion::AtLeast(0.02),
        ),
        Check::new(
            Kind::Control,
            "plain_representations",
            "with representations that differ in nothing but size a chain does what its last student does",
            "control",
            format!("PGR at size {}, chain less naive, plain (Fieller)", size(last)),
            lift(rows, "plain", last, |r| r.chain, |r| r.naive),
            Criterion::Within(-0.03, 0.03),
        ),
        Check::new(
            Kind::Control,
            "chain_of_one",
            "a chain of one student is that student",
            "control",
            "largest |chain − naive| in accuracy where the chain has one link",
            crate::statistics::largest(rows.iter().filter(|r| r.links == 1).map(|r| (r.chain - r.naive).abs())),
            Criterion::AtMost(0.0),
        ),
    ]
}
