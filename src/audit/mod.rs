//! Other trainers' logs: which logged number is which theory quantity under the options of the run, which is not, and what in them is a sign of
//! trouble.
//!
//! What is known of a trainer is data: a [`Catalogue`] per package ([`trl`], [`verl`], [`openrlhf`]), read in the source of a version that it
//! names. A meaning may depend on options; where one that it depends on is not given, the report says what follows from which value and takes
//! the trainer's default. Warnings come from trends that are tested, not from first and last values.

mod catalogue;
mod detect;
mod log;
mod naming;
pub mod openrlhf;
mod series;
mod settings;
#[cfg(test)]
mod tests;
pub mod trl;
pub mod verl;

pub use catalogue::{
    Catalogue, Estimator, Kind, Metric, Over, Per, Reading, Role, Setting, Test, Theory, Trainer, When,
};
pub use detect::{Finding, Level};
pub use log::{Line, Log, read};
pub use naming::Row;
pub use settings::{Pairs, Settings, parse_assignment, read_config};

use crate::error::{Error, Result};
use detect::Context;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::Path;

/// Whose log it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// TRL's `trainer_state.json`, its `log_history`, or one logged dict per line.
    Trl,
    /// verl's file logger.
    Verl,
    /// `OpenRLHF`'s numbers as wandb or tensorboard export them, one dict per line.
    OpenRlhf,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Trl, Self::Verl, Self::OpenRlhf];

    /// What is known of the trainer.
    pub fn catalogue(self) -> &'static Catalogue {
        match self {
            Self::Trl => &trl::CATALOGUE,
            Self::Verl => &verl::CATALOGUE,
            Self::OpenRlhf => &openrlhf::CATALOGUE,
        }
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trl => "trl",
            Self::Verl => "verl",
            Self::OpenRlhf => "openrlhf",
        }
    }

    /// The option with the size of a group.
    fn group(self) -> &'static str {
        match self {
            Self::Trl => "num_generations",
            Self::Verl => "actor_rollout_ref.rollout.n",
            Self::OpenRlhf => "rollout.n_samples_per_prompt",
        }
    }

    /// The option with the strength of a preference loss.
    fn beta(self) -> &'static str {
        match self {
            Self::OpenRlhf => "model.beta",
            Self::Trl | Self::Verl => "beta",
        }
    }
}

/// What is asked of a log.
#[derive(Clone, Debug)]
pub struct Request {
    /// Whose log it is.
    pub format: Format,
    /// Options from the trainer's own files.
    pub config: Pairs,
    /// Options that were typed for this.
    pub typed: Pairs,
    /// The key of a reward that is not trained on.
    pub gold: Option<String>,
    /// Rewards are 0 or 1.
    pub binary: bool,
}

/// An option that something in the report depends on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Used {
    /// Its key.
    pub key: &'static str,
    /// Its value.
    pub value: String,
    /// Whether it was given; otherwise it is the trainer's default.
    pub given: bool,
}

/// An option that was given and that nothing depends on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unused {
    /// Its key.
    pub key: String,
    /// One that it may have been meant for.
    pub nearest: Option<&'static str>,
}

/// What a log says.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Package and the version whose source the meanings are from.
    pub package: String,
    /// What holds of all numbers of a line.
    pub line: &'static str,
    /// The trainer, or those that it may have been.
    pub trainers: Vec<&'static str>,
    /// Lines that were read.
    pub lines: usize,
    /// Least and greatest step.
    pub steps: Option<(f64, f64)>,
    /// Options that meanings and warnings depend on.
    pub settings: Vec<Used>,
    /// Options that they do not depend on.
    pub unused: Vec<Unused>,
    /// A row per logged key that is known.
    pub rows: Vec<Row>,
    /// Logged keys that are not.
    pub unknown: Vec<String>,
    /// Keys with something else than numbers.
    pub not_numbers: Vec<String>,
    /// Warnings and notes.
    pub findings: Vec<Finding>,
}

impl Report {
    /// How many warnings there are.
    pub fn warnings(&self) -> usize {
        self.findings.iter().filter(|f| f.level == Level::Warning).count()
    }
}

/// Reads a log and says what is in it.
///
/// # Errors
/// Those of [`read`]; a log of another format; options that are misspelt or have an illegal value; a gold key that is not logged; rewards outside
/// of 0 to 1 that are said to be binary.
pub fn audit(path: &Path, request: &Request) -> Result<Report> {
    let catalogue = request.format.catalogue();
    let mut settings = Settings::sort(catalogue, &request.config, &request.typed)?;
    let log = read(path, request.format)?;
    let keys: BTreeSet<&str> = log.lines.iter().flat_map(|l| l.values.keys().map(String::as_str)).collect();
    check_format(path, request.format, &keys)?;
    infer(catalogue, &keys, &mut settings);
    if let Some(gold) = request.gold.as_deref().filter(|gold| !keys.contains(gold)) {
        return Err(Error::unknown("logged key", gold, keys.iter().copied()));
    }
    let (named, unknown) = naming::name(catalogue, &settings, &keys);
    let series = series::all(&log.lines, &named, request.gold.as_deref());
    let context = Context { path, request, catalogue, settings: &settings, series: &series, lines: &log.lines };
    let findings = detect::all(&context)?;
    let steps = log.lines.iter().filter_map(|l| l.step).fold(None, |range: Option<(f64, f64)>, step| {
        Some(range.map_or((step, step), |(low, high)| (low.min(step), high.max(step))))
    });
    let used: BTreeSet<&'static str> = catalogue.settings.iter().map(|s| s.key).collect();
    let used = used
        .into_iter()
        .filter_map(|key| settings.value(catalogue, key).map(|(value, given)| Used { key, value, given }));
    Ok(Report {
        package: format!("{} {}", catalogue.name, catalogue.version),
        line: catalogue.line,
        trainers: settings.trainers.clone(),
        lines: log.lines.len(),
        steps,
        settings: used.collect(),
        unused: settings.unused.iter().map(|(key, nearest)| Unused { key: key.clone(), nearest: *nearest }).collect(),
        rows: named.into_iter().map(|n| n.row).collect(),
        unknown,
        not_numbers: log.other,
        findings,
    })
}

/// A log whose keys are another trainer's is said to be that.
fn check_format(path: &Path, format: Format, keys: &BTreeSet<&str>) -> Result<()> {
    let known = |f: Format| {
        let catalogue = f.catalogue();
        let trainers: Vec<&str> = catalogue.trainers.iter().map(|t| t.name).collect();
        keys.iter().filter(|key| naming::is_known(catalogue, key, &trainers)).count()
    };
    let own = known(format);
    let best = Format::ALL.into_iter().max_by_key(|f| (known(*f), *f == format)).unwrap_or(format);
    if own > 0 && known(best) < 2 * own {
        return Ok(());
    }
    let shown: Vec<&str> = keys.iter().copied().take(6).collect();
    if known(best) > own {
        let message = format!("{shown:?} are rather {}'s: --format {}", best.catalogue().name, best.name());
        return Err(Error::content(path, "its keys", message));
    }
    Err(Error::content(path, "its keys", format!("no key that {} logs among {shown:?}", format.catalogue().name)))
}

/// Which trainers may have logged these keys.
fn infer(catalogue: &Catalogue, keys: &BTreeSet<&str>, settings: &mut Settings) {
    let all: Vec<&str> = catalogue.trainers.iter().map(|t| t.name).collect();
    let plain: Vec<&str> = keys.iter().map(|key| naming::plain(key).0).collect();
    let known: Vec<&str> = plain.iter().copied().filter(|key| naming::is_known(catalogue, key, &all)).collect();
    settings.narrow(|trainer| {
        let always = catalogue.trainers.iter().find(|t| t.name == trainer).map_or(&[][..], |t| t.always);
        always.iter().all(|key| plain.contains(key)) && known.iter().all(|k| naming::is_known(catalogue, k, &[trainer]))
    });
}
