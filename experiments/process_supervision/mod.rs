//! Lightman et al., *Let's Verify Step by Step*, arXiv:2305.20050: process against outcome supervision.
//!
//! One file per figure, table or theorem; beside them the set-up that at least two of them share: chains of modular arithmetic, in which
//! every step can be checked, written by a generator whose error rates are known.
//!
//! A reward model that knew the right answers could not be beaten at choosing right answers: what is compared is what reward models *learn*
//! from finite labels.

// figures
pub(crate) mod active_learning;
pub(crate) mod best_of_n;
pub(crate) mod difficulty;
pub(crate) mod first_error;
pub(crate) mod information;
pub(crate) mod iterations;
pub(crate) mod out_of_distribution;
pub(crate) mod scoring;
pub(crate) mod step_values;
pub(crate) mod supervision;

// shared set-up
mod labelled;
mod models;
mod pools;
mod world;
