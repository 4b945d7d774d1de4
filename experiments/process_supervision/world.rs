//! The world that the experiments share: a generator, training problems, held-out ones, candidates.
//!
//! Sizes and rates are ours, chosen on seeds outside the reported range so that a half of the solutions and two thirds
//! of the most frequent answers are right. The generator slips (every wrong value equally likely), and it has
//! misconceptions: facts that it gets wrong in one certain way with a probability of 0.2 to 0.9. On problems that meet
//! a strong one the most frequent answer is wrong, so that majority voting saturates below 1. It hedges three times as
//! often where it is wrong. Some operations merge values (modulo 8, 9, 10 and 12), so that errors are forgiven now and
//! then.
//!
//! Held-out problems are new, the facts that they are made of are not: a process model may have seen each of them
//! labelled about ten times, and then knows it. `out_of_distribution` shows what is left at facts that were never seen.

use rewardlab::env::Split;
use rewardlab::env::arithmetic::{Features, Generator, Mix, Problem, Rates, Solution};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::Context;
use rewardlab::metrics::selection::Pool;
use rewardlab::rng::Stream;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Who computes what all experiments of this folder have in common.
pub(crate) const OWNER: &str = "process_supervision";

/// The world and its problems.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WorldParams {
    /// Moduli of the facts that there are, problems of other distributions included; different, each from 2 to 16.
    pub(crate) moduli: Vec<u8>,
    /// Problems for training; 1 to 100 000.
    pub(crate) train_problems: usize,
    /// Held-out problems, on which everything is reported; 2 to 100 000.
    pub(crate) test_problems: usize,
    /// What these problems are like. Its moduli are among the `moduli`.
    pub(crate) mix: Mix,
    /// The generator.
    pub(crate) rates: Rates,
}

impl Default for WorldParams {
    fn default() -> Self {
        let moduli = vec![7, 8, 9, 10, 11, 12];
        Self {
            mix: Mix { lengths: (3, 8), moduli: moduli.clone(), operators: [1.0, 1.0, 1.0, 0.0] },
            moduli,
            train_problems: 1000,
            test_problems: 200,
            rates: Rates::default(),
        }
    }
}

impl WorldParams {
    /// # Errors
    /// Names the field, its value and what is legal.
    pub(crate) fn validate(&self) -> Result<()> {
        Error::check_counts(&[
            ("train_problems", self.train_problems, 1, 100_000),
            ("test_problems", self.test_problems, 2, 100_000),
        ])?;
        self.rates.validate().map_err(|e| e.within("rates"))?;
        rewardlab::env::arithmetic::Facts::new(&self.moduli)?;
        self.validate_mix(&self.mix).map_err(|e| e.within("mix"))
    }

    /// Whether the generator can write solutions of such problems.
    ///
    /// # Errors
    /// As [`WorldParams::validate`].
    pub(crate) fn validate_mix(&self, mix: &Mix) -> Result<()> {
        mix.validate()?;
        if let Some(unknown) = mix.moduli.iter().find(|m| !self.moduli.contains(m)) {
            return Err(Error::parameter("moduli", unknown, format!("among those of the world, {:?}", self.moduli)));
        }
        Ok(())
    }

    /// The same world with problems of one operation, at which no step restates. There are not so many different ones.
    pub(crate) fn one_step(&self) -> Self {
        let mut one = self.clone();
        one.mix.lengths = (1, 1);
        one.rates.restating = 0.0;
        one.train_problems = one.train_problems.min(300);
        one.test_problems = one.test_problems.min(60);
        one
    }

    /// The world of a seed: the same for all experiments of the folder.
    ///
    /// # Errors
    /// Fewer different problems than asked for.
    pub(crate) fn world(&self, ctx: &Context) -> Result<Arc<World>> {
        ctx.common_stage(OWNER, "world", self, |rng| {
            Ok(World {
                generator: Generator::draw(&self.rates, &self.moduli, rng)?,
                train: self.mix.draw_different(self.train_problems, Split::Train, rng)?,
                test: self.mix.draw_different(self.test_problems, Split::Test, rng)?,
            })
        })
    }
}

/// One seed's world.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct World {
    pub(crate) generator: Generator,
    pub(crate) train: Vec<Problem>,
    pub(crate) test: Vec<Problem>,
}

impl World {
    /// How steps are shown to reward models.
    pub(crate) fn features(&self) -> Features {
        Features::new(&self.generator)
    }

    /// So many solutions of a problem.
    pub(crate) fn sample(&self, problem: &Problem, count: usize, rng: &mut Stream) -> Vec<Solution> {
        (0..count).map(|_| self.generator.sample(problem, rng)).collect()
    }
}

/// A problem's solutions as candidates for a choice.
pub(crate) fn pool(problem: &Problem, solutions: &[Solution]) -> Pool {
    Pool { answers: solutions.iter().map(|s| s.answer).collect(), truth: problem.answer() }
}
