//! Questions whether the second part of a text follows from the first.

use super::vocab::{
    ADJECTIVES, ALL, AND, ARE, ARE_NOT, BY, IS, NOUNS, PAST, PEOPLE, SEPARATOR, SHORTER, SOME, TALLER, THE, WAS,
    adjective, is_adjective, noun, noun_of, past, person, person_of,
};
use super::{Pair, draw_until};
use crate::rng::Stream;

/// The two parts of a text, the first in its clauses.
fn parts(text: &[u32]) -> Option<(Vec<&[u32]>, &[u32])> {
    let at = text.iter().position(|t| *t == SEPARATOR)?;
    Some((text[..at].split(|t| *t == AND).collect(), &text[at + 1..]))
}

/// Premises joined by "and", then the conclusion.
fn argued(premises: &[Vec<u32>], conclusion: &[u32]) -> Vec<u32> {
    let mut text = premises.join(&AND);
    text.push(SEPARATOR);
    text.extend(conclusion);
    text
}

/// A number below `n` that is not `other`.
fn another(other: usize, n: usize, rng: &mut Stream) -> usize {
    (other + 1 + rng.below(n - 1)) % n
}

/// An event, told again in the active or in the passive, with the same roles or with other ones.
pub(super) fn paraphrase_pair(rng: &mut Stream) -> Pair {
    let first = rng.below(NOUNS);
    let nouns = [first, another(first, NOUNS, rng)].map(|lemma| noun(lemma, false));
    let deed = past(rng.below(PAST));
    let mut told = Vec::new();
    for (i, named) in nouns.into_iter().enumerate() {
        told.push(THE);
        if rng.below(2) == 0 {
            told.push(adjective(rng.below(ADJECTIVES)));
        }
        told.push(named);
        if i == 0 {
            told.push(deed);
        }
    }
    let passive = rng.below(3) > 0;
    let again = |agent: usize| {
        let (agent, patient) = (nouns[agent], nouns[1 - agent]);
        if passive { vec![THE, patient, WAS, deed, BY, THE, agent] } else { vec![THE, agent, deed, THE, patient] }
    };
    let [same, other] = [0, 1].map(|agent| argued(&[told.clone()], &again(agent)));
    (same, other)
}

/// Whether both parts tell the same event: who did it to whom.
pub(super) fn paraphrase(text: &[u32]) -> bool {
    let roles = |part: &[u32]| {
        let named: Vec<usize> = part.iter().filter_map(|t| noun_of(*t).map(|n| n.0)).collect();
        let [first, second] = named[..] else { return None };
        Some(if part.contains(&BY) { (second, first) } else { (first, second) })
    };
    let Some((told, again)) = parts(text) else { return false };
    let told = told.first().and_then(|t| roles(t));
    told.is_some() && told == roles(again)
}

/// "anna taller ben", or the same as "ben shorter anna".
fn compared(tall: usize, short: usize, rng: &mut Stream) -> Vec<u32> {
    if rng.below(2) == 0 {
        vec![person(tall), TALLER, person(short)]
    } else {
        vec![person(short), SHORTER, person(tall)]
    }
}

/// Three or four people in a row, neighbours compared; the conclusion is about two who are not neighbours.
pub(super) fn comparison_pair(rng: &mut Stream) -> Pair {
    let row = rng.permutation(PEOPLE)[..3 + rng.below(2)].to_vec();
    let stated: Vec<Vec<u32>> = row.windows(2).map(|w| compared(w[0], w[1], rng)).collect();
    let premises: Vec<Vec<u32>> = rng.permutation(stated.len()).into_iter().map(|i| stated[i].clone()).collect();
    let first = rng.below(row.len() - 2);
    let second = first + 2 + rng.below(row.len() - first - 2);
    let right = compared(row[first], row[second], rng);
    let wrong: Vec<u32> = right.iter().rev().copied().collect();
    (argued(&premises, &right), argued(&premises, &wrong))
}

/// Whether the comparison of the second part follows from those of the first.
pub(super) fn comparison(text: &[u32]) -> bool {
    let read = |part: &[u32]| match *part {
        [a, TALLER, b] => person_of(a).zip(person_of(b)),
        [a, SHORTER, b] => person_of(b).zip(person_of(a)),
        _ => None,
    };
    let Some((premises, conclusion)) = parts(text) else { return false };
    let premises: Option<Vec<_>> = premises.into_iter().map(read).collect();
    let (Some(premises), Some((tall, short))) = (premises, read(conclusion)) else { return false };
    let mut above = [[false; PEOPLE]; PEOPLE];
    for _ in 0..PEOPLE {
        for &(a, b) in &premises {
            above[a][b] = true;
            (0..PEOPLE).for_each(|c| above[a][c] |= above[b][c]);
        }
    }
    above[tall][short]
}

/// "all dogs are tall and all cats are red and anna is dog": is anna tall, or red?
pub(super) fn inherits_pair(rng: &mut Stream) -> Pair {
    let who = person(rng.below(PEOPLE));
    let lemma = rng.below(NOUNS);
    let lemmas = [lemma, another(lemma, NOUNS, rng)];
    let first = rng.below(ADJECTIVES);
    let adjectives = [first, another(first, ADJECTIVES, rng)].map(adjective);
    let mut premises: Vec<Vec<u32>> = (0..2).map(|i| vec![ALL, noun(lemmas[i], true), ARE, adjectives[i]]).collect();
    premises.push(vec![who, IS, noun(lemmas[0], false)]);
    premises = rng.permutation(premises.len()).into_iter().map(|i| premises[i].clone()).collect();
    let [right, wrong] = adjectives.map(|a| argued(&premises, &[who, IS, a]));
    (right, wrong)
}

/// Whether the second part says of somebody what the first says of all of their kind.
pub(super) fn inherits(text: &[u32]) -> bool {
    let Some((premises, &[who, IS, quality])) = parts(text) else { return false };
    let kinds = premises.iter().filter_map(|p| match **p {
        [someone, IS, kind] if someone == who => noun_of(kind).map(|n| n.0),
        _ => None,
    });
    let of_kind = |kind: usize| premises.iter().any(|p| **p == [ALL, noun(kind, true), ARE, quality]);
    is_adjective(quality) && kinds.into_iter().any(of_kind)
}

/// A corner of the square of opposition.
type Corner = (u32, bool);

fn stated((quantifier, positive): Corner, lemma: usize, quality: u32) -> Vec<u32> {
    vec![quantifier, noun(lemma, true), if positive { ARE } else { ARE_NOT }, quality]
}

fn corner(rng: &mut Stream) -> Corner {
    ([ALL, SOME][rng.below(2)], rng.below(2) == 0)
}

/// Two texts with a premise and a conclusion each, about the same nouns; a premise about others stands before or behind.
fn opposed(first: (Corner, Corner), second: (Corner, Corner), rng: &mut Stream) -> Pair {
    let lemma = rng.below(NOUNS);
    let quality = rng.below(ADJECTIVES);
    let aside = stated(corner(rng), another(lemma, NOUNS, rng), adjective(another(quality, ADJECTIVES, rng)));
    let before = rng.below(2) == 0;
    let text = |(premise, conclusion): (Corner, Corner)| {
        let premise = stated(premise, lemma, adjective(quality));
        let premises = if before { [aside.clone(), premise] } else { [premise, aside.clone()] };
        argued(&premises, &stated(conclusion, lemma, adjective(quality)))
    };
    (text(first), text(second))
}

/// The conclusion turned to its opposite; or the premise about some instead of all, where all is concluded.
pub(super) fn entails_pair(rng: &mut Stream) -> Pair {
    let positive = rng.below(2) == 0;
    let (premise, conclusion) = draw_until(rng, |rng| {
        let (premise, conclusion) = (corner(rng).0, corner(rng).0);
        (premise == ALL || conclusion == SOME).then_some((premise, conclusion))
    });
    let right = ((premise, positive), (conclusion, positive));
    let wrong = if conclusion == ALL && rng.below(2) == 0 {
        ((SOME, positive), (ALL, positive))
    } else {
        ((premise, positive), (conclusion, !positive))
    };
    opposed(right, wrong, rng)
}

/// The conclusion turned to agree; or both about some, who need not be the same.
pub(super) fn contradicts_pair(rng: &mut Stream) -> Pair {
    let positive = rng.below(2) == 0;
    let (premise, conclusion) = draw_until(rng, |rng| {
        let (premise, conclusion) = (corner(rng).0, corner(rng).0);
        (premise == ALL || conclusion == ALL).then_some((premise, conclusion))
    });
    let right = ((premise, positive), (conclusion, !positive));
    let wrong = if rng.below(2) == 0 {
        ((SOME, positive), (SOME, !positive))
    } else {
        ((premise, positive), (conclusion, positive))
    };
    opposed(right, wrong, rng)
}

/// How many of so many there are, in every case that can be.
const MEMBERS: usize = 3;

/// The numbers of members with the quality, of [`MEMBERS`], that the last part allows, beside those that the first part allows.
fn cases(text: &[u32]) -> Option<[[bool; MEMBERS + 1]; 2]> {
    let (premises, conclusion) = parts(text)?;
    let read = |part: &[u32]| match *part {
        [quantifier, named, ARE, quality] => Some((quantifier, true, named, quality)),
        [quantifier, named, ARE_NOT, quality] => Some((quantifier, false, named, quality)),
        _ => None,
    };
    let allows = |(quantifier, positive): Corner| {
        std::array::from_fn(|k| {
            let fitting = if positive { k } else { MEMBERS - k };
            if quantifier == ALL { fitting == MEMBERS } else { fitting > 0 }
        })
    };
    let (quantifier, positive, named, quality) = read(conclusion)?;
    let same = premises.into_iter().filter_map(read).find(|p| (p.2, p.3) == (named, quality))?;
    Some([allows((same.0, same.1)), allows((quantifier, positive))])
}

/// Whether the second part is true in every case in which the first is.
pub(super) fn entails(text: &[u32]) -> bool {
    cases(text).is_some_and(|[premise, conclusion]| premise.iter().zip(conclusion).all(|(p, c)| !p || c))
}

/// Whether the second part is false in every case in which the first is true.
pub(super) fn contradicts(text: &[u32]) -> bool {
    cases(text).is_some_and(|[premise, conclusion]| premise.iter().zip(conclusion).all(|(p, c)| !(*p && c)))
}
