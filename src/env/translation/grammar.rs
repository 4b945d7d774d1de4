//! Sentences before they are words, and how each language says them.

use super::lexicon::{ADJECTIVE_COUNT, Class, NOUN_COUNT, PREPOSITION_COUNT, VERB_COUNT, gender, token};
use crate::rng::Stream;
use serde::{Deserialize, Serialize};

/// What sentences are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Domain {
    /// Short clauses (the part of IWSLT's talks).
    Talks,
    /// Longer clauses, most with a place (the part of WMT's news).
    News,
    /// Fragments without a verb, of words that are rare elsewhere (the part of the paper's Web Domain).
    Web,
}

/// A noun with what agrees with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Phrase {
    definite: bool,
    adjective: Option<usize>,
    noun: usize,
    plural: bool,
}

/// A clause or a fragment.
#[derive(Clone, Debug)]
pub(super) enum Sentence {
    Clause { subject: Phrase, verb: usize, object: Phrase, place: Option<Place> },
    Fragment { head: Phrase, and: Option<Phrase>, place: Option<Place> },
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    preposition: usize,
    phrase: Phrase,
}

fn chance(rng: &mut Stream, probability: f64) -> bool {
    rng.uniform() < probability
}

impl Phrase {
    fn draw(domain: Domain, rng: &mut Stream) -> Self {
        let half = NOUN_COUNT / 2;
        // the two halves of the nouns: talk of the one, fragments of the other
        let common = match domain {
            Domain::Talks => 0.9,
            Domain::News => 0.6,
            Domain::Web => 0.1,
        };
        let noun = rng.below(half) + if chance(rng, common) { 0 } else { half };
        let adjective = chance(rng, if domain == Domain::News { 0.6 } else { 0.4 }).then(|| rng.below(ADJECTIVE_COUNT));
        Self { definite: chance(rng, 0.6), adjective, noun, plural: chance(rng, 0.4) }
    }

    /// `the red dogs`.
    fn source(self, out: &mut Vec<u32>) {
        out.push(token(Class::Article, usize::from(self.definite), 0));
        out.extend(self.adjective.map(|a| token(Class::Adjective, a, 0)));
        out.push(token(Class::Noun, self.noun, usize::from(self.plural)));
    }

    /// Article and adjective agree with the noun in gender and number; the adjective stands behind it.
    fn target(self, out: &mut Vec<u32>) {
        let form = 2 * gender(self.noun) + usize::from(self.plural);
        out.push(token(Class::TargetArticle, usize::from(self.definite), form));
        out.push(token(Class::TargetNoun, self.noun, usize::from(self.plural)));
        out.extend(self.adjective.map(|a| token(Class::TargetAdjective, a, form)));
    }
}

impl Place {
    fn draw(domain: Domain, rng: &mut Stream) -> Self {
        Self { preposition: rng.below(PREPOSITION_COUNT), phrase: Phrase::draw(domain, rng) }
    }
}

impl Sentence {
    pub(super) fn draw(domain: Domain, rng: &mut Stream) -> Self {
        let place = match domain {
            Domain::Talks => 0.2,
            Domain::News => 0.6,
            Domain::Web => 0.5,
        };
        if domain == Domain::Web {
            let head = Phrase::draw(domain, rng);
            let and = chance(rng, 0.5).then(|| Phrase::draw(domain, rng));
            let place = chance(rng, place).then(|| Place::draw(domain, rng));
            return Self::Fragment { head, and, place };
        }
        Self::Clause {
            subject: Phrase::draw(domain, rng),
            verb: rng.below(VERB_COUNT),
            object: Phrase::draw(domain, rng),
            place: chance(rng, place).then(|| Place::draw(domain, rng)),
        }
    }

    /// Subject, verb, object, place.
    pub(super) fn source(&self) -> Vec<u32> {
        let mut out = Vec::new();
        let place = match self {
            Self::Clause { subject, verb, object, place } => {
                subject.source(&mut out);
                out.push(token(Class::Verb, *verb, 0));
                object.source(&mut out);
                place
            }
            Self::Fragment { head, and, place } => {
                head.source(&mut out);
                if let Some(second) = and {
                    out.push(token(Class::And, 0, 0));
                    second.source(&mut out);
                }
                place
            }
        };
        if let Some(place) = place {
            out.push(token(Class::Preposition, place.preposition, 0));
            place.phrase.source(&mut out);
        }
        out
    }

    /// Place, subject, object, verb; the verb agrees with the subject in number.
    pub(super) fn target(&self) -> Vec<u32> {
        let mut out = Vec::new();
        let (Self::Clause { place, .. } | Self::Fragment { place, .. }) = self;
        if let Some(place) = place {
            out.push(token(Class::TargetPreposition, place.preposition, 0));
            place.phrase.target(&mut out);
        }
        match self {
            Self::Clause { subject, verb, object, .. } => {
                subject.target(&mut out);
                object.target(&mut out);
                out.push(token(Class::TargetVerb, *verb, usize::from(subject.plural)));
            }
            Self::Fragment { head, and, .. } => {
                head.target(&mut out);
                if let Some(second) = and {
                    out.push(token(Class::TargetAnd, 0, 0));
                    second.target(&mut out);
                }
            }
        }
        out
    }
}
