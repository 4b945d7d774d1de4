//! What the choice is worth.

use super::Row;
use crate::statistics::{by_seed, largest};
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{mean, mean_interval};

/// V at the last step less V at I = 0, mean over tasks, for each seed.
fn gains(rows: &[Record<Row>], policy: &str, choice: &str) -> Vec<f64> {
    let last = rows.iter().map(|r| r.improve).max().unwrap_or(0);
    by_seed(rows.iter().filter(|r| r.policy == policy && r.choice == choice), |g| {
        let at = |improve| mean(&g.iter().filter(|r| r.improve == improve).map(|r| r.value).collect::<Vec<_>>());
        at(last) - at(0)
    })
}

/// The largest difference of samples kept per context between a choice by reward and its twins.
fn as_many(id: &str, rows: &[Record<Row>]) -> Check {
    let differences = rows.iter().filter(|r| r.choice != "reward").filter_map(|r| {
        let twin = |o: &&Record<Row>| {
            (o.seed, &o.task, &o.policy, o.improve) == (r.seed, &r.task, &r.policy, r.improve) && o.choice == "reward"
        };
        rows.iter().find(twin).map(|o| (o.kept - r.kept).abs())
    });
    Check::new(
        Kind::Control,
        id,
        "all choices keep the same number of samples",
        "control",
        "largest difference of samples kept per context",
        largest(differences),
        Criterion::AtMost(0.0),
    )
}

/// Of rows of the strings world.
pub(super) fn strings(rows: &[Record<Row>]) -> Vec<Check> {
    let of_class = |policy: &'static str| {
        let worth: Vec<f64> =
            gains(rows, policy, "reward").iter().zip(gains(rows, policy, "random")).map(|(a, b)| a - b).collect();
        let nothing = |choice: &'static str, words: &str| {
            Check::new(
                Kind::Control,
                &format!("{choice}_{policy}"),
                format!("as many samples {words} gain nothing ({policy} policy)"),
                "control",
                "V at the last Improve less V at I = 0, mean over tasks",
                mean_interval(&gains(rows, policy, choice)),
                Criterion::near(0.0, 0.02),
            )
        };
        [
            Check::new(
                Kind::Claim,
                &format!("choice_{policy}"),
                format!("it is the choice by reward that raises V ({policy} policy)"),
                "our question, beside arXiv:2308.08998, Figure 3",
                "gain of V by samples above τ less that by as many random ones, mean over tasks",
                mean_interval(&worth),
                Criterion::AtLeast(0.05),
            ),
            nothing("random", "chosen at random"),
            nothing("shuffled", "of the highest rewards permuted"),
        ]
    };
    let mut checks: Vec<Check> = ["product", "tabular"].into_iter().flat_map(of_class).collect();
    checks.push(as_many("as_many", rows));
    checks
}

/// Of rows of the translation world. The bound on the random choice was written down before the first run.
pub(super) fn translation(rows: &[Record<Row>]) -> Vec<Check> {
    let of_set = |set: &str| {
        let own: Vec<Record<Row>> = rows.iter().filter(|r| r.task == set).cloned().collect();
        let random = gains(&own, "transformer", "random");
        let worth: Vec<f64> = gains(&own, "transformer", "reward").iter().zip(&random).map(|(a, b)| a - b).collect();
        [
            Check::new(
                Kind::Claim,
                &format!("choice_{set}"),
                format!("it is the choice by reward that raises the reward of a transformer on {set}"),
                "our question, beside arXiv:2308.08998, Figure 3",
                "gain of the mean test reward from I = 0 to the last Improve by samples above τ less that by as many random ones",
                mean_interval(&worth),
                Criterion::AtLeast(0.02),
            ),
            Check::new(
                Kind::Control,
                &format!("random_{set}"),
                format!("as many samples chosen at random gain nothing on {set}"),
                "control",
                "mean test reward at the last Improve less at I = 0",
                mean_interval(&random),
                Criterion::AtMost(0.02),
            ),
        ]
    };
    let mut checks: Vec<Check> = ["talks", "news"].into_iter().flat_map(of_set).collect();
    checks.push(as_many("as_many_translation", rows));
    checks
}
