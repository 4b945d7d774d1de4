//! The claims and controls; each estimate is a mean over seeds.

use super::Row;
use crate::statistics::{by_seed, largest, least};
use rewardlab::experiment::{Check, Criterion, Kind, PaperNumber, Record};
use rewardlab::stats::{Estimate, mean_interval};
use std::collections::BTreeSet;

const FIGURE: &str = "arXiv:2305.20050, Figure 3";
const SOLVED: fn(&Row) -> Option<f64> = |r| Some(r.solved);

/// A column of a method at N, in rows of one seed; NaN where there is none.
fn at(rows: &[&Record<Row>], method: &str, n: u32, column: fn(&Row) -> Option<f64>) -> f64 {
    rows.iter().find(|r| r.method == method && r.n == n).and_then(|r| column(r)).unwrap_or(f64::NAN)
}

fn less(rows: &[Record<Row>], [one, other]: [&str; 2], n: u32, column: fn(&Row) -> Option<f64>) -> Vec<f64> {
    by_seed(rows, |g| at(g, one, n, column) - at(g, other, n, column))
}

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    let draws: Vec<u32> = rows.iter().map(|r| r.n).collect::<BTreeSet<_>>().into_iter().collect();
    [claims(rows, &draws), controls(rows, &draws)].concat()
}

fn claims(rows: &[Record<Row>], draws: &[u32]) -> Vec<Check> {
    let last = draws.last().copied().unwrap_or(0);
    // of one there is nothing to choose
    let choices = draws.get(1..).unwrap_or_default();
    let first = choices.first().copied().unwrap_or(0);
    let claim = |id: &str, statement: &str, source: &str, statistic: String, estimate: Estimate, criterion| {
        Check::new(Kind::Claim, id, statement, source, statistic, estimate, criterion)
    };
    let gap = |methods: [&str; 2]| mean_interval(&less(rows, methods, last, SOLVED));
    let above = choices.iter().map(|n| mean_interval(&less(rows, ["process", "outcome"], *n, SOLVED)));
    let grows = by_seed(rows, |g| {
        let gap = |n| at(g, "process", n, SOLVED) - at(g, "outcome", n, SOLVED);
        gap(last) - gap(first)
    });
    vec![
        claim(
            "process_beats_outcome",
            "the process model's choice solves more than the outcome model's, of the same samples",
            FIGURE,
            format!("share solved at N = {last}: process less outcome"),
            gap(["process", "outcome"]),
            Criterion::AtLeast(0.0),
        )
        .paper(PaperNumber::SecondHand(0.058)),
        claim(
            "outcome_beats_majority",
            "the outcome model's choice solves more than majority voting",
            FIGURE,
            format!("share solved at N = {last}: outcome less majority"),
            gap(["outcome", "majority"]),
            Criterion::AtLeast(0.0),
        )
        .paper(PaperNumber::SecondHand(0.028)),
        claim(
            "process_beats_majority",
            "the process model's choice solves more than majority voting",
            FIGURE,
            format!("share solved at N = {last}: process less majority"),
            gap(["process", "majority"]),
            Criterion::AtLeast(0.0),
        )
        .paper(PaperNumber::SecondHand(0.086)),
        claim(
            "process_above_at_every_n",
            "the process model is above the outcome model wherever there is a choice",
            FIGURE,
            "share solved, process less outcome: the smallest mean over N > 1".into(),
            least(above),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "gap_grows",
            "the gap between process and outcome model grows with N",
            FIGURE,
            format!("process less outcome at N = {last}, less the same at N = {first}"),
            mean_interval(&grows),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "process_beats_product",
            "nor is it the product form: the process model also beats an outcome model of that form",
            "arXiv:2305.20050, Section 4.1 (the same samples labelled in two ways)",
            format!("share solved at N = {last}: process less outcome model whose score is a product over steps"),
            gap(["process", "product"]),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "process_is_sounder",
            "what the process model chooses has fewer wrong steps",
            "arXiv:2211.14275 (second-hand: process supervision lowers the trace error)",
            format!("share of problems whose choice is right in every step at N = {last}: process less outcome"),
            mean_interval(&less(rows, ["process", "outcome"], last, |r| r.sound)),
            Criterion::AtLeast(0.0),
        ),
    ]
}

fn controls(rows: &[Record<Row>], draws: &[u32]) -> Vec<Check> {
    let last = draws.last().copied().unwrap_or(0);
    let methods = ["process", "outcome", "product", "shuffled", "majority", "any"];
    let of_one = by_seed(rows, |g| {
        let differs = |method: &&str| {
            let pass_rate: fn(&Row) -> Option<f64> = |r| Some(r.pass_rate);
            (at(g, method, 1, SOLVED) - at(g, method, 1, pass_rate)).abs()
        };
        largest(methods.iter().map(differs)).value
    });
    let ranked: fn(&Row) -> Option<f64> = |r| r.ranked;
    let of = |method: &str| mean_interval(&by_seed(rows, |g| at(g, method, last, ranked)));
    vec![
        Check::new(
            Kind::Control,
            "shuffled",
            "a process model whose labels were dealt anew ranks solutions by chance",
            "control; tolerance ours",
            "share of pairs of a sound and a wrong solution that it ranks rightly",
            of("shuffled"),
            Criterion::near(0.5, 0.05),
        ),
        Check::new(
            Kind::Control,
            "best_of_one",
            "of one candidate all choose the same",
            "control; exact",
            "largest |share solved at N = 1 less the share of right samples| over methods and seeds",
            largest(of_one),
            Criterion::AtMost(1e-9),
        ),
        Check::new(
            Kind::Control,
            "verifiers_learn",
            "every verifier ranks sound above wrong solutions",
            "control; criterion ours",
            "share of pairs of a sound and a wrong solution that are ranked rightly: the smallest mean of the verifiers",
            least(["process", "outcome", "product"].map(of)),
            Criterion::AtLeast(0.6),
        ),
    ]
}
