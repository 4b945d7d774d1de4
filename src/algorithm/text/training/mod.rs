//! Any of the loops on text, between two of its steps.

mod measure;
mod memory;
mod setup;

pub use memory::{Footprint, Memory};
pub use setup::{Adapters, Setup, trainee};

use super::task::TextTask;
use crate::algorithm::policy_gradient::{PolicyGradient, PolicyGradientParams};
use crate::algorithm::ppo::{Ppo, PpoParams};
use crate::algorithm::preference::{PreferenceLoss, PreferenceTuning, RewardModelParams, RewardModelling, TokenPair};
use crate::algorithm::rest::{Half, Report, Rest, RestParams};
use crate::algorithm::resume::Resume;
use crate::algorithm::rollout::Round;
use crate::algorithm::sft::Sft;
use crate::algorithm::trainee::{Example, Trainee};
use crate::error::{Error, Result};
use crate::lm::{Sampling, Schedule};
use crate::rng::Stream;
use measure::Reference;
use std::path::Path;

/// What a step says: names and numbers, in the order of a table's columns.
pub type Told = Vec<(&'static str, f64)>;

/// Which loop, and its settings.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// Supervised finetuning: minibatches of so many examples.
    Sft(Schedule, usize),
    /// Training on pairs by a loss of pairs: minibatches of so many pairs.
    Preferences(PreferenceLoss, Schedule, usize),
    /// A reward model of pairs.
    RewardModel(RewardModelParams),
    /// REINFORCE, RLOO, GRPO, Dr. GRPO.
    PolicyGradient(PolicyGradientParams),
    /// PPO with a critic.
    Ppo(PpoParams),
    /// Reinforced self-training.
    Rest(RestParams),
}

impl Method {
    /// Fails on the first setting outside its legal range.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn validate(&self) -> Result<()> {
        match self {
            Self::Sft(schedule, batch) => {
                Error::check_counts(&[("batch", *batch, 1, usize::MAX)])?;
                schedule.validate()
            }
            Self::Preferences(loss, schedule, batch) => {
                Error::check_counts(&[("batch", *batch, 1, usize::MAX)])?;
                loss.validate()?;
                schedule.validate()
            }
            Self::RewardModel(settings) => settings.validate(),
            Self::PolicyGradient(settings) => settings.validate(),
            Self::Ppo(settings) => settings.validate(),
            Self::Rest(settings) => settings.validate(),
        }
    }

    /// The name of the score head that the model needs beside its next-token distribution.
    pub fn head(&self) -> Option<&'static str> {
        match self {
            Self::RewardModel(_) => Some("score"),
            Self::Ppo(_) => Some("value"),
            Self::Rest(settings) => settings.loss.needs_value().then_some("value"),
            _ => None,
        }
    }

    /// Whether what is trained is a reward model: its score head belongs to it.
    pub fn makes_a_reward_model(&self) -> bool {
        matches!(self, Self::RewardModel(_))
    }

    /// How many steps or rounds it has, where the settings say so.
    pub fn steps(&self) -> Option<u64> {
        match self {
            Self::Sft(schedule, _) | Self::Preferences(_, schedule, _) => Some(schedule.steps),
            Self::PolicyGradient(settings) => Some(settings.iterations as u64),
            Self::Ppo(settings) => Some(settings.iterations as u64),
            Self::RewardModel(_) | Self::Rest(_) => None,
        }
    }
}

/// What is learned from, and what is held out to measure on; the latter may be empty.
#[derive(Debug)]
pub enum Material {
    /// For supervised finetuning.
    Examples(Vec<Example>, Vec<Example>),
    /// For losses of pairs and reward models.
    Pairs(Vec<TokenPair>, Vec<TokenPair>),
    /// For loops on rewards; where and how completions end.
    Task(Box<TextTask>, Sampling),
}

enum Loop {
    Sft(Sft, Schedule),
    Preferences(PreferenceTuning, Schedule),
    RewardModel(RewardModelling),
    PolicyGradient(PolicyGradient),
    Ppo(Ppo),
    Rest(Box<Rest>),
}

/// A run of a loop on text.
pub struct TextTraining {
    run: Loop,
    material: Material,
    reference: Reference,
    /// Steps or rounds that are made.
    steps: u64,
}

impl std::fmt::Debug for TextTraining {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TextTraining")
            .field("material", &self.material)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}

/// The method's data are of another kind.
fn mismatch() -> Error {
    Error::Usage("the method and its data are of different kinds".into())
}

impl TextTraining {
    /// Begins; references are the trainee as it is now.
    ///
    /// # Errors
    /// Illegal settings; data of another kind than the method's, or that do not fit the model.
    pub fn start(method: &Method, mut material: Material, trainee: &mut Trainee, rng: Stream) -> Result<Self> {
        method.validate()?;
        let reference = Reference::of(method, &material, trainee)?;
        let run = match (method, &mut material) {
            (Method::Sft(schedule, batch), Material::Examples(..)) => {
                Loop::Sft(Sft::new(schedule, *batch, rng)?, *schedule)
            }
            (Method::Preferences(loss, schedule, batch), Material::Pairs(pairs, _)) => {
                let run = PreferenceTuning::new(trainee, pairs, *loss, schedule, *batch, rng)?;
                Loop::Preferences(run, *schedule)
            }
            (Method::RewardModel(settings), Material::Pairs(pairs, _)) => {
                Loop::RewardModel(RewardModelling::new(trainee, pairs, settings, rng)?)
            }
            (Method::PolicyGradient(settings), Material::Task(..)) => {
                Loop::PolicyGradient(PolicyGradient::new(trainee, settings, rng)?)
            }
            (Method::Ppo(settings), Material::Task(..)) => Loop::Ppo(Ppo::new(trainee, settings, rng)?),
            (Method::Rest(settings), Material::Task(task, _)) => {
                let original = if settings.mixture { task.original() } else { Vec::new() };
                Loop::Rest(Box::new(Rest::new(trainee, task.as_mut(), original, settings, rng)?))
            }
            _ => return Err(mismatch()),
        };
        Ok(Self { run, material, reference, steps: 0 })
    }

    /// Goes on from a file that [`TextTraining::save`] wrote after so many steps; the trainee must be as it was at the start.
    ///
    /// # Errors
    /// A file that cannot be read, or of another method or model; as [`TextTraining::start`].
    pub fn load(method: &Method, material: Material, trainee: &mut Trainee, path: &Path, steps: u64) -> Result<Self> {
        method.validate()?;
        let reference = Reference::of(method, &material, trainee)?;
        let run = match (method, &material) {
            (Method::Sft(schedule, _), Material::Examples(..)) => Loop::Sft(Sft::load(trainee, path)?, *schedule),
            (Method::Preferences(_, schedule, _), Material::Pairs(..)) => {
                Loop::Preferences(PreferenceTuning::load(trainee, path)?, *schedule)
            }
            (Method::RewardModel(_), Material::Pairs(..)) => Loop::RewardModel(RewardModelling::load(trainee, path)?),
            (Method::PolicyGradient(_), Material::Task(..)) => {
                Loop::PolicyGradient(PolicyGradient::load(trainee, path)?)
            }
            (Method::Ppo(_), Material::Task(..)) => Loop::Ppo(Ppo::load(trainee, path)?),
            (Method::Rest(_), Material::Task(..)) => Loop::Rest(Box::new(Rest::load(trainee, path)?)),
            _ => return Err(mismatch()),
        };
        Ok(Self { run, material, reference, steps })
    }

    /// Writes all that the next step depends on, the data apart, as [`Resume::save`].
    ///
    /// # Errors
    /// A path that cannot be written.
    pub fn save(&self, trainee: &Trainee, path: &Path) -> Result<()> {
        match &self.run {
            Loop::Sft(run, _) => run.save(trainee, path),
            Loop::Preferences(run, _) => run.save(trainee, path),
            Loop::RewardModel(run) => run.save(trainee, path),
            Loop::PolicyGradient(run) => run.save(trainee, path),
            Loop::Ppo(run) => run.save(trainee, path),
            Loop::Rest(run) => run.save(trainee, path),
        }
    }

    /// Steps or rounds that are made.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Whether all are.
    pub fn is_done(&self) -> bool {
        match &self.run {
            Loop::Sft(run, _) => run.is_done(),
            Loop::Preferences(run, _) => run.is_done(),
            Loop::RewardModel(run) => run.is_done(),
            Loop::PolicyGradient(run) => run.is_done(),
            Loop::Ppo(run) => run.is_done(),
            Loop::Rest(run) => run.is_done(),
        }
    }

    /// One step of a loop on fixed data, one round of a loop on rewards, one part of a Grow or Improve step of `ReST`; what it says may be
    /// nothing there.
    ///
    /// # Errors
    /// Those of the loop and of the reward; training that diverges.
    pub fn step(&mut self, trainee: &mut Trainee) -> Result<Told> {
        let rate = |schedule: &Schedule, step| ("learning_rate", schedule.rate(step));
        let told = match (&mut self.run, &mut self.material) {
            (Loop::Sft(run, schedule), Material::Examples(examples, _)) => {
                vec![("loss", run.step(trainee, examples)?), rate(schedule, self.steps)]
            }
            (Loop::Preferences(run, schedule), Material::Pairs(pairs, _)) => {
                let step = run.step(trainee, pairs)?;
                vec![
                    ("loss", step.loss),
                    ("chosen_log_prob", step.chosen),
                    ("rejected_log_prob", step.rejected),
                    ("accuracy", step.accuracy),
                    ("kl", step.kl),
                    ("grad_norm", step.grad_norm),
                    rate(schedule, self.steps),
                ]
            }
            (Loop::RewardModel(run), Material::Pairs(pairs, _)) => {
                let loss = run.step(trainee, pairs)?;
                vec![("loss", loss), ("best_accuracy", run.accuracy().unwrap_or(f64::NAN))]
            }
            (Loop::PolicyGradient(run), Material::Task(task, sampling)) => {
                let (sources, _, payer) = task.parts();
                let round = run.round_rated(trainee, sources, sampling, |o| payer.pay(Half::Train, o))?;
                of_round(&round, payer.last)
            }
            (Loop::Ppo(run), Material::Task(task, sampling)) => {
                let (sources, _, payer) = task.parts();
                let round = run.round_rated(trainee, sources, sampling, |o| payer.pay(Half::Train, o))?;
                of_round(&round, payer.last)
            }
            (Loop::Rest(run), Material::Task(task, sampling)) => {
                run.step(trainee, task.as_mut(), sampling)?.map_or_else(Vec::new, |report| of_report(&report))
            }
            _ => return Err(mismatch()),
        };
        self.steps += 1;
        Ok(told)
    }

    /// What the trainee is worth on the held-out data; nothing without any. It moves nothing that training depends on.
    ///
    /// # Errors
    /// A sequence that does not fit the model; those of the reward.
    pub fn measure(&mut self, trainee: &mut Trainee) -> Result<Told> {
        self.reference.measure(&mut self.material, trainee)
    }

    /// Ends the run: the trainee is what the method keeps. Says how good that was, where the method knows.
    ///
    /// # Errors
    /// A reward model before the end of its first epoch.
    pub fn finish(self, trainee: &mut Trainee) -> Result<Told> {
        match self.run {
            Loop::RewardModel(run) => {
                let (epoch, pairs) = (run.kept_epoch().unwrap_or(0), run.held_out());
                let accuracy = run.finish(trainee)?;
                Ok(vec![
                    ("kept_epoch", epoch as f64),
                    ("held_out_pairs", pairs as f64),
                    ("held_out_accuracy", accuracy),
                ])
            }
            _ => Ok(Vec::new()),
        }
    }
}

fn of_round(round: &Round, (tokens, ended): (f64, f64)) -> Told {
    let mut told = vec![("reward", round.reward), ("reward_std_batch", round.reward_std_batch)];
    told.extend(round.reward_std_prompt.map(|v| ("reward_std_prompt", v)));
    told.extend(round.dead_groups.map(|v| ("dead_groups", v)));
    told.push(("kl_k1", round.kl_k1));
    told.extend(round.kl_exact.map(|v| ("kl_exact", v)));
    told.extend([
        ("kl_coefficient", round.kl_coefficient),
        ("entropy", round.entropy),
        ("clip_fraction", round.clip_fraction),
        ("grad_norm", round.grad_norm),
        ("tokens", tokens),
        ("ended", ended),
    ]);
    told
}

fn of_report(report: &Report) -> Told {
    match report {
        Report::Grown(g) => vec![
            ("grow", g.grow as f64),
            ("samples", g.samples as f64),
            ("drawn", g.drawn as f64),
            ("drawn_reward", g.drawn_reward),
            ("data_reward", g.reward),
            ("best_reward", g.best),
        ],
        Report::Improved(i) => vec![
            ("grow", i.grow as f64),
            ("improve", i.improve as f64),
            ("kept", i.kept as f64),
            ("kept_reward", i.kept_reward),
            ("held_out_reward", i.held_out),
            ("best_step", i.step as f64),
            ("loss", i.loss),
        ],
        Report::Exhausted(e) => {
            vec![("grow", e.grow as f64), ("improve", e.improve as f64), ("kept", 0.0), ("best_reward", e.best)]
        }
    }
}
