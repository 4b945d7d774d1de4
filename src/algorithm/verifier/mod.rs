//! Learning to judge solutions: process and outcome models from finite labels, of humans or of rollouts.

mod collection;
mod logistic;
mod monte_carlo;
mod transformer;

pub use collection::{Collection, collect_labels};
pub use logistic::{
    LogisticParams, fit_outcome_linear, fit_outcome_product, fit_process, fit_process_classes, fit_step_values,
};
pub use monte_carlo::Rollouts;
pub use transformer::{MarkedSolution, Supervision, VerifierTraining, step_log_probs, train_verifier};
