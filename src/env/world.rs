//! Enumerable token worlds; a contextual bandit is one with outputs of length 1.

use crate::error::{Error, Result};
use std::ops::Range;

/// The shape of a world: `prompts`, each with the `vocab^length` outputs of a full tree, and the numbering of its
/// contexts.
///
/// A context is (prompt, prefix). Prefixes are numbered by length, then as base-`vocab` numbers, first token most
/// significant; contexts prompt by prompt. Outputs are numbered as base-`vocab` numbers too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tree {
    /// Number of prompts.
    pub prompts: usize,
    /// Number of tokens.
    pub vocab: usize,
    /// Tokens in every output, `L_out`.
    pub length: usize,
}

impl Tree {
    /// Number of outputs of one prompt, vocab^length.
    pub fn outputs(&self) -> usize {
        self.vocab.pow(self.length as u32)
    }

    /// Number of prefixes shorter than `depth` tokens: where the prefixes of that depth start.
    pub fn level_start(&self, depth: usize) -> usize {
        (0..depth).map(|d| self.vocab.pow(d as u32)).sum()
    }

    /// Number of proper prefixes (contexts) of one prompt.
    pub fn prefixes(&self) -> usize {
        self.level_start(self.length)
    }

    /// Number of contexts of the whole world.
    pub fn contexts(&self) -> usize {
        self.prompts * self.prefixes()
    }

    /// The contexts of one prompt.
    pub fn contexts_of(&self, prompt: usize) -> Range<usize> {
        prompt * self.prefixes()..(prompt + 1) * self.prefixes()
    }

    /// The tokens of the prefix (or output) number `code` at `depth`.
    pub fn tokens(&self, depth: usize, code: usize) -> Vec<usize> {
        (0..depth).rev().map(|d| code / self.vocab.pow(d as u32) % self.vocab).collect()
    }

    /// The cells that an output passes, one per token: context of the prompt times vocabulary plus token. log π(y) is the sum of
    /// log π(token|context) over them.
    pub fn cells(&self, output: usize) -> impl Iterator<Item = usize> {
        let tree = *self;
        let level = move |(depth, code): (usize, usize), token: usize| {
            ((depth + 1, code * tree.vocab + token), (tree.level_start(depth) + code) * tree.vocab + token)
        };
        self.tokens(self.length, output).into_iter().scan((0, 0), move |at, token| {
            let (next, cell) = level(*at, token);
            *at = next;
            Some(cell)
        })
    }
}

/// A tree with the true reward of every output.
#[derive(Clone, Debug)]
pub struct World {
    tree: Tree,
    rewards: Vec<f64>,
}

impl World {
    /// A world from its reward table, `prompts × vocab^length`.
    ///
    /// # Errors
    /// A table of the wrong size; a reward that is NaN or infinite.
    pub fn new(tree: Tree, rewards: Vec<f64>) -> Result<Self> {
        Error::check_shape("rewards", tree.prompts * tree.outputs(), rewards.len())?;
        Error::check_finite("reward", &rewards)?;
        Ok(Self { tree, rewards })
    }

    /// A contextual bandit: `prompts × outputs` rewards.
    ///
    /// # Errors
    /// As [`World::new`].
    pub fn bandit(outputs: usize, rewards: Vec<f64>) -> Result<Self> {
        Self::new(Tree { prompts: rewards.len() / outputs.max(1), vocab: outputs, length: 1 }, rewards)
    }

    /// The shape.
    pub fn tree(&self) -> Tree {
        self.tree
    }

    /// The rewards of one prompt's outputs.
    pub fn rewards(&self, prompt: usize) -> &[f64] {
        &self.rewards[prompt * self.tree.outputs()..][..self.tree.outputs()]
    }

    /// Replaces the rewards of one prompt.
    ///
    /// # Errors
    /// As [`World::new`].
    pub fn set_rewards(&mut self, prompt: usize, rewards: &[f64]) -> Result<()> {
        let n = self.tree.outputs();
        Error::check_shape("rewards of a prompt", n, rewards.len())?;
        Error::check_finite("reward", rewards)?;
        self.rewards[prompt * n..][..n].copy_from_slice(rewards);
        Ok(())
    }
}
