//! Figures 8 and 16: larger students agree less with their teacher's errors.
//!
//! **Formula**: `agreement on errors = P(student = teacher | teacher wrong)`, from `P(same sign) = 1/2 + arcsin(ρ)/π`
//! of each pair.
//!
//! **Claims** (arXiv:2312.09390, Section 5.1.3, second-hand): inverse scaling: larger students agree less with their teacher, above all where it is
//! wrong; the confidence loss lowers the agreement on errors.
//!
//! **Measured** in the linear world (`linear_world`), naive and with the paper's confidence loss, students of each size of the smallest teacher:
//! agreement on all inputs, where the teacher is right and where it is wrong, all exact (orthant probabilities of Gaussian functionals). Regime A:
//! errors most of which no student can predict; regime B: errors that all can represent.
//!
//! **Control**: students whose representations differ in nothing but size (no salience, no scale) and that learn to the end: agreement on errors does
//! not fall with size.
//!
//! **Found** (20 seeds): regime A is as claimed: agreement with errors falls from 0.50 to 0.41, while that with right labels rises. In regime B it
//! falls from 0.98 to 0.71 at size 32 and rises again to 0.91, because there larger students also fit faster: whether agreement falls with size
//! depends on what else size brings, and over the whole ladder it falls by 0.014 per doubling all the same. A first version compared the ends of the
//! ladder alone, which hid this. The confidence loss lowers it everywhere, to 0.06 and 0.31 at the largest size.

mod figure;
mod judge;

use super::linear_world::{Regime, Regimes, World, WorldParams};
use rewardlab::algorithm::WeakLoss;
use rewardlab::error::Result;
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::plot::Chart;
use serde::{Deserialize, Serialize};
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct Agreement;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Errors most of which cannot be predicted.
    regime_a: WorldParams,
    /// Errors that can be represented.
    regime_b: WorldParams,
    /// The same with representations that differ in nothing but size.
    plain: WorldParams,
    /// Of the student's own classes in the confidence loss, for the largest and for other students; in \[0, 1\].
    shares: [f64; 2],
    /// Fraction of the run over which the share rises; in \[0, 1\].
    ramp: f64,
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

/// One student.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `A`, `B`, or `plain`: B without salience and scale.
    regime: String,
    /// The student's size.
    size: usize,
    /// `naive` or `confidence`.
    loss: String,
    /// The teacher's accuracy.
    teacher: f64,
    /// The student's accuracy.
    student: f64,
    /// Agreement on all inputs.
    all: f64,
    /// Where the teacher is right.
    right: f64,
    /// Where it is wrong.
    wrong: f64,
}

impl Experiment for Agreement {
    type Params = Params;
    type Cell = Regime;
    type Row = Row;
    const ID: &'static str = "weak_to_strong/agreement";
    const PAPER: &'static str = "Burns et al., arXiv:2312.09390, Figures 8 and 16";
    const CLAIM: &'static str = "Larger students agree less with their teacher's errors";
    const SECONDS: (f64, f64) = (0.5, 1.5);

    fn params(profile: Profile) -> Params {
        Params {
            regime_a: Regime::A.params(profile),
            regime_b: Regime::B.params(profile),
            plain: Regime::Plain.params(profile),
            shares: [0.75, 0.5],
            ramp: 0.2,
        }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..2,
            Profile::Paper => 0..20,
        }
    }

    fn validate(p: &Params) -> Result<()> {
        p.regimes().validate()?;
        p.shares.iter().try_for_each(|most| WeakLoss::Confidence { most: *most, ramp: p.ramp }.validate())
    }

    fn cells(p: &Params) -> Vec<Regime> {
        p.regimes().cells()
    }

    fn measure(p: &Params, regime: &Regime, ctx: &Context) -> Result<Vec<Row>> {
        let params = p.regimes().world(*regime);
        let world = World::draw(params, ctx)?;
        let mut rows = Vec::new();
        for &size in &params.sizes {
            let features = world.features(size);
            let most = p.shares[usize::from(size != params.largest())];
            for loss in [WeakLoss::CrossEntropy, WeakLoss::Confidence { most, ramp: p.ramp }] {
                let student = world.learn(size, &features, &world.weak_labels, &loss)?;
                let agreement = student.agreement(&world.teacher, &world.truth);
                rows.push(Row {
                    regime: regime.to_string(),
                    size,
                    loss: loss.name().into(),
                    teacher: world.accuracy(&world.teacher),
                    student: world.accuracy(&student),
                    all: agreement.all,
                    right: agreement.right,
                    wrong: agreement.wrong,
                });
            }
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
