//! Logits linear in shared parameters: f(s)_a = θ · φ(s, a).

use super::{Policy, linalg::largest_eigenvalue};
use crate::num::dot;

/// The log-linear policy with features φ(context, token) ∈ R^dim, shared over contexts.
#[derive(Clone, Debug)]
pub struct LogLinear {
    vocab: usize,
    features: Vec<f64>,
    params: Vec<f64>,
    last: Vec<usize>,
}

impl LogLinear {
    /// From features (`contexts × vocab × dim`, row-major) and parameters (`dim`).
    pub fn new(vocab: usize, features: Vec<f64>, params: Vec<f64>) -> Self {
        assert!(features.len() % (vocab * params.len()) == 0, "features must be whole blocks of vocab × dim");
        Self { vocab, features, params, last: Vec::new() }
    }

    fn block_of(&self, context: usize) -> &[f64] {
        let size = self.vocab * self.params.len();
        &self.features[context * size..][..size]
    }
}

impl Policy for LogLinear {
    fn contexts(&self) -> usize {
        self.features.len() / (self.vocab * self.params.len())
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
        let dim = self.params.len();
        for (&c, out) in contexts.iter().zip(logits.chunks_exact_mut(self.vocab)) {
            for (phi, o) in self.block_of(c).chunks_exact(dim).zip(out) {
                *o = dot(phi, &self.params);
            }
        }
    }
    fn backward(&mut self, logit_weights: &[f64], grad: &mut [f64]) {
        let dim = self.params.len();
        for (&c, w) in self.last.iter().zip(logit_weights.chunks_exact(self.vocab)) {
            for (phi, &w) in self.block_of(c).chunks_exact(dim).zip(w) {
                grad.iter_mut().zip(phi).for_each(|(g, p)| *g += w * p);
            }
        }
    }
    fn jacobian_norm(&mut self, context: usize) -> f64 {
        let (v, dim) = (self.vocab, self.params.len());
        let block = self.block_of(context);
        let mut gram = vec![0.0; v * v];
        for i in 0..v {
            for j in 0..=i {
                let g = dot(&block[i * dim..][..dim], &block[j * dim..][..dim]);
                gram[i * v + j] = g;
                gram[j * v + i] = g;
            }
        }
        largest_eigenvalue(&mut gram, v).sqrt()
    }
}
