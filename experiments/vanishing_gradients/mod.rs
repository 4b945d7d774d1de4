//! Razin et al., *Vanishing Gradients in Reinforcement Finetuning of Language Models*, arXiv:2310.20703.

pub(crate) mod controlled;
