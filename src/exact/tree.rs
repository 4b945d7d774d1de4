//! Values, moments and policy gradients on the tree of outputs, by one backward pass.

use super::packed::{Packed, VOCAB_MAX};
use super::rows::Rows;
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

/// What is known of every context, in one of two layouts.
#[derive(Clone, Debug)]
enum Nodes {
    Packed(Packed),
    Rows(Rows),
}

impl Nodes {
    fn new(tree: Tree) -> Self {
        if tree.vocab <= VOCAB_MAX {
            Self::Packed(Packed::new(tree.vocab, tree.length))
        } else {
            Self::Rows(Rows::new(tree.vocab, tree.prefixes(), tree.outputs()))
        }
    }

    fn roll_up(&mut self, rows: &mut [f64], rewards: &[f64], origin: f64) -> [f64; 3] {
        match self {
            Self::Packed(nodes) => nodes.roll_up(rows, rewards, origin),
            Self::Rows(nodes) => nodes.roll_up(rows, rewards, origin),
        }
    }

    fn descend(&self, scale: f64, reach: &mut [f64], weights: &mut [f64]) {
        match self {
            Self::Packed(nodes) => nodes.descend(scale, reach, weights),
            Self::Rows(nodes) => nodes.descend(scale, reach, weights),
        }
    }

    fn value(&self, s: usize) -> f64 {
        match self {
            Self::Packed(nodes) => nodes.value(s),
            Self::Rows(nodes) => nodes.value(s),
        }
    }
}

/// Reusable buffers for exact computations on trees of one shape.
#[derive(Clone, Debug)]
pub struct Engine {
    tree: Tree,
    contexts: Vec<usize>,
    /// Logits of every context of the current prompt, then their log-probabilities, `prefixes × vocab`.
    log_probs: Vec<f64>,
    nodes: Nodes,
    /// The reward of the output that the policy reaches greedily. Values in `nodes` are measured from it, so that
    /// r − V keeps its digits when nearly all the mass has the same reward.
    origin: f64,
    reach: Vec<f64>,
    weights: Vec<f64>,
}

impl Engine {
    /// Buffers for this shape.
    pub fn new(tree: Tree) -> Self {
        let (prefixes, vocab) = (tree.prefixes(), tree.vocab);
        Self {
            tree,
            contexts: Vec::with_capacity(prefixes),
            log_probs: vec![0.0; prefixes * vocab],
            nodes: Nodes::new(tree),
            origin: 0.0,
            reach: vec![0.0; prefixes],
            weights: vec![0.0; prefixes * vocab],
        }
    }

    /// Value, reward std and entropy of one prompt.
    pub fn stats(&mut self, policy: &mut (impl Policy + ?Sized), world: &World, prompt: usize) -> PromptStats {
        self.contexts.clear();
        self.contexts.extend(self.tree.contexts_of(prompt));
        policy.forward(&self.contexts, &mut self.log_probs);
        let rewards = world.rewards(prompt);
        self.origin = rewards[self.greedy_output()];
        let [above, variance, entropy] = self.nodes.roll_up(&mut self.log_probs, rewards, self.origin);
        PromptStats { value: self.origin + above, reward_std: variance.max(0.0).sqrt(), entropy }
    }

    /// The output whose every token has its context's largest logit.
    fn greedy_output(&self) -> usize {
        let vocab = self.tree.vocab;
        let mut node = 0;
        for _ in 0..self.tree.length {
            let logits = &self.log_probs[node * vocab..][..vocab];
            let best = (1..vocab).fold(0, |best, a| if logits[a] > logits[best] { a } else { best });
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
        self.nodes.descend(scale, &mut self.reach, &mut self.weights);
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
            let value = self.nodes.value(s);
            // the numbering by level makes 1 + s · vocab the first child of s; outputs follow the last context
            for (a, advantage) in row.iter_mut().enumerate() {
                let child = 1 + s * vocab + a;
                let leaf = |output: usize| rewards[output] - self.origin;
                *advantage = if child < prefixes { self.nodes.value(child) } else { leaf(child - prefixes) } - value;
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
