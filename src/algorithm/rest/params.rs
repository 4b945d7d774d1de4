//! Settings of the loop, and its relatives as settings.

use super::keep::Keep;
use super::loss::OfflineLoss;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// Where the first Improve step behind every Grow starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// From the policy that grew the data: the paper's.
    Previous,
    /// From the policy that the loop was given (ReST^EM, arXiv:2312.06585).
    Base,
}

/// Settings of [`rest`](super::rest).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestParams {
    /// Grow steps. 0: Improve steps on the original data alone.
    pub grows: usize,
    /// Samples of each source in a Grow step; at least 1.
    pub candidates: usize,
    /// Of sampling, also on held-out sources; positive.
    pub temperature: f64,
    /// Whether the original data are part of what every Grow leaves.
    pub mixture: bool,
    /// The filter of each Improve step; at least one. Thresholds rise. [`Keep::All`] begins a chain anew, thresholds and rate with it.
    pub improves: Vec<Keep>,
    /// Where each chain of Improve steps starts.
    pub start: Start,
    /// What an Improve step descends.
    pub loss: OfflineLoss,
    /// Learning rate of a chain's first Improve step, constant within it; positive.
    pub learning_rate: f64,
    /// What each further Improve step's rate is of the one before; in (0, 1].
    pub rate_decay: f64,
    /// Steps of an Improve step; at least 1.
    pub steps: u64,
    /// Checkpoints are compared after every so many of them; 1 to `steps`.
    pub evaluate_every: u64,
    /// Samples per step; at least 1.
    pub minibatch: usize,
    /// Samples of each held-out source by which checkpoints are compared; at least 1.
    pub held_out_candidates: usize,
}

impl Default for RestParams {
    /// Temperature, mixture and thresholds are the paper's (0 = everything, then 0.7 to 0.95); sizes and rates ours.
    fn default() -> Self {
        let above = |threshold| Keep::Above { threshold };
        Self {
            grows: 2,
            candidates: 16,
            temperature: 0.8,
            mixture: true,
            improves: vec![Keep::All, above(0.7), above(0.8), above(0.9), above(0.95)],
            start: Start::Previous,
            loss: OfflineLoss::Bc,
            learning_rate: 1e-3,
            rate_decay: 0.8,
            steps: 200,
            evaluate_every: 50,
            minibatch: 32,
            held_out_candidates: 4,
        }
    }
}

impl RestParams {
    /// RAFT (arXiv:2304.06767): one Improve step per Grow, on the best share of fresh samples alone.
    #[must_use]
    pub fn raft(self, share: f64) -> Self {
        Self { mixture: false, improves: vec![Keep::TopShare { share }], ..self }
    }

    /// ReST^EM (arXiv:2312.06585): one Improve step per Grow on what is right, from the base model every time (reported second-hand).
    #[must_use]
    pub fn rest_em(self, threshold: f64) -> Self {
        Self { mixture: false, improves: vec![Keep::Above { threshold }], start: Start::Base, ..self }
    }

    /// Expert iteration (arXiv:1705.08439) with best-of-n as the expert: the best of each source's samples is imitated.
    #[must_use]
    pub fn expert_iteration(self) -> Self {
        Self { mixture: false, improves: vec![Keep::Best { count: 1 }], ..self }
    }

    /// Filtered behavioural cloning: no Grow, one Improve step on the original data.
    #[must_use]
    pub fn filtered_bc(self, threshold: f64) -> Self {
        Self { grows: 0, mixture: true, improves: vec![Keep::Above { threshold }], ..self }
    }

    /// Fails on the first setting outside its legal range.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn validate(&self) -> Result<()> {
        Error::check_counts(&[
            ("candidates", self.candidates, 1, usize::MAX),
            ("steps", self.steps as usize, 1, usize::MAX),
            ("evaluate_every", self.evaluate_every as usize, 1, self.steps as usize),
            ("minibatch", self.minibatch, 1, usize::MAX),
            ("held_out_candidates", self.held_out_candidates, 1, usize::MAX),
        ])?;
        Error::check_positive(&[("temperature", self.temperature), ("learning_rate", self.learning_rate)])?;
        if !(self.rate_decay > 0.0 && self.rate_decay <= 1.0) {
            return Err(Error::parameter("rate_decay", self.rate_decay, "above 0 and at most 1"));
        }
        if self.grows == 0 && !self.mixture {
            return Err(Error::parameter("mixture", false, "true without a Grow step: there would be no data"));
        }
        if self.improves.is_empty() {
            return Err(Error::parameter("improves", "[]", "at least one filter"));
        }
        let mut last = f64::NEG_INFINITY;
        for (i, keep) in self.improves.iter().enumerate() {
            keep.validate().map_err(|e| e.within(&format!("improves[{i}]")))?;
            if *keep == Keep::All {
                last = f64::NEG_INFINITY;
            }
            if let Keep::Above { threshold } = *keep {
                if threshold <= last {
                    let name = format!("improves[{i}].threshold");
                    return Err(Error::parameter(name, threshold, format!("above the one before, {last}")));
                }
                last = threshold;
            }
        }
        self.loss.validate().map_err(|e| e.within("loss"))
    }

    /// The learning rate of an Improve step, counted from 0: it falls from the last one on that learned from everything.
    pub(super) fn rate(&self, improve: usize) -> f64 {
        let start = self.improves[..=improve].iter().rposition(|keep| *keep == Keep::All).unwrap_or(0);
        self.learning_rate * self.rate_decay.powi((improve - start) as i32)
    }
}
