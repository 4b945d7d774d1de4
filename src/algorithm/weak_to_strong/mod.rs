//! Weak-to-strong generalisation.

mod linear;

pub use linear::{LinearFit, fit_linear};
