//! The binary: the registry of experiments, and nothing else.

#[cfg(test)]
mod tests;
mod vanishing_gradients;

use rewardlab::experiment::{Runnable, entry};
use std::process::ExitCode;

/// Every experiment, in the order in which they are listed and judged.
fn registry() -> Vec<Box<dyn Runnable>> {
    vec![
        entry::<vanishing_gradients::separation::Separation>(),
        entry::<vanishing_gradients::reward_teacher::RewardTeacher>(),
        entry::<vanishing_gradients::group_normalisation::GroupNormalisation>(),
    ]
}

fn main() -> ExitCode {
    rewardlab::cli::main(&registry())
}
