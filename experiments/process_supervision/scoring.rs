//! From steps to a score: product or minimum, neutral steps as right or wrong (Table 4).
//!
//! **Formula**: `product = Π_t p_t`, `minimum = min_t p_t`, `geometric mean = (Π_t p_t)^(1/L)`, with
//! `p_t = P(right) + P(neutral)` where neutral counts as positive, `P(right)` where it counts as negative.
//!
//! **Claims** (Table 4 of arXiv:2305.20050, reported second-hand): the four scores {product, minimum} × {neutral counts
//! as positive, as negative} solve about the same (77.4 to 78.2 per cent in the paper), the product with neutral as
//! positive no less than the others; the product slightly penalises length.
//!
//! **Measured**: the share of held-out problems solved by best-of-N, exact over all draws, by a process model with
//! three classes (wrong, neutral, right) and each score; the geometric mean beside them, the product without its
//! dependence on length. What a score prefers: steps of the chosen solution less the mean of the problem's finished
//! candidates. A step that restates the value is neutral: it is always right here and says nothing of the others, so
//! that counting it as wrong leaves only candidates that never restate.
//!
//! **Derived**: with the same log-probability ln p at each step the product's score is L ln p, those of minimum and
//! geometric mean are ln p at every length.
//!
//! **Control**: a world without neutral steps, where both readings of neutral must choose alike.
//!
//! **Found** (10 seeds): at N = 1860 all solve 0.938, apart by 0.002. With few candidates the reading of neutral
//! matters: at N = 10 product and minimum solve 0.881 with neutral as positive, 0.820 as negative, which throws away
//! every candidate that restates (about half of them). The product chooses solutions 0.32 steps shorter than the
//! candidates' mean, the minimum as long ones; the geometric mean chooses ones 2.4 steps longer, padded with
//! restatements, each of which is surely right and lifts the mean: the cure of the length bias invites padding. Its
//! learned score rises a little with length for the same reason (slope −0.07 of the product's; undecided at a limit of
//! 0.1).

mod figure;
mod judge;

use super::labelled::Sight;
use super::models::Training;
use super::pools;
use super::world::WorldParams;
use rewardlab::algorithm::fit_process_classes;
use rewardlab::error::{Error, Result};
use rewardlab::exact::best_of_n_choice;
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::plot::Chart;
use rewardlab::reward::{Neutral, Score};
use rewardlab::stats::mean;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct Scoring;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    world: WorldParams,
    training: Training,
    /// Candidates per test problem; 2 to 100 000.
    candidates: usize,
    /// N; increasing, at least 1, at most `candidates`.
    draws: Vec<u32>,
    /// P(right) of every step in the derived scores; in (0, 1).
    step_rates: Vec<f64>,
    /// Longest of the derived scores; 2 to 1000.
    longest: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell {
    Chains,
    NoNeutral,
    Derived,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Chains => "chains",
            Self::NoNeutral => "no neutral steps",
            Self::Derived => "derived",
        })
    }
}

/// One score.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `chains`, `no_neutral`, `derived`; `valid` for scores of solutions without a wrong step.
    part: String,
    /// `product`, `minimum` or `geometric_mean`.
    score: String,
    /// What neutral steps count as: `positive` or `negative`; empty where there are none.
    neutral: String,
    /// N; of `derived` and `valid` the number of steps.
    n: u32,
    /// Share of test problems solved.
    solved: Option<f64>,
    /// Steps of the chosen solution less the mean over the problem's finished candidates, mean over problems.
    longer: Option<f64>,
    /// P(right) of each step; of `derived`.
    step_rate: Option<f64>,
    /// The score, in nats; of `derived`, and the mean over solutions of `valid`.
    value: Option<f64>,
}

impl Experiment for Scoring {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "process_supervision/scoring";
    const PAPER: &'static str = "Lightman et al., arXiv:2305.20050, Table 4";
    const CLAIM: &'static str = "product or minimum, neutral as right or wrong: all score about alike";
    const SECONDS: (f64, f64) = (2.0, 85.0);

    fn params(profile: Profile) -> Params {
        let (world, training) = (WorldParams::default(), Training::default());
        let (step_rates, longest) = (vec![0.8, 0.9, 0.97], 20);
        match profile {
            Profile::Smoke => Params {
                world: WorldParams { train_problems: 100, test_problems: 30, ..world },
                training,
                candidates: 200,
                draws: vec![10, 50, 200],
                step_rates,
                longest,
            },
            Profile::Paper => Params {
                world: WorldParams { test_problems: 500, ..world },
                training,
                candidates: 1860,
                draws: vec![10, 25, 50, 100, 200, 500, 1000, 1860],
                step_rates,
                longest,
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
        Error::check_counts(&[("candidates", p.candidates, 2, 100_000), ("longest", p.longest, 2, 1000)])?;
        let legal = |n: &u32| *n >= 1 && *n as usize <= p.candidates;
        if p.draws.is_empty() || !p.draws.iter().all(legal) || !p.draws.is_sorted_by(|a, b| a < b) {
            let legal = "increasing, each from 1 to candidates";
            return Err(Error::parameter("draws", format!("{:?}", p.draws), legal));
        }
        if p.step_rates.is_empty() || !p.step_rates.iter().all(|r| *r > 0.0 && *r < 1.0) {
            return Err(Error::parameter("step_rates", format!("{:?}", p.step_rates), "each above 0 and below 1"));
        }
        Ok(())
    }

    fn cells(_: &Params) -> Vec<Cell> {
        vec![Cell::Chains, Cell::NoNeutral, Cell::Derived]
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        match cell {
            Cell::Chains => chains(p, &p.world, "chains", ctx),
            Cell::NoNeutral => {
                let mut world = p.world.clone();
                world.rates.restating = 0.0;
                chains(p, &world, "no_neutral", ctx)
            }
            Cell::Derived => Ok(derived(p)),
        }
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        judge::checks(rows)
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        figure::chart(rows)
    }
}

/// Best-of-N by each score of one model.
fn chains(p: &Params, params: &WorldParams, part: &str, ctx: &Context) -> Result<Vec<Row>> {
    let world = params.world(ctx)?;
    let data = p.training.labelled(params, ctx)?;
    let model = fit_process_classes(&data.solutions, &data.labels, &p.training.logistic())?;
    let candidates = pools::draw(&world, Sight::Beliefs, &world.test, p.candidates, &mut ctx.stream("candidates"))?;
    let mut rows = Vec::new();
    for score in Score::ALL {
        for neutral in Neutral::BOTH {
            let scores = pools::score(&candidates, |seen| model.scores(seen, score, neutral));
            let solved = pools::share(&pools::best_of_n(&candidates, &scores, &p.draws));
            let longer: Vec<Vec<f64>> = candidates.iter().zip(&scores).map(|(c, s)| longer(c, s, &p.draws)).collect();
            let longer = pools::share(&longer);
            rows.extend(p.draws.iter().enumerate().map(|(k, &n)| Row {
                part: part.into(),
                score: score.name().into(),
                neutral: neutral.name().into(),
                n,
                solved: Some(solved[k]),
                longer: Some(longer[k]),
                ..Row::default()
            }));
        }
    }
    if part == "chains" {
        let valid: Vec<usize> = (0..data.len()).filter(|i| data.all_valid(*i)).collect();
        let seen = data.solutions.select(valid);
        for score in Score::ALL {
            rows.extend(by_length(seen.lengths(), &model.scores(&seen, score, Neutral::Positive), score));
        }
    }
    Ok(rows)
}

/// Steps of the chosen candidate less the mean over all that could be chosen; nothing where none can.
fn longer(own: &pools::Candidates, scores: &[f64], draws: &[u32]) -> Vec<f64> {
    let finished = own.pool.answers.iter().zip(own.seen.lengths()).filter(|(a, _)| a.is_some());
    let typical = mean(&finished.map(|(_, l)| *l as f64).collect::<Vec<_>>());
    let over = |(a, l): (&Option<u8>, &usize)| if a.is_some() { *l as f64 - typical } else { 0.0 };
    let over: Vec<f64> = own.pool.answers.iter().zip(own.seen.lengths()).map(over).collect();
    best_of_n_choice(&own.pool.choosable(scores), &over, draws)
}

/// The mean score of solutions of each length.
fn by_length(lengths: &[usize], values: &[f64], score: Score) -> Vec<Row> {
    let mut of_length = std::collections::BTreeMap::<usize, Vec<f64>>::new();
    lengths.iter().zip(values).for_each(|(l, v)| of_length.entry(*l).or_default().push(*v));
    let row = |(length, values): (usize, Vec<f64>)| Row {
        part: "valid".into(),
        score: score.name().into(),
        neutral: "positive".into(),
        n: length as u32,
        value: Some(mean(&values)),
        ..Row::default()
    };
    of_length.into_iter().map(row).collect()
}

fn derived(p: &Params) -> Vec<Row> {
    let mut rows = Vec::new();
    for score in Score::ALL {
        for &rate in &p.step_rates {
            rows.extend((1..=p.longest).map(|steps| Row {
                part: "derived".into(),
                score: score.name().into(),
                n: steps as u32,
                step_rate: Some(rate),
                value: Some(score.of(&vec![rate.ln(); steps])),
                ..Row::default()
            }));
        }
    }
    rows
}
