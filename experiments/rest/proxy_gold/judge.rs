//! Claims about what was paid and what it stands for.

use super::Row;
use crate::statistics::by_seed;
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{Estimate, kendall, mean, mean_interval, spearman};
use std::collections::BTreeSet;

/// The mean over a world's tasks of a statistic of each seed's run.
fn per_seed(rows: &[&Record<Row>], statistic: impl Fn(&[&Record<Row>]) -> f64) -> Estimate {
    let units = by_seed(rows.iter().copied(), |of_seed| {
        let tasks: BTreeSet<&str> = of_seed.iter().map(|r| &*r.task).collect();
        let of_task = |task: &str| {
            let own: Vec<&Record<Row>> = of_seed.iter().copied().filter(|r| r.task == task).collect();
            statistic(&own)
        };
        mean(&tasks.into_iter().map(of_task).collect::<Vec<_>>())
    });
    mean_interval(&units)
}

/// The last policy of a Grow step.
fn last<'a>(run: &[&'a Record<Row>], grow: usize) -> Option<&'a Record<Row>> {
    run.iter().copied().filter(|r| r.grow == grow).max_by_key(|r| r.improve)
}

fn grows(run: &[&Record<Row>]) -> usize {
    run.iter().map(|r| r.grow).max().unwrap_or(0)
}

/// The smallest rise from the last policy of one Grow to that of the next.
fn least_rise(run: &[&Record<Row>], of: fn(&Row) -> f64) -> f64 {
    let at = |g: usize| last(run, g).map_or(f64::NAN, |r| of(r));
    let rise = |g: usize| at(g + 1) - at(g);
    (0..grows(run)).map(rise).fold(f64::INFINITY, f64::min)
}

/// Per seed the share of repeats after the last Grow, mean over tasks.
fn repeats(rows: &[&Record<Row>]) -> Vec<f64> {
    by_seed(rows.iter().copied(), |of_seed| {
        let tasks: BTreeSet<&str> = of_seed.iter().map(|r| &*r.task).collect();
        let of_task = |task: &str| {
            let own: Vec<&Record<Row>> = of_seed.iter().copied().filter(|r| r.task == task).collect();
            last(&own, grows(&own)).map_or(f64::NAN, |r| r.repeats)
        };
        mean(&tasks.into_iter().map(of_task).collect::<Vec<_>>())
    })
}

/// Filtered policies.
fn improved<'a>(run: &[&'a Record<Row>]) -> impl Iterator<Item = &'a Record<Row>> {
    run.iter().copied().filter(|r| r.grow > 0 && r.improve > 0).collect::<Vec<_>>().into_iter()
}

fn gold_of(run: &[&Record<Row>], grow: usize, improve: usize) -> f64 {
    run.iter().find(|r| (r.grow, r.improve) == (grow, improve)).map_or(f64::NAN, |r| r.gold)
}

pub(super) fn check(rows: &[Record<Row>]) -> Vec<Check> {
    let figure = "arXiv:2308.08998, Figure 7";
    let worlds = [("strings", "a product policy's"), ("translation", "a transformer's")];
    let mut checks = Vec::new();
    for (world, whose) in worlds {
        for (proxy, words) in [
            ("few", "a reward learned from few ratings"),
            ("many", "a reward learned from many ratings"),
            ("bug", "a reward with the bug"),
        ] {
            let own: Vec<&Record<Row>> = rows.iter().filter(|r| r.world == world && r.proxy == proxy).collect();
            let id = |name: &str| format!("{name}_{world}_{proxy}");
            checks.push(Check::new(
                Kind::Claim,
                &id("paid_rises"),
                format!("{words} rises with every Grow, {whose}"),
                format!("{figure}; criterion ours"),
                "smallest rise of the paid reward from the last policy of a Grow to the next one's, mean over seeds",
                per_seed(&own, |run| least_rise(run, |r| r.paid)),
                Criterion::AtLeast(0.0),
            ));
            checks.push(Check::new(
                Kind::Claim,
                &id("one_grow_is_best"),
                format!("paid by {words}, {whose} true reward is highest behind the first Grow"),
                format!("{figure} (people); criterion from the facts' table"),
                "largest true reward of a filtered policy behind later Grows less that behind the first, mean over seeds",
                per_seed(&own, |run| {
                    let best = |later: bool| {
                        let own = improved(run).filter(|r| (r.grow > 1) == later).map(|r| r.gold);
                        own.fold(f64::NAN, f64::max)
                    };
                    best(true) - best(false)
                }),
                Criterion::AtMost(0.0),
            ));
            checks.push(Check::new(
                Kind::Claim,
                &id("orders_differ"),
                format!("{words} and the true one put {whose} variants in different orders"),
                figure,
                "Kendall's τ of paid and true reward over all filtered policies of a run, mean over seeds (a weak demand: one exchange is enough)",
                per_seed(&own, |run| {
                    let (paid, gold): (Vec<f64>, Vec<f64>) = improved(run).map(|r| (r.paid, r.gold)).unzip();
                    kendall(&paid, &gold)
                }),
                Criterion::AtMost(0.99),
            ));
            checks.push(Check::new(
                Kind::Claim,
                &id("above_supervised"),
                format!("paid by {words}, every variant beats the supervised model, {whose}"),
                figure,
                "smallest true reward of a filtered policy less the supervised one's, mean over seeds",
                per_seed(&own, |run| improved(run).map(|r| r.gold).fold(f64::INFINITY, f64::min) - gold_of(run, 0, 0)),
                Criterion::AtLeast(0.0),
            ));
            checks.push(Check::new(
                Kind::Theory,
                &id("kl_predicts_gap"),
                format!("the farther {whose} policy is from the supervised one, the more {words} overrates it"),
                "facts' row R-F7; our criterion",
                "Spearman's correlation of KL with paid less true reward over a run's policies, mean over seeds",
                per_seed(&own, |run| {
                    let (kl, gap): (Vec<f64>, Vec<f64>) = run.iter().map(|r| (r.kl, r.paid - r.gold)).unzip();
                    spearman(&kl, &gap)
                }),
                Criterion::AtLeast(0.5),
            ));
        }
        let of = |proxy: &str| rows.iter().filter(|r| r.world == world && r.proxy == proxy).collect::<Vec<_>>();
        let (with, without) = (repeats(&of("bug")), repeats(&of("many")));
        let more: Vec<f64> = with.iter().zip(&without).map(|(a, b)| a - b).collect();
        checks.push(Check::new(
            Kind::Claim,
            &format!("repeats_{world}"),
            format!("the bug is found: {whose} outputs repeat themselves more than without it"),
            "arXiv:2308.08998, the reward model's bug (text); criterion ours",
            "share of repeats after the last Grow with the bug less that without it, mean over seeds",
            mean_interval(&more),
            Criterion::AtLeast(0.0),
        ));
        checks.push(Check::new(
            Kind::Control,
            &format!("truth_{world}"),
            format!("paid by the truth, {whose} true reward does not fall from one Grow to the next"),
            "control",
            "smallest rise of the true reward from the last policy of a Grow to the next one's, mean over seeds",
            per_seed(&of("truth"), |run| least_rise(run, |r| r.gold)),
            Criterion::AtLeast(-0.005),
        ));
    }
    checks
}
