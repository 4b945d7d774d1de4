//! Thresholds of each source's own: percentiles, and points between its mean and its best (Figures 15 and 16).
//!
//! **Formula**: per source, keep `r > t` (strings) or `r ≥ t` (translation), with `t = percentile_p of its candidates` or
//! `t = γ V_max + (1 − γ) V_mean`; against one `r > τ` for all.
//!
//! **Claims** (arXiv:2308.08998): with a filter per source at a percentile of its candidates' rewards the reward rises
//! with the percentile and saturates past the 90th (Figure 15); thresholds γ `V_max` + (1 − γ) `V_mean` per source do
//! about the same (Figure 16).
//!
//! **Measured**: V after one Grow and one Improve against the percentile p and against γ, and against one global τ for
//! all sources. The sources differ in the best reward that they can have: in the strings world ceilings rise from 0.5
//! to 1. A source is called hard if its best reward does not exceed the paper's first threshold on WMT, τ = 0.8. V is
//! exact; with and without sampling error, tabular and product policy. With a finite sample the fit is `cautious` (the
//! previous policy counts as a few samples, as in `improve`) or `full`. Worlds and sizes are ours.
//!
//! A percentile never empties its filter. In the strings world the comparison is strict, and where the percentile is the
//! best reward itself the next lower one stands for it; in translation what equals a source's own threshold passes too.
//!
//! In translation, with a transformer on two data sets with few and with many candidates per source: one Grow of the
//! supervised model, behind it one Improve step per filter; V is the mean chrF of samples on test sources, which were
//! not trained on. Hard is the quarter of sources whose samples in Grow have the lowest best reward, among equals the
//! lowest mean; of test sources likewise, by other samples of the supervised model. The chain of four rising global
//! thresholds is there for comparison. Strings are sampled at temperature 1, translations at the paper's 0.8.
//!
//! **Controls**: under the global τ = 0.8 no hard source has data, and their V does not move; percentiles of rewards
//! that are permuted among a source's strings gain nothing. In translation: as many samples as pass τ = 0.8, drawn at
//! random.
//!
//! **Found**: hard sources have data and gain by it, where the global τ gives them none. Whether V rises with the
//! percentile and saturates is a matter of how the policy is fitted to the few samples that are left. Exact: both
//! claims hold. Cautious: V rises up to the 90th percentile (γ = 0.4) and then falls, so that `percentiles_rise` and
//! `gammas_rise` are refuted: at p = 99 one or two of 110 samples are left in each source, against five that stand for
//! the supervised policy. (Added after that result: the full fit, to see whether the filter or the caution is to
//! blame.) Full, V rises all the way, most beyond the 90th percentile, so that `saturates` is refuted there: fitted to
//! one or two good strings a product policy no longer recombines tokens of different ones. Two regimes on both sides of
//! what the paper saw: early stopping at a fixed held-out set lies between. V is measured on the sources that were
//! trained on, where fitting single samples costs nothing.
//!
//! In translation the reward rises with p and with γ, on news (5 samples of each source) and on web (25), and most of
//! it below the 90th percentile: reproduced. That news stays where it is beyond the 90th is arithmetic: from there on
//! the best of 5 alone passes. Hard sources keep their part of the data under filters of their own on news (on web a
//! third of it at p = 99, the gain over one τ undecided), and hard test sources gain. But one global τ is as good or
//! better (news: τ = 0.9 0.96, p = 99 0.89), although it leaves hard sources of the news no data: what is learned from
//! right translations of other sources carries over, and the best sample of a hard source is still a wrong one. In the
//! strings world nothing carries over from context to context. As many samples at random gain nothing.

mod figure;
mod judge;
mod strings;
mod translation;

use super::strings::{Class, Task, WorldParams};
use super::translation::{DataSet, SEEDS, TranslationSetup};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::plot::Chart;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

/// The threshold that makes a source hard.
const HARD: f64 = 0.8;

/// In use here: few candidates per source, and many.
const SETS: [DataSet; 2] = [DataSet::News, DataSet::Web];

#[derive(Debug)]
pub(crate) struct Filters;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// p; increasing, in [0, 100]; 50, 90 and a larger one among them.
    percentiles: Vec<f64>,
    /// γ; increasing, in [0, 1).
    gammas: Vec<f64>,
    /// Global τ; increasing, in [0, 1); 0.8 among them.
    thresholds: Vec<f64>,
    strings: StringsParams,
    translation: TranslationParams,
}

/// The same levels, fewer of them, since each one is a training.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TranslationParams {
    /// p; increasing, in [0, 100]; 50, 90 and a larger one among them.
    percentiles: Vec<f64>,
    /// γ; increasing, in [0, 1).
    gammas: Vec<f64>,
    /// Global τ; increasing, in [0, 1); 0.8 among them.
    thresholds: Vec<f64>,
    setup: TranslationSetup,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StringsParams {
    /// Its hardest context's best reward must be at most 0.8.
    world: WorldParams,
    /// Candidates per context; 2 to 100 000.
    candidates: usize,
    /// Original data per context; 1 to 100 000.
    data: usize,
    /// As how many samples the previous policy counts; at least 0.
    prior: f64,
}

/// How a threshold is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    Percentile,
    MeanMax,
    Global,
    /// Percentiles of rewards permuted.
    Shuffled,
    /// As many samples as pass a global threshold, at random.
    Random,
    /// Four global thresholds, one Improve step each.
    Chain,
}

impl Rule {
    fn name(self) -> &'static str {
        match self {
            Self::Percentile => "percentile",
            Self::MeanMax => "mean_max",
            Self::Global => "global",
            Self::Shuffled => "shuffled",
            Self::Random => "random",
            Self::Chain => "chain",
        }
    }
}

/// What grows, and how the policy is fitted to what passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// No sampling error.
    Population,
    /// A finite sample, together with the previous policy as `prior` samples.
    Cautious,
    /// A finite sample and nothing else.
    Full,
}

impl Fit {
    fn name(self) -> &'static str {
        match self {
            Self::Population => "population",
            Self::Cautious => "cautious",
            Self::Full => "full",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell {
    Strings { task: Task, class: Class, fit: Fit, rule: Rule },
    Translation { set: DataSet, rule: Rule },
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Strings { task, class, fit, rule } => {
                write!(f, "strings {task} {} {} {}", class.name(), fit.name(), rule.name())
            }
            Self::Translation { set, rule } => write!(f, "translation {} {}", set.name(), rule.name()),
        }
    }
}

/// The policy after one Improve.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `strings` or `translation`.
    world: String,
    /// `match`, `pairs` or `rugged`; `news` or `web`.
    task: String,
    /// `tabular` or `product`; `transformer`.
    policy: String,
    /// `population`; or a finite sample, to which the fit is `cautious` or `full`; `gradient` steps of a transformer.
    fit: String,
    /// `percentile`, `mean_max`, `global`, `shuffled` (percentiles), `random` (as many as pass a global threshold) or `chain` (of
    /// global thresholds).
    rule: String,
    /// p, γ or τ; of a chain the last τ.
    level: f64,
    /// V of training on everything that Grow holds.
    before: f64,
    /// V after, the expected reward, mean over contexts; of a transformer on test sources, from samples.
    value: f64,
    /// V of the supervised policy over hard contexts.
    hard_before: f64,
    /// V after, over hard contexts.
    hard: f64,
    /// Share of hard contexts in which something passes.
    hard_passed: f64,
    /// Of what passes the share that belongs to hard sources, over their share of sources; of a transformer only.
    hard_share: Option<f64>,
    /// Share of Grow's mass that passed, mean over contexts.
    acceptance: f64,
}

impl Experiment for Filters {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "rest/filters";
    const PAPER: &'static str = "Gulcehre et al., arXiv:2308.08998, Figures 15 and 16";
    const CLAIM: &'static str = "thresholds per source give hard sources data; percentiles saturate past the 90th";
    const SECONDS: (f64, f64) = (2.0, 420.0);

    fn params(profile: Profile) -> Params {
        let (percentiles, gammas, thresholds) = match profile {
            Profile::Smoke => (vec![50.0, 90.0, 99.0], vec![0.0, 0.8], vec![0.8]),
            Profile::Paper => (vec![0.0, 50.0, 75.0, 90.0, 95.0, 99.0], vec![0.0, 0.4, 0.8], vec![0.7, 0.8, 0.9]),
        };
        let setup = TranslationSetup::of_profile(profile).only(&SETS);
        Params {
            translation: TranslationParams { percentiles, gammas, thresholds, setup },
            percentiles: vec![0.0, 25.0, 50.0, 60.0, 70.0, 80.0, 90.0, 95.0, 99.0],
            gammas: vec![0.0, 0.2, 0.4, 0.6, 0.8, 0.9],
            thresholds: vec![0.0, 0.5, 0.6, 0.7, 0.8, 0.9],
            strings: StringsParams {
                world: WorldParams { hardest: 0.5, ..WorldParams::default() },
                candidates: 100,
                data: 10,
                prior: 5.0,
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
        check_levels(&p.percentiles, &p.gammas, &p.thresholds)?;
        let own = &p.translation;
        check_levels(&own.percentiles, &own.gammas, &own.thresholds).map_err(|e| e.within("translation"))?;
        own.setup.validate().map_err(|e| e.within("translation.setup"))?;
        let p = &p.strings;
        p.world.validate().map_err(|e| e.within("strings.world"))?;
        if p.world.hardest > HARD {
            return Err(Error::parameter("strings.world.hardest", p.world.hardest, "at most 0.8"));
        }
        Error::check_counts(&[("strings.candidates", p.candidates, 2, 100_000), ("strings.data", p.data, 1, 100_000)])?;
        Error::check_not_negative(&[("strings.prior", p.prior)])
    }

    fn cells(_: &Params) -> Vec<Cell> {
        let mut cells = Vec::new();
        for task in Task::ALL {
            let kinds = [
                (Class::Tabular, Fit::Population),
                (Class::Tabular, Fit::Cautious),
                (Class::Product, Fit::Cautious),
                (Class::Product, Fit::Full),
            ];
            for (class, fit) in kinds {
                let rules = [Rule::Percentile, Rule::MeanMax, Rule::Global, Rule::Shuffled];
                cells.extend(rules.map(|rule| Cell::Strings { task, class, fit, rule }));
            }
        }
        for set in SETS {
            let rules = [Rule::Percentile, Rule::MeanMax, Rule::Global, Rule::Random, Rule::Chain];
            cells.extend(rules.map(|rule| Cell::Translation { set, rule }));
        }
        cells
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        match *cell {
            Cell::Strings { task, class, fit, rule } => strings::measure(p, task, class, fit, rule, ctx),
            Cell::Translation { .. } if ctx.seed() >= SEEDS => Ok(Vec::new()),
            Cell::Translation { set, rule } => translation::measure(&p.translation, set, rule, ctx),
        }
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        let of = |world: &str| rows.iter().filter(|r| r.world == world).cloned().collect::<Vec<_>>();
        [judge::strings(&of("strings")), judge::translation(&of("translation"))].concat()
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        figure::chart(rows)
    }
}

/// Levels of one world.
fn check_levels(percentiles: &[f64], gammas: &[f64], thresholds: &[f64]) -> Result<()> {
    let refuse = |name: &str, values: &[f64], legal: &str| Err(Error::parameter(name, format!("{values:?}"), legal));
    let increasing = |of: &[f64], legal: fn(f64) -> bool| {
        !of.is_empty() && of.is_sorted_by(|a, b| a < b) && of.iter().all(|v| legal(*v))
    };
    let needed = percentiles.contains(&50.0) && percentiles.contains(&90.0) && percentiles.last() > Some(&90.0);
    if !increasing(percentiles, |v| (0.0..=100.0).contains(&v)) || !needed {
        return refuse("percentiles", percentiles, "increasing, in [0, 100], with 50, 90 and a larger one");
    }
    if !increasing(gammas, |v| (0.0..1.0).contains(&v)) {
        return refuse("gammas", gammas, "increasing, at least 0, below 1");
    }
    if !increasing(thresholds, |v| (0.0..1.0).contains(&v)) || !thresholds.contains(&HARD) {
        return refuse("thresholds", thresholds, "increasing, at least 0, below 1, with 0.8");
    }
    Ok(())
}
