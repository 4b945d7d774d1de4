//! `rewardlab preflight`.

mod figure;
mod page;
mod prompts;
mod sampler;

use super::{note, out};
use crate::algorithm::text::TextPrompt;
use crate::algorithm::{Preflight, PreflightParams, preflight};
use crate::error::{Error, Result};
use crate::jsonl;
use crate::lm::{LanguageModel, Sampling};
use crate::plot;
use crate::record::{Table, write_atomically};
use crate::reward::text::{KINDS, TextReward};
use crate::rng::Stream;
use crate::stats::Estimate;
use sampler::{Sampler, Written};
use serde::Serialize;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

const EXAMPLE: &str = "\
Example:
  rewardlab preflight --model SmolLM2-135M-Instruct --prompts prompts.jsonl --reward 'regex:(?i)thank you' --out runs/preflight

Each line of the prompts' file is {\"prompt\": text or messages, ...}; verifiers read answers from its other fields. Completions are sampled \
from the model, the reward pays them, and what a few rewards say of all is told with 95% intervals: mean, std, and the probability that a \
group of G completions gets equal rewards (a dead group: no gradient with group-relative advantages). Half of the samples go to all prompts \
alike, the rest where the std's interval is widest. A prompt whose reward std under the model is near zero has a vanishing expected \
gradient (arXiv:2310.20703, Theorem 1), also with other advantages, however far from the optimum it is.

A prompt is stuck if its std is below the threshold more probably than not and its mean reward is low, open if that is not decided. Few samples \
do not decide it: with binary rewards and the usual threshold, a success of one in 400 is still alive. Of continuous \
rewards (models, programs) the std of prompts that spread little is predicted too high: see real_models/preflight_calibration.

Written to --out: prompts.csv, samples.jsonl, figure.png, figure.svg, index.html. Exit codes: 0 no prompt with low reward is expected to \
vanish, 1 some are (they are listed), 2 usage or input error.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    /// Hugging Face folder or GGUF file
    #[arg(long)]
    model: PathBuf,
    /// JSONL: {"prompt": text or messages, ...}
    #[arg(long)]
    prompts: PathBuf,
    #[arg(long, help = format!("What pays completions: {KINDS}"))]
    reward: String,
    /// Folder for tables, figure and page
    #[arg(long)]
    out: PathBuf,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
    /// Take the first so many prompts
    #[arg(long)]
    limit: Option<usize>,
    /// Samples per prompt, on the mean
    #[arg(long, default_value_t = 16)]
    samples: usize,
    /// Most samples of one prompt
    #[arg(long, default_value_t = 64)]
    most: usize,
    /// Longest completion, in tokens
    #[arg(long, default_value_t = 32)]
    length: usize,
    /// Sampling temperature
    #[arg(long, default_value_t = 1.0)]
    temperature: f64,
    /// Sizes of groups
    #[arg(long, value_delimiter = ',', default_values_t = [4, 8, 16, 64])]
    groups: Vec<usize>,
    /// Share of the reward's range below which a prompt's reward std counts as vanished
    #[arg(long, default_value_t = 0.05)]
    vanished: f64,
    /// Prompts whose mean reward is above this place in the reward's range have little to gain
    #[arg(long, default_value_t = 0.75)]
    enough: f64,
    /// The reward's least and greatest value, LOW,HIGH, where it does not say them itself
    #[arg(long, value_delimiter = ',', allow_negative_numbers = true)]
    range: Option<Vec<f64>>,
    /// Temperatures at which the prompts that are expected to vanish are sampled again
    #[arg(long, value_delimiter = ',', default_values_t = [1.5])]
    temperatures: Vec<f64>,
    /// Give prompts as they are, not through the model's chat template
    #[arg(long)]
    plain: bool,
    /// Seconds that a reward program may take for a round of completions
    #[arg(long, default_value_t = 60.0)]
    timeout: f64,
    /// Threads that sample
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Of all random draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

const FILES: [&str; 5] = ["prompts.csv", "samples.jsonl", "figure.png", "figure.svg", "index.html"];

/// A line of prompts.csv. Intervals are 95% of the posterior.
#[derive(Clone, Debug, Default, Serialize)]
struct Row {
    prompt: usize,
    text: String,
    samples: usize,
    mean: f64,
    mean_low: f64,
    mean_high: f64,
    std: f64,
    std_low: f64,
    std_high: f64,
    /// Posterior probability that the std is below the threshold.
    vanishes: f64,
    /// `stuck` (expected to vanish with a low reward), `mastered` (expected to vanish with a high one), `open` (low reward, and the std's
    /// interval reaches below the threshold) or `alive`.
    state: &'static str,
    /// Probability of a dead group by size, `4:0.61 8:0.34`.
    dead: String,
    /// Reward std of a stuck prompt at other temperatures, `1.5:0.12`; empty for others.
    heated: String,
}

/// At another temperature: it, the stuck prompts' mean expected std there, and how many of them are still expected to vanish.
struct Heated {
    temperature: f64,
    std: f64,
    vanish: usize,
}

/// All that the page and the figure show.
struct Report {
    rows: Vec<Row>,
    said: Preflight,
    groups: Vec<usize>,
    heated: Vec<Heated>,
    model: String,
    reward: String,
}

pub(super) fn execute(args: &Args) -> Result<u8> {
    let params = params(args)?;
    if let Some(path) = FILES.iter().map(|name| args.out.join(name)).find(|path| path.exists() && !args.force) {
        let path = path.display();
        return Err(Error::Usage(format!("{path} is there already: give --force to replace it, or another --out")));
    }
    let mut reward = TextReward::parse(&args.reward, Duration::from_secs_f64(args.timeout))?;
    let params = PreflightParams { range: params.range.or(reward.range()), ..params };
    let model = LanguageModel::load(&args.model)?;
    let prompts = prompts::read(&args.prompts, args.limit.unwrap_or(usize::MAX), &model, args.plain)?;
    let sampling = Sampling { temperature: args.temperature, ..Sampling::plain(args.length) };
    let mut sampler = Sampler::new(&model, &sampling, args.threads)?;
    let named = |name: &str| Stream::named(&["preflight", name, &args.seed.to_string()]);
    let (mut drawing, mut posterior) = (named("samples"), named("posterior"));
    let mut written: Vec<Written> = Vec::new();
    let said = preflight(prompts.len(), &params, &mut posterior, |asked| {
        let new = sampler.sample(&prompts, asked, &mut reward, &mut drawing)?;
        let rewards = new.iter().map(|w| w.reward).collect();
        written.extend(new);
        note(&format!("sampled {} completions", written.len()));
        Ok(rewards)
    })?;
    let mut rows: Vec<Row> = (0..prompts.len()).map(|x| row(x, &prompts[x], &said, &params.groups)).collect();
    let stuck = said.stuck();
    let mut heated = Vec::new();
    if !stuck.is_empty() {
        for temperature in args.temperatures.iter().copied().filter(|t| *t != args.temperature) {
            sampler.sampling.temperature = temperature;
            // a prior of their own: at another temperature the other prompts were not sampled
            let own = preflight(stuck.len(), &params, &mut posterior, |asked| {
                let asked: Vec<usize> = asked.iter().map(|i| stuck[*i]).collect();
                let new = sampler.sample(&prompts, &asked, &mut reward, &mut drawing)?;
                let rewards = new.iter().map(|w| w.reward).collect();
                written.extend(new);
                Ok(rewards)
            })?;
            let std = own.prompts.iter().map(|p| p.std.value).sum::<f64>() / stuck.len() as f64;
            let vanish = own.prompts.iter().filter(|p| p.std.value < said.threshold).count();
            for (x, p) in stuck.iter().zip(&own.prompts) {
                let all = &mut rows[*x].heated;
                let space = if all.is_empty() { "" } else { " " };
                let _ = write!(all, "{space}{temperature}:{:.4}", p.std.value);
            }
            heated.push(Heated { temperature, std, vanish });
        }
    }
    let report = Report {
        rows,
        said,
        groups: params.groups.clone(),
        heated,
        model: args.model.display().to_string(),
        reward: args.reward.clone(),
    };
    save(&args.out, &report, &written)?;
    out(&text(&report, &args.out));
    Ok(u8::from(!stuck.is_empty()))
}

fn params(args: &Args) -> Result<PreflightParams> {
    let range = match args.range.as_deref() {
        None => None,
        Some([low, high]) => Some((*low, *high)),
        Some(other) => return Err(Error::parameter("range", format!("{other:?}"), "LOW,HIGH")),
    };
    let params = PreflightParams {
        samples: args.samples,
        most: args.most.max(args.samples),
        groups: args.groups.clone(),
        vanished: args.vanished,
        enough: args.enough,
        range,
    };
    params.validate()?;
    Error::check_counts(&[("length", args.length, 1, 1 << 20), ("threads", args.threads, 1, 1024)])?;
    Error::check_counts(&[("limit", args.limit.unwrap_or(1), 1, usize::MAX)])?;
    Error::check_positive(&[("timeout", args.timeout)])?;
    for temperature in &args.temperatures {
        Error::check_positive(&[("temperatures", *temperature)])?;
    }
    Error::check_positive(&[("temperature", args.temperature)])?;
    Ok(params)
}

fn row(x: usize, prompt: &TextPrompt, said: &Preflight, groups: &[usize]) -> Row {
    let p = &said.prompts[x];
    let state = match (said.vanishes(x), p.mean.value < said.enough) {
        (true, true) => "stuck",
        (true, false) => "mastered",
        (false, true) if p.std.low < said.threshold => "open",
        (false, _) => "alive",
    };
    let dead: Vec<String> = groups.iter().zip(&p.dead).map(|(g, e)| format!("{g}:{:.3}", e.value)).collect();
    Row {
        prompt: x,
        text: prompt.text.chars().take(200).collect(),
        samples: p.samples,
        mean: p.mean.value,
        mean_low: p.mean.low,
        mean_high: p.mean.high,
        std: p.std.value,
        std_low: p.std.low,
        std_high: p.std.high,
        vanishes: p.vanishes,
        state,
        dead: dead.join(" "),
        heated: String::new(),
    }
}

fn save(folder: &Path, report: &Report, written: &[Written]) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    let write = |name: &str, bytes: &[u8]| write_atomically(&folder.join(name), bytes);
    let chart = figure::chart(report);
    let picture = plot::png(&chart)?;
    write("prompts.csv", &Table::from_rows(&report.rows)?.to_csv()?)?;
    jsonl::write(&folder.join("samples.jsonl"), written)?;
    write("figure.png", &picture)?;
    write("figure.svg", plot::svg(&chart)?.as_bytes())?;
    write("index.html", page::html(report, &picture).as_bytes())
}

/// "0.42 [0.31, 0.53]".
fn interval(e: &Estimate) -> String {
    format!("{:.3} [{:.3}, {:.3}]", e.value, e.low, e.high)
}

/// How many prompts are in a state.
fn count(report: &Report, state: &str) -> usize {
    report.rows.iter().filter(|r| r.state == state).count()
}

fn text(report: &Report, folder: &Path) -> String {
    let said = &report.said;
    let mut text = format!(
        "{} prompts, {} samples; rewards from {} to {}; a reward std below {:.4} counts as vanished\n",
        report.rows.len(),
        said.rewards.iter().map(Vec::len).sum::<usize>(),
        said.range.0,
        said.range.1,
        said.threshold
    );
    for (i, group) in report.groups.iter().enumerate() {
        let _ = writeln!(text, "expected share of dead groups of {group}: {}", interval(&said.dead(i)));
    }
    let stuck = count(report, "stuck");
    let _ = writeln!(
        text,
        "{} prompts are alive, {} are expected to vanish with a high reward (mastered), {stuck} although their reward is low (stuck); {} have a \
         low reward and may vanish or not (open: more --samples tell)",
        count(report, "alive"),
        count(report, "mastered"),
        count(report, "open")
    );
    for heated in &report.heated {
        let _ = writeln!(
            text,
            "at temperature {} the stuck prompts' mean reward std is {:.4}, and {} of {stuck} are still below the threshold",
            heated.temperature, heated.std, heated.vanish
        );
    }
    for r in report.rows.iter().filter(|r| r.state == "stuck").take(20) {
        let line: String = r.text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(70).collect();
        let _ = writeln!(
            text,
            "  stuck: prompt {}, mean {:.3}, std {:.4} (at most {:.4}): {line}",
            r.prompt, r.mean, r.std, r.std_high
        );
    }
    if stuck > 20 {
        let _ = writeln!(text, "  and {} more", stuck - 20);
    }
    let _ = writeln!(text, "written to {}: {}", folder.display(), FILES.join(", "));
    text
}
