//! The unconstrained-features model of arXiv:2410.08847: tokens have unembeddings W, every context a hidden embedding h
//! of its own, and the logits of a context are W h. Both are trained.

use rewardlab::num::{dot, log_softmax};
use rewardlab::rng::Stream;

/// Sizes of a model and what of it is trained; parameters are flat: `contexts × dim` hidden embeddings, then `vocab × dim`
/// unembeddings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Features {
    pub(crate) contexts: usize,
    pub(crate) vocab: usize,
    pub(crate) dim: usize,
    /// Unembeddings are the unit vectors and stay: then h are logits, and nothing is shared (tabular).
    pub(crate) tabular: bool,
}

/// A completion: the context in which each token is written, and the token.
pub(crate) type Path = Vec<(usize, usize)>;

impl Features {
    /// Standard normal embeddings.
    pub(crate) fn random(&self, rng: &mut Stream) -> Vec<f64> {
        let mut params = vec![0.0; (self.contexts + self.vocab) * self.dim];
        rng.fill_normal(1.0, &mut params);
        if self.tabular {
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
                    if !self.tabular {
                        gradient[(self.contexts + z) * self.dim + k] += slope * self.hidden(params, context)[k];
                    }
                }
            }
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
        for tabular in [false, true] {
            let model = Features { contexts: 3, vocab: 4, dim: if tabular { 4 } else { 2 }, tabular };
            let params = model.random(&mut Stream::named(&["tests", "features"]));
            let path = vec![(0, 2), (1, 0), (2, 2)];
            let mut gradient = vec![0.0; params.len()];
            model.add_gradient(&params, &path, 1.0, &mut gradient);
            let trained = if tabular { 12 } else { params.len() };
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
