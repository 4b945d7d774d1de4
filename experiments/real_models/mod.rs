//! The same objectives and measurements on real language models, and what is asked of a model before it is trained.
//!
//! Razin et al., arXiv:2310.20703 (which prompts have no gradient); Gulcehre et al., arXiv:2308.08998 (`ReST`); Lightman et al., arXiv:2305.20050
//! (process supervision).

mod asked;
mod finetune;
pub(crate) mod preflight_calibration;
pub(crate) mod process;
pub(crate) mod rest_translation;
mod subject;
pub(crate) mod vanishing;
