//! Best-of-N by difficulty (Figure 6).
//!
//! **Formula**: `P(solved at N) = Σ_i P(i is the best of N) · 1[i is right]`, over all subsets of N of a pool, by
//! quintile of the generator's pass rate.
//!
//! **Claims** (Figure 6 of arXiv:2305.20050, reported second-hand): by quintile of the generator's pass rate, the
//! process model is at least as good as the outcome model in each; the outcome model gets slightly worse with N on the
//! easiest problems, where it is fooled; more candidates help most on the hardest.
//!
//! **Measured**: the share solved by best-of-N, exact over all draws of N of the pool, of held-out problems in five
//! equal groups of exact pass rate (dynamic programming); reward models as in `best_of_n`, with the usual linear
//! outcome model beside them; majority voting over random draws.
//!
//! **Control**: the same problems in groups that were dealt anew, where more candidates must help alike. What no choice
//! can exceed, the share of problems with a right candidate, is drawn beside.
//!
//! **Found** (10 seeds): all as claimed. From N = 10 to 1860 the process model gains 0.25 on the hardest fifth (0.52 to
//! 0.77) and nothing on the easiest, where it solves all. The outcome model falls on the easier three fifths (0.997 to
//! 0.985, 0.992 to 0.982, 0.976 to 0.958), where majority voting makes no mistake at all: what has a flaw that it does
//! not know is rare there, and many candidates bring it up. The linear outcome model falls in all, by 0.18 on the
//! easiest. On the hardest fifth the most frequent answer is wrong: majority voting goes to 0.

mod figure;
mod judge;

use super::labelled::Sight;
use super::models::{Form, Teaching, Training};
use super::pools;
use super::world::WorldParams;
use rewardlab::error::{Error, Result};
use rewardlab::exact::Chain;
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::metrics::selection::{PUBLIC_GRID, trial_orders};
use rewardlab::plot::Chart;
use rewardlab::stats::mean;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct Difficulty;

/// Groups of problems.
const GROUPS: usize = 5;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// At least five test problems.
    world: WorldParams,
    training: Training,
    /// Candidates per test problem; 2 to 100 000.
    candidates: usize,
    /// N; increasing, two or more, at least 1, at most `candidates`.
    draws: Vec<u32>,
    /// Random draws for majority voting; 2 to 10 000.
    trials: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell;

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("quintiles")
    }
}

/// One way to choose, at one N, on one group of problems.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `pass_rate`, or `dealt` anew.
    groups: String,
    /// 1 (easiest) to 5 (hardest).
    quintile: usize,
    /// The group's mean pass rate, exact.
    pass_rate: f64,
    /// `process`, `outcome`, `linear`, `majority` or `any`.
    method: String,
    /// N.
    n: u32,
    /// Share of the group's problems solved.
    solved: f64,
}

impl Experiment for Difficulty {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "process_supervision/difficulty";
    const PAPER: &'static str = "Lightman et al., arXiv:2305.20050, Figure 6";
    const CLAIM: &'static str =
        "the process model is ahead at every difficulty; the outcome model is fooled on easy problems";
    const SECONDS: (f64, f64) = (1.0, 10.0);

    fn params(profile: Profile) -> Params {
        let (world, training) = (WorldParams::default(), Training::default());
        match profile {
            Profile::Smoke => Params {
                world: WorldParams { train_problems: 200, test_problems: 40, ..world },
                training,
                candidates: 200,
                draws: vec![10, 50, 200],
                trials: 20,
            },
            Profile::Paper => Params {
                world: WorldParams { test_problems: 500, ..world },
                training,
                candidates: 1860,
                draws: PUBLIC_GRID.into(),
                trials: 100,
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
            ("world.test_problems", p.world.test_problems, GROUPS, 100_000),
            ("candidates", p.candidates, 2, 100_000),
            ("trials", p.trials, 2, 10_000),
        ])?;
        let legal = |n: &u32| *n >= 1 && *n as usize <= p.candidates;
        if p.draws.len() < 2 || !p.draws.iter().all(legal) || !p.draws.is_sorted_by(|a, b| a < b) {
            let legal = "increasing, two or more, each from 1 to candidates";
            return Err(Error::parameter("draws", format!("{:?}", p.draws), legal));
        }
        Ok(())
    }

    fn cells(_: &Params) -> Vec<Cell> {
        vec![Cell]
    }

    fn measure(p: &Params, _: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let world = p.world.world(ctx)?;
        let candidates = pools::draw(&world, Sight::Beliefs, &world.test, p.candidates, &mut ctx.stream("candidates"))?;
        let rate = |problem| Chain::new(&world.generator, problem).pass_rate();
        let rates: Vec<f64> = world.test.iter().map(rate).collect();
        let mut easiest_first: Vec<usize> = (0..rates.len()).collect();
        easiest_first.sort_by(|&a, &b| rates[b].total_cmp(&rates[a]));
        let dealt = ctx.stream("dealt").permutation(rates.len());
        let mut methods = Vec::new();
        for (name, teaching, form) in [
            ("process", Teaching::Process, Form::Product),
            ("outcome", Teaching::Answer, Form::Product),
            ("linear", Teaching::Answer, Form::Linear),
        ] {
            let model = p.training.model(&p.world, teaching, form, ctx)?;
            let scores = pools::score(&candidates, |seen| model.scores(seen));
            methods.push((name, pools::best_of_n(&candidates, &scores, &p.draws)));
        }
        let orders = trial_orders(p.trials, p.candidates, &mut ctx.stream("orders"));
        methods.push(("majority", pools::majority(&candidates, &orders, &p.draws)));
        methods.push(("any", candidates.iter().map(|c| c.pool.pass_at_n(&p.draws)).collect()));
        let mut rows = Vec::new();
        for (groups, order) in [("pass_rate", &easiest_first), ("dealt", &dealt)] {
            for quintile in 0..GROUPS {
                let own = &order[quintile * order.len() / GROUPS..(quintile + 1) * order.len() / GROUPS];
                let over = |of: &dyn Fn(usize) -> f64| mean(&own.iter().map(|&i| of(i)).collect::<Vec<_>>());
                for (method, solved) in &methods {
                    rows.extend(p.draws.iter().enumerate().map(|(k, &n)| Row {
                        groups: groups.into(),
                        quintile: quintile + 1,
                        pass_rate: over(&|i| rates[i]),
                        method: (*method).into(),
                        n,
                        solved: over(&|i| solved[i][k]),
                    }));
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
