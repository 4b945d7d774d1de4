//! What the loop learns from, and who says what it is worth.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// A completion of a source with its reward.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// Which source.
    pub source: usize,
    /// The completion, its end token included.
    pub tokens: Vec<u32>,
    /// R(x, y).
    pub reward: f64,
}

/// Which half of the task a completion belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// The sources that are grown from.
    Train,
    /// Those on which checkpoints are compared.
    HeldOut,
}

/// Sources with somebody who rates their completions.
pub trait Task {
    /// The prompts that are grown from.
    fn sources(&self) -> &[Vec<u32>];

    /// The prompts on which checkpoints are compared.
    fn held_out(&self) -> &[Vec<u32>];

    /// Rewards of completions, each with the number of its prompt; finite.
    ///
    /// # Errors
    /// A model that rates could not read a completion.
    fn rewards(&mut self, half: Half, outputs: &[(usize, &[u32])]) -> Result<Vec<f64>>;
}

/// Rewards that are checked.
pub(super) fn rewards(task: &mut dyn Task, half: Half, outputs: &[(usize, &[u32])]) -> Result<Vec<f64>> {
    let rewards = task.rewards(half, outputs)?;
    Error::check_shape("rewards", outputs.len(), rewards.len())?;
    Error::check_finite("reward", &rewards)?;
    Ok(rewards)
}

/// The largest reward; −∞ for none.
pub(super) fn best(data: &[Scored]) -> f64 {
    data.iter().map(|s| s.reward).fold(f64::NEG_INFINITY, f64::max)
}

/// The mean reward; NaN for none.
pub(super) fn mean_reward<'a>(data: impl IntoIterator<Item = &'a Scored>) -> f64 {
    let (sum, count) = data.into_iter().fold((0.0, 0.0), |(sum, count), s| (sum + s.reward, count + 1.0));
    sum / count
}
