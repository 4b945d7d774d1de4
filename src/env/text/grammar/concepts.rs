//! Concepts to sentence: base forms in any order, to be inflected and joined.

use super::{Draft, pick};
use crate::env::text::vocab::{Class, forms, members, text};
use crate::rng::Stream;

/// `park run red dog` -> `the red dog runs in the park`.
pub(in crate::env::text) fn draft(rng: &mut Stream) -> Draft {
    let (animal, place, colour) = (pick(rng, Class::Animal), pick(rng, Class::Place), pick(rng, Class::Colour));
    let verb = rng.below(members(Class::Verb).len());
    let [base, third, participle] = [0, 1, 2].map(|form| text(forms(Class::Verb, form)[verb]));
    let concepts = [animal, place, colour, base];
    let body: Vec<&str> = rng.permutation(concepts.len()).into_iter().map(|i| concepts[i]).collect();
    let subject = format!("the {colour} {animal}");
    let references = [format!("{subject} {third} in the {place}"), format!("{subject} is {participle} in the {place}")];
    Draft::new(body.join(" "), references)
}
