//! Exact quantities of enumerable worlds, in f64: never sampled, and written without `objective` or `algorithm`, so
//! that each is the other's oracle.

mod automaton;
pub mod bandit;
mod best_of_n;
mod bounds;
mod chain;
mod filtered;
mod flow;
mod information;
mod logit_gradient;
mod outputs;
mod packed;
mod product;
mod rows;
mod tilted;
mod tree;
mod weak_to_strong;

pub use automaton::{AutomatonEngine, Differences, Outcomes, SequenceOptimum, SequenceStats};
pub use best_of_n::{
    best_of_n, best_of_n_choice, best_of_n_kl_bound, best_of_n_point, best_of_n_pool, best_of_n_rewards,
};
pub use bounds::{Surrogate, sharp_bound, sharp_tabular_bound, theorem1_bound};
pub use chain::{Chain, solutions};
pub use filtered::{
    Filtered, NothingPasses, best_reward, expected_reward, filtered, mean_max_threshold, mixture, percentile_threshold,
};
pub use flow::{Crossing, Flow};
pub use information::{information_ratio, outcome_information, process_information};
pub use logit_gradient::{log_prob_gradient, policy_field, regularised_gradient, reward_std, softmax, value_gradient};
pub use outputs::{entropy, kl, output_log_probs, total_variation};
pub use product::Product;
pub use tilted::{Tilted, pareto_front, tilted};
pub use tree::{Engine, PromptStats};
pub use weak_to_strong::{Agreement, Overlap, sign_agreement};
