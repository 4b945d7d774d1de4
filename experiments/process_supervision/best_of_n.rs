//! Best-of-N with a process model, an outcome model and majority voting (Figure 3).
//!
//! **Formula**: process model `score = Π_t σ(s_t)`, each `s_t` fitted by `−log σ(±s_t)` up to the first wrong step;
//! outcome model, of the same form, by `−log P` or `−log(1 − P)` of `P = Π_t σ(s_t)`;
//! `P(solved at N) = Σ_i P(i is the best of N) · 1[i is right]`, over all subsets of N of a pool.
//!
//! **Claims** (Figure 3 of arXiv:2305.20050, reported second-hand): the process model solves more problems than the
//! outcome model at every number of candidates N, the gap grows with N, and the outcome model solves more than majority
//! voting; voting weighted by the process model gains nothing over taking its best.
//!
//! **Measured**: the share of held-out problems solved, on the public evaluation's grid of N (10 to 1860) with its 400
//! random draws from a pool of 1860 candidates per problem; candidates without an answer are no choice; ties are split
//! evenly. For best-of-N the mean over all draws is exact too (the share of subsets of N in which each score level is
//! the best). All reward models are fitted to the same labelled solutions; process model and (product) outcome model
//! differ in their labels alone. Beside them the usual linear outcome model, and the product outcome model with ten
//! times the solutions, which is the paper's protocol (its authors call that comparison not direct: its process labels
//! were collected actively).
//!
//! World, sizes and rates are ours, chosen on seeds outside the reported range (`world.rs`). What a choice could reach
//! is the share of problems with a right candidate, "any"; where majority voting ends is known exactly: the share of
//! problems whose most frequent answer is right.
//!
//! **Controls**: problems of one operation, where both kinds of labels say the same; a process model whose labels were
//! dealt anew among steps; draws against the exact mean; and on small problems, all of whose solutions are enumerated,
//! pools against the exact law of the best of N.
//!
//! **Found** (10 seeds): the paper's shape throughout. At N = 1860 the process model solves 0.937 of the problems, the
//! outcome model 0.852, majority voting 0.699, which is where the most frequent answer is right (0.697); every problem
//! has a right candidate. The lead over the outcome model grows from 0.044 at N = 10 to 0.086: beyond N = 50 more
//! candidates only show the outcome model more errors that it does not know. It leads the outcome model of ten times
//! the solutions too (0.906), by 0.031. That last result hangs on the prior: at a precision of 0.25 the two are level,
//! at 1 the larger data solve 0.12 more (`outcome_many_at_every_prior` is refuted), while the lead over the same
//! solutions stays between 0.04 and 0.09. The closed form of `information` makes the labels of a solution's steps worth
//! about seven outcomes here (six steps, an error rate of 0.12, 0.07 false positives), and with a prior that is too
//! strong for few labels the larger data win. Votes weighted by the process model are a little worse than its best
//! (0.909): many weak votes for a misconception outweigh fewer strong ones against it. The linear outcome model falls
//! with N, below majority (0.534): in a sum, a feature that happened to be in right solutions makes up for a wrong
//! step; a product cannot be talked over. A model whose labels were dealt anew is far worse than a single solution, the
//! more so the more candidates there are: it seeks out what is rare, and what is rare is wrong.

mod enumerated;
mod figure;
mod judge;
mod pools;

use super::models::{Form, Teaching, Training};
use super::world::WorldParams;
use rewardlab::env::arithmetic::Rates;
use rewardlab::error::{Error, Result};
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::metrics::selection::{PUBLIC_GRID, PUBLIC_TRIALS};
use rewardlab::plot::Chart;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct BestOfN;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    world: WorldParams,
    /// Of all models but one.
    training: Training,
    /// Solutions per training problem of the outcome model that has more; 1 to 1000.
    many_solutions: usize,
    /// Precisions of the prior at which the same is asked; one or more, positive.
    precisions: Vec<f64>,
    /// Candidates per test problem; 2 to 100 000.
    candidates: usize,
    /// N; increasing, two or more, at least 1, at most `candidates`.
    draws: Vec<u32>,
    /// Random draws of each N; 2 to 10 000.
    trials: usize,
    small: Small,
}

/// Problems that are enumerated.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Small {
    /// Of two operations; 1 to 100.
    problems: usize,
    /// Modulus; one of the world's problems'.
    modulus: u8,
    /// N; at least 1, each at most 1000.
    draws: Vec<u32>,
    /// Pools of N candidates of each problem; 2 to 100 000.
    pools: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell {
    /// The comparison.
    Pools,
    /// The same where problems have one operation and no step restates.
    OneStep,
    /// Exact laws of the best of N.
    Enumerated,
    /// Other strengths of the prior.
    Priors,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Pools => "pools",
            Self::OneStep => "one step",
            Self::Enumerated => "enumerated",
            Self::Priors => "priors",
        })
    }
}

/// One way to choose, at one N.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `chains`, `one_step`, `enumerated`, or `priors` (the chains at another strength of the prior).
    world: String,
    /// `majority`; best-of-N by `process`, `outcome`, `linear`, `outcome_many`, `shuffled`, `random`; `process_vote`, `outcome_vote`; `any`.
    method: String,
    /// N.
    n: u32,
    /// Precision of the prior (`priors` only).
    precision: Option<f64>,
    /// Share of test problems solved: exact mean over draws where there is one, else mean over random draws.
    solved: f64,
    /// Mean over random draws.
    sampled: Option<f64>,
    /// Standard deviation of the share solved over random draws.
    spread: Option<f64>,
    /// Mean over random draws less the exact mean, in standard errors (absent where all draws are the same).
    z: Option<f64>,
    /// Share of test problems whose most frequent answer is right (by dynamic programming; `majority` only).
    modal: Option<f64>,
    /// Share of solutions with the right answer (by dynamic programming; `majority` only).
    pass_rate: Option<f64>,
    /// Share of false positives among wrong solutions with an answer, mean over problems (likewise).
    false_positives: Option<f64>,
}

impl Experiment for BestOfN {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "process_supervision/best_of_n";
    const PAPER: &'static str = "Lightman et al., arXiv:2305.20050, Figure 3";
    const CLAIM: &'static str =
        "a process model beats an outcome model, and that majority voting, more so with more candidates";
    const SECONDS: (f64, f64) = (2.0, 200.0);

    fn params(profile: Profile) -> Params {
        let world = WorldParams::default();
        let small = |problems, pools| Small { problems, modulus: 7, draws: vec![1, 5, 20], pools };
        let training = Training::default();
        match profile {
            Profile::Smoke => Params {
                world: WorldParams { train_problems: 200, test_problems: 40, ..world },
                training,
                many_solutions: 12,
                precisions: vec![0.1, 0.5],
                candidates: 200,
                draws: vec![10, 50, 200],
                trials: 50,
                small: small(2, 200),
            },
            Profile::Paper => Params {
                // as many as the paper holds out
                world: WorldParams { test_problems: 500, ..world },
                training,
                many_solutions: 40,
                precisions: vec![0.02, 0.1, 0.25, 0.5, 1.0],
                candidates: 1860,
                draws: PUBLIC_GRID.into(),
                trials: PUBLIC_TRIALS,
                small: small(5, 1000),
            },
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
            ("many_solutions", p.many_solutions, 1, 1000),
            ("candidates", p.candidates, 2, 100_000),
            ("trials", p.trials, 2, 10_000),
            ("small.problems", p.small.problems, 1, 100),
            ("small.pools", p.small.pools, 2, 100_000),
        ])?;
        let legal = |n: &u32| *n >= 1 && *n as usize <= p.candidates;
        if p.draws.len() < 2 || !p.draws.iter().all(legal) || !p.draws.is_sorted_by(|a, b| a < b) {
            let legal = "increasing, two or more, each from 1 to candidates";
            return Err(Error::parameter("draws", format!("{:?}", p.draws), legal));
        }
        if p.precisions.is_empty() || !p.precisions.iter().all(|x| *x > 0.0 && x.is_finite()) {
            return Err(Error::parameter("precisions", format!("{:?}", p.precisions), "one or more, each positive"));
        }
        if p.small.draws.is_empty() || !p.small.draws.iter().all(|n| (1..=1000).contains(n)) {
            return Err(Error::parameter("small.draws", format!("{:?}", p.small.draws), "each from 1 to 1000"));
        }
        if !p.world.mix.moduli.contains(&p.small.modulus) {
            let legal = format!("one of {:?}", p.world.mix.moduli);
            return Err(Error::parameter("small.modulus", p.small.modulus, legal));
        }
        Ok(())
    }

    fn cells(_: &Params) -> Vec<Cell> {
        vec![Cell::Pools, Cell::OneStep, Cell::Enumerated, Cell::Priors]
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        match cell {
            Cell::Pools => pools::measure(p, ctx),
            Cell::OneStep => pools::one_step(p, ctx),
            Cell::Enumerated => enumerated::measure(p, ctx),
            Cell::Priors => pools::priors(p, ctx),
        }
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        judge::checks(rows)
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        figure::chart(rows)
    }
}

impl Params {
    /// The world without company: one operation, no restating, so that a solution is one step. About a thousand such problems exist.
    fn one_step(&self) -> WorldParams {
        let mut world = self.world.clone();
        world.mix.lengths = (1, 1);
        world.rates = Rates { restating: 0.0, ..world.rates };
        world.train_problems = world.train_problems.min(300);
        world.test_problems = world.test_problems.min(100);
        world
    }

    fn models(&self) -> [(&'static str, Teaching, Form, Training); 4] {
        let many = Training { solutions: self.many_solutions, ..self.training.clone() };
        let same = || self.training.clone();
        [
            ("process", Teaching::Process, Form::Product, same()),
            ("outcome", Teaching::Answer, Form::Product, same()),
            ("linear", Teaching::Answer, Form::Linear, same()),
            ("outcome_many", Teaching::Answer, Form::Product, many),
        ]
    }
}
