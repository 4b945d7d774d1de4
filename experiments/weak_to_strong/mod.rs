//! Burns et al., *Weak-to-Strong Generalization: Eliciting Strong Capabilities With Weak Supervision*, arXiv:2312.09390.

// figures
pub(crate) mod tasks;

// shared set-up
mod gap;
mod ladder;
