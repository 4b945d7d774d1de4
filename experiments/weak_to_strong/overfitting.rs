//! Figures 7 and 13: true accuracy rises, then falls, while the student learns its teacher's labels.
//!
//! **Formula**: `v(t) = Σ_j u_j (e^(−λ_j t) u_j·v₀ + (1 − e^(−λ_j t))/λ_j · u_j·b)`, the head at time t of the flow;
//! `accuracy = 1/2 + arcsin(ρ)/π`.
//!
//! **Claims** (arXiv:2312.09390, Section 5.1.1, second-hand): where the gap is large, students overfit to weak labels: accuracy on the truth has a
//! maximum inside the run and declines after; the best student (early stopping by the truth, an oracle) is ahead of the last, more so for larger
//! gaps. (They also draw early stopping by the agreement with held-out weak labels; that it cannot find the best is what we derive and measure here.)
//!
//! **Measured** in the linear world (`linear_world`, regime B): a linear student by gradient flow on the squared error against the teacher's labels
//! (2 P − 1), from a small random head. The flow is `v(t) = Σ_j u_j (e^{−λ_j t} u_j·v₀ + (1 − e^{−λ_j t})/λ_j u_j·b)`, λ and u of the features' second
//! moments and b = Fᵀy/N, so every time is exact, and so are accuracy and agreement (Gaussian functionals). Best, early-stopped and last over one
//! grid of times. Held-out weak labels are infinitely many. The head's size and the horizon were chosen with a pilot so that curves begin at a guess
//! and end flat.
//!
//! **Controls**: on true labels much less is lost by going on (what is lost there is overfitting to few inputs); gradient descent with small steps is
//! the flow (its own closed form, with (1 − ηλ)^n in the place of e^{−λt}, to rounding, and the flow up to a difference in proportion to η).
//!
//! **Found** (20 seeds): all of it. The largest student rises from 0.51 to 0.89 at time 0.16 and falls to its teacher's 0.72; the best is 0.002 above
//! the last at size 8 and 0.17 at 128. Agreement with the teacher is largest at the end, so stopping by it finds the worst: a criterion from weak
//! labels cannot see what they leave out. On true labels 0.01 is lost.

mod figure;
mod flow;
mod judge;

use super::linear_world::{World, WorldParams};
use crate::statistics::rounded;
use flow::Student;
use rewardlab::error::{Error, Result};
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::plot::Chart;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct Overfitting;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Epochs, batch and rate are not used; `scale` only stretches time.
    world: FlowWorld,
    /// Standard deviation of each weight of the head at the start; positive.
    head: f64,
    /// The last time; above `first`.
    last: f64,
    /// The first time after 0; positive.
    first: f64,
    /// Times, evenly spaced on a logarithmic scale; 10 to 1000.
    times: usize,
    /// η of gradient descent, times the largest λ; in (0, 1).
    step: f64,
    /// Steps of it; 1 to 100 000.
    steps: usize,
}

/// What a flow needs of [`WorldParams`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FlowWorld {
    /// As in `WorldParams`.
    inputs: usize,
    decay: f64,
    sizes: Vec<usize>,
    labelled: usize,
    relabelled: usize,
    salience: f64,
}

impl FlowWorld {
    fn params(&self) -> WorldParams {
        let Self { inputs, decay, sizes, labelled, relabelled, salience } = self.clone();
        WorldParams { inputs, decay, sizes, labelled, relabelled, salience, scale: 0.0, ..WorldParams::regime_b() }
    }
}

/// The student's size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell(usize);

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "size {}", self.0)
    }
}

/// One time of one student.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// The student's size.
    size: usize,
    /// `weak`, `true`, or `descent` (the check of the flow).
    labels: String,
    /// Time of the flow; η × steps for `descent`.
    time: f64,
    /// The teacher's accuracy.
    weak: f64,
    /// The student's.
    accuracy: f64,
    /// Its agreement with the teacher.
    agreement: f64,
    /// ‖descent − its closed form‖ / ‖closed form‖; `descent` only.
    descent_error: Option<f64>,
    /// ‖descent − flow‖ / ‖flow‖ at the step, over that at half the step; `descent` only: 2 for an error in proportion to the step.
    step_ratio: Option<f64>,
}

impl Experiment for Overfitting {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "weak_to_strong/overfitting";
    const PAPER: &'static str = "Burns et al., arXiv:2312.09390, Figures 7 and 13";
    const CLAIM: &'static str = "Students overfit to weak labels: true accuracy has a maximum inside the run";
    const SECONDS: (f64, f64) = (0.5, 2.0);

    fn params(profile: Profile) -> Params {
        let world = WorldParams::regime_b();
        let (sizes, relabelled, times) = match profile {
            Profile::Smoke => (vec![8, 16, 64], 1_000, 30),
            Profile::Paper => (world.sizes, world.relabelled, 40),
        };
        Params {
            world: FlowWorld {
                inputs: world.inputs,
                decay: world.decay,
                sizes,
                labelled: world.labelled,
                relabelled,
                salience: world.salience,
            },
            head: 0.01,
            first: 1e-3,
            last: 100.0,
            times,
            step: 0.05,
            steps: 200,
        }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..2,
            Profile::Paper => 0..20,
        }
    }

    fn validate(p: &Params) -> Result<()> {
        p.world.params().validate().map_err(|e| e.within("world"))?;
        Error::check_positive(&[("head", p.head), ("first", p.first), ("last", p.last), ("step", p.step)])?;
        if p.last <= p.first {
            return Err(Error::parameter("last", p.last, "above first"));
        }
        if p.step >= 1.0 {
            return Err(Error::parameter("step", p.step, "below 1"));
        }
        Error::check_counts(&[("times", p.times, 10, 1_000), ("steps", p.steps, 1, 100_000)])
    }

    fn cells(p: &Params) -> Vec<Cell> {
        p.world.sizes.iter().map(|k| Cell(*k)).collect()
    }

    fn measure(p: &Params, Cell(size): &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let params = p.world.params();
        let world = World::draw(&params, ctx)?;
        let features = world.features(*size);
        let mut start = vec![0.0; *size];
        ctx.stream("head").fill_normal(p.head, &mut start);
        let grow = (p.last / p.first).powf(1.0 / (p.times - 1) as f64);
        let times = || [0.0].into_iter().chain((0..p.times).map(|i| p.first * grow.powi(i as i32)));
        let row = |labels: &str, time: f64, weights: &[f64]| {
            let student = world.functional(*size, weights);
            Row {
                size: *size,
                labels: labels.into(),
                time: rounded(time, 9),
                weak: rounded(world.accuracy(&world.teacher), 9),
                // curves: nothing hangs on the ninth digit
                accuracy: rounded(world.accuracy(&student), 9),
                agreement: rounded(student.agrees(&world.teacher), 9),
                ..Row::default()
            }
        };
        let mut rows = Vec::new();
        for (name, labels) in [("weak", &world.weak_labels), ("true", &world.true_labels)] {
            let student = Student::new(&features, *size, labels, &start);
            rows.extend(times().map(|t| row(name, t, &student.at(t))));
            if name == "weak" {
                let (descent_error, step_ratio) = student.against_descent(p.step, p.steps);
                let time = p.step / student.largest() * p.steps as f64;
                let descent = row("descent", time, &student.at(time));
                rows.push(Row { descent_error: Some(descent_error), step_ratio: Some(step_ratio), ..descent });
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
