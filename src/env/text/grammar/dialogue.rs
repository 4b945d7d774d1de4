//! Dialogue reply: somebody invites, offers or tells; agreeing and disagreeing are both right.

use super::{Draft, coin, pick};
use crate::env::text::vocab::{Class, forms, members, text};
use crate::rng::Stream;

/// `hello anna . do you want to play in the park` -> `yes i want to play in the park`.
pub(in crate::env::text) fn draft(rng: &mut Stream) -> Draft {
    let greeting = if coin(rng) { format!("hello {} . ", pick(rng, Class::Name)) } else { String::new() };
    let place = pick(rng, Class::Place);
    let verb = rng.below(members(Class::Verb).len());
    let (base, participle) = (text(members(Class::Verb)[verb]), text(forms(Class::Verb, 2)[verb]));
    let (said, yes, no) = match rng.below(3) {
        0 => (
            format!("do you want to {base} in the {place}"),
            format!("yes i want to {base} there"),
            format!("no i am not going to the {place}"),
        ),
        1 => {
            let (object, colour) = (pick(rng, Class::Object), pick(rng, Class::Colour));
            (
                format!("do you like the {colour} {object}"),
                format!("yes i do like the {object}"),
                format!("no i do not want the {colour} {object}"),
            )
        }
        _ => {
            let animal = pick(rng, Class::Animal);
            (
                format!("the {animal} is {participle} in the {place}"),
                format!("yes i saw the {animal} there"),
                format!("no the {animal} is not in the {place}"),
            )
        }
    };
    Draft::new(format!("{greeting}{said}"), [yes, no])
}
