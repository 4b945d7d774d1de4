//! Pairs of completions as the loops on transformers take them.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// A prompt and two completions of it, in tokens, the better one first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenPair {
    /// What both complete; at least one token.
    pub prompt: Vec<u32>,
    /// The better; at least one token.
    pub chosen: Vec<u32>,
    /// The worse; at least one token, and not the chosen.
    pub rejected: Vec<u32>,
}

impl TokenPair {
    /// Prompt and chosen, prompt and rejected.
    pub(in crate::algorithm) fn sequences(&self) -> [Vec<u32>; 2] {
        [&self.chosen, &self.rejected].map(|c| [&self.prompt[..], c].concat())
    }
}

/// Fails on the first pair that teaches nothing or cannot be scored.
pub(super) fn check_pairs(pairs: &[TokenPair]) -> Result<()> {
    if pairs.is_empty() {
        return Err(Error::Usage("learning from preferences needs at least one pair".into()));
    }
    for (i, pair) in pairs.iter().enumerate() {
        for (name, tokens) in [("prompt", &pair.prompt), ("chosen", &pair.chosen), ("rejected", &pair.rejected)] {
            if tokens.is_empty() {
                return Err(Error::parameter(format!("pairs[{i}].{name}"), "(empty)", "at least one token long"));
            }
        }
        if pair.chosen == pair.rejected {
            let value = format!("{:?}", pair.rejected);
            return Err(Error::parameter(format!("pairs[{i}].rejected"), value, "another completion than the chosen"));
        }
    }
    Ok(())
}

/// Of n values in the order of pairs (chosen, rejected, chosen, …): first those of the chosen, then those of the rejected, as the
/// losses take them.
pub(super) fn chosen_first<T: Copy>(values: &[T]) -> Vec<T> {
    (0..2).flat_map(|side| values.iter().skip(side).step_by(2).copied()).collect()
}

/// The way back.
pub(super) fn pair_by_pair<T: Copy>(values: &[T]) -> Vec<T> {
    let (chosen, rejected) = values.split_at(values.len() / 2);
    chosen.iter().zip(rejected).flat_map(|(c, r)| [*c, *r]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders() {
        assert_eq!(chosen_first(&[1, 2, 3, 4, 5, 6]), [1, 3, 5, 2, 4, 6]);
        assert_eq!(pair_by_pair(&chosen_first(&[1, 2, 3, 4, 5, 6])), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn the_wrong_pair_is_named() {
        let pair = |prompt: &[u32], chosen: &[u32], rejected: &[u32]| TokenPair {
            prompt: prompt.into(),
            chosen: chosen.into(),
            rejected: rejected.into(),
        };
        let good = pair(&[0], &[1], &[2]);
        let complaint = |pairs: &[TokenPair]| check_pairs(pairs).expect_err("refused").to_string();
        assert!(check_pairs(std::slice::from_ref(&good)).is_ok());
        assert!(complaint(&[]).contains("at least one pair"));
        for (wrong, name) in [
            (pair(&[], &[1], &[2]), "pairs[1].prompt"),
            (pair(&[0], &[], &[2]), "pairs[1].chosen"),
            (pair(&[0], &[1], &[]), "pairs[1].rejected"),
            (pair(&[0], &[1, 3], &[1, 3]), "pairs[1].rejected"),
        ] {
            let message = complaint(&[good.clone(), wrong]);
            assert!(message.contains(name), "{message}");
        }
    }
}
