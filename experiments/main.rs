//! The binary: the registry of experiments, and nothing else.

#[cfg(test)]
mod tests;
mod vanishing_gradients;

use rewardlab::experiment::{Runnable, entry};
use std::process::ExitCode;

/// Every experiment, in the order in which they are listed and judged.
fn registry() -> Vec<Box<dyn Runnable>> {
    vec![
        entry::<vanishing_gradients::scatter::Scatter>(),
        entry::<vanishing_gradients::correlation::Correlation>(),
        entry::<vanishing_gradients::remedies::Remedies>(),
        entry::<vanishing_gradients::partial_sft::PartialSft>(),
    ]
}

fn main() -> ExitCode {
    rewardlab::cli::main(&registry())
}
