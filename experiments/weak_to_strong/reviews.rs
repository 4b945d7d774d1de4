//! Preferences between reviews of the sentiment world, and the ladder of reward models that learn them.
//!
//! A review has a mood, and its words of opinion mostly agree with it; most of the text that models are pretrained on has none. Of two
//! completions of a prompt the one is preferred that makes the whole more positive, negations and intensifiers considered.

use super::gap::Run;
use rewardlab::algorithm::{Example, Family, Halves, Protocol, Ranker, Source, Trainee, WeakLoss, rank};
use rewardlab::env::{Sentiment, Word};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::Context;
use rewardlab::lm::{Config, Decay, Schedule, ScoreHead, Size, init};
use rewardlab::metrics::{Scores, accuracy};
use rewardlab::num::sigmoid;
use rewardlab::rng::Stream;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const OWNER: &str = "weak_to_strong";
/// Opens every text.
const BEGIN: u32 = 0;
const NEUTRAL: usize = 12;
const NEGATORS: usize = 2;
const INTENSIFIERS: usize = 2;
/// Words of praise, and as many of blame; the k-th is used with weight 1/k.
const OPINIONS: usize = 16;
const VOCAB: usize = 1 + NEUTRAL + NEGATORS + INTENSIFIERS + 2 * OPINIONS;
/// Words of a prompt, of a completion.
const PROMPT: usize = 4;
const COMPLETION: usize = 8;

/// World, sizes and training.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reviews {
    /// Widths of the residual stream from the weakest to the strongest; 2 to 8 of them, multiples of 4 from 4 to 256.
    pub(crate) widths: Vec<usize>,
    /// Blocks of each; 1 to 8.
    pub(crate) layers: Vec<usize>,
    /// Share of the pretraining texts that have a mood; 0 to 1.
    pub(crate) moods: f64,
    /// Steps of pretraining; 1 to 10^6.
    pub(crate) pretraining_steps: u64,
    /// Texts per step; 1 to 1000.
    pub(crate) texts: usize,
    /// Highest learning rate of pretraining at width 32; it goes with 1/√width. Positive.
    pub(crate) pretraining_rate: f64,
    /// Pairs in teacher's and student's half together; 4 to 10^5.
    pub(crate) pairs: usize,
    /// Test pairs; 2 to 10^5.
    pub(crate) test_pairs: usize,
    /// Passes over the labelled pairs; 1 to 100.
    pub(crate) epochs: u64,
    /// Pairs per step; 2 to 1000.
    pub(crate) batch: usize,
    /// Highest learning rate of finetuning at width 32; it goes with 1/√width. Positive.
    pub(crate) rate: f64,
}

/// What a model does with the task's unlabelled texts before it learns preferences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Nothing.
    Nothing,
    /// It is finetuned to write the completions of all training pairs, whichever is preferred.
    Completions { epochs: u64 },
    /// The same, of completions whose words are in a random order, drawn from all completions: a text that says nothing.
    Scrambled { epochs: u64 },
}

impl Reading {
    fn key(self) -> (u8, u64) {
        match self {
            Self::Nothing => (0, 0),
            Self::Completions { epochs } => (1, epochs),
            Self::Scrambled { epochs } => (2, epochs),
        }
    }
}

/// Two completions behind their prompt.
type Pair = [Vec<u32>; 2];

/// The pairs of a seed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Pairs {
    train: Vec<Pair>,
    truth: Vec<bool>,
    test: Vec<Pair>,
    pub(crate) test_truth: Vec<bool>,
    teacher: Vec<usize>,
    student: Vec<usize>,
}

impl Reviews {
    pub(crate) fn new(smoke: bool) -> Self {
        let (widths, layers) =
            if smoke { (vec![8, 16], vec![1, 1]) } else { (vec![4, 8, 16, 32, 64], vec![1, 1, 1, 2, 2]) };
        let (pretraining_steps, pairs, test_pairs) = if smoke { (300, 200, 300) } else { (6000, 2000, 2000) };
        Self {
            widths,
            layers,
            moods: 1.0,
            pretraining_steps,
            texts: 32,
            pretraining_rate: 3e-3,
            pairs,
            test_pairs,
            epochs: 2,
            batch: 16,
            rate: 2e-3,
        }
    }

    pub(crate) fn validate(&self) -> Result<()> {
        Error::check_counts(&[
            ("widths", self.widths.len(), 2, 8),
            ("pretraining_steps", self.pretraining_steps as usize, 1, 1_000_000),
            ("texts", self.texts, 1, 1000),
            ("pairs", self.pairs, 4, 100_000),
            ("test_pairs", self.test_pairs, 2, 100_000),
            ("epochs", self.epochs as usize, 1, 100),
            ("batch", self.batch, 2, 1000),
        ])?;
        Error::check_shape("layers of the ladder", self.widths.len(), self.layers.len())?;
        for (width, layers) in self.widths.iter().zip(&self.layers) {
            Error::check_counts(&[("widths", *width, 4, 256), ("layers", *layers, 1, 8)])?;
            if !width.is_multiple_of(4) {
                return Err(Error::parameter("widths", width, "a multiple of 4"));
            }
        }
        if !(0.0..=1.0).contains(&self.moods) {
            return Err(Error::parameter("moods", self.moods, "between 0 and 1"));
        }
        Error::check_positive(&[("pretraining_rate", self.pretraining_rate), ("rate", self.rate)])
    }

    /// Sizes.
    pub(crate) fn levels(&self) -> usize {
        self.widths.len()
    }

    fn config(&self, level: usize) -> Config {
        let width = self.widths[level];
        let heads = (width / 8).clamp(1, 8);
        let size = Size { vocab: VOCAB, width, layers: self.layers[level], heads, context: 1 + PROMPT + COMPLETION };
        Config { scores: vec![ScoreHead { name: "reward".into(), outputs: 1 }], ..Config::llama(size) }
    }

    /// Parameters of a size, its head included.
    pub(crate) fn parameters(&self, level: usize) -> Result<usize> {
        Ok(init(&self.config(level), 0.02, &mut Stream::named(&["count"]))?.len())
    }

    fn scaled(&self, rate: f64, level: usize) -> f64 {
        rate * (32.0 / self.widths[level] as f64).sqrt()
    }

    fn fresh(&self, level: usize, params: Vec<f32>) -> Result<Trainee> {
        Ok(Trainee::new(&self.config(level), params, 1.0)?.in_parts())
    }

    /// The weights of a size after pretraining on text of which a share has moods.
    fn pretrained(&self, level: usize, ctx: &Context) -> Result<Arc<Vec<f32>>> {
        let shape = (self.widths[level], self.layers[level]);
        let key = (shape, self.moods, self.pretraining_steps, self.texts, self.pretraining_rate);
        ctx.common_stage(OWNER, "pretrained on reviews", &key, |rng| {
            let mut trainee = self.fresh(level, init(&self.config(level), 0.02, rng)?)?;
            let peak = self.scaled(self.pretraining_rate, level);
            let steps = self.pretraining_steps;
            let schedule = Schedule { peak, warm_up: steps / 20, steps, decay: Decay::Cosine };
            for step in 0..steps {
                let text = |_| {
                    let mood = (rng.uniform() < self.moods).then(|| rng.below(2) == 0);
                    let words = words(PROMPT + COMPLETION, mood, None, rng);
                    Example { tokens: [&[BEGIN], &words[..]].concat(), prompt: 1 }
                };
                let batch: Vec<Example> = (0..self.texts).map(text).collect();
                trainee.nll_step(&batch, schedule.rate(step))?;
            }
            trainee.into_params()
        })
    }

    fn draw(&self, ctx: &Context) -> Result<Arc<Pairs>> {
        ctx.common_stage(OWNER, "pairs of reviews", &(self.pairs, self.test_pairs), |rng| {
            let sentiment = sentiment()?;
            let mut draw =
                |count: usize| -> (Vec<Pair>, Vec<bool>) { (0..count).map(|_| pair(&sentiment, rng)).unzip() };
            let ((train, truth), (test, test_truth)) = (draw(self.pairs), draw(self.test_pairs));
            let groups: Vec<usize> = (0..train.len()).collect();
            let Halves { teacher, student } = Halves::grouped(&groups, rng)?;
            Ok(Pairs { train, truth, test, test_truth, teacher, student })
        })
    }
}

fn sentiment() -> Result<Sentiment> {
    let mut words = vec![Word::Neutral; 1 + NEUTRAL];
    words.extend([Word::Negator; NEGATORS]);
    words.extend([Word::Intensifier; INTENSIFIERS]);
    words.extend([Word::Sentiment(1); OPINIONS]);
    words.extend([Word::Sentiment(-1); OPINIONS]);
    Sentiment::new(words, 1.0)
}

/// Words of a text: half neutral, a tenth each negating or intensifying what follows; opinions agree with the mood, if there is one, in
/// seven cases of eight. `before`: the word before the first.
fn words(length: usize, mood: Option<bool>, before: Option<u32>, rng: &mut Stream) -> Vec<u32> {
    let first = |kind: usize| (1 + [0, NEUTRAL, NEUTRAL + NEGATORS][kind]) as u32;
    let negator = first(1)..first(2);
    let intensifier = first(2)..first(2) + INTENSIFIERS as u32;
    let zipf: Vec<f64> = (1..=OPINIONS).map(|k| 1.0 / k as f64).collect();
    let total: f64 = zipf.iter().sum();
    let zipf: Vec<f64> = zipf.iter().map(|w| w / total).collect();
    let (mut last, mut turned) = (before.unwrap_or(BEGIN), before.is_some_and(|b| negator.contains(&b)));
    let mut text = Vec::with_capacity(length);
    for _ in 0..length {
        let modified = negator.contains(&last) || intensifier.contains(&last);
        let u = if modified { 1.0 } else { rng.uniform() };
        let word = if u < 0.5 {
            first(0) + rng.below(NEUTRAL) as u32
        } else if u < 0.6 {
            negator.start + rng.below(NEGATORS) as u32
        } else if u < 0.7 {
            intensifier.start + rng.below(INTENSIFIERS) as u32
        } else {
            let good = match mood {
                Some(good) => good == (rng.below(8) > 0),
                None => rng.below(2) == 0,
            };
            let side = if good == turned { OPINIONS } else { 0 };
            (1 + NEUTRAL + NEGATORS + INTENSIFIERS + side + rng.categorical(&zipf)) as u32
        };
        turned = negator.contains(&word);
        last = word;
        text.push(word);
    }
    text
}

/// A prompt with two completions of moods of their own, in random order, and whether the first is preferred.
fn pair(sentiment: &Sentiment, rng: &mut Stream) -> (Pair, bool) {
    loop {
        let mood = rng.below(2) == 0;
        let prompt = [vec![BEGIN], words(PROMPT, Some(mood), None, rng)].concat();
        let pair: Pair = [(); 2].map(|()| {
            let mood = rng.below(2) == 0;
            [&prompt[..], &words(COMPLETION, Some(mood), prompt.last().copied(), rng)].concat()
        });
        let [first, second] = [&pair[0], &pair[1]].map(|text| sentiment.score(text));
        if first != second {
            return (pair, first > second);
        }
    }
}

/// The reward models of a seed: a family for the protocol.
pub(crate) struct Readers<'a> {
    pub(crate) reviews: &'a Reviews,
    pub(crate) pairs: Arc<Pairs>,
    pub(crate) halves: Halves,
    pub(crate) reading: Reading,
    ctx: &'a Context<'a>,
}

impl<'a> Readers<'a> {
    pub(crate) fn new(reviews: &'a Reviews, reading: Reading, ctx: &'a Context<'a>) -> Result<Self> {
        let pairs = reviews.draw(ctx)?;
        let halves = Halves { teacher: pairs.teacher.clone(), student: pairs.student.clone() };
        Ok(Self { reviews, pairs, halves, reading, ctx })
    }

    pub(crate) fn protocol(&self) -> Protocol<'_, Self> {
        Protocol { family: self, halves: &self.halves }
    }

    /// The truth of the student's half.
    pub(crate) fn student_truth(&self) -> Vec<f64> {
        self.truth(&self.halves.student)
    }

    /// Share of test pairs ranked as they should be.
    pub(crate) fn accuracy(&self, model: &mut Trainee) -> Result<f64> {
        Ok(accuracy(&self.test(model)?, &self.pairs.test_truth))
    }

    /// P(first preferred) of the test pairs.
    pub(crate) fn test(&self, model: &mut Trainee) -> Result<Vec<f64>> {
        Ok(rank(model, &self.pairs.test)?.into_iter().map(sigmoid).collect())
    }

    /// A size before it learns preferences, behind its reading.
    fn base(&self, level: usize) -> Result<Arc<Vec<f32>>> {
        let pretrained = self.reviews.pretrained(level, self.ctx)?;
        let (epochs, scrambled) = match self.reading {
            Reading::Nothing => return Ok(pretrained),
            Reading::Completions { epochs } => (epochs, false),
            Reading::Scrambled { epochs } => (epochs, true),
        };
        let key = (self.reviews, self.reading.key(), level);
        self.ctx.common_stage(OWNER, "has read", &key, |rng| {
            let mut texts: Vec<Vec<u32>> = self.pairs.train.iter().flatten().cloned().collect();
            if scrambled {
                let all: Vec<u32> = texts.iter().flat_map(|t| t[1 + PROMPT..].to_vec()).collect();
                let order = rng.permutation(all.len());
                for (text, own) in texts.iter_mut().zip(order.chunks(COMPLETION)) {
                    text[1 + PROMPT..].iter_mut().zip(own).for_each(|(word, i)| *word = all[*i]);
                }
            }
            let examples: Vec<Example> =
                texts.into_iter().map(|tokens| Example { tokens, prompt: 1 + PROMPT }).collect();
            let mut trainee = self.reviews.fresh(level, pretrained.to_vec())?;
            let steps = (epochs * examples.len() as u64).div_ceil(self.reviews.texts as u64);
            let peak = self.reviews.scaled(self.reviews.rate, level);
            let schedule = Schedule { peak, warm_up: steps / 20, steps, decay: Decay::Cosine };
            rewardlab::algorithm::sft(&mut trainee, &examples, self.reviews.texts, &schedule, rng)?;
            trainee.into_params()
        })
    }

    /// A model of a level that learns labels of items, seen `looks` times on the way, the last time at the end.
    pub(crate) fn learn(
        &self,
        level: usize,
        items: &[usize],
        labels: &[f64],
        looks: u64,
        mut look: impl FnMut(&mut Trainee) -> Result<()>,
    ) -> Result<Trainee> {
        let pairs: Vec<Pair> = items.iter().map(|i| self.pairs.train[*i].clone()).collect();
        let mut trainee = self.reviews.fresh(level, self.base(level)?.to_vec())?;
        let steps = (self.reviews.epochs * items.len() as u64).div_ceil(self.reviews.batch as u64);
        let peak = self.reviews.scaled(self.reviews.rate, level);
        let schedule = Schedule { peak, warm_up: steps / 10, steps, decay: Decay::Cosine };
        let seed = self.ctx.seed().to_string();
        // one order of the pairs for all labels
        let rng = Stream::named(&[OWNER, "reviews", &level.to_string(), &seed]);
        let mut run = Ranker::new(&mut trainee, WeakLoss::CrossEntropy, &schedule, self.reviews.batch, rng)?;
        for step in 1..=steps {
            run.step(&mut trainee, &pairs, labels)?;
            if (step * looks) / steps > ((step - 1) * looks) / steps {
                look(&mut trainee)?;
            }
        }
        Ok(trainee)
    }
}

impl Family for Readers<'_> {
    type Model = Trainee;
    /// P(the first of a pair is preferred).
    type Label = f64;

    fn truth(&self, items: &[usize]) -> Vec<f64> {
        items.iter().map(|i| f64::from(u8::from(self.pairs.truth[*i]))).collect()
    }

    fn teach(&self, level: usize, items: &[usize], labels: &[f64], _: Source) -> Result<Trainee> {
        self.learn(level, items, labels, 1, |_| Ok(()))
    }

    fn label(&self, model: &mut Trainee, items: &[usize]) -> Result<Vec<f64>> {
        let pairs: Vec<Pair> = items.iter().map(|i| self.pairs.train[*i].clone()).collect();
        Ok(rank(model, &pairs)?.into_iter().map(sigmoid).collect())
    }
}

/// A run for the figure.
pub(crate) fn run(seed: u64, levels: (usize, usize), parameters: usize, scores: Scores) -> Run {
    Run { seed, levels, size: parameters as f64, scores }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Moods show in scores, and texts without one have none on average.
    #[test]
    fn moods_are_what_sentiments_are() {
        let sentiment = sentiment().expect("legal");
        let mut rng = Stream::named(&["tests", "reviews"]);
        let mut score = |mood: Option<bool>| {
            let of = |_| sentiment.score(&words(PROMPT + COMPLETION, mood, None, &mut rng)) as f64;
            (0..2000).map(of).sum::<f64>() / 2000.0
        };
        let [good, bad, none] = [Some(true), Some(false), None].map(&mut score);
        assert!(good > 2.0 && bad < -2.0 && none.abs() < 0.3, "{good} {bad} {none}");
        let (pairs, truth): (Vec<Pair>, Vec<bool>) = (0..500).map(|_| pair(&sentiment, &mut rng)).unzip();
        assert!(pairs.iter().flatten().flatten().all(|t| (*t as usize) < VOCAB));
        assert!((150..350).contains(&truth.iter().filter(|t| **t).count()));
        assert!(pairs.iter().all(|[a, b]| a[..=PROMPT] == b[..=PROMPT] && a.len() == 1 + PROMPT + COMPLETION));
    }
}
