//! Scores of an output against its references, on tokens, in [0, 1]. With several references each follows its model:
//! ROUGE-L and METEOR take the best, BLEU clips against all.
//!
//! Written here because the crates there are score strings after tokenisers of their own; the numbers are held against
//! the reference implementations in Python.

mod bleu;
mod chrf;
mod meteor;
mod rouge;

pub use bleu::bleu;
pub use chrf::Chrf;
pub use meteor::meteor;
pub use rouge::rouge_l;

#[cfg(test)]
mod tests;
