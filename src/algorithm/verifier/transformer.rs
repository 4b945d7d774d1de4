//! A transformer that judges solutions: its score head at the last token of each step, or at the last token of all.

use crate::algorithm::epochs::Minibatches;
use crate::algorithm::resume::Resume;
use crate::algorithm::trainee::{Trainee, Weights};
use crate::error::{Error, Result};
use crate::lm::{Batch, Keep, Schedule};
use crate::num::log_sigmoid;
use crate::objective::{cross_entropy_loss, outcome_product_loss, process_class_loss, process_loss, supervised_steps};
use crate::reward::{Neutral, log_right_of_classes};
use crate::rng::Stream;
use serde::{Deserialize, Serialize};

/// A solution in tokens, and its labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkedSolution {
    /// Problem and solution.
    pub tokens: Vec<u32>,
    /// Tokens of the problem; at least 1.
    pub prompt: usize,
    /// Place of each step's last token among `tokens`; increasing.
    pub ends: Vec<usize>,
    /// −1, 0, +1 of each step.
    pub labels: Vec<i8>,
    /// Whether the outcome counts as right.
    pub right: bool,
}

/// What is supervised, and where the score head speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Supervision {
    /// Each step up to the first wrong one, one score: the log-odds of being right.
    Process(Neutral),
    /// The same with three scores: wrong, neutral, right.
    ProcessClasses,
    /// The outcome, P(right) = Π σ of the steps' scores.
    OutcomeProduct,
    /// The outcome, at the last token: the usual outcome model.
    Outcome,
}

impl Supervision {
    /// Outputs of the score head that it needs.
    pub fn outputs(self) -> usize {
        if self == Self::ProcessClasses { 3 } else { 1 }
    }
}

/// Training between two steps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VerifierTraining {
    supervision: Supervision,
    minibatches: Minibatches,
}

impl Resume for VerifierTraining {
    const LOOP: &'static str = "verifier_training";
}

impl VerifierTraining {
    /// A run of `schedule.steps` steps on minibatches of `size` solutions; the trainee's score head 0 is set to zero.
    ///
    /// # Errors
    /// An illegal schedule; a size of 0; a model whose first score head has other outputs than the supervision needs.
    pub fn new(
        trainee: &mut Trainee,
        supervision: Supervision,
        schedule: &Schedule,
        size: usize,
        rng: Stream,
    ) -> Result<Self> {
        let minibatches = Minibatches::new(schedule, size, rng)?;
        trainee.clear_score_head()?;
        check_outputs(trainee, supervision)?;
        Ok(Self { supervision, minibatches })
    }

    /// Whether all steps are made.
    pub fn is_done(&self) -> bool {
        self.minibatches.is_done()
    }

    /// One step on the next minibatch; returns its loss before the step. All steps of a run are on the same solutions.
    ///
    /// # Errors
    /// No solutions, or fewer than in earlier steps; one whose steps do not fit its tokens; training that diverges.
    pub fn step(&mut self, trainee: &mut Trainee, solutions: &[MarkedSolution]) -> Result<f64> {
        let batch = self.minibatches.batch("solution", solutions.len())?;
        let batch: Vec<&MarkedSolution> = batch.into_iter().map(|i| &solutions[i]).collect();
        batch.iter().try_for_each(|s| s.check())?;
        let (sequences, prompts): (Vec<&[u32]>, Vec<usize>) =
            batch.iter().map(|s| (s.tokens.as_slice(), s.prompt)).unzip();
        let labels = |of: &[&MarkedSolution]| of.iter().map(|s| supervised_steps(&s.labels)).sum::<usize>();
        let all = labels(&batch);
        let supervision = self.supervision;
        let step = trainee.learn(&sequences, &prompts, self.minibatches.rate(), |part| {
            let own = &batch[part.sequences.clone()];
            let share = match supervision {
                // a mean over a part's labels, as its share of all labels of the step
                Supervision::Process(_) | Supervision::ProcessClasses => labels(own) as f64 / all as f64,
                Supervision::OutcomeProduct | Supervision::Outcome => part.of_sequences,
            };
            let places: Vec<&[usize]> = own.iter().map(|s| s.places(supervision)).collect();
            let rows = part.rows_of(&places);
            let scores = part.scores_at(&rows)?;
            let mut weights = vec![0.0; scores.len()];
            let loss = weigh(supervision, own, &scores, share, &mut weights);
            Ok((share * loss, Weights { at: (rows, weights), ..Weights::default() }))
        })?;
        self.minibatches.advance();
        Ok(step.loss)
    }
}

impl MarkedSolution {
    /// # Errors
    /// Labels or places that do not fit the tokens.
    fn check(&self) -> Result<()> {
        Error::check_shape("labels of a solution's steps", self.ends.len(), self.labels.len())?;
        let inside = self.ends.iter().all(|e| (self.prompt..self.tokens.len()).contains(e));
        if self.ends.is_empty() || !inside || !self.ends.is_sorted_by(|a, b| a < b) {
            let legal = format!("places of tokens, increasing, from {} to {}", self.prompt, self.tokens.len() - 1);
            return Err(Error::parameter("ends", format!("{:?}", self.ends), legal));
        }
        Ok(())
    }

    fn places(&self, supervision: Supervision) -> &[usize] {
        match supervision {
            Supervision::Outcome => &self.ends[self.ends.len() - 1..],
            _ => &self.ends,
        }
    }
}

fn check_outputs(trainee: &Trainee, supervision: Supervision) -> Result<()> {
    trainee.check_score_head("outputs of the score head", supervision.outputs())
}

fn weigh(supervision: Supervision, own: &[&MarkedSolution], scores: &[f64], scale: f64, weights: &mut [f64]) -> f64 {
    let lengths: Vec<usize> = own.iter().map(|s| s.ends.len()).collect();
    let labels = || own.iter().flat_map(|s| s.labels.iter().copied()).collect::<Vec<i8>>();
    let targets: Vec<f64> = own.iter().map(|s| f64::from(u8::from(s.right))).collect();
    let ones = vec![1.0; own.len()];
    match supervision {
        Supervision::Process(neutral) => process_loss(scores, &lengths, &labels(), neutral.target(), scale, weights),
        Supervision::ProcessClasses => process_class_loss(scores, &lengths, &labels(), scale, weights),
        Supervision::OutcomeProduct => outcome_product_loss(scores, &lengths, &targets, &ones, 0.0, scale, weights),
        Supervision::Outcome => cross_entropy_loss(scores, &targets, &ones, scale, weights),
    }
}

/// Trains a verifier: `schedule.steps` steps on minibatches of `size` solutions.
///
/// # Errors
/// Those of [`VerifierTraining`].
pub fn train_verifier(
    trainee: &mut Trainee,
    solutions: &[MarkedSolution],
    supervision: Supervision,
    size: usize,
    schedule: &Schedule,
    rng: &mut Stream,
) -> Result<()> {
    let mut run = VerifierTraining::new(trainee, supervision, schedule, size, rng.clone())?;
    while !run.is_done() {
        run.step(trainee, solutions)?;
    }
    *rng = run.minibatches.into_rng();
    Ok(())
}

/// What a trained verifier says of each solution, from one forward pass: for each step the log-probability that it is right. A model
/// of [`Supervision::Outcome`] says at each step how probable it thinks a right outcome, were this the end: of a whole solution the last
/// number is its score, those before are scores of prefixes.
///
/// # Errors
/// A solution that does not fit the model; a model whose first score head has other outputs than the supervision needs.
pub fn step_log_probs(
    trainee: &mut Trainee,
    solutions: &[&MarkedSolution],
    supervision: Supervision,
    neutral: Neutral,
) -> Result<Vec<Vec<f64>>> {
    check_outputs(trainee, supervision)?;
    let mut out = Vec::with_capacity(solutions.len());
    // as many at a time as keep their states in the cache
    for part in solutions.chunks(32) {
        part.iter().try_for_each(|s| s.check())?;
        let sequences: Vec<&[u32]> = part.iter().map(|s| s.tokens.as_slice()).collect();
        let batch = Batch::new(&sequences);
        trainee.forward(&batch, Keep::Final)?;
        for (solution, rows) in part.iter().zip(batch.all_rows()) {
            let places: Vec<usize> = solution.ends.iter().map(|e| rows.start + e).collect();
            let scores = trainee.scores_at(&places)?;
            out.push(match supervision {
                Supervision::ProcessClasses => {
                    scores.chunks_exact(3).map(|z| log_right_of_classes(z, neutral)).collect()
                }
                _ => scores.into_iter().map(log_sigmoid).collect(),
            });
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
