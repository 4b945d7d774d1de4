//! PGR over teachers and students, and controls.

use super::super::gap::{per_seed, pgr, pgr_by_seed};
use super::super::ladder::{LEAST_GAP, LEAST_TEACHER, informative};
use super::Row;
use crate::statistics::{by_seed, greatest, least};
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::metrics::Scores;
use rewardlab::stats::{Estimate, fit_line, mean, mean_interval, median};
use std::collections::BTreeSet;

fn part<'a>(rows: &'a [Record<Row>], part: &'a str) -> impl Iterator<Item = &'a Record<Row>> + Clone {
    rows.iter().filter(move |r| r.part == part)
}

/// Task, teacher, student.
type Triple = (String, usize, usize);

fn triple(row: &Row) -> Triple {
    (row.task.clone(), row.teacher, row.student)
}

/// The rows of informative triples, whose student is the larger one.
pub(super) fn telling(rows: &[Record<Row>]) -> Vec<Record<Row>> {
    let larger = || part(rows, "naive").filter(|r| r.teacher < r.student);
    let told = informative(larger().map(|r| (triple(r), Row::run(r).scores)));
    larger().filter(|r| told.contains(&triple(r))).cloned().collect()
}

pub(crate) fn checks(rows: &[Record<Row>], source: &str) -> Vec<Check> {
    let own = telling(rows);
    let naive = || part(rows, "naive");
    let students: BTreeSet<usize> = naive().map(|r| r.student).collect();
    let top = students.last().copied().unwrap_or(0);
    let pairs: BTreeSet<(usize, usize)> = naive().map(|r| (r.teacher, r.student)).filter(|(t, s)| t < s).collect();
    let of = |pair: (usize, usize)| own.iter().filter(move |r| (r.teacher, r.student) == pair).map(Row::run);
    let teachers = || pairs.iter().filter(|(_, s)| *s == top);
    // where there is no gap for certain PGR is undefined
    let defined =
        |of: &dyn Fn((usize, usize)) -> Estimate| least(teachers().map(|pair| of(*pair)).filter(|e| !e.value.is_nan()));
    let claim = |id: &str, statement: &str, statistic: &str, estimate, criterion| {
        Check::new(Kind::Claim, id, statement, source, statistic, estimate, criterion)
    };
    let mut checks = vec![
        claim(
            "positive",
            "students of weak teachers are better than these nearly everywhere",
            "share of informative triples (task, teacher, student) in which the student is better than its teacher, per seed",
            mean_interval(&by_seed(&own, |g| {
                mean(&g.iter().map(|r| f64::from(u8::from(r.accuracy > r.weak))).collect::<Vec<_>>())
            })),
            Criterion::AtLeast(0.8),
        ),
        claim(
            "recovers",
            "the largest student typically recovers more than 20% of the gap to any weaker teacher",
            "PGR of mean accuracies over informative tasks at the largest student, smallest over teachers with a gap for certain",
            defined(&|pair| pgr(of(pair))),
            Criterion::AtLeast(0.2),
        ),
        claim(
            "recovers_on_all",
            "also counting the tasks on which the teacher is at chance",
            "the same over all tasks",
            defined(&|pair| pgr(naive().filter(|r| (r.teacher, r.student) == pair).map(Row::run))),
            Criterion::AtLeast(0.2),
        ),
        claim(
            "recovers_half",
            "the largest students recover more than half",
            "median over informative tasks and teachers of PGR at the largest student, where the seed's own gap is 0.05 or more, per seed",
            mean_interval(&by_seed(own.iter().filter(|r| r.student == top), |g| {
                median(&g.iter().filter_map(|r| Row::run(r).scores.recovered(LEAST_GAP)).collect::<Vec<_>>())
            })),
            Criterion::AtLeast(0.5),
        ),
        claim(
            "below_ceiling",
            "naive finetuning stays below the ceiling",
            "PGR of the largest student of the weakest teacher, informative tasks",
            pgr(of((0, top))),
            Criterion::AtMost(1.0),
        ),
    ];
    for teacher in pairs.iter().filter(|(t, _)| t + 2 < students.len()).map(|(t, _)| *t).collect::<BTreeSet<_>>() {
        checks.push(claim(
            &format!("rises_{teacher}"),
            &format!("PGR rises with the student's size (teacher of level {teacher})"),
            "slope of PGR per decade of the student's parameters over the tasks that are informative for all its students, per seed with all sizes",
            mean_interval(&slopes(&own, teacher, students.len() - 1 - teacher)),
            Criterion::AtLeast(0.0),
        ));
    }
    checks.extend(controls(rows, &pairs));
    checks
}

/// Slopes of PGR on log₁₀ parameters, of the seeds that have `count` students above the teacher, over tasks that have them all.
fn slopes(rows: &[Record<Row>], teacher: usize, count: usize) -> Vec<f64> {
    let of_teacher = || rows.iter().filter(|r| r.teacher == teacher);
    let students = |task: &str| of_teacher().filter(|r| r.task == task).map(|r| r.student).collect::<BTreeSet<_>>();
    let tasks: BTreeSet<&str> = of_teacher().map(|r| r.task.as_str()).filter(|t| students(t).len() == count).collect();
    let own = || of_teacher().filter(|r| tasks.contains(r.task.as_str()));
    let seeds: BTreeSet<u64> = own().map(|r| r.seed).collect();
    let slope = |seed: u64| {
        let of_seed = || own().filter(move |r| r.seed == seed);
        let students: BTreeSet<(usize, usize)> = of_seed().map(|r| (r.student, r.parameters)).collect();
        let points = students.iter().map(|(student, size)| {
            let of = pgr_by_seed(of_seed().filter(|r| r.student == *student).map(Row::run));
            ((*size as f64).log10(), of[0])
        });
        let (x, y): (Vec<f64>, Vec<f64>) = points.unzip();
        (x.len() == count).then(|| fit_line(&x, &y).slope.value)
    };
    seeds.into_iter().filter_map(slope).collect()
}

fn controls(rows: &[Record<Row>], pairs: &BTreeSet<(usize, usize)>) -> Vec<Check> {
    let levels: BTreeSet<usize> = pairs.iter().flat_map(|(t, s)| [*t, *s]).collect();
    let gains = |part_name: &str, pair: (usize, usize)| {
        let own = part(rows, part_name).filter(|r| (r.teacher, r.student) == pair).map(Row::run);
        mean_interval(&per_seed(own).iter().map(Scores::gain).collect::<Vec<_>>())
    };
    let control = |id: &str, statement: &str, statistic: &str, estimate, criterion| {
        Check::new(Kind::Control, id, statement, "control", statistic, estimate, criterion)
    };
    let pair = part(rows, "dealt").map(|r| (r.teacher, r.student)).next().unwrap_or((0, 0));
    vec![
        control(
            "own_size",
            "a student of its teacher's own size gains nothing",
            "accuracy of student less teacher at one size, mean over tasks: the largest over sizes",
            greatest(levels.iter().map(|l| gains("naive", (*l, *l)))),
            Criterion::AtMost(0.02),
        ),
        control(
            "own_size_imitates",
            "and it is its teacher's student: it calls the teacher's class",
            "share of test texts on which student and teacher of one size call one class, tasks on which that teacher's accuracy is 0.6 or more: the smallest over sizes",
            least(levels.iter().map(|l| {
                let own =
                    part(rows, "naive").filter(move |r| (r.teacher, r.student) == (*l, *l) && r.weak >= LEAST_TEACHER);
                mean_interval(&by_seed(own, |g| mean(&g.iter().map(|r| r.agreement).collect::<Vec<_>>())))
            })),
            Criterion::AtLeast(0.9),
        ),
        control(
            "dealt_anew",
            "weak labels dealt anew among texts teach nothing: right as often as wrong",
            "accuracy of the student, mean over tasks",
            mean_interval(&by_seed(part(rows, "dealt"), |g| mean(&g.iter().map(|r| r.accuracy).collect::<Vec<_>>()))),
            Criterion::near(0.5, 0.05),
        ),
        control(
            "dealt_anew_either_sign",
            "nor do they turn a student towards a concept with either sign",
            "|accuracy − 1/2| of the student, mean over tasks (by chance 0.02)",
            mean_interval(&by_seed(part(rows, "dealt"), |g| {
                mean(&g.iter().map(|r| (r.accuracy - 0.5).abs()).collect::<Vec<_>>())
            })),
            Criterion::AtMost(0.05),
        ),
        control(
            "not_pretrained",
            "a student that was not pretrained is no better than its teacher",
            "accuracy of student less teacher, mean over tasks",
            gains("scratch", pair),
            Criterion::AtMost(0.01),
        ),
    ]
}
