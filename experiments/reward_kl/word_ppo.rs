//! PPO of the Markov writer, with a table for a critic and an adaptive KL coefficient.

use super::markov::Markov;
use super::pair_training::Checkpoint;
use rewardlab::error::{Error, Result};
use rewardlab::objective::{AdaptiveKl, gae_advantages, k1, kl_penalised_token_rewards, ppo_clip_objective, whiten};
use rewardlab::rng::Stream;
use rewardlab::stats::{mean, std_dev};
use serde::{Deserialize, Serialize};

/// PPO's settings here.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PpoSettings {
    /// Completions per round; positive.
    pub(crate) batch: usize,
    /// Passes over a round's completions; positive.
    pub(crate) epochs: usize,
    /// Completions per step; positive.
    pub(crate) minibatch: usize,
    /// ε of the clip; positive.
    pub(crate) clip: f64,
    /// λ of GAE, in [0, 1]; γ is 1.
    pub(crate) lambda: f64,
    /// Step of the critic's table towards returns; in (0, 1].
    pub(crate) critic_rate: f64,
    /// First coefficient of the KL in the reward, per nat; positive.
    pub(crate) kl_coefficient: f64,
    /// Its gain per round; in [0, 5).
    pub(crate) kl_gain: f64,
}

impl PpoSettings {
    /// # Errors
    /// A setting outside its range.
    pub(crate) fn validate(&self) -> Result<()> {
        Error::check_counts(&[
            ("ppo.batch", self.batch, 1, 1_000_000),
            ("ppo.epochs", self.epochs, 1, 1000),
            ("ppo.minibatch", self.minibatch, 1, self.batch),
        ])?;
        if !(0.0..=1.0).contains(&self.lambda) {
            return Err(Error::parameter("ppo.lambda", self.lambda, "in [0, 1]"));
        }
        if !(self.critic_rate > 0.0 && self.critic_rate <= 1.0) {
            return Err(Error::parameter("ppo.critic_rate", self.critic_rate, "in (0, 1]"));
        }
        if !(0.0..5.0).contains(&self.kl_gain) {
            return Err(Error::parameter("ppo.kl_gain", self.kl_gain, "in [0, 5)"));
        }
        Error::check_positive(&[("ppo.clip", self.clip), ("ppo.kl_coefficient", self.kl_coefficient)])
    }
}

/// PPO on rewards of whole completions of up to `length` words, to a KL target. `normalise` divides rewards by their running std and centres them.
pub(crate) fn ppo(
    reference: &Markov,
    prompts: &[Vec<u32>],
    length: usize,
    reward: &dyn Fn(&[u32], &[u32], &[usize]) -> f64,
    (settings, learning_rate, target, normalise): (PpoSettings, f64, f64, bool),
    (rounds, every): (usize, usize),
    rng: &mut Stream,
) -> Result<Vec<Checkpoint>> {
    let s = settings;
    let mut control = AdaptiveKl::new(s.kl_coefficient, target, s.kl_gain).ok_or_else(|| {
        Error::parameter("target_kl", target, "positive, with a positive coefficient and a gain in [0, 5)")
    })?;
    let room = prompts.iter().map(|p| reference.farthest(p, length)).fold(0.0, f64::max);
    if target >= room {
        return Err(Error::parameter("targets", target, format!("below the room, {room:.1} nats")));
    }
    let mut writer = reference.clone();
    let mut optimizer = writer.adam(learning_rate)?;
    // the critic: expected return by words written and row
    let mut critic = vec![writer.no_weights(); length];
    let mut seen: Vec<f64> = Vec::new();
    let mut checkpoints = Vec::new();
    for round in 1..=rounds {
        let mut cells = Vec::with_capacity(s.batch * length);
        // words written before each word, and each completion's words
        let (mut written, mut spans) = (Vec::new(), Vec::new());
        let mut paid = Vec::with_capacity(s.batch);
        for _ in 0..s.batch {
            let prompt = &prompts[rng.below(prompts.len())];
            let completion = writer.sample(prompt, length, rng);
            let own = writer.cells(prompt, &completion);
            paid.push(reward(prompt, &completion, &own));
            written.extend(0..own.len());
            spans.push(cells.len()..cells.len() + own.len());
            cells.extend(own);
        }
        if normalise {
            seen.extend(&paid);
            let (center, spread) = (mean(&seen), std_dev(&seen).max(1e-6));
            paid.iter_mut().for_each(|r| *r = (*r - center) / spread);
        }
        let old: Vec<f64> = cells.iter().map(|c| writer.log_prob(*c)).collect();
        let base: Vec<f64> = cells.iter().map(|c| reference.log_prob(*c)).collect();
        let lengths: Vec<usize> = spans.iter().map(ExactSizeIterator::len).collect();
        let mut rewards = vec![0.0; cells.len()];
        kl_penalised_token_rewards(&old, &base, &lengths, &paid, control.beta(), k1, &mut rewards);
        let row = |at: usize| cells[at] / writer.vocab() * writer.vocab();
        let values: Vec<f64> = (0..cells.len()).map(|at| critic[written[at]][row(at)]).collect();
        let mut advantages = vec![0.0; cells.len()];
        gae_advantages(&lengths, &rewards, &values, 1.0, s.lambda, &mut advantages);
        for at in 0..cells.len() {
            let value = &mut critic[written[at]][row(at)];
            *value += s.critic_rate * (advantages[at] + values[at] - *value);
        }
        whiten(&mut advantages);
        let kl: f64 = old.iter().zip(&base).map(|(o, b)| o - b).sum::<f64>() / s.batch as f64;
        for _ in 0..s.epochs {
            for part in rng.permutation(s.batch).chunks(s.minibatch) {
                let places: Vec<usize> = part.iter().flat_map(|i| spans[*i].clone()).collect();
                let of = |values: &[f64]| -> Vec<f64> { places.iter().map(|p| values[*p]).collect() };
                let now: Vec<f64> = places.iter().map(|p| writer.log_prob(cells[*p])).collect();
                let mut slopes = vec![0.0; places.len()];
                let scale = 1.0 / places.len() as f64;
                ppo_clip_objective(&now, &of(&old), &of(&advantages), s.clip, scale, &mut slopes);
                let mut weights = writer.no_weights();
                places.iter().zip(&slopes).for_each(|(p, slope)| weights[cells[*p]] += slope);
                writer.ascend(&mut optimizer, weights);
            }
        }
        control.update(kl);
        if round % every == 0 || round == rounds {
            checkpoints.push(Checkpoint { step: round, samples: round * s.batch, writer: writer.clone() });
        }
    }
    Ok(checkpoints)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts that end early and late: a reward of one per word teaches to go on, its opposite to end.
    #[test]
    fn texts_of_unequal_lengths() {
        let settings = PpoSettings {
            batch: 64,
            epochs: 2,
            minibatch: 16,
            clip: 0.2,
            lambda: 0.95,
            critic_rate: 0.1,
            kl_coefficient: 0.01,
            kl_gain: 0.1,
        };
        let reference = Markov::new(3, 1, vec![0.0; 9]).ending(Some(0));
        for sign in [1.0, -1.0] {
            let paid = |_: &[u32], _: &[u32], cells: &[usize]| sign * cells.len() as f64;
            let mut rng = Stream::named(&["tests", "ppo of unequal lengths"]);
            let last = ppo(&reference, &[vec![1]], 6, &paid, (settings, 0.05, 6.0, true), (20, 20), &mut rng)
                .expect("legal")
                .remove(0);
            let length = |writer: &Markov| {
                let mut rng = Stream::named(&["tests", "lengths"]);
                (0..500).map(|_| writer.sample(&[1], 6, &mut rng).len()).sum::<usize>() as f64 / 500.0
            };
            let (before, after) = (length(&reference), length(&last.writer));
            assert!(sign * (after - before) > 0.8, "{sign}: {before} to {after}");
        }
    }
}
