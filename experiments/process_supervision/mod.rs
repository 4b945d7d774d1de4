//! Lightman et al., *Let's Verify Step by Step*, arXiv:2305.20050: process and outcome supervision of reward models.
//!
//! One file per figure, table or theorem; beside them the set-up that at least two of them share.

// figures
pub(crate) mod information;
