//! The decoder transformer: config, named weights in one flat f32 vector, the CPU engine, optimisers, sampling.

mod batch;
mod config;
pub mod cpu;
mod layout;
mod optimizer;
mod weights;

pub use batch::{Batch, Choices, Side};
pub use config::{Activation, Config, Family, Norm, Positions, ScoreHead, Size};
pub use layout::{Layout, Role, Storage, Tensor};
pub use optimizer::{AdamW, Sgd, clip_gradient};
pub use weights::init;
