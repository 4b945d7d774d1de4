//! A model at work, on several threads or on a device: completions and log-probabilities of many texts.

use crate::error::{Error, Result};
use crate::lm::candle::Resident;
use crate::lm::{Batch, Choices, Device, Keep, LanguageModel, Placement, Sample, Sampling, cpu};
use crate::rng::Stream;
use std::sync::Mutex;

/// Completions that a thread writes side by side.
const WRITTEN: usize = 32;
/// Sequences that a thread scores side by side.
const READ: usize = 8;
/// The same of a device.
const WRITTEN_ON_DEVICE: usize = 256;
const READ_ON_DEVICE: usize = 64;

/// Engines for one model, one per thread, or the model on a device. What goes through an engine together does not depend on how many there are, so that any
/// number of threads gives the same bits.
#[derive(Debug)]
pub struct Workers<'a> {
    model: &'a LanguageModel,
    engines: Engines,
}

#[derive(Debug)]
enum Engines {
    Cpu(Vec<cpu::Engine>),
    Device(Box<Resident>),
}

/// What a model says of a sequence.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scored {
    /// The log-probability of every token of the completion, nats.
    pub log_probs: Vec<f64>,
    /// What score head 0 says at the last token; empty without one.
    pub scores: Vec<f64>,
}

impl<'a> Workers<'a> {
    /// Completions that a thread writes side by side.
    pub const BATCH: usize = WRITTEN;

    /// # Errors
    /// No thread; a model without a layout.
    pub fn new(model: &'a LanguageModel, threads: usize) -> Result<Self> {
        Error::check_counts(&[("threads", threads, 1, 1024)])?;
        let engines = (0..threads).map(|_| cpu::Engine::new(&model.config)).collect::<Result<_>>()?;
        Ok(Self { model, engines: Engines::Cpu(engines) })
    }

    /// The same wherever it is to be; `threads` are the CPU engine's.
    ///
    /// # Errors
    /// Those of [`Workers::new`]; a device that is not there or was not built in; an option that it does not have.
    pub fn on(model: &'a LanguageModel, threads: usize, placement: &Placement) -> Result<Self> {
        placement.validate()?;
        if placement.device == Device::Cpu {
            return Self::new(model, threads);
        }
        let resident = Resident::on(placement, &model.config, &model.params)?;
        Ok(Self { model, engines: Engines::Device(Box::new(resident)) })
    }

    /// The model.
    pub fn model(&self) -> &'a LanguageModel {
        self.model
    }

    /// How many completions are under way at a time: what an interrupted caller would lose.
    pub fn wave(&self) -> usize {
        match &self.engines {
            Engines::Cpu(engines) => WRITTEN * engines.len(),
            Engines::Device(_) => WRITTEN_ON_DEVICE,
        }
    }

    /// A completion of every prompt, each from its own stream.
    ///
    /// # Errors
    /// As many streams as prompts are needed; an empty prompt, or one that does not fit the model; illegal options.
    pub fn write<P: AsRef<[u32]> + Sync>(
        &mut self,
        prompts: &[P],
        sampling: &Sampling,
        streams: &mut [Stream],
    ) -> Result<Vec<Sample>> {
        if let Engines::Device(model) = &mut self.engines {
            Error::check_shape("streams", prompts.len(), streams.len())?;
            return model.sample(prompts, sampling, streams);
        }
        let model = self.model;
        self.write_with(&model.params, prompts, sampling, streams)
    }

    /// The same with other weights than the model's, as training leaves them.
    ///
    /// # Errors
    /// As [`Workers::write`]; weights that do not fit the model.
    pub fn write_with<P: AsRef<[u32]> + Sync>(
        &mut self,
        params: &[f32],
        prompts: &[P],
        sampling: &Sampling,
        streams: &mut [Stream],
    ) -> Result<Vec<Sample>> {
        Error::check_shape("streams", prompts.len(), streams.len())?;
        let engines = match &mut self.engines {
            Engines::Cpu(engines) => engines,
            Engines::Device(_) => return Err(Error::Usage("on a device a model writes with its own weights".into())),
        };
        let work = prompts.chunks(WRITTEN).zip(streams.chunks_mut(WRITTEN));
        let each = |engine: &mut cpu::Engine, (prompts, streams): (&[P], &mut [Stream])| {
            engine.sample(params, prompts, sampling, streams)
        };
        Ok(share(engines, work.collect(), each)?.concat())
    }

    /// What the model says of some sequences, each with the length of its prompt.
    ///
    /// # Errors
    /// An empty prompt, or a sequence that does not fit the model; a log-probability that is not finite.
    pub fn score<S: AsRef<[u32]> + Sync>(&mut self, sequences: &[(S, usize)]) -> Result<Vec<Scored>> {
        let (params, with_scores) = (&self.model.params, !self.model.config.scores.is_empty());
        let engines = match &mut self.engines {
            Engines::Cpu(engines) => engines,
            Engines::Device(model) => {
                let mut say = |batch: &Batch, choices: &Choices, ends: &[usize]| {
                    model.forward(batch, Keep::Final)?;
                    let log_probs = model.log_probs(choices)?.to_vec();
                    Ok((log_probs, if with_scores { model.scores(0, ends)? } else { Vec::new() }))
                };
                let scored = sequences.chunks(READ_ON_DEVICE).map(|some| scored(some, &mut say));
                return Ok(scored.collect::<Result<Vec<_>>>()?.concat());
            }
        };
        let each = |engine: &mut cpu::Engine, some: &[(S, usize)]| {
            scored(some, &mut |batch, choices, ends| {
                engine.forward(params, batch, Keep::Final)?;
                let log_probs = engine.log_probs(params, choices)?.to_vec();
                Ok((log_probs, if with_scores { engine.scores(params, 0, ends)? } else { Vec::new() }))
            })
        };
        Ok(share(engines, sequences.chunks(READ).collect(), each)?.concat())
    }
}

/// What is said of some sequences: `say` gives the choices' log-probabilities, and the scores at the sequences' last rows.
fn scored<S: AsRef<[u32]>>(
    some: &[(S, usize)],
    say: &mut dyn FnMut(&Batch, &Choices, &[usize]) -> Result<(Vec<f64>, Vec<f64>)>,
) -> Result<Vec<Scored>> {
    let (tokens, prompts): (Vec<&[u32]>, Vec<usize>) = some.iter().map(|(s, p)| (s.as_ref(), *p)).unzip();
    let batch = Batch::new(&tokens);
    let choices = batch.completions(&prompts)?;
    let ends: Vec<usize> = batch.all_rows().map(|r| r.end - 1).collect();
    let (mut rest, scores) = say(&batch, &choices, &ends)?;
    Error::check_finite("log-probability of a completion", &rest)?;
    let outputs = scores.len() / some.len();
    let one = |(i, (tokens, prompt)): (usize, (&&[u32], &usize))| {
        let after = rest.split_off(tokens.len() - prompt);
        let log_probs = std::mem::replace(&mut rest, after);
        Scored { log_probs, scores: scores[i * outputs..(i + 1) * outputs].to_vec() }
    };
    Ok(tokens.iter().zip(&prompts).enumerate().map(one).collect())
}

/// Does pieces of work on as many threads as there are engines, each thread the next piece that is left; results in order. The first piece's
/// error comes first.
fn share<T: Send, R: Send>(
    engines: &mut [cpu::Engine],
    work: Vec<T>,
    each: impl Fn(&mut cpu::Engine, T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let count = work.len();
    let (left, each) = (Mutex::new(work.into_iter().enumerate()), &each);
    let take = || left.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
    let mut done = std::thread::scope(|scope| {
        let work = |engine: &mut cpu::Engine| {
            let mut own = Vec::new();
            while let Some((i, one)) = take() {
                own.push((i, each(engine, one)));
            }
            own
        };
        let threads: Vec<_> = engines.iter_mut().take(count).map(|engine| scope.spawn(move || work(engine))).collect();
        let join = |t: std::thread::ScopedJoinHandle<'_, _>| t.join().unwrap_or_else(|p| std::panic::resume_unwind(p));
        threads.into_iter().flat_map(join).collect::<Vec<(usize, Result<R>)>>()
    });
    done.sort_by_key(|(i, _)| *i);
    done.into_iter().map(|(_, result)| result).collect()
}
