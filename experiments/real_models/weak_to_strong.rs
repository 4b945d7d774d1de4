//! Real language models: a small teacher that read nothing before its labels, and a pretrained student.
//!
//! **Formula**: `PGR = Σ_seeds (student − teacher) / Σ_seeds (ceiling − teacher)`, of accuracies;
//! `ℓ = CE(f, (1 − a) w + a ŷ)`, with w the weak label, ŷ the student's own class (half of a batch is 1) and a the
//! share, which grows over the first steps.
//!
//! **Claims** (arXiv:2312.09390, Figures 3 and 5, NLP, and Appendix E.2; the protocol is confirmed, the numbers are second-hand): a
//! strong student of a weak teacher's labels is better than the teacher; typically more than 20% of the gap is recovered; naive
//! finetuning stays behind the ceiling; the confidence loss recovers more; errors at random would be easier to see through than the
//! teacher's.
//!
//! **Measured**: accuracy on held-out texts, half of them called yes (the classes are balanced, and everyone knows), of the teacher (a
//! small transformer from scratch, the truth of its half), of students (a pretrained model, the teacher's soft labels of the other half,
//! balanced) and of the ceiling (the same model, the truth of that half); PGR of these with Fieller's interval over seeds.
//!
//! `smoke` and `paper`: the student is pretrained on the fly on the plain text of [`rewardlab::env::text`]; the texts are film reviews (more
//! praise than blame?) and sentences (about an animal?), of which the teacher sees a handful, so that it knows few of the words that count. `gpu`: SmolLM2-135M-Instruct, reviews and e-mails (spam?), from
//! `rewardlab data import`. The `gpu` version has not been run by us.
//!
//! **Controls**: weak labels dealt anew among texts teach nothing; a student of the same form that was not pretrained recovers less: it is
//! what the student knew that is elicited.
//!
//! Chosen by pilots on seeds 100 to 103: sixteen texts for the teacher (with 256 it makes no errors on reviews), `animals` in the place of a question about answers that nobody
//! learned, and the budgets.
//!
//! **Found** (ten seeds): on reviews the student recovers 0.54 of the gap (0.30 to 0.89; teacher 0.87, student 0.94, ceiling 1.00) and takes over 14% of its
//! teacher's errors; on animals it recovers nothing (−0.13) and takes over 65%. There its teacher errs on whole words that it has not seen, and what pretraining says of
//! animals and things is not salient enough against that; errors at random, as many, leave it at 0.83. On reviews praise and blame are told apart by
//! pretraining, and an error in one of four clauses is outvoted. But a student of the same form that was not pretrained does nearly as well there (0.91): that it is
//! pretraining which counts this run does not show. The confidence loss is a lottery in so short a run, as in `weak_to_strong/methods`, and so are labels
//! dealt anew, single runs of which end far from 1/2 with either sign.
//!
//! Errors at random are compared with the teacher's classes, not with its probabilities: the latter, as an earlier version had it, mixes two things. The classes alone lift the
//! naive student from 0.94 to 0.98 on reviews (0.88 of the gap), where half-hearted labels waste a short run, and what is then left between the teacher's errors and
//! random ones is 0.012 (−0.002 to 0.027) there, but 0.20 on animals.

mod figure;
mod judge;

use super::asked::text_world;
use super::finetune::Sft;
use super::labelled::{Labelled, Question};
use super::subject::{Subject, World};
use rewardlab::algorithm::{Classifier, Halves, Trainee, WeakLoss, classify};
use rewardlab::env::Split;
use rewardlab::error::{Error, Result};
use rewardlab::experiment::{Check, Context, Experiment, Profile, RealVersion, Record};
use rewardlab::lm::{Config, Decay, LanguageModel, Schedule, ScoreHead, Size, init};
use rewardlab::metrics::{Scores, accuracy, agreement, balanced};
use rewardlab::num::sigmoid;
use rewardlab::plot::Chart;
use rewardlab::stats::mean;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct WeakToStrong;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The student.
    subject: Subject,
    /// The teacher.
    teacher: Scratch,
    /// What texts are asked.
    questions: Vec<Question>,
    /// Texts whose truth the teacher learns; 4 to 1 000 000.
    teacher_texts: usize,
    /// Texts that it labels for the student; 4 to 1 000 000.
    student_texts: usize,
    /// Held-out texts; 4 to 1 000 000.
    test_texts: usize,
    /// How the teacher learns.
    teacher_training: Sft,
    /// How students and ceiling learn.
    student_training: Sft,
}

/// A transformer of Llama's form that was not pretrained; it has the student's tokens.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scratch {
    /// Width of the residual stream, a multiple of 2 · `heads`; 4 to 1024.
    width: usize,
    /// Transformer blocks; 1 to 24.
    layers: usize,
    /// Attention heads; 1 to 16.
    heads: usize,
}

impl Scratch {
    fn validate(&self) -> Result<()> {
        Error::check_counts(&[
            ("width", self.width, 4, 1024),
            ("layers", self.layers, 1, 24),
            ("heads", self.heads, 1, 16),
        ])?;
        if self.width.is_multiple_of(2 * self.heads) {
            return Ok(());
        }
        Err(Error::parameter("width", self.width, format!("a multiple of 2 · heads = {}", 2 * self.heads)))
    }
}

/// A question.
#[derive(Clone, Debug)]
pub(crate) struct Cell(Question);

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0.name)
    }
}

/// A student of one teacher.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `naive`, `confidence` (the paper's loss), `hardened` (weak labels as 0 or 1), `random` (truth with as many errors as the teacher makes, at
    /// random), `dealt` (weak labels dealt anew), `scratch` (a student that was not pretrained).
    student: String,
    /// Accuracy of the teacher on test texts.
    weak: f64,
    /// Accuracy of the student.
    accuracy: f64,
    /// Mean squared error of the student's P(yes) against the truth (Brier): how sure it is, where accuracies are equal.
    brier: f64,
    /// Accuracy of the ceiling: the pretrained model on the truth of the student's half.
    ceiling: f64,
    /// Share of test texts on which student and teacher call one class.
    agreement: f64,
    /// The same where the teacher is right; absent if it never is.
    agreement_right: Option<f64>,
    /// The same where the teacher is wrong; absent if it never is.
    agreement_wrong: Option<f64>,
    /// Accuracy of the teacher on the texts that it labels.
    label_accuracy: f64,
}

impl Row {
    fn scores(&self) -> Scores {
        Scores { weak: self.weak, student: self.accuracy, ceiling: self.ceiling }
    }
}

impl Experiment for WeakToStrong {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "real_models/weak_to_strong";
    const PAPER: &'static str =
        "Burns et al., arXiv:2312.09390, Figures 3 and 5 (NLP), with language models in their own words";
    const CLAIM: &'static str =
        "A pretrained student sees through the errors of a teacher that was trained from scratch";
    const SECONDS: (f64, f64) = (3.0, 300.0);

    fn params(profile: Profile) -> Params {
        let questions = vec![Question::small("reviews"), Question::small("animals")];
        match profile {
            Profile::Smoke => Params {
                subject: Subject::smoke(),
                teacher: Scratch { width: 8, layers: 1, heads: 1 },
                questions,
                teacher_texts: 12,
                student_texts: 96,
                test_texts: 100,
                teacher_training: Sft { steps: 30, batch: 8, learning_rate: 1e-2 },
                student_training: Sft { steps: 12, batch: 16, learning_rate: 5e-3 },
            },
            Profile::Paper => Params {
                subject: Subject::paper(),
                teacher: Scratch { width: 16, layers: 1, heads: 2 },
                questions,
                teacher_texts: 16,
                student_texts: 512,
                test_texts: 1000,
                teacher_training: Sft { steps: 60, batch: 8, learning_rate: 5e-3 },
                student_training: Sft { steps: 48, batch: 32, learning_rate: 2e-3 },
            },
        }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..2,
            Profile::Paper => 0..10,
        }
    }

    fn real() -> Option<RealVersion<Params>> {
        let question = |name: &str, data: &str| Question { name: name.into(), data: data.into(), length: 192 };
        let params = Params {
            subject: Subject::real(),
            teacher: Scratch { width: 32, layers: 1, heads: 2 },
            questions: vec![question("reviews", "runs/jsonl/reviews"), question("spam", "runs/jsonl/emails")],
            teacher_texts: 1000,
            student_texts: 2000,
            test_texts: 1000,
            teacher_training: Sft { steps: 250, batch: 32, learning_rate: 1e-3 },
            student_training: Sft { steps: 125, batch: 32, learning_rate: 2e-4 },
        };
        Some(RealVersion { params, seeds: 0..3, seconds: 3600.0 })
    }

    fn validate(p: &Params) -> Result<()> {
        Error::check_counts(&[
            ("teacher_texts", p.teacher_texts, 4, 1_000_000),
            ("student_texts", p.student_texts, 4, 1_000_000),
            ("test_texts", p.test_texts, 4, 1_000_000),
        ])?;
        p.subject.validate().map_err(|e| e.within("subject"))?;
        p.teacher.validate().map_err(|e| e.within("teacher"))?;
        p.teacher_training.validate().map_err(|e| e.within("teacher_training"))?;
        p.student_training.validate().map_err(|e| e.within("student_training"))?;
        let each = |(i, q): (usize, &Question)| q.validate().map_err(|e| e.within(&format!("questions.{i}")));
        p.questions.iter().enumerate().try_for_each(each)
    }

    fn cells(p: &Params) -> Vec<Cell> {
        p.questions.iter().cloned().map(Cell).collect()
    }

    fn measure(p: &Params, Cell(question): &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let head = ScoreHead { name: "class".into(), outputs: 2 };
        // reviews with their continuation are a little longer than the text that the model was made for
        let world = World { context: question.length.max(text_world().context), ..text_world() };
        let model = p.subject.load(&world, ctx)?.with_heads(&[head])?;
        let train = question.open(&model, Split::Train, p.teacher_texts + p.student_texts, ctx)?;
        let test = question.open(&model, Split::Test, p.test_texts, ctx)?;
        // a text of either class: both halves are balanced
        let groups: Vec<usize> = (0..train.texts.len()).map(|i| i / 2).collect();
        let all = Halves::grouped(&groups, &mut ctx.shared_stream("halves"))?;
        let mut order = [all.teacher, all.student].concat();
        let student = order.split_off(p.teacher_texts);
        let halves = Halves { teacher: order, student };
        Study { p, ctx, model, train, test, halves }.run()
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        judge::checks(rows)
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        figure::chart(rows)
    }
}

/// One question at one seed.
struct Study<'a> {
    p: &'a Params,
    ctx: &'a Context<'a>,
    model: LanguageModel,
    train: Labelled,
    test: Labelled,
    halves: Halves,
}

/// Who learns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Teacher,
    Pretrained,
    /// The student's form without what it has read.
    Scratch,
}

/// What a model says: P(yes), half of the texts yes.
struct Said {
    /// Of the student's half.
    half: Vec<f64>,
    test: Vec<f64>,
}

impl Study<'_> {
    fn run(&self) -> Result<Vec<Row>> {
        let truth =
            |items: &[usize]| -> Vec<f64> { items.iter().map(|i| f64::from(u8::from(self.train.truth[*i]))).collect() };
        let Halves { teacher, student } = &self.halves;
        let weak = self.learn(Who::Teacher, teacher, &truth(teacher), WeakLoss::CrossEntropy)?;
        let ceiling = self.learn(Who::Pretrained, student, &truth(student), WeakLoss::CrossEntropy)?;
        let of_half: Vec<bool> = student.iter().map(|i| self.train.truth[*i]).collect();
        let label_accuracy = accuracy(&weak.half, &of_half);
        let mut rows = Vec::new();
        for (name, who, labels, loss) in [
            ("naive", Who::Pretrained, weak.half.clone(), WeakLoss::CrossEntropy),
            ("confidence", Who::Pretrained, weak.half.clone(), WeakLoss::paper(true)),
            ("hardened", Who::Pretrained, hardened(&weak.half), WeakLoss::CrossEntropy),
            ("random", Who::Pretrained, self.at_random(&truth(student), label_accuracy), WeakLoss::CrossEntropy),
            ("dealt", Who::Pretrained, self.dealt(&weak.half), WeakLoss::CrossEntropy),
            ("scratch", Who::Scratch, weak.half.clone(), WeakLoss::CrossEntropy),
        ] {
            let said = self.learn(who, student, &labels, loss)?;
            let of = |inside: &dyn Fn(bool) -> bool| {
                let right = |i: usize| (weak.test[i] > 0.5) == self.test.truth[i];
                let texts = (0..said.test.len()).filter(|i| inside(right(*i)));
                let (own, its): (Vec<f64>, Vec<f64>) = texts.map(|i| (said.test[i], weak.test[i])).unzip();
                (!own.is_empty()).then(|| agreement(&own, &its))
            };
            rows.push(Row {
                student: name.into(),
                weak: accuracy(&weak.test, &self.test.truth),
                accuracy: accuracy(&said.test, &self.test.truth),
                brier: brier(&said.test, &self.test.truth),
                ceiling: accuracy(&ceiling.test, &self.test.truth),
                agreement: of(&|_| true).unwrap_or(f64::NAN),
                agreement_right: of(&|r| r),
                agreement_wrong: of(&|r| !r),
                label_accuracy,
            });
        }
        Ok(rows)
    }

    fn fresh(&self, who: Who) -> Result<Trainee> {
        let rng = &mut self.ctx.shared_stream("weights");
        let config = match who {
            Who::Pretrained => return self.p.subject.trainee(&self.model, rng),
            Who::Scratch => self.model.config.clone(),
            Who::Teacher => {
                let Scratch { width, layers, heads } = self.p.teacher;
                let Config { vocab, context, ref scores, .. } = self.model.config;
                let size = Size { vocab, width, layers, heads, context };
                Config { scores: scores.clone(), ..Config::llama(size) }
            }
        };
        Ok(Trainee::new(&config, init(&config, 0.02, rng)?, self.p.subject.gradient_clip)?.in_parts())
    }

    fn learn(&self, who: Who, items: &[usize], labels: &[f64], loss: WeakLoss) -> Result<Said> {
        let how = if who == Who::Teacher { &self.p.teacher_training } else { &self.p.student_training };
        let schedule =
            Schedule { peak: how.learning_rate, warm_up: how.steps / 10, steps: how.steps, decay: Decay::Cosine };
        let mut trainee = self.fresh(who)?;
        // the same order of texts for all labels
        let order = self.ctx.shared_stream("order");
        let mut run = Classifier::new(&mut trainee, loss, &schedule, how.batch, order)?;
        let texts: Vec<&[u32]> = items.iter().map(|i| self.train.texts[*i].as_slice()).collect();
        while !run.is_done() {
            run.step(&mut trainee, &texts, labels)?;
        }
        let half: Vec<&[u32]> = self.halves.student.iter().map(|i| self.train.texts[*i].as_slice()).collect();
        let mut say = |texts: &[&[u32]]| -> Result<Vec<f64>> {
            Ok(balanced(&classify(&mut trainee, texts)?.into_iter().map(sigmoid).collect::<Vec<_>>()))
        };
        let test: Vec<&[u32]> = self.test.texts.iter().map(Vec::as_slice).collect();
        Ok(Said { half: say(&half)?, test: say(&test)? })
    }

    /// The truth but for the share that the teacher errs on, which texts at random.
    fn at_random(&self, truth: &[f64], accuracy: f64) -> Vec<f64> {
        let errors = ((1.0 - accuracy) * truth.len() as f64).round() as usize;
        let mut labels = truth.to_vec();
        for i in self.ctx.stream("errors").permutation(labels.len()).into_iter().take(errors) {
            labels[i] = 1.0 - labels[i];
        }
        labels
    }

    fn dealt(&self, weak: &[f64]) -> Vec<f64> {
        self.ctx.stream("dealt").permutation(weak.len()).into_iter().map(|i| weak[i]).collect()
    }
}

/// Each label as the class that it calls.
fn hardened(labels: &[f64]) -> Vec<f64> {
    labels.iter().map(|p| f64::from(u8::from(*p > 0.5))).collect()
}

/// Mean squared error of probabilities.
fn brier(probabilities: &[f64], truth: &[bool]) -> f64 {
    let errors = probabilities.iter().zip(truth).map(|(p, y)| (p - f64::from(u8::from(*y))).powi(2));
    mean(&errors.collect::<Vec<_>>())
}

/// One student's rows of a question, by seed.
fn of<'a>(rows: &'a [Record<Row>], question: &str, student: &str) -> Vec<&'a Record<Row>> {
    rows.iter().filter(|r| r.cell == question && r.student == student).collect()
}

/// The questions, in the order of the rows.
fn questions(rows: &[Record<Row>]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for row in rows {
        if !names.contains(&row.cell) {
            names.push(row.cell.clone());
        }
    }
    names
}
