//! The methods on the sentiment world: preference losses of pairs, reward models, PPO. Each leaves checkpoints.

use super::super::markov::Markov;
use super::super::reviews::TextPair;
use rewardlab::algorithm::{Adam, Optimizer};
use rewardlab::error::{Error, Result};
use rewardlab::objective::{
    AdaptiveKl, bradley_terry_loss, dpo_loss, gae_advantages, k1, kl_penalised_token_rewards, ppo_clip_objective,
    unlikelihood_loss, whiten,
};
use rewardlab::rng::Stream;
use rewardlab::stats::{mean, std_dev};
use serde::{Deserialize, Serialize};

/// A writer at some moment of its training.
pub(super) struct Checkpoint {
    pub(super) step: usize,
    /// Completions that its data or its rounds have taken from a writer.
    pub(super) samples: usize,
    pub(super) writer: Markov,
}

/// Which loss of pairs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum PairLoss {
    Dpo { beta: f64 },
    Unlikelihood { alpha: f64 },
    Preferred,
}

/// Budget of training on pairs.
#[derive(Clone, Copy, Debug)]
pub(super) struct PairBudget {
    pub(super) steps: usize,
    pub(super) batch: usize,
    /// Steps between checkpoints.
    pub(super) every: usize,
    /// Completions behind the pairs.
    pub(super) samples: usize,
}

/// Trains the reference on pairs, in epochs of all of them in random order.
pub(super) fn on_pairs(
    reference: &Markov,
    pairs: &[TextPair],
    loss: PairLoss,
    (learning_rate, budget): (f64, PairBudget),
    rng: &mut Stream,
) -> Result<Vec<Checkpoint>> {
    let cells: Vec<[Vec<usize>; 2]> =
        pairs.iter().map(|p| [&p.chosen, &p.rejected].map(|c| reference.cells(&p.prompt, c))).collect();
    let base: Vec<[f64; 2]> = cells.iter().map(|c| c.each_ref().map(|c| reference.log_prob_of(c))).collect();
    let mut writer = reference.clone();
    let mut optimizer = writer.adam(learning_rate)?;
    let mut order: Vec<usize> = Vec::new();
    let mut checkpoints = Vec::new();
    for step in 1..=budget.steps {
        let mut batch = Vec::with_capacity(budget.batch);
        while batch.len() < budget.batch {
            if order.is_empty() {
                order = rng.permutation(pairs.len());
            }
            batch.extend(order.pop());
        }
        let both = |of: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
            (0..2).flat_map(|side| batch.iter().map(move |i| of(*i, side))).collect()
        };
        let log_probs = both(&|i, side| writer.log_prob_of(&cells[i][side]));
        let mut slopes = vec![0.0; log_probs.len()];
        match loss {
            PairLoss::Dpo { beta } => dpo_loss(&log_probs, &both(&|i, side| base[i][side]), beta, -1.0, &mut slopes),
            PairLoss::Unlikelihood { alpha } => unlikelihood_loss(&log_probs, alpha, -1.0, &mut slopes),
            PairLoss::Preferred => unlikelihood_loss(&log_probs, 0.0, -1.0, &mut slopes),
        };
        let mut weights = writer.no_weights();
        for (k, slope) in slopes.iter().enumerate() {
            let (i, side) = (batch[k % batch.len()], k / batch.len());
            cells[i][side].iter().for_each(|c| weights[*c] += slope);
        }
        writer.ascend(&mut optimizer, weights);
        if step % budget.every == 0 || step == budget.steps {
            checkpoints.push(Checkpoint { step, samples: budget.samples, writer: writer.clone() });
        }
    }
    Ok(checkpoints)
}

/// A reward that was learned from pairs: a sum of the writer's table of cells.
pub(super) struct RewardModel {
    scores: Vec<f64>,
    /// Share of pairs, held out, that it ranks as labelled.
    pub(super) accuracy: f64,
}

impl RewardModel {
    pub(super) fn score(&self, cells: &[usize]) -> f64 {
        cells.iter().map(|c| self.scores[*c]).sum()
    }

    /// Bradley–Terry on nine pairs of ten, the checkpoint of the best accuracy on the tenth (Appendix C.1 of arXiv:2305.18290).
    pub(super) fn learn(
        shape: &Markov,
        pairs: &[TextPair],
        learning_rate: f64,
        epochs: usize,
        rng: &mut Stream,
    ) -> Result<Self> {
        let cells: Vec<[Vec<usize>; 2]> =
            pairs.iter().map(|p| [&p.chosen, &p.rejected].map(|c| shape.cells(&p.prompt, c))).collect();
        let order = rng.permutation(pairs.len());
        let (held_out, train) = order.split_at(pairs.len() / 10);
        if held_out.is_empty() {
            return Err(Error::parameter("pairs", pairs.len(), "ten or more for a reward model"));
        }
        let mut model = Self { scores: shape.no_weights(), accuracy: 0.0 };
        let mut best = model.scores.clone();
        let mut optimizer = Adam::new(learning_rate, model.scores.len())?;
        for _ in 0..epochs {
            for batch in rng.permutation(train.len()).chunks(64) {
                let batch: Vec<usize> = batch.iter().map(|k| train[*k]).collect();
                let scores: Vec<f64> = (0..2)
                    .flat_map(|side| batch.iter().map(|i| model.score(&cells[*i][side])).collect::<Vec<_>>())
                    .collect();
                let mut slopes = vec![0.0; scores.len()];
                bradley_terry_loss(&scores, &vec![1.0; batch.len()], -1.0, &mut slopes);
                let mut gradient = shape.no_weights();
                for (k, slope) in slopes.iter().enumerate() {
                    cells[batch[k % batch.len()]][k / batch.len()].iter().for_each(|c| gradient[*c] += slope);
                }
                optimizer.ascend(&mut model.scores, &gradient);
            }
            let right = held_out.iter().filter(|i| model.score(&cells[**i][0]) > model.score(&cells[**i][1])).count();
            let accuracy = right as f64 / held_out.len() as f64;
            if accuracy > model.accuracy {
                (model.accuracy, best) = (accuracy, model.scores.clone());
            }
        }
        model.scores = best;
        Ok(model)
    }
}

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

/// PPO on rewards of whole completions, to a KL target. `normalise` divides rewards by their running std and centres them.
pub(super) fn ppo(
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
    let mut writer = reference.clone();
    let mut optimizer = writer.adam(learning_rate)?;
    // the critic: expected return by words written and row
    let mut critic = vec![writer.no_weights(); length];
    let mut seen: Vec<f64> = Vec::new();
    let mut checkpoints = Vec::new();
    for round in 1..=rounds {
        let mut cells = Vec::with_capacity(s.batch * length);
        let mut paid = Vec::with_capacity(s.batch);
        for _ in 0..s.batch {
            let prompt = &prompts[rng.below(prompts.len())];
            let completion = writer.sample(prompt, length, rng);
            let own = writer.cells(prompt, &completion);
            paid.push(reward(prompt, &completion, &own));
            cells.extend(own);
        }
        if normalise {
            seen.extend(&paid);
            let (center, spread) = (mean(&seen), std_dev(&seen).max(1e-6));
            paid.iter_mut().for_each(|r| *r = (*r - center) / spread);
        }
        let old: Vec<f64> = cells.iter().map(|c| writer.log_prob(*c)).collect();
        let base: Vec<f64> = cells.iter().map(|c| reference.log_prob(*c)).collect();
        let lengths = vec![length; s.batch];
        let mut rewards = vec![0.0; cells.len()];
        kl_penalised_token_rewards(&old, &base, &lengths, &paid, control.beta(), k1, &mut rewards);
        let row = |at: usize| cells[at] / writer.vocab() * writer.vocab();
        let values: Vec<f64> = (0..cells.len()).map(|at| critic[at % length][row(at)]).collect();
        let mut advantages = vec![0.0; cells.len()];
        gae_advantages(&lengths, &rewards, &values, 1.0, s.lambda, &mut advantages);
        for at in 0..cells.len() {
            let value = &mut critic[at % length][row(at)];
            *value += s.critic_rate * (advantages[at] + values[at] - *value);
        }
        whiten(&mut advantages);
        let kl: f64 = old.iter().zip(&base).map(|(o, b)| o - b).sum::<f64>() / s.batch as f64;
        for _ in 0..s.epochs {
            for part in rng.permutation(s.batch).chunks(s.minibatch) {
                let places: Vec<usize> = part.iter().flat_map(|i| i * length..(i + 1) * length).collect();
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
