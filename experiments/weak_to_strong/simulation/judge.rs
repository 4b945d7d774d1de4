//! Copies against coin flips.

use super::Row;
use crate::statistics::{by_seed, greatest, least};
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::metrics::{Scores, gap_recovered};
use rewardlab::stats::{Estimate, mean_interval};
use std::collections::BTreeSet;

const FIGURE: &str = "arXiv:2312.09390, Figure 24";

/// (student's size, teacher's size) of pairs in which a smaller teacher can be copied and leaves something to recover.
fn pairs(rows: &[Record<Row>]) -> BTreeSet<(usize, usize)> {
    rows.iter().filter(|r| r.student_size > r.teacher_size).map(|r| (r.student_size, r.teacher_size)).collect()
}

pub(super) fn of<'a>(
    rows: &'a [Record<Row>],
    labels: &'a str,
    (student, teacher): (usize, usize),
) -> impl Iterator<Item = &'a Record<Row>> {
    rows.iter().filter(move |r| r.labels == labels && r.student_size == student && r.teacher_size == teacher)
}

pub(super) fn recovered(rows: &[Record<Row>], labels: &str, pair: (usize, usize)) -> Estimate {
    let scores = |r: &Record<Row>| Scores { weak: r.weak, student: r.student, ceiling: r.ceiling };
    gap_recovered(&of(rows, labels, pair).map(scores).collect::<Vec<_>>())
}

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    let pairs = pairs(rows);
    let most = pairs.last().copied().unwrap_or((0, 0));
    let least_teacher = pairs.iter().map(|p| p.1).min().unwrap_or(0);
    let widest = (most.0, least_teacher);
    let above = |pair: &(usize, usize)| {
        mean_interval(&by_seed(of(rows, "teacher", *pair), |g| g[0].agreement.unwrap_or(f64::NAN) - g[0].weak))
    };
    let left = by_seed(of(rows, "flips", widest), |g| g[0].ceiling - g[0].student);
    vec![
        Check::new(
            Kind::Claim,
            "no_gain_from_copies",
            "a student that can simulate its teacher recovers almost nothing",
            FIGURE,
            "the largest PGR over pairs of sizes k1 > k2",
            greatest(pairs.iter().map(|p| recovered(rows, "teacher", *p))),
            Criterion::AtMost(0.1),
        ),
        Check::new(
            Kind::Claim,
            "agreement_above_accuracy",
            "it agrees with its teacher far more often than the teacher is right",
            FIGURE,
            "agreement less the teacher's accuracy, the smallest mean over pairs k1 > k2",
            least(pairs.iter().map(above)),
            Criterion::AtLeast(0.05),
        ),
        Check::new(
            Kind::Claim,
            "random_flips_recover",
            "of random flips at the same rate the student becomes far better than its labels",
            FIGURE,
            "the smallest PGR over pairs k1 > k2",
            least(pairs.iter().map(|p| recovered(rows, "flips", *p))),
            Criterion::AtLeast(0.5),
        ),
        Check::new(
            Kind::Control,
            "flips_leave_the_direction",
            "flips cost the student little of its ceiling",
            "control",
            format!("ceiling less student on flipped labels, sizes {} and {}", widest.0, widest.1),
            mean_interval(&left),
            Criterion::AtMost(0.05),
        ),
        Check::new(
            Kind::Control,
            "same_size",
            "a student of its teacher's size is its teacher",
            "control",
            "|student's accuracy − teacher's|, the largest mean over sizes",
            greatest(
                rows.iter().map(|r| r.student_size).collect::<BTreeSet<_>>().into_iter().map(|k| {
                    mean_interval(&by_seed(of(rows, "teacher", (k, k)), |g| (g[0].student - g[0].weak).abs()))
                }),
            ),
            Criterion::AtMost(0.005),
        ),
    ]
}
