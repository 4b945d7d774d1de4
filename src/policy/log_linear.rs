//! Logits linear in shared parameters: f(s)_a = θ · φ(s, a).

use super::{Policy, consecutive, linalg::largest_eigenvalue};
use crate::num::Window;

/// The log-linear policy with features φ(context, token) ∈ R^dim, shared over contexts.
#[derive(Clone, Debug)]
pub struct LogLinear {
    vocab: usize,
    /// Contexts × vocab.
    rows: usize,
    /// `dim × rows`: one plane per feature, so that the logits of neighbouring contexts are worked side
    /// by side however small `dim` is.
    planes: Vec<f64>,
    params: Vec<f64>,
    /// Jacobian norms, which do not depend on the parameters, once they have been asked for.
    norms: Vec<Option<f64>>,
    last: Vec<usize>,
}

impl LogLinear {
    /// From features (`contexts × vocab × dim`, row-major) and parameters (`dim`).
    pub fn new(vocab: usize, features: impl AsRef<[f64]>, params: Vec<f64>) -> Self {
        let (features, dim) = (features.as_ref(), params.len());
        assert!(features.len() % (vocab * dim) == 0, "features must be whole blocks of vocab × dim");
        let rows = features.len() / dim;
        let planes = (0..dim).flat_map(|k| (0..rows).map(move |row| features[row * dim + k])).collect();
        Self { vocab, rows, planes, params, norms: vec![None; rows / vocab], last: Vec::new() }
    }

    /// The features of `count` neighbouring contexts.
    fn window(&self, first: usize, count: usize) -> Window<'_> {
        Window::new(&self.planes, self.rows, first * self.vocab..(first + count) * self.vocab)
    }
}

impl Policy for LogLinear {
    fn contexts(&self) -> usize {
        self.rows / self.vocab
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
            return self.window(first, contexts.len()).combine(&self.params, logits);
        }
        for (&c, out) in contexts.iter().zip(logits.chunks_exact_mut(self.vocab)) {
            self.window(c, 1).combine(&self.params, out);
        }
    }
    fn backward(&mut self, logit_weights: &[f64], grad: &mut [f64]) {
        if let Some(first) = consecutive(&self.last) {
            return self.window(first, self.last.len()).accumulate_dots(logit_weights, grad);
        }
        for (&c, w) in self.last.iter().zip(logit_weights.chunks_exact(self.vocab)) {
            self.window(c, 1).accumulate_dots(w, grad);
        }
    }
    fn jacobian_norm(&mut self, context: usize) -> f64 {
        if let Some(norm) = self.norms[context] {
            return norm;
        }
        let v = self.vocab;
        let mut gram = vec![0.0; v * v];
        for plane in self.planes.chunks_exact(self.rows) {
            let phi = &plane[context * v..][..v];
            for (row, a) in gram.chunks_exact_mut(v).zip(phi) {
                row.iter_mut().zip(phi).for_each(|(g, b)| *g += a * b);
            }
        }
        let norm = largest_eigenvalue(&mut gram, v).sqrt();
        self.norms[context] = Some(norm);
        norm
    }
}
