//! Figure 4: bootstrapping through intermediate students.
//!
//! **Formula**: `PGR = Σ_seeds (student − teacher) / Σ_seeds (ceiling − teacher)`, of accuracies; a chain:
//! `M₁ → M₂ → … → M_k`, each learning the labels of the one before.
//!
//! **Claims** (arXiv:2312.09390, Section 4.3.1, second-hand): a chain of students, each taught by the one before, recovers more than the last alone
//! where naive PGR falls with the gap (chess); it makes a small difference otherwise (NLP).
//!
//! **Measured** in the linear world (`linear_world`): PGR of students of each size of the smallest teacher, naive and at the end of a chain with two
//! intermediate sizes (a third and two thirds up the ladder, where there are so many). Regime B, where larger students imitate faster and PGR falls
//! with the gap; regime A, where most errors cannot be predicted. `rounds`: three rounds of the last size alone, which tells the sizes from the
//! repetition. Accuracies are exact; Fieller's intervals.
//!
//! **Controls**: `plain` is regime B with representations that differ in nothing but size: a chain then does what its last student does. And a chain
//! of one is no chain.
//!
//! **Found** (20 seeds): in regime B naive PGR falls from 0.53 (size 16) to 0.09 (128), and a chain lifts the latter to 0.31. That it makes little
//! difference in regime A is **refuted** here: 0.58 against 0.42. A's noise cannot be predicted, but what the teacher does not see is missing from
//! its labels in both regimes, and a round of students that stop early makes up for part of it, every time. Three rounds of the last size do the same
//! or more at every size but the largest of regime B (0.22), where the small, slow intermediates are what helps. Without salience no number of rounds
//! does anything.

mod figure;
mod judge;

use super::linear_world::{Regime, Regimes, World, WorldParams};
use rewardlab::algorithm::{Halves, Protocol};
use rewardlab::error::Result;
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::plot::Chart;
use serde::{Deserialize, Serialize};
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct Bootstrapping;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Errors most of which cannot be predicted.
    regime_a: WorldParams,
    /// Errors that can be represented.
    regime_b: WorldParams,
    /// The same with representations that differ in nothing but size.
    plain: WorldParams,
}

impl Params {
    fn regimes(&self) -> Regimes<'_, 3> {
        Regimes([
            (Regime::A, "regime_a", &self.regime_a),
            (Regime::B, "regime_b", &self.regime_b),
            (Regime::Plain, "plain", &self.plain),
        ])
    }
}

/// One size of student.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `A`, `B` or `plain`.
    regime: String,
    /// The last student's size.
    size: usize,
    /// Its place on the ladder, from 0.
    place: usize,
    /// Students in the chain.
    links: usize,
    /// The teacher's accuracy.
    weak: f64,
    /// The naive student's.
    naive: f64,
    /// The last of the chain's.
    chain: f64,
    /// Of three rounds of the last size.
    rounds: f64,
    /// Of true labels.
    ceiling: f64,
}

/// The sizes of the chain to the place `last`: a third and two thirds of the way up, above the teacher, and the last.
fn chain(sizes: &[usize], last: usize) -> Vec<usize> {
    let part = |thirds: usize| ((thirds * last) as f64 / 3.0).round() as usize;
    let mut places: Vec<usize> = [part(1).max(1), part(2).max(1), last].into_iter().filter(|p| *p <= last).collect();
    places.dedup();
    places.into_iter().map(|p| sizes[p]).collect()
}

impl Experiment for Bootstrapping {
    type Params = Params;
    type Cell = Regime;
    type Row = Row;
    const ID: &'static str = "weak_to_strong/bootstrapping";
    const PAPER: &'static str = "Burns et al., arXiv:2312.09390, Figure 4";
    const CLAIM: &'static str = "A chain of students recovers more than the last alone where the gap is large";
    const SECONDS: (f64, f64) = (0.5, 4.0);

    fn params(profile: Profile) -> Params {
        Params {
            regime_a: Regime::A.params(profile),
            regime_b: Regime::B.params(profile),
            plain: Regime::Plain.params(profile),
        }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..2,
            Profile::Paper => 0..20,
        }
    }

    fn validate(p: &Params) -> Result<()> {
        p.regimes().validate()
    }

    fn cells(p: &Params) -> Vec<Regime> {
        p.regimes().cells()
    }

    fn measure(p: &Params, regime: &Regime, ctx: &Context) -> Result<Vec<Row>> {
        let params = p.regimes().world(*regime);
        let world = World::draw(params, ctx)?;
        // the teacher has learned already, from inputs of its own
        let halves = Halves { teacher: Vec::new(), student: (0..params.relabelled).collect() };
        let protocol = Protocol { family: &world, halves: &halves };
        let row = |(place, &size): (usize, &usize)| {
            let links = chain(&params.sizes, place);
            let naive = protocol.student(size, &world.weak_labels)?;
            let last = protocol.bootstrap(&links, &world.weak_labels)?;
            let rounds = protocol.bootstrap(&[size; 3], &world.weak_labels)?;
            Ok(Row {
                regime: regime.to_string(),
                size,
                place,
                links: links.len(),
                weak: world.accuracy(&world.teacher),
                naive: world.accuracy(&naive),
                chain: world.accuracy(&last),
                rounds: world.accuracy(&rounds),
                ceiling: world.accuracy(&protocol.ceiling(size)?),
            })
        };
        params.sizes.iter().enumerate().map(row).collect()
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        judge::checks(rows)
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        figure::chart(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::chain;

    #[test]
    fn chains_have_two_intermediates_where_there_is_room() {
        let sizes = [8, 16, 32, 64, 128];
        let expected: [&[usize]; 5] = [&[8], &[16], &[16, 32], &[16, 32, 64], &[16, 64, 128]];
        for (last, expected) in expected.iter().enumerate() {
            assert_eq!(chain(&sizes, last), *expected);
        }
    }
}
