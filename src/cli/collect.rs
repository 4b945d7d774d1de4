//! `rewardlab collect`.

use super::out;
use crate::algorithm::{Collection, collect_labels};
use crate::error::{Error, Result};
use crate::reward::write_step_labels;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// JSONL to write, in TRL's stepwise shape with answers, generations and why labels end (`rewardlab steps` reads it)
    file: PathBuf,
    /// Problems, the same in every generation; generation 0 has one random solution of each
    #[arg(long, default_value_t = 200)]
    problems: usize,
    /// Generations after that: the model learned from all labels so far ranks fresh solutions
    #[arg(long, default_value_t = 10)]
    generations: u64,
    /// Fresh solutions of each problem in each generation
    #[arg(long, default_value_t = 100)]
    sampled: usize,
    /// Of these labelled: four fifths the most convincing with a wrong answer, one fifth the most convincing of the rest
    #[arg(long, default_value_t = 5)]
    labelled: usize,
    /// Of the world, its problems and all solutions
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
}

pub(super) fn execute(args: &Args) -> Result<u8> {
    let &Args { problems, generations, sampled, labelled, seed, .. } = args;
    if args.file.exists() && !args.force {
        let file = args.file.display();
        return Err(Error::Usage(format!("{file} is there already: give --force to replace it, or another name")));
    }
    let collected = collect_labels(&Collection { problems, generations, sampled, labelled, seed })?;
    write_step_labels(&args.file, &collected)?;
    let steps: usize = collected.iter().map(|s| s.labels.len()).sum();
    out(&format!("{} solutions with {steps} labelled steps written to {}\n", collected.len(), args.file.display()));
    Ok(0)
}
