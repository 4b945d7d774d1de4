//! REINFORCE, RLOO, GRPO and Dr. GRPO of a transformer: one loop, whose settings say what rewards are compared with, how
//! tokens are averaged, and where the KL to the reference stands.

mod settings;
#[cfg(test)]
mod tests;

pub use settings::{Advantage, Kl, KlEstimate, KlPlace, PolicyGradientParams, Surrogate};

use super::resume::Resume;
use super::rollout::{Rollout, Round, Samples, Steps, at, one_by_one, wide};
use super::trainee::{Frozen, Part, Trainee, Weights};
use crate::error::{Error, Result};
use crate::lm::cpu::Sampling;
use crate::metrics;
use crate::objective::{MovingAverage, k1_loss, k2_loss, k3_loss, kl_loss, kl_penalised_rewards, reinforce_advantages};
use crate::rng::Stream;
use serde::{Deserialize, Serialize};
use settings::Flat;
use std::borrow::Cow;

/// A policy-gradient run between two rounds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PolicyGradient {
    settings: PolicyGradientParams,
    rounds: usize,
    average: Option<MovingAverage>,
    rng: Stream,
    #[serde(skip)]
    reference: Frozen,
}

impl Resume for PolicyGradient {
    const LOOP: &'static str = "policy_gradient";
    const REFERENCES: usize = 1;

    fn reference(&self) -> Result<Cow<'_, [f32]>> {
        self.reference.values()
    }

    fn set_reference(&mut self, trainee: &Trainee, values: Vec<f32>) -> Result<()> {
        self.reference = trainee.freeze_at(&values)?;
        Ok(())
    }
}

impl PolicyGradient {
    /// A run whose reference is the trainee as it is now.
    ///
    /// # Errors
    /// Illegal settings.
    pub fn new(trainee: &Trainee, settings: &PolicyGradientParams, rng: Stream) -> Result<Self> {
        settings.validate()?;
        let average = match settings.advantage {
            Advantage::MovingAverage { decay } => MovingAverage::new(decay),
            _ => None,
        };
        Ok(Self { settings: settings.clone(), rounds: 0, average, rng, reference: trainee.freeze()? })
    }

    /// Whether all rounds are over.
    pub fn is_done(&self) -> bool {
        self.rounds >= self.settings.iterations
    }

    /// One round: draws prompts, samples groups of completions, learns from them. Arguments as of [`policy_gradient`].
    ///
    /// # Errors
    /// As [`policy_gradient`].
    pub fn round(
        &mut self,
        trainee: &mut Trainee,
        prompts: &[Vec<u32>],
        sampling: &Sampling,
        reward: impl FnMut(usize, &[u32]) -> f64,
    ) -> Result<Round> {
        self.round_rated(trainee, prompts, sampling, one_by_one(reward))
    }

    /// The same, a round's completions paid together: `rate` is given each with the number of its prompt, and may fail.
    ///
    /// # Errors
    /// As [`policy_gradient`], and those of `rate`.
    pub fn round_rated(
        &mut self,
        trainee: &mut Trainee,
        prompts: &[Vec<u32>],
        sampling: &Sampling,
        rate: impl FnMut(&[(usize, &[u32])]) -> Result<Vec<f64>>,
    ) -> Result<Round> {
        let (count, group) = (self.settings.prompts, self.settings.group);
        let sampling = Sampling { temperature: self.settings.temperature, ..*sampling };
        let samples = Samples::draw(trainee, prompts, (count, group), &sampling, rate, &mut self.rng)?;
        let exact = self.settings.kl.estimate == KlEstimate::Exact;
        let rollout = Rollout::new(trainee, &self.reference, samples, exact)?;
        let advantages = self.advantages(&rollout)?;
        let mut steps = Steps::default();
        for _ in 0..self.settings.epochs {
            for part in self.rng.permutation(count * group).chunks(self.settings.minibatch) {
                self.learn(trainee, &rollout, &advantages, (part, sampling.length), &mut steps)?;
            }
        }
        self.rounds += 1;
        Ok(steps.into_round(rollout.round(group, self.settings.kl.coefficient)))
    }

    /// One advantage per sample, from rewards with the KL in them if it stands there.
    fn advantages(&mut self, rollout: &Rollout) -> Result<Vec<f64>> {
        let (kl, samples) = (self.settings.kl, &rollout.samples);
        let mut rewards = samples.rewards.clone();
        if kl.place == KlPlace::Reward && kl.coefficient > 0.0 {
            let zeros;
            let (log_probs, reference) = match &rollout.whole {
                None => (&rollout.log_probs, &rollout.reference),
                Some(whole) => {
                    zeros = vec![0.0; whole.kl.len()];
                    (&whole.kl, &zeros)
                }
            };
            let (lengths, estimate) = (&samples.lengths, kl.estimate.of_log_ratio());
            let task = &samples.rewards;
            kl_penalised_rewards(log_probs, reference, lengths, task, kl.coefficient, estimate, &mut rewards);
            Error::check_finite("reward with the KL penalty", &rewards)?;
        }
        let mut advantages = vec![0.0; rewards.len()];
        match &mut self.average {
            Some(average) => {
                reinforce_advantages(&rewards, average.baseline(), &mut advantages);
                average.update(&rewards);
            }
            None => self.settings.advantage.fill(&rewards, self.settings.group, &mut advantages),
        }
        Error::check_finite("advantage", &advantages)?;
        Ok(advantages)
    }

    /// One step on some of a round's sequences.
    fn learn(
        &self,
        trainee: &mut Trainee,
        rollout: &Rollout,
        advantages: &[f64],
        (part, longest): (&[usize], usize),
        steps: &mut Steps,
    ) -> Result<()> {
        let s = &self.settings;
        let (sequences, prompts) = rollout.samples.part(part);
        let mut clipped = 0.0;
        let step = trainee.learn(&sequences, &prompts, s.learning_rate, |micro| {
            let part = &part[micro.sequences.clone()];
            let tokens = rollout.samples.tokens_of(part);
            let lengths: Vec<usize> = part.iter().map(|&i| rollout.samples.lengths[i]).collect();
            let (old, advantages) = (at(&rollout.log_probs, &tokens), at(advantages, part));
            let flat = Flat { log_probs: &micro.log_probs, old: &old, lengths: &lengths, advantages: &advantages };
            let share = if s.surrogate.counts_tokens() { micro.of_tokens } else { micro.of_sequences };
            let mut weights = Weights { log_probs: vec![0.0; tokens.len()], ..Weights::default() };
            let value = s.surrogate.objective(&flat, longest, s.clip, -share, &mut weights.log_probs);
            let of_ratios = if s.surrogate == Surrogate::SequenceRatio { micro.of_sequences } else { micro.of_tokens };
            clipped += of_ratios * clip_fraction(s, &flat);
            weights.add_entropy(s.entropy_coefficient, micro);
            let kl = if s.kl.place == KlPlace::Loss && s.kl.coefficient > 0.0 {
                self.add_kl(rollout, (&tokens, &lengths, longest), micro, &mut weights)?
            } else {
                0.0
            };
            Ok((kl - share * value, weights))
        })?;
        steps.add(clipped, step.grad_norm);
        Ok(())
    }

    /// β · mean KL over a step's tokens, in the loss, averaged as the objective is.
    fn add_kl(
        &self,
        rollout: &Rollout,
        (tokens, lengths, longest): (&[usize], &[usize], usize),
        micro: &Part,
        weights: &mut Weights,
    ) -> Result<f64> {
        let surrogate = self.settings.surrogate;
        let of_part = if surrogate.kl_counts_tokens() { micro.of_tokens } else { micro.of_sequences };
        let scale = self.settings.kl.coefficient * of_part;
        let shares = surrogate.shares(lengths, longest);
        let loss = match self.settings.kl.estimate {
            KlEstimate::K1 => k1_loss,
            KlEstimate::K2 => k2_loss,
            KlEstimate::K3 => k3_loss,
            KlEstimate::Exact => return exact_kl(rollout, (tokens, lengths, &shares), micro, scale, weights),
        };
        let reference = at(&rollout.reference, tokens);
        Ok(in_shares(loss, [&micro.log_probs, &reference], (lengths, &shares), scale, &mut weights.log_probs))
    }
}

/// A loss that is a mean over tokens, taken sequence by sequence, each for its share.
fn in_shares(
    loss: fn(&[f64], &[f64], f64, &mut [f64]) -> f64,
    [log_probs, reference]: [&[f64]; 2],
    (lengths, shares): (&[usize], &[f64]),
    scale: f64,
    weights: &mut [f64],
) -> f64 {
    let (mut total, mut start) = (0.0, 0);
    for (length, share) in lengths.iter().zip(shares).filter(|(n, _)| **n > 0) {
        let range = start..start + length;
        start = range.end;
        let weight = scale * share;
        total += weight * loss(&log_probs[range.clone()], &reference[range.clone()], weight, &mut weights[range]);
    }
    total
}

/// The same of whole distributions.
fn exact_kl(
    rollout: &Rollout,
    (tokens, lengths, shares): (&[usize], &[usize], &[f64]),
    micro: &Part,
    scale: f64,
    weights: &mut Weights,
) -> Result<f64> {
    let Some(whole) = &rollout.whole else { return Ok(0.0) };
    let own = micro.distributions()?;
    let vocab = own.len() / tokens.len().max(1);
    let of_tokens =
        lengths.iter().zip(shares).flat_map(|(n, share)| std::iter::repeat_n(scale * share / *n as f64, *n));
    let mut loss = 0.0;
    let mut row_weights = vec![0.0; vocab];
    weights.distributions.reserve(own.len());
    for ((row, &token), share) in own.chunks_exact(vocab.max(1)).zip(tokens).zip(of_tokens) {
        row_weights.fill(0.0);
        loss += share * kl_loss(&wide(row), &whole.reference(token), share, &mut row_weights);
        weights.distributions.extend(row_weights.iter().map(|w| *w as f32));
    }
    Ok(loss)
}

/// The share of tokens, or of sequences if their ratio is one, whose gradient the clip stops.
fn clip_fraction(s: &PolicyGradientParams, f: &Flat) -> f64 {
    let per_token = || f.lengths.iter().zip(f.advantages).flat_map(|(n, a)| std::iter::repeat_n(*a, *n)).collect();
    let fraction = |new: &[f64], old: &[f64], a: &[f64]| metrics::clip_fraction(new, old, a, s.clip).region();
    match s.surrogate {
        Surrogate::Score => 0.0,
        Surrogate::SequenceRatio => {
            let mut start = 0;
            let mut sum = |n: &usize| {
                start += n;
                let range = start - n..start;
                f.log_probs[range.clone()].iter().zip(&f.old[range]).map(|(p, q)| p - q).sum()
            };
            let ratios: Vec<f64> = f.lengths.iter().map(&mut sum).collect();
            fraction(&ratios, &vec![0.0; ratios.len()], f.advantages)
        }
        _ if f.log_probs.is_empty() => 0.0,
        _ => {
            let advantages: Vec<f64> = per_token();
            fraction(f.log_probs, f.old, &advantages)
        }
    }
}

/// Trains on rewards: in every round `settings.prompts` of `prompts` are drawn, each is completed `settings.group` times,
/// and `reward(i, completion)` pays a completion of the i-th. `sampling` says where a completion ends and how long it
/// gets; its temperature is the settings'. The reference of the KL is the trainee as it comes.
///
/// # Errors
/// Illegal settings; an empty or over-long prompt; a reward that is not finite; training that diverges.
pub fn policy_gradient(
    trainee: &mut Trainee,
    settings: &PolicyGradientParams,
    prompts: &[Vec<u32>],
    sampling: &Sampling,
    mut reward: impl FnMut(usize, &[u32]) -> f64,
    rng: &mut Stream,
) -> Result<Vec<Round>> {
    let mut run = PolicyGradient::new(trainee, settings, rng.clone())?;
    let rounds = (0..settings.iterations).map(|_| run.round(trainee, prompts, sampling, &mut reward)).collect();
    *rng = run.rng;
    rounds
}
