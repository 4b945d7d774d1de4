//! The loops: what moves a policy's parameters.
//!
//! For transformers each loop is a struct with one step or round, which [`Resume`] saves and loads, and a function that
//! runs it to its end.

mod epochs;
mod lbfgs;
mod learner;
mod optimizer;
mod policy_gradient;
mod ppo;
mod preference;
mod preflight;
mod rest;
mod resume;
mod rollout;
mod score_regression;
mod sft;
pub mod text;
mod trainee;
mod verifier;
mod weak_to_strong;

pub use lbfgs::{Minimum, Stopping, lbfgs};
pub use learner::{Learner, Step};
pub use optimizer::{Adam, Optimizer, Sgd};
pub use policy_gradient::{
    Advantage, Kl, KlEstimate, KlPlace, PolicyGradient, PolicyGradientParams, Surrogate, policy_gradient,
};
pub use ppo::{Ppo, PpoParams, ppo};
pub use preference::{
    PairBatch, PairStep, PreferenceLoss, PreferenceTuning, RewardModelParams, RewardModelling, TokenPair,
    preference_tuning, reward_modelling,
};
pub use preflight::{Preflight, PreflightParams, afresh, preflight};
pub use rest::{
    Critic, Exhausted, Grown, Half, Improved, Keep, OfflineLoss, Report, Rest, RestParams, Scored, Start, Task, rest,
};
pub use resume::Resume;
pub use rollout::Round;
pub use score_regression::{Place, Rated, ScoreRegression, score_regression};
pub use sft::{Sft, sft};
pub use trainee::{Example, Frozen, Trainee};
pub use verifier::{
    Collection, LogisticParams, MarkedSolution, Rollouts, Supervision, VerifierTraining, collect_labels,
    fit_outcome_linear, fit_outcome_product, fit_process, fit_process_classes, fit_step_values, step_log_probs,
    train_verifier,
};
pub use weak_to_strong::{
    Classifier, Family, Halves, LinearFit, LinearTraining, Protocol, Ranker, Source, WeakLoss, classify, fit_linear,
    rank, surest, train_classifier, train_linear,
};
