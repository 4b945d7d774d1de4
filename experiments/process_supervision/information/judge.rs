//! What the paper claims, what is derived, controls.

use super::Row;
use crate::statistics::{by_seed, largest, least, smallest};
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{Estimate, mean_interval};

/// A setting of estimates.
type Setting = (usize, u64, u64, u64);

fn setting(r: &Row) -> Setting {
    (r.length, r.error.to_bits(), r.rho.to_bits(), r.spread.to_bits())
}

/// The rows with the most labels.
pub(super) fn with_most_labels(rows: &[Record<Row>]) -> impl Iterator<Item = &Record<Row>> + Clone {
    let most = rows.iter().map(|r| r.information).fold(0.0, f64::max);
    rows.iter().filter(move |r| r.part == "estimates" && r.information == most)
}

fn error_of(rows: &[&Record<Row>], labels: &str) -> f64 {
    rows.iter().find(|r| r.labels == labels).and_then(|r| r.squared_error).unwrap_or(f64::NAN)
}

fn variance_of(rows: &[&Record<Row>], labels: &str) -> f64 {
    rows.iter().find(|r| r.labels == labels).and_then(|r| r.variance).unwrap_or(f64::NAN)
}

/// Of several settings the estimate farthest from 1 (as a ratio), NaN first.
fn farthest_from_one(estimates: impl Iterator<Item = Estimate>) -> Estimate {
    let distance = |e: &Estimate| e.value.ln().abs();
    let worst = estimates.reduce(|a, b| if distance(&b).is_nan() || distance(&b) > distance(&a) { b } else { a });
    worst.unwrap_or_else(|| mean_interval(&[]))
}

/// A statistic of each setting's rows with the most labels, mean over seeds.
fn each<'a>(
    rows: &'a [Record<Row>],
    inside: impl Fn(&Row) -> bool + 'a,
    statistic: impl Fn(&[&Record<Row>]) -> f64 + 'a,
) -> impl Iterator<Item = Estimate> + 'a {
    let mut settings: Vec<Setting> = with_most_labels(rows).filter(|r| inside(r)).map(|r| setting(r)).collect();
    settings.sort_unstable();
    settings.dedup();
    settings
        .into_iter()
        .map(move |s| mean_interval(&by_seed(with_most_labels(rows).filter(|r| setting(r) == s), |g| statistic(g))))
}

fn ratio(rows: &[&Record<Row>]) -> f64 {
    error_of(rows, "outcome") / error_of(rows, "process")
}

fn closed(rows: &[&Record<Row>]) -> f64 {
    rows.iter().find_map(|r| r.closed_ratio).unwrap_or(f64::NAN)
}

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    [claims(rows), derived(rows), controls(rows)].concat()
}

fn claims(rows: &[Record<Row>]) -> Vec<Check> {
    let smallest_ratio = least(each(rows, |r| r.length > 1, ratio));
    let highest_rho = rows.iter().map(|r| r.rho).fold(0.0, f64::max);
    // how much more outcome labels err where some are false positives, at the same number of solutions
    let cost = |g: &[&Record<Row>]| {
        let per_solution = |rho: f64| {
            let own: Vec<&Record<Row>> = g.iter().copied().filter(|r| r.rho == rho).collect();
            let n = own.first().map_or(f64::NAN, |r| r.solutions);
            error_of(&own, "outcome") * n
        };
        per_solution(highest_rho) / per_solution(0.0)
    };
    let mut problems: Vec<(usize, u64)> =
        with_most_labels(rows).filter(|r| r.length > 1).map(|r| (r.length, r.error.to_bits())).collect();
    problems.sort_unstable();
    problems.dedup();
    let of_problem = |(length, error): (usize, u64)| {
        let own =
            with_most_labels(rows).filter(move |r| r.length == length && r.error.to_bits() == error && r.spread == 0.0);
        mean_interval(&by_seed(own, cost))
    };
    let smallest_cost = least(problems.into_iter().map(of_problem));
    vec![
        Check::new(
            Kind::Claim,
            "process_beats_outcome",
            "labels of steps teach more than outcomes of the same solutions",
            "arXiv:2305.20050, Figure 4 (order of process and outcome)",
            "mean squared error by outcome labels over that by process labels, most labels: smallest over settings with several steps",
            smallest_ratio,
            Criterion::AtLeast(2.0),
        ),
        Check::new(
            Kind::Claim,
            "false_positives_cost",
            "outcome labels with false positives teach less than those without",
            "arXiv:2305.20050, Figure 4 (order of the two outcome labellings)",
            "mean squared error times solutions at the highest ρ over that at ρ = 0, most labels: smallest over L > 1 and e",
            smallest_cost,
            Criterion::AtLeast(1.1),
        ),
    ]
}

fn derived(rows: &[Record<Row>]) -> Vec<Check> {
    let variance_ratio = |g: &[&Record<Row>]| variance_of(g, "outcome") / variance_of(g, "process");
    let own = |labels: &'static str| each(rows, |_| true, move |g| error_of(g, labels) / variance_of(g, labels));
    let company = rows.iter().filter(|r| r.part == "company" && r.types > r.length);
    let factor = company.filter(|r| r.labels == "outcome").filter_map(|r| {
        let process = rows.iter().find(|o| {
            o.part == "company" && o.labels == "process" && o.seed == r.seed && o.cell == r.cell && o.types == r.types
        })?;
        let measured = r.variance? / process.variance? / (process.trace / r.trace);
        let (k, l) = (r.types as f64, r.length as f64);
        Some((measured / ((k - 1.0) / (k - l)) - 1.0).abs())
    });
    vec![
        Check::new(
            Kind::Theory,
            "closed_form",
            "the ratio of the estimates' errors is that of the informations' traces, (1 − e)(1 − z) z' (1 − z') / (L ((1 − ρ) z e)²)",
            "derived; the issue's bar is 20%",
            "ratio of mean squared errors (outcome over process) over the closed form, equal error rates, most labels: farthest from 1 over L, e, ρ",
            farthest_from_one(each(rows, |r| r.spread == 0.0, |g| ratio(g) / closed(g))),
            Criterion::Within(0.8, 1.2),
        ),
        Check::new(
            Kind::Theory,
            "exact_information",
            "and that of the exact variances of the drawn problems, also where types differ",
            "derived: the inverse of the Fisher information",
            "ratio of mean squared errors over the ratio of exact variances, most labels: farthest from 1 over settings",
            farthest_from_one(each(rows, |_| true, move |g| ratio(g) / variance_ratio(g))),
            Criterion::Within(0.9, 1.1),
        ),
        Check::new(
            Kind::Theory,
            "efficient_process",
            "estimates from process labels have the smallest variance that there is",
            "derived: the Cramér–Rao bound is reached by maximum likelihood",
            "mean squared error over exact variance, most labels: farthest from 1 over settings",
            farthest_from_one(own("process")),
            Criterion::Within(0.9, 1.1),
        ),
        Check::new(
            Kind::Theory,
            "efficient_outcome",
            "and so have those from outcome labels",
            "derived: the Cramér–Rao bound is reached by maximum likelihood",
            "mean squared error over exact variance, most labels: farthest from 1 over settings",
            farthest_from_one(own("outcome")),
            Criterion::Within(0.9, 1.1),
        ),
        Check::new(
            Kind::Theory,
            "company",
            "what outcomes lose beyond the traces is (K − 1)/(K − L): steps are told apart by the company that they keep",
            "derived: each problem's matrix has rank one",
            "largest relative error of the factor over K > L, L, e and seeds, exact information of drawn problems",
            largest(factor),
            Criterion::AtMost(0.25),
        ),
    ]
}

fn controls(rows: &[Record<Row>]) -> Vec<Check> {
    let one_step = with_most_labels(rows).filter(|r| r.length == 1 && r.rho == 0.0);
    let same = by_seed(one_step, |g| {
        let of = |error: f64| {
            let own: Vec<&Record<Row>> = g.iter().copied().filter(|r| r.error == error).collect();
            (ratio(&own) - 1.0).abs()
        };
        g.iter().map(|r| of(r.error)).fold(0.0, f64::max)
    });
    let alone = |labels: &'static str| {
        let own = rows.iter().filter(move |r| r.part == "company" && r.types == r.length && r.labels == labels);
        own.map(|r| f64::from(u8::from(r.variance.is_some())))
    };
    let naive = each(rows, |r| r.labels == "naive" && r.length > 1, |g| error_of(g, "naive") / error_of(g, "outcome"));
    vec![
        Check::new(
            Kind::Control,
            "one_step",
            "with one step and no false positives both labels are the same",
            "control",
            "largest |ratio of mean squared errors − 1| over e and seeds",
            largest(same),
            Criterion::AtMost(1e-3),
        ),
        Check::new(
            Kind::Control,
            "same_types_outcome",
            "where every problem has the same types, outcomes do not tell them apart",
            "control: the information matrix is singular",
            "share of draws in which the matrix can be inverted",
            largest(alone("outcome")),
            Criterion::AtMost(0.0),
        ),
        Check::new(
            Kind::Control,
            "same_types_process",
            "and labels of steps do",
            "control",
            "share of draws in which the matrix can be inverted",
            smallest(alone("process")),
            Criterion::AtLeast(1.0),
        ),
        Check::new(
            Kind::Control,
            "believed_false_positives",
            "a fit that believes false positives errs by what no number of labels mends",
            "control: a model that is not that of its labels",
            "mean squared error of the naive fit over that of the fit that knows ρ, most labels: smallest over L > 1, e, ρ",
            least(naive),
            Criterion::AtLeast(2.0),
        ),
    ]
}
