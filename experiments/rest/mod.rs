//! Gulcehre et al., *Reinforced Self-Training (`ReST`) for Language Modeling*, arXiv:2308.08998: Grow and Improve.
//!
//! One file per figure, table or theorem; beside them the set-up that at least two of them share. Each experiment has rows of
//! two worlds: strings, exact by enumeration, and translation between two artificial languages by a transformer.

// figures
pub(crate) mod best_of_n;
pub(crate) mod filters;
pub(crate) mod grow;
pub(crate) mod improve;
pub(crate) mod losses;
pub(crate) mod online;
pub(crate) mod operators;
pub(crate) mod proxy_gold;
pub(crate) mod selection_control;

// shared set-up
mod strings;
mod table;
mod translation;
