//! A score head that learns numbers: a reward model without references from rated outputs, a value function from returns.

use super::epochs::Minibatches;
use super::resume::Resume;
use super::trainee::{Trainee, Weights};
use crate::error::{Error, Result};
use crate::lm::Schedule;
use crate::objective::value_loss;
use crate::rng::Stream;
use serde::{Deserialize, Serialize};

/// Where score head 0 is to say an example's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// At the last token: a reward model's score of the whole output.
    Last,
    /// At the context of every token of the completion: the value of the policy that wrote it, as Monte-Carlo returns have it.
    EveryContext,
}

/// A prompt with a completion, and the number that belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rated {
    /// Prompt and completion.
    pub tokens: Vec<u32>,
    /// Tokens of the prompt; at least 1.
    pub prompt: usize,
    /// What is to be said; finite.
    pub target: f64,
}

/// Regression between two steps: half the squared error, mean over the places.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ScoreRegression {
    place: Place,
    minibatches: Minibatches,
}

impl Resume for ScoreRegression {
    const LOOP: &'static str = "score_regression";
}

impl ScoreRegression {
    /// A run of `schedule.steps` steps on minibatches of `size` examples; the trainee's score head 0 is set to zero.
    ///
    /// # Errors
    /// An illegal schedule; a size of 0; a model without a score head.
    pub fn new(trainee: &mut Trainee, schedule: &Schedule, place: Place, size: usize, rng: Stream) -> Result<Self> {
        let minibatches = Minibatches::new(schedule, size, rng)?;
        trainee.clear_score_head()?;
        Ok(Self { place, minibatches })
    }

    /// Whether all steps are made.
    pub fn is_done(&self) -> bool {
        self.minibatches.is_done()
    }

    /// One step on the next minibatch; returns its loss before the step. All steps of a run are on the same examples.
    ///
    /// # Errors
    /// No examples, or fewer than in earlier steps; a target that is not finite; a sequence that does not fit the model; training that
    /// diverges.
    pub fn step(&mut self, trainee: &mut Trainee, examples: &[Rated]) -> Result<f64> {
        let batch = self.minibatches.batch("example", examples.len())?;
        let batch: Vec<&Rated> = batch.into_iter().map(|i| &examples[i]).collect();
        Error::check_finite("target", &batch.iter().map(|e| e.target).collect::<Vec<_>>())?;
        let (sequences, prompts): (Vec<&[u32]>, Vec<usize>) =
            batch.iter().map(|e| (e.tokens.as_slice(), e.prompt)).unzip();
        let step = trainee.learn(&sequences, &prompts, self.minibatches.rate(), |part| {
            let mut weights = Weights::default();
            let rated = &batch[part.sequences.clone()];
            let (loss, share) = match self.place {
                Place::Last => {
                    let targets: Vec<f64> = rated.iter().map(|e| e.target).collect();
                    weights.finals = vec![0.0; targets.len()];
                    let loss = value_loss(&part.finals()?, &targets, part.of_sequences, &mut weights.finals);
                    (loss, part.of_sequences)
                }
                Place::EveryContext => {
                    let of_example = |e: &&Rated| std::iter::repeat_n(e.target, e.tokens.len() - e.prompt);
                    let targets: Vec<f64> = rated.iter().flat_map(of_example).collect();
                    weights.values = vec![0.0; targets.len()];
                    let loss = value_loss(&part.values()?, &targets, part.of_tokens, &mut weights.values);
                    (loss, part.of_tokens)
                }
            };
            Ok((share * loss, weights))
        })?;
        self.minibatches.advance();
        Ok(step.loss)
    }
}

/// Trains score head 0 of a model to say each example's number: `schedule.steps` steps on minibatches of `size`.
///
/// # Errors
/// Those of [`ScoreRegression`].
pub fn score_regression(
    trainee: &mut Trainee,
    examples: &[Rated],
    place: Place,
    size: usize,
    schedule: &Schedule,
    rng: &mut Stream,
) -> Result<()> {
    let mut run = ScoreRegression::new(trainee, schedule, place, size, rng.clone())?;
    while !run.is_done() {
        run.step(trainee, examples)?;
    }
    *rng = run.minibatches.into_rng();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lm::{Batch, Config, Decay, Keep, ScoreHead, Size, init};

    fn fresh() -> Trainee {
        let size = Size { vocab: 6, width: 16, layers: 1, heads: 2, context: 8 };
        let config = Config { scores: vec![ScoreHead { name: "value".into(), outputs: 1 }], ..Config::gpt2(size) };
        let params = init(&config, 0.1, &mut Stream::named(&["regression"])).expect("a layout");
        Trainee::new(&config, params, 1.0).expect("legal")
    }

    fn examples() -> Vec<Rated> {
        let rated = |a: u32, b: u32| Rated { tokens: vec![0, a, b, 5], prompt: 2, target: f64::from(b) / 4.0 };
        (1..5).flat_map(|a| (1..5).map(move |b| rated(a, b))).collect()
    }

    fn train(place: Place) -> Trainee {
        let schedule = Schedule { peak: 1e-2, warm_up: 5, steps: 300, decay: Decay::Linear };
        let mut trainee = fresh();
        score_regression(&mut trainee, &examples(), place, 8, &schedule, &mut Stream::named(&["order"]))
            .expect("finite");
        trainee
    }

    /// The target is the completion's first token, read at the last.
    #[test]
    fn a_reward_model_learns_its_ratings() {
        let mut trainee = train(Place::Last);
        let sequences: Vec<Vec<u32>> = examples().into_iter().map(|e| e.tokens).collect();
        let scores = trainee.scores(&sequences).expect("legal");
        let worst = scores.iter().zip(examples()).map(|(s, e)| (s - e.target).abs()).fold(0.0, f64::max);
        assert!(worst < 0.05, "{worst}");
    }

    /// Before the first token all returns are possible, their mean is 2.5/4; behind it the return is known.
    #[test]
    fn a_value_function_learns_the_mean_return_of_each_context() {
        let mut trainee = train(Place::EveryContext);
        let batch = Batch::new(&[[0, 3, 1, 5], [0, 3, 4, 5]]);
        trainee.forward(&batch, Keep::Final).expect("legal");
        let values = trainee.scores_at(&[1, 2, 5, 6]).expect("rows");
        for (value, expected) in values.iter().zip([0.625, 0.25, 0.625, 1.0]) {
            assert!((value - expected).abs() < 0.08, "{values:?}");
        }
    }

    #[test]
    fn bad_ratings_are_refused() {
        let schedule = Schedule { peak: 1e-2, warm_up: 0, steps: 1, decay: Decay::Constant };
        let run = |examples: &[Rated]| {
            score_regression(&mut fresh(), examples, Place::Last, 2, &schedule, &mut Stream::named(&["x"]))
        };
        assert!(run(&[]).is_err());
        let nan = Rated { target: f64::NAN, ..examples()[0].clone() };
        assert!(matches!(run(&[nan]), Err(Error::NotFinite { .. })));
    }
}
