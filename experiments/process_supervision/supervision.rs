//! Three ways to label the same solutions: steps, outcomes without false positives, final answers (Figure 4).
//!
//! **Formula**: process model `score = Π_t σ(s_t)`, each `s_t` fitted by `−log σ(±s_t)` up to the first wrong step;
//! outcome model, of the same form, by `−log P` or `−log(1 − P)` of `P = Π_t σ(s_t)`;
//! `P(solved at N) = Σ_i P(i is the best of N) · 1[i is right]`, over all subsets of N of a pool.
//!
//! **Claims** (arXiv:2305.20050, second-hand): a reward model learned from (i) process labels up to the first error
//! chooses better than one from (ii) outcome labels that call a solution right iff no step is wrong, and that better
//! than one from (iii) a check of final answers, at every number of labelled solutions per problem from 1 to 200 (4a,
//! best of 500) and, for the best model of each series, at every N (4b).
//!
//! **Measured** in the world of modular arithmetic: the share of held-out problems that are solved when the best-scored
//! of N candidates is taken, exact over all draws of N from a pool. The three labellings are of the same samples. In
//! the paper (i) and (ii) come from a large process model, which calls a step wrong if it gives that more than 0.2;
//! here a logistic one plays its part, learned from true labels of other samples of the same problems (`model`); beside
//! it true labels (`truth`). Each outcome labelling teaches two models: `product`, which is the process model but for
//! its supervision (P(right) = Π σ of the steps), and `linear`, σ of a sum, as outcome models usually are. All are
//! fitted alike, to the maximum of the posterior with one prior. Sizes, rates and prior are ours.
//!
//! **Controls**: where solutions have one step each the three labellings say the same, and the models are one; labels
//! dealt anew among solutions should teach nothing (solved as often as by a random candidate; see Found).
//!
//! **Chosen after looking**, on other seeds: 500 training problems instead of 1000, for time.
//!
//! **Found**: the order is (i) > (ii) > (iii) at every size and every N, by both labellers and in both forms. Process
//! labels are clearly ahead of both everywhere; at one solution per problem (ii) leads (iii) by 0.004 in the product
//! form, within the noise, so that the two claims about all sizes are inconclusive for that size alone. With 200 per
//! problem and true labels the best of 500 solves 0.93 by steps, 0.87 by outcomes, 0.69 by final answers (product), as
//! much as majority voting. Labels of the large model, which is nearly always right here, cost 0.01 at most and change
//! no order.
//!
//! Beyond the paper: (iii) does not stay behind, it falls. The product model of final answers is best at 30 solutions
//! per problem or fewer, and the usual linear one is worse with every addition (0.66 at one, 0.26 at 200, which is far
//! below a random candidate's 0.53). Some wrong steps are forgiven by what follows (one solution in 25 is right in
//! spite of one); the more data, the surer the model is of them, and the best of 500 finds them. In the product no step
//! can make up for another, since σ ≤ 1; in a sum a step that has only been seen in solutions called right may outweigh
//! a wrong one. Labels dealt anew do harm rather than nothing (0.11), so that this control is refuted: what is chosen
//! is what was seen least, and that is mostly wrong. Scores at random do nothing. A run at a stronger prior (0.5) gave
//! the same order, with all leads at one solution per problem within the noise.

mod figure;
mod judge;

use super::labelled::{Labelled, Sight};
use super::models::{Form, PRECISION, Teaching, learn};
use super::pools::{self, Candidates};
use super::world::{World, WorldParams};
use rewardlab::algorithm::{LogisticParams, fit_process};
use rewardlab::env::{StepLabel, supervised};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::metrics::selection::trial_orders;
use rewardlab::plot::Chart;
use rewardlab::reward::{Neutral, first_error_above};
use rewardlab::stats::mean;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct Supervision;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    world: WorldParams,
    /// Labelled solutions per training problem; increasing, from 1 to 1000.
    per_problem: Vec<usize>,
    /// N; increasing, from 1, at most the pool; 10 or more somewhere.
    draws: Vec<u32>,
    /// Candidates per test problem; 10 to 10 000.
    pool: usize,
    /// Draws over which majority voting is averaged; 1 to 10 000.
    trials: usize,
    /// Precision of the weights' prior; positive.
    precision: f64,
    /// The labelling model.
    large: LargeParams,
}

/// The model that labels.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LargeParams {
    /// Solutions per training problem that it learned from, with true labels; 1 to 1000.
    per_problem: usize,
    /// A step is called wrong above this probability; in (0, 1). The paper, second-hand: 0.2.
    threshold: f64,
}

/// Whose step labels there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Labeller {
    Truth,
    Model,
    /// True labels dealt anew.
    Shuffled,
}

impl Labeller {
    fn name(self) -> &'static str {
        match self {
            Self::Truth => "truth",
            Self::Model => "model",
            Self::Shuffled => "shuffled",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell {
    Learned {
        labeller: Labeller,
        teaching: Teaching,
        form: Form,
    },
    /// One step per solution.
    OneStep,
    /// What there is without a reward model.
    Baselines,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Learned { labeller, teaching, form } => {
                write!(f, "{} {} {}", labeller.name(), teaching.name(), form.name())
            }
            Self::OneStep => f.write_str("one_step"),
            Self::Baselines => f.write_str("baselines"),
        }
    }
}

/// One model at one N.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `learned`, `one_step` or `baseline`.
    part: String,
    /// `truth`, `model` or `shuffled`: whose step labels.
    labeller: String,
    /// `process`, `outcome`, `answer`; of a baseline `majority`, `any` (some candidate is right), `random` (scores at random).
    teaching: String,
    /// `product` or `linear`.
    form: String,
    /// Labelled solutions per training problem.
    per_problem: usize,
    /// Labels: steps up to the first error, or solutions.
    labels: usize,
    /// Share of labels that call right what is wrong or the other way round; neutral is right.
    wrong_labels: f64,
    /// N.
    n: u32,
    /// Share of test problems that are solved.
    solved: f64,
}

impl Experiment for Supervision {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "process_supervision/supervision";
    const PAPER: &'static str = "Lightman et al., arXiv:2305.20050, Figures 4a and 4b";
    const CLAIM: &'static str =
        "Process labels beat outcome labels of the same solutions, and these a check of final answers";
    const SECONDS: (f64, f64) = (3.0, 250.0);

    fn params(profile: Profile) -> Params {
        let (train, test, pool, per_problem, large) = match profile {
            Profile::Smoke => (100, 30, 200, vec![1, 10, 30], 20),
            Profile::Paper => (500, 200, 1000, vec![1, 3, 10, 30, 100, 200], 100),
        };
        let most = pool as u32 / 2;
        Params {
            world: WorldParams { train_problems: train, test_problems: test, ..WorldParams::default() },
            per_problem,
            draws: [1, 2, 5, 10, 20, 50, 100, 200, 500].into_iter().filter(|n| *n <= most).collect(),
            pool,
            trials: 100,
            precision: PRECISION,
            large: LargeParams { per_problem: large, threshold: 0.2 },
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
        let sizes = &p.per_problem;
        if sizes.is_empty() || !sizes.is_sorted_by(|a, b| a < b) || sizes[0] < 1 || sizes[sizes.len() - 1] > 1000 {
            return Err(Error::parameter("per_problem", format!("{sizes:?}"), "increasing, from 1 to 1000"));
        }
        Error::check_counts(&[
            ("pool", p.pool, 10, 10_000),
            ("trials", p.trials, 1, 10_000),
            ("large.per_problem", p.large.per_problem, 1, 1_000),
        ])?;
        let draws = &p.draws;
        let most = draws.last().copied().unwrap_or(0);
        if !draws.is_sorted_by(|a, b| a < b) || draws.first() != Some(&1) || most < 10 || most as usize > p.pool {
            let legal = format!("increasing, from 1 to at least 10 and at most the pool, {}", p.pool);
            return Err(Error::parameter("draws", format!("{draws:?}"), legal));
        }
        if !(p.large.threshold > 0.0 && p.large.threshold < 1.0) {
            return Err(Error::parameter("large.threshold", p.large.threshold, "above 0 and below 1"));
        }
        Error::check_positive(&[("precision", p.precision)])
    }

    fn cells(_: &Params) -> Vec<Cell> {
        let of = |labeller, teaching, form| Cell::Learned { labeller, teaching, form };
        let mut cells = vec![Cell::Baselines, Cell::OneStep];
        for labeller in [Labeller::Truth, Labeller::Model] {
            cells.push(of(labeller, Teaching::Process, Form::Product));
            cells.extend([Form::Product, Form::Linear].map(|form| of(labeller, Teaching::Outcome, form)));
        }
        // a check of final answers needs no labeller of steps
        cells.extend([Form::Product, Form::Linear].map(|form| of(Labeller::Truth, Teaching::Answer, form)));
        cells.push(of(Labeller::Shuffled, Teaching::Process, Form::Product));
        cells
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        match *cell {
            Cell::Learned { labeller, teaching, form } => {
                let world = p.world.world(ctx)?;
                let row = Row { part: "learned".into(), ..Row::default() };
                learned(p, &world, labeller, &[(teaching, form)], &row, ctx)
            }
            Cell::OneStep => {
                let world = p.world.one_step().world(ctx)?;
                let row = Row { part: "one_step".into(), ..Row::default() };
                let kinds = Teaching::ALL.map(|t| (t, Form::Product));
                learned(p, &world, Labeller::Truth, &kinds, &row, ctx)
            }
            Cell::Baselines => baselines(p, ctx),
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
    /// The same for all cells.
    fn candidates(&self, world: &World, ctx: &Context) -> Result<Vec<Candidates>> {
        pools::draw(world, Sight::Beliefs, &world.test, self.pool, &mut ctx.shared_stream("candidates"))
    }
}

/// Models from nested samples of each size; `row` says the part.
fn learned(
    p: &Params,
    world: &World,
    labeller: Labeller,
    kinds: &[(Teaching, Form)],
    row: &Row,
    ctx: &Context,
) -> Result<Vec<Row>> {
    let most = p.per_problem.last().copied().unwrap_or(0);
    let truth = Labelled::sample(world, Sight::Beliefs, &world.train, most, &mut ctx.shared_stream("samples"))?;
    let data = match labeller {
        Labeller::Truth => truth.clone(),
        Labeller::Model => by_model(p, world, &truth, ctx)?,
        Labeller::Shuffled => truth.shuffled(&mut ctx.stream("shuffle")),
    };
    let test = p.candidates(world, ctx)?;
    let mut rows = Vec::new();
    for &size in &p.per_problem {
        let which: Vec<usize> = (0..data.len()).filter(|i| i % most < size).collect();
        let (own, true_own) = (data.select(&which), truth.select(&which));
        for &(teaching, form) in kinds {
            let model = learn(&own, teaching, form, p.precision)?;
            let solved = pools::solved(&test, &model, &p.draws);
            rows.extend(p.draws.iter().zip(solved).map(|(&n, solved)| Row {
                labeller: labeller.name().into(),
                teaching: teaching.name().into(),
                form: form.name().into(),
                per_problem: size,
                labels: if teaching == Teaching::Process { own.supervised() } else { own.len() },
                wrong_labels: wrong_labels(&own, &true_own, teaching),
                n,
                solved,
                ..row.clone()
            }));
        }
    }
    Ok(rows)
}

/// The share of labels that are not the true ones; of final answers: of solutions that are called right with a wrong step.
fn wrong_labels(own: &Labelled, truth: &Labelled, teaching: Teaching) -> f64 {
    let wrong: Vec<f64> = match teaching {
        Teaching::Process => {
            // what is labelled: up to the first step that this labeller calls wrong
            let is_wrong = |label: &StepLabel| *label == StepLabel::Negative;
            let of = |i: usize| {
                let labels = own.labels_of(i).iter().zip(truth.labels_of(i)).take(supervised(own.labels_of(i)));
                labels.map(|(a, b)| f64::from(u8::from(is_wrong(a) != is_wrong(b))))
            };
            (0..own.len()).flat_map(of).collect()
        }
        Teaching::Outcome => {
            (0..own.len()).map(|i| f64::from(u8::from(own.all_valid(i) != truth.all_valid(i)))).collect()
        }
        Teaching::Answer => (0..own.len()).map(|i| f64::from(u8::from(own.right[i] != truth.all_valid(i)))).collect(),
    };
    mean(&wrong)
}

/// The same solutions, labelled by a process model that learned from others.
fn by_model(p: &Params, world: &World, truth: &Labelled, ctx: &Context) -> Result<Labelled> {
    let mut rng = ctx.shared_stream("samples of the large model");
    let others = Labelled::sample(world, Sight::Beliefs, &world.train, p.large.per_problem, &mut rng)?;
    let large = fit_process(
        &others.solutions,
        &others.labels,
        Neutral::Positive,
        &LogisticParams::with_precision(p.precision),
    )?;
    let said = large.log_right(&truth.solutions);
    let mut labels = vec![StepLabel::Positive; said.len()];
    for i in 0..truth.len() {
        let steps = truth.solutions.steps_of(i);
        if let Some(wrong) = first_error_above(&said[steps.clone()], p.large.threshold) {
            labels[steps.start + wrong] = StepLabel::Negative;
        }
    }
    Ok(Labelled { labels, ..truth.clone() })
}

fn baselines(p: &Params, ctx: &Context) -> Result<Vec<Row>> {
    let world = p.world.world(ctx)?;
    let test = p.candidates(&world, ctx)?;
    let orders = trial_orders(p.trials, p.pool, &mut ctx.stream("trials"));
    let majority = pools::share(&pools::majority(&test, &orders, &p.draws));
    let random = pools::random_scores(&test, &mut ctx.stream("random"));
    let any: Vec<Vec<f64>> = test.iter().map(|c| c.pool.pass_at_n(&p.draws)).collect();
    let rows = |name: &'static str, solved: Vec<f64>| {
        let row = move |(&n, solved): (&u32, f64)| Row {
            part: "baseline".into(),
            teaching: name.into(),
            n,
            solved,
            ..Row::default()
        };
        p.draws.iter().zip(solved).map(row).collect::<Vec<_>>()
    };
    let random = pools::share(&pools::best_of_n(&test, &random, &p.draws));
    Ok([rows("majority", majority), rows("any", pools::share(&any)), rows("random", random)].concat())
}
