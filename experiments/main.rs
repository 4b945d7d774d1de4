//! The binary: the registry of experiments, and nothing else.

mod data;
mod statistics;
mod weak_to_strong;

use rewardlab::experiment::{Runnable, entry};
use std::process::ExitCode;

/// Every experiment, in the order in which they are listed and judged.
fn registry() -> Vec<Box<dyn Runnable>> {
    vec![
        entry::<weak_to_strong::tasks::Tasks>(),
        entry::<weak_to_strong::probes::Probes>(),
        entry::<weak_to_strong::saliency::Saliency>(),
        entry::<weak_to_strong::methods::Methods>(),
        entry::<weak_to_strong::images::Images>(),
    ]
}

fn main() -> ExitCode {
    rewardlab::cli::main(&registry())
}
