//! A run's folder: what is in it, and what may be written.

use super::config::resolve;
use crate::cli::note;
use crate::error::{Error, Result};
use crate::experiment::params::changes;
use crate::record::{sha256, write_atomically};
use std::fs;
use std::path::{Path, PathBuf};
use toml::Table;

const PARAMS: &str = "params.toml";
const INPUTS: &str = "inputs.toml";
const RESULT: &str = "result.json";
const CHECKPOINT: &str = "checkpoint-";
const ENDING: &str = ".safetensors";

/// The folder of one run.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

/// What there is to do in a folder.
#[derive(Debug)]
pub(super) enum Work {
    /// A run from its beginning, or from a checkpoint.
    Run(Folder, Table),
    /// Nothing: the run is complete.
    Complete,
}

impl Folder {
    /// The config to run with. A folder with a run in it is refused unless it is to be resumed or replaced; nothing is written yet.
    ///
    /// # Errors
    /// As of [`resolve`]; a run in the folder that nobody said what to do with, no run to resume, or one with another config.
    pub(super) fn open(
        path: &Path,
        config: Option<&Path>,
        sets: &[String],
        (resume, force): (bool, bool),
    ) -> Result<Work> {
        let folder = Self { path: path.into() };
        let recorded = folder.file(PARAMS);
        let there = recorded.exists();
        if !resume {
            if there && !force {
                let path = path.display();
                return Err(Error::Usage(format!(
                    "{path} holds a run already: go on with --resume, replace it with --force, or give another --out"
                )));
            }
            return Ok(Work::Run(folder, resolve(config, sets)?));
        }
        if !there {
            return Err(Error::Usage(format!("{} holds no run to resume", path.display())));
        }
        let before = resolve(Some(&recorded), &[])?;
        let table = match config {
            Some(config) => resolve(Some(config), sets)?,
            None => resolve(Some(&recorded), sets)?,
        };
        let mut differing = Vec::new();
        changes(&before, &table, "", &mut differing);
        if let Some((key, value)) = differing.first() {
            let recorded = recorded.display();
            return Err(Error::Usage(format!(
                "{key} = {value} is not what {recorded} says: a run goes on as it began"
            )));
        }
        Ok(if folder.file(RESULT).exists() { Work::Complete } else { Work::Run(folder, table) })
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Begins: an earlier run's files go, unless it is resumed; then its inputs must be what they were.
    ///
    /// # Errors
    /// A folder that cannot be written; inputs that changed.
    pub(super) fn begin(&self, table: &Table, inputs: &Table, resume: bool) -> Result<()> {
        let path = self.file(INPUTS);
        if resume && path.exists() {
            let text = fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
            let before: Table =
                text.parse().map_err(|e: toml::de::Error| Error::content(&path, "TOML", e.message()))?;
            return match inputs.iter().find(|(name, digest)| before.get(*name) != Some(digest)) {
                None => Ok(()),
                Some((name, _)) => {
                    Err(Error::Usage(format!("{name} is not what this run began with: it cannot go on")))
                }
            };
        }
        fs::create_dir_all(&self.path).map_err(|e| Error::io(&self.path, e))?;
        for (_, checkpoint) in self.checkpoints()? {
            remove(&checkpoint)?;
        }
        for name in [RESULT, "metrics.jsonl", "metrics.csv", INPUTS] {
            remove(&self.file(name))?;
        }
        for folder in ["model", "adapter"].map(|name| self.file(name)) {
            if folder.exists() {
                fs::remove_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
            }
        }
        write_atomically(&self.file(PARAMS), table.to_string().as_bytes())?;
        write_atomically(&path, inputs.to_string().as_bytes())
    }

    /// Checkpoints with the steps after which they were written, the last at the end.
    fn checkpoints(&self) -> Result<Vec<(u64, PathBuf)>> {
        let entries = fs::read_dir(&self.path).map_err(|e| Error::io(&self.path, e))?;
        let of = |name: &str| name.strip_prefix(CHECKPOINT)?.strip_suffix(ENDING)?.parse().ok();
        let mut found: Vec<(u64, PathBuf)> =
            entries.flatten().filter_map(|e| Some((of(e.file_name().to_str()?)?, e.path()))).collect();
        found.sort();
        Ok(found)
    }

    /// The last checkpoint.
    pub(super) fn last(&self) -> Result<Option<(u64, PathBuf)>> {
        Ok(self.checkpoints()?.pop())
    }

    /// Has a checkpoint written; earlier ones go when it is whole.
    pub(super) fn checkpoint(&self, steps: u64, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let path = self.file(&format!("{CHECKPOINT}{steps:08}{ENDING}"));
        write(&path)?;
        for (_, old) in self.checkpoints()?.into_iter().filter(|(s, _)| *s < steps) {
            remove(&old)?;
        }
        Ok(())
    }

    /// The run is complete: its result is told, its checkpoints go.
    pub(super) fn complete(&self, result: &serde_json::Value) -> Result<()> {
        write_atomically(&self.file(RESULT), format!("{result:#}\n").as_bytes())?;
        for (_, checkpoint) in self.checkpoints()? {
            if let Err(e) = remove(&checkpoint) {
                note(&e.to_string());
            }
        }
        Ok(())
    }
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path, e)),
        _ => Ok(()),
    }
}

/// The SHA-256 of a file.
pub(super) fn digest(path: &Path) -> Result<String> {
    fs::read(path).map(|bytes| sha256(&bytes)).map_err(|e| Error::io(path, e))
}
