//! Small matrix products in registers, for attention: too small for the packing of a general product to pay.
//!
//! Every element of a result is one chain of fused multiply-adds over k in order, whatever the registers' width.
#![allow(clippy::inline_always, reason = "wide instructions reach only code that is inlined into the kernel")]

use pulp::Simd;

/// Columns are padded to whole multiples of this.
pub(crate) const PAD: usize = 16;

/// A right-hand factor or a result: rows of `stride`, as many columns as the call says, a multiple of [`PAD`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) stride: usize,
}

impl<'a> Rows<'a> {
    /// The part that starts at a row and column.
    #[inline(always)]
    fn from(self, row: usize, column: usize) -> Rows<'a> {
        Rows { data: &self.data[row * self.stride + column..], stride: self.stride }
    }
}

/// The result's rows.
#[derive(Debug)]
pub(crate) struct RowsMut<'a> {
    pub(crate) data: &'a mut [f32],
    pub(crate) stride: usize,
}

impl RowsMut<'_> {
    #[inline(always)]
    fn from(&mut self, row: usize, column: usize) -> RowsMut<'_> {
        RowsMut { data: &mut self.data[row * self.stride + column..], stride: self.stride }
    }
}

/// Rows that a block takes: the most that are left of 8, 4, 1.
#[inline(always)]
fn step(left: usize) -> usize {
    if left >= 8 {
        8
    } else if left >= 4 {
        4
    } else {
        1
    }
}

/// Calls a tile function with its numbers of rows and registers, over column blocks `from..to`.
macro_rules! over_columns {
    ($s:ty, $rows:expr, $from:expr, $to:expr, $add:expr, |$column:ident| $tile:ident($($argument:expr),*)) => {
        let mut $column = $from;
        while $column < $to {
            let wide = $column + 2 * <$s>::F32_LANES <= $to;
            match ($rows, wide) {
                (8, true) => $tile::<$s, 8, 2, $add>($($argument),*),
                (8, false) => $tile::<$s, 8, 1, $add>($($argument),*),
                (4, true) => $tile::<$s, 4, 2, $add>($($argument),*),
                (4, false) => $tile::<$s, 4, 1, $add>($($argument),*),
                (_, true) => $tile::<$s, 1, 2, $add>($($argument),*),
                (_, false) => $tile::<$s, 1, 1, $add>($($argument),*),
            }
            $column += if wide { 2 } else { 1 } * <$s>::F32_LANES;
        }
    };
}

/// out ← a · b, or out + a · b if `ADD`. If `UPPER`, only where the column is at least the row (rounded down to [`PAD`]); the
/// rest is not written.
///
/// # Shapes
/// a: `rows × depth`; b: `depth × columns`; out: `rows × columns`.
#[inline(always)]
pub(crate) fn rows_product<S: Simd, const ADD: bool, const UPPER: bool>(
    simd: S,
    a: Rows,
    b: Rows,
    out: &mut RowsMut,
    (rows, depth, columns): (usize, usize, usize),
) {
    let mut row = 0;
    while row < rows {
        let step = step(rows - row);
        let left = a.from(row, 0);
        let first = if UPPER { row / PAD * PAD } else { 0 };
        over_columns!(S, step, first, columns, ADD, |column| tile(
            simd,
            left,
            depth,
            b.from(0, column),
            &mut out.from(row, column)
        ));
        row += step;
    }
}

/// out ← a · b, or out + a · b, with an upper triangular.
///
/// # Shapes
/// a: `rows × rows`; b, out: `rows × columns`.
#[inline(always)]
pub(crate) fn triangle_product<S: Simd, const ADD: bool>(
    simd: S,
    a: Rows,
    b: Rows,
    out: &mut RowsMut,
    (rows, columns): (usize, usize),
) {
    let mut row = 0;
    while row < rows {
        let step = step(rows - row);
        let left = a.from(row, row);
        over_columns!(S, step, 0, columns, ADD, |column| tile(
            simd,
            left,
            rows - row,
            b.from(row, column),
            &mut out.from(row, column)
        ));
        row += step;
    }
}

/// out ← aᵀ · b, with a upper triangular.
///
/// # Shapes
/// a: `rows × rows`, its rows padded to [`PAD`]; b, out: `rows × columns`.
#[inline(always)]
pub(crate) fn transposed_product<S: Simd>(
    simd: S,
    a: Rows,
    b: Rows,
    out: &mut RowsMut,
    (rows, columns): (usize, usize),
) {
    let mut row = 0;
    while row < rows {
        let step = step(rows - row);
        let left = a.from(0, row);
        over_columns!(S, step, 0, columns, false, |column| transposed_tile(
            simd,
            left,
            row + step,
            b.from(0, column),
            &mut out.from(row, column)
        ));
        row += step;
    }
}

#[inline(always)]
fn tile<S: Simd, const MR: usize, const NR: usize, const ADD: bool>(
    simd: S,
    a: Rows,
    depth: usize,
    b: Rows,
    out: &mut RowsMut,
) {
    let mut left = [&a.data[..0]; MR];
    for (r, left) in left.iter_mut().enumerate() {
        *left = &a.data[r * a.stride..][..depth];
    }
    let mut sums = [[simd.splat_f32s(0.0); NR]; MR];
    for (k, b) in (0..depth).zip(b.data.chunks(b.stride)) {
        let b = vectors::<S, NR>(b);
        for r in 0..MR {
            let x = simd.splat_f32s(left[r][k]);
            for c in 0..NR {
                sums[r][c] = simd.mul_add_f32s(x, b[c], sums[r][c]);
            }
        }
    }
    store::<S, MR, NR, ADD>(simd, &sums, out);
}

#[inline(always)]
fn transposed_tile<S: Simd, const MR: usize, const NR: usize, const ADD: bool>(
    simd: S,
    a: Rows,
    depth: usize,
    b: Rows,
    out: &mut RowsMut,
) {
    let mut sums = [[simd.splat_f32s(0.0); NR]; MR];
    for ((_, a), b) in (0..depth).zip(a.data.chunks(a.stride)).zip(b.data.chunks(b.stride)) {
        let b = vectors::<S, NR>(b);
        let a: &[f32; MR] = a.first_chunk().expect("padded rows");
        for r in 0..MR {
            let x = simd.splat_f32s(a[r]);
            for c in 0..NR {
                sums[r][c] = simd.mul_add_f32s(x, b[c], sums[r][c]);
            }
        }
    }
    store::<S, MR, NR, ADD>(simd, &sums, out);
}

/// The first `NR` registers' worth of a row.
#[inline(always)]
fn vectors<S: Simd, const NR: usize>(row: &[f32]) -> &[S::f32s; NR] {
    S::as_simd_f32s(&row[..NR * S::F32_LANES]).0.first_chunk().expect("padded rows")
}

#[inline(always)]
fn store<S: Simd, const MR: usize, const NR: usize, const ADD: bool>(
    simd: S,
    sums: &[[S::f32s; NR]; MR],
    out: &mut RowsMut,
) {
    for (r, sums) in sums.iter().enumerate() {
        let row = S::as_mut_simd_f32s(&mut out.data[r * out.stride..][..NR * S::F32_LANES]).0;
        for (to, sum) in row.iter_mut().zip(sums) {
            *to = if ADD { simd.add_f32s(*to, *sum) } else { *sum };
        }
    }
}

/// out ← a · b for a single row.
///
/// # Shapes
/// a: its length is the depth; b: depth × `columns`, out: `columns`.
#[inline(always)]
pub(crate) fn row_product<S: Simd>(simd: S, a: &[f32], b: Rows, out: &mut RowsMut, columns: usize) {
    let mut column = 0;
    while column < columns {
        let wide = column + 4 * S::F32_LANES <= columns;
        let left = Rows { data: a, stride: a.len() };
        if wide {
            tile::<S, 1, 4, false>(simd, left, a.len(), b.from(0, column), &mut out.from(0, column));
        } else {
            tile::<S, 1, 1, false>(simd, left, a.len(), b.from(0, column), &mut out.from(0, column));
        }
        column += if wide { 4 } else { 1 } * S::F32_LANES;
    }
}
