//! Training of a transformer on pairs, by any loss of pairs.

use super::loss::{PairBatch, PreferenceLoss};
use super::pairs::{TokenPair, check_pairs, chosen_first, pair_by_pair};
use crate::algorithm::resume::Resume;
use crate::algorithm::trainee::{Trainee, Weights};
use crate::error::{Error, Result};
use crate::lm::Schedule;
use crate::rng::Stream;
use serde::{Deserialize, Serialize};

/// How many sequences are scored at once before training: bounds the engine's memory, changes no bit.
const SCORED: usize = 512;

/// Training on pairs between two steps: minibatches drawn epoch by epoch in random order, the reference's log-probabilities
/// computed once, at the start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PreferenceTuning {
    #[serde(with = "as_json")]
    loss: PreferenceLoss,
    schedule: Schedule,
    /// Pairs per step.
    size: usize,
    step: u64,
    /// What is left of the epoch; the next is at the end.
    order: Vec<usize>,
    /// log `π_ref` of every pair's chosen and rejected completion, nats.
    reference: Vec<[f64; 2]>,
    /// For KTO only: which pair's prompt every chosen completion is put behind, and its log `π_ref` there.
    strangers: Vec<usize>,
    mismatched: Vec<f64>,
    rng: Stream,
}

/// What a step saw before it moved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairStep {
    /// The loss, a mean over pairs.
    pub loss: f64,
    /// Mean log π of the chosen completions, nats.
    pub chosen: f64,
    /// Mean log π of the rejected ones.
    pub rejected: f64,
    /// Share of pairs whose chosen completion gained more on the reference than the rejected one: whose implicit rewards are as
    /// labelled.
    pub accuracy: f64,
    /// KTO's estimate of the KL to the reference, nats; 0 for other losses.
    pub kl: f64,
    /// Norm of the gradient before it was scaled down.
    pub grad_norm: f64,
}

/// The prompt that a pair's chosen completion is put behind to estimate the KL: that of the next pair with another one, as in
/// TRL's data set for KTO; its own where all pairs have one prompt.
fn strangers(pairs: &[TokenPair]) -> Vec<usize> {
    let n = pairs.len();
    let mut next: Vec<usize> = (0..n).collect();
    if pairs.iter().all(|p| p.prompt == pairs[0].prompt) {
        return next;
    }
    // twice round from the end: the second time knows what comes after the last
    for i in (0..2 * n).rev() {
        let (own, after) = (i % n, (i + 1) % n);
        next[own] = if pairs[own].prompt == pairs[after].prompt { next[after] } else { after };
    }
    next
}

impl PreferenceTuning {
    /// A run of `schedule.steps` steps on minibatches of `size` pairs, whose reference is the trainee as it is now.
    ///
    /// # Errors
    /// An illegal loss or schedule; a size of 0; no pair; an empty prompt or completion; a chosen completion that is the rejected
    /// one; a sequence that does not fit the model.
    pub fn new(
        trainee: &mut Trainee,
        pairs: &[TokenPair],
        loss: PreferenceLoss,
        schedule: &Schedule,
        size: usize,
        rng: Stream,
    ) -> Result<Self> {
        loss.validate()?;
        schedule.validate()?;
        if size == 0 {
            return Err(Error::parameter("size", size, "at least 1 pair per step"));
        }
        check_pairs(pairs)?;
        let mut of_reference = Vec::with_capacity(2 * pairs.len());
        for some in pairs.chunks(SCORED / 2) {
            let sequences: Vec<Vec<u32>> = some.iter().flat_map(TokenPair::sequences).collect();
            let prompts: Vec<usize> = some.iter().flat_map(|p| [p.prompt.len(); 2]).collect();
            of_reference.extend(trainee.completion_log_probs(&sequences, &prompts)?);
        }
        let mut run = Self {
            loss,
            schedule: *schedule,
            size,
            step: 0,
            order: Vec::new(),
            reference: of_reference.as_chunks::<2>().0.to_vec(),
            strangers: Vec::new(),
            mismatched: Vec::new(),
            rng,
        };
        if loss.needs_kl() {
            run.strangers = strangers(pairs);
            let all: Vec<usize> = (0..pairs.len()).collect();
            for some in all.chunks(SCORED) {
                let log_probs = run.behind_strangers(trainee, pairs, some)?;
                run.mismatched.extend(log_probs);
            }
        }
        Ok(run)
    }

    /// Whether all steps are made.
    pub fn is_done(&self) -> bool {
        self.step >= self.schedule.steps
    }

    /// One step on the next minibatch. All steps of a run are on the same pairs, those that it was begun with.
    ///
    /// # Errors
    /// More or fewer pairs than at the start; training that diverges.
    pub fn step(&mut self, trainee: &mut Trainee, pairs: &[TokenPair]) -> Result<PairStep> {
        Error::check_shape("pairs of the run", self.reference.len(), pairs.len())?;
        let mut batch = Vec::with_capacity(self.size);
        while batch.len() < self.size.min(pairs.len()) {
            if self.order.is_empty() {
                self.order = self.rng.permutation(pairs.len());
            }
            batch.extend(self.order.pop());
        }
        let kl = if self.loss.needs_kl() {
            let now = self.behind_strangers(trainee, pairs, &batch)?;
            let ratios = now.iter().zip(&batch).map(|(lp, i)| lp - self.mismatched[*i]);
            (ratios.sum::<f64>() / batch.len() as f64).max(0.0)
        } else {
            0.0
        };
        let step = self.descend(trainee, pairs, &batch, kl)?;
        self.step += 1;
        Ok(step)
    }

    /// log π of these pairs' chosen completions behind other prompts.
    fn behind_strangers(&self, trainee: &mut Trainee, pairs: &[TokenPair], some: &[usize]) -> Result<Vec<f64>> {
        let prompt = |i: &usize| &pairs[self.strangers[*i]].prompt[..];
        let sequences: Vec<Vec<u32>> = some.iter().map(|i| [prompt(i), &pairs[*i].chosen].concat()).collect();
        let prompts: Vec<usize> = some.iter().map(|i| prompt(i).len()).collect();
        trainee.completion_log_probs(&sequences, &prompts)
    }

    fn descend(&self, trainee: &mut Trainee, pairs: &[TokenPair], batch: &[usize], kl: f64) -> Result<PairStep> {
        let sequences: Vec<Vec<u32>> = batch.iter().flat_map(|i| pairs[*i].sequences()).collect();
        let prompts: Vec<usize> = batch.iter().flat_map(|i| [pairs[*i].prompt.len(); 2]).collect();
        let lengths: Vec<usize> = sequences.iter().zip(&prompts).map(|(s, p)| s.len() - p).collect();
        let reference: Vec<f64> = batch.iter().flat_map(|i| self.reference[*i]).collect();
        let slices: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
        let (mut sides, mut right) = ([0.0; 2], 0_usize);
        let rate = self.schedule.rate(self.step);
        let step = trainee.learn_in_groups(2, &slices, &prompts, rate, |part| {
            let (lengths, reference) = (&lengths[part.sequences.clone()], &reference[part.sequences.clone()]);
            let log_probs = part.sums(lengths);
            for (own, base) in log_probs.as_chunks::<2>().0.iter().zip(reference.as_chunks::<2>().0) {
                right += usize::from(own[0] - base[0] > own[1] - base[1]);
                sides.iter_mut().zip(own).for_each(|(sum, lp)| *sum += lp);
            }
            let (ordered, of_reference) = (chosen_first(&log_probs), chosen_first(reference));
            let of_lengths = chosen_first(lengths);
            let seen = PairBatch { log_probs: &ordered, reference: &of_reference, lengths: &of_lengths, kl };
            let mut slopes = vec![0.0; ordered.len()];
            let loss = self.loss.value(&seen, part.of_sequences, &mut slopes);
            // the tokens of a completion share its weight
            let of_tokens = pair_by_pair(&slopes).into_iter().zip(lengths);
            let weights = of_tokens.flat_map(|(w, n)| std::iter::repeat_n(w, *n)).collect();
            Ok((part.of_sequences * loss, Weights { log_probs: weights, ..Weights::default() }))
        })?;
        let count = batch.len() as f64;
        Ok(PairStep {
            loss: step.loss,
            chosen: sides[0] / count,
            rejected: sides[1] / count,
            accuracy: right as f64 / count,
            kl,
            grad_norm: step.grad_norm,
        })
    }
}

/// The loss names its kind in the data, which the checkpoint's own format cannot read back; JSON keeps every bit of an f64.
mod as_json {
    use super::PreferenceLoss;
    use serde::{Deserialize, Deserializer, Serializer, de, ser};

    pub(super) fn serialize<S: Serializer>(loss: &PreferenceLoss, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&serde_json::to_string(loss).map_err(ser::Error::custom)?)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PreferenceLoss, D::Error> {
        serde_json::from_str(&String::deserialize(from)?).map_err(de::Error::custom)
    }
}

impl Resume for PreferenceTuning {
    const LOOP: &'static str = "preference_tuning";
}

/// Trains on pairs: `schedule.steps` steps on minibatches of `size` pairs, drawn epoch by epoch in random order. The reference is the
/// trainee as it comes.
///
/// # Errors
/// As [`PreferenceTuning::new`]; training that diverges.
pub fn preference_tuning(
    trainee: &mut Trainee,
    pairs: &[TokenPair],
    loss: PreferenceLoss,
    size: usize,
    schedule: &Schedule,
    rng: &mut Stream,
) -> Result<Vec<PairStep>> {
    let mut run = PreferenceTuning::new(trainee, pairs, loss, schedule, size, rng.clone())?;
    let steps = (0..schedule.steps).map(|_| run.step(trainee, pairs)).collect();
    *rng = run.rng;
    steps
}

#[cfg(test)]
mod tests;
