//! Values, moments and policy gradients on the tree of outputs, by one backward pass.

use crate::env::{Tree, World};
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
#[derive(Clone, Debug)]
pub struct Engine {
    tree: Tree,
    contexts: Vec<usize>,
    /// Log-probabilities of every context of the current prompt, `prefixes × vocab`.
    log_probs: Vec<f64>,
    probs: Vec<f64>,
    /// Expected reward and expected squared deviation below each context.
    value: Vec<f64>,
    second: Vec<f64>,
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
            value: vec![0.0; p],
            second: vec![0.0; p],
            entropy: vec![0.0; p],
            reach: vec![0.0; p],
            weights: vec![0.0; p * v],
        }
    }

    /// Value, reward std and entropy of one prompt.
    pub fn stats(&mut self, policy: &mut impl Policy, world: &World, prompt: usize) -> PromptStats {
        self.contexts.clear();
        self.contexts.extend(self.tree.contexts_of(prompt));
        policy.log_probs(&self.contexts, &mut self.log_probs);
        self.probs.iter_mut().zip(&self.log_probs).for_each(|(p, lp)| *p = lp.exp());
        self.roll_up(world.rewards(prompt));
        PromptStats { value: self.value[0], reward_std: self.second[0].max(0.0).sqrt(), entropy: self.entropy[0] }
    }

    /// Backward induction. `second` holds the variance of the reward below a context: the variance of the children's
    /// values plus the mean of the children's variances, which never subtracts two large numbers.
    fn roll_up(&mut self, rewards: &[f64]) {
        let Tree { vocab, length, .. } = self.tree;
        for depth in (0..length).rev() {
            let (start, below) = (self.tree.level_start(depth), self.tree.level_start(depth + 1));
            for code in 0..vocab.pow(depth as u32) {
                let s = start + code;
                let probs = &self.probs[s * vocab..][..vocab];
                let log_probs = &self.log_probs[s * vocab..][..vocab];
                let leaf = depth + 1 == length;
                let child = |a: usize| below + code * vocab + a;
                let value_of = |a: usize| if leaf { rewards[code * vocab + a] } else { self.value[child(a)] };
                let mean: f64 = (0..vocab).map(|a| probs[a] * value_of(a)).sum();
                let (mut variance, mut entropy) = (0.0, 0.0);
                for a in 0..vocab {
                    let deviation = value_of(a) - mean;
                    variance += probs[a] * deviation * deviation;
                    if probs[a] > 0.0 {
                        entropy -= probs[a] * log_probs[a];
                    }
                    if !leaf {
                        variance += probs[a] * self.second[child(a)];
                        entropy += probs[a] * self.entropy[child(a)];
                    }
                }
                self.value[s] = mean;
                self.second[s] = variance;
                self.entropy[s] = entropy;
            }
        }
    }

    /// Adds `scale` · ∇_θ V(x; θ) to `grad` and returns the prompt's statistics.
    ///
    /// # Formula
    /// ∂V/∂ logit(s, a) = P(s) π(a|s) (Q(s, a) − V(s)), chained through the policy's Jacobian.
    pub fn policy_gradient(
        &mut self,
        policy: &mut impl Policy,
        world: &World,
        prompt: usize,
        scale: f64,
        grad: &mut [f64],
    ) -> PromptStats {
        let stats = self.stats(policy, world, prompt);
        let Tree { vocab, length, .. } = self.tree;
        let rewards = world.rewards(prompt);
        self.reach[0] = 1.0;
        for depth in 0..length {
            let (start, below) = (self.tree.level_start(depth), self.tree.level_start(depth + 1));
            for code in 0..vocab.pow(depth as u32) {
                let s = start + code;
                for a in 0..vocab {
                    let through = self.reach[s] * self.probs[s * vocab + a];
                    let q = if depth + 1 == length {
                        rewards[code * vocab + a]
                    } else {
                        let child = below + code * vocab + a;
                        self.reach[child] = through;
                        self.value[child]
                    };
                    self.weights[s * vocab + a] = scale * through * (q - self.value[s]);
                }
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
            // the numbering by level makes 1 + s · vocab the first child of s; outputs follow the last context
            for (a, advantage) in row.iter_mut().enumerate() {
                let child = 1 + s * vocab + a;
                let q = if child < prefixes { self.value[child] } else { rewards[child - prefixes] };
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
    pub fn jacobian_norm(&self, policy: &mut impl Policy, prompt: usize) -> f64 {
        self.tree.contexts_of(prompt).map(|c| policy.jacobian_norm(c)).fold(0.0, f64::max)
    }
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
