//! PGR of each student, and controls.

use super::Row;
use crate::statistics::by_seed;
use rewardlab::experiment::{Check, Criterion, Kind, PaperNumber, Record};
use rewardlab::metrics::{Scores, gap_recovered};
use rewardlab::stats::mean_interval;
use std::collections::BTreeSet;

/// Three standard errors of one student's share right at chance, one class in ten, on a thousand images: 3 √(0.1 · 0.9 / 1000).
const CHANCE: f64 = 0.0285;

fn scores(row: &Row) -> Scores {
    Scores { weak: row.weak, student: row.accuracy, ceiling: row.ceiling }
}

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    let part = |part: &'static str| rows.iter().filter(move |r| r.part == part);
    let words: BTreeSet<usize> = part("naive").map(|r| r.words).collect();
    let source = "arXiv:2312.09390, Appendix D.1, and the public code's README";
    let (first, last) = (words.first().copied().unwrap_or(0), words.last().copied().unwrap_or(0));
    let mut checks = Vec::new();
    for count in &words {
        let own: Vec<Scores> = part("naive").filter(|r| r.words == *count).map(|r| scores(r)).collect();
        let check = Check::new(
            Kind::Claim,
            &format!("recovers_{count}"),
            format!("a head on features of {count} words recovers about half of the gap"),
            source,
            "PGR of the accuracy on test images",
            gap_recovered(&own),
            Criterion::Within(0.3, 0.7),
        );
        checks.push(match *count {
            c if c == first => check.paper(PaperNumber::Confirmed(0.577)),
            c if c == last => check.paper(PaperNumber::Confirmed(0.415)),
            _ => check,
        });
    }
    let of = |g: &[&Record<Row>], count: usize, value: fn(&Row) -> f64| {
        g.iter().find(|r| r.words == count).map_or(f64::NAN, |r| value(r))
    };
    let recovered: fn(&Row) -> f64 = |r| scores(r).recovered(0.0).unwrap_or(f64::NAN);
    let against =
        |value: fn(&Row) -> f64| mean_interval(&by_seed(part("naive"), |g| of(g, last, value) - of(g, first, value)));
    checks.extend([
        Check::new(
            Kind::Claim,
            "larger_recovers_less",
            "the larger student recovers a smaller part of its gap",
            source,
            "PGR with the most words less that with the fewest, per seed",
            against(recovered),
            Criterion::AtMost(0.0),
        )
        .paper(PaperNumber::Confirmed(0.415 - 0.577)),
        Check::new(
            Kind::Claim,
            "larger_is_better",
            "and is itself better",
            source,
            "accuracy of the student with the most words less that with the fewest",
            against(|r| r.accuracy),
            Criterion::AtLeast(0.0),
        )
        .paper(PaperNumber::Confirmed(0.642 - 0.607)),
        Check::new(
            Kind::Control,
            "own_size",
            "a student with the teacher's own features and shape gains nothing",
            "control",
            "accuracy of the student less the teacher's",
            mean_interval(&by_seed(part("own_size"), |g| of(g, 0, |r| r.accuracy - r.weak))),
            Criterion::AtMost(0.01),
        ),
        Check::new(
            Kind::Control,
            "dealt_anew",
            "labels dealt anew among images teach nothing",
            "control",
            "accuracy of the student with the most words (chance: 0.1)",
            mean_interval(&by_seed(part("dealt"), |g| of(g, last, |r| r.accuracy))),
            Criterion::near(0.1, CHANCE),
        ),
    ]);
    checks
}
