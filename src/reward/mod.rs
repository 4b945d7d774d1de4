//! Reward models of solutions in several steps: process models, which judge steps, and outcome models, which judge the whole.
//!
//! Training is in `algorithm`; here is what a trained model says.

mod step_labels;

pub use step_labels::{FinishReason, LabelledSolution, StepFile, read_step_labels, write_step_labels};
