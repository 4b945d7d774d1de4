//! PGR of each student, its fall with size, and controls.

use super::Row;
use crate::statistics::by_seed;
use rewardlab::experiment::{Check, Criterion, Kind, PaperNumber, Record};
use rewardlab::metrics::{Scores, gap_recovered};
use rewardlab::stats::mean_interval;

const TABLE: &str = "arXiv:2312.09390, Appendix D.1 (vision), from the public repository";

pub(super) fn part<'a>(rows: &'a [Record<Row>], part: &'a str) -> impl Iterator<Item = &'a Record<Row>> + Clone {
    rows.iter().filter(move |r| r.part == part)
}

impl Row {
    pub(super) fn scores(&self) -> Scores {
        Scores { weak: self.weak, student: self.right, ceiling: self.ceiling }
    }
}

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    let sizes = || part(rows, "student").map(|r| r.filters);
    let (least, most) = (sizes().min().unwrap_or(0), sizes().max().unwrap_or(0));
    let scores = |filters: usize| -> Vec<Scores> {
        part(rows, "student").filter(|r| r.filters == filters).map(|r| r.scores()).collect()
    };
    let recovered = |id: &str, words: &str, filters: usize, paper: f64| {
        Check::new(
            Kind::Claim,
            id,
            format!("the {words} student recovers about half of the gap"),
            TABLE,
            "PGR of accuracies on held-out images",
            gap_recovered(&scores(filters)),
            Criterion::Within(0.3, 0.7),
        )
        .paper(PaperNumber::Confirmed(paper))
    };
    let falls = by_seed(part(rows, "student"), |g| {
        let of = |filters: usize| {
            let scores = g.iter().find(|r| r.filters == filters).map(|r| r.scores());
            scores.map_or(f64::NAN, |s| s.gain() / s.gap())
        };
        of(least) - of(most)
    });
    vec![
        recovered("smallest", "smallest", least, 0.577),
        recovered("largest", "largest", most, 0.415),
        Check::new(
            Kind::Claim,
            "falls_with_size",
            "the larger student has the lower PGR",
            TABLE,
            "PGR by seed, smallest student less largest",
            mean_interval(&falls),
            Criterion::AtLeast(0.0),
        ),
        Check::new(
            Kind::Control,
            "dealt",
            "the teacher's labels dealt anew among images teach nothing",
            "control",
            "share of test images named rightly by the largest student",
            mean_interval(&by_seed(part(rows, "dealt"), |g| g[0].right)),
            Criterion::AtMost(0.2),
        ),
        Check::new(
            Kind::Control,
            "itself",
            "a student that is the teacher's own network gains nothing",
            "control",
            "accuracy, student less teacher",
            mean_interval(&by_seed(part(rows, "itself"), |g| g[0].scores().gain())),
            Criterion::near(0.0, 0.03),
        ),
    ]
}
