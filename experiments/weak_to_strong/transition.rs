//! A phase transition in the number of weak labels: interpolation with spiked covariances.
//!
//! **Formula**: `accuracy = 1/2 + arcsin(ρ)/π`, with ρ the correlation of interpolator and truth; threshold about
//! `u* = q_w + r_w − min(1 − r, p + 1 − 2(q + r))` for `m = n^u` weak labels, of n^p features
//! and n^r spikes, whose variance is larger by n^(p − q − r) (the teacher's: `q_w`, `r_w`).
//!
//! **Claim** (arXiv:2410.04638, second-hand): teacher and student interpolate labels with the least norm. Both see Gaussian features with n^p
//! directions, of which n^r have a variance that is larger by n^(p − q − r); the truth is the sign of one of these. A teacher whose spikes are too
//! weak (`q_w` + `r_w` > (`p_w` + 1)/2) guesses from n true labels; a student with better spikes, on m = n^u labels of this teacher, goes from guessing to
//! right as u passes a threshold (about `q_w` + `r_w` − min(1 − r, p + 1 − 2(q + r)), 1.1 here). Only the transition is tested, not the threshold's
//! value.
//!
//! **Measured**: accuracy of drawn teachers and students. For Gaussian features it is 1/2 + arcsin ρ / π, with ρ the correlation of the interpolator
//! and the true direction, so no test inputs are drawn. Nor are n^p features: kernels of unspiked directions are Wishart matrices, and of a teacher
//! only its parts along the truth, the other spikes and the rest matter (exact in distribution: `reduced`). Exponents were chosen with a pilot so
//! that teachers are near 1/2 and the transition lies within some thousand labels.
//!
//! **Controls**: a student with its teacher's own features stays at the teacher's level at every u. `direct` draws all features of a small case:
//! means agree with `reduced`.
//!
//! **Found** (20 seeds): all of it. At n = 160 teachers are right on 55% of inputs; students on 54% at u = 0.25 and on 87% at u = 1.5, 2024 labels.
//! Curves of different n cross near u = 1.1, where the theory has its threshold, and are steeper for larger n. With its teacher's features a student
//! stays below its teacher, at 52%.

mod figure;
mod interpolation;
mod judge;

use interpolation::{Spikes, direct_student, student, teacher};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::plot::Chart;
use rewardlab::stats::mean;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct Transition;

/// Exponents of a spiked covariance, in powers of n.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exponents {
    /// n^p directions; above 1, at most 4.
    p: f64,
    /// Spikes hold a share n^−q of the variance; positive.
    q: f64,
    /// n^r spikes; positive, below 1.
    r: f64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    strong: Exponents,
    /// p and r at most those of `strong`: the teacher's features are some of the student's.
    weak: Exponents,
    /// n; increasing, two or more, 10 to 1000.
    labelled: Vec<usize>,
    /// u; increasing, three or more, positive, at most 2.
    exponents: Vec<f64>,
    /// Largest m; settings with more labels are left out; 10 to 5000.
    most: usize,
    /// Pairs of teacher and student per seed and setting: this over m, from 1 to 50; 1 to 100 000.
    work: usize,
    /// n of the part with all features; 5 to 50.
    small: usize,
    /// Its draws; 2 to 10 000.
    draws: usize,
}

/// Most pairs per seed and setting.
const DRAWS: usize = 50;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell {
    Curve { labelled: usize, same: bool },
    Direct,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Curve { labelled, same: false } => write!(f, "n={labelled}"),
            Self::Curve { labelled, same: true } => write!(f, "n={labelled} same features"),
            Self::Direct => f.write_str("direct"),
        }
    }
}

/// Mean accuracy over the seed's draws.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `strong` or `same` (the teacher's own) features; `direct` or `reduced` in the small case.
    features: String,
    /// n.
    labelled: usize,
    /// u.
    exponent: f64,
    /// m.
    relabelled: usize,
    /// Draws.
    draws: usize,
    /// The teacher's accuracy.
    teacher: f64,
    /// The student's accuracy.
    student: f64,
}

impl Experiment for Transition {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "weak_to_strong/transition";
    const PAPER: &'static str = "Wu and Sahai, arXiv:2410.04638 (the transition in u)";
    const CLAIM: &'static str =
        "From labels of a teacher that guesses, a student guesses or is right, by how many they are";
    const SECONDS: (f64, f64) = (0.5, 50.0);

    fn params(profile: Profile) -> Params {
        let (labelled, most, work, draws) = match profile {
            Profile::Smoke => (vec![40, 80], 400, 400, 100),
            Profile::Paper => (vec![40, 80, 160], 2100, 2100, 1000),
        };
        Params {
            strong: Exponents { p: 3.0, q: 0.7, r: 0.3 },
            weak: Exponents { p: 2.0, q: 1.5, r: 0.3 },
            labelled,
            exponents: vec![0.25, 0.5, 0.75, 1.0, 1.125, 1.25, 1.375, 1.5],
            most,
            work,
            small: 12,
            draws,
        }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..2,
            Profile::Paper => 0..20,
        }
    }

    fn validate(p: &Params) -> Result<()> {
        for (name, e) in [("strong", &p.strong), ("weak", &p.weak)] {
            if !(e.p > 1.0 && e.p <= 4.0 && e.q > 0.0 && e.q < 4.0 && e.r > 0.0 && e.r < 1.0) {
                return Err(Error::parameter(name, format!("{e:?}"), "p in (1, 4], q in (0, 4), r in (0, 1)"));
            }
        }
        if p.strong.p - p.strong.r < 0.5 || p.weak.p - p.weak.r < 0.5 {
            let legal = "with p at least r + 0.5: most directions are no spikes";
            return Err(Error::parameter("strong, weak", format!("{:?}, {:?}", p.strong, p.weak), legal));
        }
        if p.weak.p > p.strong.p || p.weak.r > p.strong.r {
            return Err(Error::parameter("weak", format!("{:?}", p.weak), "p and r at most those of strong"));
        }
        Error::check_counts(&[
            ("most", p.most, 10, 5_000),
            ("work", p.work, 1, 100_000),
            ("small", p.small, 5, 50),
            ("draws", p.draws, 2, 10_000),
        ])?;
        let n = &p.labelled;
        if n.len() < 2 || !n.is_sorted_by(|a, b| a < b) || n[0] < 10 || n[n.len() - 1] > 1_000 {
            return Err(Error::parameter("labelled", format!("{n:?}"), "increasing, two or more, 10 to 1000"));
        }
        let u = &p.exponents;
        if u.len() < 3 || !u.is_sorted_by(|a, b| a < b) || u[0] <= 0.0 || u[u.len() - 1] > 2.0 {
            return Err(Error::parameter("exponents", format!("{u:?}"), "increasing, three or more, in (0, 2]"));
        }
        Ok(())
    }

    fn cells(p: &Params) -> Vec<Cell> {
        let curves = p.labelled.iter().map(|&labelled| Cell::Curve { labelled, same: false });
        let largest = p.labelled[p.labelled.len() - 1];
        curves.chain([Cell::Curve { labelled: largest, same: true }, Cell::Direct]).collect()
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        match *cell {
            Cell::Curve { labelled, same } => curve(p, labelled, same, ctx),
            Cell::Direct => small(p, ctx),
        }
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        judge::checks(rows)
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        figure::chart(rows)
    }
}

/// Teachers at one n, and students of theirs with each number of labels.
fn curve(p: &Params, labelled: usize, same: bool, ctx: &Context) -> Result<Vec<Row>> {
    let of = |u: &f64| (*u, ((labelled as f64).powf(*u).round() as usize).max(2));
    let sizes: Vec<(f64, usize)> = p.exponents.iter().map(of).filter(|(_, m)| *m <= p.most).collect();
    let weak = Spikes::new(&p.weak, labelled);
    let strong = if same { weak } else { Spikes::new(&p.strong, labelled) };
    let mut rows = Vec::new();
    for (u, m) in sizes {
        let rng = &mut ctx.stream(&format!("draws {m}"));
        let (mut teachers, mut students) = (Vec::new(), Vec::new());
        for _ in 0..(p.work / m).clamp(1, DRAWS) {
            let teacher = teacher(&weak, labelled, rng)?;
            teachers.push(teacher.accuracy());
            students.push(student(&strong, &teacher, m, rng)?);
        }
        rows.push(Row {
            features: if same { "same" } else { "strong" }.into(),
            labelled,
            exponent: u,
            relabelled: m,
            draws: teachers.len(),
            teacher: mean(&teachers),
            student: mean(&students),
        });
    }
    Ok(rows)
}

/// The same small case with all features and with kernels alone.
fn small(p: &Params, ctx: &Context) -> Result<Vec<Row>> {
    let n = p.small;
    let (weak, strong) = (Spikes::new(&p.weak, n), Spikes::new(&p.strong, n));
    let row = |features: &str, accuracies: Vec<(f64, f64)>| Row {
        features: features.into(),
        labelled: n,
        exponent: 1.0,
        relabelled: n,
        draws: p.draws,
        teacher: mean(&accuracies.iter().map(|a| a.0).collect::<Vec<_>>()),
        student: mean(&accuracies.iter().map(|a| a.1).collect::<Vec<_>>()),
    };
    let rng = &mut ctx.stream("direct");
    let direct = (0..p.draws).map(|_| direct_student(&strong, &weak, n, rng)).collect::<Result<_>>()?;
    let rng = &mut ctx.stream("reduced");
    let mut reduced = Vec::new();
    for _ in 0..p.draws {
        let teacher = teacher(&weak, n, rng)?;
        reduced.push((teacher.accuracy(), student(&strong, &teacher, n, rng)?));
    }
    Ok(vec![row("direct", direct), row("reduced", reduced)])
}
