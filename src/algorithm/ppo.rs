//! PPO of a transformer, as trainers of language models have it: a value head on the policy's own body, GAE, several epochs
//! of minibatches on every batch of samples, the KL to the reference in the reward, its coefficient adapted.

use super::trainee::Trainee;
use crate::error::{Error, Result};
use crate::lm::cpu::{Keep, Sample, Sampling, Scores, Signal};
use crate::lm::{Batch, Choices};
use crate::objective::{
    AdaptiveKl, clipped_value_loss, gae_advantages, k1, kl_penalised_token_rewards, ppo_clip_objective, whiten,
};
use crate::rng::Stream;
use serde::{Deserialize, Serialize};

/// Settings of [`ppo`]. The defaults are those of the code of arXiv:2310.20703 where it has them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PpoParams {
    /// Rounds of sampling and learning; at least 1.
    pub iterations: usize,
    /// Samples per round; at least 2.
    pub samples: usize,
    /// Passes over a round's samples; at least 1.
    pub epochs: usize,
    /// Sequences per step; at least 1.
    pub minibatch: usize,
    /// Learning rate, positive.
    pub learning_rate: f64,
    /// ε of the ratio's clip, and the range of the value's; positive.
    pub clip: f64,
    /// Discount per token, in (0, 1].
    pub gamma: f64,
    /// λ of GAE, in \[0, 1\].
    pub lambda: f64,
    /// Weight of the value loss, at least 0.
    pub value_coefficient: f64,
    /// Weight of the mean entropy per token, per nat; at least 0.
    pub entropy_coefficient: f64,
    /// First weight of the KL to the reference in the reward, per nat; positive.
    pub kl_coefficient: f64,
    /// The KL per sequence that the weight is steered to, nats; positive.
    pub kl_target: f64,
    /// Of sampling; positive.
    pub temperature: f64,
}

impl Default for PpoParams {
    fn default() -> Self {
        Self {
            iterations: 100,
            samples: 64,
            epochs: 5,
            minibatch: 32,
            learning_rate: 3e-4,
            clip: 0.2,
            gamma: 0.99,
            lambda: 0.95,
            value_coefficient: 0.5,
            entropy_coefficient: 0.0,
            kl_coefficient: 1e-3,
            kl_target: 1.0,
            temperature: 1.0,
        }
    }
}

impl PpoParams {
    /// Fails on the first setting outside its legal range.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn validate(&self) -> Result<()> {
        let counts = [
            ("iterations", self.iterations, 1),
            ("samples", self.samples, 2),
            ("epochs", self.epochs, 1),
            ("minibatch", self.minibatch, 1),
        ];
        if let Some((name, value, least)) = counts.into_iter().find(|(_, value, least)| value < least) {
            return Err(Error::parameter(name, value, format!("at least {least}")));
        }
        let positive = |v: f64| v > 0.0 && v.is_finite();
        let at_least_0 = |v: f64| v >= 0.0 && v.is_finite();
        for (name, value, legal, ok) in [
            ("learning_rate", self.learning_rate, "positive", positive(self.learning_rate)),
            ("clip", self.clip, "positive", positive(self.clip)),
            ("gamma", self.gamma, "in (0, 1]", self.gamma > 0.0 && self.gamma <= 1.0),
            ("lambda", self.lambda, "in [0, 1]", self.lambda >= 0.0 && self.lambda <= 1.0),
            ("value_coefficient", self.value_coefficient, "at least 0", at_least_0(self.value_coefficient)),
            ("entropy_coefficient", self.entropy_coefficient, "at least 0", at_least_0(self.entropy_coefficient)),
            ("kl_coefficient", self.kl_coefficient, "positive", positive(self.kl_coefficient)),
            ("kl_target", self.kl_target, "positive", positive(self.kl_target)),
            ("temperature", self.temperature, "positive", positive(self.temperature)),
        ] {
            if !ok {
                return Err(Error::parameter(name, value, legal));
            }
        }
        Ok(())
    }
}

/// What a round saw before it learned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PpoRound {
    /// Mean reward of the samples, without the KL penalty.
    pub reward: f64,
    /// k1 estimate of the KL to the reference per sequence, nats: mean over samples of Σ log π − log `π_ref`.
    pub kl_k1: f64,
    /// Mean entropy per token, nats.
    pub entropy: f64,
    /// Weight of the KL in the reward.
    pub kl_coefficient: f64,
}

/// A round's samples, one entry per token of all completions unless said otherwise.
struct Rollout {
    /// Prompt and completion of each sequence.
    sequences: Vec<Vec<u32>>,
    /// Tokens of each prompt.
    prompts: Vec<usize>,
    /// Tokens of each completion.
    lengths: Vec<usize>,
    old_log_probs: Vec<f64>,
    old_values: Vec<f64>,
    advantages: Vec<f64>,
    returns: Vec<f64>,
}

/// Trains on rewards: `prompt(i)` is the i-th prompt, drawn anew for every sample; `reward(i, completion)` its reward.
/// The model's score head 0 is its value head. `sampling` says where a completion ends and how long it gets; its
/// temperature is the settings'.
///
/// # Errors
/// Illegal settings; a model without a score head; an empty or over-long prompt; a reward that is not finite; training
/// that diverges.
pub fn ppo(
    trainee: &mut Trainee,
    settings: &PpoParams,
    prompts: &[Vec<u32>],
    sampling: &Sampling,
    mut reward: impl FnMut(usize, &[u32]) -> f64,
    rng: &mut Stream,
) -> Result<Vec<PpoRound>> {
    settings.validate()?;
    if prompts.is_empty() {
        return Err(Error::Usage("reinforcement finetuning needs at least one prompt".into()));
    }
    let sampling = Sampling { temperature: settings.temperature, ..*sampling };
    let reference = trainee.params.clone();
    let mut control = AdaptiveKl::new(settings.kl_coefficient, settings.kl_target, 0.1)
        .ok_or_else(|| Error::parameter("kl_coefficient", settings.kl_coefficient, "positive"))?;
    let mut rounds = Vec::with_capacity(settings.iterations);
    for _ in 0..settings.iterations {
        let drawn: Vec<usize> = (0..settings.samples).map(|_| rng.below(prompts.len())).collect();
        let asked: Vec<&[u32]> = drawn.iter().map(|&i| prompts[i].as_slice()).collect();
        let mut streams: Vec<Stream> = drawn.iter().map(|_| rng.split()).collect();
        let samples = trainee.engine.sample(&trainee.params, &asked, &sampling, &mut streams)?;
        let rewards: Vec<f64> = drawn.iter().zip(&samples).map(|(&i, s)| reward(i, &s.tokens)).collect();
        Error::check_finite("reward", &rewards)?;
        let (rollout, round) = evaluate(trainee, settings, &reference, &asked, &samples, &rewards, control.beta())?;
        control.update(round.kl_k1);
        rounds.push(round);
        for _ in 0..settings.epochs {
            for part in rng.permutation(settings.samples).chunks(settings.minibatch) {
                learn(trainee, settings, &rollout, part)?;
            }
        }
    }
    Ok(rounds)
}

/// Values, log-probabilities under policy and reference, advantages and returns of fresh samples.
fn evaluate(
    trainee: &mut Trainee,
    settings: &PpoParams,
    reference: &[f32],
    prompts: &[&[u32]],
    samples: &[Sample],
    rewards: &[f64],
    beta: f64,
) -> Result<(Rollout, PpoRound)> {
    let sequences: Vec<Vec<u32>> =
        prompts.iter().zip(samples).map(|(p, s)| [p, s.tokens.as_slice()].concat()).collect();
    let prompts: Vec<usize> = prompts.iter().map(|p| p.len()).collect();
    let lengths: Vec<usize> = samples.iter().map(|s| s.tokens.len()).collect();
    let batch = Batch::new(&sequences);
    let choices = batch.completions(&prompts)?;
    let of_reference = trainee.score(reference, &batch, &choices)?;
    trainee.engine.forward(&trainee.params, &batch, Keep::Final)?;
    let old_log_probs = trainee.engine.log_probs(&trainee.params, &choices)?.to_vec();
    let entropy = mean(trainee.engine.entropies());
    let old_values = trainee.engine.scores(&trainee.params, 0, &choices.rows)?;
    let tokens = old_log_probs.len();
    let (mut token_rewards, mut advantages) = (vec![0.0; tokens], vec![0.0; tokens]);
    kl_penalised_token_rewards(&old_log_probs, &of_reference, &lengths, rewards, beta, k1, &mut token_rewards);
    gae_advantages(&lengths, &token_rewards, &old_values, settings.gamma, settings.lambda, &mut advantages);
    let returns = advantages.iter().zip(&old_values).map(|(a, v)| a + v).collect();
    whiten(&mut advantages);
    let log_ratio: f64 = old_log_probs.iter().zip(&of_reference).map(|(p, r)| p - r).sum();
    let round =
        PpoRound { reward: mean(rewards), kl_k1: log_ratio / samples.len() as f64, entropy, kl_coefficient: beta };
    Ok((Rollout { sequences, prompts, lengths, old_log_probs, old_values, advantages, returns }, round))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// One step on some of a round's sequences.
fn learn(trainee: &mut Trainee, settings: &PpoParams, rollout: &Rollout, part: &[usize]) -> Result<()> {
    let sequences: Vec<&[u32]> = part.iter().map(|&i| rollout.sequences[i].as_slice()).collect();
    let prompts: Vec<usize> = part.iter().map(|&i| rollout.prompts[i]).collect();
    let batch = Batch::new(&sequences);
    let choices: Choices = batch.completions(&prompts)?;
    let gather = |of: &[f64]| -> Vec<f64> { tokens_of(&rollout.lengths, part).map(|t| of[t]).collect() };
    trainee.engine.forward(&trainee.params, &batch, Keep::All)?;
    let values = trainee.engine.scores(&trainee.params, 0, &choices.rows)?;
    let log_probs = trainee.engine.log_probs(&trainee.params, &choices)?;
    let share = 1.0 / log_probs.len() as f64;
    let (mut weights, mut value_weights) = (vec![0.0; log_probs.len()], vec![0.0; log_probs.len()]);
    // descent on −(surrogate + entropy) + value loss
    let (old, advantages) = (gather(&rollout.old_log_probs), gather(&rollout.advantages));
    ppo_clip_objective(log_probs, &old, &advantages, settings.clip, -share, &mut weights);
    let (old_values, returns) = (gather(&rollout.old_values), gather(&rollout.returns));
    clipped_value_loss(&values, &old_values, &returns, settings.clip, settings.value_coefficient, &mut value_weights);
    let entropies = vec![-settings.entropy_coefficient * share; log_probs.len()];
    let scores = [Scores { head: 0, rows: &choices.rows, weights: &value_weights }];
    let signal = Signal {
        log_probs: &weights,
        entropies: if settings.entropy_coefficient > 0.0 { &entropies } else { &[] },
        scores: &scores,
        ..Signal::default()
    };
    trainee.descend(&signal, settings.learning_rate)?;
    Ok(())
}

/// The places of the tokens of some sequences among those of all, in the order of `part`.
fn tokens_of<'a>(lengths: &'a [usize], part: &'a [usize]) -> impl Iterator<Item = usize> + 'a {
    let starts: Vec<usize> = lengths
        .iter()
        .scan(0, |at, l| {
            *at += l;
            Some(*at - l)
        })
        .collect();
    part.iter().flat_map(move |&i| starts[i]..starts[i] + lengths[i])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lm::{Config, ScoreHead, Size, init};

    fn trainee() -> Trainee {
        let size = Size { vocab: 6, width: 16, layers: 1, heads: 2, context: 8 };
        let config = Config { scores: vec![ScoreHead { name: "value".into(), outputs: 1 }], ..Config::gpt2(size) };
        let params = init(&config, 0.1, &mut Stream::named(&["ppo"])).expect("a layout");
        Trainee::new(&config, params, 0.5).expect("legal")
    }

    fn settings() -> PpoParams {
        PpoParams { iterations: 25, samples: 32, epochs: 3, minibatch: 16, learning_rate: 3e-3, ..PpoParams::default() }
    }

    fn train(reward: impl FnMut(usize, &[u32]) -> f64) -> Result<(Trainee, Vec<PpoRound>)> {
        let mut trainee = trainee();
        let sampling = Sampling { end: Some(5), ..Sampling::plain(4) };
        let prompts = [vec![0, 1], vec![0, 2]];
        let rounds = ppo(&mut trainee, &settings(), &prompts, &sampling, reward, &mut Stream::named(&["rollouts"]))?;
        Ok((trainee, rounds))
    }

    /// The reward is for the prompt's second token, said at once: 1/6 by chance.
    #[test]
    fn learns_what_is_rewarded_and_repeats_its_bits() {
        let run = || train(|i, output| f64::from(u8::from(output.first() == Some(&(i as u32 + 1))))).expect("finite");
        let ((one, rounds), (two, _)) = (run(), run());
        assert!(rounds[0].reward < 0.5 && rounds[24].reward > 0.8, "{rounds:?}");
        assert_eq!(rounds[0].kl_k1, 0.0);
        assert!(rounds[24].kl_k1 > 0.1);
        assert_eq!(one.params, two.params);
    }

    #[test]
    fn bad_settings_and_rewards_are_refused() {
        assert!(matches!(train(|_, _| f64::NAN), Err(Error::NotFinite { .. })));
        for wrong in [
            PpoParams { samples: 1, ..settings() },
            PpoParams { clip: 0.0, ..settings() },
            PpoParams { gamma: 1.5, ..settings() },
            PpoParams { kl_target: f64::NAN, ..settings() },
        ] {
            assert!(matches!(wrong.validate(), Err(Error::Parameter { .. })));
        }
    }
}
