//! How a batch is cut so that a part's activations stay in the processor's cache.

use std::ops::Range;

/// Tokens of a narrow model's part. Measured on two blocks: of 32 to 2048 tokens, 256 were fastest at widths 64 and 128; wide
/// models need more, so that reading their weights again does not cost what the cache saves.
const TOKENS: usize = 256;

/// How many tokens a part should have at a width.
pub(crate) fn part_tokens(width: usize) -> usize {
    TOKENS.max(2 * width)
}

/// Consecutive sequences in as few parts as hold some `most` tokens each; no sequence is cut.
pub(crate) fn parts(lengths: impl Iterator<Item = usize> + Clone, most: usize) -> Vec<Range<usize>> {
    let total: usize = lengths.clone().sum();
    let count = total.div_ceil(most).max(1);
    let (mut parts, mut start, mut seen, mut end) = (Vec::with_capacity(count), 0, 0, 0);
    for length in lengths {
        seen += length;
        end += 1;
        let share_is_full = count > 1 && seen * count >= total * (parts.len() + 1);
        if share_is_full {
            parts.push(start..end);
            start = end;
        }
    }
    if start < end {
        parts.push(start..end);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_even_and_cut_no_sequence() {
        let of = |sequences, most| parts(std::iter::repeat_n(32, sequences), most);
        assert_eq!(of(64, 1024), [0..32, 32..64]);
        assert_eq!(of(64, 1000), [0..22, 22..43, 43..64]);
        assert_eq!((of(1, 7).len(), of(64, usize::MAX).len(), of(0, 7).len()), (1, 1, 0));
    }
}
