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
use crate::algorithm::{Preflight, PreflightParams, afresh, preflight};
use crate::error::{Error, Result};
use crate::jsonl;
use crate::lm::{LanguageModel, Sampling};
use crate::metrics::{RewardPrior, SpreadPrediction};
use crate::plot;
use crate::record::{Table, sha256, write_atomically};
use crate::reward::text::{KINDS, TextReward};
use crate::rng::Stream;
use crate::stats::Estimate;
use again::{Again, Change, Fresh, dead};
use journal::{Journal, content};
use sampler::{Sampler, Written};
use serde::Serialize;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeSet;
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

A prompt is stuck if its std is below the threshold with a probability of at least 0.9 and its mean reward is low, open if that is not decided. \
Few samples of few prompts do not decide it: with binary rewards and the usual threshold, a success of one in 400 is still alive. Many prompts that \
succeed either often or never do. How often such calls are right, and intervals hold the truth, is measured in real_models/preflight_calibration.

--temperatures samples the stuck prompts (with --reheat all every prompt) again at other temperatures; --sft 0.1,0.5 finetunes the model shortly on \
a tenth and on half of the prompts that have a completion, each time from the start, and samples the others again. Prompts that were chosen by \
their samples do better or worse the next time by chance alone, so the same prompts are sampled again with nothing changed, as often: changes are \
told against that control.

Samples are written down as they come (samples.partial.jsonl): --resume goes on with a run that was cut off, to the same result.

Written to --out: prompts.csv, samples.jsonl, figure.png, figure.svg, index.html, and again.csv if prompts were sampled again. Exit codes: 0 no prompt with low reward is said to \
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
    /// Those that are said to vanish with a low reward.
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
    /// `stuck` (said to vanish with a low reward), `mastered` (said to vanish with a high one), `open` (low reward, and the std's
    /// interval reaches below the threshold) or `alive`.
    state: &'static str,
    /// Probability of a dead group by size, `4:0.61 8:0.34`.
    dead: String,
    /// Reward std where it was sampled again, by temperature, `1:0.10 1.5:0.12`; the control, at which nothing was changed, is first.
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
    /// What a few samples of all prompts say.
    fn measure(&mut self) -> Result<Preflight> {
        let (count, params) = (self.prompts.len(), self.params.clone());
        let mut posterior = self.posterior.clone();
        let said = preflight(count, &params, &mut posterior, self.sample(&(0..count).collect::<Vec<_>>()));
        self.posterior = posterior;
        said
    }

    /// What these prompts are paid after a change.
    fn again(&mut self, change: Change, prompts: &[usize]) -> Result<Fresh> {
        let params = self.params.clone();
        let rewards = afresh(prompts.len(), &params, self.sample(prompts))?;
        Ok(Fresh { change, prompts: prompts.to_vec(), rewards })
    }

    /// Samples those of these prompts that are asked for, and says what they are paid.
    fn sample(&mut self, which: &[usize]) -> impl FnMut(&[usize]) -> Result<Vec<f64>> {
        let started = Instant::now();
        let (all, known) = (which.len() * self.params.samples, self.journal.left());
        let mut drawn = 0;
        move |asked| {
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
        }
    }
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
    let prompts = prompts::read(&args.prompts, args.limit.unwrap_or(usize::MAX), &model, args.plain, &mut reward)?;
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
    let said = flight.measure()?;
    let fresh = sample_again(&mut flight, args, plan.as_ref(), &learner, &said)?;
    let again = compare(&mut flight, &said, fresh)?;
    let rows = rows(&flight.prompts, &said, &flight.params.groups, &again, args.temperature);
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
    let mut text = format!("{} × {each} samples of up to {} tokens", prompts_of(prompts), args.length);
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
    if others > 0 || plan.is_some() {
        text += "; and of each prompt that is sampled again as many with nothing changed (control)";
    }
    text
}

/// "1 prompt", "2 prompts".
fn prompts_of(count: usize) -> String {
    format!("{count} prompt{}", if count == 1 { "" } else { "s" })
}

/// What a run that goes on must share with the one that was cut off.
fn settings(args: &Args, params: &PreflightParams) -> Result<Value> {
    let prompts = std::fs::read(&args.prompts).map_err(|e| Error::io(&args.prompts, e))?;
    let trial = &args.trial;
    Ok(json!({
        "model": args.model, "model_content": content(&args.model)?, "prompts": sha256(&prompts), "reward": args.reward, "limit": args.limit,
        "params": format!("{params:?}"), "length": args.length, "temperature": args.temperature,
        "temperatures": args.temperatures, "reheat": format!("{:?}", args.reheat), "plain": args.plain, "seed": args.seed,
        "sft": trial.shares, "trial": if trial.shares.is_empty() { String::new() } else { format!("{trial:?}") },
    }))
}

/// Prompts that are sampled again: with nothing changed, at other temperatures, and behind trials.
fn sample_again(
    flight: &mut Flight,
    args: &Args,
    plan: Option<&trial::Plan>,
    learner: &Learner,
    said: &Preflight,
) -> Result<Vec<Fresh>> {
    let temperatures = || args.temperatures.iter().copied().filter(|t| *t != args.temperature);
    let heated = match args.reheat {
        _ if temperatures().next().is_none() => Vec::new(),
        Reheat::Stuck => said.stuck(),
        Reheat::All => (0..flight.prompts.len()).collect(),
    };
    let both: BTreeSet<usize> = heated.iter().chain(plan.iter().flat_map(|p| &p.measured)).copied().collect();
    if both.is_empty() {
        return Ok(Vec::new());
    }
    let both: Vec<usize> = both.into_iter().collect();
    note(&format!("{} again, nothing changed (control)", prompts_of(both.len())));
    flight.sampler.control = true;
    let mut fresh = vec![flight.again(Change::Nothing, &both)?];
    flight.sampler.control = false;
    for temperature in temperatures().filter(|_| !heated.is_empty()) {
        flight.sampler.sampling.temperature = temperature;
        note(&format!("{} at temperature {temperature}", prompts_of(heated.len())));
        fresh.push(flight.again(Change::Temperature(temperature), &heated)?);
    }
    flight.sampler.sampling.temperature = args.temperature;
    if let Some(plan) = plan {
        trials(flight, args, plan, learner, &mut fresh)?;
    }
    Ok(fresh)
}

/// What is said after each change beside what the control says of the same prompts, all by one prior: that of the first samples of all
/// prompts.
fn compare(flight: &mut Flight, said: &Preflight, fresh: Vec<Fresh>) -> Result<Vec<Again>> {
    let Some((control, first)) = fresh.first().map(|f| (f.prompts.clone(), f.rewards.clone())) else {
        return Ok(Vec::new());
    };
    let beside: Vec<f64> = fresh.iter().flat_map(|f| &f.rewards).flatten().copied().collect();
    let prior = RewardPrior::fit_beside(&said.rewards, &beside, flight.params.range)?;
    let (groups, rng) = (&flight.params.groups, &mut flight.posterior);
    let mut say = |rewards: &[&[f64]]| prior.predict_all(rewards, groups, said.threshold, rng);
    let mut again: Vec<Again> = Vec::new();
    for of in fresh {
        let own: Vec<&[f64]> = of.rewards.iter().map(Vec::as_slice).collect();
        // of the control the first samples; of what was changed the control's
        let same = |x: &usize| match of.change {
            Change::Nothing => said.rewards[*x].as_slice(),
            _ => control.binary_search(x).map_or(&[][..], |i| first[i].as_slice()),
        };
        let same: Vec<&[f64]> = of.prompts.iter().map(same).collect();
        let after = say(&own)?;
        // one control of the same prompts is told once
        let before = match again.first() {
            Some(first) if first.prompts == of.prompts => first.after.clone(),
            _ => say(&same)?,
        };
        again.push(Again { change: of.change, prompts: of.prompts, after, before });
    }
    Ok(again)
}

/// Prompts behind trials of supervised finetuning.
fn trials(
    flight: &mut Flight,
    args: &Args,
    plan: &trial::Plan,
    learner: &Learner,
    fresh: &mut Vec<Fresh>,
) -> Result<()> {
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
        let change = Change::Sft { share: *share, learned: learned.len(), loss };
        fresh.push(flight.again(change, &plan.measured)?);
    }
    Ok(())
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

/// `base`: the temperature of the first samples.
fn rows(prompts: &[TextPrompt], said: &Preflight, groups: &[usize], again: &[Again], base: f64) -> Vec<Row> {
    let mut rows: Vec<Row> = prompts.iter().enumerate().map(|(x, prompt)| row(x, prompt, said, groups)).collect();
    for of in again {
        let temperature = match of.change {
            Change::Nothing => base,
            Change::Temperature(t) => t,
            Change::Sft { .. } => continue,
        };
        for (x, p) in of.prompts.iter().zip(&of.after.prompts) {
            let all = &mut rows[*x].heated;
            let space = if all.is_empty() { "" } else { " " };
            let _ = write!(all, "{space}{temperature}:{:.4}", p.std.value);
        }
    }
    rows
}

fn row(x: usize, prompt: &TextPrompt, said: &Preflight, groups: &[usize]) -> Row {
    let p = &said.spreads.prompts[x];
    let state = match (said.vanishes(x), said.is_low(x)) {
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
        "{}, {} samples; rewards from {} to {}; a reward std below {:.4} counts as vanished\n",
        prompts_of(report.rows.len()),
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
        "{} alive; said to vanish with a probability of {} or more: {} with a high reward (mastered), {stuck} although their reward is low \
         (stuck); {} with a low reward may vanish or not (open: more --samples tell)",
        prompts_of(count(report, "alive")),
        SpreadPrediction::SURE,
        count(report, "mastered"),
        count(report, "open")
    );
    if let Some(why) = constant(report) {
        let _ = writeln!(text, "{why}");
    }
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
    let there: Vec<&str> = FILES.into_iter().filter(|name| folder.join(name).exists()).collect();
    let _ = writeln!(text, "written to {}: {}", folder.display(), there.join(", "));
    text
}

/// What is to be said of a reward that never varied.
fn constant(report: &Report) -> Option<String> {
    report.said.is_constant().then(|| {
        format!(
            "every reward was {} and its range is not known: whether that is low cannot be said, so all prompts count as stuck; give --range LOW,HIGH",
            report.said.range.0
        )
    })
}

/// What a change did, in a line.
fn again_line(report: &Report, again: &Again) -> String {
    let (before, after) = (&again.before, &again.after);
    let count = again.prompts.len();
    let earlier = if again.change == Change::Nothing { "at first" } else { "control" };
    let which = match again.change {
        Change::Nothing => format!("sampled again with nothing changed (control), {} have a ", prompts_of(count)),
        Change::Temperature(t) => {
            let all = if count == report.rows.len() { "all prompts" } else { "the stuck prompts" };
            format!("at temperature {t} {all} have a ")
        }
        Change::Sft { share, learned, loss } => {
            let others = if count == 1 { "other has" } else { "others have" };
            format!(
                "after supervised finetuning on {share} of the prompts ({learned}; loss {loss:.3} nats per token) {count} {others} a "
            )
        }
    };
    let clear = if again.is_clear() { "" } else { ", not beyond its interval" };
    format!(
        "{which}mean reward std of {:.4} ({earlier} {:.4}; change {}{clear}), a mean reward of {:.4} ({:.4}), a share of dead groups of {} of {:.3} \
         ({:.3}), and {} of {count} are said to vanish ({})\n",
        after.std().value,
        before.std().value,
        again.gain(),
        after.mean().value,
        before.mean().value,
        report.groups[0],
        after.dead(0).value,
        before.dead(0).value,
        after.vanishing(),
        before.vanishing()
    )
}
