//! `rewardlab diff`.

use super::out;
use crate::error::Result;
use crate::record::Table;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A run's folder or a CSV file
    a: PathBuf,
    /// Another
    b: PathBuf,
}

pub(super) fn execute(args: &Args) -> Result<u8> {
    let rows = |path: &Path| Table::read(&if path.is_dir() { path.join("rows.csv") } else { path.to_owned() });
    let (a, b) = (rows(&args.a)?, rows(&args.b)?);
    match a.first_difference(&b) {
        None => {
            out(&format!("same: {} rows of {} columns\n", a.rows.len(), a.header.len()));
            Ok(0)
        }
        Some(difference) => {
            out(&format!("{}\n", describe(&a, &difference)));
            Ok(1)
        }
    }
}

/// One line: row, unit, column, both values.
pub(super) fn describe(a: &Table, (row, column, left, right): &(usize, String, String, String)) -> String {
    let unit = row.checked_sub(1).and_then(|i| a.rows.get(i)).filter(|_| a.header.first().is_some_and(|h| h == "cell"));
    let unit = unit.map(|r| format!(" [{}, seed {}]", r[0], r[1])).unwrap_or_default();
    format!("first difference in row {row}{unit}, column {column}: {left} against {right}")
}
