//! From a language model to a trainee.

use crate::algorithm::trainee::Trainee;
use crate::error::Result;
use crate::lm::{Device, LanguageModel, Lora, LoraSettings, Placement, Precision};
use crate::rng::Stream;
use serde::{Deserialize, Serialize};

/// How a model is trained, whatever the loop. All of it changes bits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// Limit of the gradient's norm; positive.
    pub clip: f64,
    /// What computes: `cpu`, `candle-cpu`, `cuda` or `cuda:N`.
    #[serde(default)]
    pub device: Device,
    /// What a device computes in; what is learned is f32 in any case.
    #[serde(default)]
    pub precision: Precision,
    /// Whether a device computes activations again in the backward pass: less memory for more time.
    #[serde(default)]
    pub checkpointing: bool,
    /// Threads of the CPU engine that share a step, each with a gradient of its own; at least 1.
    pub lanes: usize,
    /// Most tokens that go through the engine at once in each lane: gradients are accumulated over parts of a step. 0: as many as suit the
    /// processor's cache or the device.
    pub part_tokens: usize,
}

impl Default for Setup {
    fn default() -> Self {
        let Placement { device, precision, checkpointing } = Placement::default();
        Self { clip: 1.0, device, precision, checkpointing, lanes: 2, part_tokens: 0 }
    }
}

impl Setup {
    /// Where and how it computes.
    pub fn placement(&self) -> Placement {
        Placement { device: self.device, precision: self.precision, checkpointing: self.checkpointing }
    }
}

/// What is trained beside or instead of all weights.
#[derive(Clone, Debug)]
pub enum Adapters {
    /// Fresh ones.
    Fresh(LoraSettings),
    /// Some that exist: their table and values.
    Given(Box<Lora>, Vec<f32>),
}

/// Makes a trainee of a model, whose weights move into it. With adapters these are trained instead of the weights.
///
/// # Errors
/// Illegal settings; weights or adapters that do not fit the config.
pub fn trainee(
    model: &mut LanguageModel,
    setup: &Setup,
    adapters: Option<Adapters>,
    rng: &mut Stream,
) -> Result<Trainee> {
    let adapters = match adapters {
        None => None,
        Some(Adapters::Given(lora, values)) => Some((*lora, values)),
        Some(Adapters::Fresh(settings)) => {
            let lora = Lora::new(&model.config, &settings)?;
            let values = lora.init(&model.params, rng)?;
            Some((lora, values))
        }
    };
    let trainee = Trainee::on(&setup.placement(), &model.config, std::mem::take(&mut model.params), setup.clip)?;
    let trainee = if setup.part_tokens == 0 { trainee.in_parts() } else { trainee.in_parts_of(setup.part_tokens) };
    // a device has threads of its own
    let trainee = if setup.device == Device::Cpu { trainee.in_lanes(setup.lanes)? } else { trainee };
    match adapters {
        None => Ok(trainee),
        Some((lora, values)) => trainee.with_adapters(lora, values),
    }
}
