//! When the chosen falls and where its mass goes, from rows.

use super::Row;
use crate::statistics::{by_seed, largest, smallest};
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{mean, mean_interval, spearman};

pub(super) fn of<'a>(rows: &'a [Record<Row>], kind: &'a str) -> impl Iterator<Item = &'a Record<Row>> {
    rows.iter().filter(move |r| r.kind == kind)
}

/// The displaced ones: log π(y⁺) has fallen.
pub(super) fn fallen<'a>(rows: &'a [Record<Row>], kind: &'a str) -> impl Iterator<Item = &'a Record<Row>> {
    of(rows, kind).filter(|r| r.chosen < 0.0)
}

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    [claims(rows), theory_and_controls(rows)].concat()
}

fn claims(rows: &[Record<Row>]) -> Vec<Check> {
    let most = rows.iter().map(|r| r.similarity).fold(0.0, f64::max);
    let share = |kind: &'static str, similarity: f64| {
        mean_interval(&by_seed(of(rows, kind).filter(|r| r.similarity == similarity), |g| {
            mean(&g.iter().map(|r| f64::from(u8::from(r.chosen < 0.0))).collect::<Vec<_>>())
        }))
    };
    let occurs = |id: &str, kind: &'static str, similarity: f64, words: &str| {
        Check::new(
            Kind::Claim,
            id,
            format!("{words}: the margin grows and the chosen completion's likelihood falls"),
            "arXiv:2410.08847 (definition); criterion ours: it is not rare",
            "share of pairs in which log π(chosen) has fallen",
            share(kind, similarity),
            Criterion::AtLeast(0.05),
        )
    };
    let rank = |id: &str, kind: &'static str, statement: &str, of_row: fn(&Row) -> Option<f64>, least: f64| {
        Check::new(
            Kind::Claim,
            id,
            statement,
            "arXiv:2410.08847; criterion ours",
            "Spearman correlation with the fall of log π(chosen) over a model's pairs, mean over models, per seed",
            mean_interval(&by_seed(of(rows, kind), |g| {
                let of_model = |model: &[&Record<Row>]| {
                    let points = model.iter().filter_map(|r| Some((of_row(r)?, -r.chosen)));
                    let (x, y): (Vec<f64>, Vec<f64>) = points.unzip();
                    spearman(&x, &y)
                };
                mean(&g.chunk_by(|a, b| a.model == b.model).map(of_model).collect::<Vec<_>>())
            })),
            Criterion::AtLeast(least),
        )
    };
    vec![
        occurs("occurs_unlike", "single", 0.0, "one token, unrelated embeddings"),
        occurs("occurs_multi_unlike", "multi", 0.0, "several tokens, unrelated embeddings"),
        occurs("occurs", "single", most, "one token, a pair that is much alike"),
        occurs("occurs_multi", "multi", most, "several tokens, a pair that is much alike"),
        occurs("occurs_given_unlike", "given", 0.0, "one token, unembeddings stay and are unrelated"),
        occurs("occurs_given", "given", most, "one token, unembeddings stay and are much alike"),
        rank(
            "alignment",
            "single",
            "the more alike the unembeddings of the pair, the further it falls",
            |r| r.alignment,
            0.3,
        ),
        rank("alignment_given", "given", "so it is where unembeddings stay", |r| r.alignment, 0.3),
        rank("ches", "multi", "the higher the CHES score, the further it falls", |r| Some(r.ches), 0.3),
        destination(rows, "destination", "single", "mass goes to the token whose unembedding lies most along W⁺ − W⁻"),
        destination(rows, "destination_given", "given", "so it does where unembeddings stay"),
        ledger(rows, "ledger", "single", "and it gets more of the probability than all others together"),
        ledger(rows, "ledger_given", "given", "so it is where unembeddings stay"),
    ]
}

fn destination(rows: &[Record<Row>], id: &str, kind: &'static str, statement: &str) -> Check {
    Check::new(
        Kind::Claim,
        id,
        statement,
        "arXiv:2410.08847; criterion ours",
        "share of displaced pairs in which its log-probability rises most among the other tokens",
        mean_interval(&by_seed(fallen(rows, kind), |g| {
            mean(&g.iter().filter_map(|r| r.named).map(|n| f64::from(u8::from(n))).collect::<Vec<_>>())
        })),
        Criterion::AtLeast(0.9),
    )
}

fn ledger(rows: &[Record<Row>], id: &str, kind: &'static str, statement: &str) -> Check {
    Check::new(
        Kind::Claim,
        id,
        statement,
        "arXiv:2410.08847; criterion ours",
        "displaced pairs: mean gain of probability of that token less that of the others",
        mean_interval(&by_seed(fallen(rows, kind), |g| {
            mean(&g.iter().filter_map(|r| Some(r.ledger_named? - r.ledger_others?)).collect::<Vec<_>>())
        })),
        Criterion::AtLeast(0.0),
    )
}

fn theory_and_controls(rows: &[Record<Row>]) -> Vec<Check> {
    vec![
        Check::new(
            Kind::Theory,
            "formula",
            "the rate at which log π(chosen) changes is that of the formula, and has its sign",
            "derived, after arXiv:2410.08847, Theorem 1",
            "largest |measured − predicted| / max(1, |predicted|)",
            largest(of(rows, "single").chain(of(rows, "given")).filter_map(|r| {
                let predicted = r.predicted?;
                Some((r.measured - predicted).abs() / predicted.abs().max(1.0))
            })),
            Criterion::AtMost(1e-10),
        ),
        Check::new(
            Kind::Theory,
            "adds_up",
            "the ledger of probability adds up",
            "derived",
            "largest |sum of all changes|",
            largest(of(rows, "single").chain(of(rows, "given")).filter_map(|r| {
                Some((r.ledger_chosen? + r.ledger_rejected? + r.ledger_named? + r.ledger_others?).abs())
            })),
            Criterion::AtMost(1e-12),
        ),
        Check::new(
            Kind::Control,
            "tabular",
            "with a logit per token nothing is displaced: the chosen token's likelihood rises",
            "derived",
            "smallest change of log π(chosen), nats",
            smallest(of(rows, "tabular").map(|r| r.chosen)),
            Criterion::AtLeast(0.0),
        ),
        Check::new(
            Kind::Control,
            "tabular_rate",
            "at every start",
            "derived: d log π(y⁺)/dt ∝ 1 − π(y⁺) + π(y⁻)",
            "smallest rate at the start",
            smallest(of(rows, "tabular").map(|r| r.measured)),
            Criterion::AtLeast(0.0),
        ),
    ]
}
