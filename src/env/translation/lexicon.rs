//! The words of both languages and their forms.

use std::fmt::Write;
use std::sync::LazyLock;

/// Fills up the shorter sequences of a batch.
pub const PAD: u32 = 0;
/// Opens every sequence.
pub const BOS: u32 = 1;
/// Stands between a source and its translation.
pub const SEP: u32 = 2;
/// Ends every translation.
pub const EOS: u32 = 3;

/// Words that can stand in each other's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// [`PAD`], [`BOS`], [`SEP`], [`EOS`].
    Special,
    /// Source; forms: singular, plural.
    Noun,
    /// Source; one form.
    Adjective,
    /// Source; one form.
    Verb,
    /// Source: indefinite, definite.
    Article,
    /// Source.
    Preposition,
    /// Source.
    And,
    /// Target; forms: singular, plural. A noun's gender is that of its lemma.
    TargetNoun,
    /// Target; forms: gender × number.
    TargetAdjective,
    /// Target; forms: singular, plural.
    TargetVerb,
    /// Target: indefinite, definite; forms: gender × number.
    TargetArticle,
    /// Target.
    TargetPreposition,
    /// Target.
    TargetAnd,
}

const NOUNS: &str = "dam kel nib orf pag rul sot tem vad wog zik bru cliv drel fent gask";
const ADJECTIVES: &str = "brel shon tupp wex mirk quam";
const VERBS: &str = "jat lopp meek nurd puv rass tig yold";
const ARTICLES: &str = "u tha";
const PREPOSITIONS: &str = "ab im og";
const TARGET_NOUNS: &str =
    "barin celd dorim fagal gumer hilap jasun lokir mevat nudol pirem ragub sanil tobek vulat zerim";
const TARGET_ADJECTIVES: &str = "alb crud fost grev lind marn";
const TARGET_VERBS: &str = "ami bate copu dura lego mova nota pesa";
const TARGET_ARTICLES: &str = "un l";
const TARGET_PREPOSITIONS: &str = "kon sub tra";
/// By gender × number; a noun has its gender's two.
const ENDINGS: [&str; 4] = ["o", "i", "a", "e"];

/// How many lemmas there are.
pub(super) const NOUN_COUNT: usize = 16;
/// Likewise.
pub(super) const ADJECTIVE_COUNT: usize = 6;
/// Likewise.
pub(super) const VERB_COUNT: usize = 8;
/// Likewise.
pub(super) const PREPOSITION_COUNT: usize = 3;

#[derive(Debug)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) class: Class,
    pub(super) lemma: usize,
    pub(super) form: usize,
}

static WORDS: LazyLock<Vec<Word>> = LazyLock::new(|| {
    let mut words = Vec::new();
    let mut add = |class: Class, stems: &str, endings: &dyn Fn(usize) -> Vec<&'static str>| {
        for (lemma, stem) in stems.split(' ').enumerate() {
            for (form, ending) in endings(lemma).into_iter().enumerate() {
                words.push(Word { text: format!("{stem}{ending}"), class, lemma, form });
            }
        }
    };
    let plain = |_: usize| vec![""];
    let agreeing = |_: usize| ENDINGS.to_vec();
    add(Class::Special, "<pad> <bos> <sep> <eos>", &plain);
    add(Class::Noun, NOUNS, &|_| vec!["", "s"]);
    add(Class::Adjective, ADJECTIVES, &plain);
    add(Class::Verb, VERBS, &plain);
    add(Class::Article, ARTICLES, &plain);
    add(Class::Preposition, PREPOSITIONS, &plain);
    add(Class::And, "en", &plain);
    add(Class::TargetNoun, TARGET_NOUNS, &|lemma| ENDINGS[2 * gender(lemma)..][..2].to_vec());
    add(Class::TargetAdjective, TARGET_ADJECTIVES, &agreeing);
    add(Class::TargetVerb, TARGET_VERBS, &|_| vec!["t", "nt"]);
    add(Class::TargetArticle, TARGET_ARTICLES, &agreeing);
    add(Class::TargetPreposition, TARGET_PREPOSITIONS, &plain);
    add(Class::TargetAnd, "et", &plain);
    words
});

/// Number of tokens.
pub fn vocab() -> usize {
    WORDS.len()
}

/// Words separated by blanks; a token outside the vocabulary is `?`.
pub fn spell(tokens: &[u32]) -> String {
    let mut text = String::new();
    for (i, token) in tokens.iter().enumerate() {
        let word = WORDS.get(*token as usize).map_or("?", |w| &w.text);
        // writing to a string cannot fail
        let _ = write!(text, "{}{word}", if i > 0 { " " } else { "" });
    }
    text
}

pub(super) fn word(token: u32) -> &'static Word {
    &WORDS[token as usize]
}

/// The gender of a target noun: 0 or 1. Nothing in the source shows it.
pub(super) fn gender(noun: usize) -> usize {
    // not a pattern of the index that positions could leak
    [0, 1, 1, 0, 1, 0, 0, 1, 0, 1, 1, 1, 0, 0, 1, 0][noun]
}

/// The token of a class, lemma and form.
pub(super) fn token(class: Class, lemma: usize, form: usize) -> u32 {
    static STARTS: LazyLock<Vec<(Class, usize, usize)>> =
        LazyLock::new(|| WORDS.iter().map(|w| (w.class, w.lemma, w.form)).collect());
    STARTS.iter().position(|w| *w == (class, lemma, form)).expect("the grammar asks for words of the lexicon") as u32
}

/// How many lemmas and forms a class has.
pub(super) fn size(class: Class) -> (usize, usize) {
    let of_class = || WORDS.iter().filter(|w| w.class == class);
    let most = |part: fn(&Word) -> usize| of_class().map(part).max().map_or(0, |m| m + 1);
    (most(|w| w.lemma), most(|w| w.form))
}
