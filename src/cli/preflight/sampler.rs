//! Completions of prompts by a real model, on several threads, and what they are paid.

use super::prompts::Prompt;
use crate::error::{Error, Result};
use crate::lm::{LanguageModel, Sampling, cpu};
use crate::reward::text::{self, TextReward};
use crate::rng::Stream;
use serde::Serialize;

/// Completions that a thread writes side by side.
const BATCH: usize = 32;

/// A model that writes.
pub(super) struct Sampler<'a> {
    model: &'a LanguageModel,
    engines: Vec<cpu::Engine>,
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
    /// Prepares the prompts' tokens too. Completions end with the model's end token.
    ///
    /// # Errors
    /// A prompt that leaves no room in the model's context, or that the chat template refuses.
    pub(super) fn new(
        model: &'a LanguageModel,
        prompts: &mut [Prompt],
        plain: bool,
        sampling: &Sampling,
        threads: usize,
    ) -> Result<Self> {
        for (i, prompt) in prompts.iter_mut().enumerate() {
            prompt.tokens = if plain {
                model.tokenizer.encode(&prompt.text)?
            } else {
                model.encode_chat(&prompt.messages, true)?
            };
            if prompt.tokens.is_empty() || prompt.tokens.len() >= model.config.context {
                let legal =
                    format!("1 to {}, so that a completion fits in the model's context", model.config.context - 1);
                return Err(Error::parameter(format!("tokens of prompt {i}"), prompt.tokens.len(), legal));
            }
        }
        let engines = (0..threads).map(|_| cpu::Engine::new(&model.config)).collect::<Result<_>>()?;
        let sampling = Sampling { end: model.tokenizer.special().eos.first().copied(), ..*sampling };
        Ok(Self { model, engines, sampling })
    }

    /// One completion of each prompt that is asked for, with its reward. Which completions are written side by side does not depend on
    /// the number of threads.
    ///
    /// # Errors
    /// Those of the model and of the reward.
    pub(super) fn sample(
        &mut self,
        prompts: &[Prompt],
        asked: &[usize],
        reward: &mut TextReward,
        rng: &mut Stream,
    ) -> Result<Vec<Written>> {
        let mut work: Vec<(&[usize], Vec<Stream>, Result<Vec<Vec<u32>>>)> = asked
            .chunks(BATCH)
            .map(|part| (part, part.iter().map(|_| rng.split()).collect(), Ok(Vec::new())))
            .collect();
        let (model, sampling, threads) = (self.model, self.sampling, self.engines.len());
        std::thread::scope(|scope| {
            let mut shares: Vec<Vec<_>> = (0..threads).map(|_| Vec::new()).collect();
            work.iter_mut().enumerate().for_each(|(i, piece)| shares[i % threads].push(piece));
            for (engine, share) in self.engines.iter_mut().zip(shares) {
                scope.spawn(move || {
                    for (part, streams, result) in share {
                        let tokens: Vec<&[u32]> = part.iter().map(|x| prompts[*x].tokens.as_slice()).collect();
                        let samples = engine.sample(&model.params, &tokens, &sampling, streams);
                        *result = samples.map(|all| all.into_iter().map(|s| s.tokens).collect());
                    }
                });
            }
        });
        let mut completions = Vec::with_capacity(asked.len());
        for (_, _, result) in work {
            for tokens in result? {
                completions.push(model.tokenizer.decode(&tokens)?);
            }
        }
        let written: Vec<text::Written> = asked
            .iter()
            .zip(&completions)
            .map(|(x, completion)| text::Written { prompt: &prompts[*x].text, completion, fields: &prompts[*x].fields })
            .collect();
        let rewards = reward.score(&written)?;
        let temperature = sampling.temperature;
        let one = |((x, completion), reward): ((&usize, String), f64)| Written {
            prompt: *x,
            temperature,
            completion,
            reward,
        };
        Ok(asked.iter().zip(completions).zip(rewards).map(one).collect())
    }
}
