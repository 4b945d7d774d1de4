//! Reinforced self-training (`ReST`, arXiv:2308.08998): Grow a data set from the policy, Improve the policy on what passes a filter.
//!
//! The paper's loop: what is grown is united with the original data, everything is rated once, filters are strict and rise, every Improve
//! step goes on from the one before at a lower learning rate, each leaves its best checkpoint by the reward on held-out sources, only
//! the last one grows again. RAFT, ReST^EM, expert iteration and filtered behavioural cloning are settings of it ([`RestParams`]).
//!
//! The first threshold behind a Grow should be above the mean reward of its data ([`Grown::reward`]); the loop takes the thresholds that it is
//! given and reports that mean, so that whoever runs it can see whether the rule is kept.
//!
//! The checkpoint that an Improve step starts from does not compete: it may end below its start, so that "every Improve step raises the
//! reward" is something that can fail.

mod data;
mod grow;
mod keep;
mod loss;
mod params;
#[cfg(test)]
mod tests;

pub use data::{Half, Scored, Task};
pub use keep::Keep;
pub use loss::{Critic, OfflineLoss};
pub use params::{RestParams, Start};

use super::epochs::Epochs;
use super::resume::Resume;
use super::trainee::Trainee;
use crate::error::{Error, Result};
use crate::lm::cpu::Sampling;
use crate::rng::Stream;
use data::{best, mean_reward, rewards};
use grow::{Grow, complete};
use loss::{Known, Minibatch, State};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// What a Grow step left: the data of its Improve steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Grown {
    /// Which Grow step, from 1; 0 for the original data.
    pub grow: usize,
    /// Samples, the original data among them where they are mixed in.
    pub samples: usize,
    /// How many of them the policy drew.
    pub drawn: usize,
    /// Mean reward of the drawn samples; NaN without.
    pub drawn_reward: f64,
    /// E\[R\] over all, which the first threshold should be above.
    pub reward: f64,
    /// The largest reward.
    pub best: f64,
}

/// What an Improve step did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Improved {
    /// Behind which Grow step.
    pub grow: usize,
    /// Which of its Improve steps, from 0.
    pub improve: usize,
    /// Samples that passed the filter.
    pub kept: usize,
    /// Their mean reward.
    pub kept_reward: f64,
    /// Reward on held-out sources of the checkpoint that was kept.
    pub held_out: f64,
    /// After how many steps that was.
    pub step: u64,
    /// Mean loss of its steps.
    pub loss: f64,
}

/// A filter that nothing passed. The chain of Improve steps ends with the policy that it had, and that policy grows next; behind the last
/// Grow step the loop is over.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exhausted {
    /// Behind which Grow step.
    pub grow: usize,
    /// Which of its Improve steps.
    pub improve: usize,
    /// What was asked.
    pub keep: Keep,
    /// The best reward that was seen.
    pub best: f64,
}

/// What the loop reports.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Report {
    /// A Grow step is complete.
    Grown(Grown),
    /// An Improve step is over; the trainee has its best checkpoint.
    Improved(Improved),
    /// Nothing passed the filter; its chain of Improve steps is over.
    Exhausted(Exhausted),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Phase {
    Start,
    Growing(Box<Grow>),
    Improving(Box<Improving>),
    Over,
}

/// An Improve step between two comparisons of checkpoints.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Improving {
    improve: usize,
    kept: Vec<usize>,
    epochs: Epochs,
    state: State,
    step: u64,
    /// Sum of the losses.
    losses: f64,
    /// Reward of the best checkpoint, and after which step it was.
    best: Option<(f64, u64)>,
}

/// The loop between two of its steps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rest {
    settings: RestParams,
    grow: usize,
    phase: Phase,
    /// The original data.
    original: Vec<Scored>,
    /// What the present Improve steps learn from, and what is known of it.
    data: Vec<Scored>,
    known: Known,
    rng: Stream,
    /// Base, behaviour (what grew the data) and best checkpoint.
    #[serde(skip)]
    weights: Vec<f32>,
}

impl Resume for Rest {
    const LOOP: &'static str = "rest";
    const REFERENCES: usize = 3;

    fn reference(&self) -> Result<Cow<'_, [f32]>> {
        Ok(Cow::Borrowed(&self.weights))
    }

    fn set_reference(&mut self, trainee: &Trainee, values: Vec<f32>) -> Result<()> {
        self.weights = values;
        let behaviour = trainee.freeze_at(self.set(BEHAVIOUR))?;
        if let Phase::Improving(improving) = &mut self.phase {
            improving.state.behaviour = behaviour;
        }
        Ok(())
    }
}

const BASE: usize = 0;
const BEHAVIOUR: usize = 1;
const BEST: usize = 2;

impl Rest {
    /// A run that starts from the trainee, with completions of sources as original data.
    ///
    /// # Errors
    /// Illegal settings; no sources; original data that are asked for and missing, or of a source that does not exist.
    pub fn new(
        trainee: &Trainee,
        task: &mut dyn Task,
        original: Vec<(usize, Vec<u32>)>,
        settings: &RestParams,
        rng: Stream,
    ) -> Result<Self> {
        settings.validate()?;
        let sources = task.sources().len();
        if sources == 0 || task.held_out().is_empty() {
            return Err(Error::Usage("ReST needs at least one source and one held-out source".into()));
        }
        if settings.mixture && original.is_empty() {
            return Err(Error::Usage("a mixture with the original data needs at least one original completion".into()));
        }
        if let Some((i, o)) = original.iter().enumerate().find(|(_, o)| o.0 >= sources) {
            return Err(Error::parameter(format!("original[{i}].source"), o.0, format!("below {sources}")));
        }
        let original = if settings.mixture { original } else { Vec::new() };
        let asked: Vec<(usize, &[u32])> = original.iter().map(|(i, y)| (*i, y.as_slice())).collect();
        let rated = rewards(task, Half::Train, &asked)?;
        let scored = original.into_iter().zip(rated);
        let original = scored.map(|((source, tokens), reward)| Scored { source, tokens, reward }).collect();
        Ok(Self {
            settings: settings.clone(),
            grow: 0,
            phase: Phase::Start,
            original,
            data: Vec::new(),
            known: Known::default(),
            rng,
            weights: trainee.trained()?.repeat(Self::REFERENCES),
        })
    }

    /// Whether the loop is over.
    pub fn is_done(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// What the present Improve steps learn from.
    pub fn data(&self) -> &[Scored] {
        &self.data
    }

    fn set(&self, which: usize) -> &[f32] {
        let size = self.weights.len() / Self::REFERENCES;
        &self.weights[which * size..][..size]
    }

    fn put(&mut self, which: usize, params: &[f32]) {
        let size = params.len();
        self.weights[which * size..][..size].copy_from_slice(params);
    }

    /// Goes on: with a chunk of sources in a Grow step, up to the next comparison of checkpoints in an Improve step. `sampling` says where
    /// a completion ends and how long it gets; its temperature is the settings'.
    ///
    /// # Errors
    /// A prompt that does not fit the model; a reward that is not finite; training that diverges. The run and the trainee may be between
    /// two steps then: go on from the last file.
    pub fn step(&mut self, trainee: &mut Trainee, task: &mut dyn Task, sampling: &Sampling) -> Result<Option<Report>> {
        let sampling = Sampling { temperature: self.settings.temperature, ..*sampling };
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Over => Err(Error::Usage("this run of ReST is over".into())),
            Phase::Start if self.settings.grows == 0 => {
                self.begin(trainee, task, Vec::new()).map(|grown| Some(Report::Grown(grown)))
            }
            Phase::Start => {
                self.grow = 1;
                self.phase = Phase::Growing(Box::new(Grow::new(self.rng.split())));
                Ok(None)
            }
            Phase::Growing(mut grow) => {
                if grow.step(trainee, task, self.settings.candidates, &sampling)? {
                    return self.begin(trainee, task, grow.samples).map(|grown| Some(Report::Grown(grown)));
                }
                self.phase = Phase::Growing(grow);
                Ok(None)
            }
            Phase::Improving(improving) if improving.kept.is_empty() => {
                let (grow, improve, keep) = (self.grow, improving.improve, self.settings.improves[improving.improve]);
                if improve == 0 {
                    // a chain that starts from the base has put it in the place of what grew
                    trainee.restart(self.set(BEHAVIOUR))?;
                }
                self.end_chain();
                Ok(Some(Report::Exhausted(Exhausted { grow, improve, keep, best: best(&self.data) })))
            }
            Phase::Improving(improving) => self.improve(*improving, trainee, task, &sampling),
        }
    }

    /// The data of the next Improve steps, and the first of these.
    fn begin(&mut self, trainee: &mut Trainee, task: &mut dyn Task, drawn: Vec<Scored>) -> Result<Grown> {
        let (count, drawn_reward) = (drawn.len(), mean_reward(&drawn));
        self.data = drawn;
        self.data.extend(self.original.iter().cloned());
        self.put(BEHAVIOUR, &trainee.trained()?);
        let behaviour = trainee.freeze()?;
        let mut rng = self.rng.split();
        self.known = self.settings.loss.prepare(trainee, &behaviour, task.sources(), &self.data, &mut rng)?;
        if self.settings.start == Start::Base {
            let base = self.set(BASE).to_vec();
            trainee.restart(&base)?;
        }
        self.next_improve(trainee, 0)?;
        let (samples, reward) = (self.data.len(), mean_reward(&self.data));
        Ok(Grown { grow: self.grow, samples, drawn: count, drawn_reward, reward, best: best(&self.data) })
    }

    /// From the trainee's weights, with fresh moments.
    fn next_improve(&mut self, trainee: &mut Trainee, improve: usize) -> Result<()> {
        let trained = trainee.trained()?.into_owned();
        trainee.restart(&trained)?;
        let kept = self.settings.improves[improve].select(&self.data, &mut self.rng);
        let state = State { eta: self.settings.loss.first_eta(), behaviour: trainee.freeze_at(self.set(BEHAVIOUR))? };
        let epochs = Epochs::new(self.rng.split());
        self.phase =
            Phase::Improving(Box::new(Improving { improve, kept, epochs, state, step: 0, losses: 0.0, best: None }));
        Ok(())
    }

    /// The next Grow step, if there is one.
    fn end_chain(&mut self) {
        self.phase = if self.grow < self.settings.grows {
            self.grow += 1;
            Phase::Growing(Box::new(Grow::new(self.rng.split())))
        } else {
            Phase::Over
        };
    }

    /// Up to the next comparison, and behind the last one on to what follows.
    fn improve(
        &mut self,
        mut now: Improving,
        trainee: &mut Trainee,
        task: &mut dyn Task,
        sampling: &Sampling,
    ) -> Result<Option<Report>> {
        let settings = &self.settings;
        let end = (now.step + settings.evaluate_every).min(settings.steps);
        let rate = settings.rate(now.improve);
        while now.step < end {
            let places = now.epochs.batch(settings.minibatch, now.kept.len());
            let places: Vec<usize> = places.into_iter().map(|i| now.kept[i]).collect();
            let batch = Minibatch::new(task.sources(), &self.data, &self.known, &places);
            let progress = now.step as f64 / settings.steps as f64;
            now.losses += settings.loss.step(trainee, &batch, &mut now.state, rate, progress)?.loss;
            now.step += 1;
        }
        let held_out = self.held_out(trainee, task, sampling)?;
        if now.best.is_none_or(|b| held_out > b.0) {
            now.best = Some((held_out, now.step));
            self.put(BEST, &trainee.trained()?);
        }
        let over = now.step == self.settings.steps;
        let Some((held_out, step)) = now.best.filter(|_| over) else {
            self.phase = Phase::Improving(Box::new(now));
            return Ok(None);
        };
        let kept_reward = mean_reward(now.kept.iter().map(|&i| &self.data[i]));
        let (grow, improve, kept, loss) = (self.grow, now.improve, now.kept.len(), now.losses / now.step as f64);
        trainee.restart(self.set(BEST))?;
        if improve + 1 < self.settings.improves.len() {
            self.next_improve(trainee, improve + 1)?;
        } else {
            self.end_chain();
        }
        Ok(Some(Report::Improved(Improved { grow, improve, kept, kept_reward, held_out, step, loss })))
    }

    /// Mean reward on held-out sources, every time with the same random numbers.
    fn held_out(&self, trainee: &mut Trainee, task: &mut dyn Task, sampling: &Sampling) -> Result<f64> {
        let each = self.settings.held_out_candidates;
        let drawn: Vec<usize> = (0..task.held_out().len()).flat_map(|i| std::iter::repeat_n(i, each)).collect();
        let mut rng = Stream::named(&["rest", "held out"]);
        let tokens = complete(trainee, task.held_out(), &drawn, sampling, &mut rng)?;
        let asked: Vec<(usize, &[u32])> = drawn.iter().copied().zip(tokens.iter().map(Vec::as_slice)).collect();
        let rewards = rewards(task, Half::HeldOut, &asked)?;
        Ok(rewards.iter().sum::<f64>() / rewards.len() as f64)
    }
}

/// The whole loop; `each` is told every report with the trainee as it is then.
///
/// # Errors
/// As [`Rest::new`] and [`Rest::step`], and those of `each`.
pub fn rest(
    trainee: &mut Trainee,
    task: &mut dyn Task,
    original: Vec<(usize, Vec<u32>)>,
    settings: &RestParams,
    sampling: &Sampling,
    rng: &mut Stream,
    mut each: impl FnMut(&Report, &mut Trainee) -> Result<()>,
) -> Result<()> {
    let mut run = Rest::new(trainee, task, original, settings, rng.split())?;
    while !run.is_done() {
        if let Some(report) = run.step(trainee, task, sampling)? {
            each(&report, trainee)?;
        }
    }
    Ok(())
}
