//! The theory's claims, from rows.

use super::Row;
use crate::statistics::{by_seed, largest, log_slope, smallest};
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{Estimate, mean_interval};

pub(super) fn of<'a>(
    rows: &'a [Record<Row>],
    part: &'a str,
    setting: &'a str,
) -> impl Iterator<Item = &'a Record<Row>> {
    rows.iter().filter(move |r| r.part == part && r.setting == setting)
}

/// The rows with the largest `at` of their β and seed.
fn last<'a>(rows: &'a [Record<Row>], part: &'a str, setting: &'a str) -> impl Iterator<Item = &'a Record<Row>> {
    let is_last =
        move |r: &&Record<Row>| of(rows, part, setting).all(|o| (o.seed, o.beta) != (r.seed, r.beta) || o.at <= r.at);
    of(rows, part, setting).filter(is_last)
}

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    [claims(rows), theory(rows), controls(rows)].concat()
}

fn claims(rows: &[Record<Row>]) -> Vec<Check> {
    let identity = |name: &'static str, statement: &str, source: &str, most: f64| {
        Check::new(
            Kind::Claim,
            name,
            statement,
            source,
            "largest violation over prompts, β and seeds",
            largest(of(rows, "identities", name).filter_map(|r| r.violation)),
            Criterion::AtMost(most),
        )
    };
    vec![
        identity(
            "lemma_1",
            "rewards that differ by a function of the prompt prefer alike (Bradley–Terry, Plackett–Luce)",
            "arXiv:2305.18290, Lemma 1",
            1e-12,
        ),
        identity("lemma_2", "and have the same KL-regularised optimum", "arXiv:2305.18290, Lemma 2", 1e-12),
        identity(
            "theorem_1",
            "each class has a representative of the form β log(π/π_ref), π being the optimum",
            "arXiv:2305.18290, Theorem 1",
            1e-12,
        ),
        identity(
            "proposition_1",
            "the representative is unique: projecting is idempotent and forgets the function of the prompt",
            "arXiv:2305.18290, Proposition 1",
            1e-12,
        ),
        identity(
            "gradient",
            "the loss's gradient weighs a pair by how wrong the implicit reward has it",
            "arXiv:2305.18290, Section 4 (gradient of Equation 7)",
            1e-6,
        ),
        Check::new(
            Kind::Claim,
            "optimum",
            "with Bradley–Terry labels DPO's optimum is the KL-regularised one, whatever pairs are labelled",
            "arXiv:2305.18290, Equations 4 and 7",
            "total variation to the optimum after gradient descent, largest over pair distributions, β and seeds",
            largest(
                ["even", "skewed"].iter().flat_map(|s| last(rows, "population", s)).filter_map(|r| r.total_variation),
            ),
            Criterion::AtMost(1e-8),
        ),
    ]
}

fn theory(rows: &[Record<Row>]) -> Vec<Check> {
    let slope_by_seed =
        |rows: &mut dyn Iterator<Item = &Record<Row>>, x: fn(&Row) -> f64, y: fn(&Row) -> Option<f64>| {
            mean_interval(&by_seed(rows, |g| log_slope(g.iter().filter_map(|r| Some((x(r), y(r)?))))))
        };
    let steps_to = |g: &[&Record<Row>], beta: f64| {
        let close = g.iter().filter(|r| r.beta == beta && r.total_variation.is_some_and(|v| v < 1e-4));
        close.map(|r| r.at).fold(f64::INFINITY, f64::min)
    };
    let grown = |r: &Record<Row>| Some(r.beta * r.log_odds?);
    vec![
        Check::new(
            Kind::Theory,
            "optimal_value",
            "the optimal value is β log Z",
            "derived from arXiv:2305.18290, Equation 4",
            "largest |E[r] − β KL − β log Z|",
            largest(of(rows, "identities", "optimal_value").filter_map(|r| r.violation)),
            Criterion::AtMost(1e-12),
        ),
        Check::new(
            Kind::Theory,
            "finite_n",
            "n labels leave an error of order n^(−1/2)",
            "derived (maximum likelihood)",
            "slope of log total variation on log n, all β together, per seed",
            slope_by_seed(&mut of(rows, "sample", "even"), |r| r.at, |r| r.total_variation),
            Criterion::near(-0.5, 0.1),
        ),
        Check::new(
            Kind::Theory,
            "curvature",
            "the loss's curvature at the optimum goes as β²",
            "derived",
            "slope of log largest eigenvalue on log β, per seed",
            slope_by_seed(&mut of(rows, "population", "even"), |r| r.beta, |r| r.curvature),
            Criterion::near(2.0, 1e-4),
        ),
        Check::new(
            Kind::Theory,
            "steps",
            "so that at one step size the steps needed go as β^(−2)",
            "derived",
            "slope of log steps to a total variation of 1e-4 on log β, per seed",
            mean_interval(&by_seed(of(rows, "population", "even one step"), |g| {
                let mut betas: Vec<f64> = g.iter().map(|r| r.beta).collect();
                betas.sort_by(f64::total_cmp);
                betas.dedup();
                log_slope(betas.iter().map(|beta| (*beta, steps_to(g, *beta))))
            })),
            Criterion::near(-2.0, 0.3),
        ),
        Check::new(
            Kind::Theory,
            "log_growth",
            "with deterministic labels the log-odds of best against second-best output grow as log(t)/β, without end",
            "derived",
            "β times the growth of the log-odds over the last factor of 100 in time, over ln 100; mean over β",
            mean_interval(&by_seed(of(rows, "deterministic", "dpo"), |g| {
                let end = g.iter().map(|r| r.at).fold(0.0, f64::max);
                let total = |at: f64| g.iter().filter(|r| r.at == at).filter_map(|r| grown(r)).sum::<f64>();
                let betas = g.iter().filter(|r| r.at == end).count() as f64;
                (total(end) - total(end / 100.0)) / betas / 100_f64.ln()
            })),
            Criterion::near(1.0, 0.1),
        ),
    ]
}

fn controls(rows: &[Record<Row>]) -> Vec<Check> {
    let moves = |loss: &'static str| -> Estimate {
        largest(by_seed(of(rows, "deterministic", loss), |g| {
            let end = g.iter().map(|r| r.at).fold(0.0, f64::max);
            let of_time = |at: f64, beta: f64| g.iter().find(|r| r.at == at && r.beta == beta).and_then(|r| r.log_odds);
            let moved = g
                .iter()
                .filter(|r| r.at == end)
                .filter_map(|r| Some((r.log_odds? - of_time(end / 100.0, r.beta)?).abs()));
            moved.fold(0.0, f64::max)
        }))
    };
    let finite = |id: &'static str, loss: &'static str, statement: &str, source: &str| {
        Check::new(
            Kind::Control,
            id,
            statement,
            source,
            "largest change of the log-odds over the last factor of 100 in time, nats",
            moves(loss),
            Criterion::AtMost(1e-4),
        )
    };
    vec![
        Check::new(
            Kind::Control,
            "other_beta",
            "the optimum for twice the β is not reached",
            "control",
            "smallest total variation to it",
            smallest(last(rows, "population", "even").filter_map(|r| r.to_other)),
            Criterion::AtLeast(0.01),
        ),
        Check::new(
            Kind::Control,
            "deterministic_total_variation",
            "deterministic labels do not lead to the KL-regularised optimum",
            "derived; the labels of arXiv:2305.18290, Section 6.1, are deterministic",
            "smallest total variation to it at the end of the flow",
            smallest(last(rows, "deterministic", "dpo").filter_map(|r| r.total_variation)),
            Criterion::AtLeast(0.01),
        ),
        Check::new(
            Kind::Control,
            "deterministic_log_odds",
            "and go past it",
            "derived; put beside the check above when that had failed at small β, where the optimum itself is near one output",
            "smallest β (log-odds of best against second-best less the optimum's) at the end of the flow",
            smallest(
                last(rows, "deterministic", "dpo")
                    .filter_map(|r| Some(r.beta * (r.log_odds? - r.log_odds_of_optimum?))),
            ),
            Criterion::AtLeast(1.0),
        ),
        finite(
            "conservative_is_finite",
            "conservative_dpo",
            "conservative DPO has a finite optimum on the same labels",
            "derived: the labels that it imagines flipped hold it",
        ),
        finite("ipo_is_finite", "ipo", "so has IPO", "arXiv:2310.12036, Section 5"),
    ]
}
