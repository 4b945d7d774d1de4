//! How far runs have come, from what they leave in their folders: no unit is computed, no lock is kept.

use super::folder::{RunFolder, State as Found};
use super::journal::{Count, Identity, Journal};
use crate::error::{Error, Result};
use crate::record::sha256;
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
    /// It was done, and a file is gone or is not what was written.
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
    /// What it is a part of: [`fingerprint`]; `None` where nothing says so.
    pub run: Option<String>,
    /// When a unit was last journalled, or the rows were written.
    pub last: Option<SystemTime>,
}

/// The same for all parts of one run, and for no other's: of version, parameters and seeds.
///
/// # Errors
/// Parameters that TOML cannot hold.
pub fn fingerprint(params: &toml::Table, seeds: &[u64]) -> Result<String> {
    let text = toml::to_string(params).map_err(|e| Error::Usage(e.to_string()))?;
    Ok(of_run(env!("CARGO_PKG_VERSION"), &sha256(text.as_bytes()), seeds))
}

fn of_run(version: &str, params_sha256: &str, seeds: &[u64]) -> String {
    sha256(format!("{version} {params_sha256} {seeds:?}").as_bytes())
}

/// The whole run of `id` under `out` if there is one, and its shards in their order: those of a split into `of`, or of the largest split that
/// there is; and the other splits, which there should not be.
///
/// # Errors
/// A folder or a journal that cannot be read.
pub fn parts(out: &Path, id: &str, of: Option<usize>) -> Result<(Option<Part>, Vec<Part>, Vec<usize>)> {
    let whole = RunFolder::new(out, id, (1, 1));
    let mut splits = whole.splits()?;
    let of = of.or(splits.last().copied()).unwrap_or(0);
    let begun = splits.contains(&of);
    splits.retain(|n| *n != of);
    let shard = |k| part(&RunFolder::new(out, id, (k, of)), (k, of));
    let shards = if begun { (1..=of).map(shard).collect::<Result<_>>()? } else { Vec::new() };
    Ok((Some(part(&whole, (1, 1))?).filter(|w| w.state != State::Waiting), shards, splits))
}

fn part(folder: &RunFolder, shard: (usize, usize)) -> Result<Part> {
    let nothing = Part { shard, state: State::Waiting, units: 0, done: 0, failed: 0, run: None, last: None };
    let written = |name: &str| folder.file(name).metadata().and_then(|m| m.modified()).ok();
    match folder.state()? {
        Found::Complete(manifest) => Ok(Part {
            state: State::Done,
            units: manifest.units,
            done: manifest.units,
            failed: manifest.failed_units,
            run: Some(of_run(&manifest.version, &manifest.params_sha256, &manifest.seeds)),
            last: written("manifest.toml"),
            ..nothing
        }),
        Found::Damaged(lost) => Ok(Part { state: State::Damaged(lost), ..nothing }),
        found => {
            let running = folder.is_locked();
            let journal = folder.journal_path();
            let (Count { units, done, failed }, identity) = match found {
                Found::Interrupted(identity) => (Journal::count(&journal)?, identity),
                _ => (Count { units: 0, done: 0, failed: 0 }, None),
            };
            let run =
                identity.map(|Identity { version, params_sha256, seeds, .. }| of_run(&version, &params_sha256, &seeds));
            let state = match (running, journal.exists()) {
                (true, _) => State::Running,
                (false, true) => State::Stopped,
                (false, false) => State::Waiting,
            };
            Ok(Part { state, units, done, failed, run, last: written("journal.jsonl"), ..nothing })
        }
    }
}
