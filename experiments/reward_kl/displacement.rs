//! Likelihood displacement: DPO lowers the probability of what it prefers. When, and where does the mass go?
//!
//! **Formula**: `d log π(y⁺)/dt = c (Σ_z π(z) ⟨W⁺ − W_z, W⁺ − W⁻⟩ + ‖h‖² (1 − π(y⁺) + π(y⁻)))`, c > 0,
//! with h the context's hidden embedding and W⁺, W⁻ and `W_z` the unembeddings of chosen, rejected and token z, the
//! second term absent where W stays (`given`);
//! `CHES = ⟨Σh⁺, Σh⁻⟩ − ‖Σh⁺‖²`, sums over the tokens of either completion.
//!
//! **Claims** (arXiv:2410.08847, the follow-up that explains it): in preference training log π(chosen) can fall
//! although the margin grows. For single tokens, with unembeddings W and one trained hidden embedding h, it tends to
//! fall when ⟨W⁺, W⁻⟩ is large, and the mass goes to tokens z with a large ⟨`W_z`, W⁺ − W⁻⟩. For longer completions a
//! high CHES score of the pair goes with more displacement.
//!
//! **Measured** in the paper's model (every context has a free h; h and W are trained) with standard normal embeddings,
//! one pair, exact gradient flow of the DPO loss until the margin log π(y⁺) − log π(y⁻) has grown by a fixed amount:
//! the change of log π(y⁺), and the ledger of probability (chosen, rejected, the token that the theory names, all
//! others). `single`: one token of a few. `given`: the same, but W stays, as where h alone is moved. `multi`: several
//! tokens; chosen and rejected share the prompt's context and no other. A pair is unrelated, or made alike (embeddings,
//! and in `multi` tokens): what the theory names as the cause is varied on purpose. In a first version it was not, nor
//! was there `given`; displacement was as rare as `occurs_unlike` says.
//!
//! Theory, derived here: d log π(y⁺)/dt = c (`Σ_z` π(z) ⟨W⁺ − `W_z`, W⁺ − W⁻⟩ + ‖h‖² (1 − π(y⁺) + π(y⁻))), c = β σ(−β
//! h) > 0; and among tokens other than the two, log π rises in the order of ⟨`W_z`, W⁺ − W⁻⟩.
//!
//! **Control**: a tabular softmax (W the unit vectors, only h trained): there d log π(y⁺)/dt is positive, whatever the
//! pair.
//!
//! **Found**: where unembeddings stay, displacement is common (a third of the pairs that are unrelated, two thirds of
//! those that are alike), and the mass goes where the theory says, always. Where W is trained too, with entries as
//! large as those of h, the term ‖h‖² (1 − π(y⁺) + π(y⁻)), which is never negative, mostly outweighs the others:
//! displacement is rare (a pair in thirty), for several tokens rarer still. The correlations have the sign that the
//! theory gives them but are weak (0.06 to 0.21): alignment and CHES are one term of the rate, the others vary as much
//! between random pairs.

mod figure;
mod judge;

use super::features::{Features, Path, Unembeddings};
use crate::statistics::rounded;
use rewardlab::error::{Error, Result};
use rewardlab::exact::Flow;
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::num::{dot, sigmoid};
use rewardlab::plot::Chart;
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
    /// Pairs of each at each similarity; 3 to 10 000.
    pairs: usize,
    /// How alike chosen and rejected are: the correlation of the unembeddings of a pair (`single`) or of the hidden embeddings
    /// of its contexts (`multi`); each in [0, 1), increasing from 0.
    similarities: Vec<f64>,
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
    Given,
    Multi,
    Tabular,
}

impl Cell {
    fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Given => "given",
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
    /// How alike chosen and rejected were made.
    similarity: f64,
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
            Profile::Smoke => 2,
            Profile::Paper => 5,
        };
        Params {
            models,
            pairs: 9,
            similarities: vec![0.0, 0.5, 0.8, 0.95],
            vocab: 5,
            dim: 2,
            length: 4,
            beta: 0.1,
            growth: 4.0,
        }
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
        let legal = p.similarities.iter().all(|s| (0.0..1.0).contains(s));
        if !legal || p.similarities.first() != Some(&0.0) || !p.similarities.is_sorted_by(|a, b| a < b) {
            return Err(Error::parameter(
                "similarities",
                format!("{:?}", p.similarities),
                "in [0, 1), increasing from 0",
            ));
        }
        Error::check_positive(&[("beta", p.beta), ("growth", p.growth)])
    }

    fn cells(_: &Params) -> Vec<Cell> {
        vec![Cell::Single, Cell::Given, Cell::Multi, Cell::Tabular]
    }

    fn measure(p: &Params, &cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let mut rng = ctx.stream("models");
        let length = if cell == Cell::Multi { p.length } else { 1 };
        let tabular = cell == Cell::Tabular;
        let dim = if tabular { p.vocab } else { p.dim };
        let unembeddings = match cell {
            Cell::Single | Cell::Multi => Unembeddings::Trained,
            Cell::Given => Unembeddings::Given,
            Cell::Tabular => Unembeddings::Unit,
        };
        let features = Features { contexts: 2 * length - 1, vocab: p.vocab, dim, unembeddings };
        // unit unembeddings stay as they are
        let similarities = if tabular { &p.similarities[..1] } else { &p.similarities[..] };
        let mut rows = Vec::with_capacity(p.models * p.pairs * similarities.len());
        for model in 0..p.models {
            let params = features.random(&mut rng);
            for &similarity in similarities {
                for pair in 0..p.pairs {
                    // the prompt's context and the unembeddings are the model's; what comes behind a first token is the pair's
                    let mut params = params.clone();
                    rng.fill_normal(1.0, &mut params[dim..features.contexts * dim]);
                    let first = rng.permutation(p.vocab);
                    let mut path = |token: usize, contexts: Range<usize>| -> Path {
                        [(0, token)].into_iter().chain(contexts.map(|c| (c, rng.below(p.vocab)))).collect()
                    };
                    let chosen = path(first[0], 1..length);
                    let mut rejected = path(first[1], length..2 * length - 1);
                    features.liken(&mut params, &chosen, &mut rejected, similarity, &mut rng);
                    let row = follow(p, cell, features, &params, [chosen, rejected])?;
                    rows.push(Row { model, pair, similarity, ..row });
                }
            }
        }
        Ok(rows)
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        judge::checks(rows)
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        figure::chart(rows)
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
        similarity: 0.0,
        predicted: None,
        measured: dot(&by_chosen, &direction),
        chosen: change(&chosen),
        rejected: rounded(change(&rejected), 6),
        alignment: None,
        ches: rounded(ches, 6),
        ches_normalised: rounded(ches_normalised, 6),
        named: None,
        ledger_chosen: None,
        ledger_rejected: None,
        ledger_named: None,
        ledger_others: None,
    };
    Ok(if matches!(cell, Cell::Single | Cell::Given) {
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
    // what training W adds
    let own = match features.unembeddings {
        Unembeddings::Trained => dot(hidden, hidden) * (1.0 - before[chosen].exp() + before[rejected].exp()),
        Unembeddings::Given | Unembeddings::Unit => 0.0,
    };
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
