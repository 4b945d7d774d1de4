//! Extractive question answering: three facts and a question about one of them.

use super::{Draft, coin, distinct};
use crate::env::text::vocab::Class;
use crate::rng::Stream;

/// `anna has the red cup . ben is in the garden . carla has the blue hat . question where is ben` -> `the garden`.
pub(in crate::env::text) fn draft(rng: &mut Stream) -> Draft {
    let names: [_; 3] = distinct(rng, Class::Name);
    let places: [_; 3] = distinct(rng, Class::Place);
    let objects: [_; 3] = distinct(rng, Class::Object);
    let colours: [_; 3] = distinct(rng, Class::Colour);
    let (asked, mut facts) = (rng.below(3), Vec::new());
    let (mut question, mut references) = (String::new(), Vec::new());
    for i in 0..3 {
        let (name, place, object, colour) = (names[i], places[i], objects[i], colours[i]);
        let holds = coin(rng);
        facts.push(if holds {
            format!("{name} has the {colour} {object} .")
        } else {
            format!("{name} is in the {place} .")
        });
        if i == asked {
            (question, references) = match (holds, coin(rng)) {
                (true, true) => {
                    (format!("what has {name}"), vec![format!("the {colour} {object}"), format!("{colour} {object}")])
                }
                (true, false) => (format!("who has the {colour} {object}"), vec![name.to_owned()]),
                (false, true) => (format!("where is {name}"), vec![format!("the {place}"), format!("in the {place}")]),
                (false, false) => (format!("who is in the {place}"), vec![name.to_owned()]),
            };
        }
    }
    Draft { body: format!("{} question {question}", facts.join(" ")), references, settled: false }
}
