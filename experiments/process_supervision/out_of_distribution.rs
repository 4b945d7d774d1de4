//! Problems unlike those of training (Table 1).
//!
//! **Formula**: process model `score = Π_t σ(s_t)`, each `s_t` fitted by `−log σ(±s_t)` up to the first wrong step;
//! outcome model, of the same form, by `−log P` or `−log(1 − P)` of `P = Π_t σ(s_t)`;
//! `P(solved at N) = Σ_i P(i is the best of N) · 1[i is right]`, over all subsets of N of a pool.
//!
//! **Claims** (Table 1 of arXiv:2305.20050, reported second-hand): on examinations that neither generator nor reward
//! models were made for, best-of-100 by the process model solves most (72.9 per cent), by the outcome model less
//! (63.8), majority voting least (61.3); and in each examination the process model is ahead of the outcome model.
//!
//! **Measured**: best-of-100, exact over all draws of 100 of a pool, of reward models trained as in `best_of_n`, on
//! four other distributions: longer problems, another mix of the same operators (mostly multiplications), problems in
//! which every third step has an operator that no training problem has, and a modulus that none has. What carries over
//! to steps that were never seen is that the generator hedges more where it is wrong, and whether a step says what the
//! generator itself believes; which of these beliefs are wrong does not. Drops are against problems of the training
//! distribution.
//!
//! **Control**: problems of the new operator alone, in a world where how a step is said tells nothing: there labels
//! have nothing to teach that could be used, and process and outcome model must choose alike.
//!
//! **Found** (10 seeds): over the four other distributions the process model solves 0.790, the outcome model 0.722,
//! majority voting 0.605; the order and the lead (0.068) are the paper's. It leads the outcome model of ten times the
//! solutions too, by 0.016. The lead is largest on longer problems (0.877 to 0.744), where majority voting suffers most
//! (0.538): what was learned are steps, and those are the same. With a new operator in every third step it shrinks
//! (0.795 to 0.749), and at a modulus of which nothing was seen there is none: all models choose what the generator
//! believes, and solve about what majority voting solves: `process_ahead_on_each` cannot be decided there, and on the
//! other three the process model is ahead on each. `process_drops_no_more` is refuted: the process model loses 0.018
//! more than the outcome model, off a level that is 0.086 higher; what it knows more is about steps of training, and
//! not needed at the new modulus. Without that modulus the drops differ by less than the noise (`drops_where_usable`).

mod figure;
mod judge;

use super::labelled::Sight;
use super::models::{Form, Teaching, Training};
use super::pools;
use super::world::WorldParams;
use rewardlab::env::Split;
use rewardlab::env::arithmetic::{Mix, Problem};
use rewardlab::error::{Error, Result};
use rewardlab::exact::Chain;
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::metrics::selection::trial_orders;
use rewardlab::plot::Chart;
use rewardlab::stats::mean;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct OutOfDistribution;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Its moduli include the new one.
    world: WorldParams,
    training: Training,
    /// Solutions per training problem of the outcome model that has more; 1 to 1000.
    many_solutions: usize,
    /// Candidates per problem; at least `n`, at most 100 000.
    candidates: usize,
    /// N; at least 1.
    n: u32,
    /// Random draws for majority voting; 2 to 10 000.
    trials: usize,
    /// Problems of each distribution; 2 to 100 000.
    problems: usize,
    /// Fewest and most operations of the longer ones; 1 to 64.
    longer: (usize, usize),
    /// Weights of add, subtract, multiply and square in the other mix.
    other_mix: [f64; 4],
    /// The same where the operator is new; the last is the new one's.
    new_operator: [f64; 4],
    /// One of the world's moduli that its problems do not have.
    new_modulus: u8,
}

/// What problems are drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Set {
    Training,
    Longer,
    OtherMix,
    NewOperator,
    NewModulus,
}

impl Set {
    const ALL: [Self; 5] = [Self::Training, Self::Longer, Self::OtherMix, Self::NewOperator, Self::NewModulus];

    fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Longer => "longer",
            Self::OtherMix => "other_mix",
            Self::NewOperator => "new_operator",
            Self::NewModulus => "new_modulus",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell {
    Set(Set),
    /// The new operator alone, without tells.
    Blind,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Set(set) => set.name(),
            Self::Blind => "blind",
        })
    }
}

/// One way to choose on one distribution.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `training`, `longer`, `other_mix`, `new_operator`, `new_modulus` or `blind`.
    set: String,
    /// `process`, `outcome`, `linear`, `outcome_many`, `majority` or `any`.
    method: String,
    /// Share of problems solved at N.
    solved: f64,
    /// The generator's pass rate, exact, mean over problems.
    pass_rate: f64,
    /// N.
    n: u32,
}

impl Experiment for OutOfDistribution {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "process_supervision/out_of_distribution";
    const PAPER: &'static str = "Lightman et al., arXiv:2305.20050, Table 1";
    const CLAIM: &'static str = "on problems unlike those of training the process model still leads";
    const SECONDS: (f64, f64) = (2.0, 65.0);

    fn params(profile: Profile) -> Params {
        let mut world = WorldParams::default();
        world.moduli.push(13);
        let p = Params {
            world,
            training: Training::default(),
            many_solutions: 40,
            candidates: 300,
            n: 100,
            trials: 100,
            problems: 250,
            longer: (9, 12),
            other_mix: [1.0, 1.0, 6.0, 0.0],
            new_operator: [1.0, 1.0, 1.0, 1.5],
            new_modulus: 13,
        };
        match profile {
            Profile::Smoke => Params {
                world: WorldParams { train_problems: 100, test_problems: 2, ..p.world },
                many_solutions: 8,
                candidates: 120,
                trials: 10,
                problems: 20,
                ..p
            },
            Profile::Paper => p,
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
            ("n", p.n as usize, 1, 100_000),
            ("candidates", p.candidates, p.n as usize, 100_000),
            ("trials", p.trials, 2, 10_000),
            ("problems", p.problems, 2, 100_000),
        ])?;
        for (set, name) in Set::ALL.into_iter().zip(["", "longer", "other_mix", "new_operator", "new_modulus"]) {
            p.world.validate_mix(&p.mix(set)).map_err(|e| if name.is_empty() { e } else { e.within(name) })?;
        }
        if p.world.mix.moduli.contains(&p.new_modulus) {
            return Err(Error::parameter("new_modulus", p.new_modulus, "none of the training problems' moduli"));
        }
        if p.new_operator[3] <= 0.0 || p.world.mix.operators[3] > 0.0 {
            let legal = "with a positive last weight, which the training problems' have not";
            return Err(Error::parameter("new_operator", format!("{:?}", p.new_operator), legal));
        }
        Ok(())
    }

    fn cells(_: &Params) -> Vec<Cell> {
        Set::ALL.into_iter().map(Cell::Set).chain([Cell::Blind]).collect()
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        match *cell {
            Cell::Set(set) => p.choose(&p.world, &p.mix(set), set.name(), ctx),
            Cell::Blind => {
                let mut world = p.world.clone();
                let rates = &mut world.rates;
                (rates.worked[1], rates.hedged[1]) = (rates.worked[0], rates.hedged[0]);
                let alone = Mix { operators: [0.0, 0.0, 0.0, 1.0], ..p.world.mix.clone() };
                p.choose(&world, &alone, "blind", ctx)
            }
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
    fn mix(&self, set: Set) -> Mix {
        let base = self.world.mix.clone();
        match set {
            Set::Training => base,
            Set::Longer => Mix { lengths: self.longer, ..base },
            Set::OtherMix => Mix { operators: self.other_mix, ..base },
            Set::NewOperator => Mix { operators: self.new_operator, ..base },
            Set::NewModulus => Mix { moduli: vec![self.new_modulus], ..base },
        }
    }

    /// Every choice on held-out problems of a distribution.
    fn choose(&self, params: &WorldParams, mix: &Mix, set: &str, ctx: &Context) -> Result<Vec<Row>> {
        let world = params.world(ctx)?;
        let problems: Vec<Problem> = mix.draw_different(self.problems, Split::Test, &mut ctx.stream("problems"))?;
        let candidates =
            pools::draw(&world, Sight::Beliefs, &problems, self.candidates, &mut ctx.stream("candidates"))?;
        let many = Training { solutions: self.many_solutions, ..self.training.clone() };
        let models = [
            ("process", Teaching::Process, Form::Product, &self.training),
            ("outcome", Teaching::Answer, Form::Product, &self.training),
            ("linear", Teaching::Answer, Form::Linear, &self.training),
            ("outcome_many", Teaching::Answer, Form::Product, &many),
        ];
        let mut solved = Vec::new();
        for (name, teaching, form, training) in models {
            let model = training.model(params, teaching, form, ctx)?;
            let scores = pools::score(&candidates, |seen| model.scores(seen));
            solved.push((name, pools::best_of_n(&candidates, &scores, &[self.n])));
        }
        let orders = trial_orders(self.trials, self.candidates, &mut ctx.stream("orders"));
        solved.push(("majority", pools::majority(&candidates, &orders, &[self.n])));
        solved.push(("any", candidates.iter().map(|c| c.pool.pass_at_n(&[self.n])).collect()));
        let rate = |problem| Chain::new(&world.generator, problem).pass_rate();
        let pass_rate = mean(&problems.iter().map(rate).collect::<Vec<_>>());
        let row = |(method, solved): (&str, Vec<Vec<f64>>)| Row {
            set: set.into(),
            method: method.into(),
            solved: pools::share(&solved)[0],
            pass_rate,
            n: self.n,
        };
        Ok(solved.into_iter().map(row).collect())
    }
}
