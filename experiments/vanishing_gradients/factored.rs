//! A policy over compound outputs whose parts have shared logits.

use rewardlab::policy::{Activation, Init, Mlp, Policy};
use rewardlab::rng::Stream;
use std::sync::Arc;

/// π(content, form | x) ∝ `exp(f_content(x)` + `g_form(x)`), f and g linear in the features, with biases.
///
/// Output number = content · `forms` + form. The head is one linear map to `contents + forms` logits; the logit of an
/// output is the sum of its two parts.
#[derive(Clone, Debug)]
pub(crate) struct Factored {
    head: Mlp,
    contents: usize,
    forms: usize,
    parts: Vec<f64>,
}

impl Factored {
    /// All parameters zero, over `features` (`prompts × dim`).
    pub(crate) fn zero(features: Arc<[f64]>, dim: usize, (contents, forms): (usize, usize)) -> Self {
        // a zero start draws nothing from the stream
        let mut unused = Stream::named(&[]);
        let head = Mlp::new(features, &[dim, contents + forms], Activation::Relu, Init::Zero, &mut unused);
        Self { head, contents, forms, parts: Vec::new() }
    }

    /// The same policy at other parameters.
    pub(crate) fn at(&self, params: &[f64]) -> Self {
        let mut policy = self.clone();
        policy.params_mut().copy_from_slice(params);
        policy
    }
}

impl Policy for Factored {
    fn contexts(&self) -> usize {
        self.head.contexts()
    }
    fn vocab(&self) -> usize {
        self.contents * self.forms
    }
    fn params(&self) -> &[f64] {
        self.head.params()
    }
    fn params_mut(&mut self) -> &mut [f64] {
        self.head.params_mut()
    }

    fn forward(&mut self, contexts: &[usize], logits: &mut [f64]) {
        let width = self.contents + self.forms;
        self.parts.resize(contexts.len() * width, 0.0);
        self.head.forward(contexts, &mut self.parts);
        for (row, parts) in logits.chunks_exact_mut(self.contents * self.forms).zip(self.parts.chunks_exact(width)) {
            let (of_content, of_form) = parts.split_at(self.contents);
            for (block, content) in row.chunks_exact_mut(self.forms).zip(of_content) {
                block.iter_mut().zip(of_form).for_each(|(logit, form)| *logit = content + form);
            }
        }
    }

    fn backward(&mut self, logit_weights: &[f64], grad: &mut [f64]) {
        let width = self.contents + self.forms;
        self.parts.fill(0.0);
        for (row, parts) in
            logit_weights.chunks_exact(self.contents * self.forms).zip(self.parts.chunks_exact_mut(width))
        {
            let (of_content, of_form) = parts.split_at_mut(self.contents);
            for (block, content) in row.chunks_exact(self.forms).zip(of_content) {
                *content = block.iter().sum();
                of_form.iter_mut().zip(block).for_each(|(form, weight)| *form += weight);
            }
        }
        self.head.backward(&self.parts, grad);
    }

    /// The linear head's Jacobian has Gram matrix (‖φ‖² + 1) I; summing parts multiplies the norm by the largest
    /// singular value of the incidence matrix of outputs and parts, √(contents + forms).
    fn jacobian_norm(&mut self, context: usize) -> f64 {
        self.head.jacobian_norm(context) * ((self.contents + self.forms) as f64).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Factored {
        let mut rng = Stream::named(&["factored"]);
        let mut features = vec![0.0; 6];
        rng.fill_normal(1.0, &mut features);
        let mut policy = Factored::zero(features.into(), 3, (3, 2));
        rng.fill_normal(0.5, policy.params_mut());
        policy
    }

    fn logits(policy: &mut Factored, context: usize) -> Vec<f64> {
        let mut out = vec![0.0; policy.vocab()];
        policy.forward(&[context], &mut out);
        out
    }

    #[test]
    fn backward_is_the_derivative_of_forward() {
        let mut policy = policy();
        let weights: Vec<f64> = (0..12).map(|i| f64::from(i * i % 7) - 2.5).collect();
        let mut out = vec![0.0; 12];
        policy.forward(&[1, 0], &mut out);
        let mut grad = vec![0.0; policy.params().len()];
        policy.backward(&weights, &mut grad);
        for (i, g) in grad.iter().enumerate() {
            let mut moved = |step: f64| {
                let mut p = policy.clone();
                p.params_mut()[i] += step;
                p.forward(&[1, 0], &mut out);
                rewardlab::num::dot(&out, &weights)
            };
            let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((g - difference).abs() < 1e-8, "parameter {i}: {g}, difference {difference}");
        }
    }

    #[test]
    fn jacobian_norm_is_reached_by_power_iteration() {
        let mut policy = policy();
        let mut direction = vec![1.0; policy.vocab()];
        let mut norm = 0.0;
        for _ in 0..200 {
            logits(&mut policy, 1);
            let mut grad = vec![0.0; policy.params().len()];
            policy.backward(&direction, &mut grad);
            // logits are linear in the parameters: J g is the forward pass at parameters g
            direction = logits(&mut policy.at(&grad), 1);
            norm = rewardlab::num::norm(&direction);
            direction.iter_mut().for_each(|d| *d /= norm);
        }
        assert!((policy.jacobian_norm(1) - norm.sqrt()).abs() < 1e-10);
    }
}
