//! A reward model from soft labels of pairs: what a student of weak preferences is.

use super::log_odds::{Favours, LogOdds};
use super::loss::WeakLoss;
use crate::algorithm::resume::Resume;
use crate::algorithm::trainee::Trainee;
use crate::error::{Error, Result};
use crate::lm::Schedule;
use crate::rng::Stream;
use serde::{Deserialize, Serialize};

/// Pairs whose log-odds are computed at a time.
const CHUNK: usize = 32;
const HEAD: (&str, usize) = ("outputs of the score head of a reward model", 1);

/// Training between two steps: the log-odds that the first of two texts is preferred are what score head 0 says at its last token less
/// what it says at the second's (Bradley and Terry), and a [`WeakLoss`] is descended on them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ranker(LogOdds);

impl Resume for Ranker {
    const LOOP: &'static str = "ranker";
}

impl Ranker {
    /// A run of `schedule.steps` steps on minibatches of `size` pairs; the trainee's score head 0 is set to zero, so that it starts
    /// without a preference.
    ///
    /// # Errors
    /// Illegal settings; a size of 0; a model whose first score head has not one output.
    pub fn new(trainee: &mut Trainee, loss: WeakLoss, schedule: &Schedule, size: usize, rng: Stream) -> Result<Self> {
        Ok(Self(LogOdds::new(trainee, loss, (schedule, size, rng), HEAD)?))
    }

    /// Whether all steps are made.
    pub fn is_done(&self) -> bool {
        self.0.is_done()
    }

    /// One step on the next minibatch; returns its loss before the step, nats per pair. All steps of a run are on the same pairs.
    ///
    /// # Shapes
    /// `labels`: the probability that a pair's first text is preferred, one per pair. Texts are of two tokens or more.
    ///
    /// # Errors
    /// No pairs, or fewer than in earlier steps; labels that do not fit; a text that does not fit the model; training that diverges.
    pub fn step(&mut self, trainee: &mut Trainee, pairs: &[[Vec<u32>; 2]], labels: &[f64]) -> Result<f64> {
        Error::check_shape("labels of pairs", pairs.len(), labels.len())?;
        let sequences = |batch: &[usize]| batch.iter().flat_map(|i| &pairs[*i]).map(Vec::as_slice).collect();
        self.0.step(trainee, ("pair", labels), sequences, Favours::First)
    }
}

/// The log-odds that a reward model prefers the first text of each pair.
///
/// # Errors
/// A model without a head of one output; an empty text, or one that does not fit the model.
pub fn rank(trainee: &mut Trainee, pairs: &[[Vec<u32>; 2]]) -> Result<Vec<f64>> {
    trainee.check_score_head(HEAD.0, HEAD.1)?;
    let mut log_odds = Vec::with_capacity(pairs.len());
    for chunk in pairs.chunks(CHUNK) {
        let texts: Vec<&[u32]> = chunk.iter().flatten().map(Vec::as_slice).collect();
        log_odds.extend(Favours::First.log_odds(&trainee.scores(&texts)?));
    }
    Error::check_finite("log-odds of a pair", &log_odds)?;
    Ok(log_odds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lm::{Config, Decay, ScoreHead, Size, init};

    fn fresh(outputs: usize) -> Trainee {
        let size = Size { vocab: 6, width: 16, layers: 1, heads: 2, context: 8 };
        let config = Config { scores: vec![ScoreHead { name: "reward".into(), outputs }], ..Config::gpt2(size) };
        let params = init(&config, 0.1, &mut Stream::named(&["ranker"])).expect("a layout");
        Trainee::new(&config, params, 1.0).expect("legal")
    }

    /// Better is what has more fives; half of the labels say so softly.
    fn pairs(count: usize) -> (Vec<[Vec<u32>; 2]>, Vec<f64>) {
        let mut rng = Stream::named(&["ranker", "pairs"]);
        let fives = |t: &[u32]| t.iter().filter(|t| **t == 5).count();
        let mut pairs = Vec::new();
        while pairs.len() < count {
            let pair: [Vec<u32>; 2] = [(); 2].map(|()| (0..6).map(|_| rng.below(6) as u32).collect());
            if fives(&pair[0]) != fives(&pair[1]) {
                pairs.push(pair);
            }
        }
        let sure = |i: usize| if i.is_multiple_of(2) { 1.0 } else { 0.8 };
        let label = |(i, p): (usize, &[Vec<u32>; 2])| if fives(&p[0]) > fives(&p[1]) { sure(i) } else { 1.0 - sure(i) };
        let labels = pairs.iter().enumerate().map(label).collect();
        (pairs, labels)
    }

    const SCHEDULE: Schedule = Schedule { peak: 1e-2, warm_up: 5, steps: 200, decay: Decay::Cosine };

    fn train(trainee: &mut Trainee, loss: WeakLoss, pairs: &[[Vec<u32>; 2]], labels: &[f64]) -> Result<Vec<f64>> {
        let mut run = Ranker::new(trainee, loss, &SCHEDULE, 32, Stream::named(&["order"]))?;
        let mut losses = Vec::new();
        while !run.is_done() {
            losses.push(run.step(trainee, pairs, labels)?);
        }
        Ok(losses)
    }

    #[test]
    fn an_order_is_learned_from_soft_labels_and_bits_repeat() {
        let (pairs, labels) = pairs(300);
        let run = |loss: WeakLoss| {
            let mut trainee = fresh(1);
            let losses = train(&mut trainee, loss, &pairs, &labels).expect("finite");
            assert!((losses[0] - std::f64::consts::LN_2).abs() < 1e-12);
            rank(&mut trainee, &pairs).expect("finite")
        };
        let log_odds = run(WeakLoss::CrossEntropy);
        let right = log_odds.iter().zip(&labels).filter(|(s, y)| (**s > 0.0) == (**y > 0.5)).count();
        assert!(right >= 285, "{right}");
        assert_eq!(log_odds, run(WeakLoss::CrossEntropy));
        assert_ne!(log_odds, run(WeakLoss::paper(false)));
        // a pair turned round has the opposite log-odds
        let turned: Vec<[Vec<u32>; 2]> = pairs[..3].iter().map(|[a, b]| [b.clone(), a.clone()]).collect();
        let mut trainee = fresh(1);
        train(&mut trainee, WeakLoss::CrossEntropy, &pairs, &labels).expect("finite");
        assert!(rank(&mut trainee, &turned).expect("finite").iter().zip(&log_odds).all(|(t, s)| (t + s).abs() < 1e-5));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let (pairs, labels) = pairs(10);
        assert!(train(&mut fresh(2), WeakLoss::CrossEntropy, &pairs, &labels).is_err());
        assert!(train(&mut fresh(1), WeakLoss::CrossEntropy, &pairs, &labels[1..]).is_err());
        assert!(train(&mut fresh(1), WeakLoss::CrossEntropy, &pairs, &[-0.5; 10]).is_err());
        assert!(train(&mut fresh(1), WeakLoss::CrossEntropy, &[], &[]).is_err());
        assert!(rank(&mut fresh(2), &pairs).is_err());
    }
}
