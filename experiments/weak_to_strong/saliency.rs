//! Does weak supervision make a concept salient? Linear probes of the body before and after finetuning on weak labels.
//!
//! **Formula**: `accuracy of argmin_v Σ CE(σ(v·h), truth) + ½ · precision · ‖v‖²`, with h a body's hidden states before
//! and after finetuning on weak labels.
//!
//! **Claims** (arXiv:2312.09390, Figure 11; its numbers are not known to us): a linear probe with true labels on a body that was finetuned on *weak*
//! labels is far better than one on the pretrained body, and close to full finetuning on the truth.
//!
//! **Measured** on the tasks' held-out texts: accuracy of logistic probes of the final hidden state at the question, fitted to few or
//! many true labels (of the teacher's half, which the student never saw), on bodies that are only pretrained, finetuned on weak labels, or
//! finetuned on the truth of the same texts; beside them what the finetuned heads themselves say. The student's body has
//! seen no true label.
//!
//! **Control**: finetuning on weak labels dealt anew among texts makes no concept salient.
//!
//! **Found** (5 seeds; labels are balanced as in `tasks`): nothing of it here. Pretraining has made salient what it could: a probe of the pretrained body is as good as one after weak
//! finetuning (difference 0.000) and, with 8 labels, better (by 0.009); either is better than full finetuning on the truth (by 0.01), since 32 small steps
//! hardly move a body. In the paper a probe of the base model is behind. The body knows 0.056 more than the head says that was
//! taught by the weak teacher.

mod figure;
mod judge;

use super::ladder::{Classroom, Finetuned, Finetuning, Ladder, features};
use super::tasks::Cell;
use rewardlab::algorithm::{Family, LinearFit, Source, Trainee, fit_linear};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::metrics::accuracy;
use rewardlab::num::{dot, sigmoid};
use rewardlab::plot::Chart;
use serde::{Deserialize, Serialize};
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct Saliency;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    ladder: Ladder,
    finetuning: Finetuning,
    /// Levels of teacher and student; the student's above the teacher's, both in the ladder.
    levels: (usize, usize),
    /// True labels of a probe; increasing, even, from 4 to those of the teacher's half.
    labels: Vec<usize>,
    /// 1/σ² of the prior of a probe's weights, nats; positive.
    precision: f64,
}

/// A body with its probe.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    task: String,
    /// What the body was finetuned on: `nothing`, `weak`, `truth`, or `dealt` weak labels.
    body: String,
    /// True labels that the probe was fitted to.
    labels: usize,
    /// Accuracy of the probe on test texts.
    probe: f64,
    /// Accuracy of the finetuned head; of the body that was not finetuned absent.
    head: Option<f64>,
    /// Accuracy of the teacher.
    teacher: f64,
}

impl Experiment for Saliency {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "weak_to_strong/saliency";
    const PAPER: &'static str = "Burns et al., arXiv:2312.09390, Figure 11";
    const CLAIM: &'static str = "Finetuning on weak labels makes the true concept linearly salient";
    const SECONDS: (f64, f64) = (5.0, 600.0);

    fn params(profile: Profile) -> Params {
        let smoke = profile == Profile::Smoke;
        let mut ladder = Ladder::new(smoke);
        if smoke {
            ladder.mixture.tasks.truncate(4);
        }
        let (levels, labels) = if smoke { ((0, 1), vec![8, 16]) } else { ((1, 3), vec![8, 32, 128, 512]) };
        Params { ladder, finetuning: Finetuning::default(), levels, labels, precision: 1.0 }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..2,
            Profile::Paper => 0..5,
        }
    }

    fn validate(p: &Params) -> Result<()> {
        p.ladder.validate().map_err(|e| e.within("ladder"))?;
        p.finetuning.validate().map_err(|e| e.within("finetuning"))?;
        p.ladder.check_levels("levels", p.levels)?;
        let legal = |n: &usize| (4..=p.ladder.pairs / 2 * 2).contains(n) && n.is_multiple_of(2);
        if p.labels.is_empty() || !p.labels.is_sorted_by(|a, b| a < b) || !p.labels.iter().all(legal) {
            let most = p.ladder.pairs / 2 * 2;
            let words = format!("increasing even numbers from 4 to {most}");
            return Err(Error::parameter("labels", format!("{:?}", p.labels), words));
        }
        Error::check_positive(&[("precision", p.precision)])
    }

    fn cells(p: &Params) -> Vec<Cell> {
        Cell::of(&p.ladder)
    }

    fn measure(p: &Params, Cell(task): &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let class = Classroom::new(&p.ladder, *task, ctx)?;
        let models = Finetuned::naive(&class, &p.finetuning);
        let (teacher, student) = p.levels;
        let weak = models.teacher(teacher)?;
        let half = &class.halves.student;
        let dealt = class.dealt(&weak.student_half);
        let bodies = [
            ("nothing", None),
            ("weak", Some((weak.student_half.clone(), Source::Model))),
            ("truth", Some((class.truth(half), Source::Truth))),
            ("dealt", Some((dealt, Source::Model))),
        ];
        let mut rows = Vec::new();
        for (body, taught) in bodies {
            let mut model = match &taught {
                None => class.fresh(student)?,
                Some((labels, from)) => models.teach(student, half, labels, *from)?,
            };
            let head = match taught {
                None => None,
                Some(_) => Some(class.accuracy(&models.say(&mut model)?)),
            };
            for (labels, probe) in p.labels.iter().zip(probes(p, &class, &mut model)?) {
                let row = Row {
                    task: task.name().into(),
                    body: body.into(),
                    labels: *labels,
                    probe,
                    head,
                    teacher: class.accuracy(&weak),
                };
                rows.push(row);
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

/// The accuracy of a body's probes, for each number of labels.
fn probes(p: &Params, class: &Classroom, model: &mut Trainee) -> Result<Vec<f64>> {
    let most = p.labels.iter().copied().max().unwrap_or(0);
    // halves are dealt in whole pairs: both classes are in every even prefix
    let items = &class.halves.teacher[..most];
    let own = features(model, &class.read(items))?;
    let test = features(model, &class.test())?;
    let truth = class.truth(items);
    let width = own.len() / most;
    let fit = LinearFit { precision: p.precision, tolerance: 1e-6 };
    let probe = |n: &usize| {
        let weights = fit_linear(&own[..n * width], &truth[..*n], &fit)?;
        let said: Vec<f64> = test.chunks(width).map(|x| sigmoid(dot(x, &weights))).collect();
        Ok(accuracy(&said, &class.texts.test_truth))
    };
    p.labels.iter().map(probe).collect()
}
