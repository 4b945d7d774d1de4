//! `rewardlab merge`.

use super::{judge, out, width};
use crate::error::{Error, Result};
use crate::experiment::{self, Runnable};
use crate::report::{Tally, text};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The --out folder that the shards were run with
    out: PathBuf,
    /// Which experiments (default: all that have shards there)
    #[arg(value_name = "ID|PAPER|GLOB")]
    ids: Vec<String>,
    /// Replace a merged result that is already there
    #[arg(long)]
    force: bool,
}

pub(super) fn execute(args: &Args, registry: &[Box<dyn Runnable>]) -> Result<u8> {
    let mut merged = Vec::new();
    for experiment in experiment::select(registry, &args.ids)? {
        if args.out.join(experiment.id()).join("shards").is_dir() {
            experiment::merge(experiment, &args.out, args.force)?;
            merged.push(experiment.id());
        }
    }
    if merged.is_empty() {
        return Err(Error::Usage(format!("{}: no shards here (no <paper>/<figure>/shards)", args.out.display())));
    }
    let (judged, _) = judge::judge_all(registry, &args.out)?;
    let judged: Vec<_> = judged.into_iter().filter(|j| merged.contains(&j.id.as_str())).collect();
    out(&text(&judged, width()));
    out(&format!("Merged {} into {}\n", merged.join(", "), args.out.display()));
    Ok(Tally::of(judged.iter().flat_map(|j| &j.checks)).exit_code())
}
