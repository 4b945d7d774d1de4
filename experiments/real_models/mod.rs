//! The same objectives and measurements on real language models, and what is asked of a model before it is trained.
//!
//! Razin et al., arXiv:2310.20703 (which prompts have no gradient); Rafailov et al., arXiv:2305.18290 (reward against KL); Gulcehre et al.,
//! arXiv:2308.08998 (`ReST`); Lightman et al., arXiv:2305.20050 (process supervision); Burns et al., arXiv:2312.09390 (weak to strong).

mod asked;
mod classifier;
mod finetune;
pub(crate) mod frontier;
mod labelled;
pub(crate) mod preflight_calibration;
pub(crate) mod process;
pub(crate) mod rest_translation;
mod subject;
#[cfg(test)]
mod tests;
pub(crate) mod transfer;
pub(crate) mod vanishing;
pub(crate) mod weak_to_strong;
