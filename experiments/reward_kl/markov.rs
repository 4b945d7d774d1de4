//! A writer who sees the last few words: one table of logits for all prompts. Its samples and its steps.

use rewardlab::algorithm::{Adam, Optimizer};
use rewardlab::env::Ngrams;
use rewardlab::error::Result;
use rewardlab::num::{log_softmax_rows, softmax_pullback_rows};
use rewardlab::rng::Stream;

/// π(word | last `order` words), a softmax over a table. Prompts have at least `order` words.
#[derive(Clone, Debug)]
pub(crate) struct Markov {
    vocab: usize,
    order: usize,
    /// `vocab^order × vocab`.
    logits: Vec<f64>,
    /// The log-probabilities of these logits.
    log_probs: Vec<f64>,
    /// The word behind which a text ends.
    end: Option<u32>,
}

impl Markov {
    /// From logits.
    pub(crate) fn new(vocab: usize, order: usize, logits: Vec<f64>) -> Self {
        assert_eq!(logits.len(), vocab.pow(order as u32 + 1), "a row of logits per context");
        let mut log_probs = logits.clone();
        log_softmax_rows(&mut log_probs, vocab);
        Self { vocab, order, logits, log_probs, end: None }
    }

    /// One whose texts end behind a word.
    pub(crate) fn ending(self, end: Option<u32>) -> Self {
        Self { end, ..self }
    }

    /// The logits.
    pub(crate) fn logits(&self) -> &[f64] {
        &self.logits
    }

    /// The writer at a sampling temperature: logits over it; at 0 always the likeliest word, the first of equal ones. To be sampled and
    /// evaluated, not trained.
    pub(crate) fn at_temperature(&self, temperature: f64) -> Self {
        if temperature > 0.0 {
            let logits = self.logits.iter().map(|l| l / temperature).collect();
            return Self::new(self.vocab, self.order, logits).ending(self.end);
        }
        let greedy = |row: &[f64]| {
            let best = (0..row.len()).reduce(|a, b| if row[b] > row[a] { b } else { a });
            (0..row.len()).map(|w| if Some(w) == best { 0.0 } else { f64::NEG_INFINITY }).collect::<Vec<_>>()
        };
        let log_probs = self.logits.chunks_exact(self.vocab).flat_map(greedy).collect();
        Self { log_probs, ..self.clone() }
    }

    /// What a corpus teaches: log relative frequencies, `smoothing` added to every count.
    pub(crate) fn of_corpus<'a>(
        (vocab, order): (usize, usize),
        texts: impl IntoIterator<Item = &'a [u32]>,
        smoothing: f64,
    ) -> Self {
        let mut counts = vec![smoothing; vocab.pow(order as u32 + 1)];
        let blank = Self { vocab, order, logits: Vec::new(), log_probs: Vec::new(), end: None };
        for text in texts {
            for at in order..text.len() {
                counts[blank.cell(&text[..at], text[at])] += 1.0;
            }
        }
        Self::new(vocab, order, counts.iter().map(|c| c.ln()).collect())
    }

    pub(crate) fn vocab(&self) -> usize {
        self.vocab
    }

    /// Where the table has a word behind a text.
    pub(crate) fn cell(&self, text: &[u32], word: u32) -> usize {
        row(self.vocab, self.order, text) * self.vocab + word as usize
    }

    /// The cells of a completion.
    pub(crate) fn cells(&self, prompt: &[u32], completion: &[u32]) -> Vec<usize> {
        let mut text = prompt.to_vec();
        let mut cells = Vec::with_capacity(completion.len());
        for &word in completion {
            cells.push(self.cell(&text, word));
            text.push(word);
        }
        cells
    }

    /// log π of every cell, row by row.
    pub(crate) fn log_probs(&self) -> &[f64] {
        &self.log_probs
    }

    /// log π of a cell's word.
    pub(crate) fn log_prob(&self, cell: usize) -> f64 {
        self.log_probs[cell]
    }

    /// log π of a completion, given its cells.
    pub(crate) fn log_prob_of(&self, cells: &[usize]) -> f64 {
        cells.iter().map(|c| self.log_probs[*c]).sum()
    }

    /// A completion of `length` words, or up to the word that ends it.
    pub(crate) fn sample(&self, prompt: &[u32], length: usize, rng: &mut Stream) -> Vec<u32> {
        let mut text = prompt.to_vec();
        for _ in 0..length {
            let row = self.cell(&text, 0);
            let probs: Vec<f64> = self.log_probs[row..row + self.vocab].iter().map(|lp| lp.exp()).collect();
            let word = rng.categorical(&probs) as u32;
            text.push(word);
            if Some(word) == self.end {
                break;
            }
        }
        text.split_off(prompt.len())
    }

    /// One step of ascent on Σ weight · log π(cell).
    pub(crate) fn ascend(&mut self, optimizer: &mut Adam, mut weights: Vec<f64>) {
        softmax_pullback_rows(&mut weights, &self.log_probs, self.vocab);
        self.climb(optimizer, &weights);
    }

    /// One step of ascent along a gradient by the logits.
    pub(crate) fn climb(&mut self, optimizer: &mut Adam, gradient: &[f64]) {
        optimizer.ascend(&mut self.logits, gradient);
        self.log_probs.copy_from_slice(&self.logits);
        log_softmax_rows(&mut self.log_probs, self.vocab);
    }

    /// The log-probabilities of these rows.
    pub(crate) fn table(&self, rows: &[usize]) -> Vec<f64> {
        rows.iter().flat_map(|row| &self.log_probs[row * self.vocab..][..self.vocab]).copied().collect()
    }

    /// The largest −log π of a completion of up to `length` words, nats: no policy is farther from this one than it, for this prompt.
    pub(crate) fn farthest(&self, prompt: &[u32], length: usize) -> f64 {
        let rows = self.log_probs.len() / self.vocab;
        let mut behind = vec![0.0; rows];
        for _ in 0..length {
            let of_row = |row: usize| -> f64 {
                let word = |w: usize| {
                    let rest = if self.end == Some(w as u32) { 0.0 } else { behind[(row * self.vocab + w) % rows] };
                    rest - self.log_probs[row * self.vocab + w]
                };
                (0..self.vocab).map(word).fold(0.0, f64::max)
            };
            behind = (0..rows).map(of_row).collect();
        }
        behind[self.cell(prompt, 0) / self.vocab]
    }

    /// A weight of zero for every cell.
    pub(crate) fn no_weights(&self) -> Vec<f64> {
        vec![0.0; self.logits.len()]
    }

    /// Fresh Adam for this table.
    pub(crate) fn adam(&self, learning_rate: f64) -> Result<Adam> {
        Adam::new(learning_rate, self.logits.len())
    }
}

/// Where a table has each of an engine's contexts behind a prompt.
pub(crate) fn rows_of(ngrams: Ngrams, prompt: &[u32]) -> Vec<usize> {
    let mut rows = vec![0; ngrams.per_prompt()];
    let mut texts = vec![Vec::new()];
    while let Some(written) = texts.pop() {
        let text: Vec<u32> = prompt.iter().chain(&written).copied().collect();
        rows[ngrams.context(0, &written)] = row(ngrams.vocab, ngrams.order, &text);
        if written.len() < ngrams.order {
            texts.extend((0..ngrams.vocab as u32).map(|w| [&written[..], &[w]].concat()));
        }
    }
    rows
}

/// The last `order` words as a number.
fn row(vocab: usize, order: usize, text: &[u32]) -> usize {
    text[text.len() - order..].iter().fold(0, |row, w| row * vocab + *w as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sampled frequencies of the first word: 20 000 draws, |z| < 4.
    #[test]
    fn samples_follow_the_table() {
        let mut rng = Stream::named(&["tests", "markov", "samples"]);
        let mut logits = vec![0.0; 27];
        rng.fill_normal(1.0, &mut logits);
        let (writer, prompt, n) = (Markov::new(3, 2, logits), [0, 2], 20_000);
        let zeros = (0..n).filter(|_| writer.sample(&prompt, 1, &mut rng) == [0]).count() as f64;
        let p = writer.log_prob(writer.cell(&prompt, 0)).exp();
        let z = (zeros - f64::from(n) * p) / (f64::from(n) * p * (1.0 - p)).sqrt();
        assert!(z.abs() < 4.0, "{z}");
    }

    /// One is the writer itself, zero the limit, and of equal words zero takes the first.
    #[test]
    fn temperatures() {
        let writer = Markov::new(3, 0, vec![0.5, 1.0, 1.0]);
        let probs = |t: f64| [0, 1, 2].map(|w| writer.at_temperature(t).log_prob(w).exp());
        assert_eq!(probs(0.0), [0.0, 1.0, 0.0]);
        let (warm, half) = (probs(1.0), probs(0.5));
        assert!((warm[1] / warm[0] - 0.5_f64.exp()).abs() < 1e-12 && (half[1] / half[0] - 1.0_f64.exp()).abs() < 1e-12);
        assert!(probs(1e-3)[0] < 1e-200 && (probs(1e-3)[2] - 0.5).abs() < 1e-12);
        let ending = writer.clone().ending(Some(1)).at_temperature(0.0);
        assert_eq!(ending.sample(&[0], 5, &mut Stream::named(&["tests", "temperatures"])), [1]);
    }

    /// By enumeration of 3^3 completions.
    #[test]
    fn no_completion_is_farther() {
        let mut logits = vec![0.0; 27];
        Stream::named(&["tests", "markov", "farthest"]).fill_normal(1.0, &mut logits);
        let (writer, prompt) = (Markov::new(3, 2, logits), [1, 0]);
        let all = (0..27_u32).map(|code| [code / 9, code / 3 % 3, code % 3]);
        let most = all.map(|c| -writer.log_prob_of(&writer.cells(&prompt, &c))).fold(0.0, f64::max);
        assert!((writer.farthest(&prompt, 3) - most).abs() < 1e-12);
    }

    #[test]
    fn a_corpus_teaches_its_frequencies() {
        let corpus: [&[u32]; 2] = [&[0, 1, 2, 2], &[0, 1, 0]];
        let writer = Markov::of_corpus((3, 2), corpus, 1.0);
        let probs = [0, 1, 2].map(|w| writer.log_prob(writer.cell(&[0, 1], w)).exp());
        for (got, expected) in probs.iter().zip([0.4, 0.2, 0.4]) {
            assert!((got - expected).abs() < 1e-12);
        }
    }
}
