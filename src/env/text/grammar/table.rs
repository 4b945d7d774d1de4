//! Table-to-text: named fields in any order, said in one sentence.

use super::{Draft, coin, pick};
use crate::env::text::vocab::Class;
use crate::rng::Stream;

/// `colour red name anna place garden object cup` -> `anna has a red cup in the garden`.
pub(in crate::env::text) fn draft(rng: &mut Stream) -> Draft {
    let name = pick(rng, Class::Name);
    let place = pick(rng, Class::Place);
    let object = pick(rng, Class::Object);
    let colour = pick(rng, Class::Colour);
    let animal = coin(rng).then(|| pick(rng, Class::Animal));
    let mut fields = vec![("name", name), ("place", place), ("object", object), ("colour", colour)];
    fields.extend(animal.map(|a| ("animal", a)));
    let order = rng.permutation(fields.len());
    let body: Vec<String> = order.into_iter().map(|i| format!("{} {}", fields[i].0, fields[i].1)).collect();
    let what = animal.map_or_else(String::new, |a| format!(" and a {a}"));
    let said = format!("{name} has a {colour} {object}{what}");
    Draft::new(body.join(" "), [format!("{said} in the {place}"), format!("in the {place} {said}")])
}
