//! What [`Classifier`](super::Classifier) and [`Ranker`](super::Ranker) share: log-odds that are the difference of two scores, and a
//! [`WeakLoss`] descended on them.

use super::loss::WeakLoss;
use crate::algorithm::epochs::Minibatches;
use crate::algorithm::trainee::{Trainee, Weights};
use crate::error::{Error, Result};
use crate::lm::Schedule;
use crate::rng::Stream;
use serde::{Deserialize, Serialize};

/// Which of two scores speaks for the class whose probability the labels are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Favours {
    /// The first of two texts of a pair.
    First,
    /// The second of two outputs of a head.
    Second,
}

impl Favours {
    /// Log-odds from scores, two by two.
    pub(super) fn log_odds(self, scores: &[f64]) -> Vec<f64> {
        let of = |[first, second]: &[f64; 2]| if self == Self::First { first - second } else { second - first };
        scores.as_chunks::<2>().0.iter().map(of).collect()
    }

    /// Weights of the scores from those of the log-odds.
    fn weights(self, of_log_odds: &[f64]) -> Vec<f64> {
        of_log_odds.iter().flat_map(|w| if self == Self::First { [*w, -w] } else { [-w, *w] }).collect()
    }
}

/// Training between two steps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LogOdds {
    loss: WeakLoss,
    minibatches: Minibatches,
}

impl LogOdds {
    /// # Errors
    /// Illegal settings; a size of 0; a model whose first score head has not so many outputs, `what` naming them.
    pub(super) fn new(
        trainee: &mut Trainee,
        loss: WeakLoss,
        (schedule, size, rng): (&Schedule, usize, Stream),
        (what, outputs): (&'static str, usize),
    ) -> Result<Self> {
        loss.validate()?;
        let minibatches = Minibatches::new(schedule, size, rng)?;
        trainee.clear_score_head()?;
        trainee.check_score_head(what, outputs)?;
        Ok(Self { loss, minibatches })
    }

    pub(super) fn is_done(&self) -> bool {
        self.minibatches.is_done()
    }

    pub(super) fn into_rng(self) -> Stream {
        self.minibatches.into_rng()
    }

    /// One step on the next minibatch; returns its loss before the step, nats per item. `sequences` are those of some items, whose last
    /// tokens speak: one of each item with a head of two outputs, two with a head of one.
    ///
    /// # Errors
    /// No items, `item` naming one, or fewer than in earlier steps; a label of the minibatch that is no probability; a text that does not fit the model;
    /// training that diverges.
    pub(super) fn step<'a>(
        &mut self,
        trainee: &mut Trainee,
        (item, labels): (&str, &[f64]),
        sequences: impl Fn(&[usize]) -> Vec<&'a [u32]>,
        favours: Favours,
    ) -> Result<f64> {
        let batch = self.minibatches.batch(item, labels.len())?;
        let weak: Vec<f64> = batch.iter().map(|i| labels[*i]).collect();
        if let Some(label) = weak.iter().find(|w| !(0.0..=1.0).contains(*w)) {
            return Err(Error::parameter("label", label, "between 0 and 1"));
        }
        let sequences = sequences(&batch);
        // one token is called the completion: only the last position speaks
        let prompts: Vec<usize> = sequences.iter().map(|s| s.len().saturating_sub(1)).collect();
        let (loss, progress, rate) = (self.loss, self.minibatches.progress(), self.minibatches.rate());
        // a confidence loss's threshold is the whole batch's
        let step = trainee.learn_in_groups(sequences.len(), &sequences, &prompts, rate, |part| {
            let log_odds = favours.log_odds(&part.finals()?);
            let mut weights = vec![0.0; log_odds.len()];
            let loss = loss.weigh(&log_odds, &weak, progress, 1.0, &mut weights);
            Ok((loss, Weights { finals: favours.weights(&weights), ..Weights::default() }))
        })?;
        self.minibatches.advance();
        Ok(step.loss)
    }
}
