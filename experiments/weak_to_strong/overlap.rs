//! Overlapping views: a student forgets what it cannot see of its teacher's errors.
//!
//! **Formula**: `teacher's risk = s² d_w/(n − d_w − 1)`,
//! `student's = s²/(n − d_w − 1) · (d_{s∧w} + d_s/(N − d_s − 1) · (d_w − d_{s∧w}))`, with s² the variance of the
//! labels' noise, n true labels for the teacher and N of the teacher's for the student, `d_w` and `d_s` the dimensions of
//! what they see, `d_{s∧w}` of what both see.
//!
//! **Claim** (arXiv:2502.05075, second-hand): a least-squares student on N labels of a least-squares teacher, which had n noisy true labels, has the
//! teacher's variance in the `d_{s∧w}` dimensions that the two views share, and of the rest only the part `d_s/N`.
//!
//! **Derived**: with Gaussian features (and the truth in both views) this is exact for every n > `d_w` + 1 and N > `d_s` + 1 with n − `d_w` − 1 and N − `d_s`
//! − 1 in the places of n and N; `exact::Overlap` has the formulas for teacher, student, ceiling and misfit. As N grows, gain → misfit.
//!
//! **Measured**: excess risk of drawn teachers, students and ceilings, E (f − truth)² over fresh inputs, exact for each drawn pair of weights; means
//! over trials and seeds against the formulas. Views are planes of coordinates (`aligned`) or at an angle of 45° in each shared direction (`tilted`:
//! each is half shared). The truth is 0: errors do not depend on it. Sizes are ours.
//!
//! **Controls**: a student that sees all that its teacher sees gains nothing, exactly; the leading order of the formula (n and N in the places of n −
//! `d_w` − 1 and N − `d_s` − 1) misses the measured means.
//!
//! **Found** (10 000 trials a setting): the largest of 124 deviations is 2.8 standard errors. At N = 400 a student keeps between 2% (nothing shared)
//! and 75% (six of eight dimensions) of its teacher's risk. Where nothing is shared it is below its own ceiling on true labels (0.006 against 0.014):
//! to that student the teacher's errors are weaker noise than that of true labels, so a PGR above 1 is no mistake.

mod figure;
mod judge;

use rewardlab::error::{Error, Result};
use rewardlab::exact;
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::num::{Cholesky, Matrix, dot, matmul};
use rewardlab::plot::Chart;
use rewardlab::rng::Stream;
use rewardlab::stats::{mean, std_dev};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct Overlap;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// `d_w`; 2 to 50.
    weak: usize,
    /// `d_s`; 2 to 50.
    strong: usize,
    /// Shared directions; increasing, from 0 to the smaller of the two views.
    shared: Vec<usize>,
    /// n; at least `weak` + 6, so that errors have a variance that is small against their mean.
    labelled: usize,
    /// N; increasing, two or more, the smallest at least `strong` + 6.
    relabelled: Vec<usize>,
    /// Variance of true labels' noise; positive.
    noise: f64,
    /// Drawn pairs of teacher and student per seed; 10 to 100 000.
    trials: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell {
    /// Shared directions are the same in both views.
    Aligned { shared: usize, relabelled: usize },
    /// Shared directions are at 45°.
    Tilted { shared: usize, relabelled: usize },
    /// The student's view holds the teacher's.
    Nested { relabelled: usize },
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Aligned { shared, relabelled } => write!(f, "aligned {shared} N={relabelled}"),
            Self::Tilted { shared, relabelled } => write!(f, "tilted {shared} N={relabelled}"),
            Self::Nested { relabelled } => write!(f, "nested N={relabelled}"),
        }
    }
}

/// One model's excess risk in one setting.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `aligned`, `tilted` or `nested`.
    views: String,
    /// `‖Vₛᵀ V_w‖²` (Frobenius).
    shared: f64,
    /// N.
    relabelled: usize,
    /// `teacher`, `student`, `ceiling` (excess risks) or `misfit` (student against teacher).
    of: String,
    /// Mean over trials.
    measured: f64,
    /// Standard deviation over trials.
    deviation: f64,
    /// Trials.
    trials: usize,
    /// The exact formula.
    exact: f64,
    /// The formula's leading order.
    leading: f64,
    /// |gain| of the trial where it is largest; nested views only.
    largest_gain: Option<f64>,
}

impl Experiment for Overlap {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "weak_to_strong/overlap";
    const PAPER: &'static str = "Dong et al., arXiv:2502.05075, Section 3 (variance; exact form derived here)";
    const CLAIM: &'static str = "A student keeps its teacher's errors in the view that they share and forgets the rest";
    const SECONDS: (f64, f64) = (0.3, 20.0);

    fn params(profile: Profile) -> Params {
        let (trials, relabelled) = match profile {
            Profile::Smoke => (100, vec![20, 400]),
            Profile::Paper => (500, vec![20, 40, 100, 400]),
        };
        Params { weak: 8, strong: 6, shared: vec![0, 1, 3, 6], labelled: 30, relabelled, noise: 1.0, trials }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..2,
            Profile::Paper => 0..20,
        }
    }

    fn validate(p: &Params) -> Result<()> {
        Error::check_counts(&[
            ("weak", p.weak, 2, 50),
            ("strong", p.strong, 2, 50),
            ("labelled", p.labelled, p.weak.max(p.strong) + 6, 100_000),
            ("trials", p.trials, 10, 100_000),
        ])?;
        Error::check_positive(&[("noise", p.noise)])?;
        let most = p.weak.min(p.strong);
        if !p.shared.is_sorted_by(|a, b| a < b) || p.shared.len() < 2 || p.shared.iter().any(|s| *s > most) {
            return Err(Error::parameter(
                "shared",
                format!("{:?}", p.shared),
                "increasing, two or more, at most both views",
            ));
        }
        let n = &p.relabelled;
        if !n.is_sorted_by(|a, b| a < b) || n.len() < 2 || n[0] < p.strong.max(p.weak) + 6 || n[n.len() - 1] > 100_000 {
            let legal = "increasing, two or more, at least 6 above both views, at most 100000";
            return Err(Error::parameter("relabelled", format!("{n:?}"), legal));
        }
        Ok(())
    }

    fn cells(p: &Params) -> Vec<Cell> {
        let mut cells = Vec::new();
        for &relabelled in &p.relabelled {
            cells.extend(p.shared.iter().map(|&shared| Cell::Aligned { shared, relabelled }));
            cells.extend(p.shared.iter().filter(|s| **s > 0).map(|&shared| Cell::Tilted { shared, relabelled }));
            cells.push(Cell::Nested { relabelled });
        }
        cells
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let (views, name) = match *cell {
            Cell::Aligned { shared, relabelled } => {
                (Views { p, strong: p.strong, shared, squared_cosine: 1.0, relabelled }, "aligned")
            }
            Cell::Tilted { shared, relabelled } => {
                (Views { p, strong: p.strong, shared, squared_cosine: 0.5, relabelled }, "tilted")
            }
            Cell::Nested { relabelled } => {
                (Views { p, strong: p.weak, shared: p.weak, squared_cosine: 1.0, relabelled }, "nested")
            }
        };
        let rng = &mut ctx.stream("trials");
        let trials: Vec<Trial> = (0..p.trials).map(|_| views.trial(rng)).collect::<Result<_>>()?;
        let (exact, leading) = (views.exact(), views.leading());
        let row = |of: &str, value: fn(&Trial) -> f64, formula: fn(&exact::Overlap) -> f64| {
            let values: Vec<f64> = trials.iter().map(value).collect();
            Row {
                views: name.into(),
                shared: exact.shared,
                relabelled: views.relabelled,
                of: of.into(),
                measured: mean(&values),
                deviation: std_dev(&values),
                trials: values.len(),
                exact: formula(&exact),
                leading: formula(&leading),
                largest_gain: (name == "nested")
                    .then(|| trials.iter().map(|t| (t.teacher - t.student).abs()).fold(0.0, f64::max)),
            }
        };
        Ok(vec![
            row("teacher", |t| t.teacher, exact::Overlap::weak_risk),
            row("student", |t| t.student, exact::Overlap::student_risk),
            row("ceiling", |t| t.ceiling, exact::Overlap::ceiling_risk),
            row("misfit", |t| t.misfit, exact::Overlap::misfit),
        ])
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        judge::checks(rows)
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        figure::chart(rows)
    }
}

/// Coordinates: the student's own `strong`; the teacher's are the first `shared` of them, turned by an angle towards coordinates of its own, and
/// more of its own.
struct Views<'a> {
    p: &'a Params,
    strong: usize,
    shared: usize,
    /// Of the angle between shared directions: what of one is in the other.
    squared_cosine: f64,
    relabelled: usize,
}

/// Errors of one teacher and its student.
struct Trial {
    teacher: f64,
    student: f64,
    ceiling: f64,
    misfit: f64,
}

impl Views<'_> {
    fn exact(&self) -> exact::Overlap {
        exact::Overlap {
            weak: self.p.weak as f64,
            strong: self.strong as f64,
            shared: self.shared as f64 * self.squared_cosine,
            labelled: self.p.labelled as f64,
            relabelled: self.relabelled as f64,
            noise: self.p.noise,
        }
    }

    /// The same formulas with n and N where n − d − 1 and N − d − 1 stand.
    fn leading(&self) -> exact::Overlap {
        let exact = self.exact();
        exact::Overlap {
            labelled: exact.labelled + exact.weak + 1.0,
            relabelled: exact.relabelled + exact.strong + 1.0,
            ..exact
        }
    }

    /// n × `strong` and n × `weak` features of the same inputs.
    fn features(&self, n: usize, rng: &mut Stream) -> (Vec<f64>, Vec<f64>) {
        let (mut strong, mut weak) = (Vec::new(), Vec::new());
        let (cosine, sine) = (self.squared_cosine.sqrt(), (1.0 - self.squared_cosine).sqrt());
        for _ in 0..n {
            let own: Vec<f64> = (0..self.strong).map(|_| rng.normal()).collect();
            let of_teacher = |j: usize| {
                let private = rng.normal();
                if j < self.shared { cosine * own[j] + sine * private } else { private }
            };
            weak.extend((0..self.p.weak).map(of_teacher));
            strong.extend(own);
        }
        (strong, weak)
    }

    fn trial(&self, rng: &mut Stream) -> Result<Trial> {
        let (strong_clean, weak_clean) = self.features(self.p.labelled, rng);
        let scale = self.p.noise.sqrt();
        let labels: Vec<f64> = (0..self.p.labelled).map(|_| scale * rng.normal()).collect();
        let teacher = least_squares(&weak_clean, self.p.weak, &labels)?;
        let (strong, weak) = self.features(self.relabelled, rng);
        let pseudo: Vec<f64> = weak.chunks(self.p.weak).map(|row| dot(row, &teacher)).collect();
        let student = least_squares(&strong, self.strong, &pseudo)?;
        let all: Vec<f64> = strong_clean.iter().chain(&strong).copied().collect();
        let truths: Vec<f64> =
            labels.iter().copied().chain((0..self.relabelled).map(|_| scale * rng.normal())).collect();
        let ceiling = least_squares(&all, self.strong, &truths)?;
        // what the teacher's weights are in the student's coordinates, and what is left of them
        let seen: f64 = (0..self.shared).map(|j| student[j] * self.squared_cosine.sqrt() * teacher[j]).sum();
        let (of_teacher, of_student) = (dot(&teacher, &teacher), dot(&student, &student));
        Ok(Trial {
            teacher: of_teacher,
            student: of_student,
            ceiling: dot(&ceiling, &ceiling),
            misfit: of_teacher + of_student - 2.0 * seen,
        })
    }
}

fn least_squares(features: &[f64], width: usize, labels: &[f64]) -> Result<Vec<f64>> {
    let rows = Matrix::new(features, labels.len(), width);
    let (mut gram, mut pull) = (vec![0.0; width * width], vec![0.0; width]);
    matmul(rows.t(), rows, &mut gram, false);
    matmul(Matrix::new(labels, 1, labels.len()), rows, &mut pull, false);
    let factor = Cholesky::new(&gram, width).ok_or_else(|| Error::Numeric("features that determine no head".into()))?;
    Ok(factor.solve(&pull))
}
