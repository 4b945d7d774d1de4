//! How much memory a run will take, before it begins.

use super::{Material, Method, Setup, TokenPair};
use crate::error::{Error, Result};
use crate::lm::cpu::{sampling_bytes, step_bytes};
use crate::lm::{Config, Layout, part_tokens};
use std::fmt;

/// Bytes of an f32.
const FLOAT: u64 = 4;
/// What a token's name, its merge and their tables take in a tokeniser.
const TOKENIZER: u64 = 700;
/// The program itself, with its threads' stacks.
const PROGRAM: u64 = 16 << 20;

/// What a run needs to know of itself to say how much it takes.
#[derive(Clone, Copy, Debug)]
pub struct Footprint<'a> {
    /// The model, its score heads among it.
    pub config: &'a Config,
    /// How it is trained.
    pub setup: &'a Setup,
    /// The loop.
    pub method: &'a Method,
    /// Its data.
    pub material: &'a Material,
    /// Numbers in its adapters; none for all weights.
    pub adapters: Option<usize>,
}

/// The parts of a run's memory, in bytes, largest phase by largest phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    /// (what, bytes), each part that is there at the worst moment.
    pub parts: Vec<(&'static str, u64)>,
}

impl Memory {
    /// The estimate for a run.
    ///
    /// # Errors
    /// A config without a layout.
    pub fn of(run: &Footprint) -> Result<Self> {
        let Footprint { config, setup, method, adapters, .. } = *run;
        let params = Layout::new(config)?.len() as u64;
        let trained = adapters.map_or(params, |n| n as u64);
        let lanes = setup.lanes as u64;
        let (whole, own) = match method {
            Method::Sft(..) | Method::Preferences(..) => (0, 0),
            Method::RewardModel(_) => (0, 1),
            Method::PolicyGradient(_) | Method::Ppo(_) => (1, 0),
            // the behaviour policy twice, and the values of the three
            Method::Rest(settings) => (2 + 2 * u64::from(settings.loss.needs_value()), 3),
        };
        let reference = whole * params + own * trained;
        // buffers that grow from part to part leave holes: measured, half as much again
        let activations = activations(run) * 3 / 2;
        let (rearranged, sampling) = sampling(run, params);
        // a checkpoint copies what is trained, its moments and the references before it writes
        let checkpoint = FLOAT * (3 * trained + reference);
        let mut parts = vec![("weights", FLOAT * params), ("gradient, one per lane", FLOAT * params * lanes)];
        if adapters.is_some() {
            parts.push(("base of the adapters", FLOAT * params));
            parts.push(("adapters and their gradient", FLOAT * 2 * trained));
        }
        parts.push(("moments of the optimiser", FLOAT * 2 * trained));
        parts.push(("references", FLOAT * reference));
        parts.push(("activations and logits", activations));
        parts.push(("weights rearranged for sampling", rearranged));
        parts.push(if sampling > checkpoint {
            ("sampling", sampling)
        } else {
            ("copies while a checkpoint is written", checkpoint)
        });
        parts.push(("tokeniser and program", TOKENIZER * config.vocab as u64 + PROGRAM));
        parts.retain(|(_, bytes)| *bytes > 0);
        Ok(Self { parts })
    }

    /// All of it, bytes.
    pub fn total(&self) -> u64 {
        self.parts.iter().map(|(_, bytes)| bytes).sum()
    }

    /// Fails if it is more than `limit` bytes, or more than the machine has to give; 0 is no limit but the machine's.
    ///
    /// # Errors
    /// [`Error::Usage`], with what would help.
    pub fn check(&self, limit: u64) -> Result<()> {
        let total = self.total();
        let (most, whose) = match (limit, available()) {
            (0, None) => return Ok(()),
            (0, Some(free)) => (free, "the machine has"),
            (limit, Some(free)) if free < limit => (free, "the machine has"),
            (limit, _) => (limit, "memory_limit allows"),
        };
        if total <= most {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "this run takes about {}, and {whose} {}: fewer lanes, smaller parts (part_tokens), shorter sequences (data.length) or \
             adapters (finetune = \"lora\") take less",
            size(total),
            size(most)
        )))
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "about {}", size(self.total()))?;
        let parts: Vec<String> = self.parts.iter().map(|(what, bytes)| format!("{what} {}", size(*bytes))).collect();
        write!(f, " ({})", parts.join(", "))
    }
}

/// "1.25 GB", "340 MB".
fn size(bytes: u64) -> String {
    let mb = bytes as f64 / 1e6;
    if mb >= 1000.0 { format!("{:.2} GB", mb / 1000.0) } else { format!("{mb:.0} MB") }
}

/// Bytes that the machine has to give, where it says so.
fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kb| 1024 * kb)
}

/// Of the largest part of a step, in every lane.
fn activations(run: &Footprint) -> u64 {
    let lengths = lengths(run);
    let lanes = run.setup.lanes;
    let limit = match run.setup.part_tokens {
        0 => part_tokens(run.config.width),
        tokens => tokens,
    };
    // a part may end with a sequence that goes beyond its share
    let (mut part, mut tokens) = (Vec::new(), 0);
    let all: usize = lengths.iter().sum();
    let most = all.div_ceil(all.div_ceil(limit).max(1).next_multiple_of(lanes)).max(1);
    for length in &lengths {
        if tokens >= most {
            break;
        }
        part.push(*length);
        tokens += length;
    }
    lanes as u64 * step_bytes(run.config, &part)
}

/// The sequences of the worst step: the longest of the data, as many as go together; for loops on rewards completions of full length.
fn lengths(run: &Footprint) -> Vec<usize> {
    let (mut all, count) = match (run.material, run.method) {
        (Material::Examples(examples, _), Method::Sft(_, batch)) => {
            (examples.iter().map(|e| e.tokens.len()).collect::<Vec<_>>(), *batch)
        }
        (Material::Pairs(pairs, _), method) => {
            let both = |p: &TokenPair| [&p.chosen, &p.rejected].map(|c| p.prompt.len() + c.len());
            let batch = match method {
                Method::Preferences(_, _, batch) => *batch,
                Method::RewardModel(settings) => settings.batch,
                _ => 1,
            };
            (pairs.iter().flat_map(both).collect(), 2 * batch)
        }
        (Material::Task(task, sampling), method) => {
            let prompt = task.longest_prompt();
            let longest = (prompt + sampling.length).min(run.config.context);
            let batch = match method {
                Method::PolicyGradient(settings) => settings.minibatch.min(settings.prompts * settings.group),
                Method::Ppo(settings) => settings.minibatch.min(settings.samples),
                Method::Rest(settings) => settings.minibatch,
                _ => 1,
            };
            (vec![longest; batch], batch)
        }
        (Material::Examples(..), _) => (Vec::new(), 0),
    };
    all.sort_unstable_by(|a, b| b.cmp(a));
    all.truncate(count);
    all
}

/// What writing completions takes in every lane: what stays, and what goes when they are written.
fn sampling(run: &Footprint, params: u64) -> (u64, u64) {
    let Material::Task(task, sampling) = run.material else { return (0, 0) };
    let count = match run.method {
        Method::PolicyGradient(settings) => settings.prompts * settings.group,
        Method::Ppo(settings) => settings.samples,
        // a Grow step goes through this many samples at a time
        Method::Rest(settings) => 1024.max(settings.candidates).min(task.sources_count() * settings.candidates),
        _ => 0,
    };
    let lanes = run.setup.lanes;
    let longest = task.longest_prompt() + sampling.length;
    (lanes as u64 * FLOAT * params, lanes as u64 * sampling_bytes(run.config, count.div_ceil(lanes), longest))
}
