//! Summarisation: a find told in three sentences, with one about somebody else among them.

use super::{Draft, distinct, pick};
use crate::env::text::vocab::Class;
use crate::rng::Stream;

/// `anna went to the garden . ben was in the park . there anna found a cup . the cup was red .` ->
/// `anna found a red cup in the garden`.
pub(in crate::env::text) fn draft(rng: &mut Stream) -> Draft {
    let [name, other] = distinct(rng, Class::Name);
    let [place, elsewhere] = distinct(rng, Class::Place);
    let (object, colour) = (pick(rng, Class::Object), pick(rng, Class::Colour));
    let mut sentences = vec![
        format!("{name} went to the {place} ."),
        format!("there {name} found a {object} ."),
        format!("the {object} was {colour} ."),
    ];
    sentences.insert(rng.below(4), format!("{other} was in the {elsewhere} ."));
    let found = format!("{name} found a {colour} {object}");
    Draft::new(sentences.join(" "), [format!("{found} in the {place}"), format!("in the {place} {found}")])
}
