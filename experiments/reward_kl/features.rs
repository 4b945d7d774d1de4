//! The unconstrained-features model of arXiv:2410.08847: tokens have unembeddings W, every context a hidden embedding h
//! of its own, and the logits of a context are W h. Both are trained.

use rewardlab::num::{dot, log_softmax};
use rewardlab::rng::Stream;

/// What the unembeddings are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unembeddings {
    /// Random and trained, as the hidden embeddings.
    Trained,
    /// Random, and they stay.
    Given,
    /// The unit vectors, and they stay: then h are logits, and nothing is shared (tabular).
    Unit,
}

/// Sizes of a model and what of it is trained; parameters are flat: `contexts × dim` hidden embeddings, then `vocab × dim`
/// unembeddings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Features {
    pub(crate) contexts: usize,
    pub(crate) vocab: usize,
    pub(crate) dim: usize,
    pub(crate) unembeddings: Unembeddings,
}

/// A completion: the context in which each token is written, and the token.
pub(crate) type Path = Vec<(usize, usize)>;

impl Features {
    /// Standard normal embeddings.
    pub(crate) fn random(&self, rng: &mut Stream) -> Vec<f64> {
        let mut params = vec![0.0; (self.contexts + self.vocab) * self.dim];
        rng.fill_normal(1.0, &mut params);
        if self.unembeddings == Unembeddings::Unit {
            assert_eq!(self.dim, self.vocab, "a logit per token");
            for (i, w) in params[self.contexts * self.dim..].iter_mut().enumerate() {
                *w = f64::from(u8::from(i / self.dim == i % self.dim));
            }
        }
        params
    }

    /// h of a context.
    pub(crate) fn hidden<'a>(&self, params: &'a [f64], context: usize) -> &'a [f64] {
        &params[context * self.dim..][..self.dim]
    }

    /// W of a token.
    pub(crate) fn unembedding<'a>(&self, params: &'a [f64], token: usize) -> &'a [f64] {
        &params[(self.contexts + token) * self.dim..][..self.dim]
    }

    /// log π of all tokens in a context.
    pub(crate) fn log_probs(&self, params: &[f64], context: usize) -> Vec<f64> {
        let hidden = self.hidden(params, context);
        let mut logits: Vec<f64> = (0..self.vocab).map(|z| dot(self.unembedding(params, z), hidden)).collect();
        log_softmax(&mut logits);
        logits
    }

    /// log π of a completion.
    pub(crate) fn log_prob(&self, params: &[f64], path: &[(usize, usize)]) -> f64 {
        path.iter().map(|&(context, token)| self.log_probs(params, context)[token]).sum()
    }

    /// Adds `scale` · ∇ log π of a completion.
    pub(crate) fn add_gradient(&self, params: &[f64], path: &[(usize, usize)], scale: f64, gradient: &mut [f64]) {
        for &(context, token) in path {
            let log_probs = self.log_probs(params, context);
            for (z, lp) in log_probs.iter().enumerate() {
                // ∂ log π(token)/∂ logit z
                let slope = scale * (f64::from(u8::from(z == token)) - lp.exp());
                for k in 0..self.dim {
                    gradient[context * self.dim + k] += slope * self.unembedding(params, z)[k];
                    if self.unembeddings == Unembeddings::Trained {
                        gradient[(self.contexts + z) * self.dim + k] += slope * self.hidden(params, context)[k];
                    }
                }
            }
        }
    }

    /// Makes a pair's rejected completion like its chosen one: hidden embeddings of contexts that the two do not share get the
    /// correlation `similarity` in [0, 1) with their counterparts', and with that probability their token; where they share all
    /// contexts, the unembeddings of their tokens get the correlation.
    pub(crate) fn liken(
        &self,
        params: &mut [f64],
        chosen: &Path,
        rejected: &mut Path,
        similarity: f64,
        rng: &mut Stream,
    ) {
        let rest = (1.0 - similarity * similarity).sqrt();
        let mut blend = |from: usize, to: usize| {
            for k in 0..self.dim {
                params[to * self.dim + k] = similarity * params[from * self.dim + k] + rest * params[to * self.dim + k];
            }
        };
        let mut shared = true;
        for (own, other) in chosen.iter().zip(rejected.iter_mut()).filter(|(c, r)| c.0 != r.0) {
            shared = false;
            blend(own.0, other.0);
            if rng.uniform() < similarity {
                other.1 = own.1;
            }
        }
        if shared && similarity > 0.0 {
            chosen.iter().zip(rejected).for_each(|(c, r)| blend(self.contexts + c.1, self.contexts + r.1));
        }
    }

    /// Σ h over a completion's contexts.
    fn sum_of_hidden(&self, params: &[f64], path: &[(usize, usize)]) -> Vec<f64> {
        let mut sum = vec![0.0; self.dim];
        for &(context, _) in path {
            sum.iter_mut().zip(self.hidden(params, context)).for_each(|(s, h)| *s += h);
        }
        sum
    }

    /// The centred hidden embedding similarity of chosen and rejected (CHES), ⟨Σh⁺, Σh⁻⟩ − ‖Σh⁺‖²; and with each term divided by
    /// the lengths (Definitions 2 and 3 of arXiv:2410.08847).
    pub(crate) fn ches(&self, params: &[f64], chosen: &Path, rejected: &Path) -> (f64, f64) {
        let (of_chosen, of_rejected) = (self.sum_of_hidden(params, chosen), self.sum_of_hidden(params, rejected));
        let (cross, own) = (dot(&of_chosen, &of_rejected), dot(&of_chosen, &of_chosen));
        let (m, n) = (chosen.len() as f64, rejected.len() as f64);
        (cross - own, cross / (m * n) - own / (m * m))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_are_the_derivative() {
        for unembeddings in [Unembeddings::Trained, Unembeddings::Given, Unembeddings::Unit] {
            let dim = if unembeddings == Unembeddings::Unit { 4 } else { 2 };
            let model = Features { contexts: 3, vocab: 4, dim, unembeddings };
            let params = model.random(&mut Stream::named(&["tests", "features"]));
            let path = vec![(0, 2), (1, 0), (2, 2)];
            let mut gradient = vec![0.0; params.len()];
            model.add_gradient(&params, &path, 1.0, &mut gradient);
            let trained = if unembeddings == Unembeddings::Trained { params.len() } else { 3 * dim };
            for k in 0..trained {
                let at = |step: f64| {
                    let mut moved = params.clone();
                    moved[k] += step;
                    model.log_prob(&moved, &path)
                };
                assert!((gradient[k] - (at(1e-5) - at(-1e-5)) / 2e-5).abs() < 1e-8, "{k}");
            }
            assert!(gradient[trained..].iter().all(|g| *g == 0.0));
        }
    }
}
