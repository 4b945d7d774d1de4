//! A transformer with a two-way head at the last token: binary classification of texts.

use super::log_odds::{Favours, LogOdds};
use super::loss::WeakLoss;
use crate::algorithm::resume::Resume;
use crate::algorithm::trainee::Trainee;
use crate::error::{Error, Result};
use crate::lm::Schedule;
use crate::rng::Stream;
use serde::{Deserialize, Serialize};

/// Texts whose log-odds are computed at a time: the activations of so many short texts stay in the cache.
const CHUNK: usize = 64;
const HEAD: (&str, usize) = ("outputs of the score head of a classifier", 2);

/// Training between two steps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Classifier(LogOdds);

impl Resume for Classifier {
    const LOOP: &'static str = "classifier";
}

impl Classifier {
    /// A run of `schedule.steps` steps on minibatches of `size` texts; the trainee's score head 0 is set to zero, so that it starts
    /// at P(class 1) = 1/2.
    ///
    /// # Errors
    /// Illegal settings; a size of 0; a model whose first score head has not two outputs.
    pub fn new(trainee: &mut Trainee, loss: WeakLoss, schedule: &Schedule, size: usize, rng: Stream) -> Result<Self> {
        Ok(Self(LogOdds::new(trainee, loss, (schedule, size, rng), HEAD)?))
    }

    /// Whether all steps are made.
    pub fn is_done(&self) -> bool {
        self.0.is_done()
    }

    /// One step on the next minibatch; returns its loss before the step, nats. All steps of a run are on the same texts.
    ///
    /// # Shapes
    /// `labels`: P(class 1) in \[0, 1\], one per text. Texts are of two tokens or more.
    ///
    /// # Errors
    /// No texts, or fewer than in earlier steps; labels that do not fit; a text that does not fit the model; training that diverges.
    pub fn step<S: AsRef<[u32]>>(&mut self, trainee: &mut Trainee, texts: &[S], labels: &[f64]) -> Result<f64> {
        Error::check_shape("labels of texts", texts.len(), labels.len())?;
        let sequences = |batch: &[usize]| batch.iter().map(|i| texts[*i].as_ref()).collect();
        self.0.step(trainee, ("text", labels), sequences, Favours::Second)
    }
}

/// Trains a two-way head, and the body under it, on labels of texts: `schedule.steps` steps on minibatches of `size`.
///
/// # Errors
/// Those of [`Classifier`].
pub fn train_classifier<S: AsRef<[u32]>>(
    trainee: &mut Trainee,
    texts: &[S],
    labels: &[f64],
    loss: WeakLoss,
    size: usize,
    schedule: &Schedule,
    rng: &mut Stream,
) -> Result<()> {
    let mut run = Classifier::new(trainee, loss, schedule, size, rng.clone())?;
    while !run.is_done() {
        run.step(trainee, texts, labels)?;
    }
    *rng = run.0.into_rng();
    Ok(())
}

/// The log-odds of class 1 of texts.
///
/// # Errors
/// A model without a two-way head; an empty text, or one that does not fit the model.
pub fn classify<S: AsRef<[u32]>>(trainee: &mut Trainee, texts: &[S]) -> Result<Vec<f64>> {
    trainee.check_score_head(HEAD.0, HEAD.1)?;
    let mut log_odds = Vec::with_capacity(texts.len());
    for chunk in texts.chunks(CHUNK) {
        log_odds.extend(Favours::Second.log_odds(&trainee.scores(chunk)?));
    }
    Error::check_finite("log-odds of a text", &log_odds)?;
    Ok(log_odds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lm::{Config, Decay, ScoreHead, Size, init};

    fn fresh(outputs: usize) -> Trainee {
        let size = Size { vocab: 8, width: 16, layers: 1, heads: 2, context: 8 };
        let config = Config { scores: vec![ScoreHead { name: "class".into(), outputs }], ..Config::gpt2(size) };
        let params = init(&config, 0.1, &mut Stream::named(&["classifier"])).expect("a layout");
        Trainee::new(&config, params, 1.0).expect("legal")
    }

    /// Class 1: a 3 somewhere.
    fn texts() -> (Vec<Vec<u32>>, Vec<f64>) {
        let mut rng = Stream::named(&["texts"]);
        let text = |_| (0..5).map(|_| rng.below(6) as u32).chain([7]).collect::<Vec<u32>>();
        let texts: Vec<Vec<u32>> = (0..200).map(text).collect();
        let labels = texts.iter().map(|t| f64::from(u8::from(t.contains(&3)))).collect();
        (texts, labels)
    }

    #[test]
    fn a_class_is_learned_and_bits_repeat() {
        let (texts, labels) = texts();
        let schedule = Schedule { peak: 1e-2, warm_up: 5, steps: 200, decay: Decay::Cosine };
        let run = || {
            let mut trainee = fresh(2);
            let rng = &mut Stream::named(&["order"]);
            train_classifier(&mut trainee, &texts, &labels, WeakLoss::CrossEntropy, 32, &schedule, rng)
                .expect("finite");
            classify(&mut trainee, &texts).expect("finite")
        };
        let log_odds = run();
        let right = log_odds.iter().zip(&labels).filter(|(s, y)| (**s > 0.0) == (**y > 0.5)).count();
        assert!(right >= 196, "{right}");
        assert_eq!(log_odds, run());
    }

    /// The weights on the two outputs are the loss's derivative by their difference: one plain step against the sign of each.
    #[test]
    fn before_the_first_step_all_classes_are_even() {
        let (texts, labels) = texts();
        let mut trainee = fresh(2);
        let schedule = Schedule { peak: 1e-2, warm_up: 0, steps: 2, decay: Decay::Constant };
        let rng = Stream::named(&["order"]);
        let mut run = Classifier::new(&mut trainee, WeakLoss::CrossEntropy, &schedule, 200, rng).expect("legal");
        assert!(classify(&mut trainee, &texts).expect("finite").iter().all(|s| *s == 0.0));
        let first = run.step(&mut trainee, &texts, &labels).expect("finite");
        assert!((first - std::f64::consts::LN_2).abs() < 1e-12);
        assert!(run.step(&mut trainee, &texts, &labels).expect("finite") < first && run.is_done());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let (texts, labels) = texts();
        let schedule = Schedule { peak: 1e-2, warm_up: 0, steps: 1, decay: Decay::Constant };
        let run = |outputs: usize, labels: &[f64], loss: WeakLoss| {
            let rng = &mut Stream::named(&["order"]);
            train_classifier(&mut fresh(outputs), &texts, labels, loss, 8, &schedule, rng)
        };
        assert!(run(1, &labels, WeakLoss::CrossEntropy).is_err());
        assert!(run(2, &labels[1..], WeakLoss::CrossEntropy).is_err());
        assert!(run(2, &[1.5; 200], WeakLoss::CrossEntropy).is_err());
        assert!(run(2, &labels, WeakLoss::Entropy { most: 2.0, ramp: 0.0 }).is_err());
        assert!(run(2, &labels, WeakLoss::public()).is_ok());
        assert!(classify(&mut fresh(2), &[Vec::<u32>::new()]).is_err());
    }
}
