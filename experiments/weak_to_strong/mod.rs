//! Burns et al., *Weak-to-Strong Generalization: Eliciting Strong Capabilities With Weak Supervision*, arXiv:2312.09390.

// theory
pub(crate) mod expansion;
pub(crate) mod misfit;
pub(crate) mod overlap;
pub(crate) mod transition;

// figures
pub(crate) mod images;
pub(crate) mod methods;
pub(crate) mod probes;
pub(crate) mod saliency;
pub(crate) mod tasks;

// shared set-up
mod gap;
mod ladder;
