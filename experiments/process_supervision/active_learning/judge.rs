//! Slopes against the logarithm of data, their ratio, and controls.

use super::Row;
use crate::statistics::{by_seed, for_each_group};
use rewardlab::experiment::{Check, Criterion, Kind, PaperNumber, Record};
use rewardlab::stats::{Estimate, fit_line, mean, mean_interval, paired_difference, ratio};

fn of<'a>(rows: &'a [Record<Row>], choice: &'a str) -> impl Iterator<Item = &'a Record<Row>> {
    rows.iter().filter(move |r| r.choice == choice)
}

/// The slope of the share solved on ln N.
pub(super) fn slope(rows: &[&Record<Row>]) -> f64 {
    let x: Vec<f64> = rows.iter().map(|r| (r.per_problem as f64).ln()).collect();
    fit_line(&x, &rows.iter().map(|r| r.solved).collect::<Vec<_>>()).slope.value
}

fn level(rows: &[&Record<Row>]) -> f64 {
    mean(&rows.iter().map(|r| r.solved).collect::<Vec<_>>())
}

/// How much more one choice solves than another, mean over N, per seed.
fn lead(rows: &[Record<Row>], a: &str, b: &str) -> Estimate {
    paired_difference(&by_seed(of(rows, a), level), &by_seed(of(rows, b), level))
}

/// ln of the factor by which uniform data would have to grow for the same mean share.
fn shift(rows: &[Record<Row>], choice: &str) -> Vec<f64> {
    let slopes = by_seed(of(rows, "uniform"), slope);
    let common = mean(&slopes);
    let pairs = by_seed(of(rows, choice), level).into_iter().zip(by_seed(of(rows, "uniform"), level));
    pairs.map(|(a, b)| (a - b) / common).collect()
}

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    let groups: [(&str, &str, fn(&Row) -> bool); 2] = [
        ("blank_", "Models without beliefs: ", |r| r.sight == "blank"),
        ("beliefs_", "Models with the generator's beliefs: ", |r| r.sight == "beliefs"),
    ];
    for_each_group(rows, &groups, of_sight)
}

fn of_sight(rows: &[Record<Row>]) -> Vec<Check> {
    let uniform = by_seed(of(rows, "uniform"), slope);
    let slopes = |choice: &str| ratio(&by_seed(of(rows, choice), slope), &uniform);
    let factor = |choice: &str| {
        let Estimate { value, low, high, n, method } = mean_interval(&shift(rows, choice));
        Estimate { value: value.exp(), low: low.exp(), high: high.exp(), n, method }
    };
    // how much a model changes from one N to the next, up and down
    let wander = |choice: &str| {
        by_seed(of(rows, choice), |g| g.windows(2).map(|w| (w[1].solved - w[0].solved).min(0.0)).sum::<f64>())
    };
    vec![
        Check::new(
            Kind::Claim,
            "slope_ratio",
            "the line against the logarithm of data is steeper where convincing wrong answers are labelled",
            "arXiv:2305.20050, Section 4.2, reported second-hand",
            "slope of the share solved on ln N, active over uniform: ratio of means over seeds",
            slopes("active"),
            Criterion::AtLeast(1.5),
        )
        .paper(PaperNumber::SecondHand(2.6)),
        Check::new(
            Kind::Claim,
            "more_solved",
            "from as many labelled solutions a better model is learned",
            "arXiv:2305.20050, Figure 4a, reported second-hand",
            "share solved, active less uniform, mean over N",
            lead(rows, "active", "uniform"),
            Criterion::AtLeast(0.0),
        ),
        Check::new(
            Kind::Claim,
            "retraining_gains_nothing",
            "a selector that is retrained each round is no better",
            "arXiv:2305.20050, Section 4.2, reported second-hand",
            "share solved, retrained less active, mean over N",
            lead(rows, "retrained", "active"),
            Criterion::AtMost(0.01),
        ),
        Check::new(
            Kind::Claim,
            "retraining_unstable",
            "and unstable: its model becomes worse now and then as data are added",
            "arXiv:2305.20050, Section 4.2, reported second-hand; statistic ours",
            "sum of all falls of the share solved from one N to the next, retrained less active",
            paired_difference(&wander("retrained"), &wander("active")),
            Criterion::AtMost(-0.01),
        ),
        Check::new(
            Kind::Theory,
            "data_factor",
            "uniform data would have to be 2.6 times as many for the same share",
            "arXiv:2305.20050, Section 4.2, reported second-hand; read as a shift instead of a slope",
            "exp of (mean lead over the slope of uniform data on ln N)",
            factor("active"),
            Criterion::AtLeast(1.5),
        )
        .paper(PaperNumber::SecondHand(2.6)),
        Check::new(
            Kind::Control,
            "random_wrong",
            "wrong answers that convince nobody: as many of them, chosen at random, are worth less",
            "control",
            "share solved, active less random wrong answers, mean over N",
            lead(rows, "active", "random_wrong"),
            Criterion::AtLeast(0.0),
        ),
        Check::new(
            Kind::Control,
            "ignorant",
            "a selector that knows nothing is no better than random wrong answers",
            "control",
            "share solved, selector with labels dealt anew less random wrong answers, mean over N",
            lead(rows, "ignorant", "random_wrong"),
            Criterion::AtMost(0.01),
        ),
    ]
}
