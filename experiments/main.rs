//! The binary: the registry of experiments, and nothing else.

mod data;
mod real_models;
mod reward_kl;
mod statistics;
#[cfg(test)]
mod tests;
mod vanishing_gradients;
mod weak_to_strong;

use rewardlab::experiment::{Runnable, entry};
use std::process::ExitCode;

/// Every experiment, in the order in which they are listed and judged.
fn registry() -> Vec<Box<dyn Runnable>> {
    vec![
        entry::<real_models::vanishing::Vanishing>(),
        entry::<real_models::frontier::Frontier>(),
        entry::<real_models::weak_to_strong::WeakToStrong>(),
    ]
}

fn main() -> ExitCode {
    rewardlab::cli::main(&registry())
}
