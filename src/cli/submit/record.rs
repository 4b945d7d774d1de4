//! What was submitted from a folder, and how far it has come.

use crate::error::{Error, Result};
use crate::experiment::{Part, PartState, parts};
use crate::record::write_atomically;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

/// Under the output folder.
pub(super) const FOLDER: &str = "slurm";

/// `slurm/submission.toml`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::cli) struct Submission {
    pub(super) version: String,
    /// This program, as the nodes see it.
    pub(super) program: String,
    pub(in crate::cli) ids: Vec<String>,
    /// What each one's shards are parts of: [`crate::experiment::fingerprint`].
    pub(super) runs: Vec<String>,
    /// The folder that relative paths in `arguments` start from.
    pub(super) from: String,
    /// Behind `rewardlab run`.
    pub(super) arguments: Vec<String>,
    pub(in crate::cli) shards: usize,
    pub(super) retries: usize,
    /// Seconds.
    pub(super) pause: u64,
    pub(super) max_running: Option<usize>,
    pub(super) resources: Resources,
    #[serde(default)]
    pub(in crate::cli) rounds: Vec<Round>,
}

/// What a task may use.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Resources {
    pub(super) cpus: usize,
    pub(super) gpus: Option<usize>,
    pub(super) mem: Option<String>,
    pub(super) time: Option<String>,
    pub(super) partition: Option<String>,
    pub(super) account: Option<String>,
    pub(super) options: Vec<String>,
}

/// Once that shards were handed over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::cli) struct Round {
    /// The array's job.
    pub(in crate::cli) array: String,
    /// The job behind it; empty if it could not be submitted.
    pub(in crate::cli) then: String,
    /// Units that were done before.
    pub(in crate::cli) done: usize,
}

/// What is not done yet.
#[derive(Debug)]
pub(super) struct Missing {
    /// Shards of which an experiment's part is unfinished, counted from 1.
    pub(super) shards: Vec<usize>,
    /// Units that are done, of all shards and experiments.
    pub(super) done: usize,
}

impl Submission {
    /// Holds other submissions from the same folder off.
    pub(super) fn lock(target: &Path) -> Result<File> {
        let folder = target.join(FOLDER);
        std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
        let path = folder.join(".lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|e| Error::io(&path, e))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => {
                Err(Error::Usage(format!("{}: another `rewardlab submit` is at work here", target.display())))
            }
            Err(TryLockError::Error(e)) => Err(Error::io(&path, e)),
        }
    }

    /// The submission from a folder, if there was one.
    pub(in crate::cli) fn load(target: &Path) -> Result<Option<Self>> {
        let path = target.join(FOLDER).join("submission.toml");
        if !path.exists() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
        toml::from_str(&text).map(Some).map_err(|e| Error::content(&path, "submission", e.message().to_owned()))
    }

    pub(super) fn save(&self, target: &Path) -> Result<()> {
        let text = toml::to_string(self).map_err(|e| Error::Usage(e.to_string()))?;
        write_atomically(&target.join(FOLDER).join("submission.toml"), text.as_bytes())
    }

    /// # Errors
    /// Results of other parameters, seeds or another version where this submission's should be.
    pub(super) fn missing(&self, target: &Path) -> Result<Missing> {
        let mut missing = Missing { shards: Vec::new(), done: 0 };
        for (id, run) in self.ids.iter().zip(&self.runs) {
            let (whole, shards, _) = parts(target, id, Some(self.shards))?;
            let other = |p: &&Part| p.run.as_ref().is_some_and(|r| r != run);
            if let Some(part) = whole.iter().chain(&shards).find(other) {
                let (k, n) = part.shard;
                let which = if n > 1 { format!("shard {k} of {n} of") } else { String::new() };
                return Err(Error::Usage(format!(
                    "{}: {which} a run with other parameters, seeds or version is there: give another --out, or remove it",
                    target.join(id).display()
                )));
            }
            missing.done += shards.iter().map(|s| s.done).sum::<usize>();
            if whole.is_some_and(|w| w.state == PartState::Done) {
                continue;
            }
            let unfinished = |k: &usize| shards.get(k - 1).is_none_or(|s| s.state != PartState::Done);
            missing.shards.extend((1..=self.shards).filter(unfinished));
        }
        missing.shards.sort_unstable();
        missing.shards.dedup();
        Ok(missing)
    }

    /// Rounds, up to the last, since a unit was finished.
    pub(super) fn stalled(&self, done: usize) -> usize {
        self.rounds.iter().rev().take_while(|r| r.done == done).count()
    }
}

/// Why a task ended, as far as it left word: its exit code, and the last line of its log.
pub(in crate::cli) fn last_words(target: &Path, shard: usize) -> String {
    let folder = target.join(FOLDER);
    let code = std::fs::read_to_string(folder.join("codes").join(shard.to_string()));
    let log = std::fs::read(folder.join("logs").join(format!("{shard}.log"))).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let line = log.lines().rev().map(str::trim).find(|l| !l.is_empty());
    let Ok(code) = code else { return "no exit code: killed with its script".to_owned() };
    let code = code.trim();
    // how a shell names the end by a signal, of which no program leaves word
    if let Some(signal) = code.parse::<u8>().ok().and_then(|c| c.checked_sub(128)).filter(|s| (1..65).contains(s)) {
        return format!("killed by signal {signal}");
    }
    line.map_or(format!("exit code {code}"), |l| {
        format!("exit code {code}: {}", l.chars().take(200).collect::<String>())
    })
}
