//! Questions about lists of 8 to 14 digits.

use super::vocab::{DIGITS, digit, value};
use super::{Pair, draw_until};
use crate::rng::Stream;

fn list(values: &[usize]) -> Vec<u32> {
    values.iter().map(|v| digit(*v)).collect()
}

fn draw(length: usize, rng: &mut Stream) -> Vec<usize> {
    (0..length).map(|_| rng.below(DIGITS)).collect()
}

/// The digits of a text; empty where another token is among them.
fn values(text: &[u32]) -> Vec<usize> {
    text.iter().map(|t| value(*t)).collect::<Option<_>>().unwrap_or_default()
}

/// One end changes by one, to the other parity.
pub(super) fn ends_even_pair(rng: &mut Stream) -> Pair {
    let length = 8 + rng.below(7);
    let base = draw(length, rng);
    let mut other = base.clone();
    let end = [0, length - 1][rng.below(2)];
    other[end] ^= 1;
    let even = (base[0] + base[length - 1]).is_multiple_of(2);
    if even { (list(&base), list(&other)) } else { (list(&other), list(&base)) }
}

/// Whether the first and the last digit have an even sum.
pub(super) fn ends_even(text: &[u32]) -> bool {
    let values = values(text);
    values.first().zip(values.last()).is_some_and(|(first, last)| first % 2 == last % 2)
}

/// The ends change places.
pub(super) fn falls_pair(rng: &mut Stream) -> Pair {
    let length = 8 + rng.below(7);
    draw_until(rng, |rng| {
        let falling = draw(length, rng);
        let mut rising = falling.clone();
        rising.swap(0, length - 1);
        (falling[0] > falling[length - 1]).then(|| (list(&falling), list(&rising)))
    })
}

/// Whether the first digit is above the last.
pub(super) fn falls(text: &[u32]) -> bool {
    let values = values(text);
    values.first() > values.last()
}

/// Two neighbours change places.
pub(super) fn sorted_pair(rng: &mut Stream) -> Pair {
    let length = 8 + rng.below(7);
    draw_until(rng, |rng| {
        let mut right = draw(length, rng);
        right.sort_unstable();
        let at = rng.below(length - 1);
        let mut wrong = right.clone();
        wrong.swap(at, at + 1);
        (wrong != right).then(|| (list(&right), list(&wrong)))
    })
}

/// Whether no digit is below the one before it.
pub(super) fn sorted(text: &[u32]) -> bool {
    let values = values(text);
    !values.is_empty() && values.is_sorted()
}

/// The largest digit, which is there once, changes places with one of the other half.
pub(super) fn early_maximum_pair(rng: &mut Stream) -> Pair {
    let half = 4 + rng.below(4);
    let largest = 3 + rng.below(DIGITS - 3);
    let mut early: Vec<usize> = (0..2 * half).map(|_| rng.below(largest)).collect();
    let (first, second) = (rng.below(half), half + rng.below(half));
    early[first] = largest;
    let mut late = early.clone();
    late.swap(first, second);
    (list(&early), list(&late))
}

/// Whether the largest digit occurs in the first half.
pub(super) fn early_maximum(text: &[u32]) -> bool {
    let values = values(text);
    let (first, second) = values.split_at(values.len() / 2);
    first.iter().max() >= second.iter().max() && !first.is_empty()
}

/// 8 or 9 digits, all different; or one of them takes another's value.
pub(super) fn repeated_pair(rng: &mut Stream) -> Pair {
    let length = 8 + rng.below(2);
    let different = rng.permutation(DIGITS)[..length].to_vec();
    let places = rng.permutation(length);
    let mut repeated = different.clone();
    repeated[places[0]] = different[places[1]];
    (list(&repeated), list(&different))
}

/// Whether a digit occurs twice.
pub(super) fn repeated(text: &[u32]) -> bool {
    (1..text.len()).any(|i| text[..i].contains(&text[i]))
}

/// One digit moves by five, across the middle; the number of digits is odd.
pub(super) fn mostly_large_pair(rng: &mut Stream) -> Pair {
    let fewer = 4 + rng.below(3);
    let places = rng.permutation(2 * fewer + 1);
    let mut large: Vec<usize> = (0..places.len()).map(|_| rng.below(DIGITS / 2)).collect();
    for place in &places[..=fewer] {
        large[*place] += DIGITS / 2;
    }
    let mut small = large.clone();
    small[places[0]] -= DIGITS / 2;
    (list(&large), list(&small))
}

/// Whether more digits are 5 or above than below.
pub(super) fn mostly_large(text: &[u32]) -> bool {
    let values = values(text);
    let large = values.iter().filter(|v| **v >= 5).count();
    large > values.len() - large
}
