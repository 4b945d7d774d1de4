//! Razin et al., *Vanishing Gradients in Reinforcement Finetuning of Language Models*, arXiv:2310.20703.

pub(crate) mod correlation;
pub(crate) mod factored;
pub(crate) mod finetune;
pub(crate) mod partial_sft;
pub(crate) mod remedies;
pub(crate) mod scatter;
pub(crate) mod tasks;
