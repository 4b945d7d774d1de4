//! Is it the filter, or only fewer samples? The same number of samples chosen otherwise does not help.
//!
//! **Question** (ours; no figure of arXiv:2308.08998 asks it): an Improve step trains on fewer samples than Grow holds, chosen by their reward.
//! How much of what it gains is the choice?
//!
//! **Measured**: V after each Improve step of one Grow with a finite sample, when in each context (i) what exceeds τ is kept, (ii) as many samples
//! chosen at random without replacement, (iii) as many of those with the highest rewards after the rewards were dealt anew
//! among the context's strings: a filter that is as consistent as the true one (a string that appears twice is kept twice)
//! and knows nothing. Steps follow one another, each from its own previous policy, which counts as a few samples in each fit; in
//! the strings world V is exact. Worlds and sizes as in `improve`.
//!
//! **Controls**: (ii) and (iii) are the controls of every other experiment here; their own is that the numbers of samples agree.
//!
//! **Found**: the choice by reward is all of the gain (0.24 of V with the product policy, 0.30 with the tabular one); as many samples chosen
//! blindly leave V where it was, to 0.003.

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

#[derive(Debug)]
pub(crate) struct SelectionControl;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    strings: StringsParams,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StringsParams {
    world: WorldParams,
    /// τ; increasing, at least 0, below the hardest context's best reward.
    thresholds: Vec<f64>,
    /// Candidates per context; 2 to 100 000.
    candidates: usize,
    /// Original data per context; 1 to 100 000.
    data: usize,
    /// As how many samples the previous policy counts; at least 0.
    prior: f64,
}

/// Which samples are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Reward,
    Random,
    Shuffled,
}

impl Choice {
    fn name(self) -> &'static str {
        match self {
            Self::Reward => "reward",
            Self::Random => "random",
            Self::Shuffled => "shuffled",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell {
    Strings { task: Task, class: Class, choice: Choice },
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self::Strings { task, class, choice } = self;
        write!(f, "strings {task} {} {}", class.name(), choice.name())
    }
}

/// A policy of the chain.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `strings`.
    world: String,
    /// `match`, `pairs` or `rugged`.
    task: String,
    /// `tabular` or `product`.
    policy: String,
    /// `reward`, `random` or `shuffled`.
    choice: String,
    /// I; 0 is everything that Grow holds.
    improve: usize,
    /// τ, which says how many samples are kept; absent at I = 0.
    threshold: Option<f64>,
    /// V, the expected reward, mean over contexts.
    value: f64,
    /// Samples kept per context, mean.
    kept: f64,
}

impl Experiment for SelectionControl {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "rest/selection_control";
    const PAPER: &'static str = "beside Gulcehre et al., arXiv:2308.08998, Figure 3";
    const CLAIM: &'static str = "it is which samples are kept, not how many";
    const SECONDS: (f64, f64) = (1.0, 5.0);

    fn params(_: Profile) -> Params {
        Params {
            strings: StringsParams {
                world: WorldParams::default(),
                thresholds: vec![0.7, 0.8, 0.9, 0.95, 0.99],
                candidates: 100,
                data: 10,
                prior: 5.0,
            },
        }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..3,
            Profile::Paper => 0..20,
        }
    }

    fn validate(p: &Params) -> Result<()> {
        let p = &p.strings;
        p.world.validate().map_err(|e| e.within("strings.world"))?;
        let legal = p.thresholds.iter().all(|t| (0.0..p.world.hardest).contains(t));
        if p.thresholds.is_empty() || !legal || !p.thresholds.is_sorted_by(|a, b| a < b) {
            let legal = "increasing, at least 0, below strings.world.hardest";
            return Err(Error::parameter("strings.thresholds", format!("{:?}", p.thresholds), legal));
        }
        Error::check_counts(&[("strings.candidates", p.candidates, 2, 100_000), ("strings.data", p.data, 1, 100_000)])?;
        Error::check_not_negative(&[("strings.prior", p.prior)])
    }

    fn cells(_: &Params) -> Vec<Cell> {
        let of = |task, class| {
            [Choice::Reward, Choice::Random, Choice::Shuffled].map(|choice| Cell::Strings { task, class, choice })
        };
        Task::ALL.into_iter().flat_map(|task| Class::BOTH.into_iter().flat_map(move |class| of(task, class))).collect()
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let Cell::Strings { task, class, choice } = *cell;
        strings::measure(&p.strings, task, class, choice, ctx)
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        let strings: Vec<Record<Row>> = rows.iter().filter(|r| r.world == "strings").cloned().collect();
        judge::strings(&strings)
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        figure::chart(rows)
    }
}
