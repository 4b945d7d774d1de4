//! Translation between two artificial languages, with the reference known: a lexicon, another word order, agreement.
//!
//! The source has subject, verb, object, place and adjectives before nouns; number shows on nouns alone. The target has place, subject,
//! object, verb and adjectives behind nouns; articles and adjectives agree with their noun in number and in a gender that has to be learned
//! word by word, verbs with their subject in number. Every source has one right translation.
//!
//! # Example
//! ```
//! use rewardlab::env::Split;
//! use rewardlab::env::translation::{Domain, Pair, spell};
//! use rewardlab::rng::Stream;
//!
//! let mut rng = Stream::named(&["translation", "example"]);
//! let pair = Pair::draw(Domain::News, Split::Train, &mut rng);
//! let careless = pair.careless(0.2, &mut rng);
//! let lines = [&pair.source, &pair.reference, &careless].map(|tokens| spell(tokens));
//! assert_eq!(lines, [
//!     "<bos> tha quam rul rass u mirk nibs im u bru <sep>",
//!     "sub una raguba lo hilapo marno une dorime linde movat <eos>",
//!     "sub une ragube lo hilapo marno uno dorime linde movat <eos>",
//! ]);
//! ```

mod grammar;
mod lexicon;
mod noise;

pub use grammar::Domain;
pub use lexicon::{BOS, EOS, PAD, SEP, spell, vocab};

use super::Split;
use super::split::split_of;
use super::text::{Chrf, bleu};
use crate::rng::Stream;
use grammar::Sentence;
use serde::{Deserialize, Serialize};

/// Most tokens of a source, `<bos>` and `<sep>` included.
pub const SOURCE_MAX: usize = 13;
/// Most tokens of a translation with its `<eos>`, and what sampling should be limited to: a sentence said twice fits.
pub const TARGET_MAX: usize = 23;

/// A source and its right translation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// `<bos> … <sep>`.
    pub source: Vec<u32>,
    /// Ends in `<eos>`.
    pub reference: Vec<u32>,
}

impl Pair {
    /// Draws a pair of one half of the data: no source is in both.
    pub fn draw(domain: Domain, split: Split, rng: &mut Stream) -> Self {
        let (sentence, words) = loop {
            let sentence = Sentence::draw(domain, rng);
            let words = sentence.source();
            if split_of(&words) == split {
                break (sentence, words);
            }
        };
        let source = [&[BOS], words.as_slice(), &[SEP]].concat();
        Self { source, reference: [sentence.target().as_slice(), &[EOS]].concat() }
    }

    /// The translation with mistakes, ending in `<eos>`: every word wrong with probability `rate` (half of them by their ending, the
    /// others by their stem or left out), with that probability the source's word order, a quarter as often the sentence twice.
    pub fn careless(&self, rate: f64, rng: &mut Stream) -> Vec<u32> {
        let mut out = noise::careless(words(&self.reference), rate, rng);
        out.push(EOS);
        out
    }
}

/// What is paid for translations of one source.
#[derive(Clone, Debug)]
pub struct Judge {
    chrf: Chrf,
    reference: Vec<Vec<u32>>,
}

impl Judge {
    /// Of one reference.
    pub fn new(pair: &Pair) -> Self {
        let reference = words(&pair.reference);
        Self { chrf: Chrf::new(&spell(reference)), reference: vec![reference.to_vec()] }
    }

    /// The reward, `chrF2` against the reference, in [0, 1]. An output is read up to its first `<eos>`.
    pub fn reward(&self, output: &[u32]) -> f64 {
        self.chrf.score(&spell(words(output)))
    }

    /// The second metric: sentence BLEU on words, in [0, 1].
    pub fn bleu(&self, output: &[u32]) -> f64 {
        bleu(words(output), &self.reference)
    }
}

/// An output up to its first `<eos>`.
fn words(output: &[u32]) -> &[u32] {
    let end = output.iter().position(|&t| t == EOS).unwrap_or(output.len());
    &output[..end]
}

#[cfg(test)]
mod tests;
