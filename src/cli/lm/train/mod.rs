//! `rewardlab lm train`.

mod config;
mod folder;
mod metrics;

use super::progress::Progress;
use crate::algorithm::Trainee;
use crate::algorithm::text::{
    Adapters, Encoded, Encoder, Footprint, Material, Memory, Method, TextPrompt, TextTask, TextTraining, Told, trainee,
};
use crate::cli::{note, out};
use crate::error::{Error, Result};
use crate::lm::{Device, LanguageModel, Layout, Lora, LoraSettings, Sampling, ScoreHead};
use crate::preference::{Lines, read_lines};
use crate::record::sha256;
use crate::reward::text::{KINDS, TextReward};
use crate::rng::Stream;
use config::{Config, Finetune, METHODS};
use folder::{Folder, Work, digest};
use metrics::Metrics;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use toml::Table;

const EXAMPLE: &str = "\
Examples:
  rewardlab lm train --defaults dpo > dpo.toml      every key of a method's config, to be edited
  rewardlab lm train --config dpo.toml --set training.steps=200 --set finetune=lora --out runs/dpo
  rewardlab lm train --resume --out runs/dpo        go on where it was interrupted or killed

A config needs method, model, [data] train and, for loops on rewards, [reward] reward; all else has defaults. Data are JSONL in TRL's \
shapes: prompt and completion, messages or text for sft; chosen and rejected, with or without prompt, for reward models and losses of pairs; \
prompts, with the fields that the reward reads, for loops on rewards (and a completion, for ReST's mixture).

Written to --out: params.toml (the whole config), metrics.jsonl and metrics.csv, checkpoints while it runs, then model/ (a Hugging Face folder, \
adapters merged), adapter/ (PEFT's format, with finetune = \"lora\") and result.json. The same config gives the same bytes, killed and resumed or \
not; setup.lanes, the number of threads, is part of it.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    /// TOML; see --defaults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Change a key of the config: --set training.steps=100
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Folder of the run
    #[arg(long, value_name = "DIR", required_unless_present = "defaults")]
    out: Option<PathBuf>,
    /// Go on with an interrupted run
    #[arg(long, conflicts_with = "force")]
    resume: bool,
    /// Replace a run that is there
    #[arg(long)]
    force: bool,
    #[arg(long, value_name = "METHOD", help = format!("Print a method's config with every key at its default and end: {}", METHODS.join(", ")))]
    defaults: Option<String>,
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

pub(super) fn execute(args: &Args) -> Result<u8> {
    if let Some(method) = &args.defaults {
        let rewards = if config::defaults(method)?.contains_key("reward") {
            format!("# reward: {KINDS}\n")
        } else {
            String::new()
        };
        out(&format!("{rewards}{}", config::defaults(method)?));
        return Ok(0);
    }
    let Some(path) = &args.out else { return Err(Error::Usage("--out is missing".into())) };
    let work = Folder::open(path, args.config.as_deref(), &args.sets, (args.resume, args.force))?;
    let Work::Run(folder, table) = work else {
        note(&format!("{} is complete", path.display()));
        return Ok(0);
    };
    let started = Instant::now();
    let run = Run::prepare(&table)?;
    // of other devices it is not known
    let estimate = if run.config.setup.device == Device::Cpu { Some(run.memory()?) } else { None };
    if let Some(estimate) = &estimate {
        note(&format!("memory: {estimate}"));
        estimate.check((1e9 * run.config.memory_limit) as u64)?;
    }
    folder.begin(&table, &run.inputs, args.resume)?;
    let code = run.train(&folder, args.resume)?;
    let took = started.elapsed().as_secs_f64();
    note(&match peak() {
        None => format!("{took:.1} s"),
        Some(bytes) => {
            let estimated =
                estimate.map(|e| format!(" (estimated {:.0} MB)", e.total() as f64 / 1e6)).unwrap_or_default();
            format!("{took:.1} s, peak memory {:.0} MB{estimated}", bytes / 1e6)
        }
    });
    Ok(code)
}

/// The most memory that this process has had, where the machine says so; bytes.
fn peak() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok().map(|kb| 1024.0 * kb)
}

/// A run with all that it reads.
struct Run {
    config: Config,
    method: Method,
    model: LanguageModel,
    material: Material,
    adapters: Option<Adapters>,
    /// Digests of what was read.
    inputs: Table,
    rng: Stream,
}

impl Run {
    /// Reads everything, the small files before the model.
    fn prepare(table: &Table) -> Result<Self> {
        let config = Config::new(table)?;
        let (method, placement) = (config.method()?, config.setup.placement());
        // a device that is not there is told before the model is read
        placement.device.open()?;
        let train = read_lines(Path::new(&config.data.train))?;
        let held_out = &config.data.evaluate;
        let held_out = if held_out.is_empty() { None } else { Some(read_lines(Path::new(held_out))?) };
        let reward = config.reward.as_ref();
        let parse =
            |r: &config::Reward| TextReward::parse(&r.reward, Duration::from_secs_f64(r.timeout))?.on(&placement);
        let reward = reward.map(parse).transpose()?;
        let head = method.head().map(|name| ScoreHead { name: name.into(), outputs: 1 });
        let model = LanguageModel::load_scored(Path::new(&config.model), head.as_slice())?;
        let mut inputs = Table::new();
        inputs.insert(config.data.train.clone(), digest(Path::new(&config.data.train))?.into());
        if !config.data.evaluate.is_empty() {
            inputs.insert(config.data.evaluate.clone(), digest(Path::new(&config.data.evaluate))?.into());
        }
        inputs.insert(config.model.clone(), weights_digest(&model).into());
        let material = material(&config, &method, &model, (&train, held_out.as_ref()), reward)?;
        let adapters = adapters(&config, &model)?;
        let rng = Stream::named(&["lm train", &config.method, &config.seed.to_string()]);
        Ok(Self { config, method, model, material, adapters, inputs, rng })
    }

    fn memory(&self) -> Result<Memory> {
        let adapters = match &self.adapters {
            None => None,
            Some(Adapters::Given(lora, _)) => Some(lora.len()),
            Some(Adapters::Fresh(settings)) => Some(Lora::new(&self.model.config, settings)?.len()),
        };
        let (config, setup) = (&self.model.config, &self.config.setup);
        Memory::of(&Footprint { config, setup, method: &self.method, material: &self.material, adapters })
    }

    fn train(self, folder: &Folder, resume: bool) -> Result<u8> {
        let Self { config, method, mut model, material, adapters, mut rng, .. } = self;
        let mut trainee = trainee(&mut model, &config.setup, adapters, &mut rng.split())?;
        let last = if resume { folder.last()? } else { None };
        let mut metrics = Metrics::open(folder.path(), last.as_ref().map(|(steps, _)| *steps))?;
        let mut training = if let Some((steps, path)) = &last {
            note(&format!("going on after step {steps}"));
            TextTraining::load(&method, material, &mut trainee, path, *steps)?
        } else {
            let mut training = TextTraining::start(&method, material, &mut trainee, rng)?;
            let told = training.measure(&mut trainee)?;
            tell(0, method.steps(), &told);
            metrics.add(0, &told)?;
            training
        };
        if !steps(&config, &method, folder, &mut training, &mut trainee, &mut metrics)? {
            metrics.write_table()?;
            note(&format!("interrupted; continue with rewardlab lm train --resume --out {}", folder.path().display()));
            return Ok(130);
        }
        let made = training.steps();
        let mut told = training.finish(&mut trainee)?;
        metrics.write_table()?;
        save(&config, &method, model, trainee, folder)?;
        told.insert(0, ("steps", made as f64));
        let told: Map<String, Value> = told.into_iter().map(|(name, value)| (name.to_owned(), number(value))).collect();
        folder.complete(&Value::Object(told.clone()))?;
        out(&format!("{}\n", summary(folder, &told, config.finetune)));
        Ok(0)
    }
}

/// Goes through the steps; whether all are made.
fn steps(
    config: &Config,
    method: &Method,
    folder: &Folder,
    training: &mut TextTraining,
    trainee: &mut Trainee,
    metrics: &mut Metrics,
) -> Result<bool> {
    // a second handler in one process is refused, and the first still serves
    let _ = ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::SeqCst));
    let total = method.steps();
    let progress = Progress::new(total.unwrap_or(0), "steps");
    let due = |every: u64, step: u64| every > 0 && step.is_multiple_of(every);
    let mut saved = training.steps();
    while !training.is_done() {
        let mut told = training.step(trainee)?;
        let step = training.steps();
        let over = training.is_done();
        if over || due(config.evaluate_every, step) {
            let held_out = training.measure(trainee)?;
            told.extend(held_out);
            progress.hidden(|| tell(step, total, &told));
        }
        metrics.add(step, &told)?;
        progress.at(step);
        progress.tell(&short(&told));
        let interrupted = INTERRUPTED.load(Ordering::SeqCst);
        if (due(config.checkpoint_every, step) || interrupted || over) && step > saved {
            folder.checkpoint(step, |path| training.save(trainee, path))?;
            metrics.write_table()?;
            saved = step;
        }
        if interrupted && !over {
            progress.end();
            return Ok(false);
        }
    }
    progress.end();
    Ok(true)
}

/// A line on a step.
fn tell(step: u64, total: Option<u64>, told: &Told) {
    if !told.is_empty() {
        let of = total.map(|t| format!(" of {t}")).unwrap_or_default();
        note(&format!("step {step}{of}: {}", short(told)));
    }
}

fn short(told: &Told) -> String {
    let first = |name: &str| ["loss", "reward", "accuracy", "kl_k1", "kept", "data_reward"].contains(&name);
    let shown = told.iter().filter(|(name, _)| first(name) || name.starts_with("held_out"));
    shown.map(|(name, value)| format!("{name} {value:.4}")).collect::<Vec<_>>().join(", ")
}

/// What weights are known by: the digest of the digests of a million of them at a time.
fn weights_digest(model: &LanguageModel) -> String {
    let of = |some: &[f32]| sha256(&some.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>());
    sha256(model.params.chunks(1 << 20).map(of).collect::<String>().as_bytes())
}

/// Whole numbers without a point.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e15 { json!(value as i64) } else { json!(value) }
}

/// The lines as the method learns from them.
fn material(
    config: &Config,
    method: &Method,
    model: &LanguageModel,
    (train, held_out): (&Lines, Option<&Lines>),
    reward: Option<TextReward>,
) -> Result<Material> {
    let encoder = Encoder::new(model, &config.data.encoding).map_err(|e| e.within("data"))?;
    Ok(match (method, reward, &config.sampling) {
        (Method::Sft(..), ..) => {
            let (train, held_out) = both(train, held_out, |lines| encoder.examples(lines))?;
            Material::Examples(train, held_out)
        }
        (_, Some(reward), Some(drawn)) => {
            let (train, held_out) = both(train, held_out, |lines| encoder.prompts(lines))?;
            let (top_k, top_p, length) = (drawn.top_k, drawn.top_p, drawn.max_tokens);
            let sampling = Sampling { top_k, top_p, end: model.tokenizer.special().ends()?, ..Sampling::plain(length) };
            sampling.validate().map_err(|e| e.within("sampling"))?;
            check_room(&train, &held_out, length, encoder.longest())?;
            Material::Task(Box::new(TextTask::new(&model.tokenizer, train, held_out, reward)), sampling)
        }
        _ => {
            let (train, held_out) = both(train, held_out, |lines| encoder.pairs(lines))?;
            Material::Pairs(train, held_out)
        }
    })
}

/// The items of both files; what was left out or cut is told.
fn both<T>(
    train: &Lines,
    held_out: Option<&Lines>,
    encode: impl Fn(&Lines) -> Result<Encoded<T>>,
) -> Result<(Vec<T>, Vec<T>)> {
    let of = |lines: &Lines| {
        let Encoded { items, dropped, cut } = encode(lines)?;
        if dropped + cut > 0 {
            note(&format!("{}: {dropped} lines too long and left out, {cut} cut", lines.path.display()));
        }
        Ok::<_, Error>(items)
    };
    Ok((of(train)?, held_out.map_or_else(|| Ok(Vec::new()), of)?))
}

/// Fails if completions of full length do not fit behind the longest prompt.
fn check_room(train: &[TextPrompt], held_out: &[TextPrompt], length: usize, longest: usize) -> Result<()> {
    let prompt = train.iter().chain(held_out).max_by_key(|p| p.tokens.len());
    match prompt.filter(|p| p.tokens.len() + length > longest) {
        None => Ok(()),
        Some(p) => {
            let start: String = p.text.chars().take(40).collect();
            let tokens = p.tokens.len();
            let message =
                format!("at most {} behind the prompt of {tokens} tokens that begins {start:?}", longest - tokens);
            Err(Error::parameter("sampling.max_tokens", length, message))
        }
    }
}

fn adapters(config: &Config, model: &LanguageModel) -> Result<Option<Adapters>> {
    match (config.finetune, config.lora.start.as_str()) {
        (Finetune::Full, _) => Ok(None),
        (Finetune::Lora, "") => Ok(Some(Adapters::Fresh(config.lora.settings.clone()))),
        (Finetune::Lora, start) => {
            let (lora, values) = Lora::load(Path::new(start), &model.config)?;
            Ok(Some(Adapters::Given(Box::new(lora), values)))
        }
    }
}

/// Writes the model, adapters merged, and the adapters. A critic belongs to neither.
fn save(config: &Config, method: &Method, mut model: LanguageModel, trainee: Trainee, folder: &Folder) -> Result<()> {
    let adapters = match trainee.adapters() {
        Some(lora) => Some((lora.settings().clone(), trainee.trained()?.into_owned())),
        None => None,
    };
    model.params = trainee.into_params()?;
    if method.makes_a_reward_model() {
        // pairs say nothing of a constant, and Transformers' heads have none
        let bias = Layout::new(&model.config)?.tensor("score.bias")?.range.clone();
        model.params[bias].fill(0.0);
    } else {
        model = model.with_heads(&[])?;
    }
    if let Some((settings, values)) = adapters {
        save_adapters(&model, &settings, &values, &config.model, &folder.file("adapter"))?;
    }
    model.save(&folder.file("model"), config.save.precision())
}

fn save_adapters(
    model: &LanguageModel,
    settings: &LoraSettings,
    values: &[f32],
    base: &str,
    folder: &Path,
) -> Result<()> {
    let lora = Lora::new(&model.config, settings)?;
    // score heads are the last of what is trained
    lora.save(folder, &values[..lora.len()], base)
}

fn summary(folder: &Folder, told: &Map<String, Value>, finetune: Finetune) -> String {
    let path = folder.path().display();
    let told: Vec<String> = told.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let adapter = if finetune == Finetune::Lora { ", adapter" } else { "" };
    format!(
        "{}; written to {path}: model{adapter}, metrics.csv, metrics.jsonl, params.toml, result.json",
        told.join(", ")
    )
}
