//! PPO of a transformer, as trainers of language models have it: a critic, GAE, several epochs of minibatches on every batch of
//! samples, the KL to the reference in the reward, its coefficient adapted.
//!
//! The critic is a linear head on the policy's own body, which its loss trains too, as in TRL. It starts at zero: what a random
//! critic says would move the policy where there is no reward at all. (RL4LMs, the trainer of the GRUE tasks, has a second
//! model of its own as critic; its value loss is not clipped, as here.)

use super::resume::Resume;
use super::rollout::{Rollout, Round, Samples, Steps, at, one_by_one};
use super::trainee::{Frozen, Trainee, Weights};
use crate::error::{Error, Result};
use crate::lm::cpu::Sampling;
use crate::metrics;
use crate::objective::{
    AdaptiveKl, gae_advantages, k1, kl_penalised_token_rewards, ppo_clip_objective, value_loss, whiten,
};
use crate::rng::Stream;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

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
    /// ε of the ratio's clip; positive.
    pub clip: f64,
    /// Discount per token, in (0, 1].
    pub gamma: f64,
    /// λ of GAE, in \[0, 1\].
    pub lambda: f64,
    /// Whether a minibatch's advantages are shifted and scaled to mean 0 and variance 1, as trainers have it. Where all rewards
    /// are nearly equal this scales up what the critic does not know, not a signal.
    pub normalise_advantages: bool,
    /// Weight of the critic's mean squared error, at least 0.
    pub value_coefficient: f64,
    /// Weight of the mean entropy per token, per nat; at least 0.
    pub entropy_coefficient: f64,
    /// First weight of the KL to the reference in the reward, per nat; positive.
    pub kl_coefficient: f64,
    /// The KL per sequence that the weight is steered to, nats; positive. (RL4LMs averages over tokens, so that its target of the same
    /// number is a looser one.) A round changes the weight by at most a fiftieth: over few rounds, from a small weight, the
    /// controller steers little.
    pub kl_target: f64,
    /// Of sampling; positive. Log-probabilities stay those of the policy at temperature 1, as in RL4LMs, so that at another one
    /// learning is off-policy.
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
            normalise_advantages: true,
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
        Error::check_counts(&[
            ("iterations", self.iterations, 1, usize::MAX),
            ("samples", self.samples, 2, usize::MAX),
            ("epochs", self.epochs, 1, usize::MAX),
            ("minibatch", self.minibatch, 1, usize::MAX),
        ])?;
        Error::check_positive(&[
            ("learning_rate", self.learning_rate),
            ("clip", self.clip),
            ("kl_coefficient", self.kl_coefficient),
            ("kl_target", self.kl_target),
            ("temperature", self.temperature),
        ])?;
        Error::check_not_negative(&[
            ("value_coefficient", self.value_coefficient),
            ("entropy_coefficient", self.entropy_coefficient),
        ])?;
        for (name, value, legal, ok) in [
            ("gamma", self.gamma, "in (0, 1]", self.gamma > 0.0 && self.gamma <= 1.0),
            ("lambda", self.lambda, "in [0, 1]", self.lambda >= 0.0 && self.lambda <= 1.0),
        ] {
            if !ok {
                return Err(Error::parameter(name, value, legal));
            }
        }
        Ok(())
    }
}

/// A PPO run between two rounds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ppo {
    settings: PpoParams,
    rounds: usize,
    control: AdaptiveKl,
    /// Of all rewards so far, if they are normalised.
    scale: Option<Running>,
    rng: Stream,
    #[serde(skip)]
    reference: Frozen,
}

/// Count, mean and sum of squared deviations of a growing sample (Welford).
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Running {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Running {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let from = value - self.mean;
        self.mean += from / self.count;
        self.squares += from * (value - self.mean);
    }

    /// Shifted by the mean, over the standard deviation, which is at least 1e-6.
    fn normalised(&self, value: f64) -> f64 {
        let variance = self.squares / (self.count - 1.0).max(1.0);
        (value - self.mean) / variance.sqrt().max(1e-6)
    }
}

impl Resume for Ppo {
    const LOOP: &'static str = "ppo";
    const REFERENCES: usize = 1;

    fn reference(&self) -> Result<Cow<'_, [f32]>> {
        self.reference.values()
    }

    fn set_reference(&mut self, trainee: &Trainee, values: Vec<f32>) -> Result<()> {
        self.reference = trainee.freeze_at(&values)?;
        Ok(())
    }
}

/// What a round learns from, one entry per token of all completions.
struct Targets {
    advantages: Vec<f64>,
    returns: Vec<f64>,
}

impl Ppo {
    /// A run whose reference is the trainee as it is now; its critic, score head 0, is set to zero.
    ///
    /// # Errors
    /// Illegal settings; a model without a score head.
    pub fn new(trainee: &mut Trainee, settings: &PpoParams, rng: Stream) -> Result<Self> {
        settings.validate()?;
        trainee.clear_score_head()?;
        let control = AdaptiveKl::new(settings.kl_coefficient, settings.kl_target, 0.1)
            .ok_or_else(|| Error::parameter("kl_coefficient", settings.kl_coefficient, "positive"))?;
        let reference = trainee.freeze()?;
        Ok(Self { settings: settings.clone(), rounds: 0, control, scale: None, rng, reference })
    }

    /// Sets the gain of the KL's controller before the first round, in [0, 5), in the place of 0.1: a round multiplies the weight by
    /// at most 1 + `gain` / 5. TRL's is the samples of a round over a horizon of 10 000.
    ///
    /// # Errors
    /// A gain outside its range.
    pub fn with_kl_gain(mut self, gain: f64) -> Result<Self> {
        let control = AdaptiveKl::new(self.settings.kl_coefficient, self.settings.kl_target, gain);
        self.control = control.ok_or_else(|| Error::parameter("kl_gain", gain, "in [0, 5)"))?;
        Ok(self)
    }

    /// Shifts rewards by the mean and divides them by the standard deviation of all that were paid so far, those of the round
    /// included, before the KL is taken off. What a [`Round`] reports stays in the rewards' own units.
    #[must_use]
    pub fn with_normalised_rewards(mut self) -> Self {
        self.scale = Some(Running::default());
        self
    }

    /// Whether all rounds are over.
    pub fn is_done(&self) -> bool {
        self.rounds >= self.settings.iterations
    }

    /// One round: a prompt is drawn for every sample, then several epochs learn from them. Arguments as of [`ppo`].
    ///
    /// # Errors
    /// As [`ppo`].
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
    /// As [`ppo`], and those of `rate`.
    pub fn round_rated(
        &mut self,
        trainee: &mut Trainee,
        prompts: &[Vec<u32>],
        sampling: &Sampling,
        rate: impl FnMut(&[(usize, &[u32])]) -> Result<Vec<f64>>,
    ) -> Result<Round> {
        let sampling = Sampling { temperature: self.settings.temperature, ..*sampling };
        let samples = Samples::draw(trainee, prompts, (self.settings.samples, 1), &sampling, rate, &mut self.rng)?;
        // k1 is the KL's estimate under the policy's own samples; tempered ones need the distributions
        let tempered = self.settings.temperature.to_bits() != 1.0_f64.to_bits();
        let rollout = Rollout::new(trainee, &self.reference, samples, tempered)?;
        let paid = self.paid(&rollout.samples.rewards);
        let targets = self.targets(trainee, &rollout, &paid)?;
        let round = rollout.round(1, self.control.beta());
        self.control.update(round.kl_exact.unwrap_or(round.kl_k1));
        let mut steps = Steps::default();
        for _ in 0..self.settings.epochs {
            for part in self.rng.permutation(self.settings.samples).chunks(self.settings.minibatch) {
                self.learn(trainee, &rollout, &targets, part, &mut steps)?;
            }
        }
        self.rounds += 1;
        Ok(steps.into_round(round))
    }

    /// What is learned from: the rewards, normalised where that was asked for.
    fn paid(&mut self, rewards: &[f64]) -> Vec<f64> {
        let Some(scale) = &mut self.scale else { return rewards.to_vec() };
        rewards.iter().for_each(|r| scale.add(*r));
        rewards.iter().map(|r| scale.normalised(*r)).collect()
    }

    /// Values, advantages and returns of fresh samples, whose forward pass the engine still holds.
    fn targets(&self, trainee: &Trainee, rollout: &Rollout, paid: &[f64]) -> Result<Targets> {
        let Rollout { samples, choices, log_probs, reference, .. } = rollout;
        let (settings, lengths) = (&self.settings, &samples.lengths);
        let old_values = trainee.scores_at(&choices.rows)?;
        let (mut token_rewards, mut advantages) = (vec![0.0; log_probs.len()], vec![0.0; log_probs.len()]);
        let beta = self.control.beta();
        kl_penalised_token_rewards(log_probs, reference, lengths, paid, beta, k1, &mut token_rewards);
        gae_advantages(lengths, &token_rewards, &old_values, settings.gamma, settings.lambda, &mut advantages);
        let returns = advantages.iter().zip(&old_values).map(|(a, v)| a + v).collect();
        Error::check_finite("advantage", &advantages)?;
        Ok(Targets { advantages, returns })
    }

    /// One step on some of a round's sequences.
    fn learn(
        &self,
        trainee: &mut Trainee,
        rollout: &Rollout,
        targets: &Targets,
        part: &[usize],
        steps: &mut Steps,
    ) -> Result<()> {
        let settings = &self.settings;
        let (sequences, prompts) = rollout.samples.part(part);
        let mut all_advantages = at(&targets.advantages, &rollout.samples.tokens_of(part));
        if settings.normalise_advantages {
            whiten(&mut all_advantages);
        }
        let (mut clipped, mut seen) = (0.0, 0);
        let step = trainee.learn(&sequences, &prompts, settings.learning_rate, |micro| {
            let tokens = rollout.samples.tokens_of(&part[micro.sequences.clone()]);
            let gather = |of: &[f64]| at(of, &tokens);
            let share = micro.of_tokens / tokens.len() as f64;
            let blank = || vec![0.0; tokens.len()];
            let mut weights = Weights { log_probs: blank(), values: blank(), ..Weights::default() };
            // descent on −(surrogate + entropy) + value loss
            let (old, advantages) = (gather(&rollout.log_probs), &all_advantages[seen..seen + tokens.len()]);
            seen += tokens.len();
            let (new, clip) = (&micro.log_probs, settings.clip);
            let surrogate = ppo_clip_objective(new, &old, advantages, clip, -share, &mut weights.log_probs);
            // the coefficient is that of the mean squared error, the loss has half of it
            let scale = 2.0 * settings.value_coefficient * micro.of_tokens;
            let critic_loss = value_loss(&micro.values()?, &gather(&targets.returns), scale, &mut weights.values);
            weights.add_entropy(settings.entropy_coefficient, micro);
            if tokens.is_empty() {
                return Ok((0.0, weights));
            }
            clipped += micro.of_tokens * metrics::clip_fraction(new, &old, advantages, clip).region();
            Ok((scale * critic_loss - share * surrogate, weights))
        })?;
        steps.add(clipped, step.grad_norm);
        Ok(())
    }
}

/// Trains on rewards: `prompt(i)` is the i-th prompt, drawn anew for every sample; `reward(i, completion)` its reward.
/// The model's score head 0 is its critic. `sampling` says where a completion ends and how long it gets; its
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
) -> Result<Vec<Round>> {
    let mut run = Ppo::new(trainee, settings, rng.clone())?;
    let rounds = (0..settings.iterations).map(|_| run.round(trainee, prompts, sampling, &mut reward)).collect();
    *rng = run.rng;
    rounds
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

    fn train(reward: impl FnMut(usize, &[u32]) -> f64) -> Result<(Trainee, Vec<Round>)> {
        let mut trainee = trainee();
        let sampling = Sampling { end: 5.into(), ..Sampling::plain(4) };
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
        assert_eq!(one.weights(), two.weights());
    }

    /// A value loss beyond any float: an error before the first step moves anything.
    #[test]
    fn divergence_is_an_error_and_leaves_the_weights() {
        let wild = PpoParams { value_coefficient: 1e308, ..settings() };
        let mut trainee = trainee();
        let mut run = Ppo::new(&mut trainee, &wild, Stream::named(&["rollouts"])).expect("legal");
        let before = trainee.weights();
        let error = run.round(&mut trainee, &[vec![0, 1]], &Sampling::plain(4), |_, _| 1e10);
        assert!(matches!(error, Err(Error::NotFinite { .. })), "{error:?}");
        assert!(trainee.weights() == before);
    }

    /// Nothing to earn, nothing to learn: not a bit moves in 25 rounds.
    #[test]
    fn no_reward_teaches_nothing() {
        let mut start = trainee();
        start.clear_score_head().expect("a head");
        let (after, rounds) = train(|_, _| 0.0).expect("finite");
        assert!(after.weights() == start.weights());
        assert!(rounds.iter().all(|r| r.kl_k1 == 0.0 && r.clip_fraction == 0.0));
    }

    /// Rewards of 1000 ± 0.01 are as good as those of 0 and 1 where they are normalised, and the controller's gain is the caller's.
    #[test]
    fn normalised_rewards_have_no_scale_and_the_gain_steers() {
        let train = |scale: f64, shift: f64, gain: f64| {
            let (mut trainee, prompts) = (trainee(), [vec![0, 1], vec![0, 2]]);
            let settings = PpoParams { kl_target: 0.01, kl_coefficient: 0.1, ..settings() };
            let run = Ppo::new(&mut trainee, &settings, Stream::named(&["rollouts"])).expect("legal");
            let mut run = run.with_kl_gain(gain).expect("legal").with_normalised_rewards();
            let reward = |i: usize, o: &[u32]| shift + scale * f64::from(u8::from(o.first() == Some(&(i as u32 + 1))));
            let sampling = Sampling { end: 5.into(), ..Sampling::plain(4) };
            let rounds: Result<Vec<Round>> =
                (0..25).map(|_| run.round(&mut trainee, &prompts, &sampling, reward)).collect();
            rounds.expect("finite")
        };
        let (plain, scaled) = (train(1.0, 0.0, 0.0), train(0.01, 1000.0, 0.0));
        assert!((plain[24].reward - (scaled[24].reward - 1000.0) / 0.01).abs() < 0.1, "{plain:?} {scaled:?}");
        assert!(plain[24].reward > 0.8 && plain[24].kl_coefficient == 0.1);
        // far above the target every round turns the weight up by a fifth of the gain
        let steered = train(1.0, 0.0, 1.0);
        assert!((steered[24].kl_coefficient / steered[23].kl_coefficient - 1.2).abs() < 1e-12);
        let settings = settings();
        let run = Ppo::new(&mut trainee(), &settings, Stream::named(&["x"])).expect("legal");
        assert!(run.with_kl_gain(5.0).is_err());
    }

    #[test]
    fn the_running_scale_is_that_of_all_values() {
        let (mut scale, values) = (Running::default(), [3.0, -1.0, 4.0, 1.5]);
        values.iter().for_each(|v| scale.add(*v));
        let (mean, variance) = (1.875, values.iter().map(|v| (v - 1.875_f64).powi(2)).sum::<f64>() / 3.0);
        assert!((scale.normalised(2.5) - (2.5 - mean) / variance.sqrt()).abs() < 1e-14);
    }

    #[test]
    fn tempered_samples_are_held_against_whole_distributions() {
        let settings = PpoParams { temperature: 2.0, iterations: 3, ..settings() };
        let reward = |_: usize, output: &[u32]| f64::from(u8::from(output.first() == Some(&1)));
        let mut rng = Stream::named(&["rollouts"]);
        let rounds = ppo(&mut trainee(), &settings, &[vec![0, 1]], &Sampling::plain(4), reward, &mut rng);
        let kl: Vec<f64> = rounds.expect("finite").iter().map(|r| r.kl_exact.expect("asked for")).collect();
        assert!(kl[0] == 0.0 && kl[1] > 0.0 && kl[2] > 0.0, "{kl:?}");
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
