//! `rewardlab report`.

use super::{judge, out, site, width};
use crate::error::{Error, Result};
use crate::experiment::Runnable;
use crate::report::site::{Sources, check};
use crate::report::{Tally, text};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder of a run: DIR/PAPER/FIGURE/rows.csv
    #[arg(default_value = "runs/smoke")]
    dir: PathBuf,
    /// Write a static site too: a page per experiment and an index, to be read from any folder or web server
    #[arg(long, value_name = "OUT")]
    site: Option<PathBuf>,
    /// Link the site's pages to the source tree at this web address as well (what stands before `experiments/`)
    #[arg(long, value_name = "URL", requires = "site", value_parser = site::parse_repository)]
    repository: Option<String>,
}

pub(super) fn execute(args: &Args, registry: &[Box<dyn Runnable>], sources: fn() -> Sources) -> Result<u8> {
    if !args.dir.is_dir() {
        return Err(Error::Usage(format!("{}: no such folder", args.dir.display())));
    }
    if !registry.iter().any(|e| args.dir.join(e.id()).join("rows.csv").exists()) {
        return Err(Error::Usage(format!(
            "{}: no finished experiment here (no <paper>/<figure>/rows.csv)",
            args.dir.display()
        )));
    }
    args.site.as_deref().map_or(Ok(()), |site| check(site, &args.dir))?;
    let (judged, figures) = judge::judge_all(registry, &args.dir)?;
    out(&text(&judged, width()));
    out(&format!("Report: {0}/REPORT.md and {0}/index.html\n", args.dir.display()));
    let code = Tally::of(judged.iter().flat_map(|j| &j.checks)).exit_code();
    if let Some(to) = &args.site {
        let pages = site::build(&args.dir, (judged, figures), (sources(), args.repository.clone()), to)?;
        out(&format!("Site: {}/index.html, {pages} pages\n", to.display()));
    }
    Ok(code)
}
