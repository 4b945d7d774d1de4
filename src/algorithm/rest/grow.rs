//! Grow: the policy completes every source, and the samples are rated and kept.

use super::data::{Half, Scored, Task, rewards};
use crate::algorithm::trainee::Trainee;
use crate::error::Result;
use crate::lm::cpu::Sampling;
use crate::rng::Stream;
use serde::{Deserialize, Serialize};

/// Samples that go through the engine together.
const CHUNK: usize = 1024;

/// A Grow step between two chunks of sources. What is sampled and rated is kept, so that an interrupted one goes on with the next chunk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Grow {
    pub(super) samples: Vec<Scored>,
    next: usize,
    rng: Stream,
}

impl Grow {
    pub(super) fn new(rng: Stream) -> Self {
        Self { samples: Vec::new(), next: 0, rng }
    }

    /// One chunk of sources; whether that was the last.
    pub(super) fn step(
        &mut self,
        trainee: &mut Trainee,
        task: &mut dyn Task,
        candidates: usize,
        sampling: &Sampling,
    ) -> Result<bool> {
        let count = task.sources().len();
        let end = (self.next + (CHUNK / candidates).max(1)).min(count);
        let drawn: Vec<usize> = (self.next..end).flat_map(|i| std::iter::repeat_n(i, candidates)).collect();
        let tokens = complete(trainee, task.sources(), &drawn, sampling, &mut self.rng)?;
        let asked: Vec<(usize, &[u32])> = drawn.iter().copied().zip(tokens.iter().map(Vec::as_slice)).collect();
        let rewards = rewards(task, Half::Train, &asked)?;
        let scored = drawn.into_iter().zip(tokens).zip(rewards);
        self.samples.extend(scored.map(|((source, tokens), reward)| Scored { source, tokens, reward }));
        self.next = end;
        Ok(end == count)
    }
}

/// A completion of each of `drawn`, indices into `prompts`.
pub(super) fn complete(
    trainee: &mut Trainee,
    prompts: &[Vec<u32>],
    drawn: &[usize],
    sampling: &Sampling,
    rng: &mut Stream,
) -> Result<Vec<Vec<u32>>> {
    let asked: Vec<&[u32]> = drawn.iter().map(|&i| prompts[i].as_slice()).collect();
    let mut streams: Vec<Stream> = drawn.iter().map(|_| rng.split()).collect();
    let samples = trainee.sample(&asked, sampling, &mut streams)?;
    Ok(samples.into_iter().map(|s| s.tokens).collect())
}
