//! Burns et al., *Weak-to-Strong Generalization: Eliciting Strong Capabilities With Weak Supervision*, arXiv:2312.09390.
//!
//! One file per figure or theorem; beside them the set-up that at least two of them share.

// theory
pub(crate) mod error_structure;
pub(crate) mod expansion;
pub(crate) mod misfit;
pub(crate) mod overlap;
pub(crate) mod simulation;
pub(crate) mod transition;

// phenomena, linear models
pub(crate) mod agreement;
pub(crate) mod bootstrapping;
pub(crate) mod confidence;
pub(crate) mod overfitting;
pub(crate) mod trivial_imitation;

// shared set-up
mod linear_world;
