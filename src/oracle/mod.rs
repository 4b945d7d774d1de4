//! What a trainer's losses, advantages and KL terms should be: several hundred small cases, each with its answer in f64, for authors of other
//! trainers to hold their own code to.
//!
//! A [`Case`] has inputs as a trainer has them (one row of tokens per sequence, padded, with a mask) and what should come out: a loss and its
//! gradient, advantages, or rewards. Its [`Convention`] says what trainers choose differently: mean or sum, over tokens or sequences, which
//! standard deviation. The answers are those of [`crate::objective`]; tests hold them to central differences and to plain sums written down anew.
//!
//! [`check()`] compares a trainer's answers with them, class by class: an objective, a corner case, and what was asked.

mod cases;
mod check;

pub use cases::cases;
pub use check::{Answer, Class, Verdict, check};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A number, or numbers as they lie.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Quantity {
    /// One.
    Number(f64),
    /// One per sequence, pair or group.
    List(Vec<f64>),
    /// One row per sequence, one column per token.
    Table(Vec<Vec<f64>>),
}

impl Quantity {
    /// All numbers in their order.
    pub fn numbers(&self) -> Vec<f64> {
        match self {
            Self::Number(x) => vec![*x],
            Self::List(list) => list.clone(),
            Self::Table(rows) => rows.concat(),
        }
    }

    /// How many, row by row.
    pub fn shape(&self) -> Vec<usize> {
        match self {
            Self::Number(_) => Vec::new(),
            Self::List(list) => vec![list.len()],
            Self::Table(rows) => rows.iter().map(Vec::len).collect(),
        }
    }
}

/// What trainers choose differently, in words.
pub type Convention = &'static str;

/// Names and numbers: what goes in, or what should come out.
pub type Quantities = BTreeMap<String, Quantity>;

/// A question with its answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Case {
    /// `objective/corner/number`.
    pub id: String,
    /// Its name.
    pub objective: &'static str,
    /// What is special about it.
    pub corner: &'static str,
    /// Where the formula is from.
    pub source: &'static str,
    /// Which of several usages it follows.
    pub convention: Convention,
    /// What is given.
    pub inputs: Quantities,
    /// The input that `gradient` is with respect to, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<&'static str>,
    /// `loss`, `gradient`, `advantages`, `rewards` or `kl`.
    pub expected: Quantities,
}
