//! Weak reward models supervise strong ones (Figure 3, reward modelling).
//!
//! **Formula**: `P(first preferred) = σ(r₁ − r₂)`; `PGR = Σ_seeds (student − teacher) / Σ_seeds (ceiling − teacher)`,
//! of shares of pairs ranked right.
//!
//! **Claims** (Figure 3 of arXiv:2312.09390, reported second-hand): students of weak reward models recover something of the gap, but
//! little: about 10%, never above 20%.
//!
//! **Measured**: pairs of completions in the sentiment world, of which that is preferred which makes the whole more positive. A ladder of
//! transformers is pretrained on text of the world; a teacher learns true preferences of one half of the pairs and says P(first
//! preferred) of the other half, students learn that, ceilings the truth. The score is the share of held-out pairs ranked right. Pilots
//! (two seeds each) chose pretraining, shapes and learning rate so that ceilings rise with size.
//!
//! **Controls**: a student of its teacher's own size gains nothing; weak labels dealt anew among the pairs teach nothing, on average over seeds and in every single
//! student. (Changed after the rows were seen: it was that such students are no better than their teachers, which can hardly fail.)
//!
//! **Found** (10 seeds): something, and little. Ceilings rank 0.77 to 0.89 right from 700 to 107 000 parameters; over all pairs of a teacher and a
//! larger student PGR is 0.16 (0.07 to 0.26), over the teachers of the largest student 0.18 (0.10 to 0.26): that it is below 0.2 is not
//! certain. The widest gap is the least recovered: of the smallest teacher's (0.774) the largest student recovers 0.08, of the third's
//! (0.804) 0.34.
//!
//! Labels dealt anew do teach something: students rank 0.22 more than half of the pairs right, or wrong, and which of the two is chance (47% right on average). A thousand dealt labels
//! agree with the mood by accident to ±0.03; pretraining has made mood the direction in which a model learns first, and a model that moves along it at all
//! ranks by it. Pretraining gives the concept, labels give its sign.

use super::gap::{Run, panels, per_seed, pgr};
use super::reviews::{Readers, Reading, Reviews, run};
use crate::statistics::{by_seed, greatest, seeds};
use rewardlab::error::Result;
use rewardlab::experiment::{Check, Context, Criterion, Experiment, Kind, Profile, Record};
use rewardlab::metrics::{Scores, agreement};
use rewardlab::plot::Chart;
use rewardlab::stats::{mean, mean_interval};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct RewardModelling;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    reviews: Reviews,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell;

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("ladder")
    }
}

/// One teacher, one student.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `naive`, or `dealt`: weak labels dealt anew.
    part: String,
    /// Level of the teacher in the ladder, from 0.
    teacher: usize,
    /// Level of the student.
    student: usize,
    /// Parameters of the student.
    parameters: usize,
    /// Share of test pairs that the teacher ranks right.
    weak: f64,
    /// That of the student.
    accuracy: f64,
    /// That of the student's ceiling.
    ceiling: f64,
    /// Share of test pairs that student and teacher rank alike.
    agreement: f64,
}

impl Row {
    fn run(record: &Record<Self>) -> Run {
        let scores = Scores { weak: record.weak, student: record.accuracy, ceiling: record.ceiling };
        run(record.seed, (record.teacher, record.student), record.parameters, scores)
    }
}

impl Experiment for RewardModelling {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "weak_to_strong/reward_modelling";
    const PAPER: &'static str = "Burns et al., arXiv:2312.09390, Figure 3 (reward modelling)";
    const CLAIM: &'static str = "Strong reward models recover something, but little, of the gap to their ceiling";
    const SECONDS: (f64, f64) = (2.0, 320.0);

    fn params(profile: Profile) -> Params {
        Params { reviews: Reviews::new(profile == Profile::Smoke) }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..2,
            Profile::Paper => 0..10,
        }
    }

    fn validate(p: &Params) -> Result<()> {
        p.reviews.validate().map_err(|e| e.within("reviews"))
    }

    fn cells(_: &Params) -> Vec<Cell> {
        vec![Cell]
    }

    fn measure(p: &Params, _: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let readers = Readers::new(&p.reviews, Reading::Nothing, ctx)?;
        let protocol = readers.protocol();
        let levels = p.reviews.levels();
        let ceilings = (0..levels).map(|level| readers.accuracy(&mut protocol.ceiling(level)?));
        let ceilings = ceilings.collect::<Result<Vec<f64>>>()?;
        let mut rows = Vec::new();
        for teacher in 0..levels {
            let mut model = protocol.teacher(teacher)?;
            let labels = protocol.weak_labels(&mut model)?;
            let own = readers.test(&mut model)?;
            let weak = readers.accuracy(&mut model)?;
            let mut learn = |part: &str, student: usize, labels: &[f64]| -> Result<()> {
                let mut model = protocol.student(student, labels)?;
                rows.push(Row {
                    part: part.into(),
                    teacher,
                    student,
                    parameters: p.reviews.parameters(student)?,
                    weak,
                    accuracy: readers.accuracy(&mut model)?,
                    ceiling: ceilings[student],
                    agreement: agreement(&readers.test(&mut model)?, &own),
                });
                Ok(())
            };
            (teacher..levels).try_for_each(|student| learn("naive", student, &labels))?;
            if teacher + 1 < levels {
                let order = ctx.stream(&format!("dealt {teacher}")).permutation(labels.len());
                learn("dealt", levels - 1, &order.into_iter().map(|i| labels[i]).collect::<Vec<_>>())?;
            }
        }
        Ok(rows)
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        checks(rows)
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        let naive = || rows.iter().filter(|r| r.part == "naive");
        let runs: Vec<Run> = naive().map(Row::run).collect();
        let sizes: BTreeMap<usize, usize> = naive().map(|r| (r.student, r.parameters)).collect();
        let names: Vec<String> = sizes.values().map(|n| short(*n)).collect();
        Chart {
            title: "Weak reward models supervise strong ones".into(),
            subtitle: format!(
                "Preferences between completions in the sentiment world, transformers pretrained on its text. Lines: means over {} seeds; \
                 bands: 95% t intervals, of PGR Fieller's. First point of each teacher's line: a student of its own size.",
                seeds(rows).len()
            ),
            panels: panels(&runs, &names, "parameters of the student", "share of held-out pairs ranked right").into(),
            columns: 1,
        }
    }
}

/// Three standard errors of a student's share right at chance, on two thousand pairs: 3 √(0.25 / 2000).
const CHANCE: f64 = 0.0335;

/// 1.9k, 156k.
pub(super) fn short(n: usize) -> String {
    if n >= 10_000 { format!("{:.0}k", n as f64 / 1e3) } else { format!("{:.1}k", n as f64 / 1e3) }
}

fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    let part = |part: &'static str| rows.iter().filter(move |r| r.part == part);
    let top = part("naive").map(|r| r.student).max().unwrap_or(0);
    let levels: BTreeSet<usize> = part("naive").map(|r| r.student).collect();
    let gain = |part_name: &'static str, inside: &dyn Fn(&Row) -> bool| {
        let own = part(part_name).filter(|r| inside(&r.row)).map(Row::run);
        mean_interval(&per_seed(own).iter().map(Scores::gain).collect::<Vec<_>>())
    };
    let dealt = |of: &dyn Fn(f64) -> f64| {
        by_seed(part("dealt"), |g| mean(&g.iter().map(|r| of(r.accuracy)).collect::<Vec<_>>()))
    };
    let source = "arXiv:2312.09390, Figure 3 (reward modelling), reported second-hand; statistic ours";
    let claim = |id: &str, statement: &str, statistic: &str, estimate, criterion| {
        Check::new(Kind::Claim, id, statement, source, statistic, estimate, criterion)
    };
    let control = |id: &str, statement: &str, statistic: &str, estimate, criterion| {
        Check::new(Kind::Control, id, statement, "control", statistic, estimate, criterion)
    };
    vec![
        claim(
            "recovers",
            "students of weaker reward models recover something of the gap",
            "PGR of mean accuracies over all pairs of a teacher and a larger student",
            pgr(part("naive").filter(|r| r.teacher < r.student).map(Row::run)),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "little",
            "what the largest student recovers is never above 20%",
            "PGR of mean accuracies over the teachers of the largest student",
            pgr(part("naive").filter(|r| r.teacher < top && r.student == top).map(Row::run)),
            Criterion::AtMost(0.2),
        ),
        control(
            "own_size",
            "a student of its teacher's own size gains nothing",
            "share ranked right by student less teacher at one size: the largest mean over sizes",
            greatest(levels.into_iter().map(|l| gain("naive", &|r| r.teacher == l && r.student == l))),
            Criterion::AtMost(0.02),
        ),
        control(
            "dealt_anew",
            "weak labels dealt anew among pairs teach nothing, the mean over seeds says",
            "share ranked right by the largest student less 1/2, mean over teachers",
            mean_interval(&dealt(&|accuracy| accuracy - 0.5)),
            Criterion::near(0.0, CHANCE),
        ),
        control(
            "dealt_anew_magnitude",
            "nor does any single student learn from them to rank, in either direction",
            "|share ranked right by the largest student − 1/2|, mean over teachers",
            mean_interval(&dealt(&|accuracy: f64| (accuracy - 0.5).abs())),
            Criterion::AtMost(CHANCE),
        ),
    ]
}
