//! Shards into one result.

use super::Runnable;
use super::folder::{Manifest, RunFolder, State, failures_table};
use crate::error::{Error, Result};
use crate::record::{Table, sha256};
use std::path::Path;

/// Puts the shards under `<out>/<id>/shards` together: the same rows.csv, byte for byte, as one whole run.
///
/// # Errors
/// A shard that is missing, unfinished, or of another run; a result already there and no `force`.
pub fn merge(experiment: &dyn Runnable, out: &Path, force: bool) -> Result<()> {
    let target = RunFolder::new(out, experiment.id(), (1, 1));
    let _lock = target.lock()?;
    if matches!(target.state()?, State::Complete(_)) && !force {
        let shown = target.path().display();
        return Err(Error::Usage(format!("{shown} already holds a complete run: give --force to replace it")));
    }
    let shards = shards(experiment, out, &target)?;
    let (first, manifest) = &shards[0];
    let params = first.params()?;
    let plan = experiment.plan(&params)?;
    let mut rest: Vec<(Vec<Vec<String>>, usize)> = Vec::new();
    let mut whole = Table::default();
    let mut failed = Vec::new();
    for (folder, _) in &shards {
        failed.extend(folder.failures()?.rows);
        let table = folder.rows()?;
        if whole.header.is_empty() {
            whole.header = table.header;
        }
        rest.push((table.rows, 0));
    }
    let mut failures = failures_table();
    // a unit's rows lie together in its shard; walk the units in order and take each from the shard that has it
    for (unit, (cell, seed)) in
        plan.cells().iter().flat_map(|c| manifest.seeds.iter().map(move |s| (c, s.to_string()))).enumerate()
    {
        failures.rows.extend(failed.iter().filter(|f| f[0] == *cell && f[1] == seed).cloned());
        let shard = unit % shards.len();
        let (rows, at) = &mut rest[shard];
        while rows.get(*at).is_some_and(|r| r[0] == *cell && r[1] == seed) {
            whole.rows.push(std::mem::take(&mut rows[*at]));
            *at += 1;
        }
    }
    if let Some((i, (rows, at))) = rest.iter().enumerate().find(|(_, (rows, at))| *at < rows.len()) {
        let message = format!("the unit [{}, seed {}] does not belong there", rows[*at][0], rows[*at][1]);
        return Err(Error::content(shards[i].0.file("rows.csv"), format!("line {}", at + 2), message));
    }
    if whole.rows.is_empty() {
        return Err(Error::Usage(format!(
            "{}: no unit of any shard has rows: see failures.csv there",
            experiment.id()
        )));
    }
    let bytes = whole.to_csv()?;
    let text = toml::to_string(&params).map_err(|e| Error::Usage(e.to_string()))?;
    let merged = Manifest {
        command: manifest.command.split(" --shard ").next().unwrap_or_default().to_owned(),
        shard: (1, 1),
        units: plan.cells().len() * manifest.seeds.len(),
        rows: whole.rows.len(),
        failed_units: failures.rows.len(),
        rows_sha256: sha256(&bytes),
        unit_seconds: shards.iter().map(|(_, m)| m.unit_seconds).sum(),
        ..manifest.clone()
    };
    target.mark_as_of_verify(false)?;
    target.complete(&text, &bytes, &failures, &merged)
}

fn shards(experiment: &dyn Runnable, out: &Path, target: &RunFolder) -> Result<Vec<(RunFolder, Manifest)>> {
    let folder = target.file("shards");
    let totals = target.splits()?;
    let [n] = totals[..] else {
        let shown = folder.display();
        return Err(Error::Usage(format!("{shown}: shards of {} different splits; keep one", totals.len())));
    };
    let mut shards: Vec<(RunFolder, Manifest)> = Vec::new();
    for k in 1..=n {
        let shard = RunFolder::new(out, experiment.id(), (k, n));
        if !shard.file("manifest.toml").exists() {
            return Err(Error::Usage(format!("{}: shard {k} of {n} is missing or unfinished", experiment.id())));
        }
        let manifest = shard.manifest()?;
        if let Some((_, first)) = shards.first() {
            let same = first.params_sha256 == manifest.params_sha256
                && first.seeds == manifest.seeds
                && first.version == manifest.version;
            if !same {
                return Err(Error::Usage(format!(
                    "{}: shard {k} of {n} was run with other parameters, seeds or version than shard 1",
                    experiment.id()
                )));
            }
        }
        shards.push((shard, manifest));
    }
    Ok(shards)
}
