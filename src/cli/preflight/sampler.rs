//! Completions of prompts by a real model, on several threads, and what they are paid.

use super::journal::Journal;
use crate::algorithm::text::TextPrompt;
use crate::error::{Error, Result};
use crate::lm::{LanguageModel, Sampling, cpu};
use crate::reward::text::{self, TextReward};
use crate::rng::Stream;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Completions that a thread writes side by side.
const BATCH: usize = 32;

/// A model that writes.
pub(super) struct Sampler<'a> {
    model: &'a LanguageModel,
    engines: Vec<cpu::Engine>,
    pub(super) sampling: Sampling,
    /// The model's own weights, or those behind a trial.
    pub(super) params: Cow<'a, [f32]>,
    /// The share of the prompts that the trial was made on.
    pub(super) trained: Option<f64>,
}

/// A line of samples.jsonl.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    pub(super) prompt: usize,
    pub(super) temperature: f64,
    /// The share of the prompts that the model was finetuned on before, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trained: Option<f64>,
    pub(super) completion: String,
    pub(super) reward: f64,
}

impl<'a> Sampler<'a> {
    /// Completions end with any of the model's end tokens.
    ///
    /// # Errors
    /// A model with too many end tokens.
    pub(super) fn new(model: &'a LanguageModel, sampling: &Sampling, threads: usize) -> Result<Self> {
        let engines = (0..threads).map(|_| cpu::Engine::new(&model.config)).collect::<Result<_>>()?;
        let sampling = Sampling { end: model.tokenizer.special().ends()?, ..*sampling };
        Ok(Self { model, engines, sampling, params: Cow::Borrowed(&model.params), trained: None })
    }

    /// One completion of each prompt that is asked for, with its reward, taken from the journal or written into it. Which completions are
    /// written side by side does not depend on the number of threads.
    ///
    /// # Errors
    /// Those of the model, of the reward and of the journal.
    pub(super) fn sample(
        &mut self,
        prompts: &[TextPrompt],
        asked: &[usize],
        reward: &mut TextReward,
        rng: &mut Stream,
        journal: &mut Journal,
    ) -> Result<Vec<Written>> {
        let mut all = Vec::with_capacity(asked.len());
        let mut batches: Vec<(&[usize], Vec<Stream>)> =
            asked.chunks(BATCH).map(|part| (part, part.iter().map(|_| rng.split()).collect())).collect();
        let mut done = 0;
        while let Some((part, _)) = batches.get(done) {
            if let Some(known) = journal.take(part)? {
                all.extend(known);
                done += 1;
                continue;
            }
            let end = batches.len().min(done + self.engines.len());
            let now = &mut batches[done..end];
            done = end;
            for (part, completions) in self.complete(prompts, now)? {
                let new = self.pay(prompts, part, completions, reward)?;
                journal.append(&new)?;
                all.extend(new);
            }
        }
        Ok(all)
    }

    /// A batch on each thread.
    fn complete<'p>(
        &mut self,
        prompts: &[TextPrompt],
        batches: &mut [(&'p [usize], Vec<Stream>)],
    ) -> Result<Vec<(&'p [usize], Vec<String>)>> {
        let (params, sampling) = (&self.params, self.sampling);
        let written: Vec<Result<Vec<Vec<u32>>>> = std::thread::scope(|scope| {
            let threads: Vec<_> = self
                .engines
                .iter_mut()
                .zip(batches.iter_mut())
                .map(|(engine, (part, streams))| {
                    let tokens: Vec<&[u32]> = part.iter().map(|x| prompts[*x].tokens.as_slice()).collect();
                    scope.spawn(move || {
                        let samples = engine.sample(params, &tokens, &sampling, streams)?;
                        Ok(samples.into_iter().map(|s| s.tokens).collect())
                    })
                })
                .collect();
            let gone = || Err(Error::Usage("a sampling thread ended early".into()));
            threads.into_iter().map(|t| t.join().unwrap_or_else(|_| gone())).collect()
        });
        let mut all = Vec::with_capacity(batches.len());
        for ((part, _), tokens) in batches.iter().zip(written) {
            let texts = tokens?.iter().map(|t| self.model.tokenizer.decode(t)).collect::<Result<_>>()?;
            all.push((*part, texts));
        }
        Ok(all)
    }

    fn pay(
        &self,
        prompts: &[TextPrompt],
        asked: &[usize],
        completions: Vec<String>,
        reward: &mut TextReward,
    ) -> Result<Vec<Written>> {
        let texts: Vec<text::Written> =
            asked.iter().zip(&completions).map(|(x, completion)| prompts[*x].written(completion)).collect();
        let rewards = reward.score(&texts)?;
        let (temperature, trained) = (self.sampling.temperature, self.trained);
        let one = |((x, completion), reward): ((&usize, String), f64)| Written {
            prompt: *x,
            temperature,
            trained,
            completion,
            reward,
        };
        Ok(asked.iter().zip(completions).zip(rewards).map(one).collect())
    }
}
