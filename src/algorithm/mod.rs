//! The loops: what moves a policy's parameters.

mod learner;
mod optimizer;

pub use learner::{Learner, Step};
pub use optimizer::{Adam, Optimizer, Sgd};
