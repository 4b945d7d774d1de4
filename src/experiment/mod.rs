//! What an experiment is, and how it is run.

mod context;
mod folder;
mod journal;
mod merge;
pub mod params;
mod registry;
mod runner;
mod stage;
mod status;

pub use crate::report::{Check, Criterion, Kind, PaperNumber, Verdict};
pub use context::{Context, Record};
pub use folder::{Manifest, RunFolder};
pub use merge::merge;
pub use registry::{Plan, Runnable, entry, select};
pub use runner::{Claim, Job, Progress, Request, run};
pub use stage::StageStore;
pub use status::{Part, State as PartState, fingerprint, parts};

use crate::error::Result;
use crate::plot::Chart;
use serde::{Serialize, de::DeserializeOwned};
use std::fmt::Display;
use std::ops::Range;

/// How much is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// Seconds; shows that everything works.
    Smoke,
    /// The paper's protocol at our scale.
    Paper,
}

impl Profile {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Smoke => "smoke",
            Self::Paper => "paper",
        }
    }
}

/// What a run starts from: a profile of the experiment, or its version with real models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Preset {
    /// Seconds; shows that everything works.
    Smoke,
    /// The paper's protocol at our scale.
    Paper,
    /// Real models and data, whose files have to be there: for a GPU.
    Gpu,
}

impl Preset {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Smoke => Profile::Smoke.name(),
            Self::Paper => Profile::Paper.name(),
            Self::Gpu => "gpu",
        }
    }
}

/// An experiment's version with real models.
#[derive(Clone, Debug)]
pub struct RealVersion<P> {
    /// Its parameters.
    pub params: P,
    /// Its seeds.
    pub seeds: Range<u64>,
    /// Expected wall seconds on one GPU; an estimate until one has been had.
    pub seconds: f64,
}

/// One figure or table of a paper, reproduced. Read top to bottom, its file says what is claimed, with what
/// parameters, what is measured, what would count as reproduced, and how it is drawn.
///
/// (cell, seed) is the unit of work: independent, journalled when done, run in parallel, resumable, shardable.
pub trait Experiment: 'static {
    /// Everything that changes the numbers. Each field becomes a key for `--set`.
    type Params: Serialize + DeserializeOwned + Send + Sync;
    /// One independent setting; its `Display` is its name: unique, stable, no commas or line breaks.
    type Cell: Display + Send + Sync;
    /// One CSV line: a flat struct; units in the field docs.
    type Row: Serialize + DeserializeOwned + Send;

    /// `paper/figure`, which is also the file's path under `experiments/`.
    const ID: &'static str;
    /// Citation with figure, table, theorem or equation.
    const PAPER: &'static str;
    /// The claim in one line.
    const CLAIM: &'static str;
    /// Expected wall seconds on two cores: (smoke, paper).
    const SECONDS: (f64, f64);

    /// The default parameters of a profile.
    fn params(profile: Profile) -> Self::Params;
    /// The default seeds of a profile.
    fn seeds(profile: Profile) -> Range<u64>;
    /// The version with real models (the preset `gpu`), where there is one.
    fn real() -> Option<RealVersion<Self::Params>> {
        None
    }
    /// Checks the parameters' ranges.
    ///
    /// # Errors
    /// Names the field, the value and the legal range.
    fn validate(params: &Self::Params) -> Result<()>;
    /// The independent settings, in the order in which their rows are written.
    fn cells(params: &Self::Params) -> Vec<Self::Cell>;
    /// Does the work of one unit: no files, no clock, no printing, no threads; randomness only from the context.
    ///
    /// # Errors
    /// Bad input data or a numerical failure; the unit is reported, the others go on.
    fn measure(params: &Self::Params, cell: &Self::Cell, ctx: &Context) -> Result<Vec<Self::Row>>;
    /// The paper's claims, and the controls, as statistics with criteria. Sees the CSV's rows and nothing else.
    fn check(rows: &[Record<Self::Row>]) -> Vec<Check>;
    /// The figure's data.
    fn chart(rows: &[Record<Self::Row>]) -> Chart;
}
