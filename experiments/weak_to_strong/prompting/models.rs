//! The ladder of readers: transformers pretrained on documents of [`super::concepts`], then prompted or finetuned.

use super::super::ladder::check_sizes;
use super::Lesson;
use super::concepts::{Concepts, Nature};
use rewardlab::algorithm::{Classifier, Family, Source, Trainee, WeakLoss, classify};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::Context;
use rewardlab::lm::{Batch, Choices, Config, Decay, Keep, Schedule, ScoreHead, Signal, Size, init};
use rewardlab::num::sigmoid;
use rewardlab::objective::weak_label_loss;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An item and what is said of it.
pub(super) type Shot = (usize, bool);

/// Sizes, and how they are pretrained.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ladder {
    /// Widths of the residual stream from the weakest to the strongest; 2 to 8 of them, multiples of 4 from 4 to 512.
    pub(super) widths: Vec<usize>,
    /// Blocks of each; 1 to 12.
    pub(super) layers: Vec<usize>,
    /// Standard deviation of the first weights; positive.
    spread: f64,
    /// Steps of pretraining; 1 to 10^6.
    steps: u64,
    /// Documents per step; 1 to 1000.
    documents: usize,
    /// Descriptions of items per step; 1 to 1000.
    descriptions: usize,
    /// Highest learning rate at width 32; it goes with 1/√width. Positive.
    rate: f64,
}

/// How a two-way head, and the body under it, are taught.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Finetuning {
    /// Passes over the labelled items; 1 to 1000.
    epochs: u64,
    /// Items per step; 2 to 1000.
    batch: usize,
    /// Highest learning rate at width 32; it goes with 1/√width. Positive.
    rate: f64,
}

impl Ladder {
    pub(super) fn new(smoke: bool) -> Self {
        let (widths, layers) = if smoke { (vec![4, 8], vec![1, 1]) } else { (vec![4, 8, 16, 32], vec![1, 1, 2, 2]) };
        let (steps, documents) = if smoke { (40, 8) } else { (1000, 32) };
        let descriptions = documents;
        Self { widths, layers, spread: 0.05, steps, documents, descriptions, rate: 5e-3 }
    }

    pub(super) fn validate(&self) -> Result<()> {
        Error::check_counts(&[
            ("documents", self.documents, 1, 1000),
            ("descriptions", self.descriptions, 1, 1000),
            ("steps", self.steps as usize, 1, 1_000_000),
        ])?;
        check_sizes(&self.widths, &self.layers)?;
        Error::check_positive(&[("spread", self.spread), ("rate", self.rate)])
    }
}

impl Finetuning {
    pub(super) fn new(smoke: bool) -> Self {
        Self { epochs: if smoke { 4 } else { 12 }, batch: 8, rate: 2e-3 }
    }

    pub(super) fn validate(&self) -> Result<()> {
        Error::check_counts(&[("epochs", self.epochs as usize, 1, 1000), ("batch", self.batch, 2, 1000)])?;
        Error::check_positive(&[("rate", self.rate)])
    }
}

/// The models of a seed: a world, a ladder, the longest prompt.
pub(super) struct School<'a> {
    pub(super) nature: &'a Nature,
    pub(super) ladder: &'a Ladder,
    pub(super) concepts: Concepts,
    /// Shots of the longest prompt.
    pub(super) longest: usize,
    pub(super) ctx: &'a Context<'a>,
}

impl School<'_> {
    /// An item as a question; behind the items stand their answers, no and yes, then the starts of a document and of a description,
    /// then attributes' names.
    fn question(item: usize) -> u32 {
        item as u32
    }

    /// An answer names its item: what it says can be read off one token.
    fn answer(&self, item: usize, label: bool) -> u32 {
        (self.nature.items() + 2 * item + usize::from(label)) as u32
    }

    fn start(&self) -> u32 {
        3 * self.nature.items() as u32
    }

    /// What an item's description begins with: after it stands the name of any of its attributes.
    fn description(&self, item: usize) -> [u32; 2] {
        [self.start() + 1, Self::question(item)]
    }

    /// The name of an attribute that is there, or is not.
    fn attribute(&self, attribute: usize, there: bool) -> u32 {
        self.start() + 2 + (2 * attribute + usize::from(there)) as u32
    }

    /// A document: its start, then questions, each with its answer.
    fn text(&self, shots: &[Shot]) -> Vec<u32> {
        let of = |(item, label): &Shot| [Self::question(*item), self.answer(*item, *label)];
        std::iter::once(self.start()).chain(shots.iter().flat_map(of)).collect()
    }

    fn config(&self, level: usize) -> Config {
        let width = self.ladder.widths[level];
        // heads of 8 coordinates or more, an even number of them, which rotary positions need
        let heads = (1..=8).rev().find(|h| width.is_multiple_of(2 * h) && width / h >= 8).unwrap_or(1);
        let vocab = 3 * self.nature.items() + 2 + 2 * self.nature.attributes;
        let size = Size { vocab, width, layers: self.ladder.layers[level], heads, context: 2 * self.longest + 3 };
        let scores = vec![ScoreHead { name: "class".into(), outputs: 2 }];
        Config { scores, ..Config::llama(size) }
    }

    /// A rate at width 32, for a level.
    fn scaled(&self, rate: f64, level: usize) -> f64 {
        rate * (32.0 / self.ladder.widths[level] as f64).sqrt()
    }

    /// A model that has read nothing.
    pub(super) fn bare(&self, level: usize) -> Result<Trainee> {
        let rng = &mut self.ctx.shared_stream(&format!("bare {level}"));
        let config = self.config(level);
        Trainee::new(&config, init(&config, self.ladder.spread, rng)?, 1.0)
    }

    /// A model after pretraining: the same for all cells of a seed.
    pub(super) fn pretrained(&self, level: usize) -> Result<Trainee> {
        let l = self.ladder;
        let shape = (level, l.widths[level], l.layers[level], self.longest);
        let key = (shape, self.nature, l.spread, l.steps, l.documents, l.descriptions, l.rate);
        let params: Arc<Vec<f32>> = self.ctx.stage("pretrained", &key, |rng| {
            let mut trainee = self.bare(level)?;
            let peak = self.scaled(l.rate, level);
            let schedule = Schedule { peak, warm_up: l.steps / 20, steps: l.steps, decay: Decay::Cosine };
            for step in 0..l.steps {
                let documents = (0..l.documents).map(|_| self.concepts.document(self.longest + 1, rng).shots);
                let documents: Vec<_> = documents.collect();
                let described: Vec<usize> = (0..l.descriptions).map(|_| rng.below(self.nature.items())).collect();
                self.read(&mut trainee, &documents, &described, schedule.rate(step))?;
            }
            trainee.into_params()
        })?;
        let mut trainee = self.bare(level)?;
        trainee.put(&params)?;
        Ok(trainee)
    }

    /// A step of pretraining. In documents: cross-entropy of every answer against the other answer to its question, given all before it. In
    /// descriptions: that of the next token, which names an attribute of the item, averaged over which one.
    fn read(&self, trainee: &mut Trainee, documents: &[Vec<Shot>], described: &[usize], rate: f64) -> Result<()> {
        let mut texts: Vec<Vec<u32>> = documents.iter().map(|d| self.text(d)).collect();
        texts.extend(described.iter().map(|item| self.description(*item).to_vec()));
        let batch = Batch::new(&texts);
        let mut choices = self.answers(&questions(documents, &batch));
        let answers = choices.len();
        for (item, rows) in described.iter().zip(batch.all_rows().skip(documents.len())) {
            for attribute in 0..self.nature.attributes {
                choices.rows.push(rows.end - 1);
                choices.tokens.push(self.attribute(attribute, item >> attribute & 1 == 1));
            }
        }
        trainee.forward(&batch, Keep::All)?;
        let log_odds = differences(&trainee.log_probs(&choices)?[..answers]);
        let labels: Vec<f64> = documents.iter().flatten().map(|(_, y)| f64::from(u8::from(*y))).collect();
        let mut weights = vec![0.0; labels.len()];
        weak_label_loss(&log_odds, &labels, 1.0, &mut weights);
        let mut log_probs: Vec<f64> = weights.iter().flat_map(|w| [-w, *w]).collect();
        let named = choices.len() - answers;
        log_probs.extend(vec![-1.0 / named as f64; named]);
        trainee.descend(&Signal { log_probs: &log_probs, ..Signal::default() }, rate)?;
        Ok(())
    }

    /// The log-odds of yes at every question of some documents, given what stands before it.
    pub(super) fn every_answer(&self, model: &mut Trainee, documents: &[Vec<Shot>]) -> Result<Vec<f64>> {
        let batch = Batch::new(&documents.iter().map(|d| self.text(d)).collect::<Vec<_>>());
        self.ask(model, &batch, &questions(documents, &batch))
    }

    /// Both answers, no and yes, at rows that are questions about items.
    fn answers(&self, asked: &[(usize, usize)]) -> Choices {
        let mut choices = Choices::default();
        for (row, item) in asked {
            choices.rows.extend([*row, *row]);
            choices.tokens.extend([self.answer(*item, false), self.answer(*item, true)]);
        }
        choices
    }

    /// The log-odds of yes at rows that are questions about items.
    fn ask(&self, model: &mut Trainee, batch: &Batch, asked: &[(usize, usize)]) -> Result<Vec<f64>> {
        model.forward(batch, Keep::Final)?;
        Ok(differences(model.log_probs(&self.answers(asked))?))
    }

    /// P(yes) of each of some items, each asked alone behind the same shots.
    pub(super) fn prompted(&self, model: &mut Trainee, shots: &[Shot], items: &[usize]) -> Result<Vec<f64>> {
        let shots = self.text(shots);
        let texts: Vec<Vec<u32>> = items.iter().map(|item| [&shots[..], &[Self::question(*item)]].concat()).collect();
        let batch = Batch::new(&texts);
        let asked: Vec<(usize, usize)> = batch.all_rows().zip(items).map(|(r, item)| (r.end - 1, *item)).collect();
        Ok(self.ask(model, &batch, &asked)?.into_iter().map(sigmoid).collect())
    }
}

/// (row, item) of every question of documents that stand first in a batch.
fn questions(documents: &[Vec<Shot>], batch: &Batch) -> Vec<(usize, usize)> {
    let of = |(d, rows): (&Vec<Shot>, std::ops::Range<usize>)| {
        let place = |(t, shot): (usize, &Shot)| (rows.start + 1 + 2 * t, shot.0);
        d.iter().enumerate().map(place).collect::<Vec<_>>()
    };
    documents.iter().zip(batch.all_rows()).flat_map(of).collect()
}

/// Log-odds from log-probabilities of no and yes in turn.
fn differences(log_probs: &[f64]) -> Vec<f64> {
    log_probs.as_chunks::<2>().0.iter().map(|[no, yes]| yes - no).collect()
}

/// Models finetuned on one concept: a family for the protocol. They see an item as it stands before its description.
pub(super) struct Finetuned<'a> {
    pub(super) school: &'a School<'a>,
    pub(super) how: &'a Finetuning,
    pub(super) lesson: &'a Lesson,
    /// What students do with weak labels.
    pub(super) loss: WeakLoss,
}

impl Finetuned<'_> {
    fn texts(&self, items: &[usize]) -> Vec<[u32; 2]> {
        items.iter().map(|item| self.school.description(*item)).collect()
    }
}

impl Family for Finetuned<'_> {
    type Model = Trainee;
    /// P(yes).
    type Label = f64;

    fn truth(&self, items: &[usize]) -> Vec<f64> {
        items.iter().map(|i| f64::from(u8::from(self.school.concepts.truth(self.lesson.concept, *i)))).collect()
    }

    fn teach(&self, level: usize, items: &[usize], labels: &[f64], from: Source) -> Result<Trainee> {
        let loss = if from == Source::Truth { WeakLoss::CrossEntropy } else { self.loss };
        let mut trainee = self.school.pretrained(level)?;
        let steps = (self.how.epochs * items.len() as u64).div_ceil(self.how.batch as u64);
        let peak = self.school.scaled(self.how.rate, level);
        let schedule = Schedule { peak, warm_up: steps / 10, steps, decay: Decay::Cosine };
        // the same order of items for all labels
        let rng = self.school.ctx.shared_stream(&format!("finetuning {level} {}", self.lesson.number));
        let mut run = Classifier::new(&mut trainee, loss, &schedule, self.how.batch, rng)?;
        let texts = self.texts(items);
        while !run.is_done() {
            run.step(&mut trainee, &texts, labels)?;
        }
        Ok(trainee)
    }

    fn label(&self, model: &mut Trainee, items: &[usize]) -> Result<Vec<f64>> {
        Ok(classify(model, &self.texts(items))?.into_iter().map(sigmoid).collect())
    }
}
