//! Values, moments and policy gradients on the tree of outputs, by one backward pass.

use crate::env::{Tree, World};
use crate::num::softmax_rows;
use crate::policy::Policy;

/// What is known exactly about one prompt under one policy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PromptStats {
    /// V(x; θ), the expected reward.
    pub value: f64,
    /// STD of the reward over the policy's outputs.
    pub reward_std: f64,
    /// Entropy of the output distribution, nats.
    pub entropy: f64,
}

/// Reusable buffers for exact computations on trees of one shape.
///
/// Contexts are numbered by level, so the children of context s (contexts, or outputs behind the last context) are
/// the numbers 1 + s · vocab …: every pass over the tree is one loop over s, upwards or downwards.
#[derive(Clone, Debug)]
pub struct Engine {
    tree: Tree,
    contexts: Vec<usize>,
    /// Log-probabilities and probabilities of every context of the current prompt, `prefixes × vocab`.
    log_probs: Vec<f64>,
    probs: Vec<f64>,
    /// Expected reward below each context, then the reward of each output, less `origin`.
    value: Vec<f64>,
    /// The reward of the output that the policy reaches greedily. Rewards are measured from it, so that r − V keeps
    /// its digits when nearly all the mass has the same reward.
    origin: f64,
    /// Variance of the reward below each context, and entropy of what follows it.
    variance: Vec<f64>,
    entropy: Vec<f64>,
    reach: Vec<f64>,
    weights: Vec<f64>,
}

impl Engine {
    /// Buffers for this shape.
    pub fn new(tree: Tree) -> Self {
        let (p, v) = (tree.prefixes(), tree.vocab);
        Self {
            tree,
            contexts: Vec::with_capacity(p),
            log_probs: vec![0.0; p * v],
            probs: vec![0.0; p * v],
            value: vec![0.0; p + tree.outputs()],
            origin: 0.0,
            variance: vec![0.0; p],
            entropy: vec![0.0; p],
            reach: vec![0.0; p],
            weights: vec![0.0; p * v],
        }
    }

    /// Value, reward std and entropy of one prompt.
    pub fn stats(&mut self, policy: &mut (impl Policy + ?Sized), world: &World, prompt: usize) -> PromptStats {
        self.contexts.clear();
        self.contexts.extend(self.tree.contexts_of(prompt));
        policy.forward(&self.contexts, &mut self.log_probs);
        softmax_rows(&mut self.log_probs, &mut self.probs, self.tree.vocab);
        self.roll_up(world.rewards(prompt));
        PromptStats {
            value: self.origin + self.value[0],
            reward_std: self.variance[0].max(0.0).sqrt(),
            entropy: self.entropy[0],
        }
    }

    /// Backward induction. The variance below a context is that of the children's values plus the mean of the
    /// children's variances, which never subtracts two large numbers.
    fn roll_up(&mut self, rewards: &[f64]) {
        let (vocab, prefixes) = (self.tree.vocab, self.tree.prefixes());
        self.origin = rewards[self.greedy_output()];
        let (below, leaves) = self.value.split_at_mut(prefixes);
        leaves.iter_mut().zip(rewards).for_each(|(v, r)| *v = r - self.origin);
        let last_level = self.tree.level_start(self.tree.length - 1);
        let rows = self.probs.chunks_exact(vocab).zip(self.log_probs.chunks_exact(vocab));
        let outcomes = leaves.chunks_exact(vocab);
        for (i, ((p, lp), q)) in rows.skip(last_level).zip(outcomes).enumerate() {
            let s = last_level + i;
            (below[s], self.variance[s], self.entropy[s]) = moments(p, lp, q);
        }
        for s in (0..last_level).rev() {
            let (row, children) = (s * vocab..(s + 1) * vocab, 1 + s * vocab..1 + (s + 1) * vocab);
            let p = &self.probs[row.clone()];
            let (mean, mut variance, mut entropy) = moments(p, &self.log_probs[row], &below[children.clone()]);
            for (p, child) in p.iter().zip(children) {
                variance += p * self.variance[child];
                entropy += p * self.entropy[child];
            }
            (below[s], self.variance[s], self.entropy[s]) = (mean, variance, entropy);
        }
    }

    /// The output whose every token is its context's most probable.
    fn greedy_output(&self) -> usize {
        let vocab = self.tree.vocab;
        let mut node = 0;
        for _ in 0..self.tree.length {
            let probs = &self.probs[node * vocab..][..vocab];
            let best = (1..vocab).fold(0, |best, a| if probs[a] > probs[best] { a } else { best });
            node = 1 + node * vocab + best;
        }
        node - self.tree.prefixes()
    }

    /// Adds `scale` · ∇_θ V(x; θ) to `grad` and returns the prompt's statistics.
    ///
    /// # Formula
    /// ∂V/∂ logit(s, a) = P(s) π(a|s) (Q(s, a) − V(s)), chained through the policy's Jacobian.
    pub fn policy_gradient(
        &mut self,
        policy: &mut (impl Policy + ?Sized),
        world: &World,
        prompt: usize,
        scale: f64,
        grad: &mut [f64],
    ) -> PromptStats {
        let stats = self.stats(policy, world, prompt);
        let (vocab, inner) = (self.tree.vocab, self.tree.level_start(self.tree.length - 1));
        self.reach[0] = 1.0;
        for s in 0..inner {
            let (here, below) = self.reach.split_at_mut(1 + s * vocab);
            let through = self.probs[s * vocab..].iter().map(|p| here[s] * p);
            below[..vocab].iter_mut().zip(through).for_each(|(r, t)| *r = t);
        }
        let (values, children) = (&self.value, self.value[1..].chunks_exact(vocab));
        let rows = self.weights.chunks_exact_mut(vocab).zip(self.probs.chunks_exact(vocab));
        for ((w, p), (q, (reach, v))) in rows.zip(children.zip(self.reach.iter().zip(values))) {
            let share = scale * reach;
            for ((w, p), q) in w.iter_mut().zip(p).zip(q) {
                *w = share * p * (q - v);
            }
        }
        policy.backward(&self.weights, grad);
        stats
    }

    /// Writes A(s, a) = Q(s, a) − V(s) for the prompt of the last [`Engine::stats`] or [`Engine::policy_gradient`];
    /// finite also where the policy never goes.
    ///
    /// # Shapes
    /// `out`: `prefixes × vocab`, row-major.
    pub fn advantages(&self, world: &World, prompt: usize, out: &mut [f64]) {
        let (vocab, prefixes, rewards) = (self.tree.vocab, self.tree.prefixes(), world.rewards(prompt));
        assert_eq!(out.len(), prefixes * vocab, "one advantage per context and token");
        for (s, row) in out.chunks_exact_mut(vocab).enumerate() {
            for (a, advantage) in row.iter_mut().enumerate() {
                let child = 1 + s * vocab + a;
                let q = if child < prefixes { self.value[child] } else { rewards[child - prefixes] - self.origin };
                *advantage = q - self.value[s];
            }
        }
    }

    /// log π(a|s) of every context of the prompt that was seen last, `prefixes × vocab`.
    pub fn log_probs(&self) -> &[f64] {
        &self.log_probs
    }

    /// P(s), the probability of reaching each context of the prompt that [`Engine::policy_gradient`] saw last.
    pub fn reach(&self) -> &[f64] {
        &self.reach
    }

    /// γ(x; θ): the largest Jacobian norm over the prompt's contexts.
    pub fn jacobian_norm(&self, policy: &mut (impl Policy + ?Sized), prompt: usize) -> f64 {
        policy.largest_jacobian_norm(self.tree.contexts_of(prompt))
    }
}

/// Mean and variance of the values `q`, and the entropy, under one context's distribution.
fn moments(probs: &[f64], log_probs: &[f64], q: &[f64]) -> (f64, f64, f64) {
    let mean: f64 = probs.iter().zip(q).map(|(p, q)| p * q).sum();
    let (mut variance, mut entropy) = (0.0, 0.0);
    for ((p, lp), q) in probs.iter().zip(log_probs).zip(q) {
        let deviation = q - mean;
        variance += p * deviation * deviation;
        // 0 · (−∞) is 0
        entropy -= if *p > 0.0 { p * lp } else { 0.0 };
    }
    (mean, variance, entropy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::relative_error;
    use crate::policy::Tabular;

    #[test]
    fn advantages_and_reach_by_hand() {
        // two tokens, two steps, uniform policy: V(root) = (0 + 1 + 2 + 5)/4 = 2, V(0) = 1/2, V(1) = 7/2
        let tree = Tree { prompts: 1, vocab: 2, length: 2 };
        let world = World::new(tree, vec![0.0, 1.0, 2.0, 5.0]).expect("legal");
        let mut engine = Engine::new(tree);
        let mut policy = Tabular::uniform(3, 2);
        engine.policy_gradient(&mut policy, &world, 0, 1.0, &mut [0.0; 6]);
        let mut advantages = [0.0; 6];
        engine.advantages(&world, 0, &mut advantages);
        assert!(relative_error(&advantages, &[-1.5, 1.5, -0.5, 0.5, -1.5, 1.5]) < 1e-15);
        assert!(relative_error(engine.reach(), &[1.0, 0.5, 0.5]) < 1e-15);
        assert!(engine.log_probs().iter().all(|lp| (lp + 2.0_f64.ln()).abs() < 1e-15));
    }
}
