//! `rewardlab status`.

use super::submit::{Submission, is_queued, last_words};
use super::{note, out};
use crate::error::{Error, Result};
use crate::experiment::{Part, PartState, Runnable, parts};
use std::fmt::Write;
use std::path::PathBuf;
use std::time::SystemTime;

/// Parts that need a look, shown one by one.
const SHOWN: usize = 20;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Read from the folder, whatever runs there and wherever; of a submission Slurm is asked, if it is there, whether its jobs are still queued. Failed units are those that diverged: they have no rows and count as done; failures.csv says \
why. Stopped: killed, or ended with units that may succeed another time; `run … --resume` or `submit resume` goes on. Exit code 0: all is done; 3: runs or \
waits; 1: something is stopped or damaged, or nothing is queued that would go on.")]
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

    fn is_all_in(&self) -> bool {
        self.parts.iter().all(|p| p.state == PartState::Done)
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
        let promised = submission.as_ref().filter(|s| s.ids.iter().any(|i| i == id));
        let (whole, mut shards, others) = parts(&args.dir, id, promised.map(|s| s.shards))?;
        for n in others {
            note(&format!("{id}: shards of {n} are there too, and left out"));
        }
        if let Some(submission) = promised {
            let waiting = |k| Part {
                shard: (k, submission.shards),
                state: PartState::Waiting,
                units: 0,
                done: 0,
                failed: 0,
                run: None,
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
    let unfinished = sweeps.iter().any(|s| !s.merged);
    let given_up = submission.as_ref().is_some_and(|s| unfinished && nothing_is_queued(s));
    if unfinished {
        out(&how_to_go_on(&sweeps, submission.as_ref(), given_up, args));
    }
    if !wrong.is_empty() || given_up {
        return Ok(1);
    }
    Ok(if unfinished { 3 } else { 0 })
}

/// Whether Slurm says that neither job of the last round waits or runs.
fn nothing_is_queued(submission: &Submission) -> bool {
    let gone = |job: &String| job.is_empty() || is_queued(job) == Some(false);
    submission.rounds.last().is_some_and(|round| gone(&round.array) && gone(&round.then))
}

fn how_to_go_on(sweeps: &[Sweep], submission: Option<&Submission>, given_up: bool, args: &Args) -> String {
    let dir = args.dir.display();
    let Some(submission) = submission else {
        let begun = |s: &Sweep| s.parts.iter().any(|p| matches!(p.state, PartState::Stopped | PartState::Damaged(_)));
        let waits = |s: &Sweep| s.parts.iter().any(|p| p.state == PartState::Waiting);
        return match (sweeps.iter().any(begun), sweeps.iter().any(waits)) {
            (true, _) => "To go on: the command that ran there, with --resume\n".to_owned(),
            (false, true) => "To go on: run the shards that wait\n".to_owned(),
            (false, false) if sweeps.iter().all(Sweep::is_all_in) => format!("To merge: rewardlab merge {dir}\n"),
            (false, false) => String::new(),
        };
    };
    let jobs: Vec<_> = submission.rounds.iter().map(|r| format!("{} then {}", r.array, r.then)).collect();
    match (&jobs[..], given_up) {
        ([], _) => "Nothing was submitted to Slurm yet: only the scripts were written\n".to_owned(),
        (jobs, true) => format!(
            "Slurm jobs, round by round: {}; none is queued any more. To go on: rewardlab submit resume {dir}\n",
            jobs.join(", ")
        ),
        (jobs, false) => format!(
            "Slurm jobs, round by round: {}. The job behind goes on with what stopped; to end it all, cancel both of the last round\n",
            jobs.join(", ")
        ),
    }
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
        text.push_str(if sweep.is_all_in() && !sweep.merged { "  to be merged\n" } else { "\n" });
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
            PartState::Damaged(lost) => format!("was done, but its {lost} is lost or broken"),
            _ => format!("stopped after {} of {} units{}", part.done, part.units, since(part.last)),
        };
        let why = submission.filter(|_| n > 1).map(|_| format!(" ({})", last_words(&args.dir, k)));
        let _ = writeln!(text, "{which}: {what}{}", why.unwrap_or_default());
    }
    if wrong.len() > SHOWN {
        let _ = writeln!(text, "… and {} more", wrong.len() - SHOWN);
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
