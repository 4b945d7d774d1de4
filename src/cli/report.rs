//! `rewardlab report`.

use super::{judge, out, width};
use crate::error::{Error, Result};
use crate::experiment::Runnable;
use crate::report::{Tally, text};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder of a run: DIR/PAPER/FIGURE/rows.csv
    #[arg(default_value = "runs/smoke")]
    dir: PathBuf,
}

pub(super) fn execute(args: &Args, registry: &[Box<dyn Runnable>]) -> Result<u8> {
    if !args.dir.is_dir() {
        return Err(Error::Usage(format!("{}: no such folder", args.dir.display())));
    }
    if !registry.iter().any(|e| args.dir.join(e.id()).join("rows.csv").exists()) {
        return Err(Error::Usage(format!(
            "{}: no finished experiment here (no <paper>/<figure>/rows.csv)",
            args.dir.display()
        )));
    }
    let judged = judge::judge_all(registry, &args.dir)?;
    out(&text(&judged, width()));
    out(&format!("Report: {0}/REPORT.md and {0}/index.html\n", args.dir.display()));
    Ok(Tally::of(judged.iter().flat_map(|j| &j.checks)).exit_code())
}
