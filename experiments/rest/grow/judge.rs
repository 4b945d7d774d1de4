//! What the second Grow adds, and where it may add nothing.

use super::Row;
use crate::statistics::{by_seed, largest, smallest, standard_errors};
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{Estimate, mean, mean_interval};
use std::collections::BTreeSet;

/// V of the last policy of the second Grow less that of the first, per (task, seed).
fn gains(rows: &[Record<Row>], policy: &str, candidates: Option<usize>, task: &str) -> Vec<f64> {
    let own = rows.iter().filter(|r| r.policy == policy && r.candidates == candidates && r.task == task);
    by_seed(own, |g| {
        let last = |grow| g.iter().filter(|r| r.grow == grow).max_by_key(|r| r.improve).map_or(f64::NAN, |r| r.value);
        last(2) - last(1)
    })
}

fn tasks(rows: &[Record<Row>]) -> Vec<&str> {
    rows.iter().map(|r| &*r.task).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The gain over its standard error, the smallest over tasks.
fn least_standard_errors(rows: &[Record<Row>], policy: &str, candidates: usize) -> Estimate {
    let of_task = |task: &str| standard_errors(&gains(rows, policy, Some(candidates), task));
    let least = tasks(rows).into_iter().map(of_task).min_by(|a, b| a.value.total_cmp(&b.value));
    least.unwrap_or_else(|| standard_errors(&[]))
}

/// Of rows of the strings world.
pub(super) fn strings(rows: &[Record<Row>]) -> Vec<Check> {
    let figure = "arXiv:2308.08998, Figure 4";
    let numbers: BTreeSet<usize> = rows.iter().filter_map(|r| r.candidates).collect();
    let helps = |policy: &'static str| {
        let check = move |n: &usize| {
            Check::new(
                if policy == "product" { Kind::Claim } else { Kind::Theory },
                &format!("second_grow_{policy}_{n}"),
                format!("the second Grow helps a {policy} policy with {n} candidates per context"),
                format!("{figure}; criterion ours"),
                "gain of V by the second Grow over its standard error, smallest over the three tasks",
                least_standard_errors(rows, policy, *n),
                Criterion::AtLeast(3.0),
            )
        };
        numbers.iter().map(check).collect::<Vec<_>>()
    };
    let population =
        |policy: &'static str| tasks(rows).into_iter().map(|t| gains(rows, policy, None, t)).collect::<Vec<_>>();
    let fewest = numbers.first().copied();
    let size = |candidates: Option<usize>| {
        let all: Vec<Vec<f64>> = tasks(rows).into_iter().map(|t| gains(rows, "product", candidates, t)).collect();
        let seeds = all.iter().map(Vec::len).min().unwrap_or(0);
        (0..seeds).map(|s| mean(&all.iter().map(|t| t[s]).collect::<Vec<_>>())).collect::<Vec<_>>()
    };
    // one number of candidates has nothing to be compared with
    let fewer: Vec<f64> = match numbers.len() {
        0 | 1 => Vec::new(),
        _ => size(fewest).iter().zip(size(numbers.last().copied())).map(|(few, many)| few - many).collect(),
    };
    [
        helps("product"),
        helps("tabular"),
        vec![
            Check::new(
                Kind::Theory,
                "few_samples",
                "the fewer candidates there are, the more a second Grow adds",
                "our question",
                "gain with the fewest less gain with the most candidates, product policy, mean over tasks",
                mean_interval(&fewer),
                Criterion::AtLeast(0.0),
            ),
            Check::new(
                Kind::Theory,
                "narrow_class",
                "a product policy gains without sampling error too",
                "derived: what passes cannot be said, so the next Grow differs",
                "smallest gain over tasks and seeds",
                smallest(population("product").into_iter().flatten()),
                Criterion::AtLeast(1e-6),
            ),
            Check::new(
                Kind::Control,
                "no_op",
                "a tabular policy without sampling error gains nothing",
                "control; derived",
                "largest |gain| over tasks and seeds",
                largest(population("tabular").into_iter().flatten().map(f64::abs)),
                Criterion::AtMost(1e-9),
            ),
        ],
    ]
    .concat()
}

/// Of rows of the translation world.
pub(super) fn translation(rows: &[Record<Row>]) -> Vec<Check> {
    let of_set = |set: &str| {
        let candidates = rows.iter().find(|r| r.task == set).and_then(|r| r.candidates);
        let again = gains(rows, "transformer_again", candidates, set);
        let gains = gains(rows, "transformer", candidates, set);
        let more: Vec<f64> = gains.iter().zip(&again).map(|(fresh, again)| fresh - again).collect();
        [
            Check::new(
                Kind::Claim,
                &format!("second_grow_{set}"),
                format!("the second Grow helps a transformer on {set}"),
                "arXiv:2308.08998, Figure 4; criterion ours",
                "gain of the mean test reward by the second Grow over its standard error",
                standard_errors(&gains),
                Criterion::AtLeast(3.0),
            ),
            Check::new(
                Kind::Control,
                &format!("fresh_{set}"),
                format!("as many Improve steps again on the first Grow's data add less than the second Grow on {set}"),
                "control",
                "gain of the mean test reward by the second Grow less that by a second chain on the first one's data",
                mean_interval(&more),
                Criterion::AtLeast(0.0),
            ),
        ]
    };
    ["talks", "news", "web"].into_iter().flat_map(of_set).collect()
}
