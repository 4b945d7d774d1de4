//! Burns et al., *Weak-to-Strong Generalization: Eliciting Strong Capabilities With Weak Supervision*, arXiv:2312.09390.
//!
//! One file per figure or theorem; beside them the set-up that at least two of them share.

// theory
pub(crate) mod expansion;
pub(crate) mod misfit;
pub(crate) mod overlap;
pub(crate) mod transition;
