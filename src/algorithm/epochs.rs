//! Minibatches, epoch by epoch in random order, and a run of so many steps on them.

use crate::error::{Error, Result};
use crate::lm::Schedule;
use crate::rng::Stream;
use serde::{Deserialize, Serialize};

/// The order in which a run goes through its data.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Epochs {
    /// What is left of the epoch; the next is at the end.
    order: Vec<usize>,
    rng: Stream,
}

impl Epochs {
    pub(super) fn new(rng: Stream) -> Self {
        Self { order: Vec::new(), rng }
    }

    /// The next `size` of `count` places, at most all of them; a batch may end one epoch and begin the next.
    pub(super) fn batch(&mut self, size: usize, count: usize) -> Vec<usize> {
        let next = |_| {
            self.order.pop().unwrap_or_else(|| {
                self.order = self.rng.permutation(count);
                self.order.pop().unwrap_or(0)
            })
        };
        (0..size.min(count)).map(next).collect()
    }

    pub(super) fn into_rng(self) -> Stream {
        self.rng
    }
}

/// The frame of a loop over fixed data: which minibatch is next, at which learning rate, and when all steps are made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Minibatches {
    schedule: Schedule,
    /// Items per step.
    size: usize,
    step: u64,
    epochs: Epochs,
}

impl Minibatches {
    /// `schedule.steps` steps on minibatches of `size` items.
    ///
    /// # Errors
    /// An illegal schedule; a size of 0.
    pub(super) fn new(schedule: &Schedule, size: usize, rng: Stream) -> Result<Self> {
        schedule.validate()?;
        Error::check_counts(&[("size", size, 1, usize::MAX)])?;
        Ok(Self { schedule: *schedule, size, step: 0, epochs: Epochs::new(rng) })
    }

    pub(super) fn is_done(&self) -> bool {
        self.step >= self.schedule.steps
    }

    /// Whether the present step is among the last tenth.
    pub(super) fn is_late(&self) -> bool {
        self.step >= self.schedule.steps.saturating_sub(self.schedule.steps.div_ceil(10))
    }

    /// The present step's learning rate.
    pub(super) fn rate(&self) -> f64 {
        self.schedule.rate(self.step)
    }

    /// The share of the steps that is made.
    pub(super) fn progress(&self) -> f64 {
        self.step as f64 / self.schedule.steps as f64
    }

    /// The places of the present step's items among `count`, the same data in every step; `item` names one of them.
    ///
    /// # Errors
    /// No items, or fewer than in earlier steps.
    pub(super) fn batch(&mut self, item: &str, count: usize) -> Result<Vec<usize>> {
        if count == 0 {
            return Err(Error::Usage(format!("there is no {item} to learn from")));
        }
        let batch = self.epochs.batch(self.size, count);
        match batch.iter().find(|i| **i >= count) {
            Some(i) => Err(Error::Usage(format!("{item} {i} of an earlier step is gone"))),
            None => Ok(batch),
        }
    }

    /// The step is made.
    pub(super) fn advance(&mut self) {
        self.step += 1;
    }

    pub(super) fn into_rng(self) -> Stream {
        self.epochs.into_rng()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lm::Decay;

    #[test]
    fn every_item_comes_once_an_epoch_and_the_run_ends() {
        let schedule = Schedule { peak: 1.0, warm_up: 0, steps: 10, decay: Decay::Linear };
        let mut run = Minibatches::new(&schedule, 4, Stream::named(&["minibatches"])).expect("legal");
        let (mut seen, mut rates, mut late) = (Vec::new(), Vec::new(), 0);
        while !run.is_done() {
            seen.extend(run.batch("text", 5).expect("items"));
            rates.push(run.rate());
            late += usize::from(run.is_late());
            run.advance();
        }
        for epoch in seen.chunks(5) {
            let mut epoch = epoch.to_vec();
            epoch.sort_unstable();
            assert_eq!(epoch, [0, 1, 2, 3, 4]);
        }
        assert_eq!((seen.len(), rates.len(), late, run.progress()), (40, 10, 1, 1.0));
        assert!(rates.is_sorted_by(|a, b| a > b));
    }

    #[test]
    fn what_is_missing_is_named() {
        let schedule = Schedule { peak: 1.0, warm_up: 0, steps: 10, decay: Decay::Constant };
        let new = |size| Minibatches::new(&schedule, size, Stream::named(&["minibatches"]));
        assert!(new(0).is_err());
        let mut run = new(3).expect("legal");
        assert_eq!(run.batch("pair", 0).expect_err("none").to_string(), "there is no pair to learn from");
        run.batch("pair", 100).expect("items");
        let gone = run.batch("pair", 1).expect_err("97 are left of the epoch").to_string();
        assert!(gone.starts_with("pair ") && gone.ends_with(" of an earlier step is gone"), "{gone}");
    }
}
