//! What easy puzzles teach of hard ones, at each cut, and the control.

use super::Row;
use crate::statistics::{by_seed, least};
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::metrics::{Scores, gap_recovered};
use rewardlab::stats::{Estimate, mean, mean_interval};
use std::collections::BTreeSet;

const FIGURE: &str = "arXiv:2312.09390, Figure 20; statistic ours";

/// Cuts, rising.
pub(super) fn cuts(rows: &[Record<Row>]) -> Vec<f64> {
    // difficulties are positive: their bits are in their order
    let bits: BTreeSet<u64> = rows.iter().map(|r| r.cut.to_bits()).collect();
    bits.into_iter().map(f64::from_bits).collect()
}

/// The largest student's rows at a cut.
fn largest(rows: &[Record<Row>], dealt: bool, cut: f64) -> impl Iterator<Item = &Record<Row>> + Clone {
    let last = rows.iter().map(|r| r.level).max().unwrap_or(0);
    rows.iter().filter(move |r| r.level == last && r.dealt == dealt && r.cut == cut)
}

fn solved(rows: &[&Record<Row>], taught: &str) -> f64 {
    rows.iter().find(|r| r.taught == taught).map_or(f64::NAN, |r| r.hard_solved)
}

/// Hard puzzles solved: weak is a teacher that has seen all puzzles, student has seen easy ones, ceiling all.
pub(super) fn scores(rows: &[&Record<Row>]) -> Scores {
    Scores {
        weak: rows.first().map_or(f64::NAN, |r| r.teacher_solved),
        student: solved(rows, "easy"),
        ceiling: solved(rows, "all"),
    }
}

/// The least over cuts of one way of teaching less another, by hard puzzles solved.
fn least_lead(rows: &[Record<Row>], one: &'static str, other: &'static str) -> Estimate {
    let lead = |cut: f64| mean_interval(&by_seed(largest(rows, false, cut), |g| solved(g, one) - solved(g, other)));
    least(cuts(rows).into_iter().map(lead))
}

/// What easy puzzles teach of hard ones as a share of what as many of any difficulty do; what a pretrained model solves untaught is nobody's merit.
fn taught(rows: &[Record<Row>], cut: f64) -> Estimate {
    let by = |taught: &'static str| by_seed(largest(rows, false, cut), |g| solved(g, taught));
    let (untaught, easy, as_many) = (by("untaught"), by("easy"), by("as_many"));
    let scores = |i: usize| Scores { weak: untaught[i], student: easy[i], ceiling: as_many[i] };
    gap_recovered(&(0..untaught.len()).map(scores).collect::<Vec<_>>())
}

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    let cuts = cuts(rows);
    let claim = |id: &str, statement: &str, statistic: &str, estimate, criterion| {
        Check::new(Kind::Claim, id, statement, FIGURE, statistic, estimate, criterion)
    };
    let mut checks = vec![
        claim(
            "easy_teaches_hard",
            "the truth of easy puzzles teaches at least half of what as many puzzles of any difficulty teach of hard ones",
            "hard puzzles solved by the largest model beyond what it solves untaught: after easy puzzles over after as many of any (Fieller), smallest over cuts",
            least(cuts.iter().map(|cut| taught(rows, *cut))),
            Criterion::AtLeast(0.5),
        ),
        claim(
            "any_difficulty_teaches_more",
            "as many puzzles of any difficulty teach more",
            "share of hard puzzles solved by the largest model, as many of any difficulty less easy ones: smallest mean over cuts",
            least_lead(rows, "as_many", "easy"),
            Criterion::AtLeast(0.0),
        ),
    ];
    for cut in &cuts {
        let mut units = Vec::new();
        let own: Vec<&Record<Row>> = largest(rows, false, *cut).collect();
        let seeds: BTreeSet<u64> = own.iter().map(|r| r.seed).collect();
        for seed in seeds {
            units.push(scores(&own.iter().copied().filter(|r| r.seed == seed).collect::<Vec<_>>()));
        }
        checks.push(claim(
            &format!("recovered_{cut}"),
            &format!("at the cut {cut} part of the gap between a weaker model that has seen all and the largest that has is recovered"),
            "PGR on hard puzzles; weak: the teacher; student: the largest model from easy puzzles; ceiling: from all",
            gap_recovered(&units),
            Criterion::Within(0.0, 1.0),
        ));
    }
    let last = rows.iter().map(|r| r.level).max().unwrap_or(0);
    let dealt = by_seed(rows.iter().filter(|r| r.dealt && r.level == last), |g| {
        let of_cut = |cut: &f64| {
            let own: Vec<&Record<Row>> = g.iter().copied().filter(|r| r.cut == *cut).collect();
            solved(&own, "as_many") - solved(&own, "easy")
        };
        mean(&cuts.iter().map(of_cut).collect::<Vec<_>>())
    });
    checks.push(Check::new(
        Kind::Control,
        "dealt",
        "with difficulties dealt anew easy puzzles teach as much as others",
        "control",
        "share of hard puzzles solved, as many of any difficulty less easy ones: mean over cuts",
        mean_interval(&dealt),
        Criterion::near(0.0, 0.03),
    ));
    checks
}
