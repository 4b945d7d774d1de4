//! Expert iteration (arXiv:1705.08439) of a transformer, the policy being its own apprentice: sample, keep the good
//! samples, imitate them. With a threshold it is filtered behaviour cloning, the inner loop of `ReST` (arXiv:2308.08998).

use super::resume::Resume;
use super::rollout::{Samples, mean};
use super::sft::Sft;
use super::trainee::{Example, Trainee};
use crate::error::{Error, Result};
use crate::lm::cpu::Sampling;
use crate::lm::{Decay, Schedule};
use crate::metrics;
use crate::rng::Stream;
use serde::{Deserialize, Serialize};

/// Which of a round's samples are imitated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Selection {
    /// The best so many of each prompt's samples, the first of equals; 1 to `group`.
    Best {
        /// How many.
        count: usize,
    },
    /// Those with at least this reward.
    AtLeast {
        /// τ, in the reward's unit.
        threshold: f64,
    },
}

/// Settings of [`expert_iteration`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpertIterationParams {
    /// Rounds of sampling and imitation; at least 1.
    pub iterations: usize,
    /// Prompts drawn per round; at least 1.
    pub prompts: usize,
    /// Samples per prompt; at least 1.
    pub group: usize,
    /// What is imitated.
    pub keep: Selection,
    /// Passes over the kept samples; at least 1.
    pub epochs: u64,
    /// Samples per step; at least 1.
    pub minibatch: usize,
    /// Learning rate, positive.
    pub learning_rate: f64,
    /// Of sampling; positive.
    pub temperature: f64,
}

impl Default for ExpertIterationParams {
    fn default() -> Self {
        Self {
            iterations: 20,
            prompts: 16,
            group: 4,
            keep: Selection::Best { count: 1 },
            epochs: 2,
            minibatch: 16,
            learning_rate: 1e-3,
            temperature: 1.0,
        }
    }
}

impl ExpertIterationParams {
    /// Fails on the first setting outside its legal range.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn validate(&self) -> Result<()> {
        Error::check_counts(&[
            ("iterations", self.iterations, 1, usize::MAX),
            ("prompts", self.prompts, 1, usize::MAX),
            ("group", self.group, 1, usize::MAX),
            ("epochs", self.epochs as usize, 1, usize::MAX),
            ("minibatch", self.minibatch, 1, usize::MAX),
        ])?;
        Error::check_positive(&[("learning_rate", self.learning_rate), ("temperature", self.temperature)])?;
        match self.keep {
            Selection::Best { count } if count == 0 || count > self.group => {
                Err(Error::parameter("keep.count", count, format!("1 to group = {}", self.group)))
            }
            Selection::AtLeast { threshold } if threshold.is_nan() => {
                Err(Error::parameter("keep.threshold", threshold, "a number"))
            }
            _ => Ok(()),
        }
    }
}

/// What a round of expert iteration saw and kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExpertRound {
    /// Mean reward of all samples.
    pub reward: f64,
    /// Spread of all rewards, prompts mixed.
    pub reward_std_batch: f64,
    /// Mean over prompts of the spread within each; none for groups of one.
    pub reward_std_prompt: Option<f64>,
    /// Share of groups whose rewards are all equal; none for groups of one.
    pub dead_groups: Option<f64>,
    /// Share of samples that were kept.
    pub kept: f64,
    /// Mean reward of those; none if none was.
    pub kept_reward: Option<f64>,
    /// Loss at the end of the imitation, nats per token; none if nothing was kept: the weights stay as they were.
    pub loss: Option<f64>,
}

/// Expert iteration between two rounds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExpertIteration {
    settings: ExpertIterationParams,
    rounds: usize,
    rng: Stream,
}

impl Resume for ExpertIteration {
    const LOOP: &'static str = "expert_iteration";
}

impl ExpertIteration {
    /// A run.
    ///
    /// # Errors
    /// Illegal settings.
    pub fn new(settings: &ExpertIterationParams, rng: Stream) -> Result<Self> {
        settings.validate()?;
        Ok(Self { settings: settings.clone(), rounds: 0, rng })
    }

    /// Whether all rounds are over.
    pub fn is_done(&self) -> bool {
        self.rounds >= self.settings.iterations
    }

    /// One round. Arguments as of [`expert_iteration`].
    ///
    /// # Errors
    /// As [`expert_iteration`].
    pub fn round(
        &mut self,
        trainee: &mut Trainee,
        prompts: &[Vec<u32>],
        sampling: &Sampling,
        reward: impl FnMut(usize, &[u32]) -> f64,
    ) -> Result<ExpertRound> {
        let s = &self.settings;
        let group = s.group;
        let sampling = Sampling { temperature: s.temperature, ..*sampling };
        let samples = Samples::draw(trainee, prompts, (s.prompts, group), &sampling, reward, &mut self.rng)?;
        let kept = kept(&samples.rewards, group, s.keep);
        let example = |&i: &usize| Example { tokens: samples.sequences[i].clone(), prompt: samples.prompts[i] };
        // a prompt that fills the context has no completion to learn
        let examples: Vec<Example> = kept.iter().filter(|&&i| samples.lengths[i] > 0).map(example).collect();
        let rewards = &samples.rewards;
        let mut round = ExpertRound {
            reward: mean(rewards),
            reward_std_batch: metrics::reward_std_batch(rewards),
            reward_std_prompt: (group > 1).then(|| metrics::reward_std_prompt(rewards, group)),
            dead_groups: (group > 1).then(|| metrics::dead_groups(rewards, group)),
            kept: kept.len() as f64 / rewards.len() as f64,
            kept_reward: (!kept.is_empty()).then(|| mean(&kept.iter().map(|&i| rewards[i]).collect::<Vec<_>>())),
            loss: None,
        };
        if !examples.is_empty() {
            let size = s.minibatch.min(examples.len());
            let steps = s.epochs * examples.len().div_ceil(size) as u64;
            let schedule = Schedule { peak: s.learning_rate, warm_up: 0, steps, decay: Decay::Constant };
            let mut imitation = Sft::new(&schedule, size, self.rng.split())?;
            while !imitation.is_done() {
                imitation.step(trainee, &examples)?;
            }
            round.loss = Some(imitation.loss());
        }
        self.rounds += 1;
        Ok(round)
    }
}

/// The kept samples, in order.
fn kept(rewards: &[f64], group: usize, keep: Selection) -> Vec<usize> {
    match keep {
        Selection::AtLeast { threshold } => (0..rewards.len()).filter(|&i| rewards[i] >= threshold).collect(),
        Selection::Best { count } => {
            let best = |start: usize| {
                let mut order: Vec<usize> = (start..start + group).collect();
                order.sort_by(|&a, &b| rewards[b].total_cmp(&rewards[a]));
                order.truncate(count);
                order.sort_unstable();
                order
            };
            (0..rewards.len()).step_by(group).flat_map(best).collect()
        }
    }
}

/// Trains on rewards by imitation: in every round `settings.prompts` of `prompts` are drawn, each is completed
/// `settings.group` times, `reward(i, completion)` pays a completion of the i-th, and what [`Selection`] keeps is finetuned on.
/// `sampling` says where a completion ends and how long it gets; its temperature is the settings'.
///
/// # Errors
/// Illegal settings; an empty or over-long prompt; a reward that is not finite; training that diverges.
pub fn expert_iteration(
    trainee: &mut Trainee,
    settings: &ExpertIterationParams,
    prompts: &[Vec<u32>],
    sampling: &Sampling,
    mut reward: impl FnMut(usize, &[u32]) -> f64,
    rng: &mut Stream,
) -> Result<Vec<ExpertRound>> {
    let mut run = ExpertIteration::new(settings, rng.clone())?;
    let rounds = (0..settings.iterations).map(|_| run.round(trainee, prompts, sampling, &mut reward)).collect();
    *rng = run.rng;
    rounds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lm::{Config, Size, init};

    fn trainee() -> Trainee {
        let config = Config::gpt2(Size { vocab: 6, width: 16, layers: 1, heads: 2, context: 8 });
        let params = init(&config, 0.1, &mut Stream::named(&["expert"])).expect("a layout");
        Trainee::new(&config, params, 0.5).expect("legal")
    }

    fn train(keep: Selection, reward: impl FnMut(usize, &[u32]) -> f64) -> Result<(Trainee, Vec<ExpertRound>)> {
        let mut trainee = trainee();
        let settings = ExpertIterationParams { iterations: 15, keep, learning_rate: 1e-2, ..Default::default() };
        let sampling = Sampling { end: Some(5), ..Sampling::plain(4) };
        let (prompts, mut rng) = ([vec![0, 1], vec![0, 2]], Stream::named(&["rollouts"]));
        let rounds = expert_iteration(&mut trainee, &settings, &prompts, &sampling, reward, &mut rng)?;
        Ok((trainee, rounds))
    }

    /// The reward is for the prompt's second token, said at once.
    #[test]
    fn learns_what_is_rewarded_and_repeats_its_bits() {
        for keep in [Selection::Best { count: 1 }, Selection::AtLeast { threshold: 1.0 }] {
            let run = || train(keep, |i, o| f64::from(u8::from(o.first() == Some(&(i as u32 + 1))))).expect("finite");
            let ((one, rounds), (two, again)) = (run(), run());
            assert!(rounds[0].reward < 0.5 && rounds[14].reward > 0.8, "{rounds:?}");
            assert!(one.params == two.params && rounds == again);
            assert!(rounds.iter().all(|r| r.kept_reward > Some(r.reward) || r.reward == 1.0), "{rounds:?}");
        }
    }

    #[test]
    fn keeps_the_first_of_equals_in_every_group() {
        let rewards = [0.0, 2.0, 2.0, 1.0, 1.0, 1.0];
        assert_eq!(kept(&rewards, 3, Selection::Best { count: 1 }), [1, 3]);
        assert_eq!(kept(&rewards, 3, Selection::Best { count: 2 }), [1, 2, 3, 4]);
        assert_eq!(kept(&rewards, 3, Selection::AtLeast { threshold: 1.5 }), [1, 2]);
    }

    /// Nothing kept, nothing learned; a reward that is no number is an error.
    #[test]
    fn nothing_to_imitate_leaves_the_weights() {
        let (after, rounds) = train(Selection::AtLeast { threshold: 2.0 }, |_, _| 1.0).expect("finite");
        assert!(after.params == trainee().params);
        assert_eq!((rounds[0].kept, rounds[0].kept_reward, rounds[0].loss), (0.0, None, None));
        assert_eq!((rounds[0].dead_groups, rounds[0].reward_std_prompt), (Some(1.0), Some(0.0)));
        let error = train(Selection::Best { count: 1 }, |_, _| f64::NAN);
        assert!(matches!(error, Err(Error::NotFinite { .. })));
        assert!(matches!(train(Selection::Best { count: 5 }, |_, _| 0.0), Err(Error::Parameter { .. })));
    }
}
