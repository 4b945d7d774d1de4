//! Burns et al., *Weak-to-Strong Generalization: Eliciting Strong Capabilities With Weak Supervision*, arXiv:2312.09390.
pub(crate) mod chess;
pub(crate) mod easy_to_hard;
mod puzzles;
