//! The ladder of transformers over the tasks: pretrained on the mixture's unlabelled text, then finetuned with a two-way head, on a
//! teacher's half and a student's half of a task's texts.
//!
//! One pretraining per seed and size serves all tasks and all experiments of the folder, as do a task's texts, its teachers and
//! ceilings: they are stages.

use rewardlab::algorithm::{Classifier, Example, Family, Halves, Protocol, Source, Trainee, WeakLoss, classify};
use rewardlab::env::tasks::{DOCUMENT_MAX, Mixture, Task, VOCAB, document, example};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::Context;
use rewardlab::lm::{Config, Decay, Schedule, ScoreHead, Size, init};
use rewardlab::metrics::{Scores, accuracy, agreement, auc, balanced};
use rewardlab::num::sigmoid;
use rewardlab::rng::Stream;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

/// Whose stages these are.
const OWNER: &str = "weak_to_strong";

/// A teacher below this accuracy is at chance for all that 500 texts show, and has nothing to pass on.
pub(crate) const LEAST_TEACHER: f64 = 0.6;
/// A narrower gap leaves too little to recover for one task to say anything.
pub(crate) const LEAST_GAP: f64 = 0.05;

/// Where there is something to pass on and something to recover, by means over the runs of each key.
pub(crate) fn informative<K: Ord>(runs: impl IntoIterator<Item = (K, Scores)>) -> BTreeSet<K> {
    let mut sums: BTreeMap<K, (f64, f64, f64)> = BTreeMap::new();
    for (key, scores) in runs {
        let (n, weak, gap) = sums.entry(key).or_default();
        (*n, *weak, *gap) = (*n + 1.0, *weak + scores.weak, *gap + scores.gap());
    }
    let telling = |(n, weak, gap): &(f64, f64, f64)| weak / n >= LEAST_TEACHER && gap / n >= LEAST_GAP;
    sums.into_iter().filter(|(_, sum)| telling(sum)).map(|(key, _)| key).collect()
}

/// # Errors
/// Not 2 to 8 sizes; a width that is no multiple of 4 from 4 to 512; not 1 to 12 blocks.
pub(crate) fn check_sizes(widths: &[usize], layers: &[usize]) -> Result<()> {
    Error::check_counts(&[("widths", widths.len(), 2, 8)])?;
    Error::check_shape("layers of the ladder", widths.len(), layers.len())?;
    for (width, layers) in widths.iter().zip(layers) {
        Error::check_counts(&[("widths", *width, 4, 512), ("layers", *layers, 1, 12)])?;
        if !width.is_multiple_of(4) {
            return Err(Error::parameter("widths", width, "a multiple of 4"));
        }
    }
    Ok(())
}

/// Sizes, how they are pretrained, and the texts of each task.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ladder {
    /// Widths of the residual stream from the weakest to the strongest; 2 to 8 of them, multiples of 4 from 4 to 512.
    pub(crate) widths: Vec<usize>,
    /// Blocks of each; 1 to 12.
    pub(crate) layers: Vec<usize>,
    /// The text of pretraining.
    pub(crate) mixture: Mixture,
    /// Steps of pretraining; 0 to 10^6. None: models start from random weights.
    pub(crate) pretraining_steps: u64,
    /// Documents per step; 1 to 1000.
    pub(crate) documents: usize,
    /// Highest learning rate of pretraining at width 32; it goes with 1/√width. Positive.
    pub(crate) pretraining_rate: f64,
    /// Pairs of texts in teacher's and student's half together; 4 to 10^5.
    pub(crate) pairs: usize,
    /// Pairs of test texts; 1 to 10^5.
    pub(crate) test_pairs: usize,
}

/// How a two-way head, and the body under it, are taught.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Finetuning {
    /// Passes over the labelled texts; 1 to 100.
    pub(crate) epochs: u64,
    /// Texts per step; 2 to 1000.
    pub(crate) batch: usize,
    /// Highest learning rate of finetuning at width 32; it goes with 1/√width. Positive.
    pub(crate) rate: f64,
}

/// What a trained model says: P(yes) of the test texts and, balanced as labels are, of every text of the student's half.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Said {
    pub(crate) student_half: Vec<f64>,
    pub(crate) test: Vec<f64>,
}

/// On how many test texts a student calls its teacher's class.
pub(crate) struct Compared {
    /// Share of all.
    pub(crate) all: f64,
    /// Of those on which the teacher is right; absent if it never is.
    pub(crate) right: Option<f64>,
    /// Of those on which it is wrong; absent if it never is.
    pub(crate) wrong: Option<f64>,
}

/// The texts of a task at a seed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Texts {
    /// As classifiers read them; a pair's two texts stand together.
    train: Vec<Vec<u32>>,
    truth: Vec<bool>,
    test: Vec<Vec<u32>>,
    pub(crate) test_truth: Vec<bool>,
    teacher: Vec<usize>,
    student: Vec<usize>,
}

impl Ladder {
    pub(crate) fn new(smoke: bool) -> Self {
        let (widths, layers) =
            if smoke { (vec![8, 16], vec![1, 1]) } else { (vec![12, 24, 48, 64, 128], vec![1, 2, 3, 4, 5]) };
        let mixture = Mixture { tasks: Task::ALL.to_vec(), comments: 0.9, reliability: 0.95, further: 0.8 };
        let (steps, pairs, test_pairs) = if smoke { (20, 32, 20) } else { (6000, 512, 250) };
        Self {
            widths,
            layers,
            mixture,
            pretraining_steps: steps,
            documents: 32,
            pretraining_rate: 3e-3,
            pairs,
            test_pairs,
        }
    }

    pub(crate) fn validate(&self) -> Result<()> {
        Error::check_counts(&[
            ("documents", self.documents, 1, 1000),
            ("pairs", self.pairs, 4, 100_000),
            ("test_pairs", self.test_pairs, 1, 100_000),
            ("pretraining_steps", self.pretraining_steps as usize, 0, 1_000_000),
        ])?;
        check_sizes(&self.widths, &self.layers)?;
        self.mixture.validate().map_err(|e| e.within("mixture"))?;
        Error::check_positive(&[("pretraining_rate", self.pretraining_rate)])
    }

    /// Sizes.
    pub(crate) fn levels(&self) -> usize {
        self.widths.len()
    }

    fn config(&self, level: usize) -> Config {
        let width = self.widths[level];
        // heads of 8 coordinates or more, an even number of them, which rotary positions need
        let heads = (1..=8).rev().find(|h| width.is_multiple_of(2 * h) && width / h >= 8).unwrap_or(1);
        let size = Size { vocab: VOCAB, width, layers: self.layers[level], heads, context: DOCUMENT_MAX };
        let scores = vec![ScoreHead { name: "class".into(), outputs: 2 }];
        Config { scores, ..Config::llama(size) }
    }

    /// # Errors
    /// Levels that are not a weaker and a stronger one of the ladder.
    pub(crate) fn check_levels(&self, name: &str, levels: (usize, usize)) -> Result<()> {
        if levels.0 < levels.1 && levels.1 < self.levels() {
            return Ok(());
        }
        Err(Error::parameter(name, format!("{levels:?}"), "a level and a higher one of the ladder"))
    }

    /// Parameters of a size, its head included.
    pub(crate) fn parameters(&self, level: usize) -> Result<usize> {
        Ok(init(&self.config(level), 0.02, &mut Stream::named(&["count"]))?.len())
    }

    fn scaled(&self, rate: f64, level: usize) -> f64 {
        rate * (32.0 / self.widths[level] as f64).sqrt()
    }

    /// The weights of a size after pretraining: the same for all tasks of a seed.
    pub(crate) fn pretrained(&self, level: usize, ctx: &Context) -> Result<Arc<Vec<f32>>> {
        let shape = (self.widths[level], self.layers[level]);
        let key = (shape, &self.mixture, self.pretraining_steps, self.documents, self.pretraining_rate);
        ctx.common_stage(OWNER, "pretrained", &key, |rng| {
            let config = self.config(level);
            let mut trainee = Trainee::new(&config, init(&config, 0.02, rng)?, 1.0)?.in_parts();
            let schedule = Schedule {
                peak: self.scaled(self.pretraining_rate, level),
                warm_up: self.pretraining_steps / 20,
                steps: self.pretraining_steps,
                decay: Decay::Cosine,
            };
            for step in 0..self.pretraining_steps {
                let documents: Vec<Example> =
                    (0..self.documents).map(|_| Example { tokens: document(&self.mixture, rng), prompt: 1 }).collect();
                trainee.nll_step(&documents, schedule.rate(step))?;
            }
            trainee.into_params()
        })
    }

    fn texts(&self, task: Task, ctx: &Context) -> Result<Arc<Texts>> {
        ctx.common_stage(OWNER, "texts", &(task, self.pairs, self.test_pairs), |rng| {
            let mut draw = |pairs: usize| {
                let of = |(yes, no): (Vec<u32>, Vec<u32>)| [(example(task, &yes), true), (example(task, &no), false)];
                (0..pairs).flat_map(|_| of(task.pair(rng))).unzip::<_, _, Vec<_>, Vec<_>>()
            };
            let ((train, truth), (test, test_truth)) = (draw(self.pairs), draw(self.test_pairs));
            let groups: Vec<usize> = (0..train.len()).map(|i| i / 2).collect();
            let Halves { teacher, student } = Halves::grouped(&groups, rng)?;
            Ok(Texts { train, truth, test, test_truth, teacher, student })
        })
    }
}

impl Default for Finetuning {
    fn default() -> Self {
        Self { epochs: 2, batch: 32, rate: 1.5e-4 }
    }
}

impl Finetuning {
    pub(crate) fn validate(&self) -> Result<()> {
        Error::check_counts(&[("batch", self.batch, 2, 1000), ("epochs", self.epochs as usize, 1, 100)])?;
        Error::check_positive(&[("rate", self.rate)])
    }
}

/// One task at one seed: its texts, and the bodies that read them.
pub(crate) struct Classroom<'a> {
    pub(crate) ladder: &'a Ladder,
    pub(crate) task: Task,
    pub(crate) texts: Arc<Texts>,
    pub(crate) halves: Halves,
    ctx: &'a Context<'a>,
}

impl<'a> Classroom<'a> {
    pub(crate) fn new(ladder: &'a Ladder, task: Task, ctx: &'a Context<'a>) -> Result<Self> {
        let texts = ladder.texts(task, ctx)?;
        let halves = Halves { teacher: texts.teacher.clone(), student: texts.student.clone() };
        Ok(Self { ladder, task, texts, halves, ctx })
    }

    /// A model before finetuning.
    pub(crate) fn fresh(&self, level: usize) -> Result<Trainee> {
        let params = self.ladder.pretrained(level, self.ctx)?.to_vec();
        Ok(Trainee::new(&self.ladder.config(level), params, 1.0)?.in_parts())
    }

    /// The truth, as P(yes).
    pub(crate) fn truth(&self, items: &[usize]) -> Vec<f64> {
        items.iter().map(|i| f64::from(u8::from(self.texts.truth[*i]))).collect()
    }

    /// The texts of items.
    pub(crate) fn read(&self, items: &[usize]) -> Vec<&[u32]> {
        items.iter().map(|i| self.texts.train[*i].as_slice()).collect()
    }

    /// All training texts.
    pub(crate) fn train(&self) -> Vec<&[u32]> {
        self.texts.train.iter().map(Vec::as_slice).collect()
    }

    /// The test texts.
    pub(crate) fn test(&self) -> Vec<&[u32]> {
        self.texts.test.iter().map(Vec::as_slice).collect()
    }

    /// Weak labels dealt anew among the texts of the student's half: they say nothing.
    pub(crate) fn dealt(&self, weak: &[f64]) -> Vec<f64> {
        self.ctx.stream("dealt").permutation(weak.len()).into_iter().map(|i| weak[i]).collect()
    }

    /// Accuracy on the test texts of a model that calls half of them yes: the classes are balanced, and everyone knows.
    pub(crate) fn accuracy(&self, said: &Said) -> f64 {
        self.accuracy_on(said, 0..said.test.len())
    }

    /// The same on some of them only.
    pub(crate) fn accuracy_on(&self, said: &Said, texts: Range<usize>) -> f64 {
        accuracy(&balanced(&said.test[texts.clone()]), &self.texts.test_truth[texts])
    }

    /// Accuracy where P(yes) = 1/2 divides the classes.
    pub(crate) fn plain_accuracy(&self, said: &Said) -> f64 {
        accuracy(&said.test, &self.texts.test_truth)
    }

    /// Area under the ROC curve on the test texts.
    pub(crate) fn auc(&self, said: &Said) -> f64 {
        auc(&said.test, &self.texts.test_truth)
    }

    /// A student against its teacher on the test texts, of which both call half yes.
    pub(crate) fn compare(&self, weak: &Said, said: &Said) -> Compared {
        let (own, its) = (balanced(&said.test), balanced(&weak.test));
        let of = |inside: &dyn Fn(bool) -> bool| {
            let right = |i: usize| (its[i] > 0.5) == self.texts.test_truth[i];
            let items = (0..own.len()).filter(|i| inside(right(*i)));
            let (own, its): (Vec<f64>, Vec<f64>) = items.map(|i| (own[i], its[i])).unzip();
            (!own.is_empty()).then(|| agreement(&own, &its))
        };
        Compared { all: of(&|_| true).unwrap_or(f64::NAN), right: of(&|r| r), wrong: of(&|r| !r) }
    }
}

/// Final hidden states at the question, texts × width: what a probe reads.
pub(crate) fn features(body: &mut Trainee, texts: &[&[u32]]) -> Result<Vec<f64>> {
    Ok(texts.chunks(64).map(|chunk| body.last_hidden(chunk)).collect::<Result<Vec<_>>>()?.concat())
}

/// Finetuned models of a classroom: a family for the protocol.
#[derive(Clone, Copy)]
pub(crate) struct Finetuned<'a> {
    pub(crate) class: &'a Classroom<'a>,
    pub(crate) how: &'a Finetuning,
    /// What students do with weak labels.
    pub(crate) loss: WeakLoss,
}

impl<'a> Finetuned<'a> {
    /// Students that learn weak labels as they are.
    pub(crate) fn naive(class: &'a Classroom<'a>, how: &'a Finetuning) -> Self {
        Self { class, how, loss: WeakLoss::CrossEntropy }
    }

    pub(crate) fn protocol(&self) -> Protocol<'_, Self> {
        Protocol { family: self, halves: &self.class.halves }
    }

    /// What a model says of the student's half and of the test texts.
    pub(crate) fn say(&self, model: &mut Trainee) -> Result<Said> {
        let test: Vec<f64> = classify(model, &self.class.texts.test)?.into_iter().map(sigmoid).collect();
        Ok(Said { student_half: self.label(model, &self.class.halves.student)?, test })
    }

    /// What the teacher of a level says.
    pub(crate) fn teacher(&self, level: usize) -> Result<Arc<Said>> {
        self.stage("teacher", level, || self.protocol().teacher(level))
    }

    /// What the ceiling of a level says.
    pub(crate) fn ceiling(&self, level: usize) -> Result<Arc<Said>> {
        self.stage("ceiling", level, || self.protocol().ceiling(level))
    }

    /// Of the truth nothing but the level depends on the loss.
    fn stage(&self, name: &str, level: usize, train: impl FnOnce() -> Result<Trainee>) -> Result<Arc<Said>> {
        let key = (self.class.ladder, self.how, self.class.task, level);
        self.class.ctx.common_stage(OWNER, name, &key, |_| self.say(&mut train()?))
    }

    /// What the student of a level says that learned from weak labels of its half.
    pub(crate) fn student(&self, level: usize, weak: &[f64]) -> Result<Said> {
        self.say(&mut self.protocol().student(level, weak)?)
    }

    /// A run of finetuning, step by step, and how many steps it has: the same order of texts for all labels.
    pub(crate) fn run(&self, trainee: &mut Trainee, level: usize, items: usize) -> Result<(Classifier, u64)> {
        let steps = (self.how.epochs * items as u64).div_ceil(self.how.batch as u64);
        let peak = self.class.ladder.scaled(self.how.rate, level);
        let schedule = Schedule { peak, warm_up: steps / 10, steps, decay: Decay::Cosine };
        let seed = self.class.ctx.seed().to_string();
        let rng = Stream::named(&[OWNER, "finetuning", self.class.task.name(), &level.to_string(), &seed]);
        Ok((Classifier::new(trainee, self.loss, &schedule, self.how.batch, rng)?, steps))
    }
}

impl Family for Finetuned<'_> {
    type Model = Trainee;
    /// P(yes), half of the texts yes: labels that all lie on one side of 1/2 say which class is the more frequent before they say anything
    /// else, and a short run follows that in whichever direction its body finds most salient.
    type Label = f64;

    fn truth(&self, items: &[usize]) -> Vec<f64> {
        self.class.truth(items)
    }

    fn teach(&self, level: usize, items: &[usize], labels: &[f64], from: Source) -> Result<Trainee> {
        let loss = if from == Source::Truth { WeakLoss::CrossEntropy } else { self.loss };
        let mut trainee = self.class.fresh(level)?;
        let (mut run, _) = Self { loss, ..*self }.run(&mut trainee, level, items.len())?;
        let texts = self.class.read(items);
        while !run.is_done() {
            run.step(&mut trainee, &texts, labels)?;
        }
        Ok(trainee)
    }

    fn label(&self, model: &mut Trainee, items: &[usize]) -> Result<Vec<f64>> {
        let said: Vec<f64> = classify(model, &self.class.read(items))?.into_iter().map(sigmoid).collect();
        Ok(balanced(&said))
    }
}
