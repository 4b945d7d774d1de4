//! A second Grow helps where the first one could not see or could not say what is best (Figure 4).
//!
//! **Formula**: Improve fits π to Grow's data with `r > τ`: `max E[1[r > τ] log π(y|x)]`, at rising τ; Grow: new
//! samples of the improved policy. `gain = V after G2 − V after G1`.
//!
//! **Claims** (Figure 4 of arXiv:2308.08998): the second Grow step adds 5.3 to the reward on IWSLT and 0.8 on the Web
//! Domain (of 100).
//!
//! **Measured**: V after every step of two Grows with the same thresholds, and of two Grows of a finite sample with 25,
//! 100 and 1000 candidates per context, the paper's numbers; in the strings world with a product policy and with a
//! tabular one. V is exact, only Grow is sampled. As in `improve` the previous policy counts as a few samples in every
//! fit. Sizes, worlds and thresholds of the second Grow are ours.
//!
//! The schedule of thresholds is the same behind every Grow. The paper asks for a first one above the mean reward of
//! what was grown: the lowest do not keep to that where the policy is good already, and then filter little. In
//! translation there are four filtered Improve steps on every set, the paper has five, four and two.
//!
//! **Controls**: a tabular policy without sampling error gains nothing (`operators` shows why); a product policy
//! without it shows what the narrow class alone does. In translation: as many steps again on the first Grow's data, so
//! that it is fresh samples that help and not more steps (they begin with everything, I = 0, as a Grow's do).
//!
//! **Found**: with a finite sample the second Grow adds 0.03 to 0.15 of V, tens of standard errors, for both classes.
//! From 25 to 100 candidates a product policy gains more, from there to 1000 less: with very few the first Grow has not
//! come far enough for the second one to see the top. `narrow_class` is refuted: without sampling error a product
//! policy gains only 0.002 on average, and nothing (to 10⁻⁷, of either sign) in some worlds, because at the last τ so
//! few strings pass that a product of tokens nearly says them. At lower thresholds the class alone does give a gain
//! (`operators`). Every second Grow starts with a fall: its I = 0 is unfiltered, original data included.
//!
//! In translation a second Grow adds 0.015 (talks), 0.005 (news) and 0.010 (web) of chrF, at the ceiling. It is the
//! fresh samples: as many steps again on the first Grow's data add nothing (0.000, 0.001, −0.002). The data of the
//! second Grow have a mean reward of 0.91 to 0.98, so that all thresholds but the last lie below it.

mod figure;
mod judge;
mod strings;
mod translation;

use super::strings::{Class, Task, WorldParams};
use super::translation::{DATA_SETS, DataSet, SEEDS, TranslationSetup};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::plot::Chart;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct Grow;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    strings: StringsParams,
    translation: TranslationSetup,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StringsParams {
    world: WorldParams,
    /// τ of each Grow; increasing, at least 0, all below the hardest context's best reward.
    thresholds: Vec<f64>,
    /// λ without sampling error: the share of the policy's own samples; in [0, 1].
    share: f64,
    /// Candidates per context; increasing, 2 to 100 000 each.
    candidates: Vec<usize>,
    /// Original data per context; 1 to 100 000.
    data: usize,
    /// As how many samples the previous policy counts; at least 0.
    prior: f64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell {
    /// No candidates: no sampling error.
    Strings { task: Task, class: Class, candidates: Option<usize> },
    /// With a second Grow, or with a second chain on the first one's data.
    Translation { set: DataSet, again: bool },
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Strings { task, class, candidates } => {
                let grow = candidates.map_or("population".into(), |n| format!("N={n}"));
                write!(f, "strings {task} {} {grow}", class.name())
            }
            Self::Translation { set, again } => {
                write!(f, "translation {}{}", set.name(), if *again { " again" } else { "" })
            }
        }
    }
}

/// A policy of the loop.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `strings` or `translation`.
    world: String,
    /// `match`, `pairs` or `rugged`; `talks`, `news` or `web`.
    task: String,
    /// `tabular` or `product`; `transformer`, or `transformer_again`: its second chain learns from the first Grow's data.
    policy: String,
    /// Candidates per context; absent without sampling error.
    candidates: Option<usize>,
    /// G; 0 for the supervised policy.
    grow: usize,
    /// I.
    improve: usize,
    /// τ; absent where nothing is filtered.
    threshold: Option<f64>,
    /// V, the expected reward, mean over contexts; of a transformer on test sources, from samples.
    value: f64,
    /// Share of Grow's mass that passed, mean over contexts.
    acceptance: f64,
    /// Share of contexts in which something passed; the others keep their policy. 0 ends the chain.
    passed: f64,
    /// The best reward in Grow's set.
    best: Option<f64>,
    /// Translation: the mean reward of Grow's set, which the paper asks the first threshold to be above.
    grown: Option<f64>,
    /// Translation: the value of always saying the likeliest next token.
    greedy: Option<f64>,
}

impl Experiment for Grow {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "rest/grow";
    const PAPER: &'static str = "Gulcehre et al., arXiv:2308.08998, Figure 4";
    const CLAIM: &'static str = "a second Grow raises the reward further";
    const SECONDS: (f64, f64) = (1.0, 10.0);

    fn params(profile: Profile) -> Params {
        let candidates = match profile {
            Profile::Smoke => vec![25, 100],
            Profile::Paper => vec![25, 100, 1000],
        };
        Params {
            translation: TranslationSetup::of_profile(profile),
            strings: StringsParams {
                world: WorldParams::default(),
                thresholds: vec![0.7, 0.8, 0.9, 0.95, 0.99],
                share: 0.9,
                candidates,
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
        p.translation.validate().map_err(|e| e.within("translation"))?;
        let p = &p.strings;
        p.world.validate().map_err(|e| e.within("strings.world"))?;
        let legal = p.thresholds.iter().all(|t| (0.0..p.world.hardest).contains(t));
        if p.thresholds.is_empty() || !legal || !p.thresholds.is_sorted_by(|a, b| a < b) {
            let legal = "increasing, at least 0, below strings.world.hardest";
            return Err(Error::parameter("strings.thresholds", format!("{:?}", p.thresholds), legal));
        }
        if !(0.0..=1.0).contains(&p.share) {
            return Err(Error::parameter("strings.share", p.share, "in [0, 1]"));
        }
        let legal = p.candidates.iter().all(|n| (2..=100_000).contains(n));
        if p.candidates.is_empty() || !legal || !p.candidates.is_sorted_by(|a, b| a < b) {
            let given = format!("{:?}", p.candidates);
            return Err(Error::parameter("strings.candidates", given, "increasing, 2 to 100000 each"));
        }
        Error::check_counts(&[("strings.data", p.data, 1, 100_000)])?;
        Error::check_not_negative(&[("strings.prior", p.prior)])
    }

    fn cells(p: &Params) -> Vec<Cell> {
        let numbers = || std::iter::once(None).chain(p.strings.candidates.iter().copied().map(Some));
        let of = |task, class| numbers().map(move |candidates| Cell::Strings { task, class, candidates });
        let strings =
            Task::ALL.into_iter().flat_map(|task| Class::BOTH.into_iter().flat_map(move |class| of(task, class)));
        let of = |set| [false, true].map(|again| Cell::Translation { set, again });
        strings.chain(DATA_SETS.into_iter().flat_map(of)).collect()
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        match *cell {
            Cell::Strings { task, class, candidates } => strings::measure(&p.strings, task, class, candidates, ctx),
            Cell::Translation { .. } if ctx.seed() >= SEEDS => Ok(Vec::new()),
            Cell::Translation { set, again } => translation::measure(&p.translation, set, again, ctx),
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
