//! What `run`, `merge` and `report` share: rows → checks.csv, figures, REPORT.md, index.html.

use super::note;
use crate::error::Result;
use crate::experiment::{RunFolder, Runnable};
use crate::plot;
use crate::record::write_atomically;
use crate::report::{self, Check, Figure, Judged};
use std::path::Path;

/// Judges one experiment from its CSV, writes `checks.csv`, `figure.png` and `figure.svg` beside it.
pub(super) fn judge(experiment: &dyn Runnable, folder: &RunFolder) -> Result<(Judged, Figure)> {
    let rows = folder.file("rows.csv");
    let (mut checks, chart) = experiment.judge(&rows, &folder.rows()?)?;
    let failures = folder.failures()?.rows;
    if !failures.is_empty() {
        checks = checks.into_iter().map(Check::undecided).collect();
    }
    write_atomically(&folder.file("checks.csv"), &report::checks_table(&checks)?.to_csv()?)?;
    let figure = Figure { png: plot::png(&chart)?, svg: plot::svg(&chart)?, description: chart.description() };
    write_atomically(&folder.file("figure.png"), &figure.png)?;
    write_atomically(&folder.file("figure.svg"), figure.svg.as_bytes())?;
    let judged = Judged {
        id: experiment.id().to_owned(),
        paper: experiment.paper().to_owned(),
        claim: experiment.claim().to_owned(),
        command: folder.manifest().ok().map(|m| m.command),
        checks,
        failures: failures.iter().map(|f| format!("{}, seed {}: {}", f[0], f[1], f[2])).collect(),
    };
    Ok((judged, figure))
}

/// Judges everything finished under `out` and writes REPORT.md and index.html there.
pub(super) fn judge_all(registry: &[Box<dyn Runnable>], out: &Path) -> Result<(Vec<Judged>, Vec<Figure>)> {
    let (mut judged, mut figures) = (Vec::new(), Vec::new());
    for experiment in registry {
        let folder = RunFolder::new(out, experiment.id(), (1, 1));
        if folder.file("rows.csv").exists() {
            let (j, figure) = judge(experiment.as_ref(), &folder)?;
            judged.push(j);
            figures.push(figure);
        } else if folder.file("manifest.toml").exists() {
            let shown = folder.path().display();
            note(&format!(
                "{shown} has lost its rows.csv, and is left out: put it back, or run the same with --resume"
            ));
        }
    }
    write_atomically(&out.join("REPORT.md"), report::markdown(&judged).as_bytes())?;
    write_atomically(&out.join("index.html"), report::html(&judged, &figures).as_bytes())?;
    Ok((judged, figures))
}
