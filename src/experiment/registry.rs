//! Experiments behind one face, so that the runner and the command line need not know their types.

use super::params::refused_by;
use super::stage::StageStore;
use super::{Check, Context, Experiment, Preset, Profile, Record};
use crate::error::{Error, Result};
use crate::plot::Chart;
use crate::record::Table;
use serde::{Serialize, de::DeserializeOwned};
use std::collections::HashSet;
use std::marker::PhantomData;
use std::path::Path;

/// Column names that the runner puts before the experiment's own.
const UNIT_COLUMNS: [&str; 2] = ["cell", "seed"];

/// An experiment whose types are hidden.
pub trait Runnable: Sync + Send {
    /// `paper/figure`.
    fn id(&self) -> &'static str;
    /// Citation.
    fn paper(&self) -> &'static str;
    /// The claim in one line.
    fn claim(&self) -> &'static str;
    /// Whether there is such a version: real models not for every experiment.
    fn has(&self, preset: Preset) -> bool;
    /// Expected wall seconds: on two cores, or on a GPU; 0 of a version that there is not.
    fn seconds(&self, preset: Preset) -> f64;
    /// Default seeds; none of a version that there is not.
    fn seeds(&self, preset: Preset) -> Vec<u64>;
    /// Default parameters.
    ///
    /// # Errors
    /// Parameters that TOML cannot hold; a version that there is not.
    fn params(&self, preset: Preset) -> Result<toml::Table>;
    /// Checks parameters and lays out the cells.
    ///
    /// # Errors
    /// A parameter of the wrong type or out of range.
    fn plan(&self, params: &toml::Table) -> Result<Box<dyn Plan>>;
    /// Judges rows and builds the figure's data.
    ///
    /// # Errors
    /// Rows that are not this experiment's.
    fn judge(&self, path: &Path, table: &Table) -> Result<(Vec<Check>, Chart)>;
}

/// Checked parameters, ready to measure.
pub trait Plan: Sync + Send {
    /// Names of the cells, in row order.
    fn cells(&self) -> &[String];
    /// Measures one unit; rows carry the unit's name in their first two columns.
    ///
    /// # Errors
    /// Those of the experiment.
    fn measure(&self, cell: usize, seed: u64, stages: &StageStore) -> Result<Table>;
}

/// Registers an experiment.
pub fn entry<E: Experiment>() -> Box<dyn Runnable> {
    Box::new(Entry::<E>(PhantomData))
}

struct Entry<E>(PhantomData<fn() -> E>);

impl<E: Experiment> Runnable for Entry<E> {
    fn id(&self) -> &'static str {
        E::ID
    }
    fn paper(&self) -> &'static str {
        E::PAPER
    }
    fn claim(&self) -> &'static str {
        E::CLAIM
    }
    fn has(&self, preset: Preset) -> bool {
        preset != Preset::Gpu || E::real().is_some()
    }
    fn seconds(&self, preset: Preset) -> f64 {
        match preset {
            Preset::Smoke => E::SECONDS.0,
            Preset::Paper => E::SECONDS.1,
            Preset::Gpu => E::real().map_or(0.0, |r| r.seconds),
        }
    }
    fn seeds(&self, preset: Preset) -> Vec<u64> {
        match preset {
            Preset::Smoke => E::seeds(Profile::Smoke).collect(),
            Preset::Paper => E::seeds(Profile::Paper).collect(),
            Preset::Gpu => E::real().map_or_else(Vec::new, |r| r.seeds.collect()),
        }
    }

    fn params(&self, preset: Preset) -> Result<toml::Table> {
        let params = match preset {
            Preset::Smoke => E::params(Profile::Smoke),
            Preset::Paper => E::params(Profile::Paper),
            Preset::Gpu => {
                let none = || Error::Usage(format!("{} has no version with real models: no profile gpu", E::ID));
                E::real().ok_or_else(none)?.params
            }
        };
        to_table(&params)
    }

    fn plan(&self, params: &toml::Table) -> Result<Box<dyn Plan>> {
        let params: E::Params = from_table(params).map_err(|e| Error::Usage(format!("{}: {e}", E::ID)))?;
        E::validate(&params).map_err(|e| refused_by(E::ID, e))?;
        let cells = E::cells(&params);
        let names: Vec<String> = cells.iter().map(ToString::to_string).collect();
        if let Some(twin) = first_duplicate(&names) {
            return Err(Error::Usage(format!("{}: the cell `{twin}` appears twice (a repeated value?)", E::ID)));
        }
        if names.is_empty() {
            return Err(Error::Usage(format!("{}: these parameters leave nothing to measure", E::ID)));
        }
        Ok(Box::new(Planned::<E> { params, cells, names }))
    }

    fn judge(&self, path: &Path, table: &Table) -> Result<(Vec<Check>, Chart)> {
        if table.header.get(..2).is_none_or(|h| h != UNIT_COLUMNS) {
            return Err(Error::content(path, "header", "the first two columns must be cell and seed"));
        }
        if table.rows.is_empty() {
            return Err(Error::content(path, "line 2", "no rows"));
        }
        let rows: Vec<E::Row> = table.decode(path, 2)?;
        let mut records = Vec::with_capacity(rows.len());
        for ((i, unit), row) in table.rows.iter().enumerate().zip(rows) {
            let seed = unit[1].parse().map_err(|_| {
                Error::content(path, format!("line {}", i + 2), format!("seed `{}` is not a number", unit[1]))
            })?;
            records.push(Record { cell: unit[0].clone(), seed, row });
        }
        Ok((E::check(&records), E::chart(&records)))
    }
}

struct Planned<E: Experiment> {
    params: E::Params,
    cells: Vec<E::Cell>,
    names: Vec<String>,
}

impl<E: Experiment> Plan for Planned<E> {
    fn cells(&self) -> &[String] {
        &self.names
    }

    fn measure(&self, cell: usize, seed: u64, stages: &StageStore) -> Result<Table> {
        let context = Context::new(E::ID, &self.names[cell], seed, stages);
        let rows = E::measure(&self.params, &self.cells[cell], &context)?;
        let mut table = Table::from_rows(&rows)?;
        table.header.splice(0..0, UNIT_COLUMNS.map(str::to_owned));
        for row in &mut table.rows {
            row.splice(0..0, [self.names[cell].clone(), seed.to_string()]);
        }
        Ok(table)
    }
}

fn first_duplicate(names: &[String]) -> Option<&String> {
    let mut seen = HashSet::new();
    names.iter().find(|n| !seen.insert(*n))
}

fn to_table<P: Serialize>(params: &P) -> Result<toml::Table> {
    toml::Table::try_from(params).map_err(|e| Error::Usage(format!("parameters cannot be written as TOML: {e}")))
}

fn from_table<P: DeserializeOwned>(table: &toml::Table) -> Result<P> {
    table
        .clone()
        .try_into()
        .map_err(|e| Error::Usage(format!("parameters: {}", e.to_string().trim().replace('\n', " "))))
}

/// The experiments that a selection names: `all`, an id, a paper's folder, or a glob with `*` and `?`.
///
/// # Errors
/// A selection that matches nothing; the nearest id is named.
pub fn select<'a>(registry: &'a [Box<dyn Runnable>], selections: &[String]) -> Result<Vec<&'a dyn Runnable>> {
    let mut chosen = vec![selections.is_empty(); registry.len()];
    for selection in selections {
        let mut hit = false;
        for (experiment, chosen) in registry.iter().zip(&mut chosen) {
            let id = experiment.id();
            let folder = id.split('/').next().unwrap_or(id);
            if selection == "all" || selection.trim_end_matches('/') == folder || glob(selection, id) {
                *chosen = true;
                hit = true;
            }
        }
        if !hit {
            let ids = registry.iter().map(|e| e.id());
            let folders = registry.iter().filter_map(|e| e.id().split('/').next());
            let figures = registry.iter().map(|e| e.id().rsplit('/').next().unwrap_or(e.id()));
            let nearest = match Error::unknown("experiment", selection, ids.chain(folders).chain(figures)) {
                Error::Unknown { nearest: Some(near), .. } if !near.contains('/') => {
                    let whole = registry.iter().map(|e| e.id()).find(|id| id.rsplit('/').next() == Some(near.as_str()));
                    Some(whole.map_or(near, str::to_owned))
                }
                Error::Unknown { nearest, .. } => nearest,
                _ => None,
            };
            return Err(Error::Unknown { kind: "experiment", name: selection.clone(), nearest });
        }
    }
    Ok(registry.iter().zip(chosen).filter(|(_, c)| *c).map(|(e, _)| e.as_ref()).collect())
}

/// Shell-like matching of a whole name: `*` any run of characters, `?` any one.
fn glob(pattern: &str, name: &str) -> bool {
    fn matches(p: &[u8], n: &[u8]) -> bool {
        match (p.first(), n.first()) {
            (None, None) => true,
            (Some(b'*'), _) => matches(&p[1..], n) || (!n.is_empty() && matches(p, &n[1..])),
            (Some(b'?'), Some(_)) => matches(&p[1..], &n[1..]),
            (Some(a), Some(b)) if a == b => matches(&p[1..], &n[1..]),
            _ => false,
        }
    }
    matches(pattern.as_bytes(), name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn globs() {
        assert!(glob("a/*", "a/bc") && glob("*bc", "a/bc") && glob("a/b?", "a/bc") && glob("a/bc", "a/bc"));
        assert!(!glob("a", "a/bc") && !glob("a/b", "a/bc") && !glob("a/bc?", "a/bc"));
    }
}
