//! Figure 24: a teacher that can be simulated, and one whose errors are coin flips.
//!
//! **Formula**: `PGR = Σ_seeds (student − teacher) / Σ_seeds (ceiling − teacher)`, of accuracies; accuracies and
//! agreements by `P(same sign) = 1/2 + arcsin(ρ)/π`.
//!
//! **Claim** (Appendix E.1 of arXiv:2312.09390, second-hand): linear models on nested features, `M_k` on the first k. A student `M_k1` of a teacher `M_k2`
//! with k1 ≥ k2 can copy its teacher exactly, and gains almost nothing: its agreement with the teacher is far above the teacher's accuracy. Of labels
//! that are flipped at random with the same rate, the same student learns to be far better than its labels.
//!
//! **Measured**: all pairs of sizes, logistic regression on 10 000 true labels (teachers) and 13 000 hard weak labels (students, ceilings), as there;
//! Gaussian inputs take the place of embeddings, with a truth that falls off over more features than anyone sees, and accuracies and agreements are
//! exact. The prior (precision 1) is scikit-learn's default, ours to choose. PGR: mean gain over mean gap.
//!
//! **Controls**: random flips at the teacher's error rate. As their labels grow, the student's accuracy goes to its ceiling's: flips that know
//! nothing of the input leave the best direction where it was.
//!
//! **Found** (10 seeds): all of it. Copies agree with their teacher on 99.5% of inputs or more, and PGR is within 0.004 of 0; of random flips 91% to
//! 97% of the gap is recovered, also where more than one label in four is wrong.

mod figure;
mod judge;

use super::linear_world::{Functional, truth_direction};
use rewardlab::algorithm::{LinearFit, fit_linear};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::num::dot;
use rewardlab::plot::Chart;
use rewardlab::rng::Stream;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct Simulation;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Inputs that the truth depends on; 4 to 1000.
    inputs: usize,
    /// `β_j²` falls as j to minus this; at least 0.
    decay: f64,
    /// Sizes k; increasing, three or more, from 2 to below `inputs`.
    sizes: Vec<usize>,
    /// True labels of teachers; 100 to 1e6.
    labelled: usize,
    /// Weak labels of students; 100 to 1e6.
    relabelled: usize,
    fit: LinearFit,
}

/// The student's size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell(usize);

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "student {}", self.0)
    }
}

/// One student.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// k1.
    student_size: usize,
    /// k2.
    teacher_size: usize,
    /// `teacher` (its own labels) or `flips` (true labels, flipped at its error rate).
    labels: String,
    /// The teacher's accuracy, exact.
    weak: f64,
    /// The student's.
    student: f64,
    /// That of the student's size on true labels.
    ceiling: f64,
    /// How often the student calls what the teacher calls; absent for flips.
    agreement: Option<f64>,
}

impl Experiment for Simulation {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "weak_to_strong/simulation";
    const PAPER: &'static str = "Burns et al., arXiv:2312.09390, Figure 24 (Appendix E.1)";
    const CLAIM: &'static str = "A student that can simulate its teacher gains nothing; random errors teach the truth";
    const SECONDS: (f64, f64) = (0.5, 5.0);

    fn params(profile: Profile) -> Params {
        let (labelled, relabelled) = match profile {
            Profile::Smoke => (1_000, 1_300),
            Profile::Paper => (10_000, 13_000),
        };
        Params {
            inputs: 96,
            decay: 1.0,
            sizes: vec![4, 8, 16, 32, 64],
            labelled,
            relabelled,
            fit: LinearFit { precision: 1.0, tolerance: 1e-8 },
        }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..2,
            Profile::Paper => 0..10,
        }
    }

    fn validate(p: &Params) -> Result<()> {
        p.fit.validate().map_err(|e| e.within("fit"))?;
        Error::check_not_negative(&[("decay", p.decay)])?;
        Error::check_counts(&[
            ("inputs", p.inputs, 4, 1_000),
            ("labelled", p.labelled, 100, 1_000_000),
            ("relabelled", p.relabelled, 100, 1_000_000),
        ])?;
        let sizes = &p.sizes;
        if sizes.len() < 3 || !sizes.is_sorted_by(|a, b| a < b) || sizes[0] < 2 || sizes[sizes.len() - 1] >= p.inputs {
            let legal = "increasing, three or more, from 2 to below inputs";
            return Err(Error::parameter("sizes", format!("{sizes:?}"), legal));
        }
        Ok(())
    }

    fn cells(p: &Params) -> Vec<Cell> {
        p.sizes.iter().map(|k| Cell(*k)).collect()
    }

    fn measure(p: &Params, Cell(size): &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let beta = truth_direction(p.inputs, p.decay, &mut ctx.shared_stream("truth"));
        let labelled = Data::draw(p.labelled, &beta, &mut ctx.shared_stream("labelled"));
        let relabelled = Data::draw(p.relabelled, &beta, &mut ctx.shared_stream("relabelled"));
        let truth = Functional { weights: beta, private: 0.0 };
        let student = relabelled.view(*size);
        let learn = |labels: &[f64]| model(&student, labels, p);
        let ceiling = learn(&relabelled.classes)?.agrees(&truth);
        let coins: Vec<f64> = {
            let rng = &mut ctx.shared_stream("flips");
            (0..p.relabelled).map(|_| rng.uniform()).collect()
        };
        let mut rows = Vec::new();
        for &teacher_size in &p.sizes {
            let teacher = model(&labelled.view(teacher_size), &labelled.classes, p)?;
            let weak = teacher.agrees(&truth);
            let copied = learn(&relabelled.labels_by(&teacher.weights))?;
            let flip = |(y, coin): (&f64, &f64)| if *coin < weak { *y } else { 1.0 - y };
            let flipped = learn(&relabelled.classes.iter().zip(&coins).map(flip).collect::<Vec<_>>())?;
            let row = |labels: &str, student: &Functional, agreement| Row {
                student_size: *size,
                teacher_size,
                labels: labels.into(),
                weak,
                student: student.agrees(&truth),
                ceiling,
                agreement,
            };
            rows.push(row("teacher", &copied, Some(copied.agrees(&teacher))));
            rows.push(row("flips", &flipped, None));
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

/// Inputs and their true classes.
struct Data {
    /// n × D.
    inputs: Vec<f64>,
    dimension: usize,
    classes: Vec<f64>,
}

impl Data {
    fn draw(n: usize, beta: &[f64], rng: &mut Stream) -> Self {
        let mut inputs = vec![0.0; n * beta.len()];
        rng.fill_normal(1.0, &mut inputs);
        let mut data = Self { inputs, dimension: beta.len(), classes: Vec::new() };
        data.classes = data.labels_by(beta);
        data
    }

    fn labels_by(&self, weights: &[f64]) -> Vec<f64> {
        self.inputs.chunks(self.dimension).map(|x| f64::from(u8::from(dot(x, weights) > 0.0))).collect()
    }

    fn view(&self, size: usize) -> Vec<f64> {
        self.inputs.chunks(self.dimension).flat_map(|x| &x[..size]).copied().collect()
    }
}

fn model(features: &[f64], labels: &[f64], p: &Params) -> Result<Functional> {
    let mut weights = fit_linear(features, labels, &p.fit)?;
    weights.resize(p.inputs, 0.0);
    Ok(Functional { weights, private: 0.0 })
}
