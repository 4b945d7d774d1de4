//! How few draws after `ReST` are worth two hundred before.

use super::Row;
use crate::statistics::{by_seed, smallest};
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{Estimate, mean, mean_interval};

fn of<'a>(rows: &'a [Record<Row>], policy: &'a str, filter: &'a str) -> impl Iterator<Item = &'a Record<Row>> {
    rows.iter().filter(move |r| r.policy == policy && r.filter == filter)
}

/// The reward at N of a policy of the loop, in rows of one task and seed.
fn at(rows: &[&Record<Row>], grow: usize, improve: usize, n: u32) -> f64 {
    let found = rows.iter().find(|r| (r.grow, r.improve, r.n) == (grow, improve, n));
    found.map_or(f64::NAN, |r| r.reward)
}

/// A statistic of each cell's rows, mean over tasks for each seed.
fn over_tasks(
    rows: &[Record<Row>],
    policy: &str,
    filter: &str,
    statistic: impl Fn(&[&Record<Row>]) -> f64,
) -> Vec<f64> {
    by_seed(of(rows, policy, filter), |g| {
        let mut tasks: Vec<&str> = g.iter().map(|r| &*r.task).collect();
        tasks.sort_unstable();
        tasks.dedup();
        let of_task = |task: &&str| g.iter().copied().filter(|r| r.task == *task).collect::<Vec<_>>();
        mean(&tasks.iter().map(|task| statistic(&of_task(task))).collect::<Vec<_>>())
    })
}

/// The best reward of any `ReST` policy with at most nine draws, less BC's with 200.
fn few_less_many(rows: &[&Record<Row>]) -> f64 {
    let few = rows.iter().filter(|r| r.grow > 0 && r.n < 10).map(|r| r.reward);
    few.fold(f64::NEG_INFINITY, f64::max) - at(rows, 0, 0, 200)
}

/// Of rows of the strings world.
pub(super) fn strings(rows: &[Record<Row>]) -> Vec<Check> {
    [claims(rows), controls(rows)].concat()
}

fn claims(rows: &[Record<Row>]) -> Vec<Check> {
    let figure = "arXiv:2308.08998, Figure 6";
    let stacks = |policy: &'static str| {
        Check::new(
            Kind::Claim,
            &format!("few_are_worth_many_{policy}"),
            format!("the best ReST policy with N < 10 is at least as good as BC with N = 200 ({policy} policy)"),
            figure,
            "largest reward of best-of-N over ReST policies and N < 10, less that of BC at N = 200; mean over tasks",
            mean_interval(&over_tasks(rows, policy, "reward", few_less_many)),
            Criterion::AtLeast(0.0),
        )
    };
    // the last Improve of the first Grow
    let last = rows.iter().filter(|r| r.grow == 1).map(|r| r.improve).max().unwrap_or(0);
    let third = last.min(3);
    vec![
        stacks("product"),
        stacks("tabular"),
        Check::new(
            Kind::Claim,
            "helps_rest",
            "best-of-N improves ReST's policies too",
            format!("{figure}; criterion ours"),
            "reward at N = 9 less at N = 1 after the first Grow's first Improve, mean over tasks, product policy",
            mean_interval(&over_tasks(rows, "product", "reward", |g| at(g, 1, 1, 9) - at(g, 1, 1, 1))),
            Criterion::AtLeast(0.02),
        ),
        Check::new(
            Kind::Claim,
            "reaches_the_top",
            "after three Improve steps N = 200 reaches the largest reward, 1",
            format!("{figure}; tolerance ours"),
            "reward at N = 200 after the first Grow's third Improve, mean over tasks, product policy",
            mean_interval(&over_tasks(rows, "product", "reward", |g| at(g, 1, third, 200))),
            Criterion::AtLeast(0.99),
        ),
        Check::new(
            Kind::Theory,
            "never_falls",
            "no policy gets worse with more draws",
            "derived",
            "smallest rise from one N to the next",
            smallest(rows.iter().filter_map(|r| {
                let same = |o: &&Record<Row>| {
                    (o.seed, &o.cell, o.grow, o.improve) == (r.seed, &r.cell, r.grow, r.improve) && o.n > r.n
                };
                rows.iter().filter(same).min_by_key(|o| o.n).map(|o| o.reward - r.reward)
            })),
            Criterion::AtLeast(-1e-12),
        ),
    ]
}

fn controls(rows: &[Record<Row>]) -> Vec<Check> {
    let scores: Vec<f64> = rows
        .iter()
        .filter_map(|r| Some((r.sampled_less_exact?, r.standard_error?)))
        // a policy that says one thing has no spread; then both are the same to rounding
        .filter(|(difference, error)| *error > 1e-6 || difference.abs() > 1e-6)
        .map(|(difference, error)| difference / error)
        .collect();
    let count = scores.len() as f64;
    let together = scores.iter().sum::<f64>() / count.sqrt();
    // of squares of standard normals the sum has mean n and variance 2n
    let spread = (scores.iter().map(|z| z * z).sum::<f64>() - count) / (2.0 * count).sqrt();
    vec![
        Check::new(
            Kind::Control,
            "sampled",
            "draws of N strings have the mean that the order statistics give",
            "control: the sampler against the formula",
            "|z| of all differences together, each in its exact standard error",
            Estimate::exact(together.abs(), scores.len()),
            Criterion::AtMost(3.0),
        ),
        Check::new(
            Kind::Control,
            "sampled_spread",
            "and differ from it by no more than chance",
            "control: the sampler against the formula",
            "Σz² of all differences less its mean, in its standard deviation √(2n)",
            Estimate::exact(spread, scores.len()),
            Criterion::AtMost(3.0),
        ),
        Check::new(
            Kind::Control,
            "shuffled",
            "after a loop on rewards that are permuted no N < 10 comes near BC's 200",
            "control",
            "the same as in the claim, thresholds on shuffled rewards, product policy",
            mean_interval(&over_tasks(rows, "product", "shuffled", few_less_many)),
            Criterion::AtMost(-0.02),
        ),
    ]
}

/// Of rows of the translation world.
pub(super) fn translation(rows: &[Record<Row>]) -> Vec<Check> {
    let figure = "arXiv:2308.08998, Figure 6";
    let rest = || rows.iter().filter(|r| r.grow == 0 || r.improve > 0);
    let unfiltered = || rows.iter().filter(|r| r.grow == 0 || (r.grow, r.improve) == (1, 0));
    let last = rows.iter().filter(|r| r.grow == 1).map(|r| r.improve).max().unwrap_or(0);
    let claim = |id: &str, statement: &str, source: String, statistic: &str, values: Vec<f64>, criterion: Criterion| {
        Check::new(Kind::Claim, id, statement, source, statistic, mean_interval(&values), criterion)
    };
    vec![
        claim(
            "few_are_worth_many_news",
            "the best ReST policy with N < 10 is at least as good as BC with N = 200 (transformer)",
            figure.into(),
            "largest reward of best-of-N over ReST policies and N < 10, less that of BC at N = 200",
            by_seed(rest(), few_less_many),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "helps_rest_news",
            "best-of-N improves ReST's policies too (transformer)",
            format!("{figure}; criterion ours"),
            "reward at N = 9 less at N = 1 after the first Grow's last Improve",
            by_seed(rest(), |g| at(g, 1, last, 9) - at(g, 1, last, 1)),
            Criterion::AtLeast(0.02),
        ),
        claim(
            "reaches_the_top_news",
            "after three Improve steps N = 200 reaches the largest reward, 1 (transformer)",
            format!("{figure}; tolerance ours"),
            "reward at N = 200 after the first Grow's third Improve",
            by_seed(rest(), |g| at(g, 1, last.min(3), 200)),
            Criterion::AtLeast(0.99),
        ),
        Check::new(
            Kind::Control,
            "unfiltered_news",
            "after training on everything that Grow holds no N < 10 comes near BC's 200",
            "control",
            "the same as in the claim, of the first Grow's I = 0",
            mean_interval(&by_seed(unfiltered(), few_less_many)),
            Criterion::AtMost(-0.02),
        ),
    ]
}
