//! `rewardlab verify`.

use super::diff::describe;
use super::run::{Bar, threads};
use super::{note, out};
use crate::error::{Error, Result};
use crate::experiment::{self, Claim, Job, Preset, Request, RunFolder, Runnable};
use crate::report::Check;
use clap::ValueEnum;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which experiments (default: all that have results)
    #[arg(value_name = "ID|PAPER|GLOB")]
    ids: Vec<String>,
    /// The committed results
    #[arg(long, default_value = "results")]
    results: PathBuf,
    /// Where the fresh run goes; may hold an earlier verification, which is replaced, and no other results
    #[arg(long, default_value = "runs/verify")]
    out: PathBuf,
    /// Worker threads (default: all cores)
    #[arg(long)]
    threads: Option<usize>,
    /// Go on with an interrupted verification
    #[arg(long)]
    resume: bool,
}

pub(super) fn execute(args: &Args, registry: &[Box<dyn Runnable>]) -> Result<u8> {
    let chosen: Vec<_> = experiment::select(registry, &args.ids)?
        .into_iter()
        .filter(|e| args.results.join(e.id()).join("manifest.toml").exists())
        .collect();
    if chosen.is_empty() {
        return Err(Error::Usage(format!("{}: no results of these experiments", args.results.display())));
    }
    let mut claims = Vec::new();
    for experiment in &chosen {
        refuse_to_compare_with_itself(args, experiment.id())?;
        let committed = RunFolder::new(&args.results, experiment.id(), (1, 1));
        let manifest = committed.manifest()?;
        let profile = Preset::from_str(&manifest.profile, false).map_err(|_| {
            Error::content(committed.file("manifest.toml"), "profile", format!("`{}` is no profile", manifest.profile))
        })?;
        let request = Request {
            profile,
            seeds: Some(manifest.seeds),
            out: &args.out,
            shard: (1, 1),
            resume: args.resume,
            force: !args.resume,
            verify: true,
        };
        // results of an older version may lack a parameter or have one too many: defaults and a clear error settle it
        let mut params = experiment.params(profile)?;
        experiment::params::apply_file(&mut params, &committed.file("params.toml"))
            .map_err(|e| experiment::params::refused_by(experiment.id(), e))?;
        claims.push(Claim::new(*experiment, &params, &request)?);
    }
    let mut jobs = claims.into_iter().map(Claim::begin).collect::<Result<Vec<_>>>()?;
    let finished = experiment::run(&mut jobs, threads(args.threads)?, &mut Bar::new("verify"))?;
    let failures: Vec<_> = jobs.iter().flat_map(Job::failures).collect();
    failures.iter().for_each(|f| note(f));
    if !finished || !failures.is_empty() {
        return Ok(2);
    }
    let mut differs = false;
    for experiment in &chosen {
        differs |= !compare(*experiment, args)?;
    }
    Ok(u8::from(differs))
}

/// A fresh run in the reference's own folder, by whatever path, would destroy it and then agree with it.
fn refuse_to_compare_with_itself(args: &Args, id: &str) -> Result<()> {
    match (args.results.join(id).canonicalize(), args.out.join(id).canonicalize()) {
        (Ok(results), Ok(out)) if results == out => Err(Error::Usage(format!(
            "--out {} is where the results to verify are: give another --out",
            args.out.display()
        ))),
        _ => Ok(()),
    }
}

/// Prints one line about one experiment; true if the bytes are the same.
fn compare(experiment: &dyn Runnable, args: &Args) -> Result<bool> {
    let old = RunFolder::new(&args.results, experiment.id(), (1, 1));
    let new = RunFolder::new(&args.out, experiment.id(), (1, 1));
    let (old_rows, new_rows) = (old.rows()?, new.rows()?);
    let Some(difference) = old_rows.first_difference(&new_rows) else {
        out(&format!("{}: same bytes, {} rows\n", experiment.id(), old_rows.rows.len()));
        return Ok(true);
    };
    let (before, _) = experiment.judge(&old.file("rows.csv"), &old_rows)?;
    let (after, _) = experiment.judge(&new.file("rows.csv"), &new_rows)?;
    let verdicts = |checks: &[Check]| checks.iter().map(|c| (c.id.clone(), c.verdict())).collect::<Vec<_>>();
    let (before, after) = (verdicts(&before), verdicts(&after));
    let changed: Vec<String> = before
        .iter()
        .filter_map(|(id, was)| {
            let now = after.iter().find(|(other, _)| other == id).map(|(_, v)| *v);
            (now != Some(*was)).then(|| format!("{id}: {was} → {}", now.map_or("gone".into(), |v| v.to_string())))
        })
        .collect();
    let verdicts = if changed.is_empty() { "no verdict changed".into() } else { changed.join("; ") };
    out(&format!("{}: {}; {verdicts}\n", experiment.id(), describe(&old_rows, &difference)));
    Ok(false)
}
