//! Policies over strings as tables of log-probabilities, one row of tokens per place where a choice is made: what gradients move.

use super::strings::{Class, Masses};
use rewardlab::env::Tree;

/// Which rows there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table {
    pub(crate) class: Class,
    pub(crate) tree: Tree,
}

impl Table {
    /// The row that decides after a prefix.
    pub(crate) fn row(self, x: usize, depth: usize, node: usize) -> usize {
        match self.class {
            Class::Tabular => x * self.tree.prefixes() + node,
            Class::Product => x * self.tree.length + depth,
        }
    }

    /// The places of a string's tokens in the table.
    pub(crate) fn cells(&self, x: usize, string: usize) -> impl Iterator<Item = usize> {
        let vocab = self.tree.vocab;
        self.tree.cells(string).enumerate().map(move |(d, c)| self.row(x, d, c / vocab) * vocab + c % vocab)
    }

    /// A policy's log-probabilities, row by row.
    pub(crate) fn of(self, policy: &Masses) -> Vec<f64> {
        let tree = self.tree;
        let of_context = |own: &Vec<f64>| -> Vec<f64> {
            let sums = node_sums(tree, own);
            let of_node = |s: usize| -> Vec<f64> {
                (0..tree.vocab).map(|a| (sums[1 + s * tree.vocab + a] / sums[s]).ln()).collect()
            };
            match self.class {
                Class::Tabular => (0..tree.prefixes()).flat_map(of_node).collect(),
                // after any prefix of that length
                Class::Product => (0..tree.length).flat_map(|d| of_node(tree.level_start(d))).collect(),
            }
        };
        policy.iter().flat_map(of_context).collect()
    }

    /// The distributions over strings that log-probabilities stand for.
    pub(crate) fn masses(self, log_probs: &[f64]) -> Masses {
        let of_string = |x: usize, y: usize| self.cells(x, y).map(|c| log_probs[c]).sum::<f64>().exp();
        (0..self.tree.prompts).map(|x| (0..self.tree.outputs()).map(|y| of_string(x, y)).collect()).collect()
    }
}

/// Per node of the tree (prefixes by length, then strings) the sum over the strings below it.
pub(crate) fn node_sums(tree: Tree, strings: &[f64]) -> Vec<f64> {
    let prefixes = tree.prefixes();
    let mut sums = vec![0.0; prefixes];
    sums.extend_from_slice(strings);
    for s in (0..prefixes).rev() {
        sums[s] = sums[1 + s * tree.vocab..][..tree.vocab].iter().sum();
    }
    sums
}
