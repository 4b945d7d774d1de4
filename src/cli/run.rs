//! `rewardlab run`.

use super::selection::Selection;
use super::{judge, note, out, width};
use crate::error::{Error, Result};
use crate::experiment::{self, Claim, Job, Progress, Request, Runnable};
use crate::report::{Tally, text};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Output folder [default: runs/PROFILE]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Worker threads [default: all cores]; changes nothing but the time
    #[arg(long)]
    threads: Option<usize>,
    /// Go on with an interrupted run
    #[arg(long, conflicts_with = "force")]
    resume: bool,
    /// Replace earlier results
    #[arg(long)]
    force: bool,
    /// Do the K-th of N shares of the work (counted from 1); `merge` puts them together
    #[arg(long, value_name = "K/N", value_parser = parse_shard, default_value = "1/1", hide_default_value = true)]
    shard: Shard,
}

/// (K, N), counted from 1.
#[derive(Clone, Copy, Debug)]
struct Shard(usize, usize);

fn parse_shard(text: &str) -> Result<Shard, String> {
    let parsed = text.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
    match parsed {
        Some((k, n)) if (1..=n).contains(&k) => Ok(Shard(k, n)),
        _ => Err("must be K/N with 1 ≤ K ≤ N, for example 2/3".into()),
    }
}

/// The number of worker threads.
pub(super) fn threads(asked: Option<usize>) -> Result<usize> {
    match asked {
        Some(n) if (1..=1024).contains(&n) => Ok(n),
        Some(n) => Err(Error::parameter("--threads", n, "between 1 and 1024")),
        None => Ok(std::thread::available_parallelism().map_or(1, std::num::NonZero::get)),
    }
}

pub(super) fn execute(args: &Args, registry: &[Box<dyn Runnable>]) -> Result<u8> {
    let threads = threads(args.threads)?;
    // all parameters are checked before a folder is made, and all folders are locked before one is cleared
    let chosen = args.selection.chosen(registry)?;
    let target = args.selection.out(args.out.as_deref());
    let request = Request {
        profile: args.selection.profile,
        seeds: args.selection.seeds(),
        out: &target,
        shard: (args.shard.0, args.shard.1),
        resume: args.resume,
        force: args.force,
        verify: false,
    };
    if let Some(device) = args.selection.device {
        device.open()?;
    }
    let claims = chosen.iter().map(|(experiment, table)| Claim::new(*experiment, table, &request));
    let claims = claims.collect::<Result<Vec<_>>>()?;
    let mut jobs = claims.into_iter().map(Claim::begin).collect::<Result<Vec<_>>>()?;
    announce(&jobs);
    let done = experiment::run(
        &mut jobs,
        threads,
        &mut Bar::new(&format!("continue with --resume, in {}", target.display())),
    )?;
    let failed = jobs.iter().flat_map(Job::failures).count();
    let ids: Vec<_> = jobs.iter().filter(|j| j.is_complete()).map(|j| j.experiment().id()).collect();
    let unfinished = jobs.iter().any(|j| !j.is_complete());
    drop(jobs);
    if !done {
        return Ok(130);
    }
    if args.shard.1 > 1 {
        let Shard(k, n) = args.shard;
        out(&format!("Shard {k} of {n} is done; when all are: rewardlab merge {}\n", target.display()));
        return Ok(if failed > 0 { 2 } else { 0 });
    }
    let (judged, _) = judge::judge_all(registry, &target)?;
    let judged: Vec<_> = judged.into_iter().filter(|j| ids.contains(&j.id.as_str())).collect();
    out(&text(&judged, width()));
    out(&format!(
        "Rows, figures and checks: {0}/<paper>/<figure>/{{rows.csv, figure.png, figure.svg, checks.csv}}\n\
         Everything on one page:   {0}/index.html (and {0}/REPORT.md)\n",
        target.display()
    ));
    if failed > 0 {
        let what = if unfinished {
            "mend the cause, then --resume; where all units diverged (failures.csv), other parameters and --force"
        } else {
            "they have no rows but a line in failures.csv, and no check of theirs is decided"
        };
        return Err(Error::Usage(format!("{failed} units failed (above); {what}")));
    }
    Ok(Tally::of(judged.iter().flat_map(|j| &j.checks)).exit_code())
}

fn announce(jobs: &[Job]) {
    for job in jobs {
        let id = job.experiment().id();
        let folder = job.folder().path().display();
        if job.was_complete() {
            note(&format!("{id}: complete in {folder} with these parameters; judged, not computed again"));
        } else if job.resumed_units() > 0 {
            note(&format!("{id}: going on after {} finished units", job.resumed_units()));
        }
    }
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The progress bar on a terminal (nothing when piped); Ctrl-C ends the process with a line that says how to go on.
pub(super) struct Bar {
    bar: ProgressBar,
    how_to_go_on: String,
}

impl Bar {
    pub(super) fn new(how_to_go_on: &str) -> Self {
        // a second handler in one process (tests) is refused, and the first still serves
        let _ = ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::SeqCst));
        let bar = ProgressBar::new(1000);
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent:>3}%  {msg}") {
            bar.set_style(style);
        }
        Self { bar, how_to_go_on: how_to_go_on.to_owned() }
    }
}

impl Progress for Bar {
    fn advance(&mut self, done: f64, total: f64, units: usize, all: usize) {
        let share = if total > 0.0 { done / total } else { 1.0 };
        self.bar.set_position((1000.0 * share) as u64);
        let left = self.bar.elapsed().as_secs_f64() * (1.0 - share) / share.max(1e-9);
        self.bar.set_message(format!("{units} of {all} units, {left:.0} s left"));
        if units == all {
            self.bar.finish_and_clear();
        }
    }
    fn failed(&mut self, message: &str) {
        self.bar.suspend(|| note(message));
    }
    fn finished(&mut self, _id: &str) {}
    fn interrupted(&self) -> bool {
        INTERRUPTED.load(Ordering::SeqCst)
    }
    fn stopped(&mut self) {
        self.bar.finish_and_clear();
        note(&format!("interrupted; finished units are kept; {}", self.how_to_go_on));
        // workers may be minutes into a unit; whatever counts is on disk
        std::process::exit(130);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards() {
        assert!(matches!(parse_shard("2/3"), Ok(Shard(2, 3))));
        assert!(parse_shard("0/3").is_err() && parse_shard("4/3").is_err() && parse_shard("x").is_err());
    }
}
