//! Sentiment continuation: a film review's opening, to be continued with praise.

use super::{Draft, coin, distinct, pick};
use crate::env::text::vocab::Class;
use crate::rng::Stream;

/// `i saw the film with anna . the plot was dull and the music was warm .` ->
/// `but the cast was lovely and the ending was very funny`.
///
/// Half of the openings only praise; [`continuation`] says what plain text makes of them.
pub(in crate::env::text) fn draft(rng: &mut Stream) -> Draft {
    let name = pick(rng, Class::Name);
    let features: [_; 6] = distinct(rng, Class::Feature);
    let settled = coin(rng);
    let blamed = if settled { 0 } else { 1 + rng.below(3) };
    let opening = clauses(rng, [features[0], features[1]], [mood(blamed & 1 > 0), mood(blamed & 2 > 0)]);
    let praise = |[a, b]: [usize; 2]| {
        format!("{} {}", join(settled), clauses(rng, [features[a], features[b]], [Class::Praise; 2]))
    };
    let references = [[2, 3], [4, 5]].map(praise);
    Draft { settled, ..Draft::new(format!("i saw the film with {name} . {opening} ."), references) }
}

/// How plain text goes on: with praise behind an opening that only praises (`settled`); behind any other it praises or
/// blames by a coin for each clause.
pub(in crate::env::text) fn continuation(settled: bool, rng: &mut Stream) -> String {
    let features = distinct(rng, Class::Feature);
    let moods = if settled { [Class::Praise; 2] } else { [mood(coin(rng)), mood(coin(rng))] };
    format!("{} {}", join(settled), clauses(rng, features, moods))
}

fn mood(blamed: bool) -> Class {
    if blamed { Class::Blame } else { Class::Praise }
}

fn join(settled: bool) -> &'static str {
    if settled { "and" } else { "but" }
}

/// `the plot was dull and the music was very cold`, adjectives of the given classes, all different.
fn clauses(rng: &mut Stream, features: [&str; 2], classes: [Class; 2]) -> String {
    let (praise, blame): ([_; 2], [_; 2]) = (distinct(rng, Class::Praise), distinct(rng, Class::Blame));
    let clause = |i: usize, rng: &mut Stream| {
        let adjective = if classes[i] == Class::Praise { praise[i] } else { blame[i] };
        let very = if rng.uniform() < 0.25 { "very " } else { "" };
        format!("the {} was {very}{adjective}", features[i])
    };
    format!("{} and {}", clause(0, rng), clause(1, rng))
}
