//! Completions of prompts by a real model, on several threads, and what they are paid.

use crate::algorithm::text::{TextPrompt, Workers};
use crate::error::Result;
use crate::lm::{LanguageModel, Sampling};
use crate::reward::text::{self, TextReward};
use crate::rng::Stream;
use serde::Serialize;

/// A model that writes.
pub(super) struct Sampler<'a> {
    workers: Workers<'a>,
    pub(super) sampling: Sampling,
}

/// A line of samples.jsonl.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Written {
    prompt: usize,
    temperature: f64,
    completion: String,
    pub(super) reward: f64,
}

impl<'a> Sampler<'a> {
    /// Completions end with any of the model's end tokens.
    ///
    /// # Errors
    /// No thread.
    pub(super) fn new(model: &'a LanguageModel, sampling: &Sampling, threads: usize) -> Result<Self> {
        let sampling = Sampling { end: model.tokenizer.special().ends()?, ..*sampling };
        Ok(Self { workers: Workers::new(model, threads)?, sampling })
    }

    /// One completion of each prompt that is asked for, with its reward. Which completions are written side by side does not depend on
    /// the number of threads.
    ///
    /// # Errors
    /// Those of the model and of the reward.
    pub(super) fn sample(
        &mut self,
        prompts: &[TextPrompt],
        asked: &[usize],
        reward: &mut TextReward,
        rng: &mut Stream,
    ) -> Result<Vec<Written>> {
        let tokens: Vec<&[u32]> = asked.iter().map(|x| prompts[*x].tokens.as_slice()).collect();
        let mut streams: Vec<Stream> = asked.iter().map(|_| rng.split()).collect();
        let samples = self.workers.write(&tokens, &self.sampling, &mut streams)?;
        let tokenizer = &self.workers.model().tokenizer;
        let completions = samples.iter().map(|s| tokenizer.decode(&s.tokens)).collect::<Result<Vec<_>>>()?;
        let written: Vec<text::Written> =
            asked.iter().zip(&completions).map(|(x, completion)| prompts[*x].written(completion)).collect();
        let rewards = reward.score(&written)?;
        let temperature = self.sampling.temperature;
        let one = |((x, completion), reward): ((&usize, String), f64)| Written {
            prompt: *x,
            temperature,
            completion,
            reward,
        };
        Ok(asked.iter().zip(completions).zip(rewards).map(one).collect())
    }
}
