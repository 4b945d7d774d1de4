//! Backward induction over a tree of outputs, one context at a time: for any vocabulary.

use crate::num::{dot, softmax_rows};

/// What is known of every context. Context s has the children 1 + s · vocab …: contexts or, behind the last context,
/// outputs.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    vocab: usize,
    /// π(a|s), `contexts × vocab`.
    probs: Vec<f64>,
    /// π(a|s) (Q(s, a) − V(s)).
    slopes: Vec<f64>,
    /// V(s) of every context, then the reward of every output, both less the origin.
    values: Vec<f64>,
    variances: Vec<f64>,
    entropies: Vec<f64>,
}

impl Rows {
    pub(super) fn new(vocab: usize, contexts: usize, outputs: usize) -> Self {
        Self {
            vocab,
            probs: vec![0.0; contexts * vocab],
            slopes: vec![0.0; contexts * vocab],
            values: vec![0.0; contexts + outputs],
            variances: vec![0.0; contexts],
            entropies: vec![0.0; contexts],
        }
    }

    /// Replaces logits by log-probabilities; returns the root's value less `origin`, variance and entropy.
    pub(super) fn roll_up(&mut self, rows: &mut [f64], rewards: &[f64], origin: f64) -> [f64; 3] {
        let (contexts, vocab) = (self.variances.len(), self.vocab);
        self.values[contexts..].iter_mut().zip(rewards).for_each(|(v, r)| *v = r - origin);
        softmax_rows(rows, &mut self.probs, vocab);
        for s in (0..contexts).rev() {
            let (row, children) = (s * vocab..(s + 1) * vocab, 1 + s * vocab..1 + (s + 1) * vocab);
            let (probs, q) = (&self.probs[row.clone()], &self.values[children.clone()]);
            let mean = dot(probs, q);
            let (mut variance, mut entropy) = (0.0, 0.0);
            let known = probs.iter().zip(q).zip(&rows[row.clone()]);
            for (((p, q), log_prob), slope) in known.zip(&mut self.slopes[row]) {
                let deviation = q - mean;
                *slope = p * deviation;
                variance += *slope * deviation;
                // 0 · (−∞) is 0
                entropy -= if *p > 0.0 { p * log_prob } else { 0.0 };
            }
            if children.end <= contexts {
                variance += dot(probs, &self.variances[children.clone()]);
                entropy += dot(probs, &self.entropies[children]);
            }
            (self.values[s], self.variances[s], self.entropies[s]) = (mean, variance, entropy);
        }
        [self.values[0], self.variances[0], self.entropies[0]]
    }

    /// Writes the probability of reaching each context and `scale` · ∂V/∂ logit of each context and token.
    pub(super) fn descend(&self, scale: f64, reach: &mut [f64], weights: &mut [f64]) {
        reach[0] = 1.0;
        for (s, probs) in self.probs.chunks_exact(self.vocab).enumerate() {
            let (here, below) = reach.split_at_mut((1 + s * self.vocab).min(self.variances.len()));
            below.iter_mut().zip(probs).for_each(|(r, p)| *r = here[s] * p);
        }
        let rows = weights.chunks_exact_mut(self.vocab).zip(self.slopes.chunks_exact(self.vocab));
        for ((weights, slopes), reach) in rows.zip(reach) {
            let share = scale * *reach;
            weights.iter_mut().zip(slopes).for_each(|(w, slope)| *w = share * slope);
        }
    }

    /// V(s) less the origin.
    pub(super) fn value(&self, s: usize) -> f64 {
        self.values[s]
    }
}
