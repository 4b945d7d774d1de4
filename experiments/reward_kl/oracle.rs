//! Another engine for the exact values of [`super::mixture`], prompt by prompt with the library's: what the tests hold it against.

use super::markov::{Markov, rows_of};
use rewardlab::env::{Automaton, Sentiment, TokenWorld};
use rewardlab::error::Result;
use rewardlab::exact::AutomatonEngine;

/// Exact reward and KL on some prompts, and the exact front.
pub(crate) struct Oracle {
    engine: AutomatonEngine,
    /// Without states of the score: the KL does not ask for it.
    blind: AutomatonEngine,
    /// Per prompt, where the writer's table has each of the engine's contexts.
    rows: Vec<Vec<usize>>,
}

impl Oracle {
    pub(crate) fn new(sentiment: &Sentiment, prompts: &[Vec<u32>], length: usize, order: usize) -> Result<Self> {
        let vocab = sentiment.words().len();
        let unpaid = Automaton::additive(&vec![0.0; vocab])?;
        let blind = TokenWorld::new(unpaid, vec![0; prompts.len()], length, None)?;
        let engine = AutomatonEngine::new(sentiment.world(prompts, length)?, order);
        let ngrams = engine.ngrams();
        let rows = prompts.iter().map(|prompt| rows_of(ngrams, prompt)).collect();
        Ok(Self { engine, blind: AutomatonEngine::new(blind, order), rows })
    }

    /// The writer's log-probabilities in the engine's contexts of a prompt.
    fn table(&self, writer: &Markov, prompt: usize) -> Vec<f64> {
        writer.table(&self.rows[prompt])
    }

    /// Means over prompts of KL(π‖reference), nats, and of the true reward.
    pub(crate) fn point(&self, writer: &Markov, reference: &Markov) -> (f64, f64) {
        let (mut kl, mut reward) = (0.0, 0.0);
        for prompt in 0..self.rows.len() {
            let (table, base) = (self.table(writer, prompt), self.table(reference, prompt));
            kl += self.blind.kl(&table, &base, prompt);
            reward += self.engine.value(&table, prompt);
        }
        let n = self.rows.len() as f64;
        (kl / n, reward / n)
    }

    /// (KL, reward) of the exact optimum at each β, means over prompts. No writer of any kind is above it.
    pub(crate) fn front(&self, reference: &Markov, betas: &[f64]) -> Vec<(f64, f64)> {
        let tables: Vec<Vec<f64>> = (0..self.rows.len()).map(|p| self.table(reference, p)).collect();
        let n = tables.len() as f64;
        let point = |beta: &f64| {
            let all = tables.iter().enumerate().map(|(p, table)| self.engine.tilted(table, p, *beta));
            all.fold((0.0, 0.0), |(kl, reward), t| (kl + t.kl / n, reward + t.reward / n))
        };
        betas.iter().map(point).collect()
    }

    /// The exact gradient of mean reward − β KL by the writer's logits.
    pub(crate) fn gradient(&self, writer: &Markov, reference: &Markov, beta: f64) -> Vec<f64> {
        let (vocab, scale) = (writer.vocab(), 1.0 / self.rows.len() as f64);
        let mut gradient = writer.no_weights();
        for (prompt, rows) in self.rows.iter().enumerate() {
            let (table, base) = (self.table(writer, prompt), self.table(reference, prompt));
            let mut weights = vec![0.0; table.len()];
            self.engine.value_weights(&table, prompt, scale, &mut weights);
            self.blind.kl_weights(&table, &base, prompt, -beta * scale, &mut weights);
            for (row, weights) in rows.iter().zip(weights.chunks_exact(vocab)) {
                gradient[row * vocab..][..vocab].iter_mut().zip(weights).for_each(|(g, w)| *g += w);
            }
        }
        gradient
    }
}

mod tests {
    use super::*;
    use rewardlab::env::Word;
    use rewardlab::rng::Stream;

    /// Three words, two of them of sentiment; everything by enumeration of 3^4 completions.
    fn world() -> (Sentiment, Vec<Vec<u32>>, Markov, Markov) {
        let words = vec![Word::Sentiment(1), Word::Sentiment(-1), Word::Negator];
        let sentiment = Sentiment::new(words, 0.7).expect("legal");
        let mut rng = Stream::named(&["tests", "markov"]);
        let mut random = || {
            let mut logits = vec![0.0; 27];
            rng.fill_normal(1.0, &mut logits);
            Markov::new(3, 2, logits)
        };
        (sentiment, vec![vec![0, 2], vec![1, 1, 0]], random(), random())
    }

    fn all() -> Vec<Vec<u32>> {
        (0..81_u32).map(|code| (0..4).map(|d| code / 3_u32.pow(d) % 3).collect()).collect()
    }

    fn enumerated(sentiment: &Sentiment, prompts: &[Vec<u32>], writer: &Markov, reference: &Markov) -> (f64, f64) {
        let (mut kl, mut reward) = (0.0, 0.0);
        for prompt in prompts {
            for completion in all() {
                let cells = writer.cells(prompt, &completion);
                let (own, base) = (writer.log_prob_of(&cells), reference.log_prob_of(&cells));
                kl += own.exp() * (own - base) / prompts.len() as f64;
                let text = [&prompt[..], &completion].concat();
                reward += own.exp() * sentiment.reward(&text) / prompts.len() as f64;
            }
        }
        (kl, reward)
    }

    #[test]
    fn the_oracle_agrees_with_enumeration() {
        let (sentiment, prompts, writer, reference) = world();
        let oracle = Oracle::new(&sentiment, &prompts, 4, 2).expect("legal");
        let (exact, direct) =
            (oracle.point(&writer, &reference), enumerated(&sentiment, &prompts, &writer, &reference));
        assert!((exact.0 - direct.0).abs() < 1e-12 && (exact.1 - direct.1).abs() < 1e-12, "{exact:?} {direct:?}");
        let gradient = oracle.gradient(&writer, &reference, 0.3);
        for k in 0..27 {
            let at = |step: f64| {
                let mut logits = writer.log_probs().to_vec();
                logits[k] += step;
                let (kl, reward) = oracle.point(&Markov::new(3, 2, logits), &reference);
                reward - 0.3 * kl
            };
            assert!((gradient[k] - (at(1e-5) - at(-1e-5)) / 2e-5).abs() < 1e-8, "{k}");
        }
        let front = oracle.front(&reference, &[1e9, 0.1]);
        assert!(front[0].0 < 1e-9 && (front[0].1 - oracle.point(&reference, &reference).1).abs() < 1e-9);
        assert!(front[1].1 > exact.1 || front[1].0 < exact.0);
    }
}
