//! Some of a step's sequences between their forward and their backward pass.

use super::home::Home;
use crate::error::Result;
use crate::lm::Choices;
use crate::lm::cpu::{Scores, Signal};
use std::ops::Range;

/// Some of a step's sequences after their forward pass.
#[derive(Debug)]
pub(in crate::algorithm) struct Part<'a> {
    /// Which of the step's sequences.
    pub(in crate::algorithm) sequences: Range<usize>,
    /// The tokens of their completions.
    pub(in crate::algorithm) choices: Choices,
    /// Each sequence's first row.
    pub(super) starts: Vec<usize>,
    /// Each sequence's last row.
    pub(super) ends: Vec<usize>,
    /// log π of these.
    pub(in crate::algorithm) log_probs: Vec<f64>,
    /// Their share of the step's tokens: what a mean over a part's tokens weighs in the step's.
    pub(in crate::algorithm) of_tokens: f64,
    /// The part's share of the step's sequences.
    pub(in crate::algorithm) of_sequences: f64,
    /// Where it is, and in which lane.
    pub(super) place: (&'a dyn Home, usize),
}

impl Part<'_> {
    /// What score head 0 says of each token's context.
    pub(in crate::algorithm) fn values(&self) -> Result<Vec<f64>> {
        self.scores_at(&self.choices.rows)
    }

    /// What score head 0 says of each whole sequence, at its last token.
    pub(in crate::algorithm) fn finals(&self) -> Result<Vec<f64>> {
        self.scores_at(&self.ends)
    }

    /// The rows of some tokens of each sequence, `places` counted from its first token.
    pub(in crate::algorithm) fn rows_of(&self, places: &[&[usize]]) -> Vec<usize> {
        let of = |(start, own): (&usize, &&[usize])| own.iter().map(|t| start + t).collect::<Vec<_>>();
        self.starts.iter().zip(places).flat_map(of).collect()
    }

    /// What score head 0 says at some rows, rows × outputs.
    pub(in crate::algorithm) fn scores_at(&self, rows: &[usize]) -> Result<Vec<f64>> {
        self.place.0.scores(self.place.1, rows)
    }

    /// log π of each sequence's completion; `lengths` are their tokens.
    pub(in crate::algorithm) fn sums(&self, lengths: &[usize]) -> Vec<f64> {
        sums(&self.log_probs, lengths)
    }

    /// The log-probabilities of the whole vocabulary at each token's context, tokens × vocabulary.
    pub(in crate::algorithm) fn distributions(&self) -> Result<Vec<f32>> {
        let mut out = vec![0.0; self.log_probs.len() * self.place.0.config().vocab];
        self.place.0.distributions(self.place.1, &mut out)?;
        Ok(out)
    }
}

/// What a step descends is Σ weight · quantity over a part's tokens. Empty vectors weigh nothing.
#[derive(Debug, Default)]
pub(in crate::algorithm) struct Weights {
    /// On log-probabilities.
    pub(in crate::algorithm) log_probs: Vec<f64>,
    /// On entropies.
    pub(in crate::algorithm) entropies: Vec<f64>,
    /// On all log-probabilities of the distributions.
    pub(in crate::algorithm) distributions: Vec<f32>,
    /// On what score head 0 says at each token's context.
    pub(in crate::algorithm) values: Vec<f64>,
    /// On what it says at each sequence's last token.
    pub(in crate::algorithm) finals: Vec<f64>,
    /// Some rows, and the weights on what it says there, rows × outputs.
    pub(in crate::algorithm) at: (Vec<usize>, Vec<f64>),
}

impl Weights {
    /// An entropy bonus: `coefficient` · mean over the step's tokens.
    pub(in crate::algorithm) fn add_entropy(&mut self, coefficient: f64, part: &Part) {
        if coefficient > 0.0 {
            let tokens = part.log_probs.len();
            self.entropies = vec![-coefficient * (part.of_tokens / tokens as f64); tokens];
        }
    }
}

/// What a part's backward pass needs to know.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) rows: Vec<usize>,
    pub(super) ends: Vec<usize>,
    pub(super) weights: Weights,
}

impl Asked {
    /// Calls `use_it` with what the weights are on.
    pub(super) fn with_signal<T>(&self, use_it: impl FnOnce(&Signal) -> T) -> T {
        let weights = &self.weights;
        let scores: Vec<Scores> =
            [(&self.rows, &weights.values), (&self.ends, &weights.finals), (&weights.at.0, &weights.at.1)]
                .into_iter()
                .filter(|(_, weights)| !weights.is_empty())
                .map(|(rows, weights)| Scores { head: 0, rows, weights })
                .collect();
        use_it(&Signal {
            log_probs: &weights.log_probs,
            entropies: &weights.entropies,
            distributions: &weights.distributions,
            scores: &scores,
            ..Signal::default()
        })
    }
}

/// Sums over consecutive runs of these lengths.
pub(super) fn sums(values: &[f64], lengths: &[usize]) -> Vec<f64> {
    let mut rest = values;
    let mut sum = |length: &usize| {
        let (own, after) = rest.split_at(*length);
        rest = after;
        own.iter().sum()
    };
    lengths.iter().map(&mut sum).collect()
}
