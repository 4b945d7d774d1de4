//! `rewardlab`: a laboratory for the theory of language-model alignment.
//!
//! Small worlds with a known true reward, in which every quantity can be computed exactly; the learning
//! algorithms of five papers run in them; a verdict per claim.
//!
//! # Notation
//!
//! | symbol | in code | meaning |
//! |---|---|---|
//! | x | `prompt` | a prompt (contextual-bandit context) |
//! | y | `output` | a whole output: `length` tokens out of `vocab` |
//! | s = (x, y_<l) | `context` | what the next-token distribution depends on; an index into the policy |
//! | θ | `params` | the policy's parameters, one flat slice |
//! | f(s; θ) | `logits` | next-token logits |
//! | log `π_θ(y` given x) | `log_prob` | natural logarithm; all information is in nats |
//! | r(x, y) | `reward` | ground-truth reward |
//! | V(x; θ) | `value` | expected reward of a prompt under the policy |
//! | `STD[r]` | `reward_std` | standard deviation of the reward over the policy's outputs to one prompt |
//! | γ(x; θ) | `jacobian_norm` | largest spectral norm of the logits' Jacobian over the prompt's contexts |
//! | β | `beta` | strength of the KL regularisation |
//! | `*_loss`, `*_objective` | | a loss is minimised, an objective is maximised |
//!
//! # The house
//!
//! Arrows point down only (a test reads every `use crate::` line against this table):
//!
//! | level | modules |
//! |---|---|
//! | 4 | [`cli`] → [`algorithm`], [`audit`], [`experiment`], [`import`], [`oracle`] → [`record`], [`report`], [`plot`] |
//! | 3 | [`algorithm`], which reports through [`metrics`] |
//! | 2 | [`exact`] (no loop computes with it, nor it with a loop: each is the other's oracle) |
//! | 1 | [`policy`], [`mod@env`], [`reward`], [`objective`], [`lm`], [`preference`] |
//! | 0 | [`num`], [`rng`], [`error`], [`stats`], `jsonl` |

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

pub mod algorithm;
pub mod audit;
pub mod cli;
pub mod env;
pub mod error;
pub mod exact;
pub mod experiment;
pub mod import;
mod jsonl;
pub mod lm;
pub mod metrics;
pub mod num;
pub mod objective;
pub mod oracle;
pub mod plot;
pub mod policy;
pub mod preference;
pub mod record;
pub mod report;
pub mod reward;
pub mod rng;
pub mod stats;
