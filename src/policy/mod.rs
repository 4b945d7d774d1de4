//! Softmax policies over a finite vocabulary: tabular, log-linear, MLP, transformer.

mod jacobian;
mod log_linear;
mod mlp;
mod tabular;
mod transformer;

pub use log_linear::LogLinear;
pub use mlp::{Activation, Init, Mlp};
pub use tabular::Tabular;
pub use transformer::Transformer;

use crate::num;
use std::ops::Range;

/// A differentiable map from a context (an index) to next-token logits.
///
/// A context is a prompt in a bandit and (prompt, prefix) in a token world; the world numbers them.
pub trait Policy {
    /// How many contexts the policy knows.
    fn contexts(&self) -> usize;
    /// How many tokens (outputs, in a bandit) it chooses among.
    fn vocab(&self) -> usize;
    /// All parameters, flat.
    fn params(&self) -> &[f64];
    /// All parameters, for an optimiser.
    fn params_mut(&mut self) -> &mut [f64];
    /// Writes the logits of `contexts`, one row of `vocab` each, and remembers what `backward` needs.
    ///
    /// # Shapes
    /// `logits`: `contexts.len() × vocab`, row-major.
    fn forward(&mut self, contexts: &[usize], logits: &mut [f64]);
    /// Adds to `grad` the gradient of Σ `logit_weights` · logits, for the contexts of the last [`Policy::forward`].
    ///
    /// # Shapes
    /// `logit_weights`: as the logits of the last forward; `grad`: as [`Policy::params`].
    fn backward(&mut self, logit_weights: &[f64], grad: &mut [f64]);
    /// ‖∂ logits(context) / ∂ params‖₂, the spectral norm of the logits' Jacobian at one context.
    fn jacobian_norm(&mut self, context: usize) -> f64;

    /// The largest [`Policy::jacobian_norm`] over consecutive contexts; 0 if there are none.
    fn largest_jacobian_norm(&mut self, contexts: Range<usize>) -> f64 {
        contexts.map(|c| self.jacobian_norm(c)).fold(0.0, |m, n| if n <= m { m } else { n })
    }

    /// Writes the log-probabilities of every token in each of `contexts`; shapes as in [`Policy::forward`].
    fn log_probs(&mut self, contexts: &[usize], out: &mut [f64]) {
        self.forward(contexts, out);
        num::log_softmax_rows(out, self.vocab());
    }

    /// Adds to `grad` the gradient of Σ `weights` · log-probability, given the log-probabilities that the last
    /// [`Policy::log_probs`] wrote. `weights` is used up as scratch.
    fn backward_log_probs(&mut self, log_probs: &[f64], weights: &mut [f64], grad: &mut [f64]) {
        num::softmax_pullback_rows(weights, log_probs, self.vocab());
        self.backward(weights, grad);
    }
}

/// The first of `contexts` if each is the successor of the one before it: then their rows lie side by side.
fn consecutive(contexts: &[usize]) -> Option<usize> {
    let first = *contexts.first()?;
    contexts.iter().enumerate().all(|(i, &c)| c == first + i).then_some(first)
}
