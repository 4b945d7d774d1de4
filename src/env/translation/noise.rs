//! What translators do wrong.

use super::lexicon::{Class, size, token, word};
use crate::rng::Stream;

/// Of a word's mistakes: wrong ending, if it has one; wrong word; left out.
const ENDING: f64 = 0.5;
const WORD: f64 = 0.8;
/// Sentences that are said twice, for each that has the source's word order.
const TWICE: f64 = 0.25;

/// A translation as a noisy translator has it: every word is mistaken with probability `rate`, the verb moves to where the source
/// has it with that probability, and a quarter as often the sentence is said twice.
pub(super) fn noisy(target: &[u32], rate: f64, rng: &mut Stream) -> Vec<u32> {
    let mut out: Vec<u32> = target.iter().filter_map(|t| mistaken(*t, rate, rng)).collect();
    if rng.uniform() < rate {
        verb_second(&mut out);
    }
    if rng.uniform() < TWICE * rate {
        out.extend_from_within(..);
    }
    out
}

fn mistaken(original: u32, rate: f64, rng: &mut Stream) -> Option<u32> {
    if rng.uniform() >= rate {
        return Some(original);
    }
    let own = word(original);
    let (lemmas, forms) = size(own.class);
    let other = |rng: &mut Stream, own: usize, of: usize| (own + 1 + rng.below(of - 1)) % of;
    let of_word = rng.uniform();
    if of_word < ENDING && own.class == Class::TargetNoun {
        Some(token(own.class, own.lemma, 1 - own.form))
    } else if of_word < ENDING && forms > 1 {
        Some(token(own.class, own.lemma, other(rng, own.form, forms)))
    } else if of_word < WORD && lemmas > 1 {
        Some(token(own.class, other(rng, own.lemma, lemmas), own.form))
    } else {
        None
    }
}

/// Moves a verb from the end to behind the first noun.
fn verb_second(words: &mut Vec<u32>) {
    let is = |token: u32, class: Class| word(token).class == class;
    let noun = words.iter().position(|t| is(*t, Class::TargetNoun));
    if let (Some(noun), Some(last)) = (noun, words.last().copied())
        && is(last, Class::TargetVerb)
    {
        words.pop();
        words.insert(noun + 1, last);
    }
}
