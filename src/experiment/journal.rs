//! The journal of a run: one line per finished unit, appended as soon as it is done. Whatever happens to the
//! process, every whole line stays valid and the units that it names are never computed again.

use crate::error::{Error, Result};
use crate::record::{Table, sha256};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// What a journal belongs to; a run resumes only onto its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// Experiment id.
    pub(crate) experiment: String,
    /// Version of the program.
    pub(crate) version: String,
    /// SHA-256 of the resolved parameters' TOML.
    pub(crate) params_sha256: String,
    /// Seeds of the run.
    pub(crate) seeds: Vec<u64>,
    /// Shard (K, N), counted from 1; (1, 1) for a whole run.
    pub(crate) shard: (usize, usize),
}

/// The first line.
#[derive(Serialize)]
struct Head<'a> {
    #[serde(flatten)]
    identity: &'a Identity,
    /// How many units there will be.
    units: usize,
}

/// How far a run has come, as its journal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    /// Units in all.
    pub(crate) units: usize,
    /// Units that are done; failed ones are.
    pub(crate) done: usize,
    /// Units that failed for numerical reasons.
    pub(crate) failed: usize,
}

#[derive(Serialize, Deserialize)]
struct Line {
    unit: usize,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    /// Why the unit has no rows and never will.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    sum: String,
}

impl Line {
    fn checksum(&self) -> String {
        let content = match &self.failure {
            None => serde_json::to_vec(&(self.unit, &self.header, &self.rows)),
            Some(failure) => serde_json::to_vec(&(self.unit, &self.header, &self.rows, failure)),
        };
        sha256(&content.unwrap_or_default())[..16].to_owned()
    }
}

/// An open journal.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    done: BTreeMap<usize, Table>,
    failed: BTreeMap<usize, String>,
}

impl Journal {
    /// Starts a new journal.
    pub(crate) fn create(path: &Path, identity: &Identity, units: usize) -> Result<Self> {
        let mut file = File::create(path).map_err(|e| Error::io(path, e))?;
        let first = serde_json::to_string(&Head { identity, units }).map_err(|e| Error::Usage(e.to_string()))?;
        writeln!(file, "{first}").and_then(|()| file.sync_all()).map_err(|e| Error::io(path, e))?;
        Ok(Self { path: path.to_owned(), file, done: BTreeMap::new(), failed: BTreeMap::new() })
    }

    /// The identity of an existing journal; `None` if its first line never got whole.
    pub(crate) fn identity(path: &Path) -> Result<Option<Identity>> {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        let first = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
        Ok(serde_json::from_slice(first).ok())
    }

    /// How far the run of a journal has come, without its rows. A process may be writing to it: a line that is not whole counts for nothing.
    pub(crate) fn count(path: &Path) -> Result<Count> {
        #[derive(Deserialize)]
        struct Units {
            units: usize,
        }
        #[derive(Deserialize)]
        struct Brief {
            #[serde(default)]
            failure: Option<serde::de::IgnoredAny>,
        }
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        let mut lines = bytes.split_inclusive(|b| *b == b'\n');
        let units = lines.next().and_then(|first| serde_json::from_slice::<Units>(first).ok()).map_or(0, |u| u.units);
        let mut count = Count { units, done: 0, failed: 0 };
        for line in lines.filter(|l| l.ends_with(b"\n")) {
            let Ok(brief) = serde_json::from_slice::<Brief>(line) else { break };
            count.done += 1;
            count.failed += usize::from(brief.failure.is_some());
        }
        Ok(count)
    }

    /// Opens an existing journal, keeps its whole lines and cuts off what a killed process left after them.
    pub(crate) fn resume(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        let (mut done, mut failed) = (BTreeMap::new(), BTreeMap::new());
        let mut valid = 0;
        for (i, line) in bytes.split_inclusive(|b| *b == b'\n').enumerate() {
            if !line.ends_with(b"\n") {
                break;
            }
            if i > 0 {
                match serde_json::from_slice::<Line>(line) {
                    Ok(l) if l.sum == l.checksum() => {
                        failed.extend(l.failure.map(|failure| (l.unit, failure)));
                        done.insert(l.unit, Table { header: l.header, rows: l.rows });
                    }
                    _ => break,
                }
            }
            valid += line.len() as u64;
        }
        let mut file = OpenOptions::new().write(true).open(path).map_err(|e| Error::io(path, e))?;
        file.set_len(valid).and_then(|()| file.seek(SeekFrom::End(0))).map_err(|e| Error::io(path, e))?;
        Ok(Self { path: path.to_owned(), file, done, failed })
    }

    /// Adds a finished unit and waits until it is on disk.
    pub(crate) fn add(&mut self, unit: usize, table: Table) -> Result<()> {
        self.append(Line { unit, header: table.header, rows: table.rows, failure: None, sum: String::new() })
    }

    /// Adds a unit that would fail again in the same way, so that it is not tried again.
    pub(crate) fn add_failure(&mut self, unit: usize, message: String) -> Result<()> {
        let (header, rows) = (Vec::new(), Vec::new());
        self.append(Line { unit, header, rows, failure: Some(message), sum: String::new() })
    }

    fn append(&mut self, mut line: Line) -> Result<()> {
        line.sum = line.checksum();
        let mut bytes = serde_json::to_vec(&line).map_err(|e| Error::Usage(e.to_string()))?;
        bytes.push(b'\n');
        let written = self.file.write_all(&bytes).and_then(|()| self.file.sync_data());
        written.map_err(|e| Error::io(&self.path, e))?;
        self.done.insert(line.unit, Table { header: line.header, rows: line.rows });
        self.failed.extend(line.failure.map(|failure| (line.unit, failure)));
        Ok(())
    }

    /// Why units have no rows, in unit order.
    pub(crate) fn failed(&self) -> &BTreeMap<usize, String> {
        &self.failed
    }

    /// The finished units and their rows, in unit order; a failed unit has none.
    pub(crate) fn done(&self) -> &BTreeMap<usize, Table> {
        &self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            experiment: "a/b".into(),
            version: "0".into(),
            params_sha256: "p".into(),
            seeds: vec![0, 1],
            shard: (1, 1),
        }
    }

    fn table(x: &str) -> Table {
        Table { header: vec!["x".into()], rows: vec![vec![x.into()]] }
    }

    /// Cut anywhere, a journal gives back exactly its whole lines, and goes on from there.
    #[test]
    fn every_truncation_resumes() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("journal.jsonl");
        let mut journal = Journal::create(&path, &identity(), 2).expect("created");
        let mut ends = vec![std::fs::metadata(&path).expect("there").len() as usize];
        for unit in 0..3 {
            journal.add(unit, table(&format!("value {unit}"))).expect("added");
            ends.push(std::fs::metadata(&path).expect("there").len() as usize);
        }
        let whole = std::fs::read(&path).expect("read");
        for cut in ends[0]..=whole.len() {
            std::fs::write(&path, &whole[..cut]).expect("cut");
            let mut resumed = Journal::resume(&path).expect("resumed");
            let kept = ends.iter().filter(|end| **end <= cut).count() - 1;
            assert_eq!(resumed.done().len(), kept, "cut at {cut}");
            resumed.add(7, table("new")).expect("added");
            resumed.add_failure(8, "diverged".into()).expect("added");
            let again = Journal::resume(&path).expect("again");
            assert_eq!(again.done().len(), kept + 2);
            assert_eq!(again.failed().iter().collect::<Vec<_>>(), [(&8, &"diverged".to_owned())]);
        }
        assert_eq!(Journal::identity(&path).expect("read"), Some(identity()));
        let count = Journal::count(&path).expect("counted");
        assert_eq!(count, Count { units: 2, done: 5, failed: 1 });
    }

    #[test]
    fn a_flipped_bit_is_not_trusted() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("journal.jsonl");
        Journal::create(&path, &identity(), 2).and_then(|mut j| j.add(0, table("0.125"))).expect("written");
        let text = std::fs::read_to_string(&path).expect("read").replace("0.125", "0.126");
        std::fs::write(&path, text).expect("written");
        assert_eq!(Journal::resume(&path).expect("resumed").done().len(), 0);
    }
}
