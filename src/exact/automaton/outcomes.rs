//! The joint distribution of score and length over a policy's outputs, and who wins against whom.
//!
//! Where a world's reward is a sum of whole numbers, the forward recursion over (node, score) gives the probability of every
//! (score, length), however many outputs there are.

use super::{AutomatonEngine, Node};
use crate::error::{Error, Result};
use crate::num::exp_into;

/// P(score, length) of one prompt's outputs under one policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcomes {
    /// The score of the first column.
    lowest: i64,
    /// Number of columns.
    scores: usize,
    /// Row l: outputs of l tokens.
    probs: Vec<f64>,
}

/// P(difference of scores, difference of lengths) between independent outputs of two policies.
#[derive(Clone, Debug)]
pub struct Differences {
    /// (difference of scores, difference of lengths, probability); no probability is 0.
    cells: Vec<(i64, i64, f64)>,
}

impl AutomatonEngine {
    /// The distribution of (score, length) under a policy, as [`Self::log_probs`] gives it.
    ///
    /// # Errors
    /// A reward that is not a whole number.
    pub fn outcomes(&self, log_probs: &[f64], prompt: usize) -> Result<Outcomes> {
        let vocab = self.ngrams.vocab;
        let mut probs = vec![0.0; log_probs.len()];
        exp_into(log_probs, &mut probs);
        self.outcomes_by(prompt, |_, context, out| out.copy_from_slice(&probs[context * vocab..][..vocab]))
    }

    /// The same for a policy that sees the automaton's state too: `policy(state, context, probabilities)` writes those of all tokens.
    ///
    /// # Errors
    /// As [`Self::outcomes`].
    pub fn outcomes_by(&self, prompt: usize, policy: impl Fn(usize, usize, &mut [f64])) -> Result<Outcomes> {
        let (vocab, length) = (self.ngrams.vocab, self.world.length());
        let nodes = &self.products[prompt].nodes;
        let successors = &self.products[prompt].successors;
        let automaton = self.world.automaton();
        let mut probs = vec![0.0; nodes.len() * vocab];
        let mut gains = vec![0; nodes.len() * vocab];
        let mut finals = vec![0; nodes.len()];
        for (n, Node { state, context }) in nodes.iter().enumerate() {
            policy(*state, *context, &mut probs[n * vocab..][..vocab]);
            for token in 0..vocab {
                gains[n * vocab + token] = whole(automaton.step(*state, token).1)?;
            }
            finals[n] = whole(automaton.final_reward(*state))?;
        }
        let least = |values: &[i64]| values.iter().copied().min().unwrap_or(0);
        let most = |values: &[i64]| values.iter().copied().max().unwrap_or(0);
        let steps = length as i64;
        let lowest = steps * least(&gains).min(0) + least(&finals).min(0);
        let width = (steps * most(&gains).max(0) + most(&finals).max(0) - lowest) as usize + 1;
        let mut done = Outcomes { lowest, scores: width, probs: vec![0.0; (length + 1) * width] };
        // the mass on each (node, score), and in which columns of a node it lies
        let (mut mass, mut further) = (vec![0.0; nodes.len() * width], vec![0.0; nodes.len() * width]);
        let mut reach: Vec<Option<(usize, usize)>> = vec![None; nodes.len()];
        let zero = (-lowest) as usize;
        mass[zero] = 1.0;
        reach[0] = Some((zero, zero + 1));
        for written in 1..=length {
            let mut next_reach = vec![None; nodes.len()];
            for (n, columns) in reach.iter().enumerate() {
                let Some((from, to)) = *columns else { continue };
                let own = &mass[n * width + from..n * width + to];
                for token in 0..vocab {
                    let (prob, next) = (probs[n * vocab + token], successors[n * vocab + token]);
                    if prob <= 0.0 {
                        continue;
                    }
                    let ends = written == length || self.ends(token);
                    let moved = gains[n * vocab + token] + if ends { finals[next] } else { 0 };
                    let at = from.saturating_add_signed(moved as isize);
                    let row = if ends { &mut done.probs[written * width..] } else { &mut further[next * width..] };
                    row[at..at + own.len()].iter_mut().zip(own).for_each(|(f, m)| *f += prob * m);
                    if !ends {
                        let (low, high) = next_reach[next].unwrap_or((at, at));
                        next_reach[next] = Some((at.min(low), high.max(at + own.len())));
                    }
                }
            }
            // what has been passed on is wiped, and the empty table filled next
            for (n, columns) in reach.iter().enumerate() {
                if let Some((from, to)) = *columns {
                    mass[n * width + from..n * width + to].fill(0.0);
                }
            }
            std::mem::swap(&mut mass, &mut further);
            reach = next_reach;
        }
        Ok(done.trimmed())
    }
}

/// A reward as a whole number.
fn whole(reward: f64) -> Result<i64> {
    if reward.fract() == 0.0 && reward.abs() < 1e6 {
        Ok(reward as i64)
    } else {
        Err(Error::parameter("score", reward, "a whole number, within a million"))
    }
}

impl Outcomes {
    /// From counted outputs: (score, length, weight); weights that sum to 1.
    pub fn from_weights(outputs: &[(i64, usize, f64)]) -> Self {
        let lowest = outputs.iter().map(|o| o.0).min().unwrap_or(0);
        let scores = (outputs.iter().map(|o| o.0).max().unwrap_or(0) - lowest) as usize + 1;
        let longest = outputs.iter().map(|o| o.1).max().unwrap_or(0);
        let mut probs = vec![0.0; (longest + 1) * scores];
        for (score, length, weight) in outputs {
            probs[length * scores + (score - lowest) as usize] += weight;
        }
        Self { lowest, scores, probs }
    }

    /// Without empty columns at either side.
    fn trimmed(self) -> Self {
        let used = |column: &usize| self.probs.iter().skip(*column).step_by(self.scores).any(|p| *p > 0.0);
        let first = (0..self.scores).find(used).unwrap_or(0);
        let last = (0..self.scores).rev().find(used).unwrap_or(0);
        let rows = self.probs.chunks_exact(self.scores);
        let probs = rows.flat_map(|row| row[first..=last].to_vec()).collect();
        Self { lowest: self.lowest + first as i64, scores: last - first + 1, probs }
    }

    /// (score, length, probability) of all that can occur.
    pub fn cells(&self) -> impl Iterator<Item = (i64, usize, f64)> + '_ {
        let place = |(at, p): (usize, &f64)| (self.lowest + (at % self.scores) as i64, at / self.scores, *p);
        self.probs.iter().enumerate().map(place).filter(|c| c.2 > 0.0)
    }

    /// P(score), from the lowest score that can occur upwards.
    pub fn scores(&self) -> Vec<(i64, f64)> {
        let column = |c: usize| self.probs.iter().skip(c).step_by(self.scores).sum();
        (0..self.scores).map(|c| (self.lowest + c as i64, column(c))).collect()
    }

    /// The expected score.
    pub fn score(&self) -> f64 {
        self.cells().map(|(score, _, p)| score as f64 * p).sum()
    }

    /// The expected number of tokens, the end among them.
    pub fn length(&self) -> f64 {
        self.cells().map(|(_, length, p)| length as f64 * p).sum()
    }

    /// Of n outputs the one of the highest score; equal ones by a coin.
    ///
    /// # Formula
    /// A score has probability cⁿ − c′ⁿ, c and c′ the mass up to it and below it; lengths share it in proportion.
    #[must_use]
    pub fn best_of(&self, n: u32) -> Self {
        assert!(n >= 1, "best of at least one");
        let (mut below, mut probs) = (0.0_f64, self.probs.clone());
        for (column, (_, mass)) in self.scores().into_iter().enumerate() {
            if mass > 0.0 {
                let up_to = below + mass;
                let won = up_to.powf(n.into()) - below.powf(n.into());
                probs.iter_mut().skip(column).step_by(self.scores).for_each(|p| *p *= won / mass);
                below = up_to;
            }
        }
        Self { probs, ..self.clone() }
    }

    /// The probability that an output scores higher than another's, ties halved.
    pub fn wins(&self, other: &Self) -> f64 {
        let (own, theirs) = (self.scores(), other.scores());
        let against = |score: i64| -> f64 {
            let halves = |s: &i64| if *s < score { 1.0 } else { 0.5 * f64::from(u8::from(*s == score)) };
            theirs.iter().map(|(s, p)| p * halves(s)).sum()
        };
        own.iter().map(|(score, p)| p * against(*score)).sum()
    }

    /// The distribution of the differences to another policy's outputs: own less theirs.
    pub fn differences(&self, other: &Self) -> Differences {
        let (rows, theirs) = (|o: &Self| o.probs.len() / o.scores, other.probs.chunks_exact(other.scores));
        let (columns, longest) = (self.scores + other.scores - 1, rows(other) - 1);
        let mut sums = vec![0.0; columns * (rows(self) + longest)];
        for (length, row) in theirs.enumerate() {
            for (column, q) in row.iter().enumerate().filter(|(_, q)| **q > 0.0) {
                for (own, of_length) in self.probs.chunks_exact(self.scores).enumerate() {
                    let at = (own + longest - length) * columns + other.scores - 1 - column;
                    sums[at..at + self.scores].iter_mut().zip(of_length).for_each(|(s, p)| *s += p * q);
                }
            }
        }
        let least = self.lowest - (other.lowest + other.scores as i64 - 1);
        let place =
            |(at, p): (usize, &f64)| (least + (at % columns) as i64, (at / columns) as i64 - longest as i64, *p);
        Differences { cells: sums.iter().enumerate().map(place).filter(|c| c.2 > 0.0).collect() }
    }
}

impl Differences {
    /// The expectation of a function of (difference of scores, difference of lengths).
    pub fn mean(&self, of: impl Fn(i64, i64) -> f64) -> f64 {
        self.cells.iter().map(|(s, l, p)| p * of(*s, *l)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::{Automaton, TokenWorld};
    use crate::exact::best_of_n;
    use crate::num::log_softmax_rows;
    use crate::rng::Stream;
    use std::collections::BTreeMap;

    const VOCAB: usize = 3;
    const LENGTH: usize = 5;

    /// Three states, random whole rewards of both kinds, two prompts.
    fn engine(end: Option<u32>, order: usize) -> AutomatonEngine {
        let mut rng = Stream::named(&["tests", "outcomes"]);
        let next = (0..3 * VOCAB).map(|_| rng.below(3)).collect();
        let mut rewards = || rng.below(6) as f64 - 3.0;
        let steps = (0..3 * VOCAB).map(|_| rewards()).collect();
        let finals = (0..3).map(|_| rewards()).collect();
        let automaton = Automaton::new(VOCAB, next, steps, finals).expect("legal");
        AutomatonEngine::new(TokenWorld::new(automaton, vec![0, 2], LENGTH, end).expect("legal"), order)
    }

    fn table(name: &str, engine: &AutomatonEngine) -> Vec<f64> {
        let mut logits = vec![0.0; engine.ngrams().per_prompt() * VOCAB];
        Stream::named(&["tests", "outcomes", name]).fill_normal(1.0, &mut logits);
        log_softmax_rows(&mut logits, VOCAB);
        logits
    }

    /// (log-probability, score, length) of every output, by walking the tokens.
    fn enumerate(engine: &AutomatonEngine, table: &[f64], prompt: usize) -> Vec<(f64, i64, usize)> {
        let (mut open, mut done) = (vec![(Vec::new(), 0.0)], Vec::new());
        while let Some((tokens, log_prob)) = open.pop() {
            if tokens.len() == LENGTH || tokens.last().is_some_and(|t| Some(*t) == engine.world.end()) {
                let score = engine.world.reward(prompt, &tokens).expect("legal");
                done.push((log_prob, score as i64, tokens.len()));
                continue;
            }
            let context = engine.ngrams.context(0, &tokens);
            open.extend((0..VOCAB).map(|token| {
                let longer: Vec<u32> = tokens.iter().copied().chain([token as u32]).collect();
                (longer, log_prob + table[context * VOCAB + token])
            }));
        }
        done
    }

    fn gathered(cells: impl IntoIterator<Item = (i64, usize, f64)>) -> BTreeMap<(i64, usize), f64> {
        let mut sums = BTreeMap::new();
        for (score, length, p) in cells {
            *sums.entry((score, length)).or_insert(0.0) += p;
        }
        sums
    }

    #[test]
    fn outcomes_agree_with_enumeration() {
        for (end, order) in [(None, 0), (None, 2), (Some(1), 1), (Some(0), 2)] {
            let engine = engine(end, order);
            for prompt in 0..2 {
                let policy = table("a", &engine);
                let all = enumerate(&engine, &policy, prompt);
                let brute = gathered(all.iter().map(|(lp, s, l)| (*s, *l, lp.exp())));
                let exact = engine.outcomes(&policy, prompt).expect("whole");
                let found = gathered(exact.cells());
                assert_eq!(brute.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>(), "{end:?} {order}");
                assert!(brute.iter().all(|(k, p)| (p - found[k]).abs() < 1e-14));
                let stats = engine.stats(&policy, prompt);
                assert!((exact.score() - stats.value).abs() < 1e-12 && (exact.length() - stats.length).abs() < 1e-12);
                let counted: Vec<_> = all.iter().map(|(lp, s, l)| (*s, *l, lp.exp())).collect();
                assert!((Outcomes::from_weights(&counted).score() - exact.score()).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn best_of_n_and_wins_agree_with_enumeration() {
        let engine = engine(Some(1), 2);
        let (a, b) = (table("a", &engine), table("b", &engine));
        let (outputs, theirs) = (enumerate(&engine, &a, 0), enumerate(&engine, &b, 0));
        let (ours, other) = (engine.outcomes(&a, 0).expect("whole"), engine.outcomes(&b, 0).expect("whole"));
        let log_probs: Vec<f64> = outputs.iter().map(|o| o.0).collect();
        let scores: Vec<f64> = outputs.iter().map(|o| o.1 as f64).collect();
        for n in [1, 2, 7] {
            let probs = best_of_n(&log_probs, &scores, n);
            let brute = gathered(outputs.iter().zip(&probs).map(|((_, s, l), p)| (*s, *l, *p)));
            let found = gathered(ours.best_of(n).cells());
            assert!(brute.iter().all(|(k, p)| (p - found[k]).abs() < 1e-14), "{n}");
        }
        let judge = |s: i64, l: i64| 1.0 / (1.0 + (-(s as f64) / 2.0 - 0.3 * l as f64).exp());
        let (mut wins, mut judged) = (0.0, 0.0);
        for (lp, s, l) in &outputs {
            for (lq, t, m) in &theirs {
                let p = (lp + lq).exp();
                wins += p * if s > t { 1.0 } else { 0.5 * f64::from(u8::from(s == t)) };
                judged += p * judge(s - t, *l as i64 - *m as i64);
            }
        }
        let differences = ours.differences(&other);
        assert!((ours.wins(&other) - wins).abs() < 1e-13);
        assert!((differences.mean(judge) - judged).abs() < 1e-13);
        assert!((ours.wins(&ours) - 0.5).abs() < 1e-13 && (differences.mean(|_, _| 1.0) - 1.0).abs() < 1e-13);
        // the better of two draws against one: two of three where nothing ties; a tie can only help the one
        let better = ours.best_of(2).wins(&ours);
        assert!((0.5..=2.0 / 3.0).contains(&better));
    }

    /// A policy of states is one of contexts where a context tells the state.
    #[test]
    fn policies_of_the_state() {
        let engine = engine(None, 0);
        let row = table("a", &engine);
        let of_state = |_: usize, _: usize, out: &mut [f64]| exp_into(&row, out);
        assert_eq!(engine.outcomes(&row, 1).expect("whole"), engine.outcomes_by(1, of_state).expect("whole"));
    }

    #[test]
    fn half_points_are_refused() {
        let automaton = Automaton::additive(&[0.5, 1.0, 0.0]).expect("legal");
        let engine = AutomatonEngine::new(TokenWorld::new(automaton, vec![0], 3, None).expect("legal"), 0);
        let message = engine.outcomes(&table("a", &engine), 0).expect_err("a mistake").to_string();
        assert_eq!(message, "parameter score = 0.5: must be a whole number, within a million");
    }
}
