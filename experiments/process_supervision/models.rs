//! Reward models of the shared world: labelled solutions, and what is fitted to them.
//!
//! The process model and the product outcome model are one model, P(a step is right) = σ(score of its features), under two kinds of labels of
//! the same solutions: steps up to the first wrong one, or whether the final answer is right (false positives included). The linear
//! outcome model, σ of a sum over all steps, is the usual one. Solutions that came to no end are not labelled.

use super::world::{OWNER, World, WorldParams};
use rewardlab::algorithm::{LogisticParams, Stopping, fit_outcome_linear, fit_outcome_product, fit_process};
use rewardlab::env::arithmetic::{ACTIVE, Features, Problem, Solution};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::Context;
use rewardlab::num::log_sigmoid;
use rewardlab::reward::{Neutral, OutcomeModel, Score, Solutions, StepModel};
use rewardlab::rng::Stream;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Labelled data, and how reward models are fitted to them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Training {
    /// Labelled solutions per training problem; 1 to 1000.
    pub(crate) solutions: usize,
    /// 1/σ² of the weights' Gaussian prior; at least 0.
    pub(crate) precision: f64,
}

impl Default for Training {
    fn default() -> Self {
        Self { solutions: 4, precision: 0.5 }
    }
}

impl Training {
    pub(crate) fn validate(&self) -> Result<()> {
        Error::check_counts(&[("solutions", self.solutions, 1, 1000)])?;
        Error::check_not_negative(&[("precision", self.precision)])
    }

    /// Settings of every fit. The search ends where the choices that are measured have long been the same.
    pub(crate) fn logistic(&self) -> LogisticParams {
        let stopping = Stopping { tolerance: 1e-6, steps: 500 };
        LogisticParams { precision: self.precision, bias: true, stopping }
    }

    /// A reward model of a seed's world: the same for all experiments of the folder that ask for the same.
    ///
    /// # Errors
    /// Those of the world and of the fit.
    pub(crate) fn model(&self, world: &WorldParams, labels: Labels, ctx: &Context) -> Result<Arc<Model>> {
        let drawn = world.world(ctx)?;
        // every kind of labels is of the same solutions
        let data = ctx.common_stage(OWNER, "labelled", &(world, self.solutions), |rng| {
            Ok(Labelled::draw(&drawn, &drawn.train, self.solutions, rng))
        })?;
        ctx.common_stage(OWNER, "model", &(world, self, labels), |_| data.fit(&drawn, labels, &self.logistic()))
    }
}

/// What is said of labelled solutions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Labels {
    /// Every step up to the first wrong one; neutral ones count as positive.
    Process,
    /// Whether the answer is right; product of steps.
    Product,
    /// Whether the answer is right; σ of a sum.
    Linear,
}

/// Solutions of training problems that came to an end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Labelled {
    pub(crate) problems: Vec<Problem>,
    /// Problem of each solution.
    pub(crate) of: Vec<u32>,
    pub(crate) solutions: Vec<Solution>,
}

impl Labelled {
    pub(crate) fn draw(world: &World, problems: &[Problem], each: usize, rng: &mut Stream) -> Self {
        let (mut of, mut solutions) = (Vec::new(), Vec::new());
        for (i, problem) in problems.iter().enumerate() {
            // one stream per problem: fewer solutions are a part of more
            let mut own = rng.split();
            for solution in world.sample(problem, each, &mut own) {
                if solution.answer.is_some() {
                    of.push(i as u32);
                    solutions.push(solution);
                }
            }
        }
        Self { problems: problems.to_vec(), of, solutions }
    }

    fn problem(&self, i: usize) -> &Problem {
        &self.problems[self.of[i] as usize]
    }

    /// As reward models see them.
    pub(crate) fn seen(&self, features: &Features) -> Result<Solutions> {
        let mut seen = Solutions::new(features.count());
        for (i, solution) in self.solutions.iter().enumerate() {
            push(&mut seen, features, self.problem(i), solution)?;
        }
        Ok(seen)
    }

    /// −1, 0, +1 of every step, also behind the first wrong one.
    pub(crate) fn labels(&self) -> Vec<i8> {
        let of = |(i, s): (usize, &Solution)| s.labels(self.problem(i)).into_iter().map(i8::from).collect::<Vec<_>>();
        self.solutions.iter().enumerate().flat_map(of).collect()
    }

    /// 1 for every right answer.
    pub(crate) fn outcomes(&self) -> Vec<f64> {
        let right = |(i, s): (usize, &Solution)| f64::from(u8::from(s.is_right(self.problem(i))));
        self.solutions.iter().enumerate().map(right).collect()
    }

    /// Whether no step of a solution is wrong.
    pub(crate) fn is_valid(&self, i: usize) -> bool {
        self.solutions[i].first_error(self.problem(i)).is_none()
    }

    pub(crate) fn fit(&self, world: &World, labels: Labels, logistic: &LogisticParams) -> Result<Model> {
        let seen = self.seen(&world.features())?;
        Ok(match labels {
            Labels::Process => Model::Steps(fit_process(&seen, &self.labels(), Neutral::Positive, logistic)?),
            Labels::Product => Model::Steps(fit_outcome_product(&seen, &self.outcomes(), &[], 0.0, logistic)?),
            Labels::Linear => Model::Whole(fit_outcome_linear(&seen, &self.outcomes(), &[], logistic)?),
        })
    }
}

/// A fitted reward model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Model {
    Steps(StepModel),
    Whole(OutcomeModel),
}

impl Model {
    /// The log-probability that each solution is right.
    pub(crate) fn scores(&self, seen: &Solutions) -> Vec<f64> {
        match self {
            Self::Steps(model) => model.scores(seen, Score::Product),
            Self::Whole(model) => model.log_odds(seen).into_iter().map(log_sigmoid).collect(),
        }
    }
}

/// Adds a solution as reward models see it.
pub(crate) fn push(seen: &mut Solutions, features: &Features, problem: &Problem, solution: &Solution) -> Result<()> {
    let mut active = Vec::with_capacity(ACTIVE * solution.steps.len());
    features.append(problem, solution, &mut active);
    seen.push(active.chunks_exact(ACTIVE))
}

/// Solutions of one problem as reward models see them.
pub(crate) fn seen(features: &Features, problem: &Problem, solutions: &[Solution]) -> Result<Solutions> {
    let mut seen = Solutions::new(features.count());
    solutions.iter().try_for_each(|solution| push(&mut seen, features, problem, solution))?;
    Ok(seen)
}
