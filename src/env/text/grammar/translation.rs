//! Translation into a language with its own words, the colour behind the thing and the verb last.

use super::{Draft, coin};
use crate::env::text::vocab::{Class, members, text};
use crate::rng::Stream;

/// `the dog sees the red cup in the garden` -> `ta vuko ta kopa rosa na ta horto mira`; the place may also come first.
pub(in crate::env::text) fn draft(rng: &mut Stream) -> Draft {
    let (subject, foreign_subject) = if coin(rng) {
        let [ours, theirs] = both(rng, Class::Animal, Class::ForeignAnimal);
        (format!("the {ours}"), format!("ta {theirs}"))
    } else {
        let [name, same] = both(rng, Class::Name, Class::Name);
        (name.to_owned(), same.to_owned())
    };
    let [action, foreign_action] = both(rng, Class::Action, Class::ForeignAction);
    let [object, foreign_object] = both(rng, Class::Object, Class::ForeignObject);
    let [colour, foreign_colour] = both(rng, Class::Colour, Class::ForeignColour);
    let [place, foreign_place] = both(rng, Class::Place, Class::ForeignPlace);
    let thing = format!("ta {foreign_object} {foreign_colour}");
    Draft::new(
        format!("{subject} {action} the {colour} {object} in the {place}"),
        [
            format!("{foreign_subject} {thing} na ta {foreign_place} {foreign_action}"),
            format!("na ta {foreign_place} {foreign_subject} {thing} {foreign_action}"),
        ],
    )
}

/// A word and its counterpart.
fn both(rng: &mut Stream, ours: Class, theirs: Class) -> [&'static str; 2] {
    let i = rng.below(members(ours).len());
    [text(members(ours)[i]), text(members(theirs)[i])]
}
