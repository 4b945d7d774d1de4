//! The world of summaries: an article makes some of a number of points, and a summary is to tell them, once each.

use super::automaton::{Automaton, TokenWorld};
use crate::error::{Error, Result};

/// What the words of a summary are worth, in whole numbers.
///
/// Token 0 ends the summary; tokens 1 to `points` tell a point; then come a word of fluff and a word that links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outline {
    /// How many points there are; 1 to 8.
    pub points: usize,
    /// For a point of the article, told for the first time.
    pub covered: i64,
    /// For a point that has been told.
    pub repeated: i64,
    /// For a point that the article does not make.
    pub wrong: i64,
    /// For fluff.
    pub fluff: i64,
    /// For a summary that is cut off before its end.
    pub unfinished: i64,
}

impl Outline {
    /// The token that ends a summary.
    pub const END: u32 = 0;

    /// Number of tokens: the end, the points, fluff, link.
    pub fn vocab(&self) -> usize {
        self.points + 3
    }

    /// The token that tells a point.
    pub fn point(&self, point: usize) -> u32 {
        point as u32 + 1
    }

    /// The token of fluff.
    pub fn fluff_token(&self) -> u32 {
        self.points as u32 + 1
    }

    /// The token that links.
    pub fn link_token(&self) -> u32 {
        self.points as u32 + 2
    }

    /// The points that a text tells, as bits.
    pub fn told(&self, text: &[u32]) -> u32 {
        let points = text.iter().filter(|t| (1..=self.points as u32).contains(t));
        points.fold(0, |told, token| told | 1 << (token - 1))
    }

    /// What a token earns in a summary of an article that makes the points `article`, where `told` have been told; and what has
    /// been told behind it. Points are bits.
    pub fn gain(&self, article: u32, told: u32, token: u32) -> (i64, u32) {
        if token == self.fluff_token() {
            return (self.fluff, told);
        }
        if !(1..=self.points as u32).contains(&token) {
            return (0, told);
        }
        let point = 1 << (token - 1);
        if article & point == 0 {
            (self.wrong, told)
        } else if told & point == 0 {
            (self.covered, told | point)
        } else {
            (self.repeated, told)
        }
    }

    /// The score of a summary; nothing is read behind its end.
    pub fn score(&self, article: u32, summary: &[u32]) -> i64 {
        let (mut score, mut told) = (0, 0);
        for &token in summary {
            if token == Self::END {
                return score;
            }
            let (gained, after) = self.gain(article, told, token);
            (score, told) = (score + gained, after);
        }
        score + self.unfinished
    }

    /// The world of summaries of up to `length` tokens, the end among them, of these articles (points as bits); its reward is the
    /// score. The state `article · 2^points + told` has told these points of this article; one more has ended.
    ///
    /// # Errors
    /// A number of points outside 1 to 8; an article with a point beyond them; as [`TokenWorld::new`].
    pub fn world(&self, articles: &[u32], length: usize) -> Result<TokenWorld> {
        Error::check_counts(&[("points", self.points, 1, 8)])?;
        let sets = 1_u32 << self.points;
        if let Some(article) = articles.iter().find(|a| **a >= sets) {
            return Err(Error::parameter("article", article, format!("below {sets}: a bit for each point")));
        }
        let ended = (sets * sets) as usize;
        let (mut next, mut step_rewards) = (Vec::new(), Vec::new());
        for state in 0..sets * sets {
            let (article, told) = (state / sets, state % sets);
            for token in 0..self.vocab() as u32 {
                let (gained, after) = self.gain(article, told, token);
                next.push(if token == Self::END { ended } else { (article * sets + after) as usize });
                step_rewards.push(gained as f64);
            }
        }
        next.extend(vec![ended; self.vocab()]);
        step_rewards.extend(vec![0.0; self.vocab()]);
        let mut final_rewards = vec![self.unfinished as f64; ended];
        final_rewards.push(0.0);
        let automaton = Automaton::new(self.vocab(), next, step_rewards, final_rewards)?;
        let starts = articles.iter().map(|a| (a * sets) as usize).collect();
        TokenWorld::new(automaton, starts, length, Some(Self::END))
    }

    /// (article, told) of a state of [`Self::world`]; none once the summary has ended.
    pub fn state(&self, state: usize) -> Option<(u32, u32)> {
        let sets = 1 << self.points;
        (state < sets * sets).then_some(((state / sets) as u32, (state % sets) as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    const OUTLINE: Outline = Outline { points: 3, covered: 2, repeated: -1, wrong: -3, fluff: -1, unfinished: -5 };

    #[test]
    fn scores_by_hand() {
        // the article makes points 0 and 2: tokens 1 and 3; 4 is fluff, 5 links
        for (summary, score) in [
            (&[1, 5, 3, 0][..], 4),
            (&[1, 1, 0], 1),
            (&[2, 4, 0], -4),
            (&[0], 0),
            (&[1, 0, 3, 3], 2),
            (&[1, 3], -1),
            (&[], -5),
        ] {
            assert_eq!(OUTLINE.score(0b101, summary), score, "{summary:?}");
        }
        assert_eq!(OUTLINE.told(&[3, 4, 1, 1, 0]), 0b101);
    }

    /// Two ways to read a summary: word by word, and by the automaton.
    #[test]
    fn the_automaton_pays_the_score() {
        let mut rng = Stream::named(&["tests", "outline"]);
        let articles = [0b101, 0b111, 0b000];
        let world = OUTLINE.world(&articles, 6).expect("legal");
        for (x, article) in articles.into_iter().enumerate() {
            assert_eq!(OUTLINE.state(world.start(x)), Some((article, 0)));
            for _ in 0..400 {
                let summary: Vec<u32> = (0..6).map(|_| rng.below(OUTLINE.vocab()) as u32).collect();
                let paid = world.reward(x, &summary).expect("legal");
                assert_eq!(paid, OUTLINE.score(article, &summary) as f64, "{article:b} {summary:?}");
            }
        }
    }

    #[test]
    fn mistakes_are_named() {
        let message = |r: Result<TokenWorld>| r.expect_err("a mistake").to_string();
        assert_eq!(message(OUTLINE.world(&[8], 3)), "parameter article = 8: must be below 8: a bit for each point");
        assert!(message(Outline { points: 9, ..OUTLINE }.world(&[0], 3)).starts_with("parameter points = 9"));
        assert!(OUTLINE.world(&[], 3).is_err() && OUTLINE.world(&[1], 0).is_err());
    }
}
