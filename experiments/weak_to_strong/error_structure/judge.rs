//! Six teachers at the end of the run, and on the way.

use super::Row;
use crate::statistics::{by_seed, greatest, largest};
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::metrics::{Scores, gap_recovered};
use rewardlab::stats::{Estimate, mean_interval};

const FIGURE: &str = "arXiv:2312.09390, Figures 25 and 26";

pub(super) const ERRORS: [&str; 6] = ["real", "random", "longest", "shortest", "unsure", "sure"];

pub(super) fn of<'a>(rows: &'a [Record<Row>], errors: &'a str, loss: &'a str) -> impl Iterator<Item = &'a Record<Row>> {
    rows.iter().filter(move |r| r.errors == errors && r.loss == loss)
}

fn last(rows: &[Record<Row>]) -> u64 {
    rows.iter().map(|r| r.step).max().unwrap_or(0)
}

pub(super) fn recovered(rows: &[Record<Row>], errors: &str, loss: &str) -> Estimate {
    let end = last(rows);
    let scores = |r: &Record<Row>| Scores { weak: r.weak, student: r.student, ceiling: r.ceiling };
    gap_recovered(&of(rows, errors, loss).filter(|r| r.step == end).map(scores).collect::<Vec<_>>())
}

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    let end = last(rows);
    let at_end = |errors: &'static str, loss: &'static str, value: fn(&Row) -> f64| {
        by_seed(of(rows, errors, loss).filter(|r| r.step == end), |g| value(&g[0].row))
    };
    let of_gap = |r: &Row| (r.student - r.weak) / (r.ceiling - r.weak);
    let less = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<f64>>();
    let random = at_end("random", "naive", of_gap);
    let others: Vec<Vec<f64>> = ERRORS.iter().filter(|e| **e != "random").map(|e| at_end(e, "naive", of_gap)).collect();
    let ahead = others.iter().map(|other| mean_interval(&less(other, &random)));
    let lowest_by_seed = |i: usize| ERRORS.iter().map(|e| at_end(e, "naive", of_gap)[i]).fold(f64::INFINITY, f64::min);
    let highest_by_seed =
        |i: usize| ERRORS.iter().map(|e| at_end(e, "naive", of_gap)[i]).fold(f64::NEG_INFINITY, f64::max);
    let range: Vec<f64> = (0..random.len()).map(|i| highest_by_seed(i) - lowest_by_seed(i)).collect();
    let peak = by_seed(of(rows, "longest", "naive"), |g| {
        g.iter().map(|r| r.student).fold(0.0, f64::max)
            - g.iter().find(|r| r.step == end).map_or(f64::NAN, |r| r.student)
    });
    let (long, coin) = (at_end("longest", "naive", |r| r.wrong), at_end("random", "naive", |r| r.wrong));
    let halfway = |loss: &'static str| {
        by_seed(of(rows, "longest", loss), |g| g.iter().map(|r| r.wrong).sum::<f64>() / g.len() as f64)
    };
    let claim = |id: &str, statement: &str, statistic: &str, estimate: Estimate, criterion| {
        Check::new(Kind::Claim, id, statement, FIGURE, statistic, estimate, criterion)
    };
    let control = |id: &str, statement: &str, statistic: &str, estimate: Estimate, criterion| {
        Check::new(Kind::Control, id, statement, "control", statistic, estimate, criterion)
    };
    vec![
        claim(
            "structure_matters",
            "teachers of one accuracy give very different PGR",
            "largest PGR less smallest over the six teachers at the end, naive, by seed",
            mean_interval(&range),
            Criterion::AtLeast(0.3),
        ),
        claim(
            "random_recovers_most",
            "of random errors most is recovered",
            "PGR of another teacher less that of random errors, naive, the largest mean over the five others",
            greatest(ahead),
            Criterion::AtMost(0.0),
        ),
        claim(
            "easy_errors_cost",
            "errors that are easy to describe are worth less than random ones",
            "PGR of random errors less that of errors on the longest inputs, naive, by seed",
            mean_interval(&less(&random, &others[1])),
            Criterion::AtLeast(0.1),
        ),
        claim(
            "easy_errors_are_imitated",
            "errors that are easy to describe are imitated",
            "agreement with errors at the end: on the longest inputs less random ones, naive, by seed",
            mean_interval(&less(&long, &coin)),
            Criterion::AtLeast(0.1),
        ),
        claim(
            "first_generalises",
            "the student generalises first and imitates later",
            "errors on the longest inputs, naive: best accuracy along the run less the last, by seed",
            mean_interval(&peak),
            Criterion::AtLeast(0.01),
        ),
        claim(
            "confidence_delays",
            "the confidence loss delays imitation",
            "errors on the longest inputs: mean agreement with errors along the run, naive less confidence, by seed",
            mean_interval(&less(&halfway("naive"), &halfway("confidence"))),
            Criterion::AtLeast(0.0),
        ),
        control(
            "random_errors_are_not_imitated",
            "where labels were flipped at random the student says what it says elsewhere",
            "agreement with random errors less the student's own error rate at the end, naive, by seed",
            mean_interval(&at_end("random", "naive", |r| r.wrong - (1.0 - r.student))),
            Criterion::Within(-0.03, 0.03),
        ),
        control(
            "same_error_rate",
            "all teachers have the same error rate on the training inputs",
            "largest difference of a teacher's accuracy on them and the real weak model's",
            largest(ERRORS.iter().flat_map(|e| {
                less(&at_end(e, "naive", |r| r.weak_train), &at_end("real", "naive", |r| r.weak_train))
                    .into_iter()
                    .map(f64::abs)
            })),
            Criterion::AtMost(0.002),
        ),
    ]
}
