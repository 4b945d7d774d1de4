//! The folder of one experiment's run: which files it holds, and what state it is in.

use super::journal::{Identity, Journal};
use crate::error::{Error, Result};
use crate::record::{Table, sha256, write_atomically};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Everything that a run leaves in its folder, in the order in which it is cleared.
const RUN_FILES: [&str; 8] = [
    "manifest.toml",
    "journal.jsonl",
    "rows.csv",
    "failures.csv",
    "params.toml",
    "checks.csv",
    "figure.png",
    "figure.svg",
];

const LOCK_TRIES: usize = 5;
const VERIFY_MARK: &str = ".verify";

/// What a finished run says about itself, `manifest.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Experiment id.
    pub experiment: String,
    /// Citation.
    pub paper: String,
    /// Version of the program that ran.
    pub version: String,
    /// The profile that the parameters started from.
    pub profile: String,
    /// The command that makes the same rows.
    pub command: String,
    /// Seeds, in row order within a cell.
    pub seeds: Vec<u64>,
    /// Shard [K, N], counted from 1; [1, 1] for a whole run.
    pub shard: (usize, usize),
    /// Number of units that ran: cells times seeds, or the shard's part of them. 0 in results of versions that did not count them.
    #[serde(default)]
    pub units: usize,
    /// Number of rows.
    pub rows: usize,
    /// Number of units that failed for numerical reasons and have no rows; `failures.csv` says why.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed_units: usize,
    /// SHA-256 of params.toml.
    pub params_sha256: String,
    /// SHA-256 of rows.csv.
    pub rows_sha256: String,
    /// Sum over units of their wall seconds, in the process that finished the run (not those it resumed from).
    pub unit_seconds: f64,
    /// Threads of that process.
    pub threads: usize,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// The folder `<out>/<paper>/<figure>` (or a shard's below it).
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
}

/// A table for `failures.csv`.
pub(crate) fn failures_table() -> Table {
    Table { header: ["cell", "seed", "message"].map(str::to_owned).into(), rows: Vec::new() }
}

/// What a run folder holds.
#[derive(Debug)]
pub(crate) enum State {
    /// Nothing of a run.
    Empty,
    /// A journal of this identity (`None`: killed before its first line was whole).
    Interrupted(Option<Identity>),
    /// A finished run.
    Complete(Box<Manifest>),
    /// A finished run of which a file is gone, or is not what was written.
    Damaged(&'static str),
}

impl RunFolder {
    /// The folder of `id` under `out`; a shard has its own, so that shards may share `out`.
    pub fn new(out: &Path, id: &str, shard: (usize, usize)) -> Self {
        let mut path = out.join(id);
        if shard.1 > 1 {
            path = path.join("shards").join(format!("{}-of-{}", shard.0, shard.1));
        }
        Self { path }
    }

    /// Into how many shards this run was split: the different N of its shards' folders, in order; usually one, or none.
    pub(crate) fn splits(&self) -> Result<Vec<usize>> {
        let folder = self.file("shards");
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let mut totals = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(|e| Error::io(&folder, e))? {
            let name = entry.map_err(|e| Error::io(&folder, e))?.file_name();
            totals.extend(name.to_string_lossy().split_once("-of-").and_then(|(_, n)| n.parse::<usize>().ok()));
        }
        totals.sort_unstable();
        totals.dedup();
        Ok(totals)
    }

    /// An existing folder, as given.
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(crate) fn journal_path(&self) -> PathBuf {
        self.file("journal.jsonl")
    }

    /// Where stages are kept while the run is unfinished.
    pub(crate) fn stages_path(&self) -> PathBuf {
        self.file("stages")
    }

    /// Makes the folder and takes its lock, so that two processes never write to one run. The lock goes with the
    /// process, however it ends. Who only asks whether it is taken holds it for an instant, so a taken lock is tried again.
    pub(crate) fn lock(&self) -> Result<File> {
        std::fs::create_dir_all(&self.path).map_err(|e| Error::io(&self.path, e))?;
        let path = self.file(".lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|e| Error::io(&path, e))?;
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
                Err(TryLockError::Error(e)) => return Err(Error::io(&path, e)),
            }
        }
        let shown = self.path.display();
        Err(Error::Usage(format!("{shown}: another process is writing to this run; wait for it or give another --out")))
    }

    /// Whether a process is writing here; one on another machine too, where the file system shares its locks.
    pub(crate) fn is_locked(&self) -> bool {
        File::open(self.file(".lock")).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    pub(crate) fn state(&self) -> Result<State> {
        if self.file("manifest.toml").exists() {
            let Ok(manifest) = self.manifest() else { return Ok(State::Damaged("manifest.toml")) };
            let rows = std::fs::read(self.file("rows.csv")).is_ok_and(|bytes| sha256(&bytes) == manifest.rows_sha256);
            return Ok(match (rows, self.file("params.toml").exists()) {
                (false, _) => State::Damaged("rows.csv"),
                (true, false) => State::Damaged("params.toml"),
                (true, true) => State::Complete(Box::new(manifest)),
            });
        }
        let journal = self.journal_path();
        match (journal.exists(), self.file("rows.csv").exists()) {
            (true, _) => Ok(State::Interrupted(Journal::identity(&journal)?)),
            (false, true) => Ok(State::Damaged("manifest.toml")),
            (false, false) => Ok(State::Empty),
        }
    }

    /// Whether the folder holds nothing of a run, finished or not; a lock is nothing.
    pub(crate) fn is_vacant(&self) -> bool {
        RUN_FILES.iter().all(|name| !self.file(name).exists())
    }

    /// Whether `verify` made what is here, so that it may replace it.
    pub(crate) fn is_of_verify(&self) -> bool {
        self.file(VERIFY_MARK).exists()
    }

    /// Marks the folder as `verify`'s, or takes the mark away when another command writes here.
    pub(crate) fn mark_as_of_verify(&self, of_verify: bool) -> Result<()> {
        let path = self.file(VERIFY_MARK);
        if of_verify {
            return write_atomically(&path, b"made by `rewardlab verify`, which may replace it\n");
        }
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(&path, e)),
            _ => Ok(()),
        }
    }

    /// Reads `manifest.toml`.
    ///
    /// # Errors
    /// No such file, or not a manifest.
    pub fn manifest(&self) -> Result<Manifest> {
        let path = self.file("manifest.toml");
        let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
        toml::from_str(&text).map_err(|e| Error::content(&path, "manifest", e.message().to_owned()))
    }

    /// Reads `rows.csv`; where a manifest stands beside it, checks that the rows are the ones it was written for.
    ///
    /// # Errors
    /// A missing, malformed, truncated or edited file.
    pub fn rows(&self) -> Result<Table> {
        let path = self.file("rows.csv");
        let bytes = std::fs::read(&path).map_err(|e| Error::io(&path, e))?;
        let table = Table::parse(&path, &bytes)?;
        if self.file("manifest.toml").exists() {
            let manifest = self.manifest()?;
            if manifest.rows_sha256 != sha256(&bytes) {
                let message = format!(
                    "{} rows, but manifest.toml was written for {} rows of another content (truncated or edited?)",
                    table.rows.len(),
                    manifest.rows
                );
                return Err(Error::content(&path, "checksum", message));
            }
        }
        Ok(table)
    }

    /// Reads `failures.csv`: cell, seed and message of every unit that has no rows for numerical reasons. Empty where every
    /// unit has its rows.
    ///
    /// # Errors
    /// A malformed file.
    pub fn failures(&self) -> Result<Table> {
        let path = self.file("failures.csv");
        if path.exists() { Table::read(&path) } else { Ok(Table::default()) }
    }

    /// Reads `params.toml`.
    ///
    /// # Errors
    /// No such file, or not TOML.
    pub fn params(&self) -> Result<toml::Table> {
        let path = self.file("params.toml");
        let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
        text.parse().map_err(|e: toml::de::Error| Error::content(&path, "TOML", e.message().to_owned()))
    }

    /// Writes a finished run: rows first, the manifest last, so that a manifest means that all is there.
    pub(crate) fn complete(&self, params: &str, rows: &[u8], failures: &Table, manifest: &Manifest) -> Result<()> {
        write_atomically(&self.file("params.toml"), params.as_bytes())?;
        self.record_failures(failures)?;
        write_atomically(&self.file("rows.csv"), rows)?;
        let text = toml::to_string(manifest).map_err(|e| Error::Usage(e.to_string()))?;
        write_atomically(&self.file("manifest.toml"), text.as_bytes())?;
        // the journal and the stages are only needed to resume
        let _ = std::fs::remove_file(self.journal_path());
        let _ = std::fs::remove_dir_all(self.stages_path());
        Ok(())
    }

    /// Writes `failures.csv`; without failures, removes one of an earlier run.
    pub(crate) fn record_failures(&self, failures: &Table) -> Result<()> {
        let path = self.file("failures.csv");
        if failures.rows.is_empty() {
            let _ = std::fs::remove_file(path);
            return Ok(());
        }
        write_atomically(&path, &failures.to_csv()?)
    }

    /// Forgets an earlier run (`--force`): the manifest first, so that a kill in between never leaves a manifest
    /// beside other rows.
    pub(crate) fn clear(&self) -> Result<()> {
        for name in RUN_FILES {
            let path = self.file(name);
            match std::fs::remove_file(&path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::io(&path, e)),
                _ => {}
            }
        }
        let _ = std::fs::remove_dir_all(self.stages_path());
        Ok(())
    }
}
