//! Inputs: drawn, padded and masked; and the way from a trainer's padded rows to the flat tokens of [`crate::objective`] and back.

use super::super::{Quantities, Quantity};
use crate::rng::Stream;

/// Cases of each corner.
pub(super) const EACH: usize = 3;
/// What stands behind a mask: a number that would show.
pub(super) const JUNK: f64 = -37.0;

/// The stream of a corner's cases, by number.
pub(super) fn streams(family: &str, corner: &str) -> impl Iterator<Item = Stream> {
    (0..EACH).map(move |i| Stream::named(&["oracle", family, corner, &i.to_string()]))
}

pub(super) fn named(all: impl IntoIterator<Item = (&'static str, Quantity)>) -> Quantities {
    all.into_iter().map(|(name, quantity)| (name.to_owned(), quantity)).collect()
}

pub(super) fn number(inputs: &Quantities, name: &str) -> f64 {
    numbers(inputs, name).first().copied().unwrap_or(f64::NAN)
}

/// All numbers of an input; none where there is no such input.
pub(super) fn numbers(inputs: &Quantities, name: &str) -> Vec<f64> {
    inputs.get(name).map(Quantity::numbers).unwrap_or_default()
}

/// Uniform in an interval.
pub(super) fn between(low: f64, high: f64, count: usize, rng: &mut Stream) -> Vec<f64> {
    (0..count).map(|_| low + (high - low) * rng.uniform()).collect()
}

/// A mask: 1 for each token, 0 elsewhere, a row per sequence.
pub(super) type Mask = Vec<Vec<f64>>;

/// Each sequence's tokens first, padding behind them.
pub(super) fn right_padded(lengths: &[usize], width: usize) -> Mask {
    lengths.iter().map(|l| (0..width).map(|t| f64::from(u8::from(t < *l))).collect()).collect()
}

/// Padding first, each sequence's tokens behind it.
pub(super) fn left_padded(lengths: &[usize], width: usize) -> Mask {
    lengths.iter().map(|l| (0..width).map(|t| f64::from(u8::from(t + l >= width))).collect()).collect()
}

/// How many tokens a mask lets through.
pub(super) fn tokens(mask: &Mask) -> usize {
    mask.iter().flatten().filter(|m| **m > 0.0).count()
}

/// Flat tokens where the mask is 1, `other` where it is 0.
pub(super) fn arranged(flat: &[f64], mask: &Mask, other: f64) -> Quantity {
    Quantity::Table(in_rows(flat, mask, other))
}

pub(super) fn in_rows(flat: &[f64], mask: &Mask, other: f64) -> Vec<Vec<f64>> {
    let mut flat = flat.iter().copied();
    let mut place = |m: &f64| if *m > 0.0 { flat.next().unwrap_or(f64::NAN) } else { other };
    mask.iter().map(|row| row.iter().map(&mut place).collect()).collect()
}

/// Tokens of each sequence.
pub(super) fn lengths(inputs: &Quantities) -> Vec<usize> {
    rows(inputs, "mask").iter().map(|row| row.iter().filter(|m| **m > 0.0).count()).collect()
}

pub(super) fn rows(inputs: &Quantities, name: &str) -> Vec<Vec<f64>> {
    match inputs.get(name) {
        Some(Quantity::Table(rows)) => rows.clone(),
        _ => Vec::new(),
    }
}

/// The unmasked tokens of an input, one sequence behind the other.
pub(super) fn flat(inputs: &Quantities, name: &str) -> Vec<f64> {
    let mask = numbers(inputs, "mask");
    numbers(inputs, name).into_iter().zip(mask).filter(|(_, m)| *m > 0.0).map(|(x, _)| x).collect()
}

/// Flat tokens in the mask's rows, 0 where it is 0.
pub(super) fn spread(flat: &[f64], inputs: &Quantities) -> Quantity {
    arranged(flat, &rows(inputs, "mask"), 0.0)
}

/// Loss and gradient of a loss over flat tokens.
pub(super) fn token_loss(inputs: &Quantities, loss: impl Fn(&mut [f64]) -> f64) -> Quantities {
    let mut weights = vec![0.0; lengths(inputs).iter().sum()];
    let value = loss(&mut weights);
    named([("loss", Quantity::Number(value)), ("gradient", spread(&weights, inputs))])
}
