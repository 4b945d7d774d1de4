//! Equalities to rounding, inequalities without exception, and the rate at which they loosen.

use super::Row;
use crate::statistics::{by_seed, largest, log_slope, smallest};
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{Estimate, mean, mean_interval};

const SQUARES: &str = "arXiv:2405.15116, Theorem 1";
const BREGMAN: &str = "arXiv:2501.19105";

/// What rounding leaves of an equality.
const ROUNDING: f64 = 1e-9;
/// What the search over mixtures leaves of its minimum.
const SEARCH: f64 = 1e-6;

fn of<'a>(rows: &'a [Record<Row>], class: &'a str) -> impl Iterator<Item = &'a Record<Row>> + Clone {
    rows.iter().filter(move |r| r.class == class && r.teacher != "in the class")
}

fn excess(r: &Record<Row>) -> f64 {
    r.gain - r.misfit
}

/// |gain − misfit| in units of its bound, 2 √(ε · misfit).
fn share_of_bound(r: &Record<Row>) -> f64 {
    excess(r).abs() / (2.0 * (r.epsilon * r.misfit).sqrt())
}

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    let mut checks = claims(rows);
    checks.extend(theory(rows));
    checks.extend(controls(rows));
    checks
}

fn claims(rows: &[Record<Row>]) -> Vec<Check> {
    // teachers together, so that none whose term of order √ε happens to be small decides
    let slope = |g: &[&Record<Row>]| {
        let mut noises: Vec<f64> = g.iter().map(|r| r.setting).collect();
        noises.sort_by(f64::total_cmp);
        noises.dedup();
        log_slope(noises.iter().map(|noise| {
            let own: Vec<_> = g.iter().filter(|r| r.setting == *noise).collect();
            let squares: Vec<f64> = own.iter().map(|r| excess(r).powi(2)).collect();
            (own[0].epsilon, mean(&squares).sqrt())
        }))
    };
    let noisy = of(rows, "unrealisable").filter(|r| r.teacher == "noise");
    vec![
        Check::new(
            Kind::Claim,
            "affine_equality",
            "in a linear space that holds the truth gain = misfit",
            SQUARES,
            "largest |gain − misfit| over teachers and seeds (the truth has variance 1)",
            largest(of(rows, "affine").map(|r| excess(r).abs())),
            Criterion::AtMost(ROUNDING),
        ),
        Check::new(
            Kind::Claim,
            "ball_inequality",
            "in a convex set that holds the truth gain ≥ misfit",
            SQUARES,
            "smallest gain − misfit over teachers, radii and seeds",
            smallest(of(rows, "ball").map(excess)),
            Criterion::AtLeast(-ROUNDING),
        ),
        Check::new(
            Kind::Claim,
            "root_epsilon",
            "where the class holds the truth up to ε the two differ by about √ε",
            "arXiv:2405.15116, Theorem 2",
            "slope of log |gain − misfit| on log ε as the noise of the student's representation shrinks, root mean square over noisy teachers, by seed",
            mean_interval(&by_seed(noisy, slope)),
            Criterion::Within(0.4, 0.6),
        ),
        Check::new(
            Kind::Claim,
            "mixtures_inequality",
            "where probabilities are convex and the student minimises KL(student‖teacher), the gain in KL(truth‖·) is at least KL(student‖teacher)",
            BREGMAN,
            "smallest gain − misfit over teachers and seeds, nats",
            smallest(of(rows, "mixtures").map(excess)),
            Criterion::AtLeast(-SEARCH),
        ),
    ]
}

fn theory(rows: &[Record<Row>]) -> Vec<Check> {
    let theory = |id: &str, statement: &str, statistic: &str, estimate: Estimate, criterion| {
        Check::new(Kind::Theory, id, statement, "derived", statistic, estimate, criterion)
    };
    let own = of(rows, "unrealisable").filter(|r| r.teacher == "own residual");
    vec![
        theory(
            "bound_holds",
            "in a linear space |gain − misfit| ≤ 2 √(ε · misfit)",
            "largest |gain − misfit| / (2 √(ε · misfit)) over all that is unrealisable",
            largest(of(rows, "unrealisable").map(share_of_bound)),
            Criterion::AtMost(1.0 + ROUNDING),
        ),
        theory(
            "bound_attained",
            "the bound is attained where the truth lacks a part of what the teacher gets wrong",
            "smallest |gain − misfit| / (2 √(ε · misfit)) of such truths",
            smallest(own.map(share_of_bound)),
            Criterion::AtLeast(1.0 - 1e-6),
        ),
        theory(
            "log_odds_equality",
            "with cross-entropy and log-odds in a linear space KL(teacher‖truth) − KL(student‖truth) = KL(teacher‖student)",
            "largest |gain − misfit| over teachers and seeds, nats",
            largest(of(rows, "log-odds").map(|r| excess(r).abs())),
            Criterion::AtMost(ROUNDING),
        ),
        theory(
            "log_odds_ball_inequality",
            "with log-odds in a convex set the gain is at least that",
            "smallest gain − misfit over teachers, radii and seeds, nats",
            smallest(of(rows, "log-odds ball").map(excess)),
            Criterion::AtLeast(-ROUNDING),
        ),
    ]
}

fn controls(rows: &[Record<Row>]) -> Vec<Check> {
    let control = |id: &str, statement: &str, statistic: &str, estimate: Estimate, criterion| {
        Check::new(Kind::Control, id, statement, "control", statistic, estimate, criterion)
    };
    let inside = rows.iter().filter(|r| r.teacher == "in the class");
    let off = |r: &&Record<Row>| r.gain_other_order.map_or(f64::NAN, |g| (g - r.misfit).abs() / r.misfit);
    let other_order = by_seed(of(rows, "log-odds"), |g| largest(g.iter().map(off)).value);
    vec![
        control(
            "imitable_teacher",
            "a teacher in the student's class leaves neither gain nor misfit",
            "largest of |gain| and misfit, squared error and nats, over seeds",
            largest(inside.map(|r| r.gain.abs().max(r.misfit))),
            Criterion::AtMost(ROUNDING),
        ),
        control(
            "not_convex",
            "a class of two functions breaks the inequality",
            "largest (gain − misfit) / d(teacher, truth) over teachers and seeds",
            largest(of(rows, "not convex").map(|r| excess(r) / r.teacher_error)),
            Criterion::AtMost(-0.05),
        ),
        control(
            "order_of_arguments",
            "with the truth as first argument the equality in KL fails",
            "|gain in KL(truth‖·) − misfit| / misfit, the largest over teachers; the smallest over seeds",
            smallest(other_order),
            Criterion::AtLeast(0.01),
        ),
    ]
}
