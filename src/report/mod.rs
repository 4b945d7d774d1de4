//! From CSV to verdicts, tables, Markdown and HTML. It sees rows, never models.

mod check;
mod html;
mod judged;
mod page;
pub mod site;
mod text;
mod verdicts;

pub use check::{Check, Criterion, Kind, PaperNumber, Verdict, short};
pub use judged::{Figure, Judged, Tally, checks_table};
pub use page::{html, markdown};
pub use text::{text, wrap};
