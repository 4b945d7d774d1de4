//! The decoder transformer: config, named weights in one flat f32 vector, two engines, optimisers, sampling.
//!
//! [`cpu`] is made for many small models on ordinary cores, one engine per thread; [`mod@candle`] for real models on a GPU, where
//! [`candle::Resident`] holds weights, gradient and moments. Both engines are a [`Transformer`] over the same weights, batches and signals, and each is the other's oracle: tests hold their
//! log-probabilities to 1e-4 and their gradients to 1e-3 for every option of [`Config`].

mod batch;
pub mod candle;
mod chat;
mod checkpoint;
mod config;
pub mod cpu;
mod device;
pub mod gguf;
mod hf;
mod language_model;
mod layout;
mod lora;
mod optimizer;
mod parts;
mod sampling;
mod schedule;
mod tensors;
#[cfg(test)]
pub(crate) mod testing;
mod tokenizer;
mod transformer;
mod weights;

pub use batch::{Batch, Choices, Side};
pub use chat::{ChatTemplate, Message};
pub use checkpoint::Checkpoint;
pub use config::{Activation, Config, Family, Norm, Positions, ScoreHead, Size};
pub use device::{Device, Placement};
pub use language_model::LanguageModel;
pub use layout::{Layout, Role, Storage, Tensor};
pub use lora::{Lora, LoraSettings};
pub use optimizer::{AdamW, Sgd, clip_gradient};
pub(crate) use parts::{part_tokens, parts};
pub use sampling::{Ends, Sample, Sampling};
pub use schedule::{Decay, Schedule};
pub use tensors::tensor_names;
pub use tokenizer::{Special, Tokenizer};
pub use transformer::{Keep, Scores, Signal, Transformer};
pub use weights::{Precision, init, load_model, read_weights, save_model};
