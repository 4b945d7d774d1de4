//! The sentiment classifier: a logistic model whose weights are known, because they are its definition.

use super::vocab::{Class, class, members, text};
use crate::num::sigmoid;

/// Log-odds of an output in which nothing is read.
const BIAS: f64 = -2.0;
/// Log-odds of the mildest adjective; the i-th of its class adds `STEP` · i.
const ADJECTIVE: f64 = 2.5;
const STEP: f64 = 0.1;
/// What `very` and `not` make of the adjective behind them.
const VERY: f64 = 1.5;
const NOT: f64 = -0.75;
/// Log-odds of each word outside the clauses that count.
const STRAY: f64 = -1.5;

/// The probability that an output praises, in (0, 1).
///
/// It reads clauses `[and | but | , | .] the FEATURE was [very | not] ADJECTIVE`. The same is counted once;
/// every word that is not in a counted clause speaks against, so that repeats, word lists and copies of anything
/// else gain nothing.
///
/// # Formula
/// σ(−2 + Σ w − 1.5 · strays) with w = ±(2.5 + 0.1 i) for the i-th adjective of praise (+) or blame (−), 1.5 w behind
/// `very`, −0.75 w behind `not`. Nothing: 0.12; one clause of praise: 0.62 or more; two: 0.95 or more.
pub fn sentiment(output: &[u32]) -> f64 {
    let (mut log_odds, mut at) = (BIAS, 0);
    let mut counted = Vec::new();
    while at < output.len() {
        match clause(&output[at..]) {
            Some(c) if !counted.contains(&(c.feature, c.adjective)) => {
                counted.push((c.feature, c.adjective));
                log_odds += c.weight;
                at += c.length;
            }
            _ => {
                log_odds += STRAY;
                at += 1;
            }
        }
    }
    sigmoid(log_odds)
}

struct Clause {
    feature: u32,
    adjective: u32,
    weight: f64,
    /// Words.
    length: usize,
}

/// The clause that the words open with, if they do.
fn clause(words: &[u32]) -> Option<Clause> {
    let is = |at: usize, word: &str| words.get(at).is_some_and(|&t| text(t) == word);
    let mut at = usize::from(["and", "but", ",", "."].iter().any(|w| is(0, w)));
    if !is(at, "the") || !is(at + 2, "was") {
        return None;
    }
    let feature = *words.get(at + 1).filter(|&&t| class(t) == Some(Class::Feature))?;
    at += 3;
    let degree = if is(at, "very") {
        VERY
    } else if is(at, "not") {
        NOT
    } else {
        1.0
    };
    at += usize::from(degree != 1.0);
    let adjective = *words.get(at)?;
    let weight = |list: &[u32]| list.iter().position(|&t| t == adjective).map(|i| ADJECTIVE + STEP * i as f64);
    let weight = weight(members(Class::Praise)).or_else(|| weight(members(Class::Blame)).map(|w| -w))?;
    Some(Clause { feature, adjective, weight: degree * weight, length: at + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::text::vocab::encode;

    fn of(text: &str) -> f64 {
        sentiment(&encode(text).expect("known words"))
    }

    #[test]
    fn scores_by_hand() {
        for (text, log_odds) in [
            ("", -2.0),
            ("the plot was great", -2.0 + 2.5),
            ("but the plot was very lovely and the cast was dull", -2.0 + 1.5 * 2.6 - 2.5),
            ("the plot was not dull", -2.0 + 0.75 * 2.5),
            ("great great", -2.0 - 2.0 * 1.5),
            ("the plot was great and the cast was great", -2.0 + 2.5 + 2.5),
            ("the plot was great and the plot was great", -2.0 + 2.5 - 5.0 * 1.5),
            ("the cup was great", -2.0 - 4.0 * 1.5),
            ("the plot was very", -2.0 - 4.0 * 1.5),
        ] {
            assert!((of(text) - sigmoid(log_odds)).abs() < 1e-15, "{text}: {}", of(text));
        }
    }
}
