//! What every step said, in a file with a line per step and in a table.

use crate::algorithm::text::Told;
use crate::error::{Error, Result};
use crate::record::{Table, write_atomically};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The lines so far, and the file that they are appended to.
#[derive(Debug)]
pub(super) struct Metrics {
    rows: Vec<Row>,
    table: PathBuf,
    path: PathBuf,
    file: File,
}

/// A line: names and numbers in their order, the step among them.
#[derive(Clone, Debug, PartialEq)]
struct Row(Vec<(String, Option<f64>)>);

impl Metrics {
    /// Goes on after so many steps; what is said of later ones, by a run that was killed before its next checkpoint, goes.
    ///
    /// # Errors
    /// Files that cannot be read or written.
    pub(super) fn open(folder: &Path, steps: Option<u64>) -> Result<Self> {
        let (path, table) = (folder.join("metrics.jsonl"), folder.join("metrics.csv"));
        let text = if steps.is_some() && path.exists() {
            fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?
        } else {
            String::new()
        };
        let mut rows = Vec::new();
        for line in text.lines() {
            // the last line may be cut off
            match serde_json::from_str::<Row>(line) {
                Ok(row) if row.step() <= steps.map(|s| s as f64) => rows.push(row),
                _ => break,
            }
        }
        let kept: String = rows.iter().map(Row::line).collect();
        write_atomically(&path, kept.as_bytes())?;
        let file = OpenOptions::new().append(true).open(&path).map_err(|e| Error::io(&path, e))?;
        Ok(Self { rows, table, path, file })
    }

    /// Adds a line; one without numbers is left out.
    pub(super) fn add(&mut self, step: u64, told: &Told) -> Result<()> {
        if told.is_empty() {
            return Ok(());
        }
        let named = told.iter().map(|(name, value)| ((*name).to_owned(), Some(*value).filter(|v| v.is_finite())));
        let row = Row(std::iter::once(("step".to_owned(), Some(step as f64))).chain(named).collect());
        self.file.write_all(row.line().as_bytes()).map_err(|e| Error::io(&self.path, e))?;
        self.rows.push(row);
        Ok(())
    }

    /// Writes the table: a column for every name, in the order of their first lines.
    pub(super) fn write_table(&self) -> Result<()> {
        let mut header: Vec<String> = Vec::new();
        for (name, _) in self.rows.iter().flat_map(|row| &row.0) {
            if !header.contains(name) {
                header.push(name.clone());
            }
        }
        let cell = |row: &Row, name: &String| {
            let value = row.0.iter().find(|(own, _)| own == name).and_then(|(_, value)| *value);
            value.map(|v| v.to_string()).unwrap_or_default()
        };
        let rows = self.rows.iter().map(|row| header.iter().map(|name| cell(row, name)).collect()).collect();
        write_atomically(&self.table, &Table { header: header.clone(), rows }.to_csv()?)
    }
}

impl Row {
    fn step(&self) -> Option<f64> {
        self.0.iter().find(|(name, _)| name == "step").and_then(|(_, value)| *value)
    }

    fn line(&self) -> String {
        let field = |(name, value): &(String, Option<f64>)| {
            let value = match value {
                Some(v) if name == "step" => format!("{v}"),
                Some(v) => serde_json::to_string(v).unwrap_or_default(),
                None => "null".into(),
            };
            format!("\"{name}\": {value}")
        };
        format!("{{{}}}\n", self.0.iter().map(field).collect::<Vec<_>>().join(", "))
    }
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Row;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object of numbers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Row, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = access.next_entry()? {
            fields.push(field);
        }
        Ok(Row(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_behind_the_checkpoint_and_halves_of_lines_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("metrics.jsonl");
        let mut metrics = Metrics::open(folder.path(), None).expect("fresh");
        metrics.add(0, &vec![("held_out", 0.1 + 0.2)]).expect("written");
        for step in 1..5 {
            metrics.add(step, &vec![("loss", 1.0 / step as f64), ("a", f64::NAN)]).expect("written");
        }
        metrics.add(5, &Vec::new()).expect("nothing");
        let whole = fs::read_to_string(&path).expect("there");
        assert_eq!(whole.lines().nth(2), Some("{\"step\": 2, \"loss\": 0.5, \"a\": null}"));
        metrics.write_table().expect("written");
        let table = fs::read_to_string(folder.path().join("metrics.csv")).expect("there");
        assert!(table.starts_with("step,held_out,loss,a\n0,0.30000000000000004,,\n1,,1,\n"), "{table}");
        fs::write(&path, &whole[..whole.len() - 7]).expect("cut");
        let metrics = Metrics::open(folder.path(), Some(3)).expect("resumed");
        assert_eq!(
            fs::read_to_string(&path).expect("there"),
            whole.lines().take(4).map(|l| format!("{l}\n")).collect::<Vec<_>>().concat()
        );
        assert_eq!(metrics.rows.len(), 4);
        drop(Metrics::open(folder.path(), None).expect("fresh"));
        assert_eq!(fs::read_to_string(&path).expect("there"), "");
    }
}
