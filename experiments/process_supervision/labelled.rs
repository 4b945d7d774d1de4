//! Solutions with labels of several kinds and of several labellers.

use super::world::World;
use rewardlab::env::StepLabel;
use rewardlab::env::arithmetic::{ACTIVE, Features, Problem, Solution};
use rewardlab::error::Result;
use rewardlab::metrics::selection::convincing;
use rewardlab::reward::Solutions;
use rewardlab::rng::Stream;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::ops::Range;

/// What a reward model sees of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// All features: also whether the step claims what the generator would most often claim. It starts with the generator's beliefs.
    Beliefs,
    /// All but that: what was not labelled is judged by the rate of its operator.
    Blank,
}

impl Sight {
    pub(crate) const BOTH: [Self; 2] = [Self::Beliefs, Self::Blank];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Beliefs => "beliefs",
            Self::Blank => "blank",
        }
    }

    /// Adds a solution as it is seen.
    ///
    /// # Errors
    /// A step that has no features.
    fn push(self, seen: &mut Solutions, features: &Features, problem: &Problem, solution: &Solution) -> Result<()> {
        let steps = solution.steps.iter().map(|s| features.of_step(problem.modulus, s));
        match self {
            Self::Beliefs => seen.push(steps),
            Self::Blank => {
                seen.push(steps.map(|[group, _, fact, pair, manner]: [u32; ACTIVE]| [group, fact, pair, manner]))
            }
        }
    }

    /// Solutions of one problem as they are seen.
    ///
    /// # Errors
    /// A step that has no features.
    pub(crate) fn of(self, features: &Features, problem: &Problem, solutions: &[Solution]) -> Result<Solutions> {
        let mut seen = Solutions::new(features.count());
        solutions.iter().try_for_each(|solution| self.push(&mut seen, features, problem, solution))?;
        Ok(seen)
    }
}

/// Solutions as a reward model sees them, and what is said of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Labelled {
    pub(crate) solutions: Solutions,
    /// Of every step of all solutions; true labels, unless a model gave them.
    pub(crate) labels: Vec<StepLabel>,
    /// By a check of the final answer.
    pub(crate) right: Vec<bool>,
    /// Which problem each is of.
    pub(crate) problems: Vec<usize>,
}

impl Labelled {
    /// None yet.
    pub(crate) fn new(features: &Features) -> Self {
        Self { solutions: Solutions::new(features.count()), labels: vec![], right: vec![], problems: vec![] }
    }

    /// Adds a solution of problem number `number`.
    ///
    /// # Errors
    /// A step that has no features.
    pub(crate) fn push(
        &mut self,
        sight: Sight,
        features: &Features,
        number: usize,
        problem: &Problem,
        solution: &Solution,
    ) -> Result<()> {
        sight.push(&mut self.solutions, features, problem, solution)?;
        self.labels.extend(solution.labels(problem));
        self.right.push(solution.is_right(problem));
        self.problems.push(number);
        Ok(())
    }

    /// `count` finished solutions of each problem, problem by problem; fewer are a part of more.
    ///
    /// # Errors
    /// A problem of which hardly any solution comes to its end.
    pub(crate) fn sample(
        world: &World,
        sight: Sight,
        problems: &[Problem],
        count: usize,
        rng: &mut Stream,
    ) -> Result<Self> {
        let features = world.features();
        let mut all = Self::new(&features);
        for (number, problem) in problems.iter().enumerate() {
            for solution in world.generator.sample_finished(problem, count, &mut rng.split())? {
                all.push(sight, &features, number, problem, &solution)?;
            }
        }
        Ok(all)
    }

    pub(crate) fn len(&self) -> usize {
        self.right.len()
    }

    /// The labels of one solution's steps.
    pub(crate) fn labels_of(&self, i: usize) -> &[StepLabel] {
        &self.labels[self.solutions.steps_of(i)]
    }

    /// Whether no step of a solution is labelled wrong.
    pub(crate) fn all_valid(&self, i: usize) -> bool {
        self.labels_of(i).iter().all(|l| *l != StepLabel::Negative)
    }

    /// The first step of a solution that is labelled wrong.
    pub(crate) fn first_error(&self, i: usize) -> Option<usize> {
        self.labels_of(i).iter().position(|l| *l == StepLabel::Negative)
    }

    /// How many steps are labelled: up to each solution's first wrong one.
    pub(crate) fn supervised(&self) -> usize {
        (0..self.len()).map(|i| rewardlab::env::supervised(self.labels_of(i))).sum()
    }

    /// Of the supervised steps the share that is not labelled wrong.
    pub(crate) fn steps_right(&self) -> f64 {
        let wrong = (0..self.len()).filter(|i| !self.all_valid(*i)).count();
        1.0 - wrong as f64 / self.supervised().max(1) as f64
    }

    /// The share of solutions that are not copies, step by step, of others of the same problem.
    pub(crate) fn different(&self) -> f64 {
        let text = |i: usize| -> (usize, Vec<&[u32]>) {
            (self.problems[i], self.solutions.steps_of(i).map(|t| self.solutions.active(t)).collect())
        };
        let seen: HashSet<_> = (0..self.len()).map(text).collect();
        seen.len() as f64 / self.len().max(1) as f64
    }

    /// How many different first wrong steps are shown, as a model sees them: what one may learn to be wrong.
    pub(crate) fn mistakes(&self) -> usize {
        let step = |i: usize| Some(self.solutions.active(self.solutions.steps_of(i).start + self.first_error(i)?));
        (0..self.len()).filter_map(step).collect::<HashSet<_>>().len()
    }

    /// Every label at another step, drawn at random: their shares stay.
    pub(crate) fn shuffled(&self, rng: &mut Stream) -> Self {
        let order = rng.permutation(self.labels.len());
        Self { labels: order.into_iter().map(|t| self.labels[t]).collect(), ..self.clone() }
    }

    /// Some of them.
    pub(crate) fn select(&self, which: &[usize]) -> Self {
        let labels = which.iter().flat_map(|i| self.labels_of(*i).iter().copied()).collect();
        Self {
            solutions: self.solutions.select(which.iter().copied()),
            labels,
            right: which.iter().map(|i| self.right[*i]).collect(),
            problems: which.iter().map(|i| self.problems[*i]).collect(),
        }
    }

    /// Which of these solutions of one problem are labelled, by the rule of [`convincing`].
    pub(crate) fn convincing(&self, of_problem: Range<usize>, scores: &[f64], count: usize) -> Vec<usize> {
        let chosen = convincing(&scores[of_problem.clone()], &self.right[of_problem.clone()], count);
        chosen.into_iter().map(|i| of_problem.start + i).collect()
    }

    /// Adds all of another.
    ///
    /// # Errors
    /// Other features.
    pub(crate) fn extend(&mut self, other: &Self) -> Result<()> {
        self.solutions.extend(&other.solutions)?;
        self.labels.extend_from_slice(&other.labels);
        self.right.extend_from_slice(&other.right);
        self.problems.extend_from_slice(&other.problems);
        Ok(())
    }
}
