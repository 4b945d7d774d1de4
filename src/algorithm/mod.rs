//! The loops: what moves a policy's parameters.

mod learner;
mod optimizer;
mod ppo;
mod trainee;

pub use learner::{Learner, Step};
pub use optimizer::{Adam, Optimizer, Sgd};
pub use ppo::{PpoParams, PpoRound, ppo};
pub use trainee::{Example, Trainee, sft};
