//! A learned reward keeps rising while the true one does not keep up (Figure 7).
//!
//! **Formula**: `gap = E_π[proxy] − E_π[gold]` after every Improve step; Improve fits π to Grow's data with `r > τ`:
//! `max E[1[r > τ] log π(y|x)]`, at rising τ, r the proxy.
//!
//! **Claims** (Figure 7 of arXiv:2308.08998): people prefer every `ReST` variant to the supervised model; but the order
//! by the reward model is not the order by people; the reward keeps rising with G, while one Grow is best for people.
//! In the text: a bug of the reward model, whose score could be raised by repeating a sentence.
//!
//! **Measured**: after every Improve step of three Grows the reward that the loop was paid (*proxy*), the true one
//! (*gold*, in the place of people) and the KL to the supervised policy. Paid by the truth (the control), by a model
//! fitted to few or to many ratings, and by the latter with the paper's bug. Strings: a product policy, exact values;
//! the model is linear in tokens, which the rewards of two tasks are not; the bug pays for neighbouring tokens that are
//! the same. Translation: a transformer; the model is a score head without references, trained on rated samples; with
//! the bug the share of an output's pairs of words that it has said before is added to its score, up to 1. Strings that
//! are rated come from the supervised data, translations from the supervised model. In strings every learned score is
//! stretched to [0, 1] in its context, as the true one is, so that what is paid less what is true also holds that
//! stretching. Sizes, the form of the bug and the numbers of ratings are ours.
//!
//! **Chosen after looking**, on other random streams: the steps and the learning rate of the reward model (with few
//! steps it says the mean).
//!
//! **Controls**: paid by the truth, the true reward does not fall from one Grow to the next.
//!
//! **Found.** Translation, few ratings: the figure's shape. What is paid rises with every Grow (0.67, 0.69, 0.71), the
//! true reward is best within the first (0.81) and ends at 0.64, below the supervised 0.69 (so "every variant beats the
//! supervised model" is refuted); KL predicts the gap. With many ratings the true reward rises on, above what is paid:
//! one Grow is not best, and the gap goes against KL because the model underrates good translations. The bug is found:
//! repeats rise from 0.01 to 0.18 of word pairs, and the true reward stays 0.1 below that without the bug. Strings:
//! what is paid is overrated the more the farther the policy goes, but the true reward rises all the way, so that one
//! Grow is best nowhere.

mod figure;
mod judge;
mod strings;
mod translation;

use super::strings::{Task, WorldParams};
use super::translation::{DataSet, RewardModel, SEEDS, TranslationSetup};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::plot::Chart;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct ProxyGold;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Grow steps; 2 to 10.
    grows: usize,
    strings: StringsParams,
    translation: TranslationParams,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StringsParams {
    world: WorldParams,
    /// τ of each Grow; increasing, in [0, 1).
    thresholds: Vec<f64>,
    /// Candidates per context; 2 to 100 000.
    candidates: usize,
    /// Original data per context; 1 to 100 000.
    data: usize,
    /// As how many samples the previous policy counts; at least 0.
    prior: f64,
    /// Rated strings per context, few and many; increasing, 2 to 100 000.
    ratings: [usize; 2],
    /// Ridge of the fit, in squared coefficients per rating; positive.
    ridge: f64,
    /// What the bug pays for the share of neighbouring tokens that are the same, against 1 for the best string; at least 0.
    bonus: f64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TranslationParams {
    setup: TranslationSetup,
    /// Rated samples of the supervised model, few and many; increasing, 8 to 1 000 000.
    ratings: [usize; 2],
    /// Steps of the reward model; 1 to 1 000 000.
    steps: u64,
    /// Rated samples per step; 1 to 1024.
    minibatch: usize,
    /// Its peak learning rate; positive.
    learning_rate: f64,
}

/// Who pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proxy {
    Truth,
    Few,
    Many,
    /// Many ratings, and the bug.
    Bug,
}

const PROXIES: [Proxy; 4] = [Proxy::Truth, Proxy::Few, Proxy::Many, Proxy::Bug];

impl Proxy {
    fn name(self) -> &'static str {
        match self {
            Self::Truth => "truth",
            Self::Few => "few",
            Self::Many => "many",
            Self::Bug => "bug",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell {
    Strings(Task, Proxy),
    Translation(Proxy),
}

/// The data set of the translation world: WMT's part.
const SET: DataSet = DataSet::News;

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Strings(task, proxy) => write!(f, "strings {task} {}", proxy.name()),
            Self::Translation(proxy) => write!(f, "translation {} {}", SET.name(), proxy.name()),
        }
    }
}

/// A policy of the loop.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `strings` or `translation`.
    world: String,
    /// `match`, `pairs` or `rugged`; `news`.
    task: String,
    /// `truth`, `few` (ratings), `many` or `bug`.
    proxy: String,
    /// G; 0 for the supervised policy.
    grow: usize,
    /// I.
    improve: usize,
    /// What the loop was paid, mean.
    paid: f64,
    /// The true reward, mean.
    gold: f64,
    /// KL(π‖supervised), nats, mean over contexts; of a transformer from samples.
    kl: f64,
    /// Share of neighbouring tokens that are the same; of translations, of pairs of words that were said before.
    repeats: f64,
}

impl Experiment for ProxyGold {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "rest/proxy_gold";
    const PAPER: &'static str = "Gulcehre et al., arXiv:2308.08998, Figure 7 and the reward model's bug";
    const CLAIM: &'static str = "a learned reward rises with every Grow, what it stands for does not keep up";
    const SECONDS: (f64, f64) = (1.0, 300.0);

    fn params(profile: Profile) -> Params {
        let setup = TranslationSetup::of_profile(profile).only(&[SET]);
        let (grows, ratings, steps) = match profile {
            Profile::Smoke => (2, [20, 60], 20),
            Profile::Paper => (3, [500, 8000], 2500),
        };
        Params {
            grows,
            strings: StringsParams {
                world: WorldParams::default(),
                thresholds: vec![0.7, 0.8, 0.9, 0.95],
                candidates: 100,
                data: 10,
                prior: 5.0,
                ratings: [30, 300],
                ridge: 0.01,
                bonus: 0.5,
            },
            translation: TranslationParams { setup, ratings, steps, minibatch: 64, learning_rate: 1e-3 },
        }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..2,
            Profile::Paper => 0..10,
        }
    }

    fn validate(p: &Params) -> Result<()> {
        Error::check_counts(&[("grows", p.grows, 2, 10)])?;
        let (s, t) = (&p.strings, &p.translation);
        s.world.validate().map_err(|e| e.within("strings.world"))?;
        let legal = s.thresholds.iter().all(|t| (0.0..1.0).contains(t));
        if s.thresholds.is_empty() || !legal || !s.thresholds.is_sorted_by(|a, b| a < b) {
            let given = format!("{:?}", s.thresholds);
            return Err(Error::parameter("strings.thresholds", given, "increasing, in [0, 1)"));
        }
        Error::check_counts(&[
            ("strings.candidates", s.candidates, 2, 100_000),
            ("strings.data", s.data, 1, 100_000),
            ("strings.ratings", s.ratings[0], 2, 100_000),
            ("strings.ratings", s.ratings[1], s.ratings[0] + 1, 100_000),
            ("translation.ratings", t.ratings[1], t.ratings[0] + 1, 1_000_000),
        ])?;
        Error::check_not_negative(&[("strings.prior", s.prior), ("strings.bonus", s.bonus)])?;
        Error::check_positive(&[("strings.ridge", s.ridge)])?;
        t.setup.validate().map_err(|e| e.within("translation.setup"))?;
        t.model(0, false).validate().map_err(|e| e.within("translation"))
    }

    fn cells(_: &Params) -> Vec<Cell> {
        let strings = Task::ALL.into_iter().flat_map(|task| PROXIES.map(|proxy| Cell::Strings(task, proxy)));
        strings.chain(PROXIES.map(Cell::Translation)).collect()
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        match *cell {
            Cell::Strings(task, proxy) => strings::measure(&p.strings, p.grows, task, proxy, ctx),
            Cell::Translation(_) if ctx.seed() >= SEEDS => Ok(Vec::new()),
            Cell::Translation(proxy) => translation::measure(&p.translation, p.grows, proxy, ctx),
        }
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        judge::check(rows)
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        figure::chart(rows)
    }
}

impl TranslationParams {
    fn model(&self, which: usize, repeats: bool) -> RewardModel {
        let Self { ratings, steps, minibatch, learning_rate, .. } = *self;
        RewardModel { ratings: ratings[which], steps, minibatch, learning_rate, repeats }
    }
}
