//! Who finds the first wrong step, and controls.

use super::Row;
use crate::statistics::{by_seed, largest, least};
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{Estimate, mean, mean_interval};
use std::collections::BTreeSet;

fn whole<'a>(rows: &'a [Record<Row>], part: &'a str) -> impl Iterator<Item = &'a Record<Row>> + Clone {
    rows.iter().filter(move |r| r.part == part && r.steps.is_none())
}

fn of(rows: &[&Record<Row>], (teaching, form): (&str, &str), value: impl Fn(&Row) -> f64) -> f64 {
    let own = rows.iter().find(|r| r.teaching == teaching && r.form == form);
    own.map_or(f64::NAN, |r| value(r))
}

/// The smallest over sizes of the mean lead of one model over another.
fn smallest_lead(rows: &[Record<Row>], other: (&str, &str), value: impl Fn(&Row) -> f64 + Copy) -> Estimate {
    let sizes: BTreeSet<usize> = whole(rows, "learned").map(|r| r.per_problem).collect();
    let lead = |size: usize| {
        let own = whole(rows, "learned").filter(move |r| r.per_problem == size);
        mean_interval(&by_seed(own, |g| of(g, ("process", "product"), value) - of(g, other, value)))
    };
    least(sizes.into_iter().map(lead))
}

/// How many times the labelled solutions the other model needs to find as many errors as the process model at its smallest size: by
/// interpolation on the logarithm of data. NaN where it never does.
fn data_factor(rows: &[&Record<Row>], other: (&str, &str)) -> f64 {
    let curve = |(teaching, form): (&str, &str)| -> Vec<(f64, f64)> {
        let own = rows.iter().filter(|r| r.teaching == teaching && r.form == form);
        own.map(|r| ((r.per_problem as f64).ln(), r.known)).collect()
    };
    let (process, other) = (curve(("process", "product")), curve(other));
    let factors: Vec<f64> = process
        .iter()
        .filter_map(|(size, known)| {
            let pair = other.windows(2).find(|w| w[0].1 <= *known && *known < w[1].1)?;
            let [(x0, y0), (x1, y1)] = [pair[0], pair[1]];
            Some(x0 + (known - y0) / (y1 - y0) * (x1 - x0) - size)
        })
        .collect();
    mean(&factors).exp()
}

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    let largest_size = whole(rows, "learned").map(|r| r.per_problem).max().unwrap_or(0);
    let at_largest = move |r: &&Record<Row>| r.per_problem == largest_size;
    let mut checks = Vec::new();
    for (form, words) in
        [("product", "one model, labels differ"), ("linear", "the usual outcome model, by prefix scores")]
    {
        checks.push(Check::new(
            Kind::Claim,
            &format!("finds_more_{form}"),
            format!("a process model finds the first wrong step more often than an outcome model ({words})"),
            "arXiv:2305.20050, Section 6.1, reported second-hand; statistic ours",
            "share of first wrong steps found, process less final answers: smallest mean over sizes",
            smallest_lead(rows, ("answer", form), |r| r.known),
            Criterion::AtLeast(0.0),
        ));
        checks.push(Check::new(
            Kind::Claim,
            &format!("verdict_{form}"),
            format!("and says more often rightly whether there is an error and where ({words})"),
            "arXiv:2305.20050, Section 6.1, reported second-hand; statistic ours",
            "share of right verdicts, process less final answers: smallest mean over sizes",
            smallest_lead(rows, ("answer", form), |r| r.verdict),
            Criterion::AtLeast(0.0),
        ));
    }
    let forgiven = |r: &Row| r.forgiven.unwrap_or(f64::NAN);
    let finds = |of_model: (&'static str, &'static str)| {
        by_seed(whole(rows, "learned").filter(at_largest), move |g| of(g, of_model, |r| r.known - r.chance))
    };
    checks.extend([
        Check::new(
            Kind::Claim,
            "sees_forgiven",
            "it sees wrong steps also where the answer is right",
            "arXiv:2305.20050, Section 6 (alignment), reported second-hand; statistic ours",
            "share of solutions with a wrong step and the right answer in which one is called wrong, process less final answers (product), most data",
            mean_interval(&by_seed(whole(rows, "learned").filter(at_largest), |g| {
                of(g, ("process", "product"), forgiven) - of(g, ("answer", "product"), forgiven)
            })),
            Criterion::AtLeast(0.1),
        ),
        Check::new(
            Kind::Theory,
            "outcomes_find_too",
            "with enough data a product outcome model finds errors that nobody showed it",
            "derived: steps are told apart by the company that they keep",
            "share of first wrong steps found less that of a random place, true outcomes, most data",
            mean_interval(&finds(("outcome", "product"))),
            Criterion::AtLeast(0.3),
        ),
        Check::new(
            Kind::Theory,
            "data_factor",
            "but needs several times the labelled solutions",
            "derived: the ratio of informations is about the number of steps",
            "factor by which true outcomes need more data to find as many (product; interpolated, mean of logarithms over sizes where it can be)",
            mean_interval(&by_seed(whole(rows, "learned"), |g| data_factor(g, ("outcome", "product")))),
            Criterion::AtLeast(2.0),
        ),
    ]);
    checks.extend(transformers(rows));
    checks.extend(controls(rows));
    checks
}

fn transformers(rows: &[Record<Row>]) -> Vec<Check> {
    let lead = |form: &'static str, value: fn(&Row) -> f64| {
        let own = by_seed(whole(rows, "transformer"), |g| {
            of(g, ("process", "product"), value) - of(g, ("answer", form), value)
        });
        mean_interval(&own)
    };
    let solved = |r: &Row| r.solved.unwrap_or(f64::NAN);
    let mut checks = Vec::new();
    for (form, words) in
        [("product", "one model, labels differ"), ("linear", "the usual outcome model, by prefix scores")]
    {
        checks.push(Check::new(
            Kind::Claim,
            &format!("transformer_finds_more_{form}"),
            format!("a small transformer taught by steps finds the first wrong step more often than one taught by answers ({words})"),
            "arXiv:2305.20050, Section 6.1, reported second-hand; statistic ours",
            "share of first wrong steps found, process less final answers",
            lead(form, |r| r.known),
            Criterion::AtLeast(0.0),
        ));
        checks.push(Check::new(
            Kind::Claim,
            &format!("transformer_solves_more_{form}"),
            format!("and chooses better among candidates ({words})"),
            "arXiv:2305.20050, Figure 4, reported second-hand",
            "share of problems solved by the best of many candidates, process less final answers",
            lead(form, solved),
            Criterion::AtLeast(0.0),
        ));
    }
    checks
}

fn controls(rows: &[Record<Row>]) -> Vec<Check> {
    let shuffled = by_seed(whole(rows, "shuffled"), |g| mean(&g.iter().map(|r| r.known - r.dealt).collect::<Vec<_>>()));
    let differ = by_seed(whole(rows, "one_step"), |g| {
        let of_size = |size: usize, teaching: &str| {
            g.iter().find(|r| r.per_problem == size && r.teaching == teaching).map_or(f64::NAN, |r| r.verdict)
        };
        let worst = g.iter().map(|r| (r.verdict - of_size(r.per_problem, "process")).abs());
        worst.fold(0.0, crate::statistics::worse)
    });
    vec![
        Check::new(
            Kind::Control,
            "shuffled",
            "labels dealt anew among steps find no more than their places would in other solutions",
            "control",
            "share of first wrong steps found, less what the same places would find dealt anew among solutions of the same length: mean over sizes",
            mean_interval(&shuffled),
            Criterion::near(0.0, 0.02),
        ),
        Check::new(
            Kind::Control,
            "one_step",
            "of solutions with one step all labellings say the same",
            "control",
            "largest difference of shares of right verdicts between labellings",
            largest(differ),
            Criterion::AtMost(1e-9),
        ),
    ]
}
