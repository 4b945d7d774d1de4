//! Every Improve step raises the reward (Figure 3).
//!
//! **Formula**: Improve fits π to Grow's data with `r > τ`: `max E[1[r > τ] log π(y|x)]`, at rising τ; for a policy
//! that can say everything `V = mean over contexts of E[R | R > τ]`, E under Grow's mixture, where something passes.
//!
//! **Claims** (Figure 3 of arXiv:2308.08998): on all three data sets each added Improve step raises the mean reward;
//! thresholds come from 0, 0.7, 0.8, 0.9, 0.95, 0.99 with rewards scaled to [0, 1], and the comparison is strict.
//!
//! **Measured**: V after I = 0 (everything that Grow holds) and after each Improve step of one Grow. In the strings
//! world V is exact. A tabular policy, which can say everything, and a product policy, which cannot; each with the
//! population of Grow's mixture and with a finite sample of it: candidates from the policy together with original data.
//! With a finite sample the previous policy counts as a few samples more in every fit (ours: it stands for the small
//! learning rate and the early stopping of the paper); a context in which nothing passes keeps its policy; where
//! nothing passes in any context the chain ends. Worlds, sizes and λ are ours.
//!
//! **Derived**: for a tabular policy and no sampling error V is the mean of E[R given R > τ] over contexts in which
//! something passes. E is under Grow's mixture, which for this policy is the data: it was fitted to them.
//!
//! The schedule of thresholds is the same behind every Grow. The paper asks for a first one above the mean reward of
//! what was grown: the lowest do not keep to that where the policy is good already, and then filter little. In
//! translation there are four filtered Improve steps on every set, the paper has five, four and two.
//!
//! **Controls**: thresholds applied to rewards that are permuted within each context gain nothing. In translation the
//! rise is there in greedy outputs too, so that it is not only sharpening.
//!
//! **Found**: V rises with every step, exact and sampled, for both classes (for the product policy nothing promises
//! it), and equals the closed form to 10⁻¹⁵. With 110 strings per context it stops near 0.85 (tabular): above τ = 0.9
//! most contexts hold nothing and keep their policy, which is what a second Grow can mend. With rewards permuted V
//! falls a little: the survivors are fewer and fewer strings that are drawn blindly, where the data knew something.
//!
//! **Found**: reproduced in both worlds. A transformer rises at every step on all three sets, from 0.70 to 0.96
//! (talks), 0.99 (news) and 0.98 (web); unfiltered training on what it said itself (I = 0) gives between a sixth and a
//! quarter of that. Much of the rise is sharpening: always saying the likeliest next token the supervised models have
//! 0.83, 0.94 and 0.95 already, and end at 0.97, 1.00 and 0.99. So of the rise of samples about half is there in greedy
//! outputs on talks, a sixth on news and web. Grow's data have a mean reward of 0.72, 0.68 and 0.70: the first
//! threshold, 0.7, is above it on news and web alone.

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
pub(crate) struct Improve;

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
    /// τ; increasing, at least 0, the first one below the hardest context's best reward.
    thresholds: Vec<f64>,
    /// λ without sampling error: the share of the policy's own samples; in [0, 1].
    share: f64,
    /// Candidates per context; 2 to 100 000.
    candidates: usize,
    /// Original data per context; 1 to 100 000.
    data: usize,
    /// As how many samples the previous policy counts; at least 0.
    prior: f64,
}

/// What grows, and what filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Population,
    Sampled,
    /// No sampling error, but the filter sees rewards permuted.
    Shuffled,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell {
    Strings { task: Task, class: Class, condition: Condition },
    Translation { set: DataSet },
}

impl Condition {
    fn name(self) -> &'static str {
        match self {
            Self::Population => "population",
            Self::Sampled => "sampled",
            Self::Shuffled => "shuffled",
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Strings { task, class, condition } => {
                write!(f, "strings {task} {} {}", class.name(), condition.name())
            }
            Self::Translation { set } => write!(f, "translation {}", set.name()),
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
    /// `tabular` or `product`; `transformer`.
    policy: String,
    /// `population`, `sampled` or `shuffled`.
    condition: String,
    /// 0 for the supervised policy, else 1.
    grow: usize,
    /// I.
    improve: usize,
    /// τ; absent where nothing is filtered.
    threshold: Option<f64>,
    /// V, the expected reward, mean over contexts; of a transformer on test sources, from samples.
    value: f64,
    /// Tabular, population: the largest |V − E[R given R > τ]| over contexts in which something passes.
    closed_form_error: Option<f64>,
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

impl Experiment for Improve {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "rest/improve";
    const PAPER: &'static str = "Gulcehre et al., arXiv:2308.08998, Figure 3";
    const CLAIM: &'static str = "every Improve step with a higher threshold raises the reward";
    const SECONDS: (f64, f64) = (1.0, 5.0);

    fn params(profile: Profile) -> Params {
        Params {
            translation: TranslationSetup::of_profile(profile),
            strings: StringsParams {
                world: WorldParams::default(),
                thresholds: vec![0.7, 0.8, 0.9, 0.95, 0.99],
                share: 0.9,
                candidates: 100,
                data: 10,
                prior: 5.0,
            },
        }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..2,
            Profile::Paper => 0..20,
        }
    }

    fn validate(p: &Params) -> Result<()> {
        p.translation.validate().map_err(|e| e.within("translation"))?;
        let p = &p.strings;
        p.world.validate().map_err(|e| e.within("strings.world"))?;
        let low = p.thresholds.first().is_some_and(|t| *t >= 0.0 && *t < p.world.hardest);
        if !low || !p.thresholds.is_sorted_by(|a, b| a < b) {
            let legal = "increasing, at least 0, the first below strings.world.hardest";
            return Err(Error::parameter("strings.thresholds", format!("{:?}", p.thresholds), legal));
        }
        if !(0.0..=1.0).contains(&p.share) {
            return Err(Error::parameter("strings.share", p.share, "in [0, 1]"));
        }
        Error::check_counts(&[("strings.candidates", p.candidates, 2, 100_000), ("strings.data", p.data, 1, 100_000)])?;
        Error::check_not_negative(&[("strings.prior", p.prior)])
    }

    fn cells(_: &Params) -> Vec<Cell> {
        let kinds = [
            (Class::Tabular, Condition::Population),
            (Class::Product, Condition::Population),
            (Class::Tabular, Condition::Sampled),
            (Class::Product, Condition::Sampled),
            (Class::Tabular, Condition::Shuffled),
        ];
        let of = |task| kinds.map(|(class, condition)| Cell::Strings { task, class, condition });
        let sets = DATA_SETS.into_iter().map(|set| Cell::Translation { set });
        Task::ALL.into_iter().flat_map(of).chain(sets).collect()
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        match *cell {
            Cell::Strings { task, class, condition } => strings::measure(&p.strings, task, class, condition, ctx),
            Cell::Translation { .. } if ctx.seed() >= SEEDS => Ok(Vec::new()),
            Cell::Translation { set } => translation::measure(&p.translation, set, ctx),
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
