//! The one vocabulary of all tasks.

use super::Task;

/// Opens every example and document.
pub const BEGIN: u32 = 0;
/// Stands between the two parts of a text that has two.
pub const SEPARATOR: u32 = 1;
/// Ends every document.
pub const END: u32 = 2;
/// The answer of a text in the positive class.
pub const YES: u32 = 3;
/// The answer of a text in the negative class.
pub const NO: u32 = 4;

pub(super) const LETTERS: usize = 8;
pub(super) const DIGITS: usize = 10;
pub(super) const NOUNS: usize = 6;
pub(super) const VERBS: usize = 4;
pub(super) const PAST: usize = 3;
pub(super) const PEOPLE: usize = 4;
pub(super) const ADJECTIVES: usize = 4;

const FIRST_QUESTION: usize = 5;
const FIRST_LETTER: usize = FIRST_QUESTION + Task::ALL.len();
const FIRST_DIGIT: usize = FIRST_LETTER + LETTERS;
const FIRST_BRACKET: usize = FIRST_DIGIT + DIGITS;
const FIRST_NOUN: usize = FIRST_BRACKET + 4;
const FIRST_VERB: usize = FIRST_NOUN + 2 * NOUNS;
const FIRST_PAST: usize = FIRST_VERB + 2 * VERBS;
const FIRST_PERSON: usize = FIRST_PAST + PAST;
const FIRST_ADJECTIVE: usize = FIRST_PERSON + PEOPLE;
const FIRST_FUNCTION: usize = FIRST_ADJECTIVE + ADJECTIVES;

const SPECIAL: [&str; FIRST_QUESTION] = ["<begin>", ";", "<end>", "yes", "no"];
/// Letters, digits, brackets, nouns (singular, plural), verbs (singular, plural), verbs of the past, people, adjectives, in the order of the
/// constants above; then the words that carry the grammar.
const WORDS: &str = "a b c d e f g h 0 1 2 3 4 5 6 7 8 9 ( [ ) ] \
    dog dogs cat cats horse horses bird birds fox foxes goat goats sleeps sleep runs run sings sing waits wait \
    chased watched followed anna ben carla dan tall red old wild the near never and all some is are aren't was by taller shorter";

pub(super) const THE: u32 = FIRST_FUNCTION as u32;
pub(super) const NEAR: u32 = THE + 1;
pub(super) const NEVER: u32 = THE + 2;
pub(super) const AND: u32 = THE + 3;
pub(super) const ALL: u32 = THE + 4;
pub(super) const SOME: u32 = THE + 5;
pub(super) const IS: u32 = THE + 6;
pub(super) const ARE: u32 = THE + 7;
pub(super) const ARE_NOT: u32 = THE + 8;
pub(super) const WAS: u32 = THE + 9;
pub(super) const BY: u32 = THE + 10;
pub(super) const TALLER: u32 = THE + 11;
pub(super) const SHORTER: u32 = THE + 12;

/// Number of tokens.
pub const VOCAB: usize = FIRST_FUNCTION + 13;

pub(super) const fn question(task: Task) -> u32 {
    FIRST_QUESTION as u32 + task as u32
}

pub(super) const fn letter(i: usize) -> u32 {
    (FIRST_LETTER + i) as u32
}

pub(super) const fn digit(value: usize) -> u32 {
    (FIRST_DIGIT + value) as u32
}

/// What a digit says; none for other tokens.
pub(super) fn value(token: u32) -> Option<usize> {
    (token as usize).checked_sub(FIRST_DIGIT).filter(|v| *v < DIGITS)
}

/// An opening bracket; `square` or round.
pub(super) const fn open(square: bool) -> u32 {
    FIRST_BRACKET as u32 + square as u32
}

/// The bracket that closes [`open`].
pub(super) const fn close(square: bool) -> u32 {
    open(square) + 2
}

pub(super) const fn noun(lemma: usize, plural: bool) -> u32 {
    (FIRST_NOUN + 2 * lemma) as u32 + plural as u32
}

/// Lemma and number of a noun; none for other tokens.
pub(super) fn noun_of(token: u32) -> Option<(usize, bool)> {
    let i = (token as usize).checked_sub(FIRST_NOUN).filter(|i| *i < 2 * NOUNS)?;
    Some((i / 2, i % 2 == 1))
}

pub(super) const fn verb(lemma: usize, plural: bool) -> u32 {
    (FIRST_VERB + 2 * lemma) as u32 + plural as u32
}

/// Lemma and number of a verb of the present; none for other tokens.
pub(super) fn verb_of(token: u32) -> Option<(usize, bool)> {
    let i = (token as usize).checked_sub(FIRST_VERB).filter(|i| *i < 2 * VERBS)?;
    Some((i / 2, i % 2 == 1))
}

pub(super) const fn past(i: usize) -> u32 {
    (FIRST_PAST + i) as u32
}

pub(super) const fn person(i: usize) -> u32 {
    (FIRST_PERSON + i) as u32
}

/// Which person a token names; none for other tokens.
pub(super) fn person_of(token: u32) -> Option<usize> {
    (token as usize).checked_sub(FIRST_PERSON).filter(|i| *i < PEOPLE)
}

pub(super) const fn adjective(i: usize) -> u32 {
    (FIRST_ADJECTIVE + i) as u32
}

/// Whether a token is an adjective.
pub(super) fn is_adjective(token: u32) -> bool {
    (FIRST_ADJECTIVE..FIRST_FUNCTION).contains(&(token as usize))
}

/// The words of tokens, separated by blanks; a question is its task's name with a question mark, a token outside the vocabulary `<unknown>`.
pub fn spell(tokens: &[u32]) -> String {
    let word = |token: &u32| {
        let i = *token as usize;
        if let Some(word) = SPECIAL.get(i) {
            return (*word).to_owned();
        }
        match Task::ALL.get(i - FIRST_QUESTION) {
            Some(task) => format!("{}?", task.name()),
            None => WORDS.split(' ').nth(i - FIRST_LETTER).unwrap_or("<unknown>").to_owned(),
        }
    };
    tokens.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn words_are_distinct_and_stand_where_the_constants_say() {
        let all: Vec<String> = (0..VOCAB as u32).map(|t| spell(&[t])).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), VOCAB);
        assert_eq!(WORDS.split(' ').count(), VOCAB - FIRST_LETTER);
        assert!(VOCAB <= 96 && spell(&[VOCAB as u32]) == "<unknown>");
        let tokens = [BEGIN, SEPARATOR, END, YES, NO, letter(1), digit(7), open(true), close(true), close(false)];
        assert_eq!(spell(&tokens), "<begin> ; <end> yes no b 7 [ ] )");
        let words = [noun(4, true), verb(1, false), verb(1, true), past(2), person(3), adjective(3), THE, WAS, SHORTER];
        assert_eq!(spell(&words), "foxes runs run followed dan wild the was shorter");
        assert_eq!((value(digit(9)), value(open(false)), value(letter(7))), (Some(9), None, None));
        assert_eq!((noun_of(noun(5, true)), noun_of(verb(0, false))), (Some((5, true)), None));
        assert_eq!((verb_of(verb(3, true)), verb_of(past(0))), (Some((3, true)), None));
        assert_eq!((person_of(person(0)), person_of(adjective(0))), (Some(0), None));
        assert!(is_adjective(adjective(0)) && !is_adjective(THE) && !is_adjective(person(3)));
    }
}
