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

/// The result's rows.
#[derive(Debug)]
pub(crate) struct RowsMut<'a> {
    pub(crate) data: &'a mut [f32],
    pub(crate) stride: usize,
}

/// Which elements of the left-hand factor meet: those with k ≤ row (causal), or all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// All `depth` values of k for the row, but only columns up to the row (rounded up): scores.
    Columns,
    /// k up to the row, all columns: mixing values.
    Depth,
}

/// out ← a · b (added if `ADD`) for a square causal pattern of `rows` rows.
///
/// # Shapes
/// [`Span::Columns`]: a: `rows × depth`, b: `depth × columns`, computed for columns ≤ row. [`Span::Depth`]: a:
/// `rows × rows` lower triangular, b: `rows × columns`.
#[inline(always)]
pub(crate) fn product<S: Simd, const ADD: bool>(
    simd: S,
    span: Span,
    a: Rows,
    b: Rows,
    out: &mut RowsMut,
    (rows, depth, columns): (usize, usize, usize),
) {
    let mut row = 0;
    while row < rows {
        let step = if rows - row >= 8 {
            8
        } else if rows - row >= 4 {
            4
        } else {
            1
        };
        let end = row + step;
        let (depth, columns) = match span {
            Span::Columns => (depth, end.next_multiple_of(PAD).min(columns)),
            Span::Depth => (end, columns),
        };
        let block = Block { row, depth, columns };
        match step {
            8 => row_block::<S, 8, ADD>(simd, block, a, b, out),
            4 => row_block::<S, 4, ADD>(simd, block, a, b, out),
            _ => row_block::<S, 1, ADD>(simd, block, a, b, out),
        }
        row = end;
    }
}

#[derive(Clone, Copy)]
struct Block {
    row: usize,
    depth: usize,
    columns: usize,
}

#[inline(always)]
fn row_block<S: Simd, const MR: usize, const ADD: bool>(simd: S, block: Block, a: Rows, b: Rows, out: &mut RowsMut) {
    let mut left = [&a.data[..0]; MR];
    for (r, left) in left.iter_mut().enumerate() {
        *left = &a.data[(block.row + r) * a.stride..][..block.depth];
    }
    let mut column = 0;
    while column < block.columns {
        let wide = column + 2 * S::F32_LANES <= block.columns;
        let b = Rows { data: &b.data[column..], ..b };
        let mut out = RowsMut { data: &mut out.data[block.row * out.stride + column..], ..*out };
        if wide {
            tile::<S, MR, 2, ADD>(simd, left, b, &mut out);
        } else {
            tile::<S, MR, 1, ADD>(simd, left, b, &mut out);
        }
        column += if wide { 2 } else { 1 } * S::F32_LANES;
    }
}

#[inline(always)]
fn tile<S: Simd, const MR: usize, const NR: usize, const ADD: bool>(
    simd: S,
    a: [&[f32]; MR],
    b: Rows,
    out: &mut RowsMut,
) {
    let mut sums = [[simd.splat_f32s(0.0); NR]; MR];
    let depth = a[0].len();
    for (k, b) in (0..depth).zip(b.data.chunks(b.stride)) {
        let b = vectors::<S, NR>(b);
        for r in 0..MR {
            let x = simd.splat_f32s(a[r][k]);
            for c in 0..NR {
                sums[r][c] = simd.mul_add_f32s(x, b[c], sums[r][c]);
            }
        }
    }
    store::<S, MR, NR, ADD>(simd, &sums, out);
}

/// out ← aᵀ · b (added if `ADD`), a lower triangular: k runs from the result's row on.
///
/// # Shapes
/// a: `rows × rows`, its rows padded to [`PAD`]; b: `rows × columns`; out: `rows × columns`.
#[inline(always)]
pub(crate) fn transposed_product<S: Simd, const ADD: bool>(
    simd: S,
    a: Rows,
    b: Rows,
    out: &mut RowsMut,
    (rows, columns): (usize, usize),
) {
    let mut row = 0;
    while row < rows {
        let step = if rows - row >= 8 {
            8
        } else if rows - row >= 4 {
            4
        } else {
            1
        };
        let a = Rows { data: &a.data[row * a.stride + row..], ..a };
        let below = Rows { data: &b.data[row * b.stride..], ..b };
        let mut column = 0;
        while column < columns {
            let wide = column + 2 * S::F32_LANES <= columns;
            let b = Rows { data: &below.data[column..], ..below };
            let mut out = RowsMut { data: &mut out.data[row * out.stride + column..], ..*out };
            match (step, wide) {
                (8, true) => transposed_tile::<S, 8, 2, ADD>(simd, rows - row, a, b, &mut out),
                (8, false) => transposed_tile::<S, 8, 1, ADD>(simd, rows - row, a, b, &mut out),
                (4, true) => transposed_tile::<S, 4, 2, ADD>(simd, rows - row, a, b, &mut out),
                (4, false) => transposed_tile::<S, 4, 1, ADD>(simd, rows - row, a, b, &mut out),
                (_, true) => transposed_tile::<S, 1, 2, ADD>(simd, rows - row, a, b, &mut out),
                (_, false) => transposed_tile::<S, 1, 1, ADD>(simd, rows - row, a, b, &mut out),
            }
            column += if wide { 2 } else { 1 } * S::F32_LANES;
        }
        row += step;
    }
}

#[inline(always)]
fn transposed_tile<S: Simd, const MR: usize, const NR: usize, const ADD: bool>(
    simd: S,
    depth: usize,
    a: Rows,
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
    for r in 0..MR {
        let row = S::as_mut_simd_f32s(&mut out.data[r * out.stride..][..NR * S::F32_LANES]).0;
        for c in 0..NR {
            row[c] = if ADD { simd.add_f32s(row[c], sums[r][c]) } else { sums[r][c] };
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
        let b = Rows { data: &b.data[column..], ..b };
        let mut out = RowsMut { data: &mut out.data[column..], ..*out };
        if wide {
            tile::<S, 1, 4, false>(simd, [a], b, &mut out);
        } else {
            tile::<S, 1, 1, false>(simd, [a], b, &mut out);
        }
        column += if wide { 4 } else { 1 } * S::F32_LANES;
    }
}
