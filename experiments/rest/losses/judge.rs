//! What the losses are judged by.

use super::Row;
use super::training::Loss;
use crate::statistics::{by_seed, standard_errors};
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{Estimate, mean, mean_interval};
use std::collections::BTreeSet;

/// The policies of the strings world, with their words.
const POLICIES: [(&str, &str); 2] =
    [("tabular", "tabular policy"), ("product", "product policy, whose strings share parameters")];

/// The mean over tasks of a row's gain, of the rows of one seed that have this loss.
fn gain(rows: &[&Record<Row>], loss: Loss) -> f64 {
    mean(&rows.iter().filter(|r| r.loss == loss.name()).map(|r| r.gain()).collect::<Vec<_>>())
}

fn of<'a>(
    rows: &'a [Record<Row>],
    policy: &'a str,
    critic: &'a str,
    improve: usize,
) -> impl Iterator<Item = &'a Record<Row>> + Clone {
    rows.iter().filter(move |r| r.policy == policy && r.critic == critic && r.improve == improve)
}

/// The mean over seeds of BC's value less the other loss's, over its standard error, in the task where it is smallest.
fn worst_lead(rows: &[Record<Row>], policy: &str, improve: usize, other: Loss) -> Estimate {
    let of_policy = of(rows, policy, "monte_carlo", improve);
    let tasks: BTreeSet<&str> = of_policy.clone().map(|r| r.task.as_str()).collect();
    let lead = |task: &str| {
        let lead = by_seed(of_policy.clone().filter(|r| r.task == task), |g| gain(g, Loss::Bc) - gain(g, other));
        standard_errors(&lead)
    };
    least(tasks.into_iter().map(lead))
}

/// The estimate with the smallest value.
fn least(estimates: impl Iterator<Item = Estimate>) -> Estimate {
    let least = estimates.min_by(|a, b| a.value.total_cmp(&b.value));
    least.unwrap_or_else(|| standard_errors(&[]))
}

/// Of rows of the strings world.
pub(super) fn strings(rows: &[Record<Row>]) -> Vec<Check> {
    let mut checks: Vec<Check> = POLICIES.iter().flat_map(|policy| claims(rows, *policy)).collect();
    checks.extend(POLICIES.iter().flat_map(|policy| regimes(rows, *policy)));
    checks.extend(Loss::ALL.map(|loss| shuffled(rows, loss)));
    checks
}

fn claims(rows: &[Record<Row>], (policy, words): (&str, &str)) -> Vec<Check> {
    let mut checks = vec![Check::new(
        Kind::Claim,
        &format!("beats_supervised_{policy}"),
        format!("after one Improve step every loss beats the supervised policy; {words}"),
        "arXiv:2308.08998, Figure 5 (in words)",
        "the smallest over losses of V less the supervised V, mean over tasks, G1 I1",
        mean_interval(&by_seed(of(rows, policy, "monte_carlo", 1), |g| {
            Loss::ALL.map(|loss| gain(g, loss)).into_iter().fold(f64::INFINITY, f64::min)
        })),
        Criterion::AtLeast(0.0),
    )];
    let lead = |improve: usize, other: Loss, source: &str| {
        let (id, when) = match improve {
            0 => (format!("bc_over_{other}_unfiltered_{policy}"), "without a filter"),
            _ => (format!("bc_over_{other}_{policy}"), "after one Improve step"),
        };
        let value = worst_lead(rows, policy, improve, other);
        Check::new(
            Kind::Claim,
            &id,
            format!("{when} BC is at least as good as {}; {words}", other.title()),
            source,
            "V of BC less V of the other, mean over seeds, over its standard error: the smallest over tasks (a tie is 2 standard errors)",
            value,
            Criterion::AtLeast(-2.0),
        )
    };
    checks.extend(Loss::OTHERS.map(|other| lead(1, other, "arXiv:2308.08998, Figures 5, 13 and 14 (in words)")));
    checks.push(lead(0, Loss::Gold, "arXiv:2308.08998, Figure 13 (in words)"));
    checks
}

fn regimes(rows: &[Record<Row>], (policy, words): (&str, &str)) -> Vec<Check> {
    vec![
        Check::new(
            Kind::Theory,
            &format!("advantages_win_{policy}"),
            format!("with the exact advantages of all samples and no filter every other loss beats BC; {words}"),
            "derived: they follow the policy gradient, BC fits the policy to its own samples",
            "the smallest over losses of V less V of BC, mean over tasks, G1 I0, exact critic",
            mean_interval(&by_seed(of(rows, policy, "exact", 0), |g| {
                let best = Loss::OTHERS.map(|loss| gain(g, loss)).into_iter().fold(f64::INFINITY, f64::min);
                best - gain(g, Loss::Bc)
            })),
            Criterion::AtLeast(0.0),
        ),
        Check::new(
            Kind::Theory,
            &format!("unfiltered_cloning_{policy}"),
            format!("without a filter BC gains nothing; {words}"),
            "derived: its samples are the policy's own",
            "V of BC less the supervised V, mean over tasks, G1 I0",
            mean_interval(&by_seed(of(rows, policy, "monte_carlo", 0), |g| gain(g, Loss::Bc))),
            Criterion::near(0.0, 0.02),
        ),
        Check::new(
            Kind::Theory,
            &format!("cloning_arrives_{policy}"),
            format!("the steps suffice: BC ends where the exact fit to what passed the filter lies; {words}"),
            "derived: Improve in closed form; our question, after a run in which GOLD beat BC",
            "V of BC less V of the fit, mean over tasks, G1 I1",
            mean_interval(&by_seed(of(rows, policy, "monte_carlo", 1).filter(|r| r.loss == "bc"), |g| {
                mean(&g.iter().map(|r| r.value - r.cloned.unwrap_or(f64::NAN)).collect::<Vec<_>>())
            })),
            Criterion::near(0.0, 0.01),
        ),
        Check::new(
            Kind::Theory,
            &format!("gold_sharpens_{policy}"),
            format!("GOLD gains without knowing the reward: it raises what is likely already; {words}"),
            "our question, after a run in which GOLD beat BC",
            "V less the supervised V with shuffled rewards and no filter, mean over tasks, GOLD",
            mean_interval(&by_seed(of(rows, policy, "shuffled", 0), |g| gain(g, Loss::Gold))),
            Criterion::AtLeast(0.02),
        ),
    ]
}

fn shuffled(rows: &[Record<Row>], loss: Loss) -> Check {
    let own = rows.iter().filter(|r| r.critic == "shuffled" && r.improve == 1);
    Check::new(
        Kind::Control,
        &format!("shuffled_{loss}"),
        format!(
            "with the rewards of each context permuted {} gains nothing by one filtered Improve step",
            loss.title()
        ),
        "control",
        "V less the supervised V, mean over tasks and policies, G1 I1",
        mean_interval(&by_seed(own, |g| gain(g, loss))),
        Criterion::AtMost(0.02),
    )
}

/// Of rows of the translation world.
pub(super) fn translation(rows: &[Record<Row>]) -> Vec<Check> {
    let sets: BTreeSet<&str> = rows.iter().map(|r| r.task.as_str()).collect();
    sets.into_iter().flat_map(|set| of_set(rows, set)).collect()
}

fn of_set(rows: &[Record<Row>], set: &str) -> Vec<Check> {
    let own = || rows.iter().filter(|r| r.task == set && r.grow == 1);
    let last = own().map(|r| r.improve).max().unwrap_or(0);
    let at = |g: &[&Record<Row>], loss: Loss, improve: usize| {
        g.iter().find(|r| r.loss == loss.name() && r.improve == improve).map_or(f64::NAN, |r| r.gain())
    };
    let lead = |other: Loss, improve: usize| {
        standard_errors(&by_seed(own(), |g| at(g, Loss::Bc, improve) - at(g, other, improve)))
    };
    let above = Loss::ALL.map(|loss| {
        Check::new(
            Kind::Claim,
            &format!("beats_supervised_{set}_{loss}"),
            format!("after the last Improve step {} beats the supervised model on {set}", loss.title()),
            "arXiv:2308.08998, Figures 5 and 14 (in words)",
            "mean test reward less the supervised model's, G1, last I",
            mean_interval(&by_seed(own(), |g| at(g, loss, last))),
            Criterion::AtLeast(0.0),
        )
    });
    let ordered = |other: Loss, (id, when, statistic): (&str, &str, &str), value: Estimate| {
        Check::new(
            Kind::Claim,
            &format!("{id}_{other}_{set}"),
            format!("{when} BC is at least as good as {} on {set}", other.title()),
            "arXiv:2308.08998, Figures 5, 13 and 14 (in words); criterion ours",
            statistic,
            value,
            Criterion::AtLeast(-2.0),
        )
    };
    let every = (
        "bc_over",
        "at every I",
        "reward of BC less that of the other, mean over seeds, over its standard error: the smallest over I (a tie is 2)",
    );
    let one = (
        "bc_over_filtered",
        "with R > 0.8",
        "reward of BC less that of the other, G1, τ = 0.8, mean over seeds, over its standard error (a tie is 2)",
    );
    let step = own().find(|r| r.threshold == Some(0.8)).map(|r| r.improve);
    let comparisons = Loss::OTHERS.into_iter().flat_map(|other| {
        let all = least((0..=last).map(|improve| lead(other, improve)));
        [ordered(other, every, all), ordered(other, one, lead(other, step.unwrap_or(usize::MAX)))]
    });
    let greedy = |g: &[&Record<Row>], loss: Loss| {
        let found = g.iter().find(|r| r.loss == loss.name() && r.improve == 0);
        found.and_then(|r| r.greedy).unwrap_or(f64::NAN)
    };
    let sharper = Check::new(
        Kind::Theory,
        &format!("gold_is_sharper_{set}"),
        format!(
            "without a filter GOLD is ahead of BC only because it is sharper: greedy outputs are as good, on {set}"
        ),
        "our question, after a run in which unfiltered GOLD beat BC",
        "reward of greedy test outputs, GOLD less BC, G1 I0",
        mean_interval(&by_seed(own(), |g| greedy(g, Loss::Gold) - greedy(g, Loss::Bc))),
        Criterion::near(0.0, 0.02),
    );
    above.into_iter().chain(comparisons).chain([sharper]).collect()
}
