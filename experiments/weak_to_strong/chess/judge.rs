//! Gains over pairs of teacher and student, what chains add, and controls.

use super::super::gap::pgr_difference;
use super::Row;
use crate::statistics::by_seed;
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::metrics::{Scores, gap_recovered};
use rewardlab::stats::{fieller, mean, mean_interval};

const FIGURE_3: &str = "arXiv:2312.09390, Figure 3 (chess)";

/// Rows of the whole test set.
pub(super) fn whole<'a>(rows: &'a [Record<Row>], part: &'a str) -> impl Iterator<Item = &'a Record<Row>> + Clone {
    rows.iter().filter(move |r| r.part == part && r.depth.is_none())
}

impl Row {
    pub(super) fn scores(&self) -> Scores {
        Scores { weak: self.weak, student: self.solved, ceiling: self.ceiling }
    }
}

/// Means of a seed's rows.
fn pooled(rows: &[&Record<Row>]) -> Scores {
    let of = |value: fn(&Scores) -> f64| mean(&rows.iter().map(|r| value(&r.scores())).collect::<Vec<_>>());
    Scores { weak: of(|s| s.weak), student: of(|s| s.student), ceiling: of(|s| s.ceiling) }
}

/// Each seed's means over some pairs.
fn pooled_by_seed<'a>(rows: impl Iterator<Item = &'a Record<Row>> + Clone) -> Vec<Scores> {
    let of = |value: fn(&Scores) -> f64| by_seed(rows.clone(), |g| value(&pooled(g)));
    let (weak, student, ceiling) = (of(|s| s.weak), of(|s| s.student), of(|s| s.ceiling));
    let scores = |i: usize| Scores { weak: weak[i], student: student[i], ceiling: ceiling[i] };
    (0..weak.len()).map(scores).collect()
}

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    let last = whole(rows, "ladder").map(|r| r.student).max().unwrap_or(0);
    let pairs = || whole(rows, "ladder");
    let nearest = |r: &Row| r.student == r.teacher + 1;
    // teachers with a choice of students: the nearest is not the largest
    let contrast = |value: &dyn Fn(&[&Record<Row>]) -> f64| {
        let own = pairs().filter(|r| r.teacher + 2 <= last);
        by_seed(own, |g| {
            let near: Vec<&Record<Row>> = g.iter().copied().filter(|r| nearest(r)).collect();
            let far: Vec<&Record<Row>> = g.iter().copied().filter(|r| r.student == last).collect();
            value(&near) - value(&far)
        })
    };
    let recovered = |g: &[&Record<Row>]| {
        let scores = pooled(g);
        scores.gain() / scores.gap()
    };
    let claim = |id: &str, statement: &str, source: &str, statistic: &str, estimate, criterion| {
        Check::new(Kind::Claim, id, statement, source, statistic, estimate, criterion)
    };
    let mut checks = vec![
        claim(
            "students_beat_teachers",
            "students of weaker teachers are better than these",
            FIGURE_3,
            "share solved, student less teacher: mean over pairs",
            mean_interval(&by_seed(pairs(), |g| pooled(g).gain())),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "below_the_ceiling",
            "and worse than if they had learned the truth",
            FIGURE_3,
            "PGR of the means over all pairs of teacher and larger student",
            gap_recovered(&pooled_by_seed(pairs())),
            Criterion::Within(0.0, 1.0),
        ),
        claim(
            "weakest_teacher",
            "students of the weakest teacher recover less than students next to their teacher on the ladder",
            FIGURE_3,
            "PGR of the means over pairs next to each other less that over the weakest teacher's students (jackknife over seeds)",
            pgr_difference(
                &pooled_by_seed(pairs().filter(|r| nearest(r))),
                &pooled_by_seed(pairs().filter(|r| r.teacher == 0)),
            ),
            // ours: half of the bar below
            Criterion::AtLeast(0.2),
        ),
        claim(
            "small_gaps",
            "where the gap is small they recover much",
            FIGURE_3,
            "PGR of the means over pairs next to each other on the ladder",
            gap_recovered(&pooled_by_seed(pairs().filter(|r| nearest(r)))),
            Criterion::AtLeast(0.4),
        ),
        claim(
            "falls_with_the_student",
            "for a fixed teacher PGR falls as the student grows",
            FIGURE_3,
            "PGR of the means over teachers, of the nearest student less of the largest",
            mean_interval(&contrast(&recovered)),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "agreement_on_errors_falls",
            "larger students repeat fewer of their teacher's errors",
            "arXiv:2312.09390, Figures 8 and 15",
            "share of the puzzles missed by the teacher on which the student writes the teacher's move: nearest student less largest, mean over teachers",
            mean_interval(&contrast(&|g| {
                mean(&g.iter().map(|r| r.agreement_wrong.unwrap_or(f64::NAN)).collect::<Vec<_>>())
            })),
            Criterion::AtLeast(0.0),
        ),
    ];
    checks.extend(chains(rows, last));
    checks.extend(controls(rows, last));
    checks
}

/// Share solved at the end of a chain less that of the teacher's own student, by seed.
fn added(rows: &[Record<Row>], part: &str, teacher: usize, last: usize) -> Vec<f64> {
    let of = |part: &str| {
        let own = whole(rows, part).filter(|r| r.teacher == teacher && r.student == last);
        by_seed(own, |g| g[0].solved)
    };
    let (chain, naive) = (of(part), of("ladder"));
    chain.iter().zip(&naive).map(|(c, n)| c - n).collect()
}

fn chains(rows: &[Record<Row>], last: usize) -> Vec<Check> {
    vec![Check::new(
        Kind::Claim,
        "chain_helps",
        "at the largest gap a chain of students in between is better than the largest student alone",
        "arXiv:2312.09390, Figure 4",
        "share solved, chain less naive: weakest teacher, largest student",
        mean_interval(&added(rows, "chain", 0, last)),
        Criterion::AtLeast(0.0),
    )]
}

fn controls(rows: &[Record<Row>], last: usize) -> Vec<Check> {
    let control = |id: &str, statement: &str, statistic: &str, estimate, criterion| {
        Check::new(Kind::Control, id, statement, "control", statistic, estimate, criterion)
    };
    vec![
        control(
            "halves",
            "the truth of either half teaches a model the same: between models of one size there is no gap to recover",
            "share solved, ceiling less teacher of the same size, mean over sizes; as a share of the mean gap of pairs next to each other (Fieller)",
            fieller(
                &by_seed(whole(rows, "itself"), |g| pooled(g).gap()),
                &by_seed(whole(rows, "ladder").filter(|r| r.student == r.teacher + 1), |g| pooled(g).gap()),
            ),
            Criterion::near(0.0, 0.1),
        ),
        control(
            "dealt",
            "from labels dealt anew among puzzles nothing is learned",
            "share solved by the largest student",
            mean_interval(&by_seed(whole(rows, "dealt"), |g| g[0].solved)),
            Criterion::AtMost(0.02),
        ),
        control(
            "chain_of_equals",
            "a chain through models of the teacher's own size adds nothing",
            "share solved, chain less naive: weakest teacher, largest student",
            mean_interval(&added(rows, "chain_of_equals", 0, last)),
            // as small as what chains and students gain or lose
            Criterion::near(0.0, 0.004),
        ),
    ]
}
