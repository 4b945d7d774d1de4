//! Reward models of solutions in several steps: process models, which judge steps, and outcome models, which judge the whole.
//!
//! Training is in `algorithm`; here is what a trained model says.
//!
//! Rewards of text that real models write: [`text`].

mod logistic;
mod scoring;
mod solutions;
mod step_labels;
pub mod text;

pub use logistic::{Affine, ClassModel, OutcomeModel, StepModel};
pub use scoring::{
    Neutral, Score, first_error_above, first_error_law, locate_first_error, locate_known_error, log_right_of_classes,
};
pub use solutions::Solutions;
pub(crate) use step_labels::counted;
pub use step_labels::{FinishReason, LabelledSolution, StepFile, read_step_labels, write_step_labels};
