//! `rewardlab preflight`.

mod again;
mod figure;
mod journal;
mod page;
mod prompts;
mod sampler;
mod trial;

use super::{note, out};
use crate::algorithm::text::TextPrompt;
use crate::algorithm::{Preflight, PreflightParams, preflight};
use crate::error::{Error, Result};
use crate::jsonl;
use crate::lm::{LanguageModel, Sampling};
use crate::plot;
use crate::record::{Table, sha256, write_atomically};
use crate::reward::text::{KINDS, TextReward};
use crate::rng::Stream;
use crate::stats::Estimate;
use again::{Again, Change, dead};
use journal::Journal;
use sampler::{Sampler, Written};
use serde::Serialize;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use trial::{Learner, TrialArgs};

const EXAMPLE: &str = "\
Example:
  rewardlab preflight --model SmolLM2-135M-Instruct --prompts prompts.jsonl --reward 'regex:(?i)thank you' --out runs/preflight

Each line of the prompts' file is {\"prompt\": text or messages, ...}; verifiers read answers from its other fields. Completions are sampled \
from the model, the reward pays them, and what a few rewards say of all is told with 95% intervals: mean, std, and the probability that a \
group of G completions gets equal rewards (a dead group: no gradient with group-relative advantages). Half of the samples go to all prompts \
alike, the rest where the std's interval is widest. A prompt whose reward std under the model is near zero has a vanishing expected \
gradient (arXiv:2310.20703, Theorem 1), also with other advantages, however far from the optimum it is.

A prompt is stuck if its std is below the threshold more probably than not and its mean reward is low, open if that is not decided. Few samples \
do not decide it: with binary rewards and the usual threshold, a success of one in 400 is still alive. How often the \
intervals hold the truth is measured in real_models/preflight_calibration.

--temperatures samples the stuck prompts (with --reheat all every prompt) again at other temperatures; --sft 0.1,0.5 finetunes the model shortly on \
a tenth and on half of the prompts that have a completion, each time from the start, and measures the others again.

Samples are written down as they come (samples.partial.jsonl): --resume goes on with a run that was cut off, to the same result.

Written to --out: prompts.csv, samples.jsonl, figure.png, figure.svg, index.html, and again.csv if prompts were measured again. Exit codes: 0 no prompt with low reward is expected to \
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
    /// Temperatures at which prompts are sampled again
    #[arg(long, value_delimiter = ',', default_values_t = [1.5])]
    temperatures: Vec<f64>,
    /// Which prompts are sampled at other temperatures
    #[arg(long, default_value = "stuck")]
    reheat: Reheat,
    #[command(flatten)]
    trial: TrialArgs,
    /// Go on with a run that was cut off
    #[arg(long)]
    resume: bool,
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

/// Which prompts are sampled at other temperatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Reheat {
    /// Those that are expected to vanish with a low reward.
    Stuck,
    /// Every prompt.
    All,
}

const FILES: [&str; 6] = ["prompts.csv", "again.csv", "samples.jsonl", "figure.png", "figure.svg", "index.html"];

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
    /// Reward std at other temperatures, `1.5:0.12`; empty where it was not sampled there.
    heated: String,
}

/// All that the page and the figure show.
struct Report {
    rows: Vec<Row>,
    said: Preflight,
    groups: Vec<usize>,
    again: Vec<Again>,
    temperature: f64,
    model: String,
    reward: String,
}

/// What samples and pays.
struct Flight<'a> {
    prompts: Vec<TextPrompt>,
    sampler: Sampler<'a>,
    reward: TextReward,
    journal: Journal,
    params: PreflightParams,
    drawing: Stream,
    posterior: Stream,
    written: Vec<Written>,
}

impl Flight<'_> {
    /// What a few samples of these prompts say, with a prior of their own.
    fn measure(&mut self, which: &[usize]) -> Result<Preflight> {
        let started = Instant::now();
        let (all, known) = (which.len() * self.params.samples, self.journal.left());
        let mut drawn = 0;
        preflight(which.len(), &self.params, &mut self.posterior, |asked| {
            let asked: Vec<usize> = asked.iter().map(|i| which[*i]).collect();
            let (sampler, rng) = (&mut self.sampler, &mut self.drawing);
            let new = sampler.sample(&self.prompts, &asked, &mut self.reward, rng, &mut self.journal)?;
            let rewards = new.iter().map(|w| w.reward).collect();
            drawn += new.len();
            self.written.extend(new);
            let left = if known == 0 && drawn < all {
                let minutes = started.elapsed().as_secs_f64() / 60.0 * (all - drawn) as f64 / drawn as f64;
                format!(", about {minutes:.1} minutes to go for these")
            } else {
                String::new()
            };
            note(&format!("sampled {drawn} of {all} completions{left}"));
            Ok(rewards)
        })
    }
}

pub(super) fn execute(args: &Args) -> Result<u8> {
    let params = params(args)?;
    if let Some(path) = FILES.iter().map(|name| args.out.join(name)).find(|path| path.exists() && !args.force) {
        let path = path.display();
        return Err(Error::Usage(format!("{path} is there already: give --force to replace it, or another --out")));
    }
    let reward = TextReward::parse(&args.reward, Duration::from_secs_f64(args.timeout))?;
    let params = PreflightParams { range: params.range.or(reward.range()), ..params };
    let model = LanguageModel::load(&args.model)?;
    let prompts = prompts::read(&args.prompts, args.limit.unwrap_or(usize::MAX), &model, args.plain)?;
    let sampling = Sampling { temperature: args.temperature, ..Sampling::plain(args.length) };
    let sampler = Sampler::new(&model, &sampling, args.threads)?;
    let named = |name: &str| Stream::named(&["preflight", name, &args.seed.to_string()]);
    let shares = &args.trial.shares;
    let plan = if shares.is_empty() { None } else { Some(trial::plan(&prompts, &args.trial, &mut named("trial"))?) };
    let learner = Learner { model: &model, plain: args.plain, args: &args.trial };
    if let Some(plan) = &plan {
        // what does not fit is said before the work
        plan.learned.iter().try_for_each(|l| learner.examples(&prompts, l).map(drop))?;
    }
    note(&cost(args, prompts.len(), plan.as_ref()));
    let journal = Journal::open(&args.out, &settings(args, &params)?, args.resume, args.force)?;
    let (drawing, posterior) = (named("samples"), named("posterior"));
    let mut flight = Flight { prompts, sampler, reward, journal, params, drawing, posterior, written: Vec::new() };
    let said = flight.measure(&(0..flight.prompts.len()).collect::<Vec<_>>())?;
    let mut again = heat(&mut flight, args, &said)?;
    if let Some(plan) = &plan {
        again.extend(trials(&mut flight, args, plan, &learner)?);
    }
    let rows = rows(&flight.prompts, &said, &flight.params.groups, &again);
    let report = Report {
        rows,
        said,
        groups: flight.params.groups.clone(),
        again,
        temperature: args.temperature,
        model: args.model.display().to_string(),
        reward: args.reward.clone(),
    };
    save(&args.out, &report, &flight.written)?;
    flight.journal.finish()?;
    out(&text(&report, &args.out));
    Ok(u8::from(!report.said.stuck().is_empty()))
}

/// How much will be done, at most.
fn cost(args: &Args, prompts: usize, plan: Option<&trial::Plan>) -> String {
    let each = args.samples;
    let mut text = format!("{prompts} prompts × {each} samples of up to {} tokens", args.length);
    let others = args.temperatures.iter().filter(|t| **t != args.temperature).count();
    if others > 0 {
        let which = if args.reheat == Reheat::All { "each prompt" } else { "each stuck prompt" };
        let _ = write!(text, "; as many again of {which} at each of {others} other temperature(s)");
    }
    if let Some(plan) = plan {
        let (trials, steps, batch) = (plan.learned.len(), args.trial.sft_steps, args.trial.sft_batch);
        let measured = plan.measured.len() * each * trials;
        let _ = write!(
            text,
            "; {trials} trial(s) of {steps} steps × {batch} completions, and {measured} samples behind them"
        );
    }
    text
}

/// What a run that goes on must share with the one that was cut off.
fn settings(args: &Args, params: &PreflightParams) -> Result<Value> {
    let prompts = std::fs::read(&args.prompts).map_err(|e| Error::io(&args.prompts, e))?;
    let size = std::fs::metadata(&args.model).map_err(|e| Error::io(&args.model, e))?.len();
    let trial = &args.trial;
    Ok(json!({
        "model": args.model, "model_bytes": size, "prompts": sha256(&prompts), "reward": args.reward, "limit": args.limit,
        "params": format!("{params:?}"), "length": args.length, "temperature": args.temperature,
        "temperatures": args.temperatures, "reheat": format!("{:?}", args.reheat), "plain": args.plain, "seed": args.seed,
        "sft": trial.shares, "trial": if trial.shares.is_empty() { String::new() } else { format!("{trial:?}") },
    }))
}

/// Prompts at other temperatures.
fn heat(flight: &mut Flight, args: &Args, said: &Preflight) -> Result<Vec<Again>> {
    let which = match args.reheat {
        Reheat::Stuck => said.stuck(),
        Reheat::All => (0..said.prompts.len()).collect(),
    };
    let mut again = Vec::new();
    for temperature in args.temperatures.iter().copied().filter(|t| *t != args.temperature && !which.is_empty()) {
        flight.sampler.sampling.temperature = temperature;
        note(&format!("{} prompts at temperature {temperature}", which.len()));
        let said = flight.measure(&which)?;
        again.push(Again { change: Change::Temperature(temperature), prompts: which.clone(), said });
    }
    flight.sampler.sampling.temperature = args.temperature;
    Ok(again)
}

/// Prompts behind trials of supervised finetuning.
fn trials(flight: &mut Flight, args: &Args, plan: &trial::Plan, learner: &Learner) -> Result<Vec<Again>> {
    let mut again = Vec::new();
    for (share, learned) in args.trial.shares.iter().zip(&plan.learned) {
        let examples = learner.examples(&flight.prompts, learned)?;
        let mut rng = Stream::named(&["preflight", "sft", &share.to_string(), &args.seed.to_string()]);
        let started = Instant::now();
        let steps = args.trial.sft_steps;
        let (params, loss) = learner.train(&examples, &mut rng, |step, loss| {
            let minutes = started.elapsed().as_secs_f64() / 60.0 * (steps - step) as f64 / step as f64;
            note(&format!(
                "finetuning on {share}: step {step} of {steps}, loss {loss:.3}, about {minutes:.1} minutes to go"
            ));
        })?;
        flight.sampler.params = Cow::Owned(params);
        flight.sampler.trained = Some(*share);
        let said = flight.measure(&plan.measured)?;
        let change = Change::Sft { share: *share, learned: learned.len(), loss };
        again.push(Again { change, prompts: plan.measured.clone(), said });
    }
    Ok(again)
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
    args.trial.validate()?;
    Ok(params)
}

fn rows(prompts: &[TextPrompt], said: &Preflight, groups: &[usize], again: &[Again]) -> Vec<Row> {
    let mut rows: Vec<Row> = prompts.iter().enumerate().map(|(x, prompt)| row(x, prompt, said, groups)).collect();
    for of in again {
        let Change::Temperature(temperature) = of.change else { continue };
        for (x, p) in of.prompts.iter().zip(&of.said.prompts) {
            let all = &mut rows[*x].heated;
            let space = if all.is_empty() { "" } else { " " };
            let _ = write!(all, "{space}{temperature}:{:.4}", p.std.value);
        }
    }
    rows
}

fn row(x: usize, prompt: &TextPrompt, said: &Preflight, groups: &[usize]) -> Row {
    let p = &said.prompts[x];
    let state = match (said.vanishes(x), p.mean.value < said.enough) {
        (true, true) => "stuck",
        (true, false) => "mastered",
        (false, true) if p.std.low < said.threshold => "open",
        (false, _) => "alive",
    };
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
        dead: dead(groups, p),
        heated: String::new(),
    }
}

fn save(folder: &Path, report: &Report, written: &[Written]) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    let write = |name: &str, bytes: &[u8]| write_atomically(&folder.join(name), bytes);
    let chart = figure::chart(report);
    let picture = plot::png(&chart)?;
    write("prompts.csv", &Table::from_rows(&report.rows)?.to_csv()?)?;
    let again: Vec<_> = report.again.iter().flat_map(|a| a.rows(&report.groups, report.temperature)).collect();
    let of_again = folder.join("again.csv");
    if !again.is_empty() {
        write("again.csv", &Table::from_rows(&again)?.to_csv()?)?;
    } else if of_again.exists() {
        std::fs::remove_file(&of_again).map_err(|e| Error::io(&of_again, e))?;
    }
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
    for again in &report.again {
        text += &again_line(report, again);
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

/// What a change did, in a line.
fn again_line(report: &Report, again: &Again) -> String {
    let (before, after) = (again.before(&report.said), again.summary());
    let count = again.prompts.len();
    let which = match again.change {
        Change::Temperature(t) => {
            let all = if count == report.rows.len() { "all prompts" } else { "the stuck prompts" };
            format!("at temperature {t} {all}' ")
        }
        Change::Sft { share, learned, loss } => format!(
            "after supervised finetuning on {share} of the prompts ({learned}; loss {loss:.3} nats per token) {count} others' "
        ),
    };
    let group = report.groups[0];
    let dead = |s: &again::Summary| s.dead.first().map_or(f64::NAN, |e| e.value);
    format!(
        "{which}mean reward std is {:.4} (before {:.4}), their mean reward {:.4} ({:.4}), the share of dead groups of {group} {:.3} ({:.3}), and {} of {count} \
         are below the threshold ({})\n",
        after.std.value,
        before.std.value,
        after.mean.value,
        before.mean.value,
        dead(&after),
        dead(&before),
        after.vanish,
        before.vanish
    )
}
