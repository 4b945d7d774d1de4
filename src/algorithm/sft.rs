//! Supervised finetuning.

use super::epochs::Minibatches;
use super::resume::Resume;
use super::trainee::{Example, Trainee};
use crate::error::Result;
use crate::lm::Schedule;
use crate::rng::Stream;
use serde::{Deserialize, Serialize};

/// Supervised finetuning between two steps: minibatches drawn epoch by epoch in random order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sft {
    minibatches: Minibatches,
    /// Sum and number of the losses of the last tenth of the steps.
    last: (f64, f64),
}

impl Sft {
    /// A run of `schedule.steps` steps on minibatches of `size` examples.
    ///
    /// # Errors
    /// An illegal schedule; a size of 0.
    pub fn new(schedule: &Schedule, size: usize, rng: Stream) -> Result<Self> {
        Ok(Self { minibatches: Minibatches::new(schedule, size, rng)?, last: (0.0, 0.0) })
    }

    /// Whether all steps are made.
    pub fn is_done(&self) -> bool {
        self.minibatches.is_done()
    }

    /// One step on the next minibatch; returns its loss before the step, nats per token. All steps of a run are on the same
    /// examples.
    ///
    /// # Errors
    /// No examples, or fewer than in earlier steps; a sequence that does not fit the model; training that diverges.
    pub fn step(&mut self, trainee: &mut Trainee, examples: &[Example]) -> Result<f64> {
        let batch = self.minibatches.batch("example", examples.len())?;
        let loss = trainee.nll_step(batch.into_iter().map(|i| &examples[i]), self.minibatches.rate())?;
        if self.minibatches.is_late() {
            self.last = (self.last.0 + loss, self.last.1 + 1.0);
        }
        self.minibatches.advance();
        Ok(loss)
    }

    /// The mean loss of the last tenth of the steps, nats per token; NaN before them.
    pub fn loss(&self) -> f64 {
        self.last.0 / self.last.1
    }
}

impl Resume for Sft {
    const LOOP: &'static str = "sft";
}

/// Supervised finetuning: `schedule.steps` steps on minibatches of `size` examples, drawn epoch by epoch in random order.
/// Returns the mean loss of the last tenth of the steps, nats per token.
///
/// # Errors
/// No examples, an illegal schedule, training that diverges.
pub fn sft(
    trainee: &mut Trainee,
    examples: &[Example],
    size: usize,
    schedule: &Schedule,
    rng: &mut Stream,
) -> Result<f64> {
    let mut run = Sft::new(schedule, size, rng.clone())?;
    while !run.is_done() {
        run.step(trainee, examples)?;
    }
    let loss = run.loss();
    *rng = run.minibatches.into_rng();
    Ok(loss)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lm::{Config, Decay, Size, init};

    fn fresh() -> Trainee {
        let config = Config::gpt2(Size { vocab: 6, width: 16, layers: 1, heads: 2, context: 8 });
        let params = init(&config, 0.1, &mut Stream::named(&["trainee"])).expect("a layout");
        Trainee::new(&config, params, 1.0).expect("legal")
    }

    /// After prompt (0, a) comes a, then 5: learned from examples of every a but one.
    #[test]
    fn sft_learns_to_copy_and_repeats_its_bits() {
        let examples: Vec<Example> = (1..5).map(|a| Example { tokens: vec![0, a, a, 5], prompt: 2 }).collect();
        let schedule = Schedule { peak: 1e-2, warm_up: 5, steps: 150, decay: Decay::Linear };
        let (mut one, mut two) = (fresh(), fresh());
        let run = |t: &mut Trainee| sft(t, &examples, 3, &schedule, &mut Stream::named(&["order"])).expect("finite");
        let loss = run(&mut one);
        // chance is ln 6 = 1.79
        assert!(loss < 0.1, "{loss}");
        assert_eq!(loss.to_bits(), run(&mut two).to_bits());
        assert_eq!(one.weights(), two.weights());
    }

    #[test]
    fn nothing_to_learn_from_is_refused() {
        let schedule = Schedule { peak: 1.0, warm_up: 0, steps: 1, decay: Decay::Constant };
        let run = |size| sft(&mut fresh(), &[], size, &schedule, &mut Stream::named(&["x"]));
        assert!(run(1).is_err() && run(0).is_err());
    }
}
