//! Sequences side by side, without padding inside.

use crate::error::{Error, Result};
use std::ops::Range;

/// Which side of a padded row holds the padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Padding first: completions end together.
    Left,
    /// Padding last.
    Right,
}

/// Token sequences of different lengths, packed one after the other: padding takes no memory and no work.
///
/// A *row* is one token's place in the packed order; positions count from zero in each sequence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    tokens: Vec<u32>,
    /// Where each sequence starts, then the end.
    starts: Vec<usize>,
}

impl Batch {
    /// A batch of the given sequences.
    pub fn new<S: AsRef<[u32]>>(sequences: &[S]) -> Self {
        let mut batch = Self { tokens: Vec::new(), starts: vec![0] };
        for s in sequences {
            batch.tokens.extend_from_slice(s.as_ref());
            batch.starts.push(batch.tokens.len());
        }
        batch
    }

    /// A batch from padded rows.
    ///
    /// # Shapes
    /// `tokens`: whole rows of `width`; `lengths`: real tokens per row, at the side opposite to the padding.
    ///
    /// # Errors
    /// [`Error::Shape`] or a length above `width`.
    pub fn from_padded(tokens: &[u32], width: usize, lengths: &[usize], padding: Side) -> Result<Self> {
        Error::check_shape("padded tokens", lengths.len() * width, tokens.len())?;
        let mut batch = Self { tokens: Vec::new(), starts: vec![0] };
        for (i, &length) in lengths.iter().enumerate() {
            if length > width {
                return Err(Error::parameter(format!("lengths[{i}]"), length, format!("at most {width}")));
            }
            let row = &tokens[i * width..][..width];
            batch.tokens.extend_from_slice(match padding {
                Side::Left => &row[width - length..],
                Side::Right => &row[..length],
            });
            batch.starts.push(batch.tokens.len());
        }
        Ok(batch)
    }

    /// Number of sequences.
    pub fn sequences(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Becomes some consecutive sequences of another batch.
    pub(super) fn clone_from_part(&mut self, other: &Self, sequences: Range<usize>) {
        let starts = &other.starts[sequences.start..=sequences.end];
        self.tokens.clear();
        self.tokens.extend_from_slice(&other.tokens[starts[0]..starts[starts.len() - 1]]);
        self.starts.clear();
        self.starts.extend(starts.iter().map(|s| s - starts[0]));
    }

    /// All tokens, packed.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// The rows of sequence `i`.
    pub fn rows(&self, i: usize) -> Range<usize> {
        self.starts[i]..self.starts[i + 1]
    }

    /// The rows of every sequence, in order.
    pub fn all_rows(&self) -> impl Iterator<Item = Range<usize>> + Clone + '_ {
        self.starts.windows(2).map(|w| w[0]..w[1])
    }

    /// The choices that a language model is trained on: every token but each sequence's first.
    pub fn next_tokens(&self) -> Choices {
        let ones = vec![1; self.sequences()];
        self.choices_after(&ones)
    }

    /// The choice of every token after each sequence's prompt.
    ///
    /// # Shapes
    /// `prompts`: tokens of each sequence's prompt; the choices of all sequences follow each other, sequence `i` with
    /// length − `prompts[i]` of them.
    ///
    /// # Errors
    /// [`Error::Shape`]; an empty prompt, or one longer than its sequence.
    pub fn completions(&self, prompts: &[usize]) -> Result<Choices> {
        Error::check_shape("prompt lengths", self.sequences(), prompts.len())?;
        for (i, (&p, rows)) in prompts.iter().zip(self.all_rows()).enumerate() {
            if p == 0 || p > rows.len() {
                let legal = format!("at least 1 and at most the sequence's {} tokens", rows.len());
                return Err(Error::parameter(format!("prompts[{i}]"), p, legal));
            }
        }
        Ok(self.choices_after(prompts))
    }

    fn choices_after(&self, prompts: &[usize]) -> Choices {
        let mut choices = Choices::default();
        for (rows, &prompt) in self.all_rows().zip(prompts) {
            for row in rows.start + prompt..rows.end {
                choices.rows.push(row - 1);
                choices.tokens.push(self.tokens[row]);
            }
        }
        choices
    }
}

/// Next-token choices whose log-probabilities are wanted: after row `rows[i]`, token `tokens[i]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices {
    /// The rows of the batch after which a choice is made.
    pub rows: Vec<usize>,
    /// The chosen tokens.
    pub tokens: Vec<u32>,
}

impl Choices {
    /// Number of choices.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}
