//! Token worlds read by an automaton, under policies that see the last k tokens: exact by dynamic programming over
//! (tokens left, automaton state, last k tokens), where the outputs are far too many to enumerate.
//!
//! Every expectation of a sum over steps satisfies U(h, n) = Σ π(a|n) (ℓ(n, a) + U(h − 1, n·a)), with h the tokens that
//! may still come, n = (state, context) and ℓ the step's term: the reward, −log π, log π − log `π_ref`, or 1.

use crate::env::{Ngrams, TokenWorld};
use crate::num::{exp_into, log_sum_exp};
use crate::policy::Policy;

mod outcomes;

pub use outcomes::{Differences, Outcomes};

/// What is known exactly about one prompt under one policy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SequenceStats {
    /// V(x; θ), the expected reward.
    pub value: f64,
    /// STD of the reward over the policy's outputs.
    pub reward_std: f64,
    /// Entropy of the distribution over whole outputs, nats.
    pub entropy: f64,
    /// Expected number of tokens, the end token included.
    pub length: f64,
}

/// The optimum of E\[r\] − β KL(π‖`π_ref`) over all policies, not only those that see k tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SequenceOptimum {
    /// log Z = log Σ `π_ref`(y) e^(r(y)/β); the optimal value is β log Z.
    pub log_partition: f64,
    /// Expected reward of the optimum.
    pub reward: f64,
    /// KL(optimum‖`π_ref`), nats.
    pub kl: f64,
}

/// Where an output is: the automaton's state and the policy's context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Node {
    state: usize,
    context: usize,
}

/// The product of automaton and contexts, as far as one prompt reaches it.
#[derive(Clone, Debug)]
struct Product {
    nodes: Vec<Node>,
    /// `nodes × vocab`.
    successors: Vec<usize>,
}

/// Exact computations in one world for policies of one order.
///
/// Policies enter as tables of log π(a|context), `contexts × vocab` of one prompt, as [`Self::log_probs`] gives them.
/// The cost of each quantity is length · states · contexts · vocab.
#[derive(Clone, Debug)]
pub struct AutomatonEngine {
    world: TokenWorld,
    ngrams: Ngrams,
    products: Vec<Product>,
}

/// Which sum over steps.
#[derive(Clone, Copy)]
enum Sum<'a> {
    Reward,
    Entropy,
    Kl(&'a [f64]),
    Length,
}

impl AutomatonEngine {
    /// The engine for policies that see the prompt and the last `order` tokens.
    pub fn new(world: TokenWorld, order: usize) -> Self {
        let ngrams = Ngrams { prompts: world.prompts(), vocab: world.automaton().vocab(), order };
        let products = (0..world.prompts()).map(|prompt| product(&world, ngrams, prompt)).collect();
        Self { world, ngrams, products }
    }

    /// The numbering of the policies' contexts.
    pub fn ngrams(&self) -> Ngrams {
        self.ngrams
    }

    /// log π(a|context) of all contexts of one prompt; the policy remembers them for `backward`.
    pub fn log_probs(&self, policy: &mut (impl Policy + ?Sized), prompt: usize) -> Vec<f64> {
        let contexts: Vec<usize> = self.ngrams.contexts_of(prompt).collect();
        let mut log_probs = vec![0.0; contexts.len() * self.ngrams.vocab];
        policy.log_probs(&contexts, &mut log_probs);
        log_probs
    }

    /// Value, reward std, entropy and expected length.
    pub fn stats(&self, log_probs: &[f64], prompt: usize) -> SequenceStats {
        let reward = self.steps(prompt, log_probs, Sum::Reward);
        let values = reward.layers();
        SequenceStats {
            value: values[self.world.length()][0],
            reward_std: reward.variance(&values).sqrt(),
            entropy: self.steps(prompt, log_probs, Sum::Entropy).expectation(),
            length: self.steps(prompt, log_probs, Sum::Length).expectation(),
        }
    }

    /// The expected reward alone.
    pub fn value(&self, log_probs: &[f64], prompt: usize) -> f64 {
        self.steps(prompt, log_probs, Sum::Reward).expectation()
    }

    /// KL(π‖`reference`) over whole outputs, nats; infinite where π goes and the reference cannot.
    pub fn kl(&self, log_probs: &[f64], reference: &[f64], prompt: usize) -> f64 {
        self.steps(prompt, log_probs, Sum::Kl(reference)).expectation()
    }

    /// Adds `scale` · ∂V/∂ logits to `weights`; shapes as the log-probabilities.
    ///
    /// # Formula
    /// Σ over steps of P(n) π(a|n) (Q(n, a) − V(n)), summed over the nodes n that share a context.
    pub fn value_weights(&self, log_probs: &[f64], prompt: usize, scale: f64, weights: &mut [f64]) {
        self.steps(prompt, log_probs, Sum::Reward).add_weights(scale, weights);
    }

    /// Adds `scale` · ∂KL(π‖`reference`)/∂ logits of π to `weights`.
    pub fn kl_weights(&self, log_probs: &[f64], reference: &[f64], prompt: usize, scale: f64, weights: &mut [f64]) {
        self.steps(prompt, log_probs, Sum::Kl(reference)).add_weights(scale, weights);
    }

    /// Adds `scale` · ∂(entropy)/∂ logits to `weights`.
    pub fn entropy_weights(&self, log_probs: &[f64], prompt: usize, scale: f64, weights: &mut [f64]) {
        self.steps(prompt, log_probs, Sum::Entropy).add_weights(scale, weights);
    }

    /// Adds `scale` · `∇_θ` V(x; θ) to `grad` and returns the prompt's statistics.
    pub fn policy_gradient(
        &self,
        policy: &mut (impl Policy + ?Sized),
        prompt: usize,
        scale: f64,
        grad: &mut [f64],
    ) -> SequenceStats {
        let log_probs = self.log_probs(policy, prompt);
        let mut weights = vec![0.0; log_probs.len()];
        self.value_weights(&log_probs, prompt, scale, &mut weights);
        policy.backward(&weights, grad);
        self.stats(&log_probs, prompt)
    }

    /// The KL-regularised optimum around a reference (Eq. 4 of arXiv:2305.18290), by a backward recursion of log Z.
    /// β must be positive; infinity gives the reference itself.
    ///
    /// # Formula
    /// log Z(h, n) = log Σ `π_ref`(a|n) exp(r(n, a)/β + log Z(h − 1, n·a)).
    pub fn tilted(&self, reference: &[f64], prompt: usize, beta: f64) -> SequenceOptimum {
        assert!(beta > 0.0, "beta must be positive");
        let product = &self.products[prompt];
        let automaton = self.world.automaton();
        let end = |node: &Node| {
            let reward = automaton.final_reward(node.state);
            SequenceOptimum { log_partition: reward / beta, reward, kl: 0.0 }
        };
        let ended: Vec<SequenceOptimum> = product.nodes.iter().map(end).collect();
        let mut layer = ended.clone();
        let mut terms = vec![0.0; self.ngrams.vocab];
        for _ in 0..self.world.length() {
            let mut longer = Vec::with_capacity(layer.len());
            for (n, node) in product.nodes.iter().enumerate() {
                let follow = |a: usize| {
                    let table = if self.ends(a) { &ended } else { &layer };
                    &table[product.successors[n * self.ngrams.vocab + a]]
                };
                let tilt = |a: usize| automaton.step(node.state, a).1 / beta + follow(a).log_partition;
                let row = self.row(reference, node.context);
                terms.iter_mut().enumerate().for_each(|(a, t)| *t = row[a] + tilt(a));
                let log_partition = log_sum_exp(&terms);
                let (mut reward, mut kl) = (0.0, 0.0);
                for a in (0..terms.len()).filter(|&a| terms[a] > f64::NEG_INFINITY) {
                    let prob = (terms[a] - log_partition).exp();
                    reward += prob * (automaton.step(node.state, a).1 + follow(a).reward);
                    kl += prob * (tilt(a) - log_partition + follow(a).kl);
                }
                longer.push(SequenceOptimum { log_partition, reward, kl });
            }
            layer = longer;
        }
        layer[0]
    }

    fn steps<'a>(&'a self, prompt: usize, log_probs: &'a [f64], sum: Sum<'a>) -> Steps<'a> {
        assert_eq!(log_probs.len(), self.ngrams.per_prompt() * self.ngrams.vocab, "one row per context");
        let mut probs = vec![0.0; log_probs.len()];
        exp_into(log_probs, &mut probs);
        Steps { engine: self, product: &self.products[prompt], log_probs, probs, sum }
    }

    fn row<'a>(&self, table: &'a [f64], context: usize) -> &'a [f64] {
        &table[context * self.ngrams.vocab..][..self.ngrams.vocab]
    }

    fn ends(&self, token: usize) -> bool {
        self.world.end().is_some_and(|e| e as usize == token)
    }
}

/// One sum over the steps of one prompt under one policy.
struct Steps<'a> {
    engine: &'a AutomatonEngine,
    product: &'a Product,
    log_probs: &'a [f64],
    probs: Vec<f64>,
    sum: Sum<'a>,
}

/// A token that may come: its number, its probability, ℓ(n, a) + U(h − 1, n·a), and the node that follows.
struct Outcome {
    token: usize,
    prob: f64,
    sum: f64,
    next: usize,
}

impl Steps<'_> {
    /// ℓ(n, a).
    fn term(&self, node: Node, token: usize) -> f64 {
        let at = node.context * self.engine.ngrams.vocab + token;
        match self.sum {
            Sum::Reward => self.engine.world.automaton().step(node.state, token).1,
            Sum::Entropy => -self.log_probs[at],
            Sum::Kl(reference) => self.log_probs[at] - reference[at],
            Sum::Length => 1.0,
        }
    }

    /// What an output that ends here adds: U(0, n).
    fn at_end(&self, n: usize) -> f64 {
        let state = self.product.nodes[n].state;
        if matches!(self.sum, Sum::Reward) { self.engine.world.automaton().final_reward(state) } else { 0.0 }
    }

    /// The tokens that the policy can write; one of probability 0 adds nothing, whatever its term.
    fn outcomes<'b>(&'b self, shorter: &'b [f64], n: usize) -> impl Iterator<Item = Outcome> + 'b {
        let node = self.product.nodes[n];
        let vocab = self.engine.ngrams.vocab;
        let possible = self.engine.row(&self.probs, node.context).iter().enumerate().filter(|(_, p)| **p > 0.0);
        possible.map(move |(token, &prob)| {
            let next = self.product.successors[n * vocab + token];
            let rest = if self.engine.ends(token) { self.at_end(next) } else { shorter[next] };
            Outcome { token, prob, sum: self.term(node, token) + rest, next }
        })
    }

    /// U(h, n) for h = 0..=length.
    fn layers(&self) -> Vec<Vec<f64>> {
        let nodes = 0..self.product.nodes.len();
        let mut layers = vec![nodes.clone().map(|n| self.at_end(n)).collect::<Vec<f64>>()];
        for h in 0..self.engine.world.length() {
            let expected = |n| self.outcomes(&layers[h], n).map(|o| o.prob * o.sum).sum();
            let layer = nodes.clone().map(expected).collect();
            layers.push(layer);
        }
        layers
    }

    /// U(length, start), the expectation itself.
    fn expectation(&self) -> f64 {
        self.layers()[self.engine.world.length()][0]
    }

    /// The sum's variance, by the law of total variance: no difference of large numbers.
    fn variance(&self, layers: &[Vec<f64>]) -> f64 {
        let nodes = 0..self.product.nodes.len();
        let mut layer = vec![0.0; nodes.len()];
        for h in 0..self.engine.world.length() {
            let spread = |n: usize| {
                let rest = |o: &Outcome| if self.engine.ends(o.token) { 0.0 } else { layer[o.next] };
                let square = |o: Outcome| o.prob * ((o.sum - layers[h + 1][n]).powi(2) + rest(&o));
                self.outcomes(&layers[h], n).map(square).sum()
            };
            layer = nodes.clone().map(spread).collect();
        }
        layer[0]
    }

    /// Adds the score-function gradient. The terms' own dependence on π has mean zero in each step.
    fn add_weights(&self, scale: f64, weights: &mut [f64]) {
        assert_eq!(weights.len(), self.log_probs.len(), "one weight per log-probability");
        let layers = self.layers();
        let nodes = &self.product.nodes;
        let mut reach = vec![0.0; nodes.len()];
        reach[0] = scale;
        for h in (0..self.engine.world.length()).rev() {
            let mut further = vec![0.0; nodes.len()];
            for n in (0..nodes.len()).filter(|&n| reach[n] != 0.0) {
                for o in self.outcomes(&layers[h], n) {
                    let at = nodes[n].context * self.engine.ngrams.vocab + o.token;
                    weights[at] += reach[n] * o.prob * (o.sum - layers[h + 1][n]);
                    if !self.engine.ends(o.token) {
                        further[o.next] += reach[n] * o.prob;
                    }
                }
            }
            reach = further;
        }
    }
}

/// All (state, context) that a prompt can reach, the start first.
fn product(world: &TokenWorld, ngrams: Ngrams, prompt: usize) -> Product {
    let mut nodes = vec![Node { state: world.start(prompt), context: 0 }];
    let mut numbers = std::collections::BTreeMap::from([(nodes[0], 0)]);
    let mut successors = Vec::new();
    let mut at = 0;
    while at < nodes.len() {
        for token in 0..ngrams.vocab {
            let Node { state, context } = nodes[at];
            let next = Node { state: world.automaton().step(state, token).0, context: ngrams.next(context, token) };
            successors.push(*numbers.entry(next).or_insert_with(|| {
                nodes.push(next);
                nodes.len() - 1
            }));
        }
        at += 1;
    }
    Product { nodes, successors }
}

#[cfg(test)]
mod tests;
