//! The sentiment world: words that praise, blame, negate and intensify, and the true reward a logistic of their sum.

use super::automaton::{Automaton, TokenWorld};
use crate::error::{Error, Result};
use crate::num::sigmoid;

/// What a word does to the sentiment of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Nothing, like a topic; it ends the reach of negators and intensifiers.
    Neutral,
    /// Adds its score, doubled behind an intensifier, turned round behind a negator.
    Sentiment(i64),
    /// Turns the next word's score round; twice, and it is as it was.
    Negator,
    /// Doubles the next word's score.
    Intensifier,
}

/// A vocabulary of words and the reward σ(`slope` · sentiment), in (0, 1).
///
/// Modifiers reach the next word through other modifiers: "not very good" is −2 times good.
#[derive(Clone, Debug, PartialEq)]
pub struct Sentiment {
    words: Vec<Word>,
    slope: f64,
}

impl Sentiment {
    /// From a vocabulary.
    ///
    /// # Errors
    /// No word; a slope that is not positive and finite; a score beyond ±1000.
    pub fn new(words: Vec<Word>, slope: f64) -> Result<Self> {
        if words.is_empty() {
            return Err(Error::parameter("sentiment words", 0, "at least one"));
        }
        Error::check_positive(&[("sentiment slope", slope)])?;
        match words.iter().find(|w| matches!(w, Word::Sentiment(s) if s.abs() > 1000)) {
            Some(word) => Err(Error::parameter("sentiment score", format!("{word:?}"), "within ±1000")),
            None => Ok(Self { words, slope }),
        }
    }

    /// The vocabulary.
    pub fn words(&self) -> &[Word] {
        &self.words
    }

    /// The sum of the scores of a text, read from its first word.
    ///
    /// # Panics
    /// If a token is not in the vocabulary.
    pub fn score(&self, text: &[u32]) -> i64 {
        let step = |(score, modifiers): (i64, Modifiers), token: &u32| {
            let (gained, modifiers) = modifiers.read(self.words[*token as usize]);
            (score + gained, modifiers)
        };
        text.iter().fold((0, Modifiers::default()), step).0
    }

    /// The true reward of a text: σ(`slope` · score).
    ///
    /// # Panics
    /// As [`Sentiment::score`].
    pub fn reward(&self, text: &[u32]) -> f64 {
        sigmoid(self.slope * self.score(text) as f64)
    }

    /// The number of words, where all of the prompts are among them.
    fn vocab_of(&self, prompts: &[Vec<u32>]) -> Result<usize> {
        let vocab = self.words.len();
        match prompts.iter().flatten().find(|t| **t as usize >= vocab) {
            Some(token) => Err(Error::parameter("prompt's token", token, format!("below {vocab}"))),
            None => Ok(vocab),
        }
    }

    /// The world of completions of `length` words to these prompts, paid word by word: its reward is the score that the completion adds, a
    /// whole number. The states are those of the modifiers.
    ///
    /// # Errors
    /// As [`Sentiment::world`].
    pub fn score_world(&self, prompts: &[Vec<u32>], length: usize) -> Result<TokenWorld> {
        let vocab = self.vocab_of(prompts)?;
        let read = |number: usize, word: &Word| Modifiers::numbered(number).read(*word);
        let cells = || (0..Modifiers::STATES).flat_map(|number| self.words.iter().map(move |word| read(number, word)));
        let next = cells().map(|(_, after)| after.number()).collect();
        let gains = cells().map(|(gained, _)| gained as f64).collect();
        let automaton = Automaton::new(vocab, next, gains, vec![0.0; Modifiers::STATES])?;
        let after = |m: Modifiers, t: &u32| m.read(self.words[*t as usize]).1;
        let starts = prompts.iter().map(|p| p.iter().fold(Modifiers::default(), after).number()).collect();
        TokenWorld::new(automaton, starts, length, None)
    }

    /// The world of completions of `length` words to these prompts; the reward is that of prompt and completion together.
    ///
    /// The automaton's states are the scores that can occur, with each state of the modifiers.
    ///
    /// # Errors
    /// As [`TokenWorld::new`]; a token of a prompt outside the vocabulary.
    pub fn world(&self, prompts: &[Vec<u32>], length: usize) -> Result<TokenWorld> {
        let vocab = self.vocab_of(prompts)?;
        let of_word = |w: &Word| if let Word::Sentiment(s) = w { 2 * s.abs() } else { 0 };
        let largest = self.words.iter().map(of_word).max().unwrap_or(0);
        let starts: Vec<i64> = prompts.iter().map(|p| self.score(p)).collect();
        let reach = largest * length as i64;
        let lowest = starts.iter().min().copied().unwrap_or(0) - reach;
        let highest = starts.iter().max().copied().unwrap_or(0) + reach;
        let state = |score: i64, modifiers: Modifiers| {
            (score.clamp(lowest, highest) - lowest) as usize * Modifiers::STATES + modifiers.number()
        };
        let mut next = Vec::new();
        let mut rewards = Vec::new();
        for score in lowest..=highest {
            for number in 0..Modifiers::STATES {
                for word in &self.words {
                    let (gained, after) = Modifiers::numbered(number).read(*word);
                    next.push(state(score + gained, after));
                }
                rewards.push(sigmoid(self.slope * score as f64));
            }
        }
        let automaton = Automaton::new(vocab, next, vec![0.0; rewards.len() * vocab], rewards)?;
        let of_prompt = |(prompt, score): (&Vec<u32>, &i64)| {
            let read = |m: Modifiers, t: &u32| m.read(self.words[*t as usize]).1;
            state(*score, prompt.iter().fold(Modifiers::default(), read))
        };
        TokenWorld::new(automaton, prompts.iter().zip(&starts).map(of_prompt).collect(), length, None)
    }
}

/// What waits for the next word of sentiment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Modifiers {
    negated: bool,
    intensified: bool,
}

impl Modifiers {
    const STATES: usize = 4;

    fn number(self) -> usize {
        2 * usize::from(self.negated) + usize::from(self.intensified)
    }

    fn numbered(number: usize) -> Self {
        Self { negated: number >= 2, intensified: number % 2 == 1 }
    }

    /// What a word adds, and what waits behind it.
    fn read(self, word: Word) -> (i64, Self) {
        match word {
            Word::Neutral => (0, Self::default()),
            Word::Negator => (0, Self { negated: !self.negated, ..self }),
            Word::Intensifier => (0, Self { intensified: true, ..self }),
            Word::Sentiment(score) => {
                let strong = if self.intensified { 2 * score } else { score };
                (if self.negated { -strong } else { strong }, Self::default())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    const WORDS: [Word; 5] = [Word::Neutral, Word::Sentiment(1), Word::Sentiment(-2), Word::Negator, Word::Intensifier];

    fn sentiment() -> Sentiment {
        Sentiment::new(WORDS.into(), 0.5).expect("legal")
    }

    #[test]
    fn modifiers_reach_the_next_word() {
        let [the, good, awful, not, very] = [0, 1, 2, 3, 4];
        for (text, score) in [
            (vec![the, good], 1),
            (vec![not, good], -1),
            (vec![not, very, good], -2),
            (vec![very, not, awful], 4),
            (vec![not, not, good], 1),
            (vec![not, the, good], 1),
            (vec![very, very, good], 2),
            (vec![very, good, good], 3),
            (vec![not], 0),
        ] {
            assert_eq!(sentiment().score(&text), score, "{text:?}");
        }
    }

    /// The automaton pays what reading the whole text does, from any prompt.
    #[test]
    fn the_automaton_reads_as_the_grammar_does() {
        let mut rng = Stream::named(&["tests", "sentiment"]);
        let prompts = vec![vec![], vec![3], vec![2, 4], vec![1, 1, 1, 3, 4]];
        let world = sentiment().world(&prompts, 6).expect("legal");
        let scores = sentiment().score_world(&prompts, 6).expect("legal");
        for (x, prompt) in prompts.iter().enumerate() {
            for _ in 0..300 {
                let output: Vec<u32> = (0..6).map(|_| rng.below(5) as u32).collect();
                let whole: Vec<u32> = prompt.iter().chain(&output).copied().collect();
                assert_eq!(world.reward(x, &output).expect("legal"), sentiment().reward(&whole), "{whole:?}");
                let added = sentiment().score(&whole) - sentiment().score(prompt);
                assert_eq!(scores.reward(x, &output).expect("legal"), added as f64, "{whole:?}");
            }
        }
    }

    #[test]
    fn mistakes_are_named() {
        assert!(Sentiment::new(vec![], 1.0).is_err());
        assert!(Sentiment::new(WORDS.into(), 0.0).is_err());
        assert!(Sentiment::new(vec![Word::Sentiment(5000)], 1.0).is_err());
        let message = sentiment().world(&[vec![7]], 2).expect_err("a mistake").to_string();
        assert_eq!(message, "parameter prompt's token = 7: must be below 5");
    }
}
