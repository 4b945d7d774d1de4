//! From CSV to verdicts, tables, Markdown and HTML. It sees rows, never models.

mod check;
mod judged;
mod page;
mod text;

pub use check::{Check, Criterion, Kind, PaperNumber, Verdict, short};
pub use judged::{Judged, Tally, checks_table};
pub use page::{html, markdown};
pub use text::{text, wrap};
