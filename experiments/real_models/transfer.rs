//! From the small worlds to language models: does a claim keep its sign, its place among the others, and its size?
//!
//! **Claims** (ours; no paper asks): where the exact world says for certain which way an effect goes, the language model agrees; effects
//! keep their order; and their size within a factor of two.
//!
//! **Measured**: nothing anew. Each pair is a check of an experiment in a small world, where all or nearly all is exact, and the check
//! of the experiment with language models that states the same in the same unit; both come from committed reference results
//! (`checks.csv`, built into the program), or from other folders of results: `--set real=runs/gpu` asks the same of the `gpu` profile. A seed is a draw
//! of both effects from normal distributions with their 95% intervals, so that what is said has the uncertainty of what it stands on. Checks
//! without an interval are left out.
//!
//! **Control**: effects that should vanish are small in the language model too.

mod figure;
mod judge;
mod pairs;

use pairs::{PAIRS, Pair, Source};
use rewardlab::error::Result;
use rewardlab::experiment::{Check, Context, Experiment, Profile, RealVersion, Record};
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
    /// Its unit.
    unit: String,
    /// Whether it should vanish.
    null: bool,
    /// The experiment in a small world, and its check.
    small: String,
    /// The effect there.
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
    /// The draw of the first.
    small_draw: f64,
    /// The draw of the second.
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
            Profile::Smoke => 0..20,
            Profile::Paper => 0..200,
        }
    }

    fn real() -> Option<RealVersion<Params>> {
        let params = Params { small: String::new(), real: "runs/gpu".into() };
        Some(RealVersion { params, seeds: 0..200, seconds: 0.1 })
    }

    fn validate(_: &Params) -> Result<()> {
        Ok(())
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
        for pair in PAIRS.iter().filter(|pair| pair.paper == *paper) {
            let mut draw = [rng.normal(), rng.normal()].into_iter();
            let mut drawn = |low: f64, high: f64, value: f64| value + (high - low) / 3.92 * draw.next().unwrap_or(0.0);
            let Pair { effect, unit, null, small: in_small, real: in_real, .. } = pair;
            let (one, other) = (small.effect(in_small)?, real.effect(in_real)?);
            let (Some(one), Some(other)) = (one, other) else { continue };
            rows.push(Row {
                effect: (*effect).into(),
                unit: (*unit).into(),
                null: *null,
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
                small_draw: drawn(one.low, one.high, one.value),
                real_draw: drawn(other.low, other.high, other.value),
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
