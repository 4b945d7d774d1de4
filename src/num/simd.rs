//! How loops over slices get wide registers without a word of `unsafe`, and the same bits whatever their width.
//!
//! [`dispatch`] runs a kernel compiled for the widest instruction set that the processor has (AVX-512, AVX2 or the
//! baseline). Two rules keep its results independent of that choice: element-wise arithmetic is the same sequence of
//! IEEE operations in every lane (a fused multiply-add is always written out as `mul_add`, never left to the
//! compiler), and every sum over a slice runs in [`LANES`] interleaved partial sums that are folded in a fixed tree.
#![allow(clippy::inline_always, reason = "wide instructions reach only code that is inlined into the kernel")]

/// Partial sums of a reduction: two AVX-512 registers' worth.
pub(crate) const LANES: usize = 16;

/// A loop that gains from wide registers. `call` and all that it calls must be `#[inline(always)]`: a function that is
/// not inlined is compiled for the baseline.
pub(crate) use pulp::NullaryFnOnce as Kernel;

/// Runs the kernel with the widest registers at hand.
#[inline]
pub(crate) fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    pulp::Arch::new().dispatch(kernel)
}

/// The sum of the lanes, halves first: (0 + 8, 1 + 9, …), then (0 + 4, …), …
#[inline(always)]
pub(crate) fn fold(mut lanes: [f64; LANES]) -> f64 {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// The largest element; NaN is passed over, an empty slice gives −∞.
#[inline(always)]
pub(crate) fn max(x: &[f64]) -> f64 {
    let (blocks, tail) = x.as_chunks::<LANES>();
    let mut lanes = [f64::NEG_INFINITY; LANES];
    for block in blocks {
        for (m, &v) in lanes.iter_mut().zip(block) {
            *m = if v > *m { v } else { *m };
        }
    }
    lanes.iter().chain(tail).fold(f64::NEG_INFINITY, |m, &v| if v > m { v } else { m })
}

/// Where the first element equal to `value` is; the length if nowhere.
#[inline(always)]
pub(crate) fn position(x: &[f64], value: f64) -> usize {
    let (blocks, _) = x.as_chunks::<LANES>();
    // whole blocks are looked through without branches; only the block that has it is searched
    let block = blocks.iter().position(|b| b.iter().fold(false, |found, v| found | (*v == value)));
    let start = block.unwrap_or(blocks.len()) * LANES;
    x[start..].iter().position(|v| *v == value).map_or(x.len(), |at| start + at)
}

/// Σ aᵢ bᵢ of two slices of one length.
pub(crate) struct Dot<'a>(pub(crate) &'a [f64], pub(crate) &'a [f64]);

impl Kernel for Dot<'_> {
    type Output = f64;
    #[inline(always)]
    fn call(self) -> f64 {
        let (a, a_tail) = self.0.as_chunks::<LANES>();
        let (b, b_tail) = self.1.as_chunks::<LANES>();
        let mut lanes = [0.0; LANES];
        for (a, b) in a.iter().zip(b) {
            for i in 0..LANES {
                lanes[i] = a[i].mul_add(b[i], lanes[i]);
            }
        }
        for (lane, (a, b)) in lanes.iter_mut().zip(a_tail.iter().zip(b_tail)) {
            *lane = a.mul_add(*b, *lane);
        }
        fold(lanes)
    }
}

/// Σ aᵢ bᵢ over the shorter length.
#[inline]
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len().min(b.len());
    if n < 2 * LANES {
        return a.iter().zip(b).map(|(x, y)| x * y).sum();
    }
    dispatch(Dot(&a[..n], &b[..n]))
}
