//! Sequence-level offline losses: what ReST (arXiv:2308.08998, Appendix A.8) compares with plain behavioural cloning.
//!
//! Each is a negative log-likelihood whose tokens carry constants ([`weighted_nll_loss`]); they differ in the constant:
//!
//! | loss | constant of a token | source |
//! |---|---|---|
//! | BC | 1 ([`token_nll_loss`](super::token_nll_loss)) | |
//! | GOLD | max(π, floor) · return to go, no gradient through π ([`gold_loss`]) | arXiv:2009.07839 |
//! | OAC | advantage over the behaviour's value ([`oac_loss`]) | Mathieu et al. 2021, *`AlphaStar` Unplugged* |
//! | V-MPO | softmax of advantage/η over the better half ([`vmpo_weights`], [`vmpo_policy_loss`]) | arXiv:1909.12238 |
//!
//! BVMPO is V-MPO with advantages from [`vtrace()`], the temperature learned by [`vmpo_temperature_loss`], and
//! λ [`behaviour_kl_loss`] added, λ falling along a [`GeometricSchedule`].
//!
//! ReST's filter is strict: a sequence is kept if R > τ. [`filtered_nll_loss`](super::filtered_nll_loss) and
//! [`filtered_token_nll_loss`](super::filtered_token_nll_loss) keep r ≥ threshold, so `tau.next_up()` is the threshold to
//! give them; at rewards that lie on a grid τ = 0.8 and the threshold 0.8 are different filters.

mod behaviour;
mod vmpo;
mod vtrace;
mod weighted;

pub use behaviour::{GeometricSchedule, behaviour_kl_loss};
pub use vmpo::{vmpo_policy_loss, vmpo_temperature_loss, vmpo_weights};
pub use vtrace::{VTrace, vtrace};
pub use weighted::{gold_loss, oac_loss, weighted_nll_loss};

#[cfg(test)]
mod golden;
