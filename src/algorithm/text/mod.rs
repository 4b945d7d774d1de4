//! Text to tokens and back: what the loops need to train, measure and ask a published model, with strings at both ends.
//!
//! [`Encoder`] makes examples, pairs and prompts of lines in TRL's shapes; [`Workers`] writes and scores on several threads;
//! [`TextTask`] pays decoded completions; [`TextTraining`] is any of the loops between two of its steps, with its data and its
//! held-out data.

mod encode;
mod task;
mod training;
mod workers;

pub use encode::{Encoded, Encoder, Encoding, Learn, TextPrompt, TooLong};
pub use task::TextTask;
pub use training::{Adapters, Footprint, Material, Memory, Method, Setup, TextTraining, Told, trainee};
pub use workers::{Scored, Workers};
