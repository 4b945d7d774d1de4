//! How much the score matters, and what it does to length.

use super::Row;
use crate::statistics::{by_seed, largest, least, standard_errors};
use rewardlab::experiment::{Check, Criterion, Kind, PaperNumber, Record};
use rewardlab::stats::{fit_line, mean_interval};

const TABLE: &str = "arXiv:2305.20050, Table 4";
/// The table's four scores.
const FOUR: [(&str, &str); 4] =
    [("product", "positive"), ("product", "negative"), ("minimum", "positive"), ("minimum", "negative")];

/// Rows of a part.
fn of<'a>(rows: &'a [Record<Row>], part: &'a str) -> impl Iterator<Item = &'a Record<Row>> {
    rows.iter().filter(move |r| r.part == part)
}

/// Solved by a score at N, in rows of one seed and part.
fn solved(rows: &[&Record<Row>], (score, neutral): (&str, &str), n: u32) -> f64 {
    let found = rows.iter().find(|r| r.score == score && r.neutral == neutral && r.n == n);
    found.and_then(|r| r.solved).unwrap_or(f64::NAN)
}

fn spread(values: impl IntoIterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.into_iter().collect();
    largest(values.iter().copied()).value + largest(values.iter().map(|v| -v)).value
}

/// The slope of the mean score on length, in rows of one seed.
fn slope(rows: &[&Record<Row>], score: &str) -> f64 {
    let (x, y): (Vec<f64>, Vec<f64>) =
        rows.iter().filter(|r| r.score == score).filter_map(|r| Some((f64::from(r.n), r.value?))).unzip();
    fit_line(&x, &y).slope.value
}

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    [choices(rows), lengths(rows)].concat()
}

fn choices(rows: &[Record<Row>]) -> Vec<Check> {
    let last = of(rows, "chains").map(|r| r.n).max().unwrap_or(0);
    let spread_of = by_seed(of(rows, "chains"), |g| spread(FOUR.map(|kind| solved(g, kind, last))));
    let others =
        FOUR[1..].iter().map(|kind| by_seed(of(rows, "chains"), |g| solved(g, FOUR[0], last) - solved(g, *kind, last)));
    let worst = least(others.map(|less| standard_errors(&less)));
    let no_neutral = by_seed(of(rows, "no_neutral"), |g| {
        let apart = |score: &str| (solved(g, (score, "positive"), last) - solved(g, (score, "negative"), last)).abs();
        apart("product").max(apart("minimum"))
    });
    vec![
        Check::new(
            Kind::Claim,
            "all_about_alike",
            "product or minimum, neutral as positive or negative: all four solve about the same",
            TABLE,
            format!("share solved at N = {last}: highest less lowest of the four scores"),
            mean_interval(&spread_of),
            Criterion::AtMost(0.02),
        )
        .paper(PaperNumber::SecondHand(0.008)),
        Check::new(
            Kind::Claim,
            "product_with_positive_no_worse",
            "the product with neutral as positive solves no less than the other three",
            TABLE,
            format!(
                "share solved at N = {last}: product with neutral as positive less another score, in standard errors over seeds: the smallest \
                 of the three"
            ),
            worst,
            Criterion::AtLeast(-1.0),
        ),
        Check::new(
            Kind::Control,
            "without_neutral_steps",
            "where no step is neutral both readings choose alike",
            "control: a world without neutral steps",
            format!(
                "|difference of shares solved| at N = {last}, the larger of product and minimum: the largest over seeds"
            ),
            largest(no_neutral),
            Criterion::AtMost(0.002),
        ),
    ]
}

fn lengths(rows: &[Record<Row>]) -> Vec<Check> {
    let last = of(rows, "chains").map(|r| r.n).max().unwrap_or(0);
    let longer = |score: &'static str| {
        by_seed(of(rows, "chains").filter(move |r| (&*r.score, &*r.neutral, r.n) == (score, "positive", last)), |g| {
            g.first().and_then(|r| r.longer).unwrap_or(f64::NAN)
        })
    };
    let derived = |score: &'static str| of(rows, "derived").filter(move |r| r.score == score);
    let rises = derived("product").filter_map(|r| {
        let next = derived("product").find(|o| (o.seed, o.step_rate, o.n) == (r.seed, r.step_rate, r.n + 1))?;
        Some(next.value? - r.value?)
    });
    let apart = ["minimum", "geometric_mean"].into_iter().flat_map(|score| {
        derived(score).map(|r| (r.value.unwrap_or(f64::NAN) - r.step_rate.unwrap_or(f64::NAN).ln()).abs())
    });
    let relative = by_seed(of(rows, "valid"), |g| slope(g, "geometric_mean") / slope(g, "product"));
    vec![
        Check::new(
            Kind::Theory,
            "product_falls_with_length",
            "with equal steps the product falls with every step",
            "derived: L ln p",
            "rise of the score from L to L + 1: the largest over p and L",
            largest(rises),
            Criterion::AtMost(-1e-3),
        ),
        Check::new(
            Kind::Theory,
            "others_do_not",
            "minimum and geometric mean do not depend on length",
            "derived: ln p at every length",
            "|score less ln p|: the largest over p and L",
            largest(apart),
            Criterion::AtMost(1e-12),
        ),
        Check::new(
            Kind::Claim,
            "product_chooses_shorter",
            "the product slightly penalises length",
            format!("{TABLE}; criterion ours"),
            format!(
                "steps of the chosen solution at N = {last} less the mean of the problem's candidates: product, neutral as positive"
            ),
            mean_interval(&longer("product")),
            Criterion::AtMost(0.0),
        ),
        Check::new(
            Kind::Theory,
            "learned_geometric_mean_does_not_fall",
            "of solutions without a wrong step the learned product falls with length, the geometric mean hardly",
            "derived; criterion ours",
            "slope of the mean score on the number of steps: geometric mean over product",
            mean_interval(&relative),
            Criterion::Within(-0.1, 0.1),
        ),
    ]
}
