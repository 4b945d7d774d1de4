//! What the experiments with exact win rates have in common: what is written and how it is scored, the exact distribution of a
//! writer's scores, and best-of-N by a learned reward.

use super::markov::{Markov, rows_of};
use super::reward_table::RewardModel;
use rewardlab::env::TokenWorld;
use rewardlab::error::Result;
use rewardlab::exact::{AutomatonEngine, Outcomes};
use rewardlab::rng::Stream;
use serde::Serialize;

/// Prompts that are held out from training: one lot to choose settings on, one to report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Split {
    Tuning,
    Test,
}

/// What is written: prompts, a score in whole numbers, a corpus, and whom a writer is to beat.
pub(crate) trait Writing: Serialize {
    /// Words that the writer sees, and the most words of a completion.
    fn sizes(&self) -> (usize, usize);

    /// The writer that a corpus has taught; everything starts from it.
    fn reference(&self, rng: &mut Stream) -> Markov;

    /// Prompts to train on.
    fn prompts(&self, count: usize, rng: &mut Stream) -> Vec<Vec<u32>>;

    /// Prompts that are held out.
    fn held_out(&self, split: Split, rng: &mut Stream) -> Vec<Vec<u32>>;

    /// The score of a completion.
    fn score(&self, prompt: &[u32], completion: &[u32]) -> i64;

    /// The world of these prompts, whose reward is the score.
    fn world(&self, prompts: &[Vec<u32>]) -> Result<TokenWorld>;

    /// The scores of those whom a writer is to beat, per prompt.
    fn baseline(&self, referee: &Referee, reference: &Markov) -> Result<Vec<Outcomes>>;
}

/// Exact distributions of (score, length) on some prompts.
pub(crate) struct Referee {
    engine: AutomatonEngine,
    /// Per prompt, where a writer's table has each of the engine's contexts.
    rows: Vec<Vec<usize>>,
}

impl Referee {
    pub(crate) fn new(writing: &impl Writing, prompts: &[Vec<u32>]) -> Result<Self> {
        let engine = AutomatonEngine::new(writing.world(prompts)?, writing.sizes().0);
        let ngrams = engine.ngrams();
        Ok(Self { engine, rows: prompts.iter().map(|prompt| rows_of(ngrams, prompt)).collect() })
    }

    /// What a writer scores on each prompt.
    pub(crate) fn outcomes(&self, writer: &Markov) -> Result<Vec<Outcomes>> {
        (0..self.rows.len()).map(|x| self.engine.outcomes(&writer.table(&self.rows[x]), x)).collect()
    }

    /// What a writer scores who sees the world's state; `policy` as in [`AutomatonEngine::outcomes_by`].
    pub(crate) fn outcomes_by(&self, policy: &dyn Fn(usize, &mut [f64])) -> Result<Vec<Outcomes>> {
        (0..self.rows.len()).map(|x| self.engine.outcomes_by(x, |state, _, probs| policy(state, probs))).collect()
    }
}

/// Mean over prompts of a statistic of two writers' outcomes.
pub(crate) fn mean_over(own: &[Outcomes], other: &[Outcomes], of: impl Fn(&Outcomes, &Outcomes) -> f64) -> f64 {
    own.iter().zip(other).map(|(a, b)| of(a, b)).sum::<f64>() / own.len() as f64
}

/// The exact win rate by score, ties halved; mean over prompts.
pub(crate) fn win_rate(own: &[Outcomes], other: &[Outcomes]) -> f64 {
    mean_over(own, other, Outcomes::wins)
}

/// Draws from which best-of-N by a learned reward is estimated.
pub(crate) struct Drafts {
    /// Per prompt, (learned reward, score, length) of each draw.
    drawn: Vec<Vec<(f64, i64, usize)>>,
}

impl Drafts {
    /// `count` completions of each prompt, scored by the reward model.
    pub(crate) fn draw(
        writing: &impl Writing,
        (writer, model): (&Markov, &RewardModel),
        prompts: &[Vec<u32>],
        count: usize,
        rng: &mut Stream,
    ) -> Self {
        let length = writing.sizes().1;
        let mut one = |prompt: &Vec<u32>| {
            let completion = writer.sample(prompt, length, rng);
            let learned = model.score(&writer.cells(prompt, &completion));
            (learned, writing.score(prompt, &completion), completion.len())
        };
        let drawn = prompts.iter().map(|prompt| (0..count).map(|_| one(prompt)).collect()).collect();
        Self { drawn }
    }

    /// Best-of-n by the learned reward.
    pub(crate) fn best_of(&self, n: usize) -> Vec<Outcomes> {
        self.drawn.iter().map(|drawn| best_of(drawn.clone(), n)).collect()
    }

    /// Best-of-n by the score itself, of the same draws: what is known exactly.
    pub(crate) fn best_of_by_score(&self, n: usize) -> Vec<Outcomes> {
        let truth = |drawn: &Vec<(f64, i64, usize)>| drawn.iter().map(|(_, s, l)| (*s as f64, *s, *l)).collect();
        self.drawn.iter().map(|drawn| best_of(truth(drawn), n)).collect()
    }
}

/// The mean over all subsets of n draws of the best draw's outcome: without the bias of drawing n times from the draws. Equal rewards share.
///
/// # Formula
/// With i draws up to a reward, all n lie there with probability C(i, n)/C(m, n).
fn best_of(mut drawn: Vec<(f64, i64, usize)>, n: usize) -> Outcomes {
    drawn.sort_by(|a, b| a.0.total_cmp(&b.0));
    let m = drawn.len();
    let all_within = |i: usize| (0..n).map(|k| i.saturating_sub(k) as f64 / (m - k) as f64).product::<f64>();
    let (mut weights, mut upto, mut below) = (Vec::with_capacity(m), 0, 0.0);
    for level in drawn.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        upto += level.len();
        let within = all_within(upto);
        let share = (within - below) / level.len() as f64;
        weights.extend(level.iter().map(|(_, score, length)| (*score, *length, share)));
        below = within;
    }
    Outcomes::from_weights(&weights)
}

/// The standard error of the sampled win rate of best-of-n by score, from `draws` draws a prompt, to first order; exact otherwise.
///
/// # Formula
/// The win rate is W(top) − Σ F(s)ⁿ (W(s+1) − W(s)), W(s) the win rate of score s; a draw x moves F̂(s) by (1\[x ≤ s\] − F(s))/m.
pub(crate) fn best_of_error(own: &[Outcomes], other: &[Outcomes], n: u32, draws: usize) -> f64 {
    let variance = |(own, other): (&Outcomes, &Outcomes)| {
        let scores = own.scores();
        let wins: Vec<f64> = scores.iter().map(|(s, _)| Outcomes::from_weights(&[(*s, 0, 1.0)]).wins(other)).collect();
        let mut upto = 0.0;
        let slopes: Vec<f64> = (0..scores.len().saturating_sub(1))
            .map(|i| {
                upto += scores[i].1;
                f64::from(n) * f64::min(upto, 1.0).powf(f64::from(n) - 1.0) * (wins[i + 1] - wins[i])
            })
            .collect();
        // a draw of score i is within all scores from i on
        let influence: Vec<f64> = (0..scores.len()).map(|i| slopes.get(i..).unwrap_or(&[]).iter().sum()).collect();
        let mean: f64 = scores.iter().zip(&influence).map(|(s, v)| s.1 * v).sum();
        scores.iter().zip(&influence).map(|(s, v)| s.1 * (v - mean).powi(2)).sum::<f64>() / draws as f64
    };
    own.iter().zip(other).map(variance).sum::<f64>().sqrt() / own.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All pairs of four draws, by hand: the best of the six pairs.
    #[test]
    fn best_of_two_of_four() {
        let drawn = vec![(0.3, 7, 1), (0.1, 5, 2), (0.3, 6, 3), (0.2, 9, 4)];
        let probs = best_of(drawn, 2);
        // pairs: the two of reward 0.3 are the best of 5 (sharing), 0.2 of one
        let found: Vec<(i64, usize, f64)> = probs.cells().collect();
        assert_eq!(found.iter().map(|c| (c.0, c.1)).collect::<Vec<_>>(), [(7, 1), (6, 3), (9, 4)]);
        for ((_, _, p), expected) in found.iter().zip([2.5 / 6.0, 2.5 / 6.0, 1.0 / 6.0]) {
            assert!((p - expected).abs() < 1e-15);
        }
    }

    /// The error against the spread of 2000 estimates: their ratio within 5 standard errors of 1 (that of a std is 1/√(2n)).
    #[test]
    fn the_error_is_the_spread() {
        let own = Outcomes::from_weights(&[(0, 1, 0.4), (1, 1, 0.3), (2, 1, 0.2), (3, 1, 0.1)]);
        let other = Outcomes::from_weights(&[(1, 1, 0.5), (3, 1, 0.5)]);
        let mut rng = Stream::named(&["tests", "best of"]);
        let (n, draws, times) = (4, 400, 2000);
        let estimates: Vec<f64> = (0..times)
            .map(|_| {
                let one = |score: usize| (score as f64, score as i64, 1);
                let drawn = (0..draws).map(|_| one(rng.categorical(&[0.4, 0.3, 0.2, 0.1]))).collect();
                best_of(drawn, n).wins(&other)
            })
            .collect();
        let spread = rewardlab::stats::std_dev(&estimates);
        let (own, other) = ([own], [other]);
        let expected = best_of_error(&own, &other, 4, draws);
        assert!((spread / expected - 1.0).abs() < 5.0 / (2.0 * f64::from(times)).sqrt() + 0.02, "{spread} {expected}");
        let exact = own[0].best_of(4).wins(&other[0]);
        let z = (rewardlab::stats::mean(&estimates) - exact) / (expected / f64::from(times).sqrt());
        assert!(z.abs() < 4.0, "{z}");
    }
}
