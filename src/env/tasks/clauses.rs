//! Questions about two clauses: "the dog near the cats sleeps and the horses never run".

use super::vocab::{AND, NEAR, NEVER, NOUNS, THE, VERBS, noun, noun_of, verb, verb_of};
use super::{Pair, draw_until};
use crate::rng::Stream;

/// "dog", of which one task asks whether it acts.
const DOG: usize = 0;
/// "sleep", of which one task asks whether it happens.
const SLEEP: usize = 0;

/// A noun's lemma, and whether it is plural.
type Noun = (usize, bool);

#[derive(Clone)]
struct Clause {
    subject: Noun,
    /// What the subject is near.
    other: Option<Noun>,
    never: bool,
    verb: usize,
    plural_verb: bool,
}

impl Clause {
    /// Right, without a negation.
    fn draw(with_other: bool, rng: &mut Stream) -> Self {
        let subject = (rng.below(NOUNS), rng.below(2) == 1);
        let other = ((subject.0 + 1 + rng.below(NOUNS - 1)) % NOUNS, rng.below(2) == 1);
        let verb = rng.below(VERBS);
        Self { subject, other: with_other.then_some(other), never: false, verb, plural_verb: subject.1 }
    }

    /// With the verb in the subject's number.
    fn agreeing(self) -> Self {
        Self { plural_verb: self.subject.1, ..self }
    }

    /// The nouns with their places changed.
    fn turned(&self) -> Self {
        let other = self.other.unwrap_or(self.subject);
        Self { subject: other, other: Some(self.subject), ..self.clone() }
    }

    fn write(&self, text: &mut Vec<u32>) {
        text.extend([THE, noun(self.subject.0, self.subject.1)]);
        if let Some((lemma, plural)) = self.other {
            text.extend([NEAR, THE, noun(lemma, plural)]);
        }
        if self.never {
            text.push(NEVER);
        }
        text.push(verb(self.verb, self.plural_verb));
    }
}

fn spelt(clauses: &[Clause; 2]) -> Vec<u32> {
    let mut text = Vec::new();
    clauses[0].write(&mut text);
    text.push(AND);
    clauses[1].write(&mut text);
    text
}

/// Two clauses, the one of the number returned with a noun beside its subject.
fn draw(rng: &mut Stream) -> ([Clause; 2], usize) {
    let which = rng.below(2);
    let also = rng.below(2) == 0;
    let mut clauses = [0, 1].map(|i| Clause::draw(i == which || also, rng));
    for clause in &mut clauses {
        clause.never = rng.below(3) == 0;
    }
    (clauses, which)
}

/// A verb in the wrong number, or the numbers of subject and neighbour exchanged.
pub(super) fn agreement_pair(rng: &mut Stream) -> Pair {
    let (right, which) = draw(rng);
    let mut wrong = right.clone();
    let clause = &mut wrong[which];
    match (&mut clause.subject, &mut clause.other) {
        ((_, ours), Some((_, theirs))) if ours != theirs && rng.below(2) == 0 => std::mem::swap(ours, theirs),
        _ => clause.plural_verb = !clause.plural_verb,
    }
    (spelt(&right), spelt(&wrong))
}

/// The clauses of a text as token lists.
fn parts(text: &[u32]) -> impl Iterator<Item = &[u32]> {
    text.split(|t| *t == AND)
}

/// The noun that a clause begins with, behind its article.
fn subject(clause: &[u32]) -> Option<Noun> {
    clause.get(1).and_then(|t| noun_of(*t))
}

/// Whether every verb has its subject's number.
pub(super) fn agreement(text: &[u32]) -> bool {
    parts(text).all(|clause| {
        let verb = clause.last().and_then(|t| verb_of(*t));
        subject(clause).zip(verb).is_some_and(|(subject, verb)| subject.1 == verb.1)
    })
}

/// One clause has sleep, one has never: the same, or not.
pub(super) fn sleeps_pair(rng: &mut Stream) -> Pair {
    let (mut base, _) = draw(rng);
    let sleeper = rng.below(2);
    base[sleeper].verb = SLEEP;
    base[1 - sleeper].verb = 1 + rng.below(VERBS - 1);
    let of = |negated: usize| {
        let mut clauses = base.clone();
        (0..2).for_each(|i| clauses[i].never = i == negated);
        spelt(&clauses)
    };
    (of(1 - sleeper), of(sleeper))
}

/// Whether somebody sleeps: a clause has the verb and no never.
pub(super) fn sleeps(text: &[u32]) -> bool {
    let is_sleep = |t: &u32| verb_of(*t).is_some_and(|(lemma, _)| lemma == SLEEP);
    parts(text).any(|clause| clause.iter().any(is_sleep) && !clause.contains(&NEVER))
}

/// A clause's nouns change places; one of them is a dog.
pub(super) fn dog_acts_pair(rng: &mut Stream) -> Pair {
    draw_until(rng, |rng| {
        let (mut acts, which) = draw(rng);
        acts[which].subject.0 = DOG;
        let mut suffers = acts.clone();
        suffers[which] = acts[which].turned().agreeing();
        let dogs = |clauses: &[Clause; 2]| clauses.iter().filter(|c| c.subject.0 == DOG).count();
        (dogs(&acts) == 1 && dogs(&suffers) == 0).then(|| (spelt(&acts), spelt(&suffers)))
    })
}

/// Whether dogs are the subject of a clause.
pub(super) fn dog_acts(text: &[u32]) -> bool {
    parts(text).filter_map(subject).any(|(lemma, _)| lemma == DOG)
}

/// Three nouns, of which one changes its number.
pub(super) fn mostly_plural_pair(rng: &mut Stream) -> Pair {
    let (mut more, which) = draw(rng);
    more[1 - which].other = None;
    let changed = rng.below(3);
    let single = (changed + 1 + rng.below(2)) % 3;
    let of = |plurals: [bool; 3]| {
        let mut clauses = more.clone();
        clauses[which].subject.1 = plurals[0];
        clauses[1 - which].subject.1 = plurals[1];
        clauses[which].other = clauses[which].other.map(|(lemma, _)| (lemma, plurals[2]));
        spelt(&clauses.map(Clause::agreeing))
    };
    (of([0, 1, 2].map(|i| i != single)), of([0, 1, 2].map(|i| i != single && i != changed)))
}

/// Whether more nouns are plural than singular.
pub(super) fn mostly_plural(text: &[u32]) -> bool {
    let balance = text.iter().filter_map(|t| noun_of(*t)).map(|(_, plural)| if plural { 1 } else { -1 });
    balance.sum::<i64>() > 0
}
