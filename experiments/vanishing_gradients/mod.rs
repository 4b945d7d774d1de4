//! Razin et al., *Vanishing Gradients in Reinforcement Finetuning of Language Models*, arXiv:2310.20703.

pub(crate) mod group_normalisation;
mod groups;
mod reward_models;
pub(crate) mod reward_teacher;
pub(crate) mod separation;
mod softmax_linear;
mod statistics;
