//! `rewardlab submit`: a run in shards as an array job of a cluster's scheduler, with a dependent job that goes on with what a mishap left, and merges.
//!
//! What was submitted stands in `OUT/slurm/submission.toml`; whether a shard is done is read from its own folder, as `rewardlab status` reads it, and
//! never from the scheduler.

mod record;
mod slurm;

use super::selection::Selection;
use super::{judge, note, out, width};
use crate::error::{Error, Result};
use crate::experiment::{self, PartState, Runnable, parts};
use crate::record::write_atomically;
use crate::report::text;
use record::{FOLDER, Missing, Resources, Round};
pub(super) use record::{Submission, last_words};
pub(super) use slurm::is_queued;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

const EXAMPLE: &str = "\
Examples:
  rewardlab submit slurm vanishing_gradients --profile paper --seeds 0..99 --array-size 64 --cpus 4 --time 2:00:00 --out /shared/sweep
  rewardlab status /shared/sweep
  rewardlab submit resume /shared/sweep

The array's tasks are `rewardlab run … --shard K/N --resume`. When all have ended, however they ended, a dependent job looks into the folder: if shards are \
unfinished it submits those again, which go on where they stopped; if none is, it merges them, draws and judges. It gives up after --retries rounds in a row \
in which no unit was finished. The folder must be one that all nodes share.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Write the scripts of an array job over shards and of the job behind it, and submit them to Slurm
    Slurm(Box<Slurm>),
    /// Submit the unfinished shards of a folder again, or merge, draw and judge if there are none (the dependent job runs this)
    Resume {
        /// The --out folder of the submission
        out: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct Slurm {
    #[command(flatten)]
    selection: Selection,
    /// Output folder, on a file system that the nodes share [default: runs/PROFILE]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Shards, one array task each [default: as many as there are units, up to 64]
    #[arg(long, value_name = "N")]
    array_size: Option<NonZeroUsize>,
    /// Most tasks that run at one time
    #[arg(long, value_name = "N")]
    max_running: Option<NonZeroUsize>,
    /// Cores, and so threads, of a task
    #[arg(long, value_name = "N", default_value = "1")]
    cpus: NonZeroUsize,
    /// GPUs of a task
    #[arg(long, value_name = "N")]
    gpus: Option<NonZeroUsize>,
    /// Memory of a task, as Slurm has it: 8G
    #[arg(long)]
    mem: Option<String>,
    /// Time limit of a task, as Slurm has it: 2:00:00; a task that is cut off goes on in the next round
    #[arg(long)]
    time: Option<String>,
    /// Partition
    #[arg(long)]
    partition: Option<String>,
    /// Account
    #[arg(long)]
    account: Option<String>,
    /// Any other option of sbatch, for both jobs, as often as needed: --sbatch=--qos=long
    #[arg(long = "sbatch", value_name = "OPTION", allow_hyphen_values = true)]
    options: Vec<String>,
    /// Rounds in a row in which no unit is finished, before the dependent job gives up
    #[arg(long, value_name = "N", default_value_t = 3)]
    retries: usize,
    /// Seconds before a round that follows one in which no unit was finished
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pause: u64,
    /// Write the scripts and print the commands, submit nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn execute(args: &Args, registry: &[Box<dyn Runnable>]) -> Result<u8> {
    match &args.command {
        Command::Slurm(args) => submit(args, registry),
        Command::Resume { out } => resume(out, registry),
    }
}

fn submit(args: &Slurm, registry: &[Box<dyn Runnable>]) -> Result<u8> {
    let chosen = args.selection.chosen(registry)?;
    let (mut units, mut runs) = (0, Vec::new());
    for (experiment, table) in &chosen {
        let seeds = args.selection.seeds().unwrap_or_else(|| experiment.seeds(args.selection.profile));
        units = units.max(experiment.plan(table)?.cells().len() * seeds.len());
        runs.push(experiment::fingerprint(table, &seeds)?);
    }
    let shards = args.array_size.map_or_else(|| units.clamp(1, 64), NonZeroUsize::get);
    if shards > units {
        return Err(Error::parameter("--array-size", shards, format!("at most {units}, the units that there are")));
    }
    let ids: Vec<String> = chosen.iter().map(|(e, _)| e.id().to_owned()).collect();
    let target = args.selection.out(args.out.as_deref());
    let target = std::path::absolute(&target).map_err(|e| Error::io(&target, e))?;
    let program = std::env::current_exe().map_err(|e| Error::Usage(format!("where this program is: {e}")))?;
    let from = std::env::current_dir().map_err(|e| Error::io(".", e))?;
    // a file of parameters may change before the last task has read it
    let frozen = args.selection.reads_a_file().then(|| folder(&target).join("params.toml"));
    let submission = Submission {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        program: program.display().to_string(),
        from: from.display().to_string(),
        arguments: args.selection.arguments(&ids, frozen.as_deref()),
        ids,
        runs,
        shards,
        retries: args.retries,
        pause: args.pause,
        max_running: args.max_running.map(NonZeroUsize::get),
        resources: Resources {
            cpus: args.cpus.get(),
            gpus: args.gpus.map(NonZeroUsize::get),
            mem: args.mem.clone(),
            time: args.time.clone(),
            partition: args.partition.clone(),
            account: args.account.clone(),
            options: args.options.clone(),
        },
        rounds: Vec::new(),
    };
    let _lock = Submission::lock(&target)?;
    if let Some(earlier) = Submission::load(&target)? {
        // what was only written may be submitted, or replaced
        if !earlier.rounds.is_empty() {
            return Err(Error::Usage(format!(
                "{0} was submitted before: see `rewardlab status {0}`, go on with `rewardlab submit resume {0}`, or give another --out",
                target.display()
            )));
        }
    }
    refuse_foreign(&submission, &target)?;
    let missing = submission.missing(&target)?;
    if let (Some(file), [(_, table)]) = (&frozen, &chosen[..]) {
        let text = toml::to_string(table).map_err(|e| Error::Usage(e.to_string()))?;
        write_atomically(file, text.as_bytes())?;
    }
    slurm::write_scripts(&submission, &target)?;
    submission.save(&target)?;
    if missing.shards.is_empty() {
        return Err(Error::Usage(format!("all shards are done already: rewardlab submit resume {}", target.display())));
    }
    if args.dry_run {
        out(&slurm::commands(&submission, &target, &missing.shards));
        return Ok(0);
    }
    round(submission, &target, &missing)
}

/// A whole run would be taken for the merged one, and shards of another split stand in the way of merging.
fn refuse_foreign(submission: &Submission, target: &Path) -> Result<()> {
    for id in &submission.ids {
        let (whole, _, others) = parts(target, id, Some(submission.shards))?;
        let shown = target.join(id);
        if whole.is_some() {
            return Err(Error::Usage(format!("{} already holds a run: give another --out", shown.display())));
        }
        if let Some(n) = others.first() {
            return Err(Error::Usage(format!(
                "{} already holds shards of {n}: give --array-size {n}, or another --out",
                shown.display()
            )));
        }
    }
    Ok(())
}

/// Submits the missing shards and the job behind them.
fn round(mut submission: Submission, target: &Path, missing: &Missing) -> Result<u8> {
    let pause = if submission.stalled(missing.done) > 0 { submission.pause } else { 0 };
    let array = slurm::submit_array(&submission, target, &missing.shards, pause)?;
    submission.rounds.push(Round { array, then: String::new(), done: missing.done });
    submission.save(target)?;
    let (array, then) = behind(&mut submission, target)?;
    out(&format!(
        "Round {}: {} of {} shards in array job {array}; job {then} behind it. See: rewardlab status {}\n",
        submission.rounds.len(),
        missing.shards.len(),
        submission.shards,
        target.display()
    ));
    Ok(0)
}

/// Submits the job behind the last round's array.
fn behind(submission: &mut Submission, target: &Path) -> Result<(String, String)> {
    let Some(round) = submission.rounds.last_mut() else { return Ok((String::new(), String::new())) };
    let array = round.array.clone();
    let then = slurm::submit_then(target, &array).map_err(|e| {
        let shown = target.display();
        Error::Usage(format!(
            "array job {array} was submitted, the job behind it was not: {e}; once it can be: rewardlab submit resume {shown}"
        ))
    })?;
    round.then.clone_from(&then);
    submission.save(target)?;
    Ok((array, then))
}

fn resume(target: &Path, registry: &[Box<dyn Runnable>]) -> Result<u8> {
    let Some(mut submission) = Submission::load(target)? else {
        return Err(Error::Usage(format!("{}: nothing was submitted from here", target.display())));
    };
    let target = &std::path::absolute(target).map_err(|e| Error::io(target, e))?;
    let _lock = Submission::lock(target)?;
    let missing = submission.missing(target)?;
    if missing.shards.is_empty() {
        return merge(&submission, target, registry);
    }
    if let Some(Round { array, then, .. }) = submission.rounds.last() {
        if slurm::is_queued(array) == Some(true) {
            if then.is_empty() {
                let (array, then) = behind(&mut submission, target)?;
                out(&format!("Job {then} behind array job {array}, which is in the queue\n"));
                return Ok(0);
            }
            return Err(Error::Usage(format!(
                "array job {array} is still in the queue: wait for it, or cancel it and job {then} behind it"
            )));
        }
        let stalled = submission.stalled(missing.done);
        if stalled >= submission.retries.max(1) {
            let which = slurm::ranges(&missing.shards);
            let why = last_words(target, missing.shards[0]);
            // by hand it may be tried again: the cause may be mended
            if std::env::var_os("SLURM_JOB_ID").is_some() {
                return Err(Error::Usage(format!(
                    "no unit was finished in {stalled} rounds; missing shards {which}; the last words of shard {}: {why}",
                    missing.shards[0]
                )));
            }
            note(&format!(
                "no unit was finished in {stalled} rounds (shard {}: {why}); trying again",
                missing.shards[0]
            ));
        }
    }
    round(submission, target, &missing)
}

/// The end: one result of all shards, as one machine would have made it.
fn merge(submission: &Submission, target: &Path, registry: &[Box<dyn Runnable>]) -> Result<u8> {
    for experiment in experiment::select(registry, &submission.ids)? {
        let (whole, _, _) = parts(target, experiment.id(), Some(submission.shards))?;
        match whole.map(|w| w.state) {
            Some(PartState::Done) => {}
            found => experiment::merge(experiment, target, found.is_some())?,
        }
    }
    let (judged, _) = judge::judge_all(registry, target)?;
    out(&text(&judged, width()));
    out(&format!("All shards are merged: {0}/REPORT.md and {0}/index.html\n", target.display()));
    // a refuted claim is no failed job
    Ok(0)
}

/// The folder of what concerns the scheduler.
fn folder(target: &Path) -> PathBuf {
    target.join(FOLDER)
}
