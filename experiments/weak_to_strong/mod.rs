//! Burns et al., *Weak-to-Strong Generalization: Eliciting Strong Capabilities With Weak Supervision*, arXiv:2312.09390.
//!
//! One file per figure or theorem; beside them the set-up that at least two of them share. Teacher, student and ceiling are one protocol
//! ([`rewardlab::algorithm::Protocol`]) for all families of models.

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

// phenomena, transformers and images
pub(crate) mod chess;
pub(crate) mod easy_to_hard;
pub(crate) mod generative;
pub(crate) mod images;
pub(crate) mod methods;
pub(crate) mod probes;
pub(crate) mod prompting;
pub(crate) mod reward_modelling;
pub(crate) mod saliency;
pub(crate) mod tasks;

// shared set-up
pub(crate) mod gap;
mod ladder;
mod linear_world;
mod puzzles;
mod reviews;
