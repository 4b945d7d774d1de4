//! Labels of steps without a human: how often the solution that goes on from a prefix ends right.
//!
//! **Formula**: with Q the value of a prefix and K rollouts: `E[soft] = Q`, `Var[soft] = Q (1 − Q)/K`,
//! `P(hard = +1) = 1 − (1 − Q)^K`.
//!
//! **Facts** (Math-Shepherd, arXiv:2312.08935): the label of a step is the share (soft) or the existence (hard) of
//! right answers among K rollouts from the prefix that ends with it. In this world the value Q of a prefix is known
//! (dynamic programming), so that the labels' errors are known too.
//!
//! **Derived**: soft labels have no bias for Q and variance Q (1 − Q)/K. A hard label is +1 with probability 1 − (1 −
//! Q)ᴷ, whatever the step: more rollouts find the right end of more right steps, and of more wrong ones. Neither limit
//! is the truth about the step: Q also says how hard the rest is.
//!
//! **Measured**: bias and variance of soft labels, the share of right steps that are called wrong and of first wrong
//! steps that are called right, over all labelled solutions up to their first wrong step, against the exact laws; and
//! what process models that are fitted to such labels solve by best-of-N, against models fitted to true labels of the
//! steps and of the outcomes of the same solutions. Hard labels supervise up to the first that says wrong, as true ones
//! do; soft ones are fitted by cross-entropy at every step.
//!
//! **Control**: soft labels that were dealt anew among steps choose as a single solution is. They do not: they choose
//! far worse, since what they choose is what was seen least, and that is mostly wrong.
//!
//! **Found** (10 seeds): bias, variance and both errors of hard labels are what they should be. As supervision,
//! rollouts are worth less here than the outcomes of the same solutions, and both claims that they are worth more are
//! refuted. True labels of steps solve 0.944, outcomes 0.845. Hard labels rise to 0.810 at K = 8 (0.782 at K = 16,
//! which had been chosen at a stronger prior), below outcomes at every K, and fall to 0.441 at K = 64: by then six of
//! ten first wrong steps have some rollout that ends right, since a modulus of ten forgives by chance. The fewer
//! answers there are to guess, the fewer rollouts hard labels bear; where an answer is hardly ever hit by chance, that
//! limit is far away. Soft labels solve 0.64 and no better with more rollouts: Q itself solves as much. What they lack
//! is not precision: Q says how hard the rest is and what went wrong before, neither of which belongs to the step, and
//! a model of single steps puts both on the step's account. By the minimum over steps, as Math-Shepherd scores, soft
//! labels solve 0.736: also less than outcomes.

mod figure;
mod judge;
mod labels;

use super::models::Training;
use super::world::WorldParams;
use rewardlab::error::{Error, Result};
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::plot::Chart;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct StepValues;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    world: WorldParams,
    /// The same solutions for all labels.
    training: Training,
    /// K; increasing, at least 1, each at most 10 000.
    rollouts: Vec<usize>,
    /// Candidates per test problem; at least `n`, at most 100 000.
    candidates: usize,
    /// N; at least 1.
    n: u32,
    /// Groups of prefixes by value, for the figure; 2 to 100.
    bins: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell {
    /// From K rollouts.
    Rollouts(usize),
    /// Exact values, and labels of people: nothing is rolled out.
    Reference,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Rollouts(k) => write!(f, "rollouts {k}"),
            Self::Reference => f.write_str("reference"),
        }
    }
}

/// Labels of one kind, or a group of them by value.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `labels` (their errors), `bin` (of prefixes by value) or `choice` (what a model fitted to them solves).
    part: String,
    /// `soft` or `hard`; `value` (Q itself), `steps` and `outcomes` (true labels), `soft_dealt`; `random` (no labels: scores at random).
    kind: String,
    /// K; 0 where nothing is rolled out.
    rollouts: usize,
    /// Steps that are labelled.
    steps: usize,
    /// Mean of Q; of a bin the mean over its prefixes.
    value: Option<f64>,
    /// Mean of label − Q.
    bias: Option<f64>,
    /// Its exact standard error, √(Σ Q (1 − Q)/K)/steps.
    standard_error: Option<f64>,
    /// Mean of (label − Q)².
    squared_error: Option<f64>,
    /// What it should be, the mean of Q (1 − Q)/K.
    variance: Option<f64>,
    /// Of hard labels: share of right steps that are called wrong.
    missed: Option<f64>,
    /// What it should be, the mean of (1 − Q)ᴷ.
    missed_exact: Option<f64>,
    /// Of hard labels: share of first wrong steps that are called right.
    fooled: Option<f64>,
    /// What it should be, the mean of 1 − (1 − Q)ᴷ.
    fooled_exact: Option<f64>,
    /// Share of test problems solved by best-of-N, product of steps, exact over all draws of N.
    solved: Option<f64>,
    /// The same by the minimum over steps.
    solved_minimum: Option<f64>,
    /// The generator's pass rate on test problems, exact.
    pass_rate: Option<f64>,
}

impl Experiment for StepValues {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "process_supervision/step_values";
    const PAPER: &'static str = "Wang et al., arXiv:2312.08935 (Math-Shepherd), against exact values of prefixes";
    const CLAIM: &'static str =
        "labels of steps from rollouts: soft ones are unbiased; hard ones are fooled by more rollouts";
    const SECONDS: (f64, f64) = (2.0, 35.0);

    fn params(profile: Profile) -> Params {
        let (world, training) = (WorldParams::default(), Training::default());
        match profile {
            Profile::Smoke => Params {
                world: WorldParams { train_problems: 150, test_problems: 40, ..world },
                training,
                rollouts: vec![1, 4, 16, 64],
                candidates: 100,
                n: 100,
                bins: 5,
            },
            Profile::Paper => {
                Params { world, training, rollouts: vec![1, 2, 4, 8, 16, 32, 64], candidates: 500, n: 500, bins: 10 }
            }
        }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..2,
            Profile::Paper => 0..10,
        }
    }

    fn validate(p: &Params) -> Result<()> {
        p.world.validate().map_err(|e| e.within("world"))?;
        p.training.validate().map_err(|e| e.within("training"))?;
        Error::check_counts(&[
            ("n", p.n as usize, 1, 100_000),
            ("candidates", p.candidates, p.n as usize, 100_000),
            ("bins", p.bins, 2, 100),
        ])?;
        let legal = |k: &usize| (1..=10_000).contains(k);
        if p.rollouts.is_empty() || !p.rollouts.iter().all(legal) || !p.rollouts.is_sorted_by(|a, b| a < b) {
            return Err(Error::parameter("rollouts", format!("{:?}", p.rollouts), "increasing, each from 1 to 10000"));
        }
        Ok(())
    }

    fn cells(p: &Params) -> Vec<Cell> {
        p.rollouts.iter().map(|k| Cell::Rollouts(*k)).chain([Cell::Reference]).collect()
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        match *cell {
            Cell::Rollouts(k) => labels::rolled_out(p, k, ctx),
            Cell::Reference => labels::reference(p, ctx),
        }
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        judge::checks(rows)
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        figure::chart(rows)
    }
}
