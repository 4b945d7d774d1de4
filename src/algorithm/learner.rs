//! Gradient ascent of a mean over contexts.

use super::Optimizer;
use crate::error::{Error, Result};
use crate::num::norm;
use crate::policy::Policy;

/// A policy, its optimiser, and the buffers of a step.
#[derive(Debug)]
pub struct Learner<P, O> {
    /// The policy being trained.
    pub policy: P,
    /// What moves it.
    pub optimizer: O,
    log_probs: Vec<f64>,
    weights: Vec<f64>,
    grad: Vec<f64>,
}

/// What a step saw, before it moved.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Mean of the objective over the batch.
    pub objective: f64,
    /// ‖gradient of that mean‖₂.
    pub grad_norm: f64,
}

impl<P: Policy, O: Optimizer> Learner<P, O> {
    /// A learner at the policy's current parameters.
    pub fn new(policy: P, optimizer: O) -> Self {
        let grad = vec![0.0; policy.params().len()];
        Self { policy, optimizer, log_probs: Vec::new(), weights: Vec::new(), grad }
    }

    /// The mean objective over `contexts` and its gradient, without moving. `objective(context, log_probs, weights)`
    /// returns the context's value and adds its derivative (scale 1) to `weights`.
    pub fn gradient(
        &mut self,
        contexts: &[usize],
        mut objective: impl FnMut(usize, &[f64], &mut [f64]) -> f64,
    ) -> (f64, &[f64]) {
        let vocab = self.policy.vocab();
        self.log_probs.resize(contexts.len() * vocab, 0.0);
        self.policy.log_probs(contexts, &mut self.log_probs);
        self.weights.clear();
        self.weights.resize(contexts.len() * vocab, 0.0);
        let rows = self.log_probs.chunks_exact(vocab).zip(self.weights.chunks_exact_mut(vocab));
        let total: f64 = contexts.iter().zip(rows).map(|(&c, (lp, w))| objective(c, lp, w)).sum();
        let share = 1.0 / contexts.len() as f64;
        self.weights.iter_mut().for_each(|w| *w *= share);
        self.grad.fill(0.0);
        self.policy.backward_log_probs(&self.log_probs, &mut self.weights, &mut self.grad);
        (total * share, &self.grad)
    }

    /// One step of ascent on the mean objective over `contexts`.
    ///
    /// # Errors
    /// A gradient that is not finite: training diverged; the parameters stay as they were.
    pub fn step(
        &mut self,
        contexts: &[usize],
        objective: impl FnMut(usize, &[f64], &mut [f64]) -> f64,
    ) -> Result<Step> {
        let (value, grad) = self.gradient(contexts, objective);
        let grad_norm = norm(grad);
        if !grad_norm.is_finite() {
            return Err(Error::NotFinite { what: "gradient norm (training diverged)".into(), value: grad_norm });
        }
        self.optimizer.ascend(self.policy.params_mut(), &self.grad);
        Ok(Step { objective: value, grad_norm })
    }
}
