//! Finetuning of a subject: budgets that the experiments on real models share.

use super::asked::{Question, Questions};
use rewardlab::algorithm::{Example, Kl, PolicyGradientParams, Round, Trainee, policy_gradient, sft};
use rewardlab::error::{Error, Result};
use rewardlab::lm::{Decay, Sampling, Schedule};
use rewardlab::rng::Stream;
use serde::{Deserialize, Serialize};

/// Supervised finetuning.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sft {
    /// Steps; 1 to 1 000 000.
    pub(crate) steps: u64,
    /// Examples per step; 1 to 1024.
    pub(crate) batch: usize,
    /// Learning rate, falling linearly; positive.
    pub(crate) learning_rate: f64,
}

impl Sft {
    /// # Errors
    /// The first parameter outside its legal range.
    pub(crate) fn validate(&self) -> Result<()> {
        Error::check_counts(&[("steps", self.steps as usize, 1, 1_000_000), ("batch", self.batch, 1, 1024)])?;
        Error::check_positive(&[("learning_rate", self.learning_rate)])
    }

    /// Trains on the references of some questions.
    ///
    /// # Errors
    /// Training that diverges; no question.
    pub(crate) fn run(&self, trainee: &mut Trainee, questions: &[Question], rng: &mut Stream) -> Result<()> {
        self.learn(trainee, &questions.iter().map(Question::example).collect::<Vec<_>>(), rng)
    }

    /// Trains on completions of prompts.
    ///
    /// # Errors
    /// Training that diverges; no example.
    pub(crate) fn learn(&self, trainee: &mut Trainee, examples: &[Example], rng: &mut Stream) -> Result<()> {
        sft(trainee, examples, self.batch, &self.schedule(), rng)?;
        Ok(())
    }

    /// The learning rate of each step.
    pub(crate) fn schedule(&self) -> Schedule {
        Schedule { peak: self.learning_rate, warm_up: 0, steps: self.steps, decay: Decay::Linear }
    }
}

/// Reinforcement finetuning by RLOO (arXiv:2402.14740): a group in which all rewards are equal has no gradient at all.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rft {
    /// Rounds of sampling and learning; 1 to 100 000.
    pub(crate) rounds: usize,
    /// Prompts per round; 1 to 10 000.
    pub(crate) prompts: usize,
    /// Samples per prompt; 2 to 1000.
    pub(crate) group: usize,
    /// Sequences per step; 1 to 10 000.
    pub(crate) minibatch: usize,
    /// Learning rate, constant; positive.
    pub(crate) learning_rate: f64,
    /// β of the KL to the start, in the reward, per nat; at least 0.
    pub(crate) kl: f64,
}

impl Rft {
    /// # Errors
    /// The first parameter outside its legal range.
    pub(crate) fn validate(&self) -> Result<()> {
        Error::check_counts(&[
            ("rounds", self.rounds, 1, 100_000),
            ("prompts", self.prompts, 1, 10_000),
            ("group", self.group, 2, 1000),
            ("minibatch", self.minibatch, 1, 10_000),
        ])?;
        Error::check_positive(&[("learning_rate", self.learning_rate)])?;
        Error::check_not_negative(&[("kl", self.kl)])
    }

    /// The loop's settings.
    pub(crate) fn settings(&self) -> PolicyGradientParams {
        let rloo = PolicyGradientParams::rloo();
        PolicyGradientParams {
            iterations: self.rounds,
            prompts: self.prompts,
            group: self.group,
            minibatch: self.minibatch,
            learning_rate: self.learning_rate,
            kl: Kl { coefficient: self.kl, ..rloo.kl },
            ..rloo
        }
    }

    /// Trains on the training questions; what each round saw.
    ///
    /// # Errors
    /// Training that diverges; an answer without a reward.
    pub(crate) fn run(
        &self,
        trainee: &mut Trainee,
        asked: &mut Questions,
        sampling: &Sampling,
        rng: &mut Stream,
    ) -> Result<Vec<Round>> {
        let settings = self.settings();
        let prompts: Vec<Vec<u32>> = asked.train.iter().map(|q| q.prompt.clone()).collect();
        let Questions { train, pay, .. } = asked;
        let rounds = policy_gradient(trainee, &settings, &prompts, sampling, |i, a| pay.reward(&train[i], a), rng);
        rounds.map_err(|e| pay.explain(e))
    }
}
