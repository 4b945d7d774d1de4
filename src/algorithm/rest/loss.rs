//! What an Improve step descends on the samples that it kept.

use super::data::Scored;
use crate::algorithm::score_regression::{Place, Rated, score_regression};
use crate::algorithm::trainee::{Descent, Frozen, Part, Trainee, Weights};
use crate::error::{Error, Result};
use crate::lm::{Batch, Decay, Keep as Activations, Schedule};
use crate::objective::{
    GeometricSchedule, VTrace, behaviour_kl_loss, gold_loss, oac_loss, terminal_rewards, token_nll_loss,
    vmpo_policy_loss, vmpo_temperature_loss, vmpo_weights, vtrace,
};
use crate::rng::Stream;
use serde::{Deserialize, Serialize};

/// How the value of the behaviour policy is learned: a model of its own, the policy's body with a score head, trained on the returns of all
/// that was grown, before the Improve steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Critic {
    /// Steps of its regression; at least 1.
    pub steps: u64,
    /// Sequences per step; at least 1.
    pub minibatch: usize,
    /// Its learning rate, falling linearly; positive.
    pub learning_rate: f64,
}

/// The losses that arXiv:2308.08998 compares (Appendix A.8).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OfflineLoss {
    /// Behavioural cloning: the negative log-likelihood per token.
    Bc,
    /// GOLD (arXiv:2009.07839), the return to go being the reward: nothing is paid before the end, so that how many steps are unrolled
    /// makes no difference.
    Gold {
        /// Least importance weight, in [0, 1].
        floor: f64,
    },
    /// Offline actor-critic with the behaviour's value: advantages R − V without V-trace.
    Oac {
        /// The value.
        critic: Critic,
    },
    /// V-MPO on the behaviour's data, with V-trace and an annealed KL(behaviour‖policy).
    Bvmpo {
        /// The value.
        critic: Critic,
        /// First temperature η; positive.
        eta: f64,
        /// ε of the temperature's constraint, nats; positive.
        epsilon: f64,
        /// Rate at which log η descends its loss; positive.
        eta_rate: f64,
        /// Weight of the KL at the first step; positive.
        kl_from: f64,
        /// At the last; positive. It falls geometrically.
        kl_to: f64,
    },
}

impl OfflineLoss {
    /// # Errors
    /// A setting outside its legal range.
    pub fn validate(&self) -> Result<()> {
        if let Self::Gold { floor } = self
            && !(0.0..=1.0).contains(floor)
        {
            return Err(Error::parameter("floor", floor, "in [0, 1]"));
        }
        if let Self::Bvmpo { eta, epsilon, eta_rate, kl_from, kl_to, .. } = *self {
            let named =
                [("eta", eta), ("epsilon", epsilon), ("eta_rate", eta_rate), ("kl_from", kl_from), ("kl_to", kl_to)];
            Error::check_positive(&named)?;
        }
        let Some(critic) = self.critic() else { return Ok(()) };
        let counts = [("steps", critic.steps as usize, 1, usize::MAX), ("minibatch", critic.minibatch, 1, usize::MAX)];
        Error::check_counts(&counts).map_err(|e| e.within("critic"))?;
        Error::check_positive(&[("learning_rate", critic.learning_rate)]).map_err(|e| e.within("critic"))
    }

    /// Whether it learns values, for which the model needs a score head.
    pub fn needs_value(&self) -> bool {
        self.critic().is_some()
    }

    fn critic(&self) -> Option<Critic> {
        match self {
            Self::Bc | Self::Gold { .. } => None,
            Self::Oac { critic } | Self::Bvmpo { critic, .. } => Some(*critic),
        }
    }

    /// What the loss needs to know of the data, after a Grow. `behaviour` has the weights of the policy that grew it.
    pub(super) fn prepare(
        &self,
        trainee: &Trainee,
        behaviour: &Frozen,
        prompts: &[Vec<u32>],
        data: &[Scored],
        rng: &mut Stream,
    ) -> Result<Known> {
        let Some(settings) = self.critic() else { return Ok(Known::default()) };
        let mut critic = trainee.twin()?;
        // it starts as the behaviour policy, which the trainee still is
        critic.restart(&trainee.trained()?)?;
        let rated = |s: &Scored| {
            let prompt = &prompts[s.source];
            Rated { tokens: [prompt, s.tokens.as_slice()].concat(), prompt: prompt.len(), target: s.reward }
        };
        let rated: Vec<Rated> = data.iter().map(rated).collect();
        let schedule =
            Schedule { peak: settings.learning_rate, warm_up: 0, steps: settings.steps, decay: Decay::Linear };
        score_regression(&mut critic, &rated, Place::EveryContext, settings.minibatch, &schedule, rng)?;
        let mut known = Known::default();
        for part in rated.chunks(256) {
            let (sequences, prompts): (Vec<&[u32]>, Vec<usize>) =
                part.iter().map(|r| (r.tokens.as_slice(), r.prompt)).unzip();
            let batch = Batch::new(&sequences);
            let choices = batch.completions(&prompts)?;
            critic.forward(&batch, Activations::Final)?;
            let values = critic.scores_at(&choices.rows)?;
            Error::check_finite("value", &values)?;
            known.values.extend(split(&values, part));
            let log_probs = critic.score(behaviour, &batch, &choices)?;
            Error::check_finite("log-probability under the behaviour policy", &log_probs)?;
            known.log_probs.extend(split(&log_probs, part));
        }
        Ok(known)
    }

    /// One step on some of the data; `progress` in [0, 1] is the Improve step's.
    pub(super) fn step(
        &self,
        trainee: &mut Trainee,
        batch: &Minibatch,
        state: &mut State,
        learning_rate: f64,
        progress: f64,
    ) -> Result<Descent> {
        let (sequences, prompts) = (&batch.sequences, &batch.prompts);
        let slices: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
        match *self {
            Self::Bc => trainee.learn(&slices, prompts, learning_rate, |part| {
                Ok(on_tokens(part, |lp, w| token_nll_loss(lp, part.of_tokens, w)))
            }),
            Self::Gold { floor } => trainee.learn(&slices, prompts, learning_rate, |part| {
                let own = &batch.rewards[part.sequences.clone()];
                let lengths = &batch.lengths[part.sequences.clone()];
                let returns: Vec<f64> =
                    lengths.iter().zip(own).flat_map(|(n, r)| std::iter::repeat_n(*r, *n)).collect();
                Ok(on_tokens(part, |lp, w| gold_loss(lp, &returns, floor, part.of_tokens, w)))
            }),
            Self::Oac { .. } => trainee.learn(&slices, prompts, learning_rate, |part| {
                let own = part.sequences.clone();
                let values = batch.values[own.clone()].iter().zip(&batch.rewards[own]);
                let advantages: Vec<f64> = values.flat_map(|(v, r)| v.iter().map(move |v| r - v)).collect();
                Ok(on_tokens(part, |lp, w| oac_loss(lp, &advantages, part.of_tokens, w)))
            }),
            Self::Bvmpo { eta_rate, epsilon, kl_from, kl_to, .. } => {
                let kl = GeometricSchedule::new(kl_from, kl_to, SCHEDULE);
                let kl = kl.map_or(kl_to, |k| k.at((progress * SCHEDULE as f64) as usize));
                let behaviour = batch.distributions(trainee, &state.behaviour)?;
                let vocab = trainee.config().vocab;
                let eta = state.eta;
                let mut advantages = Vec::new();
                // the temperature's softmax is over the whole minibatch
                let step = trainee.learn_in_groups(slices.len(), &slices, prompts, learning_rate, |part| {
                    advantages = batch.advantages(&part.log_probs)?;
                    let mut psi = vec![0.0; advantages.len()];
                    vmpo_weights(&advantages, eta, &mut psi);
                    let (mut loss, mut weights) = on_tokens(part, |lp, w| vmpo_policy_loss(lp, &psi, 1.0, w));
                    let share = kl / part.log_probs.len() as f64;
                    let own = part.distributions()?;
                    let mut on_all = vec![0.0; vocab];
                    weights.distributions = Vec::with_capacity(own.len());
                    for (own, reference) in own.chunks_exact(vocab).zip(behaviour.chunks_exact(vocab)) {
                        on_all.fill(0.0);
                        loss += share * behaviour_kl_loss(&wide(own), &wide(reference), share, &mut on_all);
                        weights.distributions.extend(on_all.iter().map(|w| *w as f32));
                    }
                    Ok((loss, weights))
                })?;
                let (_, slope) = vmpo_temperature_loss(&advantages, eta, epsilon);
                // log η goes down the slope: the temperature stays positive
                state.eta = (eta * (-eta_rate * slope).clamp(-1.0, 1.0).exp()).clamp(1e-4, 1e4);
                Ok(step)
            }
        }
    }

    pub(super) fn first_eta(&self) -> f64 {
        if let Self::Bvmpo { eta, .. } = self { *eta } else { 1.0 }
    }
}

/// Steps of the KL's schedule, whatever the length of an Improve step.
const SCHEDULE: usize = 1000;

/// What a loss knows of all data, one entry per sample and token: values and log-probabilities of the behaviour.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Known {
    values: Vec<Vec<f64>>,
    log_probs: Vec<Vec<f64>>,
}

/// What a loss carries from step to step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) eta: f64,
    #[serde(skip)]
    pub(super) behaviour: Frozen,
}

/// Some samples with all that is known of them.
pub(super) struct Minibatch {
    sequences: Vec<Vec<u32>>,
    prompts: Vec<usize>,
    lengths: Vec<usize>,
    rewards: Vec<f64>,
    values: Vec<Vec<f64>>,
    log_probs: Vec<Vec<f64>>,
}

impl Minibatch {
    pub(super) fn new(prompts: &[Vec<u32>], data: &[Scored], known: &Known, places: &[usize]) -> Self {
        let of = |i: &usize| &data[*i];
        let or_none = |table: &[Vec<f64>]| places.iter().filter_map(|i| table.get(*i).cloned()).collect();
        Self {
            sequences: places.iter().map(of).map(|s| [&prompts[s.source], s.tokens.as_slice()].concat()).collect(),
            prompts: places.iter().map(of).map(|s| prompts[s.source].len()).collect(),
            lengths: places.iter().map(of).map(|s| s.tokens.len()).collect(),
            rewards: places.iter().map(of).map(|s| s.reward).collect(),
            values: or_none(&known.values),
            log_probs: or_none(&known.log_probs),
        }
    }

    /// V-trace advantages (ρ̄ = c̄ = 1, undiscounted) of the policy's log-probabilities against the behaviour's.
    fn advantages(&self, log_probs: &[f64]) -> Result<Vec<f64>> {
        let (values, behaviour) = (self.values.concat(), self.log_probs.concat());
        let mut rewards = vec![0.0; log_probs.len()];
        terminal_rewards(&self.lengths, &self.rewards, &mut rewards);
        let (mut targets, mut advantages) = (vec![0.0; log_probs.len()], vec![0.0; log_probs.len()]);
        let clipped = VTrace { rho_bar: 1.0, c_bar: 1.0, gamma: 1.0 };
        let both = [log_probs, behaviour.as_slice()];
        vtrace(clipped, &self.lengths, both, &rewards, &values, &mut targets, &mut advantages);
        Error::check_finite("advantage (training diverged)", &advantages)?;
        Ok(advantages)
    }

    /// The behaviour's next-token distributions at every token's context.
    fn distributions(&self, trainee: &mut Trainee, behaviour: &Frozen) -> Result<Vec<f32>> {
        let batch = Batch::new(&self.sequences);
        let choices = batch.completions(&self.prompts)?;
        trainee.score(behaviour, &batch, &choices)?;
        let mut out = vec![0.0; choices.len() * trainee.config().vocab];
        trainee.distributions(&mut out)?;
        Ok(out)
    }
}

/// A loss on the log-probabilities of a part, as its share of the step's.
fn on_tokens(part: &Part, loss: impl FnOnce(&[f64], &mut [f64]) -> f64) -> (f64, Weights) {
    let mut weights = Weights { log_probs: vec![0.0; part.log_probs.len()], ..Weights::default() };
    let value = loss(&part.log_probs, &mut weights.log_probs);
    (part.of_tokens * value, weights)
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

/// One vector per sequence.
fn split<'a>(values: &'a [f64], rated: &'a [Rated]) -> impl Iterator<Item = Vec<f64>> + 'a {
    let mut rest = values;
    rated.iter().map(move |r| {
        let (own, after) = rest.split_at(r.tokens.len() - r.prompt);
        rest = after;
        own.to_vec()
    })
}
