//! Razin et al., *Vanishing Gradients in Reinforcement Finetuning of Language Models*, arXiv:2310.20703.
//!
//! One file per figure, table or theorem; beside them the set-up that at least two of them share.

// figures
pub(crate) mod benchmark;
pub(crate) mod controlled;
pub(crate) mod controlled_text;
pub(crate) mod correlation;
pub(crate) mod estimators;
pub(crate) mod gradient_norms;
pub(crate) mod group_normalisation;
pub(crate) mod kl_estimators;
pub(crate) mod partial_sft;
pub(crate) mod partial_sft_text;
pub(crate) mod ppo_bound;
pub(crate) mod remedies;
pub(crate) mod remedies_text;
pub(crate) mod reward_teacher;
pub(crate) mod scatter;
pub(crate) mod separation;
pub(crate) mod theorem1;

// shared set-up
mod estimation;
mod factored;
mod families;
mod finetune;
mod group_panels;
mod groups;
mod little_sft;
mod relabelled;
mod reward_models;
mod softmax_linear;
mod tasks;
pub(crate) mod text;
