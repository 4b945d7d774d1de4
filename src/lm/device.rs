//! Where a model computes.

use super::candle;
use super::weights::Precision;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Device {
    /// The CPU engine, in f32: the same bits whatever the number of processors.
    #[default]
    Cpu,
    /// Candle on the processor: slow, the same code as on a GPU.
    CandleCpu,
    /// Candle on the NVIDIA GPU of this number, counted from 0.
    Cuda(usize),
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::CandleCpu => f.write_str("candle-cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

impl FromStr for Device {
    type Err = Error;

    /// `cpu`, `candle-cpu`, `cuda` (the first GPU) or `cuda:N`.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "cpu" => Ok(Self::Cpu),
            "candle-cpu" => Ok(Self::CandleCpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => {
                let number = text.strip_prefix("cuda:").and_then(|n| n.parse().ok());
                let legal = "cpu, candle-cpu, cuda or cuda:N with a GPU's number, from 0";
                number.map(Self::Cuda).ok_or_else(|| Error::parameter("device", format!("`{text}`"), legal))
            }
        }
    }
}

impl TryFrom<String> for Device {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Device> for String {
    fn from(device: Device) -> Self {
        device.to_string()
    }
}

impl Device {
    /// Candle's device.
    ///
    /// # Errors
    /// A GPU in a build without CUDA; one that is not there, or whose driver does not answer.
    pub fn open(self) -> Result<candle::Device> {
        match self {
            Self::Cpu | Self::CandleCpu => Ok(candle::Device::Cpu),
            Self::Cuda(_) if !cfg!(feature = "cuda") => Err(Error::Usage(format!(
                "{self}: this program was built without CUDA; build it with `cargo build --release --features cuda`, or ask for the \
                 device cpu"
            ))),
            Self::Cuda(number) => candle::Device::new_cuda(number).map_err(|error| match error.into() {
                Error::Device(why) => {
                    Error::Device(format!("{self}: no such GPU, or its driver does not answer: {why}"))
                }
                other => other,
            }),
        }
    }
}

/// Where a model computes, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Placement {
    /// What computes.
    pub device: Device,
    /// What it computes in. What is learned, gradients and moments are held in 32 bits in any case; the CPU engine knows no other.
    pub precision: Precision,
    /// Whether a step's backward pass keeps every block's input only and computes the rest again: less memory for more time. The CPU
    /// engine always keeps all.
    pub checkpointing: bool,
}

impl Placement {
    /// Fails where the CPU engine is asked for what it cannot do.
    ///
    /// # Errors
    /// 16 bits or checkpointing on it.
    pub fn validate(&self) -> Result<()> {
        if self.device != Device::Cpu {
            return Ok(());
        }
        if self.precision != Precision::F32 {
            return Err(Error::parameter("precision", self.precision.name(), "float32 on the device cpu"));
        }
        if self.checkpointing {
            return Err(Error::parameter("checkpointing", "true", "false on the device cpu"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for (text, device) in [("cpu", Device::Cpu), ("candle-cpu", Device::CandleCpu), ("cuda:3", Device::Cuda(3))] {
            assert_eq!((text.parse::<Device>().expect("legal"), device.to_string().as_str()), (device, text));
        }
        assert_eq!("cuda".parse::<Device>().expect("legal"), Device::Cuda(0));
        for wrong in ["gpu", "cuda:", "cuda:x", "cuda:-1", "CPU", ""] {
            let message = wrong.parse::<Device>().expect_err(wrong).to_string();
            assert!(message.contains("cuda:N") && message.lines().count() == 1, "{message}");
        }
    }

    /// A GPU of a number that no machine has: one line, whether or not CUDA was built in.
    #[test]
    fn a_gpu_that_is_not_there_is_one_clear_line() {
        let message = Device::Cuda(999).open().expect_err("no such GPU").to_string();
        assert!(message.contains("cuda:999") && message.lines().count() == 1, "{message}");
        assert_eq!(message.contains("--features cuda"), !cfg!(feature = "cuda"), "{message}");
    }

    #[test]
    fn the_cpu_engine_has_no_options() {
        let of = |device, precision, checkpointing| Placement { device, precision, checkpointing }.validate();
        assert!(of(Device::Cpu, Precision::Bf16, false).is_err() && of(Device::Cpu, Precision::F32, true).is_err());
        assert!(of(Device::CandleCpu, Precision::Bf16, true).is_ok() && Placement::default().validate().is_ok());
    }
}
