//! Burns et al., *Weak-to-Strong Generalization: Eliciting Strong Capabilities With Weak Supervision*, arXiv:2312.09390.

// figures
pub(crate) mod generative;
pub(crate) mod reward_modelling;

// shared set-up
mod gap;
mod reviews;
