//! The claims on win rates against the chosen completions.

use super::Row;
use crate::statistics::{by_seed, largest};
use rewardlab::experiment::{Check, Criterion, Kind, PaperNumber, Record};
use rewardlab::stats::{mean, mean_interval};

/// A method's win rate at a temperature, of rows of one seed.
fn win(rows: &[&Record<Row>], method: &str, temperature: f64) -> f64 {
    let own = rows.iter().filter(|r| r.method == method && r.temperature.to_bits() == temperature.to_bits());
    mean(&own.map(|r| r.win).collect::<Vec<_>>())
}

/// Its highest at temperatures up to 1.
fn best(rows: &[&Record<Row>], method: &str) -> f64 {
    let own = rows.iter().filter(|r| r.method == method && r.temperature <= 1.0);
    own.map(|r| r.win).fold(f64::NAN, f64::max)
}

/// (share of the steps, win rate) at temperature 1 over training on some data.
fn course(rows: &[&Record<Row>], data: &str) -> Vec<(f64, f64)> {
    let own = rows.iter().filter(|r| r.data.as_deref() == Some(data) && r.temperature.to_bits() == 1.0_f64.to_bits());
    own.filter_map(|r| Some((r.step? as f64 / r.steps? as f64, r.win))).collect()
}

/// The share of the largest gain that is reached by half of the steps.
fn by_half(course: &[(f64, f64)]) -> f64 {
    let Some(start) = course.first().map(|c| c.1) else { return f64::NAN };
    let most = |until: f64| course.iter().filter(|c| c.0 <= until).map(|c| c.1).fold(f64::NAN, f64::max);
    (most(0.5) - start) / (most(1.0) - start)
}

/// How far the end is below the highest.
fn late_drop(course: &[(f64, f64)]) -> f64 {
    let most = course.iter().map(|c| c.1).fold(f64::NAN, f64::max);
    course.last().map_or(f64::NAN, |last| most - last.1)
}

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    [by_temperature(rows), over_training(rows), controls(rows)].concat()
}

fn by_temperature(rows: &[Record<Row>]) -> Vec<Check> {
    let source = "arXiv:2305.18290, Figure 3 (left); criterion ours";
    let claim = |id: &str, statement: &str, statistic: &str, criterion, of: &dyn Fn(&[&Record<Row>]) -> f64| {
        Check::new(Kind::Claim, id, statement, source, statistic, mean_interval(&by_seed(rows, of)), criterion)
    };
    vec![
        claim(
            "dpo_beats_chosen",
            "DPO beats the chosen completions",
            "win rate at temperature 1",
            Criterion::AtLeast(0.5),
            &|g| win(g, "dpo", 1.0),
        )
        .paper(PaperNumber::SecondHand(0.63)),
        claim(
            "dpo_is_best_of_n",
            "DPO is as good as best-of-128",
            "highest win rate over temperatures up to 1, DPO less best-of-N",
            Criterion::Within(-0.05, 0.05),
            &|g| best(g, "dpo") - best(g, "best_of_n"),
        ),
        claim(
            "preferred_is_chosen",
            "Preferred-FT is about as good as what it imitates",
            "win rate at temperature 1",
            Criterion::Within(0.45, 0.55),
            &|g| win(g, "preferred", 1.0),
        ),
        claim(
            "base_is_worse",
            "the base model is worse than the chosen completions",
            "win rate at temperature 1",
            Criterion::AtMost(0.5),
            &|g| win(g, "sft", 1.0),
        ),
    ]
}

fn over_training(rows: &[Record<Row>]) -> Vec<Check> {
    let source = "arXiv:2305.18290, Figure 3 (right); criterion ours";
    vec![
        Check::new(
            Kind::Claim,
            "quick",
            "DPO has most of its gain by half of the steps",
            source,
            "share of the largest gain, temperature 1, finite clean pairs",
            mean_interval(&by_seed(rows, |g| by_half(&course(g, "finite")))),
            Criterion::AtLeast(0.9),
        ),
        Check::new(
            Kind::Claim,
            "small_drop",
            "and loses little of it later",
            source,
            "highest win rate less the last, temperature 1, finite clean pairs",
            mean_interval(&by_seed(rows, |g| late_drop(&course(g, "finite")))),
            Criterion::AtMost(0.05),
        ),
        Check::new(
            Kind::Claim,
            "drop_of_mislabelled",
            "a late drop comes with wrong labels",
            "criterion ours",
            "late drop with wrong labels less that with many clean pairs",
            mean_interval(&by_seed(rows, |g| late_drop(&course(g, "mislabelled")) - late_drop(&course(g, "many")))),
            Criterion::AtLeast(0.0),
        ),
    ]
}

fn controls(rows: &[Record<Row>]) -> Vec<Check> {
    vec![
        Check::new(
            Kind::Control,
            "best_of_2",
            "the chosen completions win half of the time against themselves",
            "derived",
            "largest |win rate − 1/2|",
            largest(rows.iter().filter(|r| r.method == "chosen").map(|r| (r.win - 0.5).abs())),
            Criterion::AtMost(1e-9),
        ),
        Check::new(
            Kind::Control,
            "preferred_population",
            "Preferred-FT of unlimited data wins half of the time, but for what a writer of two words cannot say",
            "derived: the optimum of an unrestricted policy is best-of-2",
            "win rate at temperature 1",
            mean_interval(&by_seed(rows, |g| win(g, "preferred_population", 1.0))),
            Criterion::Within(0.48, 0.52),
        ),
        Check::new(
            Kind::Control,
            "no_drop_of_many",
            "with many clean pairs nothing drops late",
            "derived",
            "highest win rate less the last, temperature 1",
            mean_interval(&by_seed(rows, |g| late_drop(&course(g, "many")))),
            Criterion::AtMost(0.01),
        ),
        Check::new(
            Kind::Control,
            "truth_is_best",
            "best-of-N by the score is at least as good as by the learned reward",
            "derived",
            "difference of win rates, mean over temperatures above 0",
            mean_interval(&by_seed(rows, |g| {
                let of = |method: &str| {
                    let own = g.iter().filter(|r| r.method == method && r.temperature > 0.0);
                    mean(&own.map(|r| r.win).collect::<Vec<_>>())
                };
                of("best_of_n_true") - of("best_of_n")
            })),
            Criterion::AtLeast(0.0),
        ),
    ]
}
