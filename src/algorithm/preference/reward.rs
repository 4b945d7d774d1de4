//! A transformer that learns a reward from pairs.

use super::pairs::{TokenPair, check_pairs, chosen_first, pair_by_pair};
use crate::algorithm::resume::Resume;
use crate::algorithm::trainee::{Trainee, Weights};
use crate::error::{Error, Result};
use crate::objective::bradley_terry_loss;
use crate::rng::Stream;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Settings of [`reward_modelling`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RewardModelParams {
    /// Passes over the pairs, each with its checkpoint; at least 1. The paper: 3.
    pub epochs: usize,
    /// Pairs per step; at least 1.
    pub batch: usize,
    /// Learning rate, constant; positive.
    pub learning_rate: f64,
}

impl RewardModelParams {
    /// # Errors
    /// The first setting outside its legal range.
    pub fn validate(&self) -> Result<()> {
        Error::check_counts(&[("epochs", self.epochs, 1, usize::MAX), ("batch", self.batch, 1, usize::MAX)])?;
        Error::check_positive(&[("learning_rate", self.learning_rate)])
    }
}

/// Bradley–Terry training between two steps: score head 0 at a completion's last token is its reward. The pairs of a tenth of the
/// prompts are held out, so that no completion of a held-out pair was trained on behind its prompt; of the epochs' ends the one that
/// ranks most of them as labelled is kept (Appendix C.1 of arXiv:2305.18290: three epochs, best validation accuracy).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RewardModelling {
    settings: RewardModelParams,
    train: Vec<usize>,
    held_out: Vec<usize>,
    epoch: usize,
    /// What is left of the epoch; the next is at the end.
    order: Vec<usize>,
    /// Best share of held-out pairs ranked as labelled, and after which epoch.
    best: Option<(f64, usize)>,
    rng: Stream,
    /// The weights then.
    #[serde(skip)]
    kept: Vec<f32>,
}

impl Resume for RewardModelling {
    const LOOP: &'static str = "reward_modelling";
    const REFERENCES: usize = 1;

    fn reference(&self) -> Result<Cow<'_, [f32]>> {
        Ok(Cow::Borrowed(&self.kept))
    }

    fn set_reference(&mut self, _: &Trainee, values: Vec<f32>) -> Result<()> {
        self.kept = values;
        Ok(())
    }
}

impl RewardModelling {
    /// A run that starts from the trainee's body, with a score head of zeros.
    ///
    /// # Errors
    /// Illegal settings or pairs; pairs of a single prompt, of which none can be held out; a model without a score head.
    pub fn new(
        trainee: &mut Trainee,
        pairs: &[TokenPair],
        settings: &RewardModelParams,
        mut rng: Stream,
    ) -> Result<Self> {
        settings.validate()?;
        check_pairs(pairs)?;
        trainee.clear_score_head()?;
        let mut by_prompt: BTreeMap<&[u32], Vec<usize>> = BTreeMap::new();
        for (i, pair) in pairs.iter().enumerate() {
            by_prompt.entry(&pair.prompt).or_default().push(i);
        }
        let groups: Vec<Vec<usize>> = by_prompt.into_values().collect();
        if groups.len() < 2 {
            return Err(Error::parameter("prompts of the pairs", groups.len(), "2 or more, to hold one out"));
        }
        let order = rng.permutation(groups.len());
        let (held_out, train) = order.split_at((groups.len() / 10).max(1));
        let of =
            |prompts: &[usize]| -> Vec<usize> { prompts.iter().flat_map(|g| groups[*g].iter().copied()).collect() };
        let kept = trainee.trained()?.into_owned();
        let (train, held_out) = (of(train), of(held_out));
        Ok(Self { settings: *settings, train, held_out, epoch: 0, order: Vec::new(), best: None, rng, kept })
    }

    /// Whether all epochs are over.
    pub fn is_done(&self) -> bool {
        self.epoch >= self.settings.epochs
    }

    /// Share of held-out pairs that the kept checkpoint ranks as labelled; none before the first epoch's end.
    pub fn accuracy(&self) -> Option<f64> {
        self.best.map(|b| b.0)
    }

    /// After which epoch, counted from 1, it was taken.
    pub fn kept_epoch(&self) -> Option<usize> {
        self.best.map(|b| b.1)
    }

    /// How many pairs are held out.
    pub fn held_out(&self) -> usize {
        self.held_out.len()
    }

    /// One step on the next minibatch, the last of an epoch what is left of it; returns its loss before the step, nats per pair. All
    /// steps of a run are on the same pairs.
    ///
    /// # Errors
    /// More or fewer pairs than at the start; all epochs over; a sequence that does not fit the model; training that diverges.
    pub fn step(&mut self, trainee: &mut Trainee, pairs: &[TokenPair]) -> Result<f64> {
        Error::check_shape("pairs of the run", self.train.len() + self.held_out.len(), pairs.len())?;
        if self.is_done() {
            return Err(Error::Usage("all epochs of reward modelling are over".into()));
        }
        if self.order.is_empty() {
            self.order = self.rng.permutation(self.train.len());
        }
        let left = self.order.len().saturating_sub(self.settings.batch);
        let batch: Vec<usize> = self.order.split_off(left).into_iter().map(|i| self.train[i]).collect();
        let loss = descend(trainee, pairs, &batch, self.settings.learning_rate)?;
        if self.order.is_empty() {
            self.epoch += 1;
            let accuracy = accuracy(trainee, pairs, &self.held_out)?;
            if self.best.is_none_or(|b| accuracy > b.0) {
                self.best = Some((accuracy, self.epoch));
                self.kept = trainee.trained()?.into_owned();
            }
        }
        Ok(loss)
    }

    /// Ends the run: the trainee gets the kept checkpoint's weights. Returns its accuracy on the held-out pairs.
    ///
    /// # Errors
    /// No epoch is over yet.
    pub fn finish(self, trainee: &mut Trainee) -> Result<f64> {
        let accuracy = self.accuracy();
        let accuracy = accuracy.ok_or_else(|| Error::Usage("no epoch of reward modelling is over".into()))?;
        trainee.put(&self.kept)?;
        Ok(accuracy)
    }
}

fn descend(trainee: &mut Trainee, pairs: &[TokenPair], batch: &[usize], learning_rate: f64) -> Result<f64> {
    let sequences: Vec<Vec<u32>> = batch.iter().flat_map(|i| pairs[*i].sequences()).collect();
    let prompts: Vec<usize> = batch.iter().flat_map(|i| [pairs[*i].prompt.len(); 2]).collect();
    let slices: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
    let step = trainee.learn_in_groups(2, &slices, &prompts, learning_rate, |part| {
        let scores = chosen_first(&part.finals()?);
        let mut slopes = vec![0.0; scores.len()];
        let labels = vec![1.0; scores.len() / 2];
        let loss = bradley_terry_loss(&scores, &labels, part.of_sequences, &mut slopes);
        Ok((part.of_sequences * loss, Weights { finals: pair_by_pair(&slopes), ..Weights::default() }))
    })?;
    Ok(step.loss)
}

/// Share of these pairs whose chosen completion has the higher score; equal scores are wrong.
fn accuracy(trainee: &mut Trainee, pairs: &[TokenPair], some: &[usize]) -> Result<f64> {
    let mut right = 0;
    for some in some.chunks(256) {
        let sequences: Vec<Vec<u32>> = some.iter().flat_map(|i| pairs[*i].sequences()).collect();
        let scores = trainee.scores(&sequences)?;
        right += scores.as_chunks::<2>().0.iter().filter(|s| s[0] > s[1]).count();
    }
    Ok(right as f64 / some.len() as f64)
}

/// Trains the trainee to score completions as pairs say, and leaves it at the checkpoint of the best accuracy on held-out pairs, which
/// is returned.
///
/// # Errors
/// As [`RewardModelling::new`]; training that diverges.
pub fn reward_modelling(
    trainee: &mut Trainee,
    pairs: &[TokenPair],
    settings: &RewardModelParams,
    rng: &mut Stream,
) -> Result<f64> {
    let mut run = RewardModelling::new(trainee, pairs, settings, rng.clone())?;
    while !run.is_done() {
        run.step(trainee, pairs)?;
    }
    *rng = run.rng.clone();
    run.finish(trainee)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lm::{Config, ScoreHead, Size, init};
    use crate::num::relative_error;

    fn fresh() -> Trainee {
        let size = Size { vocab: 6, width: 16, layers: 1, heads: 2, context: 8 };
        let config = Config { scores: vec![ScoreHead { name: "reward".into(), outputs: 1 }], ..Config::gpt2(size) };
        let params = init(&config, 0.3, &mut Stream::named(&["reward modelling"])).expect("a layout");
        Trainee::new(&config, params, f64::INFINITY).expect("legal")
    }

    /// Better is what has more fives.
    fn pairs(count: usize) -> Vec<TokenPair> {
        let mut rng = Stream::named(&["reward modelling", "pairs"]);
        let fives = |c: &[u32]| c.iter().filter(|t| **t == 5).count();
        let mut pairs = Vec::new();
        while pairs.len() < count {
            let mut draw = |n: usize| (0..n).map(|_| rng.below(6) as u32).collect::<Vec<_>>();
            let (prompt, a, b) = (draw(2), draw(4), draw(3));
            let (chosen, rejected) = if fives(&a) > fives(&b) { (a, b) } else { (b, a) };
            if fives(&chosen) > fives(&rejected) {
                pairs.push(TokenPair { prompt, chosen, rejected });
            }
        }
        pairs
    }

    fn settings() -> RewardModelParams {
        RewardModelParams { epochs: 4, batch: 16, learning_rate: 1e-2 }
    }

    #[test]
    fn it_learns_what_pairs_say_and_repeats_its_bits() {
        let train = || {
            let mut trainee = fresh();
            let rng = &mut Stream::named(&["x"]);
            let accuracy = reward_modelling(&mut trainee, &pairs(400), &settings(), rng).expect("finite");
            (accuracy, trainee)
        };
        let ((accuracy, mut one), (_, two)) = (train(), train());
        assert!(accuracy > 0.9, "{accuracy}");
        assert_eq!(one.weights(), two.weights());
        let scores = one.scores(&[[0, 1, 5, 5, 5], [0, 1, 2, 2, 2]]).expect("fits");
        assert!(scores[0] > scores[1] + 1.0, "{scores:?}");
    }

    /// The head sees the last token: a gradient that came from the row before it would miss.
    #[test]
    fn the_gradient_matches_central_differences_and_parts_add_up() {
        let pairs = pairs(9);
        let all: Vec<usize> = (0..9).collect();
        let start = |tokens: usize| {
            let mut trainee = fresh().in_parts_of(tokens);
            // a head of zeros would hide the body's gradient
            let mut rng = Stream::named(&["head"]);
            trainee.nudge(|_, p| *p += 0.1 * rng.normal() as f32);
            trainee
        };
        let gradient = |tokens: usize| {
            let mut trainee = start(tokens);
            let loss = descend(&mut trainee, &pairs, &all, 1e-3).expect("finite");
            (loss, trainee.gradient())
        };
        let (loss, grad) = gradient(usize::MAX);
        for tokens in [1, 20] {
            let (in_parts, other) = gradient(tokens);
            assert!((in_parts - loss).abs() < 1e-6 && relative_error(&other, &grad) < 1e-5 && other != grad);
        }
        let value = |trainee: &mut Trainee| {
            let sequences: Vec<Vec<u32>> = pairs.iter().flat_map(TokenPair::sequences).collect();
            let scores: Vec<f64> = sequences.iter().map(|s| trainee.scores(&[s]).expect("fits")[0]).collect();
            let of_pair = |s: &[f64; 2]| -crate::num::log_sigmoid(s[0] - s[1]);
            scores.as_chunks::<2>().0.iter().map(of_pair).sum::<f64>() / 9.0
        };
        let mut trainee = start(usize::MAX);
        assert!((value(&mut trainee) - loss).abs() < 1e-5);
        let base = trainee.weights();
        let scale = crate::num::norm(&grad);
        for d in 0..4 {
            let mut random = Stream::named(&["direction", &d.to_string()]);
            let direction: Vec<f64> = base.iter().map(|_| random.normal()).collect();
            let mut at = |h: f64| {
                trainee.nudge(|i, p| *p = base[i] + (h * direction[i]) as f32);
                value(&mut trainee)
            };
            let h = 2e-3;
            let (near, far) = ((at(h) - at(-h)) / (2.0 * h), (at(2.0 * h) - at(-2.0 * h)) / (4.0 * h));
            let along: f64 = grad.iter().zip(&direction).map(|(g, d)| g * d).sum();
            let difference = (4.0 * near - far) / 3.0;
            assert!((difference - along).abs() < 2e-3 * scale, "{difference} {along} of {scale}");
        }
    }

    /// Held-out pairs are a tenth, of prompts that training never sees; the best epoch is kept, not the last.
    #[test]
    fn held_out_prompts_are_apart_and_the_best_epoch_is_kept() {
        let mut pairs = pairs(100);
        for (i, pair) in pairs.iter_mut().enumerate() {
            pair.prompt = vec![(i % 20 / 6) as u32, (i % 20 % 6) as u32];
        }
        let mut trainee = fresh();
        let wild = RewardModelParams { learning_rate: 0.3, epochs: 6, ..settings() };
        let mut run = RewardModelling::new(&mut trainee, &pairs, &wild, Stream::named(&["x"])).expect("legal");
        assert_eq!(run.held_out(), 10);
        let prompt = |i: &usize| pairs[*i].prompt.clone();
        assert!(run.train.iter().all(|t| run.held_out.iter().all(|h| prompt(t) != prompt(h))));
        let mut seen: Vec<(f64, Vec<f32>)> = Vec::new();
        while !run.is_done() {
            let epoch = run.epoch;
            run.step(&mut trainee, &pairs).expect("finite");
            if run.epoch > epoch {
                let held_out = run.held_out.clone();
                seen.push((accuracy(&mut trainee, &pairs, &held_out).expect("fits"), trainee.weights()));
            }
        }
        let first_best = seen.iter().enumerate().max_by(|a, b| a.1.0.total_cmp(&b.1.0).then(b.0.cmp(&a.0)));
        let (at, (accuracy, params)) = first_best.expect("six epochs");
        assert_eq!((run.accuracy(), run.kept_epoch()), (Some(*accuracy), Some(at + 1)));
        assert!(run.step(&mut trainee, &pairs).is_err());
        run.finish(&mut trainee).expect("over");
        assert_eq!(trainee.weights(), *params);
    }

    #[test]
    fn bad_input_is_refused() {
        let new = |pairs: &[TokenPair], settings: &RewardModelParams| {
            RewardModelling::new(&mut fresh(), pairs, settings, Stream::named(&["x"])).map(|_| ())
        };
        assert!(new(&pairs(30), &settings()).is_ok());
        let one_prompt: Vec<TokenPair> = pairs(9).into_iter().map(|p| TokenPair { prompt: vec![1], ..p }).collect();
        assert!(new(&one_prompt, &settings()).is_err() && new(&[], &settings()).is_err());
        assert!(new(&pairs(30), &RewardModelParams { epochs: 0, ..settings() }).is_err());
        assert!(new(&pairs(30), &RewardModelParams { learning_rate: f64::NAN, ..settings() }).is_err());
        let config = Config::gpt2(Size { vocab: 6, width: 16, layers: 1, heads: 2, context: 8 });
        let params = init(&config, 0.1, &mut Stream::named(&["x"])).expect("a layout");
        let mut headless = Trainee::new(&config, params, 1.0).expect("legal");
        assert!(RewardModelling::new(&mut headless, &pairs(30), &settings(), Stream::named(&["x"])).is_err());
        assert!(fresh().scores(&[vec![1], vec![]]).is_err());
    }
}
