//! A trainee on several threads.

use super::Trainee;
use super::part::Asked;
use crate::error::{Error, Result};
use crate::lm::cpu::{Engine, Sample, Sampling};
use crate::rng::Stream;

/// An engine for every second, third … part of a step, and that part's gradient.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    pub(super) engine: Engine,
    pub(super) grad: Vec<f32>,
}

impl Trainee {
    /// Goes through a step's parts in `lanes` at a time, each on a thread of its own, and through prompts likewise. It follows from the
    /// number of lanes, not from that of the processors, which parts' gradients are added in which order: the same number gives the
    /// same bits anywhere. Every lane beyond the first holds a gradient more.
    ///
    /// # Errors
    /// No lane.
    pub fn in_lanes(self, lanes: usize) -> Result<Self> {
        Error::check_counts(&[("lanes", lanes, 1, 1024)])?;
        let lane = || Ok(Lane { engine: Engine::new(self.engine.config())?, grad: vec![0.0; self.grad.len()] });
        let lanes = (1..lanes).map(|_| lane()).collect::<Result<Vec<_>>>()?;
        Ok(Self { lanes, ..self })
    }

    /// Most tokens of a part of a step of so many: no lane is idle where the step has work for all.
    pub(super) fn most_in_a_part(&self, tokens: usize) -> usize {
        let lanes = 1 + self.lanes.len();
        if lanes == 1 {
            return self.part;
        }
        let parts = tokens.div_ceil(self.part).max(1).next_multiple_of(lanes);
        tokens.div_ceil(parts).max(1)
    }

    /// Adds the gradients of parts that lie in the first engines, in their order.
    pub(super) fn pull(&mut self, asked: &[Asked]) -> Result<()> {
        self.lanes.iter_mut().for_each(|l| l.grad.fill(0.0));
        let params = &self.params;
        let own = std::iter::once((&mut self.engine, &mut self.grad));
        let all = own.chain(self.lanes.iter_mut().map(|l| (&mut l.engine, &mut l.grad)));
        at_once(all.zip(asked).collect(), |((engine, grad), asked)| asked.pull(engine, params, grad))?;
        for lane in self.lanes.iter().take(asked.len().saturating_sub(1)) {
            self.grad.iter_mut().zip(&lane.grad).for_each(|(g, own)| *g += own);
        }
        Ok(())
    }

    /// A completion of every prompt under the present weights, as [`Engine::sample`] draws them; every lane takes its share.
    ///
    /// # Errors
    /// As of [`Engine::sample`].
    pub fn sample<P: AsRef<[u32]> + Sync>(
        &mut self,
        prompts: &[P],
        sampling: &Sampling,
        streams: &mut [Stream],
    ) -> Result<Vec<Sample>> {
        Error::check_shape("streams", prompts.len(), streams.len())?;
        let share = prompts.len().div_ceil(1 + self.lanes.len()).max(1);
        let engines = std::iter::once(&mut self.engine).chain(self.lanes.iter_mut().map(|l| &mut l.engine));
        let work = engines.zip(prompts.chunks(share).zip(streams.chunks_mut(share)));
        let params = &self.params;
        let samples =
            at_once(work.collect(), |(engine, (prompts, streams))| engine.sample(params, prompts, sampling, streams))?;
        Ok(samples.concat())
    }
}

/// Does all pieces of work at the same time, each on a thread of its own; the first piece's error comes first.
pub(super) fn at_once<T: Send, R: Send>(work: Vec<T>, each: impl Fn(T) -> Result<R> + Sync) -> Result<Vec<R>> {
    if work.len() < 2 {
        return work.into_iter().map(each).collect();
    }
    let each = &each;
    std::thread::scope(|scope| {
        let threads: Vec<_> = work.into_iter().map(|one| scope.spawn(move || each(one))).collect();
        threads.into_iter().map(|t| t.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}
