//! Rafailov et al., *Direct Preference Optimization*, arXiv:2305.18290: reward against KL to the reference.
//!
//! One file per figure, table or theorem; beside them the set-up that at least two of them share.

// figures
pub(crate) mod best_of_n;
pub(crate) mod closed_form;
pub(crate) mod displacement;
pub(crate) mod frontier;
pub(crate) mod frontier_exact;
pub(crate) mod gradient_weight;

// shared set-up
mod features;
mod front;
mod markov;
mod pair_training;
mod pairs;
mod reviews;
mod reward_table;
mod word_ppo;
