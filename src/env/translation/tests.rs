//! What holds of every pair and of every mistake.

use super::lexicon::{Class, gender, token, word};
use super::*;
use std::collections::BTreeSet;

const DOMAINS: [Domain; 3] = [Domain::Talks, Domain::News, Domain::Web];

fn pairs(domain: Domain, split: Split, count: usize) -> Vec<Pair> {
    let mut rng = Stream::named(&["tests", "translation"]);
    (0..count).map(|_| Pair::draw(domain, split, &mut rng)).collect()
}

/// Lengths, and that every word of a phrase has the form that its noun asks for, read off the target alone.
#[test]
fn targets_agree_and_fit() {
    for domain in DOMAINS {
        for pair in pairs(domain, Split::Train, 400) {
            assert!(pair.source.len() <= SOURCE_MAX && 2 * pair.reference.len() - 1 <= TARGET_MAX, "{pair:?}");
            let target = words(&pair.reference);
            for (i, noun) in target.iter().enumerate().filter(|(_, t)| word(**t).class == Class::TargetNoun) {
                let form = 2 * gender(word(*noun).lemma) + word(*noun).form;
                assert_eq!((word(target[i - 1]).class, word(target[i - 1]).form), (Class::TargetArticle, form));
                if let Some(behind) = target.get(i + 1).filter(|t| word(**t).class == Class::TargetAdjective) {
                    assert_eq!(word(*behind).form, form);
                }
            }
        }
    }
}

/// By hand: `tha brel dams lopp u kel im tha nib`.
#[test]
fn one_sentence_in_both_languages() {
    let find = |text: &str| (0..vocab() as u32).find(|t| word(*t).text == text).unwrap_or_else(|| panic!("{text}"));
    let source: Vec<u32> = "tha brel dams lopp u kel im tha nib".split(' ').map(find).collect();
    // seeds are searched until the grammar says it: it must then say the translation that was written down here
    let simple = pairs(Domain::Talks, Split::Train, 2000);
    let shape = |tokens: &[u32]| tokens.iter().map(|t| word(*t).class as usize).collect::<Vec<_>>();
    let same = simple.iter().find(|p| shape(&p.source[1..p.source.len() - 1]) == shape(&source));
    let same = same.expect("a sentence of this shape");
    let lemma = |i: usize| word(same.source[1 + i]);
    let (subject, object, place) = (lemma(2), lemma(5), lemma(8));
    let form = |noun: &super::lexicon::Word| 2 * gender(noun.lemma) + noun.form;
    let expected = [
        token(Class::TargetPreposition, lemma(6).lemma, 0),
        token(Class::TargetArticle, lemma(7).lemma, form(place)),
        token(Class::TargetNoun, place.lemma, place.form),
        token(Class::TargetArticle, lemma(0).lemma, form(subject)),
        token(Class::TargetNoun, subject.lemma, subject.form),
        token(Class::TargetAdjective, lemma(1).lemma, form(subject)),
        token(Class::TargetArticle, lemma(4).lemma, form(object)),
        token(Class::TargetNoun, object.lemma, object.form),
        token(Class::TargetVerb, lemma(3).lemma, subject.form),
        EOS,
    ];
    assert_eq!(same.reference, expected);
}

#[test]
fn halves_share_no_source_and_sources_have_one_translation() {
    for domain in DOMAINS {
        let train: BTreeSet<_> = pairs(domain, Split::Train, 500).into_iter().map(|p| p.source).collect();
        assert!(pairs(domain, Split::Test, 200).iter().all(|p| !train.contains(&p.source)));
    }
}

/// The reference alone has reward 1; a wrong ending costs less than a wrong word; saying it twice costs.
#[test]
fn rewards_rank_mistakes() {
    for pair in pairs(Domain::News, Split::Train, 100) {
        let judge = Judge::new(&pair);
        let right = words(&pair.reference);
        assert!((judge.reward(&pair.reference) - 1.0).abs() < 1e-12 && (judge.bleu(right) - 1.0).abs() < 1e-12);
        let noun = right.iter().position(|t| word(*t).class == Class::TargetNoun).expect("a noun");
        let with = |other: u32| {
            let mut out = right.to_vec();
            out[noun] = other;
            judge.reward(&out)
        };
        let own = word(right[noun]);
        let ending = with(token(Class::TargetNoun, own.lemma, 1 - own.form));
        let stem = with(token(Class::TargetNoun, (own.lemma + 5) % 16, own.form));
        assert!(stem < ending && ending < 1.0, "{stem} {ending}");
        assert!(judge.reward(&[right, right].concat()) < 0.95);
        // what follows the end is not read
        assert_eq!(judge.reward(&[&pair.reference[..], right].concat()).to_bits(), judge.reward(right).to_bits());
    }
}

/// The mean number of words kept is 1 − rate; without mistakes nothing changes. Critical value: 4 standard errors.
#[test]
fn mistakes_are_as_frequent_as_asked() {
    let mut rng = Stream::named(&["tests", "noisy"]);
    let (mut kept, mut all) = (0.0, 0.0);
    for pair in pairs(Domain::Web, Split::Train, 2000) {
        assert_eq!(pair.noisy(0.0, &mut rng), pair.reference);
        let right = words(&pair.reference);
        let noisy = noise::noisy(right, 0.2, &mut rng);
        // fragments have no verb to move; what is said twice is left out
        if noisy.len() <= right.len() {
            kept += right.iter().zip(&noisy).take_while(|(a, b)| a == b).count().min(1) as f64;
            all += 1.0;
        }
    }
    // the first word is right but for its own mistake
    let (share, error) = (kept / all, (0.2_f64 * 0.8 / all).sqrt());
    assert!((share - 0.8).abs() < 4.0 * error + 0.02, "{share}");
}
