//! Razin et al., *Vanishing Gradients in Reinforcement Finetuning of Language Models*, arXiv:2310.20703.
//!
//! One file per figure, table or theorem; beside them the set-up that at least two of them share.

// figures
pub(crate) mod scatter;
pub(crate) mod separation;

// shared set-up
mod factored;
mod finetune;
mod softmax_linear;
mod statistics;
mod tasks;
