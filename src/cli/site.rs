//! `rewardlab report --site`: what the site needs, from a run's folders.

use crate::error::Result;
use crate::experiment::RunFolder;
use crate::report::site::{Book, Entry, Pair, Setup, Sources, TRANSFER, write};
use crate::report::{Figure, Judged, checks_table};
use std::path::Path;

/// `--repository`: a web address.
pub(super) fn parse_repository(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    if host.is_some_and(|h| !h.is_empty() && !text.contains(char::is_whitespace)) {
        Ok(text.to_owned())
    } else {
        Err("not a web address (https://…)".into())
    }
}

/// Writes the site of what was judged in `results`; says how many pages it has.
pub(super) fn build(
    results: &Path,
    (judged, figures): (Vec<Judged>, Vec<Figure>),
    (sources, repository): (Sources, Option<String>),
    out: &Path,
) -> Result<usize> {
    let entries = judged.into_iter().zip(figures).map(|(judged, figure)| {
        let folder = RunFolder::new(results, &judged.id, (1, 1));
        let checks_csv = checks_table(&judged.checks)?.to_csv()?;
        Ok(Entry { setup: setup(&folder)?, judged, figure, checks_csv })
    });
    let rows = results.join(TRANSFER).join("rows.csv");
    let pairs = if rows.exists() {
        Pair::of_rows(&rows, &RunFolder::new(results, TRANSFER, (1, 1)).rows()?)?
    } else {
        Vec::new()
    };
    let pages = Book { entries: entries.collect::<Result<_>>()?, sources, pairs, repository }.pages();
    write(out, results, &pages)?;
    Ok(pages.iter().filter(|(path, _)| Path::new(path).extension().is_some_and(|e| e == "html")).count())
}

/// What was run; none without a manifest.
fn setup(folder: &RunFolder) -> Result<Option<Setup>> {
    if !folder.file("manifest.toml").exists() {
        return Ok(None);
    }
    let manifest = folder.manifest()?;
    let is_known = folder.file("params.toml").exists();
    let params = if is_known { folder.params()? } else { toml::Table::new() };
    Ok(Some(Setup {
        version: manifest.version,
        profile: manifest.profile,
        seeds: manifest.seeds,
        rows: manifest.rows,
        rows_sha256: manifest.rows_sha256,
        unit_seconds: manifest.unit_seconds,
        params,
    }))
}
