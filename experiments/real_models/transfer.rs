//! From the small worlds to language models: does a claim keep its sign, its place among the others, and its size?
//!
//! **Formula**: `sign(small) = sign(real)` for effects with `0 ∉ [low, high]` in the small world;
//! `1/2 ≤ real/small ≤ 2` where the unit is the same.
//!
//! **Claims** (ours; no paper asks): where the small world says for certain which way an effect goes, the language model agrees; effects of one
//! paper in one unit keep their order; and their size within a factor of two.
//!
//! **Measured**: nothing anew. Each pair is a check of an experiment in a small world, where all or nearly all is exact, and the check
//! of an experiment with language models that states the same; both are read from committed reference results (`checks.csv`, built into the
//! program), or from other folders of results: `--set real=results-gpu` asks the same of `SmolLM2`'s runs, where `.ci/gpu` leaves them.
//! A seed is a draw of all effects, each from the normal distribution with its 95% interval: a statistic's interval is the middle 95% of a hundred draws.
//! Checks without an interval are left out. A pair whose units differ (N of best-of-N, PGR against accuracy, areas under different frontiers) has a
//! sign, and an order where all of its group differ alike, but no size.
//!
//! **Control**: an effect that should vanish, and does in the small world, is small in the language model too.
//!
//! The pairs and criteria were written down when both sides' numbers were known, by what the checks state: read shares and the figure rather than the
//! verdicts, and take `SmolLM2`'s runs, whose numbers nobody has seen, for the test.
//!
//! **Found** (the language models are the made ones of the `paper` profiles): the first and the third paper carry over with their signs, and mostly their sizes. DPO
//! does not: it is ahead of RL and unlikelihood in the exact world and behind both here (`frontier` says what it spends itself on). The process model's lead
//! grows fivefold, since the outcome model falls behind majority at N = 64. The confidence loss, which lifts PGR by 0.52 in the exact world, is a lottery in short runs, and
//! on reviews a teacher's own errors cost little more than random ones. Just over half of the verdicts are the same.

mod figure;
mod judge;
mod pairs;

use pairs::{Effect, Kind, PAIRS, Pair, Source};
use rewardlab::error::Result;
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::plot::Chart;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct Transfer;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// A folder with the results in small worlds; empty: the reference results.
    small: String,
    /// A folder with the results of language models; empty: the reference results.
    real: String,
}

/// A paper's pairs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell(&'static str);

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A pair, and a draw of both its effects.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    /// What is compared.
    effect: String,
    /// Its unit in the small world.
    unit: String,
    /// `vanishes` (it should), `sized` (one unit in both) or `signed` (two units).
    kind: Kind,
    /// The experiment in a small world, and its check.
    small: String,
    /// The effect there, with its 95% interval.
    small_effect: f64,
    small_low: f64,
    small_high: f64,
    /// The verdict there.
    small_verdict: String,
    /// The same of the language model.
    real: String,
    real_effect: f64,
    real_low: f64,
    real_high: f64,
    real_verdict: String,
    /// The seed's draw of the first, from the normal distribution with that interval.
    small_draw: f64,
    /// The same of the second.
    real_draw: f64,
}

impl Experiment for Transfer {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "real_models/transfer";
    const PAPER: &'static str = "ours: the claims of the five papers, small worlds against language models";
    const CLAIM: &'static str = "What holds in the small worlds holds in language models: sign, order, size";
    const SECONDS: (f64, f64) = (0.1, 0.1);

    fn params(_: Profile) -> Params {
        Params { small: String::new(), real: String::new() }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..5,
            Profile::Paper => 0..100,
        }
    }

    /// Reads all that is compared: what is wrong with a folder is said once, before the draws.
    fn validate(p: &Params) -> Result<()> {
        let (small, real) = (Source::new(&p.small), Source::new(&p.real));
        PAIRS.iter().try_for_each(|pair| {
            small.effect(&pair.small)?;
            real.effect(&pair.real).map(drop)
        })
    }

    fn cells(_: &Params) -> Vec<Cell> {
        let mut cells: Vec<Cell> = Vec::new();
        for pair in &PAIRS {
            if cells.last().is_none_or(|c| c.0 != pair.paper) {
                cells.push(Cell(pair.paper));
            }
        }
        cells
    }

    fn measure(p: &Params, Cell(paper): &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let (small, real) = (Source::new(&p.small), Source::new(&p.real));
        let mut rng = ctx.stream("draws");
        let mut rows = Vec::new();
        for Pair { effect, unit, kind, small: in_small, real: in_real, .. } in
            PAIRS.iter().filter(|p| p.paper == *paper)
        {
            let (Some(one), Some(other)) = (small.effect(in_small)?, real.effect(in_real)?) else { continue };
            let mut drawn = |e: &Effect| e.value + (e.high - e.low) / (2.0 * 1.96) * rng.normal();
            let (small_draw, real_draw) = (drawn(&one), drawn(&other));
            rows.push(Row {
                effect: (*effect).into(),
                unit: (*unit).into(),
                kind: *kind,
                small: one.check,
                small_effect: one.value,
                small_low: one.low,
                small_high: one.high,
                small_verdict: one.verdict,
                real: other.check,
                real_effect: other.value,
                real_low: other.low,
                real_high: other.high,
                real_verdict: other.verdict,
                small_draw,
                real_draw,
            });
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
