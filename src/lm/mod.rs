//! The decoder transformer: config, named weights in one flat f32 vector, the CPU engine, optimisers, sampling.

mod batch;
pub mod candle;
mod checkpoint;
mod config;
pub mod cpu;
mod hf;
mod layout;
mod optimizer;
mod sampling;
mod schedule;
#[cfg(test)]
mod testing;
mod transformer;
mod weights;

pub use batch::{Batch, Choices, Side};
pub use checkpoint::Checkpoint;
pub use config::{Activation, Config, Family, Norm, Positions, ScoreHead, Size};
pub use layout::{Layout, Role, Storage, Tensor};
pub use optimizer::{AdamW, Sgd, clip_gradient};
pub use sampling::{Sample, Sampling};
pub use schedule::{Decay, Schedule};
pub use transformer::{Keep, Scores, Signal, Transformer};
pub use weights::{init, load_model, read_weights, save_model};
