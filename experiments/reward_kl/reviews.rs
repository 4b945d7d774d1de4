//! The sentiment world as the experiments of this paper have it: a language of reviews, prefixes of them as prompts,
//! and pairs.

use super::markov::Markov;
use rewardlab::env::{Sentiment, Word};
use rewardlab::error::{Error, Result};
use rewardlab::preference::{Labeller, pairs_of_group};
use rewardlab::rng::Stream;
use serde::{Deserialize, Serialize};

/// Words: two topics, a filler, praise and blame of two strengths, "not", "very".
const WORDS: [Word; 9] = [
    Word::Neutral,
    Word::Neutral,
    Word::Neutral,
    Word::Sentiment(1),
    Word::Sentiment(2),
    Word::Sentiment(-1),
    Word::Sentiment(-2),
    Word::Negator,
    Word::Intensifier,
];
const NOT: u32 = 7;
const VERY: u32 = 8;

/// Sizes of the data.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReviewSetup {
    /// The slope of the true reward, σ(slope · score); positive.
    pub(crate) slope: f64,
    /// Words of a completion; 2 to 30.
    pub(crate) length: usize,
    /// Words that the writer sees; 1 or 2.
    pub(crate) order: usize,
    /// Texts of the corpus that the reference learns; at least 10.
    pub(crate) corpus: usize,
    /// Prompts of the pairs; at least 10.
    pub(crate) prompts: usize,
    /// Completions of each; 2 to 16.
    pub(crate) completions: usize,
    /// Prompts on which exact values are reported, and as many others on which settings are chosen; at least 1.
    pub(crate) held_out: usize,
}

/// A prompt, two completions of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TextPair {
    pub(crate) prompt: Vec<u32>,
    pub(crate) chosen: Vec<u32>,
    pub(crate) rejected: Vec<u32>,
}

impl ReviewSetup {
    pub(crate) fn validate(&self) -> Result<()> {
        Error::check_positive(&[("slope", self.slope)])?;
        Error::check_counts(&[
            ("length", self.length, 2, 30),
            ("order", self.order, 1, 2),
            ("corpus", self.corpus, 10, 10_000_000),
            ("prompts", self.prompts, 10, 10_000_000),
            ("completions", self.completions, 2, 16),
            ("held_out", self.held_out, 1, 10_000),
        ])
    }

    pub(crate) fn sentiment(&self) -> Result<Sentiment> {
        Sentiment::new(WORDS.into(), self.slope)
    }

    /// A text of the language: a mood, and words that mostly agree with it.
    fn text(length: usize, rng: &mut Stream) -> Vec<u32> {
        let good = rng.uniform() < 0.5;
        let mut text = Vec::with_capacity(length);
        let mut turned = false;
        for _ in 0..length {
            let before = text.last().copied();
            let u = rng.uniform();
            let word = match before {
                Some(NOT) if u < 0.2 => VERY,
                Some(NOT | VERY) => Self::opinion(good != turned, rng),
                _ if u < 0.55 => rng.below(3) as u32,
                _ if u < 0.62 => NOT,
                _ if u < 0.72 => VERY,
                _ => Self::opinion(good, rng),
            };
            turned = word == NOT || (turned && word == VERY);
            text.push(word);
        }
        text
    }

    /// A word of praise or blame, in four cases of five of the mood's side.
    fn opinion(good: bool, rng: &mut Stream) -> u32 {
        let praise = good == (rng.uniform() < 0.8);
        let strong = u32::from(rng.uniform() < 0.3);
        if praise { 3 + strong } else { 5 + strong }
    }

    /// What the corpus teaches: the reference of everything.
    pub(crate) fn reference(&self, rng: &mut Stream) -> Markov {
        let texts: Vec<Vec<u32>> = (0..self.corpus).map(|_| Self::text(8 + self.length, rng)).collect();
        Markov::of_corpus((WORDS.len(), self.order), texts.iter().map(Vec::as_slice), 0.5)
    }

    /// Prefixes of 2 to 8 words, as in Section 6.1 of arXiv:2305.18290.
    pub(crate) fn prefixes(count: usize, rng: &mut Stream) -> Vec<Vec<u32>> {
        (0..count).map(|_| Self::text(2 + rng.below(7), rng)).collect()
    }

    /// Completions of `prompts` prefixes by the reference, in pairs that the labeller has labelled.
    pub(crate) fn pairs(
        &self,
        sentiment: &Sentiment,
        reference: &Markov,
        (prompts, labeller): (usize, Labeller),
        rng: &mut Stream,
    ) -> Vec<TextPair> {
        let mut pairs = Vec::new();
        for prompt in Self::prefixes(prompts, rng) {
            let group: Vec<Vec<u32>> =
                (0..self.completions).map(|_| reference.sample(&prompt, self.length, rng)).collect();
            let reward = |completion: &Vec<u32>| sentiment.reward(&[&prompt[..], completion].concat());
            let rewards: Vec<f64> = group.iter().map(reward).collect();
            for (chosen, rejected) in pairs_of_group(&rewards, labeller, |i, j| group[i] == group[j], rng) {
                let (chosen, rejected) = (group[chosen].clone(), group[rejected].clone());
                pairs.push(TextPair { prompt: prompt.clone(), chosen, rejected });
            }
        }
        pairs
    }
}
