//! Questions about 8 to 16 letters.

use super::vocab::{LETTERS, letter};
use super::{Pair, draw_until};
use crate::rng::Stream;

const A: u32 = letter(0);
const B: u32 = letter(1);

fn length(rng: &mut Stream) -> usize {
    8 + rng.below(9)
}

/// Letters from the one of this number on.
fn letters(from: usize, length: usize, rng: &mut Stream) -> Vec<u32> {
    (0..length).map(|_| letter(from + rng.below(LETTERS - from))).collect()
}

fn count(text: &[u32], token: u32) -> usize {
    text.iter().filter(|t| **t == token).count()
}

pub(super) fn contains_pair(rng: &mut Stream) -> Pair {
    let length = length(rng);
    let without = letters(1, length, rng);
    let mut with = without.clone();
    with[rng.below(length)] = A;
    (with, without)
}

/// Whether there is an a.
pub(super) fn contains(text: &[u32]) -> bool {
    text.contains(&A)
}

pub(super) fn order_pair(rng: &mut Stream) -> Pair {
    let length = length(rng);
    let mut right = letters(2, length, rng);
    let places = rng.permutation(length);
    let (first, second) = (places[0].min(places[1]), places[0].max(places[1]));
    (right[first], right[second]) = (A, B);
    let mut wrong = right.clone();
    wrong.swap(first, second);
    (right, wrong)
}

/// Whether the first a stands before the first b; both are there.
pub(super) fn order(text: &[u32]) -> bool {
    let [a, b] = [A, B].map(|l| text.iter().position(|t| *t == l));
    a.zip(b).is_some_and(|(a, b)| a < b)
}

/// An odd number of letters are a or b, one more of the one kind than of the other.
pub(super) fn majority_pair(rng: &mut Stream) -> Pair {
    let length = length(rng);
    let mut more = letters(2, length, rng);
    let places = rng.permutation(length);
    let fewer = 1 + rng.below(3);
    for (i, place) in places[..=2 * fewer].iter().enumerate() {
        more[*place] = if i <= fewer { A } else { B };
    }
    let mut less = more.clone();
    less[places[0]] = B;
    (more, less)
}

/// Whether there are more a than b.
pub(super) fn majority(text: &[u32]) -> bool {
    count(text, A) > count(text, B)
}

/// 0 to 4 letters are a; both classes have 2 on average.
pub(super) fn parity_pair(rng: &mut Stream) -> Pair {
    let length = length(rng);
    let mut fewer = letters(1, length, rng);
    let places = rng.permutation(length);
    let many = rng.below(4);
    for place in &places[..many] {
        fewer[*place] = A;
    }
    let mut more = fewer.clone();
    more[places[many]] = A;
    if many.is_multiple_of(2) { (fewer, more) } else { (more, fewer) }
}

/// Whether the number of a is even.
pub(super) fn parity(text: &[u32]) -> bool {
    text.iter().fold(true, |even, t| even != (*t == A))
}

/// The same letters in another order.
pub(super) fn doubled_pair(rng: &mut Stream) -> Pair {
    draw_until(rng, |rng| {
        let length = length(rng);
        let mut single: Vec<u32> = Vec::with_capacity(length);
        while single.len() < length {
            let next = letter(rng.below(LETTERS));
            if single.last() != Some(&next) {
                single.push(next);
            }
        }
        let mut with = single.clone();
        with.swap(rng.below(length), rng.below(length));
        with.windows(2).any(|w| w[0] == w[1]).then_some((with, single))
    })
}

/// Whether a letter stands beside its like.
pub(super) fn doubled(text: &[u32]) -> bool {
    let mut without = text.to_vec();
    without.dedup();
    without.len() < text.len()
}

/// Two unlike letters, not mirror images, change places.
pub(super) fn palindrome_pair(rng: &mut Stream) -> Pair {
    draw_until(rng, |rng| {
        let length = length(rng);
        let mut right = letters(0, length, rng);
        for i in 0..length / 2 {
            right[length - 1 - i] = right[i];
        }
        let (i, j) = (rng.below(length), rng.below(length));
        let mut wrong = right.clone();
        wrong.swap(i, j);
        (right[i] != right[j]).then_some((right, wrong))
    })
}

/// Whether the letters read the same from behind.
pub(super) fn palindrome(text: &[u32]) -> bool {
    text.iter().eq(text.iter().rev())
}
