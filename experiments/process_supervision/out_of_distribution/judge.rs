//! Who leads off the training distribution, and who loses more.

use super::Row;
use crate::statistics::{by_seed, largest, least};
use rewardlab::experiment::{Check, Criterion, Kind, PaperNumber, Record};
use rewardlab::stats::{Estimate, mean, mean_interval};

const TABLE: &str = "arXiv:2305.20050, Table 1";
const OUTSIDE: [&str; 4] = ["longer", "other_mix", "new_operator", "new_modulus"];
/// Those on which something of what was learned can be used.
const USABLE: [&str; 3] = ["longer", "other_mix", "new_operator"];

fn at(rows: &[&Record<Row>], set: &str, method: &str) -> f64 {
    rows.iter().find(|r| r.set == set && r.method == method).map_or(f64::NAN, |r| r.solved)
}

/// The mean over the four other distributions.
fn outside(rows: &[&Record<Row>], method: &str) -> f64 {
    mean(&OUTSIDE.map(|set| at(rows, set, method)))
}

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    let n = rows.iter().map(|r| r.n).max().unwrap_or(0);
    let less = |a: &'static str, b: &'static str| mean_interval(&by_seed(rows, |g| outside(g, a) - outside(g, b)));
    let drop = |g: &[&Record<Row>], method: &str| at(g, "training", method) - outside(g, method);
    let on = |set: &'static str| by_seed(rows, move |g| at(g, set, "process") - at(g, set, "outcome"));
    let least_on = |sets: &[&'static str]| least(sets.iter().map(|set| mean_interval(&on(set))));
    let claim = |id: &str, statement: &str, source: &str, statistic: String, estimate: Estimate, least: f64| {
        Check::new(Kind::Claim, id, statement, source, statistic, estimate, Criterion::AtLeast(least))
    };
    vec![
        claim(
            "process_beats_outcome",
            "over all other distributions the process model solves more than the outcome model",
            TABLE,
            format!("share solved at N = {n}, mean over the four: process less outcome"),
            less("process", "outcome"),
            0.0,
        )
        .paper(PaperNumber::SecondHand(0.091)),
        claim(
            "outcome_beats_majority",
            "and the outcome model more than majority voting",
            TABLE,
            format!("share solved at N = {n}, mean over the four: outcome less majority"),
            less("outcome", "majority"),
            0.0,
        )
        .paper(PaperNumber::SecondHand(0.025)),
        claim(
            "process_ahead_on_each",
            "on each of them the process model is ahead of the outcome model",
            TABLE,
            format!("share solved at N = {n}: process less outcome, paired by seed: the smallest mean over the four"),
            least_on(&OUTSIDE),
            0.0,
        ),
        claim(
            "process_ahead_where_usable",
            "it is ahead on each of the three on which anything that was learned can be used",
            "arXiv:2305.20050, Table 1; without the new modulus: our question, after a run",
            format!("share solved at N = {n}: process less outcome, paired by seed: the smallest mean over the three"),
            least_on(&USABLE),
            0.0,
        ),
        claim(
            "process_drops_no_more",
            "the process model loses no more off the training distribution than the outcome model",
            "arXiv:2305.20050, Table 1; criterion ours",
            format!(
                "share solved at N = {n} on training-like problems less the mean over the four: outcome's drop less process's"
            ),
            mean_interval(&by_seed(rows, |g| drop(g, "outcome") - drop(g, "process"))),
            0.0,
        ),
        claim(
            "process_beats_outcome_with_more",
            "the process model solves more than the outcome model with ten times its solutions (the paper's protocol)",
            TABLE,
            format!("share solved at N = {n}, mean over the four: process less outcome model with more solutions"),
            less("process", "outcome_many"),
            0.0,
        )
        .paper(PaperNumber::SecondHand(0.091)),
    ]
    .into_iter()
    .chain(controls(rows, n))
    .collect()
}

fn controls(rows: &[Record<Row>], n: u32) -> Vec<Check> {
    let on = |set: &'static str| by_seed(rows, move |g| at(g, set, "process") - at(g, set, "outcome"));
    vec![
        Check::new(
            Kind::Theory,
            "drops_where_usable",
            "and loses no more than the outcome model there",
            "our question, after a run in which the new modulus, where all models are one, decided the claim",
            format!("share solved at N = {n}: outcome's drop less process's, mean over the three"),
            mean_interval(&by_seed(rows, |g| {
                let drop = |method: &str| at(g, "training", method) - mean(&USABLE.map(|set| at(g, set, method)));
                drop("outcome") - drop("process")
            })),
            Criterion::AtLeast(0.0),
        ),
        Check::new(
            Kind::Control,
            "blind",
            "where nothing that was learned can be used both models choose alike",
            "control: the new operator alone, manners that tell nothing",
            format!("share solved at N = {n}: process less outcome, mean over seeds"),
            mean_interval(&on("blind")),
            Criterion::Within(-0.02, 0.02),
        ),
        Check::new(
            Kind::Control,
            "nobody_beats_any",
            "no choice solves a problem without a right candidate",
            "control: the exact share of problems with a right candidate among N",
            "share solved less that share: the largest over methods but majority (which is sampled), distributions and seeds",
            largest(rows.iter().filter(|r| !["any", "majority"].contains(&&*r.method)).filter_map(|r| {
                let any = rows.iter().find(|o| (o.seed, &o.set, &*o.method) == (r.seed, &r.set, "any"))?;
                Some(r.solved - any.solved)
            })),
            Criterion::AtMost(1e-9),
        ),
    ]
}
