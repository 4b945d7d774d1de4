//! `rewardlab status`.

use super::out;
use super::submit::{Submission, last_words};
use crate::error::{Error, Result};
use crate::experiment::{Part, PartState, Runnable, parts};
use std::fmt::Write;
use std::path::PathBuf;
use std::time::SystemTime;

/// Parts that need a look, shown one by one.
const SHOWN: usize = 20;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Read from the folder alone, whatever runs there and wherever. Failed units are those that diverged: they have no rows and count as done; failures.csv says \
why. Stopped: killed, or ended with units that may succeed another time; `run … --resume` or `submit resume` goes on. Exit code 0: all is done; 3: runs or \
waits; 1: something is stopped or damaged.")]
pub(super) struct Args {
    /// The --out folder of a run, of shards or of a submission
    dir: PathBuf,
}

/// An experiment and the parts that it is computed in.
struct Sweep {
    id: String,
    merged: bool,
    parts: Vec<Part>,
}

impl Sweep {
    fn count(&self, state: fn(&PartState) -> bool) -> usize {
        self.parts.iter().filter(|p| state(&p.state)).count()
    }
}

pub(super) fn execute(args: &Args, registry: &[Box<dyn Runnable>]) -> Result<u8> {
    let shown = args.dir.display();
    if !args.dir.is_dir() {
        return Err(Error::Usage(format!("{shown}: no such folder")));
    }
    let submission = Submission::load(&args.dir)?;
    let mut sweeps = Vec::new();
    for id in registry.iter().map(|e| e.id()) {
        let (whole, mut shards) = parts(&args.dir, id)?;
        let promised = submission.as_ref().filter(|s| s.ids.iter().any(|i| i == id));
        if let Some(submission) = promised {
            let waiting = |k| Part {
                shard: (k, submission.shards),
                state: PartState::Waiting,
                units: 0,
                done: 0,
                failed: 0,
                last: None,
            };
            shards.extend((shards.len() + 1..=submission.shards).map(waiting));
        }
        let merged = whole.as_ref().is_some_and(|w| w.state == PartState::Done);
        let parts = if merged || shards.is_empty() { whole.into_iter().collect() } else { shards };
        if !parts.is_empty() {
            sweeps.push(Sweep { id: id.to_owned(), merged, parts });
        }
    }
    if sweeps.is_empty() {
        return Err(Error::Usage(format!("{shown}: no run here (no <paper>/<figure> with a journal or a manifest)")));
    }
    out(&table(&sweeps));
    let wrong = worth_a_look(&sweeps, submission.as_ref(), args);
    out(&wrong);
    if let Some(submission) = &submission {
        let jobs: Vec<_> = submission.rounds.iter().map(|r| format!("{} then {}", r.array, r.then)).collect();
        let jobs = if jobs.is_empty() { "none yet: only the scripts were written".to_owned() } else { jobs.join(", ") };
        out(&format!("Slurm jobs, round by round: {jobs}\n"));
    }
    if !wrong.is_empty() {
        return Ok(1);
    }
    Ok(if sweeps.iter().all(|s| s.merged) { 0 } else { 3 })
}

fn table(sweeps: &[Sweep]) -> String {
    let width = sweeps.iter().map(|s| s.id.len()).max().unwrap_or(0).max(10);
    let mut text = format!(
        "{:width$}  {:>15}  {:>6}  {:>5}  {:>7}  {:>7}  {:>7}\n",
        "experiment", "units", "failed", "done", "running", "stopped", "waiting"
    );
    for sweep in sweeps {
        let sum = |of: fn(&Part) -> usize| sweep.parts.iter().map(of).sum::<usize>();
        let (done, all) = (sum(|p| p.done), sum(|p| p.units));
        // a part that was not begun has not said how many it has
        let more = if sweep.parts.iter().any(|p| p.units == 0 && p.state != PartState::Done) { "+" } else { "" };
        let _ = write!(
            text,
            "{:width$}  {:>15}  {:>6}  {:>5}  {:>7}  {:>7}  {:>7}",
            sweep.id,
            format!("{done} of {all}{more}"),
            sum(|p| p.failed),
            sweep.count(|s| *s == PartState::Done),
            sweep.count(|s| *s == PartState::Running),
            sweep.count(|s| matches!(s, PartState::Stopped | PartState::Damaged(_))),
            sweep.count(|s| *s == PartState::Waiting),
        );
        let all_in = sweep.count(|s| *s == PartState::Done) == sweep.parts.len();
        text.push_str(if all_in && !sweep.merged { "  to be merged\n" } else { "\n" });
    }
    text
}

/// The parts that stopped or lost a file, and what to do; empty where there is none.
fn worth_a_look(sweeps: &[Sweep], submission: Option<&Submission>, args: &Args) -> String {
    let all = sweeps.iter().flat_map(|s| s.parts.iter().map(move |p| (s, p)));
    let wrong: Vec<_> = all.filter(|(_, p)| matches!(p.state, PartState::Stopped | PartState::Damaged(_))).collect();
    let mut text = String::new();
    for (sweep, part) in wrong.iter().take(SHOWN) {
        let (k, n) = part.shard;
        let which = if n > 1 { format!("{} shard {k}/{n}", sweep.id) } else { sweep.id.clone() };
        let what = match &part.state {
            PartState::Damaged(lost) => format!("was done and has lost its {lost}"),
            _ => format!("stopped after {} of {} units{}", part.done, part.units, since(part.last)),
        };
        let why = submission.filter(|_| n > 1).map(|_| format!(" ({})", last_words(&args.dir, k)));
        let _ = writeln!(text, "{which}: {what}{}", why.unwrap_or_default());
    }
    if wrong.len() > SHOWN {
        let _ = writeln!(text, "… and {} more", wrong.len() - SHOWN);
    }
    if !wrong.is_empty() {
        let dir = args.dir.display();
        let how = match submission {
            Some(s) if !s.rounds.is_empty() => {
                format!("the job behind the array does; by hand: rewardlab submit resume {dir}")
            }
            _ => "the command that ran there, with --resume".to_owned(),
        };
        let _ = writeln!(text, "To go on: {how}");
    }
    text
}

fn since(last: Option<SystemTime>) -> String {
    let Some(seconds) = last.and_then(|l| l.elapsed().ok()).map(|e| e.as_secs()) else { return String::new() };
    match seconds {
        0..120 => format!(", {seconds} s ago"),
        120..7200 => format!(", {} min ago", seconds / 60),
        _ => format!(", {} h ago", seconds / 3600),
    }
}
