//! The claims on the weight, from rows.

use super::Row;
use crate::statistics::{by_seed, largest, smallest};
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{fit_line, mean_interval};

pub(super) fn of<'a>(
    rows: &'a [Record<Row>],
    part: &'a str,
    setting: &'a str,
) -> impl Iterator<Item = &'a Record<Row>> {
    rows.iter().filter(move |r| r.part == part && r.setting == setting)
}

const FULL: &str = "unlikelihood alpha=1";

/// log10 of how many times as much probability unseen strings have as at the start: at the end of the run.
fn leaked(rows: &[&Record<Row>]) -> f64 {
    growth_of_unseen(rows, |unseen| unseen.last().copied())
}

/// The same at its highest.
fn leaked_at_most(rows: &[&Record<Row>]) -> f64 {
    growth_of_unseen(rows, |unseen| unseen.iter().copied().reduce(f64::max))
}

fn growth_of_unseen(rows: &[&Record<Row>], at: impl Fn(&[f64]) -> Option<f64>) -> f64 {
    let mut run: Vec<(f64, f64)> = rows.iter().filter_map(|r| Some((r.at, r.unseen?))).collect();
    run.sort_by(|a, b| a.0.total_cmp(&b.0));
    let unseen: Vec<f64> = run.iter().map(|r| r.1).collect();
    at(&unseen).map_or(f64::NAN, |later| (later / unseen[0]).log10())
}

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    [claims(rows), theory_and_controls(rows)].concat()
}

fn claims(rows: &[Record<Row>]) -> Vec<Check> {
    let leak = |part: &'static str, rule: &'static str| by_seed(of(rows, part, rule), leaked);
    let against = |rule: &'static str| -> Vec<f64> {
        leak("leak", FULL).iter().zip(leak("leak", rule)).map(|(u, d)| u - d).collect()
    };
    let degenerates = "arXiv:2305.18290, Table 3 (its samples degenerate); criterion ours";
    vec![
        Check::new(
            Kind::Claim,
            "unlikelihood_leaks",
            "unlikelihood training moves probability to strings that no data showed",
            degenerates,
            "log10 of the growth of their probability until the end, transformer, many prompts, α = 1",
            mean_interval(&leak("leak", FULL)),
            Criterion::AtLeast(1.0),
        ),
        Check::new(
            Kind::Claim,
            "unlikelihood_leaks_one_prompt",
            "so it does where all pairs are of one prompt",
            degenerates,
            "the same, one prompt",
            mean_interval(&leak("leak_one_prompt", FULL)),
            Criterion::AtLeast(1.0),
        ),
        Check::new(
            Kind::Claim,
            "dpo_leaks_less",
            "and DPO, with its weight, moves less",
            "arXiv:2305.18290, Section 4",
            "the same of many prompts, α = 1 less DPO at β = 0.1, after as many steps of the same optimiser",
            mean_interval(&against("dpo beta=0.1")),
            Criterion::AtLeast(0.0),
        ),
        Check::new(
            Kind::Claim,
            "dpo_leaks_less_beta_1",
            "and at a larger β, whose weight bites at smaller margins",
            "arXiv:2305.18290, Section 4; our question",
            "the same, β = 1",
            mean_interval(&against("dpo beta=1")),
            Criterion::AtLeast(0.0),
        ),
        Check::new(
            Kind::Claim,
            "collapse",
            "without the weight the policy collapses on one output",
            "arXiv:2305.18290, Section 4",
            "smallest KL to the reference over the largest there is, at the end",
            smallest(by_seed(of(rows, "growth", "unweighted"), |g| {
                let last = g.iter().max_by(|a, b| a.at.total_cmp(&b.at));
                last.and_then(|r| Some(r.kl? / r.room?)).unwrap_or(f64::NAN)
            })),
            Criterion::AtLeast(0.99),
        ),
    ]
}

fn theory_and_controls(rows: &[Record<Row>]) -> Vec<Check> {
    let straight = |setting: &'static str, x: fn(f64) -> f64| {
        smallest(by_seed(of(rows, "growth", setting), |g| {
            // the tail: at first both start from zero
            let late = &g[g.len() / 2..];
            let (x, y): (Vec<f64>, Vec<f64>) = late.iter().filter_map(|r| Some((x(r.at), r.log_odds?))).unzip();
            fit_line(&x, &y).r_squared
        }))
    };
    vec![
        Check::new(
            Kind::Theory,
            "unweighted_is_linear",
            "deterministic labels: without the weight log-odds grow linearly in time",
            "derived: the gradient by the logits is constant",
            "smallest R² of log-odds on t, later half",
            straight("unweighted", |t| t),
            Criterion::AtLeast(0.99),
        ),
        Check::new(
            Kind::Theory,
            "weighted_is_logarithmic",
            "with the weight they grow logarithmically",
            "derived: the weight decays as e^(−β h)",
            "smallest R² of log-odds on log t, later half",
            straight("weighted", f64::ln),
            Criterion::AtLeast(0.99),
        ),
        Check::new(
            Kind::Theory,
            "below_threshold",
            "unlikelihood at 0.99 α* has the optimum π ∝ w − α l",
            "derived: α* = min w/l",
            "largest total variation to it at the end of the flow",
            largest(of(rows, "threshold", "below").filter_map(|r| r.total_variation)),
            Criterion::AtMost(1e-6),
        ),
        Check::new(
            Kind::Theory,
            "above_threshold",
            "and at 1.01 α* none: the output of the smallest w/l is driven out",
            "derived",
            "its largest log-probability at the end of the flow, nats",
            largest(of(rows, "threshold", "above").filter_map(|r| r.log_prob_of_first)),
            Criterion::AtMost(-20.0),
        ),
        Check::new(
            Kind::Theory,
            "leaks_on_the_way",
            "on the way, before it has learned its pairs by heart, unlikelihood leaks a hundredfold",
            "our question, after a run in which the leak came and went",
            "log10 of the growth of unseen strings' probability at its highest, many prompts, α = 1",
            mean_interval(&by_seed(of(rows, "leak", FULL), leaked_at_most)),
            Criterion::AtLeast(2.0),
        ),
        Check::new(
            Kind::Theory,
            "weight_bounds_the_leak",
            "a larger β keeps even that lower",
            "our question",
            "the same, α = 1 less DPO at β = 1",
            mean_interval(
                &by_seed(of(rows, "leak", FULL), leaked_at_most)
                    .iter()
                    .zip(by_seed(of(rows, "leak", "dpo beta=1"), leaked_at_most))
                    .map(|(u, d)| u - d)
                    .collect::<Vec<_>>(),
            ),
            Criterion::AtLeast(0.0),
        ),
        Check::new(
            Kind::Control,
            "tabular_does_not_leak",
            "with one logit per string no string outside the data gains, for any rule",
            "derived: its logit's derivative is −π(y) (1 − α) ≤ 0, and 0 for DPO",
            "largest gain of the unseen strings' probability over its start, relative",
            largest(rows.iter().filter(|r| r.part == "leak_tabular" && r.at > 0.0).filter_map(|r| {
                let start = rows.iter().find(|o| (o.seed, &o.cell) == (r.seed, &r.cell) && o.at == 0.0)?;
                Some(r.unseen? / start.unseen? - 1.0)
            })),
            Criterion::AtMost(1e-6),
        ),
        Check::new(
            Kind::Control,
            "sft_leaks_less",
            "SFT on the chosen strings alone moves less there than α = 1",
            "control",
            "log10 of the growth of unseen strings' probability, α = 1 less α = 0, transformer",
            mean_interval(
                &by_seed(of(rows, "leak", FULL), leaked)
                    .iter()
                    .zip(by_seed(of(rows, "leak", "unlikelihood alpha=0"), leaked))
                    .map(|(u, s)| u - s)
                    .collect::<Vec<_>>(),
            ),
            Criterion::AtLeast(0.5),
        ),
    ]
}
