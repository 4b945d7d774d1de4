//! Prompts with somebody who pays decoded completions.

use super::encode::TextPrompt;
use crate::algorithm::rest::{Half, Task};
use crate::error::Result;
use crate::lm::Tokenizer;
use crate::reward::text::{TextReward, Written};

/// Prompts and a reward of text: what the loops on rewards learn from.
#[derive(Debug)]
pub struct TextTask {
    sources: Vec<Vec<u32>>,
    held_out: Vec<Vec<u32>>,
    payer: Payer,
}

/// Decodes completions and has them paid.
#[derive(Debug)]
pub(super) struct Payer {
    prompts: [Vec<TextPrompt>; 2],
    tokenizer: Tokenizer,
    reward: TextReward,
    /// Of the last completions that were paid: the mean number of tokens, and the share that ended.
    pub(super) last: (f64, f64),
}

impl TextTask {
    /// Prompts to learn from and prompts to measure on, which may be none.
    pub fn new(tokenizer: &Tokenizer, prompts: Vec<TextPrompt>, held_out: Vec<TextPrompt>, reward: TextReward) -> Self {
        let tokens = |prompts: &[TextPrompt]| prompts.iter().map(|p| p.tokens.clone()).collect();
        Self {
            sources: tokens(&prompts),
            held_out: tokens(&held_out),
            payer: Payer { prompts: [prompts, held_out], tokenizer: tokenizer.clone(), reward, last: (0.0, 0.0) },
        }
    }

    /// The prompts, and who pays completions of them.
    pub(super) fn parts(&mut self) -> (&[Vec<u32>], &[Vec<u32>], &mut Payer) {
        (&self.sources, &self.held_out, &mut self.payer)
    }

    /// Tokens of the longest prompt.
    pub(super) fn longest_prompt(&self) -> usize {
        self.sources.iter().chain(&self.held_out).map(Vec::len).max().unwrap_or(0)
    }

    /// How many prompts are learned from.
    pub(super) fn sources_count(&self) -> usize {
        self.sources.len()
    }

    /// The completions that the prompts' lines have: (prompt's number, tokens).
    pub fn original(&self) -> Vec<(usize, Vec<u32>)> {
        let all = self.payer.prompts[0].iter().enumerate();
        all.filter_map(|(i, p)| p.completion.clone().map(|c| (i, c))).collect()
    }
}

impl Payer {
    /// The reward of each completion of a half's prompts.
    pub(super) fn pay(&mut self, half: Half, outputs: &[(usize, &[u32])]) -> Result<Vec<f64>> {
        let prompts = &self.prompts[usize::from(half == Half::HeldOut)];
        let texts = outputs.iter().map(|(_, tokens)| self.tokenizer.decode(tokens)).collect::<Result<Vec<_>>>()?;
        let written: Vec<Written> =
            outputs.iter().zip(&texts).map(|((i, _), text)| prompts[*i].written(text)).collect();
        let ends = self.tokenizer.special().ends()?;
        let count = outputs.len().max(1) as f64;
        let ended = outputs.iter().filter(|(_, tokens)| tokens.last().is_some_and(|t| ends.contains(*t))).count();
        self.last = (outputs.iter().map(|(_, t)| t.len()).sum::<usize>() as f64 / count, ended as f64 / count);
        self.reward.score(&written)
    }
}

impl Task for TextTask {
    fn sources(&self) -> &[Vec<u32>] {
        &self.sources
    }

    fn held_out(&self) -> &[Vec<u32>] {
        &self.held_out
    }

    fn rewards(&mut self, half: Half, outputs: &[(usize, &[u32])]) -> Result<Vec<f64>> {
        self.payer.pay(half, outputs)
    }
}
