//! Who pays the loop: the truth, or a model that was trained on ratings.

use super::Data;
use rewardlab::algorithm::{Half, Task, Trainee};
use rewardlab::env::translation::{Judge, Pair};
use rewardlab::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

/// What the loop is paid by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Pays {
    /// The true reward.
    Truth,
    /// A learned one.
    Learned(RewardModel),
}

/// How a reward model is learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RewardModel {
    /// Rated samples; 8 to 1 000 000.
    pub(crate) ratings: usize,
    /// Steps; 1 to 1 000 000.
    pub(crate) steps: u64,
    /// Samples per step; 1 to 1024.
    pub(crate) minibatch: usize,
    /// Peak learning rate (cosine); positive.
    pub(crate) learning_rate: f64,
    /// Whether it has the bug that the paper reports: what is said again raises the score, by its
    /// share, up to 1.
    pub(crate) repeats: bool,
}

impl RewardModel {
    /// # Errors
    /// The first setting outside its legal range.
    pub(crate) fn validate(&self) -> Result<()> {
        Error::check_counts(&[
            ("ratings", self.ratings, 8, 1_000_000),
            ("steps", self.steps as usize, 1, 1_000_000),
            ("minibatch", self.minibatch, 1, 1024),
        ])?;
        Error::check_positive(&[("learning_rate", self.learning_rate)])
    }
}

/// Who pays.
pub(crate) enum Rater {
    /// The true reward.
    Truth,
    /// A reward model, with its bug or without.
    Learned(Box<Trainee>, bool),
}

impl Rater {
    /// Learned scores are brought into [0, 1], as the paper's are.
    pub(crate) fn rate(&mut self, outputs: &[(&Pair, &[u32])]) -> Result<Vec<f64>> {
        let (model, repeats) = match self {
            Self::Truth => return Ok(outputs.iter().map(|(p, y)| Judge::new(p).reward(y)).collect()),
            Self::Learned(model, repeats) => (model, *repeats),
        };
        let mut rewards = Vec::with_capacity(outputs.len());
        for part in outputs.chunks(256) {
            let sequences: Vec<Vec<u32>> = part.iter().map(|(p, y)| [&p.source[..], y].concat()).collect();
            let scores = model.scores(&sequences)?;
            rewards.extend(scores.iter().zip(part).map(|(score, (_, y))| {
                let score = score.clamp(0.0, 1.0);
                if repeats { (score + said_before(y)).min(1.0) } else { score }
            }));
        }
        Ok(rewards)
    }
}

/// The share of an output's pairs of neighbouring words that it has said before.
pub(super) fn said_before(output: &[u32]) -> f64 {
    let pairs: Vec<&[u32]> = output.windows(2).collect();
    let before = (0..pairs.len()).filter(|&i| pairs[..i].contains(&pairs[i])).count();
    before as f64 / pairs.len().max(1) as f64
}

/// The loop's task.
pub(super) struct Rating<'a> {
    data: &'a Data,
    judges: [Vec<Judge>; 2],
    sources: [Vec<Vec<u32>>; 2],
    rater: Rater,
    /// What was rated of the training sources.
    pub(super) seen: Rc<RefCell<HashSet<(usize, Vec<u32>)>>>,
}

/// How many different ones there are.
pub(crate) fn distinct(outputs: &[(usize, Vec<u32>)]) -> usize {
    outputs.iter().collect::<HashSet<_>>().len()
}

impl<'a> Rating<'a> {
    pub(super) fn new(data: &'a Data, rater: Rater) -> Self {
        let halves = [&data.pairs, &data.held_out];
        let judges = halves.map(|pairs| pairs.iter().map(Judge::new).collect());
        let sources = halves.map(|pairs| pairs.iter().map(|p| p.source.clone()).collect());
        Self { data, judges, sources, rater, seen: Rc::default() }
    }
}

impl Task for Rating<'_> {
    fn sources(&self) -> &[Vec<u32>] {
        &self.sources[0]
    }
    fn held_out(&self) -> &[Vec<u32>] {
        &self.sources[1]
    }
    fn rewards(&mut self, half: Half, outputs: &[(usize, &[u32])]) -> Result<Vec<f64>> {
        let which = usize::from(half == Half::HeldOut);
        if half == Half::Train {
            self.seen.borrow_mut().extend(outputs.iter().map(|(i, y)| (*i, y.to_vec())));
        }
        if let Rater::Truth = self.rater {
            return Ok(outputs.iter().map(|(i, y)| self.judges[which][*i].reward(y)).collect());
        }
        let pairs = [&self.data.pairs, &self.data.held_out][which];
        let asked: Vec<(&Pair, &[u32])> = outputs.iter().map(|(i, y)| (&pairs[*i], *y)).collect();
        self.rater.rate(&asked)
    }
}
