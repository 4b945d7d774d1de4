//! Who is ahead where, and where more candidates help.

use super::{GROUPS, Row};
use crate::statistics::{by_seed, largest, least};
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{Estimate, mean, mean_interval};

const FIGURE: &str = "arXiv:2305.20050, Figure 6";

/// Solved by a method in a quintile at N, in rows of one seed and grouping.
fn at(rows: &[&Record<Row>], method: &str, quintile: usize, n: u32) -> f64 {
    let found = rows.iter().find(|r| r.method == method && r.quintile == quintile && r.n == n);
    found.map_or(f64::NAN, |r| r.solved)
}

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    let of = |groups: &'static str| rows.iter().filter(move |r| r.groups == groups);
    let first = of("pass_rate").map(|r| r.n).min().unwrap_or(0);
    let last = of("pass_rate").map(|r| r.n).max().unwrap_or(0);
    let less = |quintile: usize| {
        by_seed(of("pass_rate"), |g| at(g, "process", quintile, last) - at(g, "outcome", quintile, last))
    };
    let rise = |method: &'static str| {
        mean_interval(&by_seed(of("pass_rate"), |g| at(g, method, 1, last) - at(g, method, 1, first)))
    };
    let hardest = |groups: &'static str, of_others: fn(&[f64]) -> f64| {
        mean_interval(&by_seed(of(groups), |g| {
            let gain = |q| at(g, "process", q, last) - at(g, "process", q, first);
            gain(GROUPS) - of_others(&(1..GROUPS).map(gain).collect::<Vec<_>>())
        }))
    };
    let claim = |id: &str, statement: &str, statistic: String, estimate: Estimate, criterion| {
        Check::new(Kind::Claim, id, statement, FIGURE, statistic, estimate, criterion)
    };
    vec![
        claim(
            "process_ahead_everywhere",
            "the process model is at least as good as the outcome model at every difficulty",
            format!(
                "share solved at N = {last}: process less outcome, paired by seed: the smallest mean over quintiles"
            ),
            least((1..=GROUPS).map(|q| mean_interval(&less(q)))),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "outcome_fooled_on_easy",
            "on the easiest problems the outcome model gets no better, or worse, with N",
            format!("share of the easiest quintile solved by the outcome model at N = {last} less at N = {first}"),
            rise("outcome"),
            Criterion::AtMost(0.0),
        ),
        claim(
            "linear_outcome_fooled_on_easy",
            "so does the usual outcome model",
            format!(
                "share of the easiest quintile solved by the linear outcome model at N = {last} less at N = {first}"
            ),
            rise("linear"),
            Criterion::AtMost(0.0),
        ),
        claim(
            "helps_hardest_most",
            "more candidates help most on the hardest problems",
            format!(
                "gain of the process model from N = {first} to {last}: hardest quintile less the largest of the others, by seed"
            ),
            hardest("pass_rate", |others| largest(others.iter().copied()).value),
            Criterion::AtLeast(0.0),
        ),
        Check::new(
            Kind::Control,
            "groups_dealt_anew",
            "in groups that were dealt anew more candidates help alike",
            "control",
            format!("gain of the process model from N = {first} to {last}: fifth group less the mean of the others"),
            hardest("dealt", mean),
            Criterion::Within(-0.05, 0.05),
        ),
    ]
}
