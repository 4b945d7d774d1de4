//! A trainee on the processor: the CPU engine, on one thread or with lanes on several.

use super::home::{Frozen, Home, Kept};
use super::part::Asked;
use crate::error::{Error, Result};
use crate::lm::cpu::{Engine, Keep, Sample, Sampling, Signal};
use crate::lm::{AdamW, Batch, Choices, Config, Layout, Lora, clip_gradient};
use crate::rng::Stream;
use std::borrow::Cow;

/// Weights in memory, moved in place.
#[derive(Clone, Debug)]
pub(super) struct OnCpu {
    engine: Engine,
    params: Vec<f32>,
    optimizer: AdamW,
    /// By the weights, even where adapters are trained.
    grad: Vec<f32>,
    /// If these are trained instead of the weights.
    adapters: Option<Adapters>,
    /// Beside the first, which is the trainee's own engine.
    lanes: Vec<Lane>,
}

/// Low-rank adapters in training: the trainee's weights are θ(φ).
#[derive(Clone, Debug)]
struct Adapters {
    lora: Lora,
    /// θ₀.
    base: Vec<f32>,
    /// φ.
    values: Vec<f32>,
    grad: Vec<f32>,
}

/// An engine for every second, third … part of a step, and that part's gradient.
#[derive(Clone, Debug)]
struct Lane {
    engine: Engine,
    grad: Vec<f32>,
}

impl OnCpu {
    pub(super) fn new(config: &Config, params: Vec<f32>) -> Result<Self> {
        let engine = Engine::new(config)?;
        Error::check_shape("parameters", engine.layout().len(), params.len())?;
        let (optimizer, grad) = (AdamW::new(params.len(), 0.0)?, vec![0.0; params.len()]);
        Ok(Self { engine, params, optimizer, grad, adapters: None, lanes: Vec::new() })
    }

    /// Makes the weights those of the adapters.
    fn merge(&mut self) -> Result<()> {
        self.adapters.as_ref().map_or(Ok(()), |a| a.lora.merge(&a.base, &a.values, &mut self.params))
    }

    fn engine(&self, lane: usize) -> &Engine {
        lane.checked_sub(1).map_or(&self.engine, |l| &self.lanes[l].engine)
    }
}

impl Home for OnCpu {
    fn twin(&self) -> Result<Box<dyn Home>> {
        Ok(Box::new(self.clone()))
    }

    fn config(&self) -> &Config {
        self.engine.config()
    }

    fn layout(&self) -> &Layout {
        self.engine.layout()
    }

    fn adapters(&self) -> Option<&Lora> {
        self.adapters.as_ref().map(|a| &a.lora)
    }

    fn with_adapters(self: Box<Self>, lora: Lora, values: Vec<f32>) -> Result<Box<dyn Home>> {
        let (base, grad, optimizer) = (self.params.clone(), vec![0.0; values.len()], AdamW::new(values.len(), 0.0)?);
        let mut home = Self { optimizer, adapters: Some(Adapters { lora, base, values, grad }), ..*self };
        home.merge()?;
        Ok(Box::new(home))
    }

    fn in_lanes(self: Box<Self>, lanes: usize) -> Result<Box<dyn Home>> {
        let lane = || Ok(Lane { engine: Engine::new(self.engine.config())?, grad: vec![0.0; self.grad.len()] });
        let lanes = (1..lanes).map(|_| lane()).collect::<Result<Vec<_>>>()?;
        Ok(Box::new(Self { lanes, ..*self }))
    }

    fn params(&self) -> Result<Cow<'_, [f32]>> {
        Ok(Cow::Borrowed(&self.params))
    }

    fn into_params(self: Box<Self>) -> Result<Vec<f32>> {
        Ok(self.params)
    }

    fn trained(&self) -> Result<Cow<'_, [f32]>> {
        Ok(Cow::Borrowed(self.adapters.as_ref().map_or(&self.params, |a| &a.values)))
    }

    fn put(&mut self, trained: &[f32]) -> Result<()> {
        match &mut self.adapters {
            None => self.params.copy_from_slice(trained),
            Some(adapters) => adapters.values.copy_from_slice(trained),
        }
        self.merge()
    }

    fn optimizer(&self) -> Result<Cow<'_, AdamW>> {
        Ok(Cow::Borrowed(&self.optimizer))
    }

    fn set_optimizer(&mut self, optimizer: AdamW) -> Result<()> {
        self.optimizer = optimizer;
        Ok(())
    }

    fn freeze(&self, trained: Option<&[f32]>) -> Result<Frozen> {
        let kept = match (trained, &self.adapters) {
            (Some(trained), Some(a)) => {
                let mut merged = vec![0.0; self.params.len()];
                a.lora.merge(&a.base, trained, &mut merged)?;
                Kept::OnCpu { trained: trained.to_vec(), merged: Some(merged) }
            }
            (Some(trained), None) => Kept::OnCpu { trained: trained.to_vec(), merged: None },
            (None, Some(a)) => Kept::OnCpu { trained: a.values.clone(), merged: Some(self.params.clone()) },
            (None, None) => Kept::OnCpu { trained: self.params.clone(), merged: None },
        };
        Ok(Frozen(kept))
    }

    fn score(&mut self, frozen: &Frozen, batch: &Batch, choices: &Choices) -> Result<Vec<f64>> {
        let Kept::OnCpu { trained, merged } = &frozen.0 else { return Err(Frozen::misplaced()) };
        let params = merged.as_ref().unwrap_or(trained);
        self.engine.forward(params, batch, Keep::Final)?;
        Ok(self.engine.log_probs(params, choices)?.to_vec())
    }

    fn forward(&mut self, batch: &Batch, keep: Keep) -> Result<()> {
        self.engine.forward(&self.params, batch, keep)
    }

    fn log_probs(&mut self, choices: &Choices) -> Result<&[f64]> {
        self.engine.log_probs(&self.params, choices)
    }

    fn entropies(&self) -> &[f64] {
        self.engine.entropies()
    }

    fn distributions(&self, lane: usize, out: &mut [f32]) -> Result<()> {
        self.engine(lane).distributions(out)
    }

    fn scores(&self, lane: usize, rows: &[usize]) -> Result<Vec<f64>> {
        self.engine(lane).scores(&self.params, 0, rows)
    }

    fn hidden(&self, rows: &[usize]) -> Result<Vec<f64>> {
        let (width, hidden) = (self.engine.config().width, self.engine.hidden());
        Ok(rows.iter().flat_map(|r| &hidden[r * width..(r + 1) * width]).map(|h| f64::from(*h)).collect())
    }

    fn lanes(&self) -> usize {
        1 + self.lanes.len()
    }

    fn forward_all(&mut self, wave: &[(Batch, Choices)]) -> Result<Vec<Vec<f64>>> {
        let params = &self.params;
        let engines = std::iter::once(&mut self.engine).chain(self.lanes.iter_mut().map(|l| &mut l.engine));
        at_once(engines.zip(wave).collect(), |(engine, (batch, choices))| {
            engine.forward(params, batch, Keep::All)?;
            Ok(engine.log_probs(params, choices)?.to_vec())
        })
    }

    fn clear_gradient(&mut self) -> Result<()> {
        self.grad.fill(0.0);
        Ok(())
    }

    fn pull_all(&mut self, asked: &[Asked]) -> Result<()> {
        self.lanes.iter_mut().for_each(|l| l.grad.fill(0.0));
        let params = &self.params;
        let own = std::iter::once((&mut self.engine, &mut self.grad));
        let all = own.chain(self.lanes.iter_mut().map(|l| (&mut l.engine, &mut l.grad)));
        at_once(all.zip(asked).collect(), |((engine, grad), asked)| {
            asked.with_signal(|signal| engine.backward(params, signal, grad))
        })?;
        for lane in self.lanes.iter().take(asked.len().saturating_sub(1)) {
            self.grad.iter_mut().zip(&lane.grad).for_each(|(g, own)| *g += own);
        }
        Ok(())
    }

    fn pull(&mut self, signal: &Signal) -> Result<()> {
        self.engine.backward(&self.params, signal, &mut self.grad)
    }

    fn pull_into(&mut self, signal: &Signal, grad: &mut [f32]) -> Result<()> {
        let Some(adapters) = &self.adapters else { return self.engine.backward(&self.params, signal, grad) };
        let mut by_weights = vec![0.0; self.params.len()];
        self.engine.backward(&self.params, signal, &mut by_weights)?;
        adapters.lora.pull(&adapters.values, &by_weights, grad)
    }

    #[cfg(test)]
    fn gradient(&self) -> Result<Vec<f32>> {
        let Some(adapters) = &self.adapters else { return Ok(self.grad.clone()) };
        let mut grad = vec![0.0; adapters.values.len()];
        adapters.lora.pull(&adapters.values, &self.grad, &mut grad)?;
        Ok(grad)
    }

    fn step(&mut self, clip: f64, learning_rate: f64) -> Result<f64> {
        let Some(adapters) = &mut self.adapters else {
            let norm = clip_gradient(&mut self.grad, clip)?;
            self.optimizer.step(&mut self.params, &self.grad, learning_rate);
            return Ok(norm);
        };
        adapters.grad.fill(0.0);
        adapters.lora.pull(&adapters.values, &self.grad, &mut adapters.grad)?;
        let norm = clip_gradient(&mut adapters.grad, clip)?;
        self.optimizer.step(&mut adapters.values, &adapters.grad, learning_rate);
        self.merge()?;
        Ok(norm)
    }

    fn sample(&mut self, prompts: &[&[u32]], sampling: &Sampling, streams: &mut [Stream]) -> Result<Vec<Sample>> {
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
fn at_once<T: Send, R: Send>(work: Vec<T>, each: impl Fn(T) -> Result<R> + Sync) -> Result<Vec<R>> {
    if work.len() < 2 {
        return work.into_iter().map(each).collect();
    }
    let each = &each;
    std::thread::scope(|scope| {
        let threads: Vec<_> = work.into_iter().map(|one| scope.spawn(move || each(one))).collect();
        threads.into_iter().map(|t| t.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}
