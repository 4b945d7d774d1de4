//! Questions about strings of 8 to 16 brackets.

use super::vocab::{close, open};
use super::{Pair, draw_until};
use crate::rng::Stream;

/// A string in which all brackets are closed, `true` where one opens; 8 to 16 of them.
fn closed(rng: &mut Stream) -> Vec<bool> {
    let length = 8 + 2 * rng.below(5);
    let (mut opens, mut height) = (Vec::with_capacity(length), 0);
    for left in (1..=length).rev() {
        let up = height == 0 || (height < left && rng.below(2) == 0);
        height = if up { height + 1 } else { height - 1 };
        opens.push(up);
    }
    opens
}

/// How many brackets are open behind each.
fn heights(opens: &[bool]) -> Vec<i64> {
    let step = |height: &mut i64, up: &bool| {
        *height += if *up { 1 } else { -1 };
        Some(*height)
    };
    opens.iter().scan(0, step).collect()
}

/// All round, or all square.
fn of_one_kind(first: &[bool], second: &[bool], rng: &mut Stream) -> Pair {
    let square = rng.below(2) == 1;
    let spelt = |opens: &[bool]| opens.iter().map(|up| if *up { open(square) } else { close(square) }).collect();
    (spelt(first), spelt(second))
}

/// Two brackets, not at the ends, change places.
pub(super) fn balanced_pair(rng: &mut Stream) -> Pair {
    let (right, wrong) = draw_until(rng, |rng| {
        let right = closed(rng);
        let inside = right.len() - 2;
        let mut wrong = right.clone();
        wrong.swap(1 + rng.below(inside), 1 + rng.below(inside));
        heights(&wrong).iter().any(|h| *h < 0).then_some((right, wrong))
    });
    of_one_kind(&right, &wrong, rng)
}

/// Whether every bracket is closed and none closes unopened, whichever their kinds.
pub(super) fn balanced(text: &[u32]) -> bool {
    let kindless: Vec<u32> = text.iter().map(|t| if is_open(*t) { open(false) } else { close(false) }).collect();
    nested(&kindless)
}

/// One innermost pair turns round, from the third level to the first.
pub(super) fn deep_pair(rng: &mut Stream) -> Pair {
    let (deep, flat) = draw_until(rng, |rng| {
        let deep = closed(rng);
        let heights = heights(&deep);
        let peaks: Vec<usize> = (0..deep.len()).filter(|i| heights[*i] >= 3).collect();
        let [peak] = peaks[..] else { return None };
        let mut flat = deep.clone();
        flat.swap(peak, peak + 1);
        Some((deep, flat))
    });
    of_one_kind(&deep, &flat, rng)
}

/// Whether three brackets are open at once.
pub(super) fn deep(text: &[u32]) -> bool {
    let opened = |end: usize| text[..end].iter().filter(|t| is_open(**t)).count();
    (1..=text.len()).any(|end| 2 * opened(end) >= end + 3)
}

/// One innermost pair on the second level turns round: the outermost bracket closes there.
pub(super) fn enclosed_pair(rng: &mut Stream) -> Pair {
    let (whole, parted) = draw_until(rng, |rng| {
        let whole = closed(rng);
        let heights = heights(&whole);
        let inside = heights[..whole.len() - 1].iter().all(|h| *h > 0);
        let turnable = |i: &usize| heights[*i] == 2 && whole[*i] && !whole[*i + 1];
        let peaks: Vec<usize> = (1..whole.len() - 1).filter(turnable).collect();
        if !inside || peaks.is_empty() {
            return None;
        }
        let peak = peaks[rng.below(peaks.len())];
        let mut parted = whole.clone();
        parted.swap(peak, peak + 1);
        Some((whole, parted))
    });
    of_one_kind(&whole, &parted, rng)
}

/// Whether the first bracket is closed by the last.
pub(super) fn enclosed(text: &[u32]) -> bool {
    let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
    balanced(text) && balanced(inner) && !inner.is_empty()
}

/// Brackets of two kinds; two that close, unlike, change places.
pub(super) fn nested_pair(rng: &mut Stream) -> Pair {
    draw_until(rng, |rng| {
        let mut kinds = Vec::new();
        let mut right = Vec::new();
        for up in closed(rng) {
            if up {
                kinds.push(rng.below(2) == 1);
                right.push(open(kinds[kinds.len() - 1]));
            } else {
                right.push(close(kinds.pop()?));
            }
        }
        let closing: Vec<usize> = (0..right.len()).filter(|i| !is_open(right[*i])).collect();
        let (i, j) = (closing[rng.below(closing.len())], closing[rng.below(closing.len())]);
        let mut wrong = right.clone();
        wrong.swap(i, j);
        (right[i] != right[j]).then_some((right, wrong))
    })
}

/// Whether every bracket is closed by one of its kind behind all that it holds: neighbours that match are struck out until none is left.
pub(super) fn nested(text: &[u32]) -> bool {
    let mut left = text.to_vec();
    let matches = |w: &[u32]| is_open(w[0]) && w[1] == w[0] + 2;
    while let Some(at) = left.windows(2).position(matches) {
        left.drain(at..at + 2);
    }
    left.is_empty()
}

fn is_open(token: u32) -> bool {
    token == open(false) || token == open(true)
}
