//! Unsupervised generative finetuning before weak supervision (Figures 10, 17 and 18).
//!
//! **Formula**: first `−log π(completion)` on all completions, then `P(first preferred) = σ(r₁ − r₂)` on weak labels;
//! `PGR = Σ_seeds (student − teacher) / Σ_seeds (ceiling − teacher)`, of shares of pairs ranked right.
//!
//! **Claims** (arXiv:2312.09390, reported second-hand): reward models that were finetuned to write all completions of the task, whichever
//! is preferred, recover more of the gap, the ceiling having read them too (Figure 10); with the best moment of training chosen by the
//! truth (oracle early stopping) they recover still more (Figure 17); it holds with a teacher that has read them too (Figure 18). The
//! paper's numbers are not known to us: the bar of `reading_and_oracle` (0.3) was set after one that we could not confirm, and stands as ours.
//!
//! **Measured**: the world and ladder of `reward_modelling`, with half of the pretraining and fewer labelled pairs, so that reading has
//! something left to add. The moment is chosen on one half of the test pairs and reported, like everything, on the other. Pilots (two
//! seeds each) chose these settings among five: with text of which half or less has a mood, or half as much pretraining again, teachers
//! and ceilings rank little better than chance and in no order of size.
//!
//! **Controls**: completions whose words are dealt anew among all completions help no more than none; oracle early stopping changes
//! little for the ceiling.
//!
//! **Found** (10 seeds): reading changes nothing that ten seeds could show. PGR over all teachers and larger students is 0.20 without, 0.16
//! with (difference −0.04, from −0.17 to 0.08), 0.28 where the teacher has read too (0.08 more, from −0.05 to 0.20), 0.26 with scrambled
//! completions. Pretraining text is of the task's kind already, so the ceilings gain nothing from the task's own either (0.849 both, at
//! the largest size). What helps is the oracle, whoever has read: 0.39 without reading, 0.37 with, 0.52 with the teacher's; students
//! learn their teacher's mistakes late, while ceilings need no oracle (−0.001).

mod figure;
mod judge;

use super::gap::Run;
use super::reviews::{Readers, Reading, Reviews, run};
use rewardlab::algorithm::Trainee;
use rewardlab::error::{Error, Result};
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::metrics::{Scores, accuracy};
use rewardlab::plot::Chart;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct Generative;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    reviews: Reviews,
    /// Passes over the completions of all training pairs; 1 to 100.
    epochs: u64,
    /// Looks at the test pairs during training, among which the oracle chooses; 2 to 100.
    looks: u64,
}

/// What student and ceiling have read, and the teacher.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    name: &'static str,
    student: &'static str,
    teacher: &'static str,
}

const CELLS: [Cell; 4] = [
    Cell { name: "nothing", student: "nothing", teacher: "nothing" },
    Cell { name: "student", student: "completions", teacher: "nothing" },
    Cell { name: "both", student: "completions", teacher: "completions" },
    Cell { name: "scrambled", student: "scrambled", teacher: "nothing" },
];

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// One teacher, one student.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// Who has read completions: `nothing` (nobody), `student` (and its ceiling), `both` (teacher too); or `scrambled` ones.
    read: String,
    /// Level of the teacher in the ladder, from 0.
    teacher: usize,
    /// Level of the student.
    student: usize,
    /// Parameters of the student.
    parameters: usize,
    /// Share of test pairs (of the second half, like the next four) that the teacher ranks right.
    weak: f64,
    /// That of the student at the end.
    accuracy: f64,
    /// That of the student's ceiling at the end.
    ceiling: f64,
    /// That of the student where the first half of the test pairs is ranked best.
    stopped: f64,
    /// Likewise of the ceiling.
    ceiling_stopped: f64,
}

impl Row {
    /// `stopped`: student and ceiling as the oracle stops them.
    fn run(record: &Record<Self>, stopped: bool) -> Run {
        let scores = if stopped {
            Scores { weak: record.weak, student: record.stopped, ceiling: record.ceiling_stopped }
        } else {
            Scores { weak: record.weak, student: record.accuracy, ceiling: record.ceiling }
        };
        run(record.seed, (record.teacher, record.student), record.parameters, scores)
    }
}

impl Experiment for Generative {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "weak_to_strong/generative";
    const PAPER: &'static str = "Burns et al., arXiv:2312.09390, Figures 10, 17 and 18";
    const CLAIM: &'static str =
        "Reward models that first learn to write the task's completions recover more of the gap";
    const SECONDS: (f64, f64) = (4.0, 577.0);

    fn params(profile: Profile) -> Params {
        match profile {
            Profile::Smoke => Params { reviews: Reviews::new(true), epochs: 1, looks: 4 },
            // half of the pretraining and fewer labels than in `reward_modelling`: reading has something left to add
            Profile::Paper => {
                let reviews = Reviews { pretraining_steps: 3000, pairs: 1200, ..Reviews::new(false) };
                Params { reviews, epochs: 8, looks: 4 }
            }
        }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..2,
            Profile::Paper => 0..10,
        }
    }

    fn validate(p: &Params) -> Result<()> {
        p.reviews.validate().map_err(|e| e.within("reviews"))?;
        Error::check_counts(&[("epochs", p.epochs as usize, 1, 100), ("looks", p.looks as usize, 2, 100)])
    }

    fn cells(_: &Params) -> Vec<Cell> {
        CELLS.into()
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let reading = |who: &str| match who {
            "completions" => Reading::Completions { epochs: p.epochs },
            "scrambled" => Reading::Scrambled { epochs: p.epochs },
            _ => Reading::Nothing,
        };
        let teachers = Readers::new(&p.reviews, reading(cell.teacher), ctx)?;
        let students = Readers::new(&p.reviews, reading(cell.student), ctx)?;
        let top = p.reviews.levels() - 1;
        let items = &students.halves.student;
        let truth: Vec<f64> = students.student_truth();
        let mut rows = Vec::new();
        let mut ceilings = Vec::new();
        for student in 1..=top {
            ceilings.push(watched(&students, student, items, &truth, p.looks)?);
        }
        for teacher in 0..top {
            let mut model = teachers.protocol().teacher(teacher)?;
            let weak = halves(&teachers, &mut model)?.1;
            let labels = teachers.protocol().weak_labels(&mut model)?;
            for student in teacher + 1..=top {
                let [accuracy, stopped] = watched(&students, student, items, &labels, p.looks)?;
                let [ceiling, ceiling_stopped] = ceilings[student - 1];
                let parameters = p.reviews.parameters(student)?;
                let read = cell.name.into();
                rows.push(Row {
                    read,
                    teacher,
                    student,
                    parameters,
                    weak,
                    accuracy,
                    ceiling,
                    stopped,
                    ceiling_stopped,
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

/// Shares of the first and the second half of the test pairs ranked right.
fn halves(readers: &Readers, model: &mut Trainee) -> Result<(f64, f64)> {
    let said = readers.test(model)?;
    let truth = &readers.pairs.test_truth;
    let middle = said.len() / 2;
    Ok((accuracy(&said[..middle], &truth[..middle]), accuracy(&said[middle..], &truth[middle..])))
}

/// The second half's share at the end of training, and where the first half's was highest.
fn watched(readers: &Readers, level: usize, items: &[usize], labels: &[f64], looks: u64) -> Result<[f64; 2]> {
    let mut seen: Vec<(f64, f64)> = Vec::new();
    readers.learn(level, items, labels, looks, |model| {
        seen.push(halves(readers, model)?);
        Ok(())
    })?;
    let last = seen.last().map_or(f64::NAN, |s| s.1);
    // the earliest of equals
    let best = seen.iter().copied().reduce(|a, b| if b.0 > a.0 { b } else { a });
    Ok([last, best.map_or(f64::NAN, |b| b.1)])
}
