//! Rafailov et al., *Direct Preference Optimization: Your Language Model is Secretly a Reward Model*, arXiv:2305.18290: reward against KL to
//! the reference.
//!
//! One file per figure, table or theorem; beside them the set-up that at least two of them share.

// figures
pub(crate) mod best_of_n;
pub(crate) mod closed_form;
pub(crate) mod dialogue;
pub(crate) mod displacement;
pub(crate) mod frontier;
pub(crate) mod frontier_exact;
pub(crate) mod gradient_weight;
pub(crate) mod judges;
pub(crate) mod overoptimisation;
pub(crate) mod shift;
pub(crate) mod temperature;
pub(crate) mod variants;

// shared set-up
mod features;
pub(crate) mod front;
mod markov;
mod mixture;
#[cfg(test)]
mod oracle;
mod pair_training;
mod pairs;
mod reviews;
mod reward_table;
mod summaries;
mod trained;
mod word_ppo;
mod writing;
