//! The policies that are compared by win rate, trained and tuned once per seed: stages that cells and experiments share.
//!
//! Each tuned method has as many runs: learning rates times settings (DPO's β, PPO's KL target, Preferred-FT's share of the
//! steps). Kept is the run of the highest win rate against the baseline, a mean over some sampling temperatures, on prompts held
//! out for tuning.

use super::markov::Markov;
use super::pair_training::{PairBudget, on_pairs};
use super::reviews::TextPair;
use super::reward_table::RewardModel;
use super::word_ppo::{PpoSettings, ppo};
use super::writing::{Drafts, Referee, Split, Writing, win_rate};
use rewardlab::algorithm::PreferenceLoss;
use rewardlab::error::{Error, Result};
use rewardlab::exact::Outcomes;
use rewardlab::experiment::Context;
use rewardlab::preference::{Labeller, pairs_of_group};
use rewardlab::rng::Stream;
use rewardlab::stats::mean;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Data and budgets of training.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Training {
    /// Prompts of the pairs; at least 10.
    pub(crate) prompts: usize,
    /// Completions of each; 2 to 16.
    pub(crate) completions: usize,
    /// Who labels, by the score.
    pub(crate) labeller: Labeller,
    /// Learning rates that each method tries; one or more, each positive.
    pub(crate) learning_rates: Vec<f64>,
    /// β that DPO tries; each positive.
    pub(crate) betas: Vec<f64>,
    /// Sampling temperatures over which a run's win rate is averaged when it is judged; each at least 0.
    pub(crate) tried: Vec<f64>,
    /// KL targets that PPO tries, nats; as many as β, each positive.
    pub(crate) targets: Vec<f64>,
    /// Steps on pairs; at least 2.
    pub(crate) steps: usize,
    /// Pairs per step; at least 1.
    pub(crate) batch: usize,
    /// PPO; it takes as many completions as the pairs were made of.
    pub(crate) ppo: PpoSettings,
    /// The reward model's learning rate; positive.
    pub(crate) reward_learning_rate: f64,
    /// The reward model's epochs; at least 1.
    pub(crate) reward_epochs: usize,
}

/// A trained policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// The reference, supervised only.
    Sft,
    Preferred,
    Dpo,
    Ppo,
}

/// The kept run of a method.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// β, KL target or share of the steps; none for the reference.
    pub(crate) setting: Option<f64>,
    /// None for the reference.
    pub(crate) learning_rate: Option<f64>,
    logits: Vec<f64>,
}

/// What all training starts from.
#[derive(Debug, Serialize, Deserialize)]
struct Ground {
    logits: Vec<f64>,
    tuning: Vec<Vec<u32>>,
    test: Vec<Vec<u32>>,
}

/// Labelled pairs, and the reward model that has learned them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Labelled {
    pub(crate) pairs: Vec<TextPair>,
    pub(crate) model: RewardModel,
}

impl Method {
    pub(crate) const ALL: [Self; 4] = [Self::Sft, Self::Preferred, Self::Dpo, Self::Ppo];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sft => "sft",
            Self::Preferred => "preferred",
            Self::Dpo => "dpo",
            Self::Ppo => "ppo",
        }
    }
}

impl Training {
    pub(crate) fn validate(&self) -> Result<()> {
        for (name, list) in
            [("learning_rates", &self.learning_rates), ("betas", &self.betas), ("targets", &self.targets)]
        {
            if list.is_empty() || list.iter().any(|v| !(*v > 0.0 && v.is_finite())) {
                return Err(Error::parameter(name, format!("{list:?}"), "one or more, each positive"));
            }
        }
        if self.tried.is_empty() || self.tried.iter().any(|t| !(*t >= 0.0 && t.is_finite())) {
            return Err(Error::parameter("tried", format!("{:?}", self.tried), "one or more, each at least 0"));
        }
        if self.betas.len() != self.targets.len() {
            return Err(Error::parameter("targets", self.targets.len(), "as many as betas: equal tuning budgets"));
        }
        self.labeller.validate()?;
        Error::check_counts(&[
            ("prompts", self.prompts, 10, 10_000_000),
            ("completions", self.completions, 2, 16),
            ("steps", self.steps, 2, 100_000_000),
            ("batch", self.batch, 1, 1_000_000),
            ("reward_epochs", self.reward_epochs, 1, 10_000),
        ])?;
        self.ppo.validate()?;
        Error::check_positive(&[("reward_learning_rate", self.reward_learning_rate)])
    }

    /// Completions that a method takes in training.
    pub(crate) fn samples(&self) -> usize {
        self.prompts * self.completions
    }

    pub(crate) fn budget(&self, every: usize) -> PairBudget {
        PairBudget { steps: self.steps, batch: self.batch, every, samples: self.samples() }
    }
}

/// PPO's settings of these experiments.
pub(crate) const PPO: PpoSettings = PpoSettings {
    batch: 128,
    epochs: 4,
    minibatch: 32,
    clip: 0.2,
    lambda: 0.95,
    critic_rate: 0.1,
    kl_coefficient: 0.05,
    kl_gain: 0.5,
};

/// The writers of one world at one seed.
pub(crate) struct Workshop<'a, W: Writing> {
    writing: &'a W,
    training: &'a Training,
    ctx: &'a Context<'a>,
    ground: Arc<Ground>,
    pub(crate) reference: Markov,
}

/// Under whose name stages are kept.
const OWNER: &str = "reward_kl/trained";

impl<'a, W: Writing> Workshop<'a, W> {
    pub(crate) fn new(writing: &'a W, training: &'a Training, ctx: &'a Context<'a>) -> Result<Self> {
        let ground = ctx.common_stage(OWNER, "ground", writing, |rng| {
            let [tuning, test] = [Split::Tuning, Split::Test].map(|split| writing.held_out(split, rng));
            Ok(Ground { logits: writing.reference(rng).logits().to_vec(), tuning, test })
        })?;
        let blank = Self::writer(writing, ground.logits.clone())?;
        Ok(Self { writing, training, ctx, ground, reference: blank })
    }

    /// A writer of this world, from logits.
    fn writer(writing: &W, logits: Vec<f64>) -> Result<Markov> {
        let world = writing.world(&writing.held_out(Split::Test, &mut Stream::named(&["shape"])))?;
        Ok(Markov::new(world.automaton().vocab(), writing.sizes().0, logits).ending(world.end()))
    }

    /// The prompts on which is reported.
    pub(crate) fn test(&self) -> &[Vec<u32>] {
        &self.ground.test
    }

    /// The pairs and the reward model.
    pub(crate) fn labelled(&self) -> Result<Arc<Labelled>> {
        let t = self.training;
        let key = (self.writing, t.prompts, t.completions, t.labeller, (t.reward_learning_rate, t.reward_epochs));
        self.ctx.common_stage(OWNER, "labelled", &key, |rng| {
            let pairs = self.pairs(rng);
            let rate = t.reward_learning_rate;
            let model = RewardModel::learn(&self.reference, &pairs, rate, t.reward_epochs, rng)?;
            Ok(Labelled { pairs, model })
        })
    }

    /// Completions of prompts by the reference, in labelled pairs.
    fn pairs(&self, rng: &mut Stream) -> Vec<TextPair> {
        let (t, length) = (self.training, self.writing.sizes().1);
        let mut pairs = Vec::new();
        for prompt in self.writing.prompts(t.prompts, rng) {
            let group: Vec<Vec<u32>> =
                (0..t.completions).map(|_| self.reference.sample(&prompt, length, rng)).collect();
            let scores: Vec<f64> = group.iter().map(|c| self.writing.score(&prompt, c) as f64).collect();
            for (chosen, rejected) in pairs_of_group(&scores, t.labeller, |i, j| group[i] == group[j], rng) {
                let (chosen, rejected) = (group[chosen].clone(), group[rejected].clone());
                pairs.push(TextPair { prompt: prompt.clone(), chosen, rejected });
            }
        }
        pairs
    }

    /// A method's policy, with the settings that it was kept with.
    pub(crate) fn policy(&self, method: Method) -> Result<(Markov, Arc<Kept>)> {
        if method == Method::Sft {
            let none = Kept { setting: None, learning_rate: None, logits: Vec::new() };
            return Ok((self.reference.clone(), Arc::new(none)));
        }
        let labelled = self.labelled()?;
        let key = (self.writing, self.training);
        let kept = self.ctx.common_stage(OWNER, method.name(), &key, |rng| self.tuned(method, &labelled, rng))?;
        Ok((Self::writer(self.writing, kept.logits.clone())?, kept))
    }

    fn tuned(&self, method: Method, labelled: &Labelled, rng: &mut Stream) -> Result<Kept> {
        let referee = Referee::new(self.writing, &self.ground.tuning)?;
        let baseline = self.writing.baseline(&referee, &self.reference)?;
        let mut best: Option<(f64, Kept)> = None;
        for &rate in &self.training.learning_rates {
            for (setting, writer) in self.runs(method, labelled, rate, rng)? {
                let won = self.tried_win(&referee, &writer, &baseline)?;
                if best.as_ref().is_none_or(|b| won > b.0) {
                    let logits = writer.logits().to_vec();
                    best = Some((won, Kept { setting: Some(setting), learning_rate: Some(rate), logits }));
                }
            }
        }
        best.map(|b| b.1).ok_or_else(|| Error::Usage("no learning rate to try".into()))
    }

    /// A method's runs at a learning rate: (setting, writer).
    fn runs(&self, method: Method, labelled: &Labelled, rate: f64, rng: &mut Stream) -> Result<Vec<(f64, Markov)>> {
        let (t, length) = (self.training, self.writing.sizes().1);
        let on_pairs =
            |loss, budget, rng: &mut Stream| on_pairs(&self.reference, &labelled.pairs, loss, (rate, budget), rng);
        let mut runs = Vec::new();
        match method {
            Method::Sft => runs.push((0.0, self.reference.clone())),
            Method::Preferred => {
                // one run, stopped as often as others have settings
                let parts = t.betas.len();
                let stops = on_pairs(PreferenceLoss::Preferred, t.budget((t.steps / parts).max(1)), rng)?;
                let share = |step: usize| step as f64 / t.steps as f64;
                runs.extend(stops.into_iter().map(|c| (share(c.step), c.writer)));
            }
            Method::Dpo => {
                for &beta in &t.betas {
                    let last = on_pairs(PreferenceLoss::Dpo { beta }, t.budget(t.steps), rng)?.pop();
                    runs.extend(last.map(|c| (beta, c.writer)));
                }
            }
            Method::Ppo => {
                let prompts = self.writing.prompts(t.prompts, rng);
                let learned = |_: &[u32], _: &[u32], cells: &[usize]| labelled.model.score(cells);
                let rounds = (t.samples() / t.ppo.batch).max(1);
                for &target in &t.targets {
                    let settings = (t.ppo, rate, target, true);
                    let last = ppo(&self.reference, &prompts, length, &learned, settings, (rounds, rounds), rng)?.pop();
                    runs.extend(last.map(|c| (target, c.writer)));
                }
            }
        }
        Ok(runs)
    }

    /// Drafts of the reference at a temperature, on the reported prompts.
    pub(crate) fn drafts(&self, temperature: f64, count: usize) -> Result<Drafts> {
        let labelled = self.labelled()?;
        let writer = self.reference.at_temperature(temperature);
        let mut rng = self.ctx.stream(&format!("drafts at {temperature}"));
        Ok(Drafts::draw(self.writing, (&writer, &labelled.model), self.test(), count, &mut rng))
    }

    /// The win rate, a mean over the temperatures that are tried.
    fn tried_win(&self, referee: &Referee, writer: &Markov, baseline: &[Outcomes]) -> Result<f64> {
        let at = |t: &f64| Ok(win_rate(&referee.outcomes(&writer.at_temperature(*t))?, baseline));
        Ok(mean(&self.training.tried.iter().map(at).collect::<Result<Vec<f64>>>()?))
    }
}
