//! Token worlds too large to enumerate: a finite automaton reads the output, and pays for it.

use crate::error::{Error, Result};

/// A finite automaton that reads tokens and pays per transition and for the state in which the output ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Automaton {
    vocab: usize,
    next: Vec<usize>,
    step_rewards: Vec<f64>,
    final_rewards: Vec<f64>,
}

impl Automaton {
    /// From its tables.
    ///
    /// # Shapes
    /// `next`, `step_rewards`: `states × vocab`, row-major; `final_rewards`: `states`.
    ///
    /// # Errors
    /// No token or no state; tables of unequal size; a successor that is not a state; a reward that is not finite.
    pub fn new(vocab: usize, next: Vec<usize>, step_rewards: Vec<f64>, final_rewards: Vec<f64>) -> Result<Self> {
        let states = final_rewards.len();
        if vocab == 0 || states == 0 {
            return Err(Error::parameter("automaton's tokens × states", format!("{vocab} × {states}"), "positive"));
        }
        Error::check_shape("automaton's transitions", states * vocab, next.len())?;
        Error::check_shape("automaton's step rewards", states * vocab, step_rewards.len())?;
        Error::check_finite("step reward", &step_rewards)?;
        Error::check_finite("final reward", &final_rewards)?;
        if let Some(&beyond) = next.iter().find(|&&s| s >= states) {
            return Err(Error::parameter("automaton's successor", beyond, format!("below {states}")));
        }
        Ok(Self { vocab, next, step_rewards, final_rewards })
    }

    /// One state: every token earns its score.
    ///
    /// # Errors
    /// As [`Automaton::new`].
    pub fn additive(scores: &[f64]) -> Result<Self> {
        Self::new(scores.len(), vec![0; scores.len()], scores.to_vec(), vec![0.0])
    }

    /// A level that starts anywhere in `lowest..=highest`, moves by each token's step and stays within; the output
    /// earns `reward` of the level at its end. State i is level `lowest` + i.
    ///
    /// # Errors
    /// An empty range, and as [`Automaton::new`].
    pub fn level(steps: &[i64], lowest: i64, highest: i64, reward: impl Fn(i64) -> f64) -> Result<Self> {
        if lowest > highest {
            return Err(Error::parameter("automaton's levels", format!("{lowest}..={highest}"), "a range"));
        }
        let to = |level: i64, step: i64| (level.saturating_add(step).clamp(lowest, highest) - lowest) as usize;
        let next = (lowest..=highest).flat_map(|level| steps.iter().map(move |&step| to(level, step))).collect();
        let final_rewards: Vec<f64> = (lowest..=highest).map(reward).collect();
        Self::new(steps.len(), next, vec![0.0; final_rewards.len() * steps.len()], final_rewards)
    }

    /// 1 if the output contains the pattern as consecutive tokens, else 0. State i has read the pattern's first i tokens.
    ///
    /// # Errors
    /// A token of the pattern outside the vocabulary, and as [`Automaton::new`].
    pub fn contains(vocab: usize, pattern: &[u32]) -> Result<Self> {
        if let Some(&token) = pattern.iter().find(|&&t| t as usize >= vocab) {
            return Err(Error::parameter("pattern's token", token, format!("below {vocab}")));
        }
        let n = pattern.len();
        let mut next = Vec::with_capacity((n + 1) * vocab);
        for state in 0..=n {
            for token in 0..vocab as u32 {
                // the longest start of the pattern that ends what has been read
                let read: Vec<u32> = pattern[..state].iter().copied().chain([token]).collect();
                let longest = (0..=read.len().min(n)).rev().find(|&m| read[read.len() - m..] == pattern[..m]);
                next.push(if state == n { n } else { longest.unwrap_or(0) });
            }
        }
        let step_rewards = vec![0.0; next.len()];
        Self::new(vocab, next, step_rewards, (0..=n).map(|s| f64::from(u8::from(s == n))).collect())
    }

    /// Number of tokens.
    pub fn vocab(&self) -> usize {
        self.vocab
    }

    /// Number of states.
    pub fn states(&self) -> usize {
        self.final_rewards.len()
    }

    /// Where a token leads, and what the transition earns.
    pub fn step(&self, state: usize, token: usize) -> (usize, f64) {
        let at = state * self.vocab + token;
        (self.next[at], self.step_rewards[at])
    }

    /// What ending in a state earns.
    pub fn final_reward(&self, state: usize) -> f64 {
        self.final_rewards[state]
    }
}

/// Prompts, outputs of up to `length` tokens, and the automaton that reads them. A prompt is the state in which the
/// automaton starts.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenWorld {
    automaton: Automaton,
    starts: Vec<usize>,
    length: usize,
    end: Option<u32>,
}

impl TokenWorld {
    /// A world with one prompt for each start state. An output ends behind the token `end`, which the automaton reads
    /// too, or at `length` tokens.
    ///
    /// # Errors
    /// No prompt; a start that is not a state; length 0; an `end` that is not a token.
    pub fn new(automaton: Automaton, starts: Vec<usize>, length: usize, end: Option<u32>) -> Result<Self> {
        if starts.is_empty() || starts.iter().any(|&s| s >= automaton.states()) {
            let legal = format!("one or more states below {}", automaton.states());
            return Err(Error::parameter("starts", format!("{starts:?}"), legal));
        }
        if length == 0 {
            return Err(Error::parameter("length", length, "positive"));
        }
        if let Some(end) = end.filter(|&e| e as usize >= automaton.vocab) {
            return Err(Error::parameter("end", end, format!("below {}", automaton.vocab)));
        }
        Ok(Self { automaton, starts, length, end })
    }

    /// What reads the outputs.
    pub fn automaton(&self) -> &Automaton {
        &self.automaton
    }

    /// Number of prompts.
    pub fn prompts(&self) -> usize {
        self.starts.len()
    }

    /// The state in which a prompt's outputs start.
    pub fn start(&self, prompt: usize) -> usize {
        self.starts[prompt]
    }

    /// Most tokens of an output.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The token behind which an output ends.
    pub fn end(&self) -> Option<u32> {
        self.end
    }

    /// The reward of an output: of every transition, and of the state at its end. What lies behind the first `end` or
    /// beyond the length is not read.
    ///
    /// # Errors
    /// A token outside the vocabulary.
    pub fn reward(&self, prompt: usize, output: &[u32]) -> Result<f64> {
        let (mut state, mut total) = (self.starts[prompt], 0.0);
        for &token in output.iter().take(self.length) {
            if token as usize >= self.automaton.vocab {
                return Err(Error::parameter("token", token, format!("below {}", self.automaton.vocab)));
            }
            let (next, reward) = self.automaton.step(state, token as usize);
            (state, total) = (next, total + reward);
            if Some(token) == self.end {
                break;
            }
        }
        Ok(total + self.automaton.final_reward(state))
    }
}

/// The numbering of a policy's contexts where it sees the prompt and the last `order` tokens.
///
/// While fewer tokens have been written, the context is all of them. Contexts are numbered prompt by prompt, by number
/// of tokens, then as base-`vocab` numbers, first token most significant: as the proper prefixes of a
/// [`Tree`](super::Tree) of length `order` + 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ngrams {
    /// Number of prompts.
    pub prompts: usize,
    /// Number of tokens.
    pub vocab: usize,
    /// How many tokens the policy looks back.
    pub order: usize,
}

impl Ngrams {
    /// The number of contexts with fewer than `tokens` tokens.
    fn level_start(&self, tokens: usize) -> usize {
        (0..tokens).map(|d| self.vocab.pow(d as u32)).sum()
    }

    /// Number of contexts of one prompt.
    pub fn per_prompt(&self) -> usize {
        self.level_start(self.order + 1)
    }

    /// Number of contexts in all.
    pub fn contexts(&self) -> usize {
        self.prompts * self.per_prompt()
    }

    /// The contexts of one prompt.
    pub fn contexts_of(&self, prompt: usize) -> std::ops::Range<usize> {
        prompt * self.per_prompt()..(prompt + 1) * self.per_prompt()
    }

    /// The context, numbered within its prompt, that follows when a token is written.
    pub fn next(&self, context: usize, token: usize) -> usize {
        let full = self.level_start(self.order);
        if context < full {
            // the numbering by level makes 1 + c · vocab the first child of c
            1 + context * self.vocab + token
        } else {
            full + ((context - full) * self.vocab + token) % self.vocab.pow(self.order as u32)
        }
    }

    /// The context after these tokens, numbered over all prompts.
    pub fn context(&self, prompt: usize, tokens: &[u32]) -> usize {
        prompt * self.per_prompt() + tokens.iter().fold(0, |c, &t| self.next(c, t as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Tree;
    use crate::rng::Stream;

    fn random_output(rng: &mut Stream, vocab: usize, length: usize) -> Vec<u32> {
        (0..length).map(|_| rng.below(vocab) as u32).collect()
    }

    #[test]
    fn the_constructors_pay_for_what_they_name() {
        let mut rng = Stream::named(&["tests", "automaton"]);
        let pattern = [0, 1, 0, 0];
        let scores = [0.5, -1.0, 2.0];
        let steps = [1, -1, 0];
        let world = |automaton: Result<Automaton>, start| {
            TokenWorld::new(automaton.expect("legal"), vec![start], 12, None).expect("legal")
        };
        let contains = world(Automaton::contains(3, &pattern), 0);
        let additive = world(Automaton::additive(&scores), 0);
        let level = world(Automaton::level(&steps, -2, 2, |l| l as f64 / 2.0), 2);
        for _ in 0..500 {
            let output = random_output(&mut rng, 3, 12);
            let found = output.windows(4).any(|w| w == pattern);
            assert_eq!(contains.reward(0, &output).expect("legal"), f64::from(u8::from(found)), "{output:?}");
            let sum: f64 = output.iter().map(|&t| scores[t as usize]).sum();
            assert!((additive.reward(0, &output).expect("legal") - sum).abs() < 1e-12);
            let last = output.iter().fold(0, |l: i64, &t| (l + steps[t as usize]).clamp(-2, 2));
            assert_eq!(level.reward(0, &output).expect("legal"), last as f64 / 2.0);
        }
    }

    #[test]
    fn nothing_is_read_behind_the_end() {
        let automaton = Automaton::additive(&[1.0, 10.0, 100.0]).expect("legal");
        let world = TokenWorld::new(automaton, vec![0], 3, Some(1)).expect("legal");
        for (output, reward) in [(&[0, 1, 2][..], 11.0), (&[2, 2, 2, 2], 300.0), (&[], 0.0), (&[1], 10.0)] {
            assert_eq!(world.reward(0, output).expect("legal"), reward, "{output:?}");
        }
    }

    #[test]
    fn ngrams_are_the_prefixes_of_a_tree_until_they_slide() {
        let ngrams = Ngrams { prompts: 2, vocab: 3, order: 2 };
        let tree = Tree { prompts: 2, vocab: 3, length: 3 };
        assert_eq!((ngrams.contexts(), ngrams.per_prompt()), (tree.contexts(), tree.prefixes()));
        assert_eq!(ngrams.contexts_of(1), tree.contexts_of(1));
        for (long, short) in [(&[2, 0, 1][..], &[0, 1][..]), (&[1, 1, 2, 2, 0], &[2, 0])] {
            assert_eq!(ngrams.context(1, long), ngrams.context(1, short), "{long:?}");
        }
        let all: std::collections::BTreeSet<_> = (0..3)
            .flat_map(|d| (0..3_usize.pow(d)).map(move |c| (d, c)))
            .map(|(d, code)| {
                let tokens: Vec<u32> = tree.tokens(d as usize, code).iter().map(|&t| t as u32).collect();
                ngrams.context(0, &tokens)
            })
            .collect();
        assert_eq!(all.len(), ngrams.per_prompt());
        let blind = Ngrams { order: 0, ..ngrams };
        assert_eq!((blind.per_prompt(), blind.context(1, &[2, 2, 0])), (1, 1));
    }

    #[test]
    fn mistakes_are_named() {
        let message = |r: Result<Automaton>| r.expect_err("a mistake").to_string();
        assert_eq!(message(Automaton::contains(2, &[0, 2])), "parameter pattern's token = 2: must be below 2");
        assert_eq!(
            message(Automaton::additive(&[])),
            "parameter automaton's tokens × states = 0 × 1: must be positive"
        );
        assert_eq!(message(Automaton::additive(&[0.0, f64::NAN])), "step reward[1] is NaN: it must be finite");
        assert_eq!(
            message(Automaton::new(1, vec![1], vec![0.0], vec![0.0])),
            "parameter automaton's successor = 1: must be below 1"
        );
        let additive = || Automaton::additive(&[0.0, 1.0]).expect("legal");
        let message = |r: Result<TokenWorld>| r.expect_err("a mistake").to_string();
        assert_eq!(message(TokenWorld::new(additive(), vec![0], 0, None)), "parameter length = 0: must be positive");
        assert_eq!(message(TokenWorld::new(additive(), vec![0], 1, Some(2))), "parameter end = 2: must be below 2");
        assert!(TokenWorld::new(additive(), vec![], 1, None).is_err());
        assert!(TokenWorld::new(additive(), vec![1], 1, None).is_err());
        let world = TokenWorld::new(additive(), vec![0], 2, None).expect("legal");
        assert_eq!(
            world.reward(0, &[0, 7]).expect_err("a mistake").to_string(),
            "parameter token = 7: must be below 2"
        );
    }
}
