//! Who solves more, and how the gap goes with N.

use super::Row;
use crate::statistics::{by_seed, largest, largest_z, least};
use rewardlab::experiment::{Check, Criterion, Kind, PaperNumber, Record};
use rewardlab::stats::{Estimate, mean, mean_interval};
use std::collections::BTreeSet;

const FIGURE: &str = "arXiv:2305.20050, Figure 3";

fn of<'a>(rows: &'a [Record<Row>], world: &'a str) -> impl Iterator<Item = &'a Record<Row>> {
    rows.iter().filter(move |r| r.world == world)
}

/// Solved by a method at N, in rows of one seed.
fn at(rows: &[&Record<Row>], method: &str, n: u32) -> f64 {
    rows.iter().find(|r| r.method == method && r.n == n).map_or(f64::NAN, |r| r.solved)
}

fn numbers(rows: &[Record<Row>], world: &str) -> Vec<u32> {
    of(rows, world).map(|r| r.n).collect::<BTreeSet<_>>().into_iter().collect()
}

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    [claims(rows), priors(rows), theory(rows), controls(rows), vec![random(rows)]].concat()
}

fn claims(rows: &[Record<Row>]) -> Vec<Check> {
    let draws = numbers(rows, "chains");
    let (first, last) = (draws.first().copied().unwrap_or(0), draws.last().copied().unwrap_or(0));
    let less = |a: &str, b: &str, n: u32| by_seed(of(rows, "chains"), |g| at(g, a, n) - at(g, b, n));
    let claim = |id: &str, statement: &str, source: &str, statistic: String, estimate: Estimate, criterion| {
        Check::new(Kind::Claim, id, statement, source, statistic, estimate, criterion)
    };
    let gap = |a: &str, b: &str| mean_interval(&less(a, b, last));
    let grows = by_seed(of(rows, "chains"), |g| {
        let gap = |n| at(g, "process", n) - at(g, "outcome", n);
        gap(last) - gap(first)
    });
    vec![
        claim(
            "process_beats_outcome",
            "the process model solves more than the outcome model of the same solutions",
            FIGURE,
            format!("share solved at N = {last}: process less outcome"),
            gap("process", "outcome"),
            Criterion::AtLeast(0.0),
        )
        .paper(PaperNumber::SecondHand(0.058)),
        claim(
            "outcome_beats_majority",
            "the outcome model solves more than majority voting",
            FIGURE,
            format!("share solved at N = {last}: outcome less majority"),
            gap("outcome", "majority"),
            Criterion::AtLeast(0.0),
        )
        .paper(PaperNumber::SecondHand(0.028)),
        claim(
            "gap_grows",
            "the gap between process and outcome model grows with N",
            FIGURE,
            format!("process less outcome at N = {last}, less the same at N = {first}"),
            mean_interval(&grows),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "process_above_at_every_n",
            "the process model is above the outcome model at every N",
            FIGURE,
            "process less outcome, paired by seed: the smallest mean over N".into(),
            least(draws.iter().map(|n| mean_interval(&less("process", "outcome", *n)))),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "weighting_votes_gains_nothing",
            "voting weighted by the process model is not noticeably better than its best-of-N",
            "arXiv:2305.20050, Figure 3; criterion ours",
            format!("share solved at N = {last}: vote weighted by the process model less its best-of-N"),
            gap("process_vote", "process"),
            Criterion::AtMost(0.01),
        ),
        claim(
            "process_beats_linear_outcome",
            "the process model solves more than the usual outcome model of the same solutions",
            FIGURE,
            format!("share solved at N = {last}: process less linear outcome model"),
            gap("process", "linear"),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "process_beats_outcome_with_more",
            "the process model solves more than the outcome model with ten times its solutions (the paper's protocol)",
            FIGURE,
            format!("share solved at N = {last}: process less outcome model with more solutions"),
            gap("process", "outcome_many"),
            Criterion::AtLeast(0.0),
        )
        .paper(PaperNumber::SecondHand(0.058)),
    ]
}

/// What the strength of the prior changes.
fn priors(rows: &[Record<Row>]) -> Vec<Check> {
    let precisions = || {
        let mut all: Vec<f64> = of(rows, "priors").filter_map(|r| r.precision).collect();
        all.sort_by(f64::total_cmp);
        all.dedup();
        all
    };
    let lead = |precision: f64, other: &str| {
        let own = of(rows, "priors").filter(|r| r.precision == Some(precision));
        mean_interval(&by_seed(own, |g| {
            let solved = |method: &str| g.iter().find(|r| r.method == method).map_or(f64::NAN, |r| r.solved);
            solved("process") - solved(other)
        }))
    };
    let smallest_lead = |other: &str| least(precisions().into_iter().map(|precision| lead(precision, other)));
    [("outcome", "of the same solutions"), ("outcome_many", "of ten times its solutions")]
        .map(|(other, words)| {
            Check::new(
                Kind::Claim,
                &format!("{other}_at_every_prior"),
                format!("the lead over the outcome model {words} does not hang on the strength of the prior"),
                "ours: what else could make the difference",
                "process less outcome at the largest N, at the precision at which this is smallest",
                smallest_lead(other),
                Criterion::AtLeast(0.0),
            )
        })
        .into()
}

/// Choosing without knowledge.
fn random(rows: &[Record<Row>]) -> Check {
    let differs = |n: u32| {
        mean_interval(&by_seed(of(rows, "chains"), |g| {
            let pass = g.iter().find_map(|r| r.pass_rate).unwrap_or(f64::NAN);
            at(g, "random", n) - pass
        }))
    };
    let all = numbers(rows, "chains").into_iter().map(differs);
    Check::new(
        Kind::Control,
        "random",
        "the best of N by scores at random is as good as a single solution",
        "control",
        "share solved less the generator's pass rate, at the N at which they differ most",
        all.max_by(|a, b| a.value.abs().total_cmp(&b.value.abs())).unwrap_or_else(|| mean_interval(&[])),
        Criterion::near(0.0, 0.03),
    )
}

fn theory(rows: &[Record<Row>]) -> Vec<Check> {
    let last = numbers(rows, "chains").last().copied().unwrap_or(0);
    let majority = || of(rows, "chains").filter(move |r| r.method == "majority" && r.n == last);
    let modal = |r: &Record<Row>| r.modal.unwrap_or(f64::NAN);
    vec![
        Check::new(
            Kind::Theory,
            "majority_saturates",
            "majority voting ends where the most frequent answer is right",
            "derived; dynamic programming",
            format!(
                "|share solved by majority at N = {last} less the share of problems with a right modal answer|, mean over seeds"
            ),
            mean_interval(&by_seed(majority(), |g| g.first().map_or(f64::NAN, |r| (r.solved - modal(r)).abs()))),
            Criterion::AtMost(0.03),
        ),
        Check::new(
            Kind::Theory,
            "majority_saturates_below_one",
            "some problems' most frequent answer is wrong",
            "derived; dynamic programming",
            "share of problems with a right modal answer, the largest over seeds",
            largest(majority().map(modal)),
            Criterion::AtMost(0.9),
        ),
    ]
}

fn controls(rows: &[Record<Row>]) -> Vec<Check> {
    let last = numbers(rows, "chains").last().copied().unwrap_or(0);
    let together = |world: &str| {
        let z: Vec<f64> = of(rows, world).filter_map(|r| r.z).collect();
        // one number per curve: those of one seed and method are of the same draws
        let mut by_curve = std::collections::BTreeMap::<(u64, &str), Vec<f64>>::new();
        of(rows, world).filter_map(|r| Some((r, r.z?))).for_each(|(r, z)| {
            by_curve.entry((r.seed, &r.method)).or_default().push(z);
        });
        let means: Vec<f64> = by_curve.values().map(|z| mean(z)).collect();
        Estimate::exact(means.iter().sum::<f64>().abs() / (means.len() as f64).sqrt(), z.len())
    };
    // each difference by itself: an error at one N is not averaged away
    let farthest = |world: &str| {
        let z: Vec<f64> = of(rows, world).filter_map(|r| r.z).collect();
        (largest(z.iter().map(|z| z.abs())), Criterion::AtMost(largest_z(z.len())))
    };
    let each = |id: &str, statement: &str, world: &str| {
        let (estimate, criterion) = farthest(world);
        let statistic =
            "largest |z| over all differences, each in its standard error; criterion: Bonferroni at level 0.01";
        Check::new(Kind::Control, id, statement, "control: sampled against exact", statistic, estimate, criterion)
    };
    let one_step = |n: u32| {
        by_seed(of(rows, "one_step").filter(move |r| r.n == n), |g| (at(g, "process", n) - at(g, "outcome", n)).abs())
    };
    let shuffled = by_seed(of(rows, "chains"), |g| {
        let pass = g.iter().find_map(|r| r.pass_rate).unwrap_or(f64::NAN);
        at(g, "shuffled", last) - pass
    });
    vec![
        Check::new(
            Kind::Control,
            "one_step",
            "where solutions are single steps both kinds of labels make the same model",
            "control: problems of one operation",
            "largest |process less outcome| over N and seeds",
            largest(numbers(rows, "one_step").into_iter().flat_map(one_step)),
            Criterion::AtMost(0.002),
        ),
        Check::new(
            Kind::Control,
            "shuffled",
            "a process model whose labels were dealt anew chooses as a single solution is",
            "control; criterion ours: one-sided after a pilot had shown harm, two-sided again after a referee",
            format!("share solved at N = {last} less the generator's pass rate"),
            mean_interval(&shuffled),
            Criterion::near(0.0, 0.05),
        ),
        Check::new(
            Kind::Control,
            "draws_against_all_subsets",
            "random draws have the mean over all subsets",
            "control: sampled against exact",
            "mean z of each curve of draws (process and outcome model, each seed), all together: |sum| / √curves",
            together("chains"),
            Criterion::AtMost(3.0),
        ),
        each("every_draw_against_all_subsets", "and at no N are farther from it than chance brings them", "chains"),
        Check::new(
            Kind::Control,
            "pools_against_enumeration",
            "pools of small problems have the mean that the enumerated law of the best of N gives",
            "control: sampled against exact",
            "mean z of each seed's N, all together: |sum| / √seeds",
            together("enumerated"),
            Criterion::AtMost(3.0),
        ),
        each("every_pool_against_enumeration", "and at no N are farther from it than chance brings them", "enumerated"),
    ]
}
