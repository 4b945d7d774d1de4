//! What a policy-gradient loop may be told.

use crate::error::{Error, Result};
use crate::objective::{batch_mean_advantages, dr_grpo_advantages, k1, k2, k3};
use crate::objective::{
    dr_grpo_objective, grpo_advantages, grpo_batch_advantages, grpo_objective, grpo_token_mean_objective, in_groups,
    rloo_advantages, rloo_objective, sequence_policy_gradient_objective,
};
use serde::{Deserialize, Serialize};

/// What a sample's reward is compared with. Groups are the samples of one prompt in one round.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Advantage {
    /// Nothing: A = r.
    Plain,
    /// The moving average of earlier rounds; `decay` in [0, 1) is what a round keeps of it.
    MovingAverage {
        /// Share of the old average that stays.
        decay: f64,
    },
    /// The mean of the round, prompts mixed.
    BatchMean,
    /// The mean of the group's other samples: RLOO (arXiv:2402.14740).
    LeaveOneOut,
    /// The mean of the group: Dr. GRPO (arXiv:2503.20783).
    GroupMean,
    /// The mean of the group, over its standard deviation: GRPO (arXiv:2402.03300).
    GroupScaled {
        /// Added to the deviation, at least 0, in the reward's unit.
        epsilon: f64,
    },
    /// The mean of the group, over the round's standard deviation.
    BatchScaled {
        /// Added to the deviation, at least 0, in the reward's unit.
        epsilon: f64,
    },
}

impl Advantage {
    fn needs_groups(self) -> bool {
        matches!(self, Self::LeaveOneOut | Self::GroupMean | Self::GroupScaled { .. } | Self::BatchScaled { .. })
    }

    /// One advantage per sample, but for the moving average, whose state the loop has.
    pub(super) fn fill(self, rewards: &[f64], group: usize, advantages: &mut [f64]) {
        match self {
            Self::Plain | Self::MovingAverage { .. } => advantages.copy_from_slice(rewards),
            Self::BatchMean => batch_mean_advantages(rewards, advantages),
            Self::LeaveOneOut => in_groups(rewards, group, rloo_advantages, advantages),
            Self::GroupMean => in_groups(rewards, group, dr_grpo_advantages, advantages),
            Self::GroupScaled { epsilon } => {
                in_groups(rewards, group, |r, a| grpo_advantages(r, epsilon, a), advantages);
            }
            Self::BatchScaled { epsilon } => grpo_batch_advantages(rewards, group, epsilon, advantages),
        }
    }
}

/// How log-probabilities and advantages make a step's objective. ε is the `clip` of the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Surrogate {
    /// A Σ log π, mean over sequences: REINFORCE (Williams 1992). It has no ratio, so a round is learned from once.
    Score,
    /// The clipped ratio of whole sequences, mean over sequences (TRL's RLOO).
    SequenceRatio,
    /// The clipped ratio of tokens, mean over sequences of means over tokens: GRPO (arXiv:2402.03300).
    SequenceMean,
    /// The same, mean over all tokens: DAPO (arXiv:2503.14476).
    TokenMean,
    /// The same, sum over tokens over the longest completion allowed: Dr. GRPO (arXiv:2503.20783).
    Constant,
}

/// A step's samples as the objectives take them: flat tokens, one advantage per sequence.
#[derive(Debug)]
pub(super) struct Flat<'a> {
    pub(super) log_probs: &'a [f64],
    pub(super) old: &'a [f64],
    pub(super) lengths: &'a [usize],
    pub(super) advantages: &'a [f64],
}

impl Surrogate {
    /// Whether the objective is a mean over tokens, not over sequences.
    pub(super) fn counts_tokens(self) -> bool {
        self == Self::TokenMean
    }

    /// Whether [`Self::shares`] are of tokens: a KL in the loss has no sequences to average over where the objective's term is one per
    /// sequence.
    pub(super) fn kl_counts_tokens(self) -> bool {
        !matches!(self, Self::SequenceMean | Self::Constant)
    }

    /// What part of a mean over all sequences each one's mean over tokens is, in the averages of this objective.
    pub(super) fn shares(self, lengths: &[usize], longest: usize) -> Vec<f64> {
        let (count, tokens) = (lengths.len().max(1) as f64, lengths.iter().sum::<usize>().max(1) as f64);
        let share = |n: &usize| match self {
            Self::SequenceMean => 1.0 / count,
            Self::Constant => *n as f64 / (count * longest as f64),
            Self::Score | Self::SequenceRatio | Self::TokenMean => *n as f64 / tokens,
        };
        lengths.iter().map(share).collect()
    }

    /// The objective's value; adds `scale` times its derivative to `weights`.
    pub(super) fn objective(self, f: &Flat, longest: usize, clip: f64, scale: f64, weights: &mut [f64]) -> f64 {
        let Flat { log_probs, old, lengths, advantages } = *f;
        match self {
            Self::Score => sequence_policy_gradient_objective(log_probs, lengths, advantages, scale, weights),
            Self::SequenceRatio => rloo_objective(log_probs, old, lengths, advantages, clip, scale, weights),
            Self::SequenceMean => grpo_objective(log_probs, old, lengths, advantages, clip, scale, weights),
            Self::TokenMean => grpo_token_mean_objective(log_probs, old, lengths, advantages, clip, scale, weights),
            Self::Constant => dr_grpo_objective(log_probs, old, lengths, advantages, longest, clip, scale, weights),
        }
    }
}

/// Where the KL to the reference stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KlPlace {
    /// In a sample's reward: β Σ k is taken from it before advantages are formed.
    Reward,
    /// In the loss: β times the mean over tokens is descended with the samples held fixed, in the averages of the objective (as in
    /// Eq. 3 of arXiv:2402.03300 and TRL). There k1 is noise around no
    /// gradient; k3's expected gradient is that of the reverse KL (see [`crate::objective`]).
    Loss,
}

/// How the KL to the reference is taken at a sample's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KlEstimate {
    /// log π − log `π_ref`.
    K1,
    /// Half its square.
    K2,
    /// `π_ref/π` − 1 − log(`π_ref/π`).
    K3,
    /// The KL of the whole next-token distributions at the samples' contexts: no noise from tokens. In the loss this is the
    /// direct part of the KL's gradient; what the policy changes by visiting other contexts is not in it.
    Exact,
}

impl KlEstimate {
    /// The estimate as a function of the log ratio. The exact KL, standing in the ratio's place, is itself.
    pub(super) fn of_log_ratio(self) -> fn(f64) -> f64 {
        match self {
            Self::K1 | Self::Exact => k1,
            Self::K2 => k2,
            Self::K3 => k3,
        }
    }
}

/// A KL penalty.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kl {
    /// β, in reward per nat; at least 0.
    pub coefficient: f64,
    /// Where it stands.
    pub place: KlPlace,
    /// How it is taken.
    pub estimate: KlEstimate,
}

/// Settings of [`super::policy_gradient`]. Start from one of the constructors, which are the published methods at a small
/// model's sizes and rates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyGradientParams {
    /// Rounds of sampling and learning; at least 1.
    pub iterations: usize,
    /// Prompts drawn per round; at least 1.
    pub prompts: usize,
    /// Samples per prompt; at least 1, at least 2 where advantages compare within groups.
    pub group: usize,
    /// Passes over a round's samples; at least 1, and 1 for [`Surrogate::Score`].
    pub epochs: usize,
    /// Sequences per step; at least 1.
    pub minibatch: usize,
    /// Learning rate, positive.
    pub learning_rate: f64,
    /// What rewards are compared with.
    pub advantage: Advantage,
    /// What a step ascends.
    pub surrogate: Surrogate,
    /// ε of the ratio's clip, positive, infinite for none.
    pub clip: f64,
    /// The KL to the reference.
    pub kl: Kl,
    /// Weight of the mean entropy per token, per nat; at least 0.
    pub entropy_coefficient: f64,
    /// Of sampling; positive. Log-probabilities and ratios are the model's own, at temperature 1.
    pub temperature: f64,
}

impl PolicyGradientParams {
    /// REINFORCE (Williams 1992) with this baseline: one step on all of a round's samples, no KL.
    pub fn reinforce(advantage: Advantage) -> Self {
        Self {
            iterations: 100,
            prompts: 16,
            group: 4,
            epochs: 1,
            minibatch: 64,
            learning_rate: 3e-4,
            advantage,
            surrogate: Surrogate::Score,
            clip: 0.2,
            kl: Kl { coefficient: 0.0, place: KlPlace::Reward, estimate: KlEstimate::K1 },
            entropy_coefficient: 0.0,
            temperature: 1.0,
        }
    }

    /// RLOO (arXiv:2402.14740): leave-one-out baseline, KL in the reward, here with TRL's ratio of sequences, so that
    /// epochs may be more than one.
    pub fn rloo() -> Self {
        let kl = Kl { coefficient: 0.05, place: KlPlace::Reward, estimate: KlEstimate::K1 };
        Self { surrogate: Surrogate::SequenceRatio, kl, ..Self::reinforce(Advantage::LeaveOneOut) }
    }

    /// GRPO (arXiv:2402.03300): rewards over their group's spread, k3 in the loss with the paper's β 0.04.
    pub fn grpo() -> Self {
        let kl = Kl { coefficient: 0.04, place: KlPlace::Loss, estimate: KlEstimate::K3 };
        let advantage = Advantage::GroupScaled { epsilon: 1e-4 };
        Self { surrogate: Surrogate::SequenceMean, kl, ..Self::reinforce(advantage) }
    }

    /// Dr. GRPO (arXiv:2503.20783): neither the spread nor the length divides, no KL.
    pub fn dr_grpo() -> Self {
        Self { surrogate: Surrogate::Constant, ..Self::reinforce(Advantage::GroupMean) }
    }

    /// Fails on the first setting outside its legal range.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn validate(&self) -> Result<()> {
        let group = if self.advantage.needs_groups() { 2 } else { 1 };
        Error::check_counts(&[
            ("iterations", self.iterations, 1, usize::MAX),
            ("prompts", self.prompts, 1, usize::MAX),
            ("group", self.group, group, usize::MAX),
            ("epochs", self.epochs, 1, usize::MAX),
            ("minibatch", self.minibatch, 1, usize::MAX),
        ])?;
        if self.surrogate == Surrogate::Score && self.epochs > 1 {
            return Err(Error::parameter("epochs", self.epochs, "1 for a surrogate without a ratio"));
        }
        Error::check_positive(&[("learning_rate", self.learning_rate), ("temperature", self.temperature)])?;
        // an infinite clip is none
        if self.clip.is_nan() || self.clip <= 0.0 {
            return Err(Error::parameter("clip", self.clip, "positive"));
        }
        Error::check_not_negative(&[
            ("kl.coefficient", self.kl.coefficient),
            ("entropy_coefficient", self.entropy_coefficient),
        ])?;
        match self.advantage {
            Advantage::MovingAverage { decay } if !(0.0..1.0).contains(&decay) => {
                Err(Error::parameter("advantage.decay", decay, "in [0, 1)"))
            }
            Advantage::GroupScaled { epsilon } | Advantage::BatchScaled { epsilon } => {
                Error::check_not_negative(&[("advantage.epsilon", epsilon)])
            }
            _ => Ok(()),
        }
    }
}
