//! Weak to strong (arXiv:2312.09390, Section 3): a weak teacher learns from the truth of one half of the items and labels the other
//! half; a strong student learns from these labels; its ceiling is the strong model that learns the truth of the same items.
//!
//! [`Protocol`] is that, once for every [`Family`] of models. What a student does with weak labels is a [`WeakLoss`].

mod classifier;
mod linear;
mod log_odds;
mod loss;
mod protocol;
mod ranker;

pub use classifier::{Classifier, classify, train_classifier};
pub use linear::{LinearFit, LinearTraining, fit_linear, train_linear};
pub use loss::WeakLoss;
pub use protocol::{Family, Halves, Protocol, Source, surest};
pub use ranker::{Ranker, rank};
