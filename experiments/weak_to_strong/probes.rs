//! Weak to strong with linear probes: the bodies stay as they were pretrained.
//!
//! **Formula**: `PGR = Σ_seeds (student − teacher) / Σ_seeds (ceiling − teacher)`, of accuracies averaged over tasks; a
//! probe minimises `Σ CE(σ(v·h), w) + ½ · precision · ‖v‖²` on frozen hidden states h.
//!
//! **Claims** (arXiv:2312.09390, Appendix D.2, Figure 23, second-hand): probes of frozen bodies show the trends of full finetuning (`tasks`): students
//! of weak teachers are better than these, PGR rises with the student's size, and stays below the ceiling. So linear students are a
//! legitimate reproduction.
//!
//! **Measured** as in `tasks`, on the same texts and pretrained ladder: logistic probes of the final hidden state at the question, at the
//! exact minimum under a Gaussian prior (the paper has 200 epochs of Adam, stopped early on weak validation labels; a prior does here
//! what stopping does there).
//!
//! **Controls**: a probe of the teacher's own body gains nothing; weak labels dealt anew teach nothing; probes of a body that was not
//! pretrained are no better than the teacher.
//!
//! **Found** (5 seeds; labels are balanced as in `tasks`): at the largest student PGR over informative tasks is 0.26, 0.32, 0.52 and 0.21 for the four
//! weaker teachers, where finetuning has 0.63, 0.40, 0.27 and 0.48: less for three of them, more for the third. Which tasks are informative differs
//! between the two, since ceilings do. The median over informative tasks and teachers is 0.36, below one half for certain; students are better than their
//! teachers in 74% of informative triples; a rise with size is not to be seen. Convex probes hardly turn towards a concept by
//! chance (labels dealt anew: 0.07 from chance, finetuning 0.24).

use super::ladder::{Classroom, Ladder, Said, features};
use super::tasks::{Cell, Row, figure, judge, row};
use rewardlab::algorithm::{Family, LinearFit, Protocol, Source, fit_linear};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::metrics::balanced;
use rewardlab::num::{dot, sigmoid};
use rewardlab::plot::Chart;
use serde::{Deserialize, Serialize};
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct Probes;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    ladder: Ladder,
    /// The largest size is pretrained at the first so many seeds.
    top_seeds: u64,
    /// Levels of teacher and student in the controls; the student's above the teacher's, both in the ladder.
    control: (usize, usize),
    /// 1/σ² of the prior of a probe's weights, nats of its whole data; positive.
    precision: f64,
}

/// Probes of the bodies of a ladder.
struct Frozen<'a> {
    class: &'a Classroom<'a>,
    precision: f64,
    /// Of each level: hidden states of all training texts and of the test texts.
    features: Vec<(Vec<f64>, Vec<f64>)>,
}

impl<'a> Frozen<'a> {
    fn new(class: &'a Classroom<'a>, levels: usize, precision: f64) -> Result<Self> {
        let of = |level: usize| {
            let mut body = class.fresh(level)?;
            Ok((features(&mut body, &class.train())?, features(&mut body, &class.test())?))
        };
        Ok(Self { class, precision, features: (0..levels).map(of).collect::<Result<_>>()? })
    }

    fn width(&self, level: usize) -> usize {
        self.class.ladder.widths[level]
    }

    fn say(&self, probe: &mut (usize, Vec<f64>)) -> Result<Said> {
        let (level, weights) = &*probe;
        let test = self.features[*level].1.chunks(self.width(*level)).map(|x| sigmoid(dot(x, weights))).collect();
        Ok(Said { student_half: self.label(probe, &self.class.halves.student)?, test })
    }
}

impl Family for Frozen<'_> {
    /// The level, and the weights of its probe.
    type Model = (usize, Vec<f64>);
    /// P(yes), half of the texts yes.
    type Label = f64;

    fn truth(&self, items: &[usize]) -> Vec<f64> {
        self.class.truth(items)
    }

    fn teach(&self, level: usize, items: &[usize], labels: &[f64], _: Source) -> Result<Self::Model> {
        let (width, all) = (self.width(level), &self.features[level].0);
        let own: Vec<f64> = items.iter().flat_map(|i| &all[i * width..(i + 1) * width]).copied().collect();
        let fit = LinearFit { precision: self.precision, tolerance: 1e-6 };
        Ok((level, fit_linear(&own, labels, &fit)?))
    }

    fn label(&self, (level, weights): &mut Self::Model, items: &[usize]) -> Result<Vec<f64>> {
        let (width, all) = (self.width(*level), &self.features[*level].0);
        let said: Vec<f64> = items.iter().map(|i| sigmoid(dot(&all[i * width..(i + 1) * width], weights))).collect();
        Ok(balanced(&said))
    }
}

impl Experiment for Probes {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "weak_to_strong/probes";
    const PAPER: &'static str = "Burns et al., arXiv:2312.09390, Appendix D.2, Figure 23";
    const CLAIM: &'static str = "Linear probes of frozen bodies generalise from weak to strong as full finetuning does";
    const SECONDS: (f64, f64) = (5.0, 900.0);

    fn params(profile: Profile) -> Params {
        let (smoke, precision) = (profile == Profile::Smoke, 1.0);
        let (top_seeds, control) = if smoke { (1, (0, 1)) } else { (5, (1, 3)) };
        Params { ladder: Ladder::new(smoke), top_seeds, control, precision }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..2,
            Profile::Paper => 0..5,
        }
    }

    fn validate(p: &Params) -> Result<()> {
        p.ladder.validate().map_err(|e| e.within("ladder"))?;
        p.ladder.check_levels("control", p.control)?;
        Error::check_positive(&[("precision", p.precision)])
    }

    fn cells(p: &Params) -> Vec<Cell> {
        Cell::of(&p.ladder)
    }

    fn measure(p: &Params, Cell(task): &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let class = Classroom::new(&p.ladder, *task, ctx)?;
        let levels = p.ladder.levels() - usize::from(ctx.seed() >= p.top_seeds);
        let frozen = Frozen::new(&class, levels, p.precision)?;
        let protocol = Protocol { family: &frozen, halves: &class.halves };
        let said = |model: Result<(usize, Vec<f64>)>| frozen.say(&mut model?);
        let teachers = (0..levels).map(|l| said(protocol.teacher(l))).collect::<Result<Vec<_>>>()?;
        let ceilings = (0..levels).map(|l| said(protocol.ceiling(l))).collect::<Result<Vec<_>>>()?;
        let mut rows = Vec::new();
        for (teacher, weak) in teachers.iter().enumerate() {
            for (student, ceiling) in ceilings.iter().enumerate().skip(teacher) {
                let own = said(protocol.student(student, &weak.student_half))?;
                rows.push(row("naive", &class, (teacher, student), weak, &own, ceiling)?);
            }
        }
        let (teacher, student) = p.control;
        if student < levels {
            let weak = &teachers[teacher];
            let dealt = said(protocol.student(student, &class.dealt(&weak.student_half)))?;
            rows.push(row("dealt", &class, p.control, weak, &dealt, &ceilings[student])?);
            let bare = Ladder { pretraining_steps: 0, ..p.ladder.clone() };
            let bare = Classroom::new(&bare, *task, ctx)?;
            let frozen = Frozen::new(&bare, student + 1, p.precision)?;
            let protocol = Protocol { family: &frozen, halves: &class.halves };
            let own = frozen.say(&mut protocol.student(student, &weak.student_half)?)?;
            let ceiling = frozen.say(&mut protocol.ceiling(student)?)?;
            rows.push(row("scratch", &class, p.control, weak, &own, &ceiling)?);
        }
        Ok(rows)
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        judge::checks(rows, "arXiv:2312.09390, Figure 23, reported second-hand; statistic ours")
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        figure::chart(
            rows,
            "Weak to strong with linear probes of frozen bodies",
            "Logistic probes of the final hidden state of pretrained transformers.",
        )
    }
}
