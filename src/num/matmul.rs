//! A safe door to the `gemm` crate: single-threaded (one unit of work per thread), strided, bit-identical between
//! calls of the same shape on the same machine.

/// A number that the products know: f64, or f32 in the language models' engine.
pub trait Element: sealed::Sealed + Copy + 'static {
    /// One, the factor of both the product and what it is added to.
    const ONE: Self;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

impl Element for f32 {
    const ONE: Self = 1.0;
}

impl Element for f64 {
    const ONE: Self = 1.0;
}

/// A borrowed matrix: `rows × cols` over a slice with strides, so that a transpose costs nothing.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a, T = f64> {
    data: &'a [T],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a, T: Element> Matrix<'a, T> {
    /// A row-major matrix over the whole slice.
    pub fn new(data: &'a [T], rows: usize, cols: usize) -> Self {
        assert_eq!(data.len(), rows * cols, "matrix of {rows} × {cols}");
        Self { data, rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// The transpose, without copying.
    #[must_use]
    pub fn t(self) -> Self {
        Self { rows: self.cols, cols: self.rows, row_stride: self.col_stride, col_stride: self.row_stride, ..self }
    }
}

/// out ← a·b, or out ← out + a·b when `accumulate`.
///
/// # Shapes
/// `out` is row-major `a.rows × b.cols`; `a.cols` = `b.rows`.
#[allow(unsafe_code)]
pub fn matmul<T: Element>(a: Matrix<T>, b: Matrix<T>, out: &mut [T], accumulate: bool) {
    assert_eq!(a.cols, b.rows, "inner sizes differ");
    assert_eq!(out.len(), a.rows * b.cols, "output has the wrong size");
    if out.is_empty() {
        return;
    }
    // SAFETY: `Matrix` can only be built over exactly rows × cols elements and transposing swaps sizes with strides,
    // so every address that (rows, cols, strides) describes lies inside the slice; `out` is checked above, is
    // uniquely borrowed and therefore does not overlap the inputs.
    unsafe {
        gemm::gemm(
            a.rows,
            b.cols,
            a.cols,
            out.as_mut_ptr(),
            1,
            b.cols as isize,
            accumulate,
            a.data.as_ptr(),
            a.col_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.col_stride as isize,
            b.row_stride as isize,
            T::ONE,
            T::ONE,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_definition_with_transposes_and_accumulation() {
        let a: Vec<f64> = (0..6).map(f64::from).collect(); // 2 × 3
        let b: Vec<f64> = (0..6).map(|i| f64::from(i) - 2.5).collect(); // 3 × 2, and 2 × 3 for the transpose
        let mut out = vec![1.0; 4];
        matmul(Matrix::new(&a, 2, 3), Matrix::new(&b, 3, 2), &mut out, true);
        assert_eq!(out, [1.0 + 2.5, 1.0 + 5.5, 1.0 - 2.0, 1.0 + 10.0]);
        matmul(Matrix::new(&a, 2, 3), Matrix::new(&b, 2, 3).t(), &mut out, false);
        let direct = |i: usize, j: usize| (0..3).map(|k| a[i * 3 + k] * b[j * 3 + k]).sum::<f64>();
        assert_eq!(out, [direct(0, 0), direct(0, 1), direct(1, 0), direct(1, 1)]);
    }
}
