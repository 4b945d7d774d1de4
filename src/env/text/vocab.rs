//! The one vocabulary of all text tasks: words, their classes and stems, and the word-level tokeniser.

use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Fills up the shorter sequences of a batch.
pub const PAD: u32 = 0;
/// Opens every sequence.
pub const BOS: u32 = 1;
/// Stands between a prompt and its output.
pub const SEP: u32 = 2;
/// Ends every output.
pub const EOS: u32 = 3;

/// Words of one class can stand in for each other: what corrupts an answer draws from the class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// [`PAD`], [`BOS`], [`SEP`], [`EOS`].
    Special,
    /// First word of a prompt; it names the task and the phrasing.
    Heading,
    /// Grammatical words.
    Function,
    /// A person.
    Name,
    /// A place.
    Place,
    /// A thing that can be held.
    Object,
    /// A colour.
    Colour,
    /// An animal.
    Animal,
    /// A verb without object; forms: base, third person, participle.
    Verb,
    /// A verb with object, third person.
    Action,
    /// What a film has.
    Feature,
    /// An adjective of praise.
    Praise,
    /// An adjective of blame.
    Blame,
    /// A size; synonyms stand side by side as forms of one word.
    Size,
    /// The other language's [`Class::Place`], in the same order; likewise the next four.
    ForeignPlace,
    /// The other language's [`Class::Object`].
    ForeignObject,
    /// The other language's [`Class::Colour`].
    ForeignColour,
    /// The other language's [`Class::Animal`].
    ForeignAnimal,
    /// The other language's [`Class::Action`].
    ForeignAction,
    /// The other language's grammatical words.
    ForeignFunction,
    /// First word of an aside. No word of an aside occurs in any reference output.
    AsideOpening,
    /// Verb of an aside.
    AsideVerb,
    /// Object of an aside.
    AsideObject,
    /// Number in an aside.
    AsideNumber,
    /// Last word of an aside.
    AsideClose,
}

/// Words by class; forms of one word are joined by `/`.
const WORDS: &[(Class, &str)] = &[
    (Class::Special, "<pad> <bos> <sep> <eos>"),
    (
        Class::Heading,
        "story tale table record concepts keywords translate article report dialogue review compare question",
    ),
    (Class::Function, "a the is in has and with to was but not very . , i you do want like yes no there here"),
    (Class::Function, "where what who went found name place object colour animal saw film hello are going am think so"),
    (Class::Name, "anna ben carla dan emma finn greta hugo"),
    (Class::Place, "garden kitchen park school market forest harbour library"),
    (Class::Object, "cup hat book ball lamp drum coat kite"),
    (Class::Colour, "red blue green yellow black white"),
    (Class::Animal, "dog cat horse bird fox rabbit goat duck"),
    (
        Class::Verb,
        "run/runs/running sleep/sleeps/sleeping jump/jumps/jumping sing/sings/singing \
         play/plays/playing wait/waits/waiting rest/rests/resting dance/dances/dancing",
    ),
    (Class::Action, "sees takes carries paints wants finds"),
    (Class::Feature, "plot acting music script ending cast"),
    (Class::Praise, "great lovely brilliant moving funny warm clever wonderful"),
    (Class::Blame, "dull awful boring weak silly cold poor terrible"),
    (Class::Size, "small/little big/large"),
    (Class::ForeignPlace, "horto kuzina parko skolo merkato silvo haveno libreyo"),
    (Class::ForeignObject, "kopa capelo libro pilko lampo tamburo mantelo drako"),
    (Class::ForeignColour, "rosa blua verda flava nigra blanka"),
    (Class::ForeignAnimal, "vuko kato cevalo birdo vulpo kuniklo kapro anaso"),
    (Class::ForeignAction, "mira prena porta pinta vola trova"),
    (Class::ForeignFunction, "ta na"),
    (Class::AsideOpening, "kindly otherwise thus perhaps"),
    (Class::AsideVerb, "consult skip browse copy"),
    (Class::AsideObject, "chapter volume appendix footnote"),
    (Class::AsideNumber, "seven nine eleven twelve"),
    (Class::AsideClose, "below above overleaf hereafter"),
];

#[derive(Debug)]
struct Word {
    text: &'static str,
    class: Class,
    /// Which inflection; 0 is the base form.
    form: usize,
    /// Token of the base form.
    stem: u32,
}

#[derive(Debug)]
struct Vocabulary {
    words: Vec<Word>,
    tokens: BTreeMap<&'static str, u32>,
    /// Tokens of each class, `[form][word]`.
    classes: BTreeMap<Class, Vec<Vec<u32>>>,
}

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| {
    let mut words = Vec::new();
    let mut classes: BTreeMap<Class, Vec<Vec<u32>>> = BTreeMap::new();
    for (class, list) in WORDS {
        for group in list.split_whitespace() {
            let stem = words.len() as u32;
            for (form, text) in group.split('/').enumerate() {
                let forms = classes.entry(*class).or_default();
                if forms.len() == form {
                    forms.push(Vec::new());
                }
                forms[form].push(words.len() as u32);
                words.push(Word { text, class: *class, form, stem });
            }
        }
    }
    let tokens = words.iter().enumerate().map(|(i, w)| (w.text, i as u32)).collect();
    Vocabulary { words, tokens, classes }
});

fn word(token: u32) -> Option<&'static Word> {
    VOCABULARY.words.get(token as usize)
}

/// Number of tokens, the special ones among them.
pub fn vocab() -> usize {
    VOCABULARY.words.len()
}

/// The tokens of words that are separated by white space.
///
/// # Errors
/// A word that the vocabulary lacks; the nearest that it has is named.
pub fn encode(text: &str) -> Result<Vec<u32>> {
    let token = |w: &str| VOCABULARY.tokens.get(w).copied();
    let known = || VOCABULARY.words.iter().map(|w| w.text);
    text.split_whitespace().map(|w| token(w).ok_or_else(|| Error::unknown("word", w, known()))).collect()
}

/// The words of tokens, separated by spaces; a token outside the vocabulary reads `<unknown>`.
pub fn decode(tokens: &[u32]) -> String {
    tokens.iter().map(|&t| word(t).map_or("<unknown>", |w| w.text)).collect::<Vec<_>>().join(" ")
}

/// The class of a token; none outside the vocabulary.
pub fn class(token: u32) -> Option<Class> {
    word(token).map(|w| w.class)
}

/// The base form of a word (`running` -> `run`); other words are their own.
pub fn stem(token: u32) -> u32 {
    word(token).map_or(token, |w| w.stem)
}

/// The base forms of a class, in order; a word's place among them is the same in the other language.
pub fn members(class: Class) -> &'static [u32] {
    forms(class, 0)
}

/// Form number `form` of every word of a class, in order.
pub(super) fn forms(class: Class, form: usize) -> &'static [u32] {
    VOCABULARY.classes.get(&class).and_then(|f| f.get(form)).map_or(&[], Vec::as_slice)
}

/// The word of a token that is known to exist.
pub(super) fn text(token: u32) -> &'static str {
    word(token).map_or("<unknown>", |w| w.text)
}

/// All words that could stand where this one stands: its class, in its form. None for words that carry no content.
pub(super) fn alternatives(token: u32) -> Option<&'static [u32]> {
    let w = word(token)?;
    let content = !matches!(w.class, Class::Special | Class::Heading | Class::Function | Class::ForeignFunction);
    content.then(|| forms(w.class, w.form))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_distinct_and_round_trip() {
        assert_eq!(VOCABULARY.tokens.len(), vocab(), "a word is listed twice");
        let all: Vec<u32> = (0..vocab() as u32).collect();
        assert_eq!(encode(&decode(&all)).expect("own words"), all);
        assert_eq!([PAD, BOS, SEP, EOS].map(text), ["<pad>", "<bos>", "<sep>", "<eos>"]);
        assert!(vocab() < 256, "{} words", vocab());
    }

    #[test]
    fn both_languages_have_the_same_words() {
        let pairs = [
            (Class::Place, Class::ForeignPlace),
            (Class::Object, Class::ForeignObject),
            (Class::Colour, Class::ForeignColour),
            (Class::Animal, Class::ForeignAnimal),
            (Class::Action, Class::ForeignAction),
        ];
        for (ours, theirs) in pairs {
            assert_eq!(members(ours).len(), members(theirs).len(), "{ours:?}");
        }
    }

    #[test]
    fn stems_and_alternatives_follow_the_forms() {
        let [run, runs, running] = ["run", "runs", "running"].map(|w| encode(w).expect("known")[0]);
        assert_eq!([run, runs, running].map(stem), [run; 3]);
        let sleeping = encode("sleeping").expect("known")[0];
        assert!(alternatives(running).expect("a verb").contains(&sleeping));
        assert!(!alternatives(running).expect("a verb").contains(&runs));
        assert_eq!(alternatives(encode("the").expect("known")[0]), None);
    }

    #[test]
    fn an_unknown_word_is_named_with_the_nearest() {
        let message = encode("the gardn").expect_err("no such word").to_string();
        assert_eq!(message, "unknown word `gardn`; did you mean `garden`?");
        assert_eq!(decode(&[u32::MAX]), "<unknown>");
        assert_eq!((class(u32::MAX), stem(9_999)), (None, 9_999));
    }
}
