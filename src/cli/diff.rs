//! `rewardlab diff`.

use super::out;
use crate::error::{Error, Result};
use crate::record::Table;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// An --out folder with all its experiments, the folder of one experiment, or a CSV file
    a: PathBuf,
    /// Another of the same kind
    b: PathBuf,
}

pub(super) fn execute(args: &Args) -> Result<u8> {
    let same = match (csv(&args.a)?, csv(&args.b)?) {
        (Some(a), Some(b)) => compare("", &a, &b)?,
        (None, None) => compare_roots(&args.a, &args.b)?,
        (Some(_), None) => return Err(mixed(&args.b, &args.a)),
        (None, Some(_)) => return Err(mixed(&args.a, &args.b)),
    };
    Ok(u8::from(!same))
}

/// The CSV that a path stands for; `None` for a folder without one of its own.
fn csv(path: &Path) -> Result<Option<PathBuf>> {
    let about = path.metadata().map_err(|e| Error::io(path, e))?;
    let file = if about.is_dir() { path.join("rows.csv") } else { path.to_owned() };
    Ok(Some(file).filter(|file| file.exists()))
}

fn mixed(root: &Path, single: &Path) -> Error {
    let (root, single) = (root.display(), single.display());
    Error::Usage(format!("{root} has no rows.csv of its own, {single} is one result: give two of the same kind"))
}

/// One line about each experiment below either root; true if all are in both and the same.
fn compare_roots(a: &Path, b: &Path) -> Result<bool> {
    let (in_a, in_b) = (experiments(a)?, experiments(b)?);
    let mut same = true;
    for id in in_a.union(&in_b) {
        let shown = id.display();
        if in_a.contains(id) && in_b.contains(id) {
            same &= compare(&format!("{shown}: "), &a.join(id).join("rows.csv"), &b.join(id).join("rows.csv"))?;
        } else {
            let only = if in_a.contains(id) { a } else { b };
            out(&format!("{shown}: only in {}\n", only.display()));
            same = false;
        }
    }
    Ok(same)
}

/// The folders with a rows.csv below a root: `<paper>/<figure>`, or `<figure>` where the root is a paper's folder.
fn experiments(root: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    for folder in folders(root)? {
        let below = folders(&folder)?;
        for path in std::iter::once(folder).chain(below) {
            if path.join("rows.csv").exists() {
                found.extend(path.strip_prefix(root).map(Path::to_owned));
            }
        }
    }
    if found.is_empty() {
        let shown = root.display();
        return Err(Error::Usage(format!("{shown}: no finished experiment here (no <paper>/<figure>/rows.csv)")));
    }
    Ok(found)
}

fn folders(path: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(path).map_err(|e| Error::io(path, e))? {
        folders.push(entry.map_err(|e| Error::io(path, e))?.path());
    }
    folders.retain(|p| p.is_dir());
    Ok(folders)
}

/// Prints one line about two CSV files; true if they are the same.
fn compare(prefix: &str, a: &Path, b: &Path) -> Result<bool> {
    let (a, b) = (Table::read(a)?, Table::read(b)?);
    let difference = a.first_difference(&b);
    match &difference {
        None => out(&format!("{prefix}same: {} rows of {} columns\n", a.rows.len(), a.header.len())),
        Some(difference) => out(&format!("{prefix}{}\n", describe(&a, difference))),
    }
    Ok(difference.is_none())
}

/// One line: row, unit, column, both values.
pub(super) fn describe(a: &Table, (row, column, left, right): &(usize, String, String, String)) -> String {
    let unit = row.checked_sub(1).and_then(|i| a.rows.get(i)).filter(|_| a.header.first().is_some_and(|h| h == "cell"));
    let unit = unit.map(|r| format!(" [{}, seed {}]", r[0], r[1])).unwrap_or_default();
    format!("first difference in row {row}{unit}, column {column}: {left} against {right}")
}
