//! One logit per (context, token): nothing is shared.

use super::{Policy, consecutive};
use std::ops::Range;

/// The tabular softmax policy: parameters are the logits.
#[derive(Clone, Debug)]
pub struct Tabular {
    vocab: usize,
    params: Vec<f64>,
    last: Vec<usize>,
}

impl Tabular {
    /// All logits zero: uniform everywhere.
    pub fn uniform(contexts: usize, vocab: usize) -> Self {
        Self::from_logits(vocab, vec![0.0; contexts * vocab])
    }

    /// From logits, `contexts × vocab` row-major.
    pub fn from_logits(vocab: usize, logits: Vec<f64>) -> Self {
        assert!(vocab > 0 && logits.len().is_multiple_of(vocab), "logits must be whole rows of {vocab}");
        Self { vocab, params: logits, last: Vec::new() }
    }
}

impl Policy for Tabular {
    fn contexts(&self) -> usize {
        self.params.len() / self.vocab
    }
    fn vocab(&self) -> usize {
        self.vocab
    }
    fn params(&self) -> &[f64] {
        &self.params
    }
    fn params_mut(&mut self) -> &mut [f64] {
        &mut self.params
    }
    fn forward(&mut self, contexts: &[usize], logits: &mut [f64]) {
        self.last.clear();
        self.last.extend_from_slice(contexts);
        if let Some(first) = consecutive(contexts) {
            logits.copy_from_slice(&self.params[first * self.vocab..][..logits.len()]);
            return;
        }
        for (&c, out) in contexts.iter().zip(logits.chunks_exact_mut(self.vocab)) {
            out.copy_from_slice(&self.params[c * self.vocab..][..self.vocab]);
        }
    }
    fn backward(&mut self, logit_weights: &[f64], grad: &mut [f64]) {
        let add = |grad: &mut [f64], w: &[f64]| grad.iter_mut().zip(w).for_each(|(g, w)| *g += w);
        if let Some(first) = consecutive(&self.last) {
            return add(&mut grad[first * self.vocab..], logit_weights);
        }
        for (&c, w) in self.last.iter().zip(logit_weights.chunks_exact(self.vocab)) {
            add(&mut grad[c * self.vocab..], w);
        }
    }
    /// The Jacobian is a row of the identity: 1.
    fn jacobian_norm(&mut self, _context: usize) -> f64 {
        1.0
    }
    fn largest_jacobian_norm(&mut self, contexts: Range<usize>) -> f64 {
        if contexts.is_empty() { 0.0 } else { 1.0 }
    }
}
