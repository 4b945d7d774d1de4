//! Likelihood displacement: DPO lowers the probability of what it prefers. When, and where does the mass go?
//!
//! **Claims** (arXiv:2410.08847, the follow-up that explains it): in preference training log π(chosen) can fall
//! although the margin grows. For single tokens, with unembeddings W and one trained hidden embedding h, it tends to
//! fall when ⟨W⁺, W⁻⟩ is large, and the mass goes to tokens z with a large ⟨`W_z`, W⁺ − W⁻⟩. For longer completions a
//! high CHES score of the pair goes with more displacement.
//!
//! **Measured** in the paper's model (every context has a free h; h and W are trained) with standard normal embeddings,
//! one pair, exact gradient flow of the DPO loss until the margin log π(y⁺) − log π(y⁻) has grown by a fixed amount:
//! the change of log π(y⁺), and the ledger of probability (chosen, rejected, the token that the theory names, all
//! others). `single`: one token of a few. `multi`: several tokens; chosen and rejected share the prompt's context and
//! no other.
//!
//! Theory, derived here: d log π(y⁺)/dt = c (`Σ_z` π(z) ⟨W⁺ − `W_z`, W⁺ − W⁻⟩ + ‖h‖² (1 − π(y⁺) + π(y⁻))), c = β σ(−β
//! h) > 0; and among tokens other than the two, log π rises in the order of ⟨`W_z`, W⁺ − W⁻⟩.
//!
//! **Control**: a tabular softmax (W the unit vectors, only h trained): there d log π(y⁺)/dt is positive, whatever the
//! pair.

use super::features::{Features, Path};
use crate::statistics::{by_seed, largest, smallest};
use rewardlab::error::{Error, Result};
use rewardlab::exact::Flow;
use rewardlab::experiment::{Check, Context, Criterion, Experiment, Kind, Profile, Record};
use rewardlab::num::{dot, sigmoid};
use rewardlab::plot::{Axis, Chart, Layer, Panel};
use rewardlab::stats::{mean, mean_interval, spearman};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct Displacement;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Random models per seed and kind; 1 to 100 000.
    models: usize,
    /// Pairs of each; 3 to 10 000.
    pairs: usize,
    /// Tokens; 3 to 100.
    vocab: usize,
    /// Entries of an embedding; 1 to 100.
    dim: usize,
    /// Tokens of a completion in `multi`; 2 to 100.
    length: usize,
    /// β; positive.
    beta: f64,
    /// Growth of the margin at which the ledger is made, nats; positive.
    growth: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    Single,
    Multi,
    Tabular,
}

impl Cell {
    fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Multi => "multi",
            Self::Tabular => "tabular",
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One pair of a random model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `single`, `multi` or `tabular`.
    kind: String,
    /// Number of the model.
    model: usize,
    /// Number of the pair.
    pair: usize,
    /// d log π(y⁺)/dt at the start, over c, by the formula (`single` only).
    predicted: Option<f64>,
    /// The same from the gradients.
    measured: f64,
    /// Change of log π(y⁺), nats.
    chosen: f64,
    /// Change of log π(y⁻), nats.
    rejected: f64,
    /// ⟨W⁺, W⁻⟩ (`single` only).
    alignment: Option<f64>,
    /// CHES of the pair.
    ches: f64,
    /// CHES by lengths.
    ches_normalised: f64,
    /// `single`: whether the largest rise of log π among the other tokens is that of the token with the largest ⟨`W_z`, W⁺ − W⁻⟩.
    named: Option<bool>,
    /// `single`: change of probability of y⁺, of y⁻, of that token, of all others.
    ledger_chosen: Option<f64>,
    /// See `ledger_chosen`.
    ledger_rejected: Option<f64>,
    /// See `ledger_chosen`.
    ledger_named: Option<f64>,
    /// See `ledger_chosen`.
    ledger_others: Option<f64>,
}

impl Experiment for Displacement {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "reward_kl/displacement";
    const PAPER: &'static str = "arXiv:2410.08847, Theorems on likelihood displacement and the CHES score";
    const CLAIM: &'static str =
        "DPO can lower the likelihood of what it prefers; embeddings say when, and where the mass goes";
    const SECONDS: (f64, f64) = (1.0, 10.0);

    fn params(profile: Profile) -> Params {
        let models = match profile {
            Profile::Smoke => 4,
            Profile::Paper => 20,
        };
        Params { models, pairs: 20, vocab: 5, dim: 2, length: 4, beta: 0.1, growth: 4.0 }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..3,
            Profile::Paper => 0..10,
        }
    }

    fn validate(p: &Params) -> Result<()> {
        Error::check_counts(&[
            ("models", p.models, 1, 100_000),
            ("pairs", p.pairs, 3, 10_000),
            ("vocab", p.vocab, 3, 100),
            ("dim", p.dim, 1, 100),
            ("length", p.length, 2, 100),
        ])?;
        Error::check_positive(&[("beta", p.beta), ("growth", p.growth)])
    }

    fn cells(_: &Params) -> Vec<Cell> {
        vec![Cell::Single, Cell::Multi, Cell::Tabular]
    }

    fn measure(p: &Params, &cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let mut rng = ctx.stream("models");
        let length = if cell == Cell::Multi { p.length } else { 1 };
        let tabular = cell == Cell::Tabular;
        let dim = if tabular { p.vocab } else { p.dim };
        let features = Features { contexts: 2 * length - 1, vocab: p.vocab, dim, tabular };
        let mut rows = Vec::with_capacity(p.models * p.pairs);
        for model in 0..p.models {
            let mut params = features.random(&mut rng);
            for pair in 0..p.pairs {
                // the prompt's context and the unembeddings are the model's; what comes behind a first token is the pair's
                rng.fill_normal(1.0, &mut params[dim..features.contexts * dim]);
                let first = rng.permutation(p.vocab);
                let mut path = |token: usize, contexts: Range<usize>| -> Path {
                    [(0, token)].into_iter().chain(contexts.map(|c| (c, rng.below(p.vocab)))).collect()
                };
                let chosen = path(first[0], 1..length);
                let rejected = path(first[1], length..2 * length - 1);
                let row = follow(p, cell, features, &params, [chosen, rejected])?;
                rows.push(Row { model, pair, ..row });
            }
        }
        Ok(rows)
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        [claims(rows), theory_and_controls(rows)].concat()
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        chart(rows)
    }
}

/// Trains one pair until its margin has grown, and looks at what has moved.
fn follow(p: &Params, cell: Cell, features: Features, start: &[f64], [chosen, rejected]: [Path; 2]) -> Result<Row> {
    let margin = |params: &[f64]| features.log_prob(params, &chosen) - features.log_prob(params, &rejected);
    let first = margin(start);
    let field = |params: &[f64], rate: &mut [f64]| {
        rate.fill(0.0);
        let pull = p.beta * sigmoid(-p.beta * (margin(params) - first));
        features.add_gradient(params, &chosen, pull, rate);
        features.add_gradient(params, &rejected, -pull, rate);
    };
    let found = Flow::new(1e-9, 1e6)?.crossings(field, margin, &[first + p.growth], start)?;
    let Some(end) = found.into_iter().next() else {
        return Err(Error::Numeric(format!("a margin did not grow by {} nats", p.growth)));
    };
    let (mut by_chosen, mut direction) = (vec![0.0; start.len()], vec![0.0; start.len()]);
    features.add_gradient(start, &chosen, 1.0, &mut by_chosen);
    features.add_gradient(start, &chosen, 1.0, &mut direction);
    features.add_gradient(start, &rejected, -1.0, &mut direction);
    let (ches, ches_normalised) = features.ches(start, &chosen, &rejected);
    let change = |path: &Path| features.log_prob(&end.state, path) - features.log_prob(start, path);
    let row = Row {
        kind: cell.name().into(),
        model: 0,
        pair: 0,
        predicted: None,
        measured: dot(&by_chosen, &direction),
        chosen: change(&chosen),
        rejected: change(&rejected),
        alignment: None,
        ches,
        ches_normalised,
        named: None,
        ledger_chosen: None,
        ledger_rejected: None,
        ledger_named: None,
        ledger_others: None,
    };
    Ok(if cell == Cell::Single {
        of_single(features, start, &end.state, [chosen[0].1, rejected[0].1], row)
    } else {
        row
    })
}

/// What the theory says of single tokens, and the ledger.
fn of_single(features: Features, start: &[f64], end: &[f64], [chosen, rejected]: [usize; 2], row: Row) -> Row {
    let (before, after) = (features.log_probs(start, 0), features.log_probs(end, 0));
    let w = |z: usize| features.unembedding(start, z);
    let difference: Vec<f64> = w(chosen).iter().zip(w(rejected)).map(|(a, b)| a - b).collect();
    let along = |z: usize| dot(w(z), &difference);
    let hidden = features.hidden(start, 0);
    let of_others: f64 = before.iter().enumerate().map(|(z, lp)| lp.exp() * (along(chosen) - along(z))).sum();
    let own = dot(hidden, hidden) * (1.0 - before[chosen].exp() + before[rejected].exp());
    let others: Vec<usize> = (0..before.len()).filter(|z| ![chosen, rejected].contains(z)).collect();
    let first_by = |value: &dyn Fn(usize) -> f64| {
        others.iter().copied().max_by(|a, b| value(*a).total_cmp(&value(*b))).expect("a third token")
    };
    let named = first_by(&along);
    let gained = |z: usize| after[z].exp() - before[z].exp();
    Row {
        predicted: Some(of_others + own),
        alignment: Some(dot(w(chosen), w(rejected))),
        named: Some(first_by(&|z| after[z] - before[z]) == named),
        ledger_chosen: Some(gained(chosen)),
        ledger_rejected: Some(gained(rejected)),
        ledger_named: Some(gained(named)),
        ledger_others: Some(others.iter().filter(|z| **z != named).map(|z| gained(*z)).sum()),
        ..row
    }
}

fn of<'a>(rows: &'a [Record<Row>], kind: &'a str) -> impl Iterator<Item = &'a Record<Row>> {
    rows.iter().filter(move |r| r.kind == kind)
}

/// The displaced ones: log π(y⁺) has fallen.
fn fallen<'a>(rows: &'a [Record<Row>], kind: &'a str) -> impl Iterator<Item = &'a Record<Row>> {
    of(rows, kind).filter(|r| r.chosen < 0.0)
}

fn claims(rows: &[Record<Row>]) -> Vec<Check> {
    let share = |kind: &'static str| {
        mean_interval(&by_seed(of(rows, kind), |g| {
            mean(&g.iter().map(|r| f64::from(u8::from(r.chosen < 0.0))).collect::<Vec<_>>())
        }))
    };
    let occurs = |id: &str, kind: &'static str, words: &str| {
        Check::new(
            Kind::Claim,
            id,
            format!("{words}: the margin grows and the chosen completion's likelihood falls"),
            "arXiv:2410.08847 (definition); criterion ours: it is not rare",
            "share of pairs in which log π(chosen) has fallen",
            share(kind),
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
        occurs("occurs", "single", "one token"),
        occurs("occurs_multi", "multi", "several tokens"),
        rank(
            "alignment",
            "single",
            "the more alike the unembeddings of the pair, the further it falls",
            |r| r.alignment,
            0.3,
        ),
        rank("ches", "multi", "the higher the CHES score, the further it falls", |r| Some(r.ches), 0.3),
        rank("ches_normalised", "multi", "so it is with the score by lengths", |r| Some(r.ches_normalised), 0.3),
        Check::new(
            Kind::Claim,
            "destination",
            "mass goes to the token whose unembedding lies most along W⁺ − W⁻",
            "arXiv:2410.08847; criterion ours",
            "share of displaced pairs in which its log-probability rises most among the other tokens",
            mean_interval(&by_seed(fallen(rows, "single"), |g| {
                mean(&g.iter().filter_map(|r| r.named).map(|n| f64::from(u8::from(n))).collect::<Vec<_>>())
            })),
            Criterion::AtLeast(0.9),
        ),
        Check::new(
            Kind::Claim,
            "ledger",
            "and it gets more of the probability than all others together",
            "arXiv:2410.08847; criterion ours",
            "displaced pairs: mean gain of probability of that token less that of the others",
            mean_interval(&by_seed(fallen(rows, "single"), |g| {
                mean(&g.iter().filter_map(|r| Some(r.ledger_named? - r.ledger_others?)).collect::<Vec<_>>())
            })),
            Criterion::AtLeast(0.0),
        ),
    ]
}

fn theory_and_controls(rows: &[Record<Row>]) -> Vec<Check> {
    vec![
        Check::new(
            Kind::Theory,
            "formula",
            "the rate at which log π(chosen) changes is that of the formula, and has its sign",
            "derived, after arXiv:2410.08847, Theorem 1",
            "largest |measured − predicted| / max(1, |predicted|)",
            largest(of(rows, "single").filter_map(|r| {
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
            largest(of(rows, "single").filter_map(|r| {
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

fn chart(rows: &[Record<Row>]) -> Chart {
    let cloud = |series: &str, kind: &str, x: fn(&Row) -> Option<f64>| Layer::Scatter {
        series: series.into(),
        points: of(rows, kind).filter(|r| r.seed == rows[0].seed).filter_map(|r| Some((x(r)?, r.chosen))).collect(),
    };
    let zero = || Layer::Horizontal { label: "unchanged".into(), y: 0.0 };
    let change = || Axis { label: "change of log π(chosen) (nats)".into(), ..Axis::default() };
    let panel = |title: &str, x: &str, layers: Vec<Layer>| Panel {
        title: title.into(),
        x: Axis { label: x.into(), ..Axis::default() },
        y: change(),
        layers,
    };
    let entries: [(&str, fn(&Row) -> Option<f64>); 4] = [
        ("chosen", |r| r.ledger_chosen),
        ("rejected", |r| r.ledger_rejected),
        ("named by theory", |r| r.ledger_named),
        ("all others", |r| r.ledger_others),
    ];
    let bar = |(i, (_, of_row)): (usize, &(&str, fn(&Row) -> Option<f64>))| {
        let e = mean_interval(&by_seed(fallen(rows, "single"), |g| {
            mean(&g.iter().filter_map(|r| of_row(r)).collect::<Vec<_>>())
        }));
        (i, e.value, e.low, e.high)
    };
    let names = entries.iter().map(|e| e.0.into()).collect();
    Chart {
        title: "Likelihood displacement: where the chosen mass goes".into(),
        subtitle:
            "One pair, DPO's exact gradient flow until its margin has grown by a fixed amount; each point one pair of a random \
                   model (first seed). Bars: mean over displaced single-token pairs, 95% t intervals over seeds."
                .into(),
        panels: vec![
            panel("One token", "⟨W⁺, W⁻⟩", vec![zero(), cloud("free embeddings", "single", |r| r.alignment)]),
            panel("Several tokens", "CHES", vec![zero(), cloud("free embeddings", "multi", |r| Some(r.ches))]),
            panel(
                "Control",
                "rate at the start",
                vec![
                    zero(),
                    cloud("free embeddings", "single", |r| Some(r.measured)),
                    cloud("tabular", "tabular", |r| Some(r.measured)),
                ],
            ),
            Panel {
                title: "The ledger of the displaced".into(),
                x: Axis { label: "token".into(), categories: names, ..Axis::default() },
                y: Axis { label: "change of probability".into(), ..Axis::default() },
                layers: vec![Layer::Bars {
                    series: "displaced pairs".into(),
                    bars: entries.iter().enumerate().map(bar).collect(),
                }],
            },
        ],
        columns: 2,
    }
}
