//! The binary: the registry of experiments, and nothing else.

#[cfg(test)]
mod tests;
mod vanishing_gradients;

use rewardlab::experiment::{Runnable, entry};
use std::process::ExitCode;

/// Every experiment, in the order in which they are listed and judged.
#[rustfmt::skip]
fn registry() -> Vec<Box<dyn Runnable>> {
    vec![
        entry::<vanishing_gradients::theorem1::Theorem1>(),
        entry::<vanishing_gradients::ppo_bound::PpoBound>(),
        entry::<vanishing_gradients::separation::Separation>(),
        entry::<vanishing_gradients::scatter::Scatter>(),
    ]
}

fn main() -> ExitCode {
    rewardlab::cli::main(&registry())
}
