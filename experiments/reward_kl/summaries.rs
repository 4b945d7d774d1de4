//! Summaries: articles with three of five points, people who summarise them, and the writer who learns from people.
//!
//! The writer sees two or three words: the end of the article with its headline, soon only what he wrote last. People know the
//! article and what they have said. Points of an article go together: in the `Near` family three neighbours (of a circle
//! of five), in the `Far` family two neighbours and the one across. Both families have all points and headlines; doubling
//! a point's number maps one family on the other.

use super::markov::Markov;
use super::writing::{Referee, Split, Writing};
use rewardlab::env::{Outline, TokenWorld};
use rewardlab::error::{Error, Result};
use rewardlab::exact::Outcomes;
use rewardlab::rng::Stream;
use serde::{Deserialize, Serialize};

/// What a summary's words are worth.
pub(crate) const OUTLINE: Outline =
    Outline { points: 5, covered: 2, repeated: -1, wrong: -2, fluff: -1, unfinished: -2 };

/// Which points go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Family {
    Near,
    Far,
}

/// The language of summaries.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SummarySetup {
    /// Words that the writer sees; 2 or 3.
    pub(crate) order: usize,
    /// Most words of a summary, its end among them; 4 to 30.
    pub(crate) length: usize,
    /// Summaries by people from which the reference learns; at least 10.
    pub(crate) corpus: usize,
}

/// The language, and which articles it is about.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summaries {
    pub(crate) setup: SummarySetup,
    pub(crate) family: Family,
}

impl SummarySetup {
    pub(crate) fn validate(&self) -> Result<()> {
        Error::check_counts(&[
            ("order", self.order, 2, 3),
            ("length", self.length, 4, 30),
            ("corpus", self.corpus, 10, 10_000_000),
        ])
    }
}

impl Family {
    pub(crate) const BOTH: [Self; 2] = [Self::Near, Self::Far];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Near => "near",
            Self::Far => "far",
        }
    }

    /// An article's points, the headline last, and the mark of its end: five sets of points, three headlines.
    fn article(self, set: usize, headline: usize) -> Vec<u32> {
        let step = if self == Self::Near { 1 } else { 2 };
        let of_place = |place: usize| OUTLINE.point(step * (set + place) % OUTLINE.points);
        let mut text: Vec<u32> = (1..=3).map(|turn| of_place((headline + turn) % 3)).collect();
        text.push(Outline::END);
        text
    }

    /// All fifteen articles.
    pub(crate) fn articles(self) -> Vec<Vec<u32>> {
        (0..5).flat_map(|set| (0..3).map(move |headline| self.article(set, headline))).collect()
    }
}

/// What people write next, knowing the article's points and which they have told.
fn author(article: u32, told: u32, probs: &mut [f64]) {
    probs.fill(0.0);
    let done = told == article;
    let share = |probs: &mut [f64], set: u32, mass: f64| {
        for point in (0..OUTLINE.points).filter(|p| set & (1 << p) != 0) {
            probs[OUTLINE.point(point) as usize] += mass / f64::from(set.count_ones());
        }
    };
    let all = (1 << OUTLINE.points) - 1;
    // (the end, a new point, one told before, one that the article does not make, fluff, link)
    let habits = if done { [0.6, 0.0, 0.1, 0.1, 0.1, 0.1] } else { [0.08, 0.47, 0.05, 0.1, 0.15, 0.15] };
    probs[Outline::END as usize] += habits[0];
    share(probs, article & !told, habits[1]);
    // with nothing told yet there is nothing to repeat: a link instead
    let (again, rest) = if told == 0 { (0.0, habits[2]) } else { (habits[2], 0.0) };
    share(probs, told, again);
    share(probs, all & !article, habits[3]);
    probs[OUTLINE.fluff_token() as usize] += habits[4];
    probs[OUTLINE.link_token() as usize] += habits[5] + rest;
}

impl Writing for Summaries {
    fn sizes(&self) -> (usize, usize) {
        (self.setup.order, self.setup.length)
    }

    fn reference(&self, rng: &mut Stream) -> Markov {
        let mut text_of = |mut text: Vec<u32>| {
            let article = OUTLINE.told(&text);
            let (mut told, mut probs) = (0, vec![0.0; OUTLINE.vocab()]);
            for _ in 0..self.setup.length {
                author(article, told, &mut probs);
                let word = rng.categorical(&probs) as u32;
                told = OUTLINE.gain(article, told, word).1;
                text.push(word);
                if word == Outline::END {
                    break;
                }
            }
            // what the writer sees of an article is its end
            text.split_off(4 - self.setup.order)
        };
        let articles = self.family.articles();
        let texts: Vec<Vec<u32>> =
            (0..self.setup.corpus).map(|i| text_of(articles[i % articles.len()].clone())).collect();
        Markov::of_corpus((OUTLINE.vocab(), self.setup.order), texts.iter().map(Vec::as_slice), 0.5)
            .ending(Some(Outline::END))
    }

    fn prompts(&self, count: usize, rng: &mut Stream) -> Vec<Vec<u32>> {
        let articles = self.family.articles();
        (0..count).map(|_| articles[rng.below(articles.len())].clone()).collect()
    }

    /// All articles that there are, a third of the headlines for tuning: means over them are over the population.
    fn held_out(&self, split: Split, _: &mut Stream) -> Vec<Vec<u32>> {
        let tuning = |i: usize| i % 3 == i / 3 % 3;
        let articles = self.family.articles().into_iter().enumerate();
        articles.filter(|(i, _)| tuning(*i) == (split == Split::Tuning)).map(|(_, a)| a).collect()
    }

    fn score(&self, prompt: &[u32], completion: &[u32]) -> i64 {
        OUTLINE.score(OUTLINE.told(prompt), completion)
    }

    fn world(&self, prompts: &[Vec<u32>]) -> Result<TokenWorld> {
        let articles: Vec<u32> = prompts.iter().map(|p| OUTLINE.told(p)).collect();
        OUTLINE.world(&articles, self.setup.length)
    }

    /// People's summaries: who wrote the corpus.
    fn baseline(&self, referee: &Referee, _: &Markov) -> Result<Vec<Outcomes>> {
        referee.outcomes_by(&|state, probs| match OUTLINE.state(state) {
            Some((article, told)) => author(article, told, probs),
            None => probs.fill(0.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::writing::win_rate;
    use super::*;

    #[test]
    fn people_s_habits_are_probabilities_and_families_are_sets_of_three() {
        let mut probs = vec![0.0; OUTLINE.vocab()];
        for family in Family::BOTH {
            let sets: std::collections::BTreeSet<u32> = family.articles().iter().map(|a| OUTLINE.told(a)).collect();
            assert!(sets.len() == 5 && sets.iter().all(|s| s.count_ones() == 3), "{sets:?}");
            for set in sets {
                for told in (0..32).filter(|told| told & !set == 0) {
                    author(set, told, &mut probs);
                    assert!((probs.iter().sum::<f64>() - 1.0).abs() < 1e-12 && probs.iter().all(|p| *p >= 0.0));
                }
            }
        }
        let near: Vec<u32> = Family::Near.articles().iter().map(|a| OUTLINE.told(a)).collect();
        assert!(Family::Far.articles().iter().all(|a| !near.contains(&OUTLINE.told(a))));
    }

    /// Sampled scores of people and of the reference against the exact ones: 4000 texts, |z| < 4.
    #[test]
    fn exact_scores_are_those_of_samples() {
        let summaries = Summaries { setup: SummarySetup { order: 2, length: 10, corpus: 500 }, family: Family::Near };
        let mut rng = Stream::named(&["tests", "summaries"]);
        let reference = summaries.reference(&mut rng).at_temperature(0.7);
        let prompts = vec![summaries.prompts(1, &mut rng).remove(0)];
        let referee = Referee::new(&summaries, &prompts).expect("legal");
        let exact = referee.outcomes(&reference).expect("whole").remove(0);
        let n = 4000;
        let drawn = (0..n).map(|_| summaries.score(&prompts[0], &reference.sample(&prompts[0], 10, &mut rng)) as f64);
        let drawn: Vec<f64> = drawn.collect();
        let error = rewardlab::stats::std_dev(&drawn) / f64::from(n).sqrt();
        let z = (rewardlab::stats::mean(&drawn) - exact.score()) / error;
        assert!(z.abs() < 4.0, "{z}");
        // people know the article: they beat the writer who learned from them
        let people = summaries.baseline(&referee, &reference).expect("whole");
        assert!((people[0].scores().iter().map(|s| s.1).sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(win_rate(&people, &[exact]) > 0.5);
    }
}
