//! Thresholds of each source's own: percentiles, and points between its mean and its best (Figures 15 and 16).
//!
//! **Claims** (arXiv:2308.08998): with a filter per source at a percentile of its candidates' rewards the reward rises with the percentile
//! and saturates past the 90th (Figure 15); thresholds γ `V_max` + (1 − γ) `V_mean` per source do about the same (Figure 16).
//!
//! **Measured**: V after one Grow and one Improve against the percentile p and against γ, and against one global τ for all sources. The
//! sources differ in the best reward that they can have: in the strings world ceilings rise from 0.5 to 1. A source is called hard if
//! its best reward does not exceed the paper's first threshold on WMT, τ = 0.8. V is exact; with and without sampling error,
//! tabular and product policy. With a finite sample the fit is `cautious` (the previous policy counts as a few samples, as in `improve`) or `full`.
//! Worlds and sizes are ours.
//!
//! A percentile never empties its filter (where it is the best reward itself the next lower one stands for it), and the
//! comparison is strict as everywhere.
//!
//! **Controls**: under the global τ = 0.8 no hard source has data, and their V does not move; percentiles of rewards that are
//! dealt anew among a source's strings gain nothing.
//!
//! **Found**: hard sources have data and gain by it, where the global τ gives them none. Whether V rises with the percentile and
//! saturates is a matter of how the policy is fitted to the few samples that are left. Exact: both claims hold. Cautious: V
//! rises up to the 90th percentile (γ = 0.4) and then falls, so that `percentiles_rise` and `gammas_rise` are refuted: at p = 99 one or two of
//! 110 samples are left in each source, against five that stand for the supervised policy. (Added after that result: the full fit, to see whether
//! the filter or the caution is to blame.) Full, V rises all the way, most beyond the 90th percentile, so that `saturates` is
//! refuted there: fitted to one or two good strings a product policy no longer recombines tokens of different ones. Two regimes on both
//! sides of what the paper saw: early stopping at a fixed held-out set lies between. V is measured on the sources that were
//! trained on, where fitting single samples costs nothing.

mod figure;
mod judge;
mod strings;

use super::strings::{Class, Task, WorldParams};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::plot::Chart;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

/// The threshold that makes a source hard.
const HARD: f64 = 0.8;

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
    /// Percentiles of rewards dealt anew.
    Shuffled,
}

impl Rule {
    fn name(self) -> &'static str {
        match self {
            Self::Percentile => "percentile",
            Self::MeanMax => "mean_max",
            Self::Global => "global",
            Self::Shuffled => "shuffled",
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
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self::Strings { task, class, fit, rule } = self;
        write!(f, "strings {task} {} {} {}", class.name(), fit.name(), rule.name())
    }
}

/// The policy after one Improve.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `strings`.
    world: String,
    /// `match`, `pairs` or `rugged`.
    task: String,
    /// `tabular` or `product`.
    policy: String,
    /// `population`; or a finite sample, to which the fit is `cautious` or `full`.
    fit: String,
    /// `percentile`, `mean_max`, `global`, or `shuffled` (percentiles).
    rule: String,
    /// p, γ or τ.
    level: f64,
    /// V before: everything that Grow holds.
    before: f64,
    /// V after, the expected reward, mean over contexts.
    value: f64,
    /// The same over hard contexts, before.
    hard_before: f64,
    /// And after.
    hard: f64,
    /// Share of hard contexts in which something passes.
    hard_passed: f64,
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
    const SECONDS: (f64, f64) = (1.0, 10.0);

    fn params(_: Profile) -> Params {
        Params {
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
        let refuse =
            |name: &str, values: &[f64], legal: &str| Err(Error::parameter(name, format!("{values:?}"), legal));
        let increasing = |of: &[f64], legal: fn(f64) -> bool| {
            !of.is_empty() && of.is_sorted_by(|a, b| a < b) && of.iter().all(|v| legal(*v))
        };
        let needed =
            p.percentiles.contains(&50.0) && p.percentiles.contains(&90.0) && p.percentiles.last() > Some(&90.0);
        if !increasing(&p.percentiles, |v| (0.0..=100.0).contains(&v)) || !needed {
            return refuse("percentiles", &p.percentiles, "increasing, in [0, 100], with 50, 90 and a larger one");
        }
        if !increasing(&p.gammas, |v| (0.0..1.0).contains(&v)) {
            return refuse("gammas", &p.gammas, "increasing, at least 0, below 1");
        }
        if !increasing(&p.thresholds, |v| (0.0..1.0).contains(&v)) || !p.thresholds.contains(&HARD) {
            return refuse("thresholds", &p.thresholds, "increasing, at least 0, below 1, with 0.8");
        }
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
        cells
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let Cell::Strings { task, class, fit, rule } = *cell;
        strings::measure(p, task, class, fit, rule, ctx)
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        let strings: Vec<Record<Row>> = rows.iter().filter(|r| r.world == "strings").cloned().collect();
        judge::strings(&strings)
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        figure::chart(rows)
    }
}
