//! Razin et al., *Vanishing Gradients in Reinforcement Finetuning of Language Models*, arXiv:2310.20703.

mod families;
pub(crate) mod theorem1;
