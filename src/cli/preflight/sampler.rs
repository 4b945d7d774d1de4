//! Completions of prompts by a real model, on several threads, and what they are paid.

use super::journal::Journal;
use crate::algorithm::text::{TextPrompt, Workers};
use crate::error::Result;
use crate::lm::{LanguageModel, Sampling};
use crate::reward::text::{self, TextReward};
use crate::rng::Stream;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A model that writes.
pub(super) struct Sampler<'a> {
    workers: Workers<'a>,
    pub(super) sampling: Sampling,
    /// The model's own weights, or those behind a trial.
    pub(super) params: Cow<'a, [f32]>,
    /// The share of the prompts that the trial was made on.
    pub(super) trained: Option<f64>,
    /// Whether these are samples of the control.
    pub(super) control: bool,
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
    /// Sampled again with nothing changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) control: bool,
    pub(super) completion: String,
    pub(super) reward: f64,
}

impl<'a> Sampler<'a> {
    /// Completions end with any of the model's end tokens.
    ///
    /// # Errors
    /// No thread.
    pub(super) fn new(model: &'a LanguageModel, sampling: &Sampling, threads: usize) -> Result<Self> {
        let sampling = Sampling { end: model.tokenizer.special().ends()?, ..*sampling };
        let params = Cow::Borrowed(model.params.as_slice());
        Ok(Self { workers: Workers::new(model, threads)?, sampling, params, trained: None, control: false })
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
        let mut streams: Vec<Stream> = asked.iter().map(|_| rng.split()).collect();
        let mut all = Vec::with_capacity(asked.len());
        let mut done = 0;
        while done < asked.len() {
            let batch = &asked[done..asked.len().min(done + Workers::BATCH)];
            if let Some(known) = journal.take(batch)? {
                all.extend(known);
                done += batch.len();
                continue;
            }
            let end = asked.len().min(done + self.workers.wave());
            let new = self.complete(prompts, &asked[done..end], reward, &mut streams[done..end])?;
            journal.append(&new)?;
            all.extend(new);
            done = end;
        }
        Ok(all)
    }

    /// What is under way at a time.
    fn complete(
        &mut self,
        prompts: &[TextPrompt],
        asked: &[usize],
        reward: &mut TextReward,
        streams: &mut [Stream],
    ) -> Result<Vec<Written>> {
        let tokens: Vec<&[u32]> = asked.iter().map(|x| prompts[*x].tokens.as_slice()).collect();
        let samples = self.workers.write_with(&self.params, &tokens, &self.sampling, streams)?;
        let tokenizer = &self.workers.model().tokenizer;
        let completions = samples.iter().map(|s| tokenizer.decode(&s.tokens)).collect::<Result<Vec<_>>>()?;
        let written: Vec<text::Written> =
            asked.iter().zip(&completions).map(|(x, completion)| prompts[*x].written(completion)).collect();
        let rewards = reward.score(&written)?;
        let (temperature, trained, control) = (self.sampling.temperature, self.trained, self.control);
        let one = |((x, completion), reward): ((&usize, String), f64)| Written {
            prompt: *x,
            temperature,
            trained,
            control,
            completion,
            reward,
        };
        Ok(asked.iter().zip(completions).zip(rewards).map(one).collect())
    }
}
