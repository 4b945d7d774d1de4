//! Weak to strong on language-like classification: 25 tasks over texts, a ladder of transformers, every weak teacher with every stronger
//! student.
//!
//! **Formula**: `PGR = Σ_seeds (student − teacher) / Σ_seeds (ceiling − teacher)`, of accuracies averaged over tasks;
//! students learn `CE(f, w)` on soft weak labels w.
//!
//! **Claims** (arXiv:2312.09390, Figure 3, NLP; the protocol is confirmed, the numbers are second-hand): students of weak teachers are
//! better than these nearly everywhere; typically more than 20% of the gap is recovered, by the largest students more than half; PGR
//! rises with the student's size; naive finetuning stays far from the ceiling.
//!
//! **Measured** on held-out texts: accuracy of teacher (truth of one half), student (soft labels of the other half) and ceiling (truth of
//! the other half), for each task; PGR of accuracies averaged over tasks, which the gaps weigh, and its median over tasks. Balanced pairs
//! of near twins; a pair is in one half. Accuracy is where half of the test texts is called yes, for all models alike: runs are short, and
//! where P(yes) = 1/2 divides the classes (`plain` in the rows) much of a student's error is a bias that says nothing about what it learned.
//! *Informative* is a task for a teacher and a student if, on the mean over seeds, the teacher's accuracy is 0.6 or more (a teacher at chance has
//! nothing to pass on) and the gap 0.05 or more. Agreement with the teacher and AUC are in the rows.
//!
//! The models are pretrained on the mixture's unlabelled text, in which texts are at times followed by a question about them and the
//! answer, as text of the web comments on itself. The larger a model, the more questions it has learned to answer from that: finetuning
//! then *elicits* what it knows. Worlds, sizes and text are ours.
//!
//! Labels are balanced too: what a teacher hands on are its log-odds less their median. Short runs of teachers leave labels that all lie on one side
//! of 1/2; Adam, which knows no scale, then follows the most salient direction to whichever side the remainder points, and students
//! learned concepts with the wrong sign (5% right). That was how the first committed rows of this experiment were made.
//!
//! Chosen on seeds 100 to 102, outside the reported range: the sizes, 6000 steps of pretraining (8000 there), the balanced threshold, two passes at a
//! small rate, and balanced soft labels of 512 texts. Runs at ten times the rate or more (two passes at 1e-3, twenty at 3e-3), or
//! on twice as many texts, imitate more and recover less (there 0.31 against 0.69 at the weakest teacher's largest student).
//!
//! **Controls**: students of their teacher's own size gain nothing, and call its classes; weak labels dealt anew among texts teach nothing; a
//! student that was not pretrained has nothing to elicit and is no better than its teacher.
//!
//! **Found** (5 seeds at every size; the first run had 3 at the largest, and labels as above): on informative tasks the largest student recovers 0.63 (0.52 to 0.88), 0.40, 0.27 and 0.48 of the
//! gap to the four weaker teachers, and PGR of the weakest teacher's students rises with their size. Whether it is above 0.2 for every teacher, above one half in
//! the median (0.60, 0.42 to 0.78), and whether students are better than teachers in 80% of informative triples (71%) five seeds do not
//! decide. Over all tasks little is to be seen (clearly only the 19k teacher's 214k student, 0.33): where a teacher is at chance (of 25 tasks the weakest is at 0.6 or above
//! on seven) its students are a lottery around it. Students that were not pretrained learn seven shallow tasks (`majority`, `contains`, `mostly_plural`,
//! `order`, `mostly_large`, `falls`, `contradicts`) and no other; on average they are below their teacher.
//! Labels dealt anew teach nothing on average (0.478, the interval a little wider than the bar), but still turn students towards salient concepts with a
//! random sign (0.24 from chance: at the balanced threshold the smallest step along a salient direction reads as knowledge of it): that
//! control is refuted, and says that a single run's accuracy here is no measure of how much its labels told it.
//! Of the 25 tasks 18 are learned by someone; nobody learns `agreement`, `comparison`, `doubled`, `ends_even`, `inherits`, `palindrome`, `paraphrase`. `recovers_on_all` left out
//! no teacher without a gap at first and was NaN; since then it does as `recovers`. The bar of
//! `own_size_imitates` was raised from 0.6, which could hardly fail, to 0.9 after its value (0.97) was seen.

pub(super) mod figure;
pub(super) mod judge;

use super::gap::Run;
use super::ladder::{Classroom, Finetuned, Finetuning, Ladder, Said};
use rewardlab::env::tasks::Task;
use rewardlab::error::Result;
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::metrics::Scores;
use rewardlab::plot::Chart;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct Tasks;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    ladder: Ladder,
    finetuning: Finetuning,
    /// The largest size is trained at the first so many seeds.
    top_seeds: u64,
    /// Levels of teacher and student in the controls; the student's above the teacher's, both in the ladder.
    control: (usize, usize),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell(pub(super) Task);

impl Cell {
    /// A cell per task of a ladder.
    pub(super) fn of(ladder: &Ladder) -> Vec<Self> {
        ladder.mixture.tasks.iter().map(|t| Self(*t)).collect()
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

/// One teacher, one student, one task.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    task: String,
    /// `naive`, `dealt` (weak labels dealt anew) or `scratch` (a student that was not pretrained).
    part: String,
    /// Level of the teacher in the ladder, from 0.
    teacher: usize,
    /// Level of the student.
    student: usize,
    /// Parameters of the student.
    parameters: usize,
    /// Accuracy of the teacher on test texts; this one and the next two where half of the texts is called yes.
    weak: f64,
    /// Accuracy of the student.
    accuracy: f64,
    /// Accuracy of the student's ceiling.
    ceiling: f64,
    /// The same three where P(yes) = 1/2 divides the classes.
    weak_plain: f64,
    plain: f64,
    ceiling_plain: f64,
    /// Area under the student's ROC curve; of teacher and ceiling behind it.
    auc: f64,
    weak_auc: f64,
    ceiling_auc: f64,
    /// Share of test texts on which student and teacher call one class.
    agreement: f64,
    /// The same where the teacher is right; absent if it never is.
    agreement_right: Option<f64>,
    /// The same where the teacher is wrong; absent if it never is.
    agreement_wrong: Option<f64>,
}

impl Row {
    fn run(record: &Record<Self>) -> Run {
        Run {
            seed: record.seed,
            levels: (record.teacher, record.student),
            size: record.parameters as f64,
            scores: Scores { weak: record.weak, student: record.accuracy, ceiling: record.ceiling },
        }
    }
}

impl Experiment for Tasks {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "weak_to_strong/tasks";
    const PAPER: &'static str = "Burns et al., arXiv:2312.09390, Figure 3 (NLP)";
    const CLAIM: &'static str = "Strong students of weak teachers recover much of the gap on language-like tasks, and more of it the larger they are";
    const SECONDS: (f64, f64) = (10.0, 3000.0);

    fn params(profile: Profile) -> Params {
        let smoke = profile == Profile::Smoke;
        let (top_seeds, control) = if smoke { (1, (0, 1)) } else { (5, (1, 3)) };
        Params { ladder: Ladder::new(smoke), finetuning: Finetuning::default(), top_seeds, control }
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
        p.ladder.check_levels("control", p.control)
    }

    fn cells(p: &Params) -> Vec<Cell> {
        Cell::of(&p.ladder)
    }

    fn measure(p: &Params, Cell(task): &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let class = Classroom::new(&p.ladder, *task, ctx)?;
        let models = Finetuned::naive(&class, &p.finetuning);
        let levels = p.ladder.levels() - usize::from(ctx.seed() >= p.top_seeds);
        let mut rows = Vec::new();
        for teacher in 0..levels {
            let weak = models.teacher(teacher)?;
            for student in teacher..levels {
                let said = models.student(student, &weak.student_half)?;
                rows.push(row("naive", &class, (teacher, student), &weak, &said, &*models.ceiling(student)?)?);
            }
        }
        let (teacher, student) = p.control;
        if student < levels {
            let weak = models.teacher(teacher)?;
            let said = models.student(student, &class.dealt(&weak.student_half))?;
            rows.push(row("dealt", &class, p.control, &weak, &said, &*models.ceiling(student)?)?);
            let bare = Ladder { pretraining_steps: 0, ..p.ladder.clone() };
            let bare = Classroom::new(&bare, *task, ctx)?;
            let models = Finetuned::naive(&bare, &p.finetuning);
            let said = models.student(student, &weak.student_half)?;
            rows.push(row("scratch", &class, p.control, &weak, &said, &*models.ceiling(student)?)?);
        }
        Ok(rows)
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        judge::checks(rows, "arXiv:2312.09390, Figure 3 (NLP), reported second-hand; statistic ours")
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        figure::chart(
            rows,
            "Weak to strong on 25 language-like tasks",
            "Transformers pretrained on the mixture's text, finetuned with a two-way head.",
        )
    }
}

pub(super) fn row(
    part: &str,
    class: &Classroom,
    (teacher, student): (usize, usize),
    weak: &Said,
    said: &Said,
    ceiling: &Said,
) -> Result<Row> {
    let compared = class.compare(weak, said);
    Ok(Row {
        task: class.task.name().into(),
        part: part.into(),
        teacher,
        student,
        parameters: class.ladder.parameters(student)?,
        weak: class.accuracy(weak),
        accuracy: class.accuracy(said),
        ceiling: class.accuracy(ceiling),
        weak_plain: class.plain_accuracy(weak),
        plain: class.plain_accuracy(said),
        ceiling_plain: class.plain_accuracy(ceiling),
        auc: class.auc(said),
        weak_auc: class.auc(weak),
        ceiling_auc: class.auc(ceiling),
        agreement: compared.all,
        agreement_right: compared.right,
        agreement_wrong: compared.wrong,
    })
}
