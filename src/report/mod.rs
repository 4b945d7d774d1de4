//! From CSV to verdicts, Markdown and HTML. It sees rows, never models.

mod check;

pub use check::{Check, Criterion, Kind, PaperNumber, Verdict, short};
