//! Linear combinations of rows of a tall matrix, and dot products with them, in wide registers.
#![allow(clippy::inline_always, reason = "wide instructions reach only code that is inlined into the kernel")]

use super::simd::{Dot, Kernel, LANES, dispatch};
use std::ops::Range;

/// Some columns of all rows of a row-major matrix.
#[derive(Clone, Debug)]
pub struct Window<'a> {
    data: &'a [f64],
    stride: usize,
    columns: Range<usize>,
}

impl<'a> Window<'a> {
    /// The given columns of all rows of `stride`.
    pub fn new(data: &'a [f64], stride: usize, columns: Range<usize>) -> Self {
        assert!(columns.start <= columns.end && columns.end <= stride, "columns lie inside a row");
        assert!(stride > 0 && data.len().is_multiple_of(stride), "whole rows of {stride}");
        Self { data, stride, columns }
    }

    /// `out` ← `Σ_k` `coefficients`_k · `row_k`.
    ///
    /// # Shapes
    /// `coefficients`: one per row; `out`: one per column of the window.
    pub fn combine(&self, coefficients: &[f64], out: &mut [f64]) {
        self.check(coefficients, out);
        dispatch(Combine(self, coefficients, out));
    }

    /// `out`_k ← `out`_k + `row_k` · `weights`.
    ///
    /// # Shapes
    /// `weights`: one per column of the window; `out`: one per row.
    pub fn accumulate_dots(&self, weights: &[f64], out: &mut [f64]) {
        self.check(out, weights);
        dispatch(Dots(self, weights, out));
    }

    fn check(&self, per_row: &[f64], per_column: &[f64]) {
        assert_eq!(per_row.len() * self.stride, self.data.len(), "one value per row");
        assert_eq!(per_column.len(), self.columns.len(), "one value per column");
    }

    #[inline(always)]
    fn rows(&self) -> impl Iterator<Item = &'a [f64]> {
        let columns = self.columns.clone();
        self.data.chunks_exact(self.stride).map(move |row| &row[columns.clone()])
    }
}

struct Combine<'a>(&'a Window<'a>, &'a [f64], &'a mut [f64]);

impl Kernel for Combine<'_> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let Self(window, coefficients, out) = self;
        let mut start = window.columns.start;
        let (blocks, tail) = out.as_chunks_mut::<LANES>();
        for block in blocks {
            let mut sums = [0.0; LANES];
            for (row, &c) in window.data.chunks_exact(window.stride).zip(coefficients) {
                let row: &[f64; LANES] = row[start..start + LANES].try_into().expect("a whole block");
                for i in 0..LANES {
                    sums[i] = row[i].mul_add(c, sums[i]);
                }
            }
            *block = sums;
            start += LANES;
        }
        tail.fill(0.0);
        for (row, &c) in window.data.chunks_exact(window.stride).zip(coefficients) {
            for (o, &v) in tail.iter_mut().zip(&row[start..]) {
                *o = v.mul_add(c, *o);
            }
        }
    }
}

struct Dots<'a>(&'a Window<'a>, &'a [f64], &'a mut [f64]);

impl Kernel for Dots<'_> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let Self(window, weights, out) = self;
        for (out, row) in out.iter_mut().zip(window.rows()) {
            *out += Dot(row, weights).call();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_definition_for_whole_blocks_and_tails() {
        let (rows, stride) = (3, 70);
        let data: Vec<f64> = (0..rows * stride).map(|i| (i as f64).sin()).collect();
        let coefficients = [0.5, -2.0, 3.0];
        for columns in [0..70, 3..3, 5..6, 1..33, 7..70] {
            let window = Window::new(&data, stride, columns.clone());
            let mut out = vec![9.0; columns.len()];
            window.combine(&coefficients, &mut out);
            for (o, j) in out.iter().zip(columns.clone()) {
                let expected: f64 = (0..rows).map(|k| coefficients[k] * data[k * stride + j]).sum();
                assert!((o - expected).abs() < 1e-14);
            }
            let mut dots = [1.0; 3];
            window.accumulate_dots(&out, &mut dots);
            for (k, dot) in dots.iter().enumerate() {
                let expected: f64 = out.iter().zip(columns.clone()).map(|(o, j)| o * data[k * stride + j]).sum();
                assert!((dot - 1.0 - expected).abs() < 1e-12);
            }
        }
    }
}
