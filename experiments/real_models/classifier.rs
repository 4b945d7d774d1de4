//! A classifier of texts as a reward: in the role of the sentiment classifier that pays for reviews in both papers that have one.

use super::labelled::Question;
use super::subject::Subject;
use rewardlab::algorithm::{Classifier, Trainee, WeakLoss, classify};
use rewardlab::env::Split;
use rewardlab::error::Result;
use rewardlab::experiment::Context;
use rewardlab::lm::{Decay, LanguageModel, Schedule, ScoreHead};
use rewardlab::num::sigmoid;
use serde::Serialize;

/// How it is trained; a part of what the reward is.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Training {
    /// Labelled texts.
    pub(crate) texts: usize,
    /// Of each, tokens from its start.
    pub(crate) length: usize,
    pub(crate) steps: u64,
    pub(crate) batch: usize,
    pub(crate) learning_rate: f64,
}

impl Training {
    /// Two passes over four thousand texts.
    pub(crate) const REAL: Self = Self { texts: 4000, length: 128, steps: 500, batch: 16, learning_rate: 2e-4 };
}

/// The probability that a text is of label 1, by the model with a two-way head.
#[derive(Debug)]
pub(crate) struct TextClassifier {
    trainee: Trainee,
}

impl TextClassifier {
    /// Trained on the labelled texts of a folder (a stage).
    ///
    /// # Errors
    /// Files that are missing or malformed; training that diverges.
    pub(crate) fn train(
        subject: &Subject,
        model: &LanguageModel,
        (folder, how): (&str, Training),
        ctx: &Context,
    ) -> Result<Self> {
        let scored = model.clone().with_heads(&[ScoreHead { name: "class".into(), outputs: 2 }])?;
        let mut trainee = subject.trainee(&scored, &mut ctx.shared_stream("adapters of the classifier"))?;
        let values = ctx.common_stage("real_models", "classifier", &(subject, folder, how), |rng| {
            let question = Question { name: "reward".into(), data: folder.into(), length: how.length };
            let labelled = question.open(model, Split::Train, how.texts, ctx)?;
            let labels: Vec<f64> = labelled.truth.iter().map(|yes| f64::from(u8::from(*yes))).collect();
            let (peak, warm_up) = (how.learning_rate, how.steps / 10);
            let schedule = Schedule { peak, warm_up, steps: how.steps, decay: Decay::Cosine };
            let loss = WeakLoss::CrossEntropy;
            let mut run = Classifier::new(&mut trainee, loss, &schedule, how.batch, rng.split())?;
            while !run.is_done() {
                run.step(&mut trainee, &labelled.texts, &labels)?;
            }
            Ok(trainee.trained()?.into_owned())
        })?;
        trainee.put(&values)?;
        Ok(Self { trainee })
    }

    /// P(label 1) of a text.
    ///
    /// # Errors
    /// A text that is empty or does not fit the model.
    pub(crate) fn probability(&mut self, text: &[u32]) -> Result<f64> {
        Ok(sigmoid(classify(&mut self.trainee, &[text])?[0]))
    }
}
