//! How far runs have come, from what they leave in their folders: no unit is computed, no lock is kept.

use super::folder::{RunFolder, State as Found};
use super::journal::{Count, Journal};
use crate::error::{Error, Result};
use std::path::Path;
use std::time::SystemTime;

/// What a part of an experiment's run is at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing was begun.
    Waiting,
    /// A process holds its lock.
    Running,
    /// Begun, and no process holds its lock: it was killed, or it ended with units that failed and may succeed another time.
    Stopped,
    /// All of its units are in.
    Done,
    /// It was done, and a file is gone.
    Damaged(&'static str),
}

/// A shard of an experiment's run, or the whole of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// (K, N), counted from 1; (1, 1) for the whole.
    pub shard: (usize, usize),
    /// What it is at.
    pub state: State,
    /// Units in all, as far as is known.
    pub units: usize,
    /// Units that are done, failed ones too.
    pub done: usize,
    /// Units that failed for numerical reasons.
    pub failed: usize,
    /// When a unit was last journalled, or the rows were written.
    pub last: Option<SystemTime>,
}

/// The whole run of `id` under `out` if there is one, and its shards in their order. Shards of the largest split count, if there are several.
///
/// # Errors
/// A folder or a manifest that cannot be read.
pub fn parts(out: &Path, id: &str) -> Result<(Option<Part>, Vec<Part>)> {
    let whole = part(&RunFolder::new(out, id, (1, 1)), (1, 1))?;
    let folder = out.join(id).join("shards");
    let mut of = 0;
    if folder.is_dir() {
        for entry in std::fs::read_dir(&folder).map_err(|e| Error::io(&folder, e))? {
            let name = entry.map_err(|e| Error::io(&folder, e))?.file_name();
            let total = name.to_str().and_then(|n| n.split_once("-of-")?.1.parse::<usize>().ok());
            of = of.max(total.unwrap_or(0));
        }
    }
    let shards = (1..=of).map(|k| part(&RunFolder::new(out, id, (k, of)), (k, of))).collect::<Result<_>>()?;
    Ok((Some(whole).filter(|w| w.state != State::Waiting), shards))
}

fn part(folder: &RunFolder, shard: (usize, usize)) -> Result<Part> {
    let nothing = Part { shard, state: State::Waiting, units: 0, done: 0, failed: 0, last: None };
    let written = |name: &str| folder.file(name).metadata().and_then(|m| m.modified()).ok();
    match folder.state()? {
        Found::Complete(manifest) => Ok(Part {
            state: State::Done,
            units: manifest.units,
            done: manifest.units,
            failed: manifest.failed_units,
            last: written("manifest.toml"),
            ..nothing
        }),
        Found::Damaged(lost) => Ok(Part { state: State::Damaged(lost), ..nothing }),
        found => {
            let running = folder.is_locked();
            let journal = folder.journal_path();
            let Count { units, done, failed } = match found {
                Found::Interrupted(_) => Journal::count(&journal)?,
                _ => Count { units: 0, done: 0, failed: 0 },
            };
            let state = match (running, journal.exists()) {
                (true, _) => State::Running,
                (false, true) => State::Stopped,
                (false, false) => State::Waiting,
            };
            Ok(Part { state, units, done, failed, last: written("journal.jsonl"), ..nothing })
        }
    }
}
