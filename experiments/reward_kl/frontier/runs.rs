//! The runs: training on pairs, and PPO, with checkpoints.

use super::oracle::Oracle;
use super::world::Setup;
use super::{Method, Params, PpoSettings};
use crate::reward_kl::front::hypervolume;
use rewardlab::algorithm::{Ppo, PpoParams, PreferenceLoss, PreferenceTuning};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::Context;
use rewardlab::lm::{Decay, Sampling, Schedule};
use rewardlab::preference::Labeller;

/// A policy at some moment of its training.
pub(super) struct Checkpoint {
    /// Steps of gradient descent.
    pub(super) step: usize,
    /// Completions that its data or its rounds have taken.
    pub(super) samples: usize,
    pub(super) params: Vec<f32>,
}

/// What every run has at hand.
pub(super) struct Runs<'a> {
    pub(super) p: &'a Params,
    pub(super) reference: &'a [f32],
    pub(super) ctx: &'a Context<'a>,
}

/// Where a reward is asked for: (prompt, completion) → reward.
type Reward<'a> = &'a mut dyn FnMut(&[u32], &[u32]) -> f64;

impl PpoSettings {
    pub(super) fn params(&self, learning_rate: f64, target: f64, rounds: usize) -> PpoParams {
        PpoParams {
            iterations: rounds,
            samples: self.batch,
            epochs: self.epochs,
            minibatch: self.minibatch,
            learning_rate,
            clip: self.clip,
            gamma: 1.0,
            lambda: self.lambda,
            value_coefficient: self.value_coefficient,
            kl_coefficient: self.kl_coefficient,
            kl_target: target,
            ..PpoParams::default()
        }
    }

    /// Steps of a round.
    fn steps(&self) -> usize {
        self.epochs * self.batch.div_ceil(self.minibatch)
    }
}

/// Drops what follows a run's divergence: its checkpoints before that stand.
fn until_divergence<T>(step: Result<T>) -> Result<Option<T>> {
    match step {
        Ok(value) => Ok(Some(value)),
        Err(e) if e.is_numerical() => Ok(None),
        Err(e) => Err(e),
    }
}

impl Runs<'_> {
    fn setup(&self) -> &Setup {
        &self.p.world
    }

    /// Of a method's learning rates the one with the largest hypervolume on `tuning`: (rate, its checkpoints).
    pub(super) fn best(&self, method: Method, rates: &[f64], tuning: &mut Oracle) -> Result<(f64, Vec<Checkpoint>)> {
        let start = tuning.point(self.reference)?.reward;
        let most_kl = self.p.targets.iter().copied().fold(0.0, f64::max);
        let mut best: Option<(f64, f64, Vec<Checkpoint>)> = None;
        for &rate in rates {
            let mut checkpoints = Vec::new();
            let mut points = Vec::new();
            for checkpoint in self.of(method, rate)? {
                // weights that have no finite logits are a divergence too
                let Some(point) = until_divergence(tuning.point(&checkpoint.params))? else { break };
                points.push((point.kl, point.reward));
                checkpoints.push(checkpoint);
            }
            let volume = hypervolume(&points, start, most_kl);
            if best.as_ref().is_none_or(|b| volume > b.0) {
                best = Some((volume, rate, checkpoints));
            }
        }
        best.map(|b| (b.1, b.2)).ok_or_else(|| Error::Usage("no learning rate to try".into()))
    }

    /// A method's checkpoints at a learning rate.
    fn of(&self, method: Method, rate: f64) -> Result<Vec<Checkpoint>> {
        match method {
            Method::Dpo { beta, bradley_terry } => self.on_pairs(PreferenceLoss::Dpo { beta }, bradley_terry, rate),
            Method::Unlikelihood { alpha } => self.on_pairs(PreferenceLoss::Unlikelihood { alpha }, false, rate),
            Method::Preferred { .. } => self.on_pairs(PreferenceLoss::Preferred, false, rate),
            Method::Ppo { target } => {
                let learned = self.setup().learned_reward(self.reference, &self.p.reward_model, self.ctx)?;
                let mut model = self.setup().trainee(&learned.params)?;
                // what cannot be scored is not finite, which PPO refuses
                let mut reward = |prompt: &[u32], completion: &[u32]| {
                    model.scores(&[[prompt, completion].concat()]).map_or(f64::NAN, |s| s[0])
                };
                self.by_ppo(&mut reward, (rate, target, true))
            }
            Method::PpoTrue { target, tuned } => {
                let sentiment = self.setup().sentiment()?;
                let mut reward = |prompt: &[u32], completion: &[u32]| sentiment.reward(&[prompt, completion].concat());
                self.by_ppo(&mut reward, (rate, target, tuned))
            }
        }
    }

    fn on_pairs(&self, loss: PreferenceLoss, bradley_terry: bool, rate: f64) -> Result<Vec<Checkpoint>> {
        let (p, setup) = (self.p, self.setup());
        let temperature = p.label_temperature;
        let labeller = if bradley_terry { Labeller::BradleyTerry { temperature } } else { Labeller::Deterministic };
        let pairs = setup.pairs(self.reference, labeller, self.ctx)?;
        let mut trainee = setup.trainee(self.reference)?;
        let (warm_up, steps) = (p.warm_up as u64, p.steps as u64);
        let schedule = Schedule { peak: rate, warm_up, steps, decay: Decay::Constant };
        let rng = self.ctx.stream("steps");
        let mut run = PreferenceTuning::new(&mut trainee, &pairs, loss, &schedule, p.batch, rng)?;
        let mut checkpoints = Vec::new();
        for step in 1..=p.steps {
            if until_divergence(run.step(&mut trainee, &pairs))?.is_none() {
                break;
            }
            if step % p.every == 0 || step == p.steps {
                let samples = setup.prompts * setup.completions;
                checkpoints.push(Checkpoint { step, samples, params: trainee.params()?.into_owned() });
            }
        }
        Ok(checkpoints)
    }

    fn by_ppo(&self, reward: Reward, (rate, target, normalise): (f64, f64, bool)) -> Result<Vec<Checkpoint>> {
        let (p, setup) = (self.p, self.setup());
        let prompts = Setup::prefixes(setup.prompts, &mut self.ctx.shared_stream("prompts of ppo"));
        let rounds = p.rounds();
        let mut trainee = setup.trainee(self.reference)?;
        let settings = p.ppo.params(rate, target, rounds);
        let mut run = Ppo::new(&mut trainee, &settings, self.ctx.stream("rounds"))?.with_kl_gain(p.ppo.kl_gain)?;
        if normalise {
            run = run.with_normalised_rewards();
        }
        let sampling = Sampling::plain(setup.length);
        let every = (p.every / p.ppo.steps()).max(1);
        let mut checkpoints = Vec::new();
        for round in 1..=rounds {
            let paid = |i: usize, completion: &[u32]| reward(&prompts[i], completion);
            if until_divergence(run.round(&mut trainee, &prompts, &sampling, paid))?.is_none() {
                break;
            }
            if round % every == 0 || round == rounds {
                let (step, samples) = (round * p.ppo.steps(), round * p.ppo.batch);
                checkpoints.push(Checkpoint { step, samples, params: trainee.params()?.into_owned() });
            }
        }
        Ok(checkpoints)
    }
}
