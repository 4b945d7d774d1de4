//! Figures 25 and 26: teachers of the same accuracy whose errors differ.
//!
//! **Formula**: `PGR = Σ_seeds (student − teacher) / Σ_seeds (ceiling − teacher)`, of accuracies;
//! `agreement on errors = P(student = teacher | teacher wrong)`.
//!
//! **Claims** (Appendix E.2 of arXiv:2312.09390, second-hand): six teachers of one accuracy (a real weak model; random flips; errors on the longest
//! prompts; on the shortest; where the ceiling is unsure; where the ceiling is surely right) give very different PGR. Students generalise first and
//! imitate later; errors that are easy to describe are imitated, random ones never; the confidence loss delays imitation.
//!
//! **Measured**: a student with a random ReLU layer and a trained head, so that it can learn errors that are no linear function of its input. Inputs
//! are Gaussian; the truth is the sign of a direction; one more input, which the truth does not depend on, stands for length. The real weak model
//! sees some inputs only, and its error rate on the training data is that of all six. Accuracy, agreement, and agreement where the teacher is wrong,
//! on fresh inputs labelled by the same rules, along the run; PGR at its end with Fieller's interval. Sizes are ours; the learning rate was chosen
//! with a pilot, in which larger ones let even random errors cost half of the gap (noise of the steps).
//!
//! **Controls**: random flips are not imitated at all: on flipped inputs the student says what it says elsewhere. All six labellings have the same
//! error rate.
//!
//! **Found** (10 seeds): PGR at the end, naive, from −0.3 (errors where the ceiling is surely right) over 0 (the real weak model, a linear function
//! of the student's inputs), 0.33 and 0.36 (shortest, longest) and 0.81 (random) to 0.98 (where the ceiling is unsure). That random errors are the
//! least harmful is **refuted**: those next to the boundary are hard to describe too, and moreover say nothing about its direction. Errors by length
//! are ignored for some hundred steps and then learned (agreement 0.06, at the end 0.37), random ones never; the confidence loss leaves 0.10 of it.

mod figure;
mod judge;
mod teachers;

use rewardlab::algorithm::{LinearTraining, WeakLoss, train_linear};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::plot::Chart;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;
use teachers::{Layer, Setting};

#[derive(Debug)]
pub(crate) struct ErrorStructure;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Inputs that the truth depends on; 3 to 100.
    inputs: usize,
    /// `β_j²` falls as j to minus this; at least 0.
    decay: f64,
    /// Inputs that the real weak model sees; 1 to below `inputs`.
    seen: usize,
    /// Standard deviation of the length (other inputs: 1); positive.
    length: f64,
    /// Random ReLU features; 10 to 10 000.
    hidden: usize,
    /// Training inputs; 100 to 1e6.
    train: usize,
    /// Fresh inputs; 100 to 1e6.
    test: usize,
    training: LinearTraining,
    /// Steps at which the student is looked at, evenly spaced on a logarithmic scale; 3 to 100.
    looks: usize,
    /// Share of the student's own classes in the confidence loss; in \[0, 1\].
    most: f64,
    /// Fraction of the run over which it rises; in \[0, 1\].
    ramp: f64,
}

/// Whose errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    Real,
    Random,
    Longest,
    Shortest,
    Unsure,
    Sure,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Real => "real",
            Self::Random => "random",
            Self::Longest => "longest",
            Self::Shortest => "shortest",
            Self::Unsure => "unsure",
            Self::Sure => "sure",
        })
    }
}

/// One look at a student.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `real`, `random`, `longest`, `shortest`, `unsure`, `sure`.
    errors: String,
    /// `naive` or `confidence`.
    loss: String,
    /// Steps made.
    step: u64,
    /// The teacher's accuracy on fresh inputs.
    weak: f64,
    /// Its accuracy on the training inputs.
    weak_train: f64,
    /// The student's accuracy.
    student: f64,
    /// The same student's, at its end, on true labels.
    ceiling: f64,
    /// Its agreement with the teacher.
    agreement: f64,
    /// Where the teacher is wrong.
    wrong: f64,
}

impl Experiment for ErrorStructure {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "weak_to_strong/error_structure";
    const PAPER: &'static str = "Burns et al., arXiv:2312.09390, Figures 25 and 26 (Appendix E.2)";
    const CLAIM: &'static str =
        "What a student recovers depends on which errors its teacher makes, not only on how many";
    const SECONDS: (f64, f64) = (0.5, 34.0);

    fn params(profile: Profile) -> Params {
        let (hidden, train, test, steps, rate, looks) = match profile {
            Profile::Smoke => (100, 2_000, 1_000, 600, 0.3, 6),
            Profile::Paper => (300, 20_000, 4_000, 4_000, 0.1, 14),
        };
        Params {
            inputs: 15,
            decay: 1.0,
            seen: 4,
            length: 2.0,
            hidden,
            train,
            test,
            training: LinearTraining { steps, size: 64, rate },
            looks,
            most: 0.5,
            ramp: 0.2,
        }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..2,
            Profile::Paper => 0..10,
        }
    }

    fn validate(p: &Params) -> Result<()> {
        p.training.validate().map_err(|e| e.within("training"))?;
        Error::check_not_negative(&[("decay", p.decay)])?;
        Error::check_positive(&[("length", p.length)])?;
        Error::check_counts(&[
            ("inputs", p.inputs, 3, 100),
            ("seen", p.seen, 1, p.inputs - 1),
            ("hidden", p.hidden, 10, 10_000),
            ("train", p.train, 100, 1_000_000),
            ("test", p.test, 100, 1_000_000),
            ("looks", p.looks, 3, 100),
        ])?;
        WeakLoss::Confidence { most: p.most, ramp: p.ramp }.validate()
    }

    fn cells(_: &Params) -> Vec<Cell> {
        vec![Cell::Real, Cell::Random, Cell::Longest, Cell::Shortest, Cell::Unsure, Cell::Sure]
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let setting = Setting::draw(p, &mut ctx.shared_stream("inputs"))?;
        let layer = Layer::draw(p, &mut ctx.shared_stream("layer"));
        let (train, test) = (layer.features(&setting.train), layer.features(&setting.test));
        let order = || ctx.shared_stream("order");
        let truth = |labels: &[bool]| labels.iter().map(|y| f64::from(u8::from(*y))).collect::<Vec<f64>>();
        let taught = truth(&setting.train.classes);
        let ceiling = train_linear(&train, &taught, &WeakLoss::CrossEntropy, &p.training, order(), |_, _| ())?;
        let sure = (layer.log_odds(&train, &ceiling), layer.log_odds(&test, &ceiling));
        let labels = setting.labels(*cell, &sure.0, &sure.1, &mut ctx.stream("flips"));
        let share = |hits: &[bool]| hits.iter().filter(|h| **h).count() as f64 / hits.len() as f64;
        let same = |a: &[bool], b: &[bool]| share(&a.iter().zip(b).map(|(a, b)| a == b).collect::<Vec<_>>());
        let calls = |log_odds: &[f64]| log_odds.iter().map(|s| *s > 0.0).collect::<Vec<bool>>();
        let (weak, weak_train) =
            (same(&labels.test, &setting.test.classes), same(&labels.train, &setting.train.classes));
        let ceiling = same(&calls(&sure.1), &setting.test.classes);
        let steps = p.training.steps as f64;
        let looks: Vec<u64> =
            (0..p.looks).map(|i| steps.powf(i as f64 / (p.looks - 1) as f64).round() as u64).collect();
        let mut rows = Vec::new();
        for loss in [WeakLoss::CrossEntropy, WeakLoss::Confidence { most: p.most, ramp: p.ramp }] {
            train_linear(&train, &truth(&labels.train), &loss, &p.training, order(), |step, weights| {
                if !looks.contains(&step) {
                    return;
                }
                let says = calls(&layer.log_odds(&test, weights));
                let on_errors: Vec<bool> = (0..says.len())
                    .filter(|i| labels.test[*i] != setting.test.classes[*i])
                    .map(|i| says[i] == labels.test[i])
                    .collect();
                rows.push(Row {
                    errors: cell.to_string(),
                    loss: loss.name().into(),
                    step,
                    weak,
                    weak_train,
                    student: same(&says, &setting.test.classes),
                    ceiling,
                    agreement: same(&says, &labels.test),
                    wrong: share(&on_errors),
                });
            })?;
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
