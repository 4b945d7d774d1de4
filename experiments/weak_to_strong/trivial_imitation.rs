//! Figure 27: the teacher's label in the student's input.
//!
//! **Formula**: `PGR = Σ_seeds (student − teacher) / Σ_seeds (ceiling − teacher)`, of accuracies; the student's input
//! is `(features, s · weak class)`.
//!
//! **Claim** (Appendix E.3 of arXiv:2312.09390, second-hand): with "I think this is {weak label}" in every prompt imitation is trivial, and nothing
//! is recovered: PGR 0.002 ± 0.003 naive and 0.046 ± 0.108 with the confidence loss, against about 0.2 and 0.8 without.
//!
//! **Measured** in the linear world (`linear_world`, regime A): the largest student of the smallest teacher, whose class (±1, at a strength) is one
//! more feature in training and test alike; naive and with the paper's confidence loss. Accuracies on fresh inputs; PGR with Fieller's interval.
//! Ceilings do not see the label. The label is as salient as the concept is to this student (a feature of size 4). In a pilot in regime B, where the
//! concept is 4 times more salient than that, the confidence loss locked the student into its first, better opinion before it had learned to read the
//! label, and a fifth of the gap was recovered.
//!
//! **Controls**: the label of another input, which says nothing, leaves PGR where it was without any.
//!
//! **Found** (20 seeds): PGR 0.001 naive and 0.012 with the confidence loss, against 0.40 and 0.93 without the label.

mod figure;
mod judge;

use super::linear_world::{World, WorldParams};
use rewardlab::algorithm::{WeakLoss, train_linear};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::num::dot;
use rewardlab::plot::Chart;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct TrivialImitation;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    world: WorldParams,
    /// The label's size as a feature; positive.
    strength: f64,
    /// The share of the student's own classes in the confidence loss; in \[0, 1\].
    most: f64,
    /// Fraction of the run over which it rises; in \[0, 1\].
    ramp: f64,
    /// Fresh inputs; 100 to 1e6.
    test: usize,
}

/// What is added to the student's features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    Nothing,
    Label,
    OtherLabel,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing",
            Self::Label => "label",
            Self::OtherLabel => "other label",
        })
    }
}

/// One student.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `nothing`, `label` or `other label`.
    added: String,
    /// `naive` or `confidence`.
    loss: String,
    /// The teacher's accuracy on fresh inputs.
    weak: f64,
    /// The student's.
    student: f64,
    /// Of true labels, with nothing added.
    ceiling: f64,
    /// How often student and teacher agree.
    agreement: f64,
}

impl Experiment for TrivialImitation {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "weak_to_strong/trivial_imitation";
    const PAPER: &'static str = "Burns et al., arXiv:2312.09390, Figure 27 (Appendix E.3)";
    const CLAIM: &'static str = "A student that reads its teacher's label in the input recovers nothing";
    const SECONDS: (f64, f64) = (0.5, 2.0);

    fn params(profile: Profile) -> Params {
        let world = WorldParams::regime_a();
        let (world, test) = match profile {
            Profile::Smoke => (world.small(), 2_000),
            Profile::Paper => (world, 20_000),
        };
        Params { world, strength: 4.0, most: 0.75, ramp: 0.2, test }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..2,
            Profile::Paper => 0..20,
        }
    }

    fn validate(p: &Params) -> Result<()> {
        p.world.validate().map_err(|e| e.within("world"))?;
        Error::check_positive(&[("strength", p.strength)])?;
        Error::check_counts(&[("test", p.test, 100, 1_000_000)])?;
        WeakLoss::Confidence { most: p.most, ramp: p.ramp }.validate()
    }

    fn cells(_: &Params) -> Vec<Cell> {
        vec![Cell::Nothing, Cell::Label, Cell::OtherLabel]
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let world = World::draw(&p.world, ctx)?;
        let size = p.world.largest();
        let (features, d) = (world.features(size), p.world.inputs);
        let mut fresh = vec![0.0; p.test * d];
        ctx.shared_stream("test").fill_normal(1.0, &mut fresh);
        let noise = &mut ctx.shared_stream("test noise");
        let teacher = |x: &[f64]| (dot(x, &world.teacher.weights) + world.teacher.private * noise.normal()) > 0.0;
        let taught: Vec<bool> = fresh.chunks(d).map(teacher).collect();
        let truth: Vec<bool> = fresh.chunks(d).map(|x| dot(x, &world.truth.weights) > 0.0).collect();
        let as_feature = |said: bool| if said { p.strength } else { -p.strength };
        let said: Vec<bool> = world.weak_labels.iter().map(|w| *w > 0.5).collect();
        // whose label is read: one's own or another's
        let readers = |n: usize, name: &str| match cell {
            Cell::Nothing => Vec::new(),
            Cell::Label => (0..n).collect(),
            Cell::OtherLabel => ctx.stream(name).permutation(n),
        };
        let (read, read_fresh) = (readers(p.world.relabelled, "read"), readers(p.test, "read fresh"));
        let mut rows_of_features = Vec::new();
        for (i, row) in features.chunks(size).enumerate() {
            rows_of_features.extend_from_slice(row);
            rows_of_features.extend(read.get(i).map(|j| as_feature(said[*j])));
        }
        let share = |hits: Vec<bool>| hits.iter().filter(|h| **h).count() as f64 / p.test as f64;
        let same = |a: &[bool], b: &[bool]| share(a.iter().zip(b).map(|(a, b)| a == b).collect());
        let ceiling = world.learn(size, &features, &world.true_labels, &WeakLoss::CrossEntropy)?;
        let ceiling: Vec<bool> = fresh.chunks(d).map(|x| dot(x, &ceiling.weights) > 0.0).collect();
        let mut rows = Vec::new();
        for loss in [WeakLoss::CrossEntropy, WeakLoss::Confidence { most: p.most, ramp: p.ramp }] {
            let order = ctx.shared_stream("order");
            let weights =
                train_linear(&rows_of_features, &world.weak_labels, &loss, &world.training(), order, |_, _| ())?;
            let on_inputs = world.functional(size, &weights[..size]);
            let trust = weights.get(size).copied().unwrap_or(0.0);
            let call = |(i, x): (usize, &[f64])| {
                let read = read_fresh.get(i).map_or(0.0, |j| as_feature(taught[*j]));
                dot(x, &on_inputs.weights) + trust * read > 0.0
            };
            let calls: Vec<bool> = fresh.chunks(d).enumerate().map(call).collect();
            rows.push(Row {
                added: cell.to_string(),
                loss: loss.name().into(),
                weak: same(&taught, &truth),
                student: same(&calls, &truth),
                ceiling: same(&ceiling, &truth),
                agreement: same(&calls, &taught),
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
