//! Weights at the start of training.

use super::config::Config;
use super::layout::{Layout, Role};
use crate::error::Result;
use crate::rng::Stream;

/// Fresh weights, as GPT-2 starts: matrices normal with standard deviation `scale` (0.02 there), those that write into
/// the residual stream smaller by √(2 · layers), norms one, biases zero.
///
/// # Errors
/// A config that has no layout.
pub fn init(config: &Config, scale: f64, rng: &mut Stream) -> Result<Vec<f32>> {
    let layout = Layout::new(config)?;
    let mut params = vec![0.0; layout.len()];
    let residual = scale / (2.0 * config.layers as f64).sqrt();
    for tensor in &layout.tensors {
        let values = &mut params[tensor.range.clone()];
        match tensor.role {
            Role::Matrix => values.iter_mut().for_each(|v| *v = (scale * rng.normal()) as f32),
            Role::ResidualMatrix => values.iter_mut().for_each(|v| *v = (residual * rng.normal()) as f32),
            Role::Scale => values.fill(1.0),
            Role::Bias => {}
        }
    }
    Ok(params)
}
