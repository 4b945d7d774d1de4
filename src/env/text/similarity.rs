//! Sentence pairs in six classes of similarity, in the role that STS-B has in Section 4.2 of arXiv:2310.20703.

use super::grammar::coin;
use super::vocab::{Class, forms, members, text};
use super::{BOS, EOS, SEP, Split, own_words, split_of};
use crate::rng::Stream;

/// Number of classes, 0 (nothing in common) to 5 (the same meaning).
pub const CLASSES: usize = 6;
/// What a sentence says: size, animal, verb, place, companion.
const SLOTS: [Class; 5] = [Class::Size, Class::Animal, Class::Verb, Class::Place, Class::Name];

/// Two sentences and in how many of their five meanings they agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// `<bos> compare sentence <sep> sentence <eos>`, at most 26 tokens.
    pub tokens: Vec<u32>,
    /// Equal meanings among size, animal, action, place and companion: 0 to 5.
    pub class: usize,
}

impl Pair {
    /// Draws a pair of one half of the data; every class is equally likely, and so is every choice of the meanings that
    /// agree.
    ///
    /// Wording says nothing about the class: size has synonyms, the verb two tenses, place and companion two orders, and
    /// each sentence draws its own.
    pub fn draw(split: Split, rng: &mut Stream) -> Self {
        loop {
            let class = rng.below(CLASSES);
            let first = SLOTS.map(|slot| rng.below(members(slot).len()));
            let mut second = first;
            for &slot in &rng.permutation(SLOTS.len())[class..] {
                let n = members(SLOTS[slot]).len();
                second[slot] = (first[slot] + 1 + rng.below(n - 1)) % n;
            }
            let (first, second) = (sentence(first, rng), sentence(second, rng));
            if split_of(&[first.as_slice(), &second].concat()) == split {
                let tokens = [&[BOS], own_words("compare").as_slice(), &first, &[SEP], &second, &[EOS]].concat();
                return Self { tokens, class };
            }
        }
    }
}

/// `the small dog runs in the park with anna`.
fn sentence(meaning: [usize; 5], rng: &mut Stream) -> Vec<u32> {
    let [size, animal, verb, place, name] = meaning;
    let size = text(forms(Class::Size, usize::from(coin(rng)))[size]);
    let animal = text(members(Class::Animal)[animal]);
    let verb = if coin(rng) {
        text(forms(Class::Verb, 1)[verb]).to_owned()
    } else {
        format!("is {}", text(forms(Class::Verb, 2)[verb]))
    };
    let (place, name) = (text(members(Class::Place)[place]), text(members(Class::Name)[name]));
    let circumstance =
        if coin(rng) { format!("in the {place} with {name}") } else { format!("with {name} in the {place}") };
    own_words(&format!("the {size} {animal} {verb} {circumstance}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::text::{decode, stem};

    /// Reads the meanings back from the words, knowing nothing of how they were drawn.
    fn meanings(sentence: &[u32]) -> Vec<u32> {
        let class = crate::env::text::class;
        SLOTS.map(|slot| stem(*sentence.iter().find(|&&t| class(t) == Some(slot)).expect("each slot is said"))).to_vec()
    }

    #[test]
    fn the_class_is_the_number_of_equal_meanings() {
        let mut rng = Stream::named(&["tests", "similarity"]);
        let mut seen = [0; CLASSES];
        for _ in 0..600 {
            let pair = Pair::draw(Split::Train, &mut rng);
            let middle = pair.tokens.iter().position(|&t| t == SEP).expect("two sentences");
            let (first, second) = pair.tokens.split_at(middle);
            let equal = meanings(first).iter().zip(meanings(second)).filter(|(a, b)| *a == b).count();
            assert_eq!(equal, pair.class, "{}", decode(&pair.tokens));
            assert!(pair.tokens.len() <= 26);
            seen[pair.class] += 1;
        }
        // binomial(600, 1/6): mean 100, std 9.1; ±4.5 std
        assert!(seen.iter().all(|n| (59..=141).contains(n)), "{seen:?}");
    }
}
