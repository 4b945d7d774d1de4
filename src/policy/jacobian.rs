//! Jacobian norms of the logits: of a network, and of a linear map.
#![allow(clippy::inline_always, reason = "wide instructions reach only code that is inlined into the kernel")]

use super::Activation;
use crate::num::eigen::largest_eigenvalues;
use crate::num::pack::{PACK, Pack};
use crate::num::simd::{Kernel, dispatch};

/// A network that has just been run on a batch.
#[derive(Debug)]
pub(super) struct Network<'a> {
    pub(super) sizes: &'a [usize],
    pub(super) activation: Activation,
    pub(super) params: &'a [f64],
    /// `acts[l]`, l ≥ 1: the activated output of layer l − 1, `batch × sizes[l]`.
    pub(super) acts: &'a [Vec<f64>],
    /// ‖x‖² of each input of the batch.
    pub(super) input_squares: &'a [f64],
}

/// Buffers for Jacobian norms, worked on eight contexts at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct Jacobian {
    /// Activations of one layer.
    hidden: Vec<Pack>,
    /// D = ∂ logits / ∂ pre-activations of one layer, `vocab × fan_out`, and of the one below.
    d: Vec<Pack>,
    below: Vec<Pack>,
    gram: Vec<Pack>,
}

impl Jacobian {
    /// The largest spectral norm of ∂ logits / ∂ params over the batch.
    ///
    /// # Formula
    /// J Jᵀ = Σ over layers of (‖input‖² + 1) · D Dᵀ; the last layer's D is the identity.
    pub(super) fn largest_norm(&mut self, network: &Network) -> f64 {
        dispatch(LargestNorm(self, network))
    }

    /// The spectral norm of the linear map whose columns `columns` yields, each a vector of `n`.
    pub(super) fn linear_norm<'a>(&mut self, n: usize, columns: impl Iterator<Item = &'a [f64]>) -> f64 {
        self.gram.clear();
        self.gram.resize(n * n, Pack::splat(0.0));
        for column in columns {
            for (row, a) in self.gram.chunks_exact_mut(n).zip(column) {
                row.iter_mut().zip(column).for_each(|(g, b)| g.0[0] += a * b);
            }
        }
        dispatch(LinearNorm(&mut self.gram, n))
    }
}

struct LinearNorm<'a>(&'a mut [Pack], usize);

impl Kernel for LinearNorm<'_> {
    type Output = f64;
    #[inline(always)]
    fn call(self) -> f64 {
        largest_eigenvalues(self.0, self.1).0[0].sqrt()
    }
}

struct LargestNorm<'a>(&'a mut Jacobian, &'a Network<'a>);

impl Kernel for LargestNorm<'_> {
    type Output = f64;
    #[inline(always)]
    fn call(self) -> f64 {
        let Self(buffers, network) = self;
        let batch = network.input_squares.len();
        let mut largest = Pack::splat(0.0);
        for start in (0..batch).step_by(PACK) {
            // the last block is filled up with its last context
            let mut rows = [0; PACK];
            for (i, row) in rows.iter_mut().enumerate() {
                *row = (start + i).min(batch - 1);
            }
            largest = buffers.squared_norms(network, rows).max_or_nan(largest);
        }
        largest.0.iter().fold(0.0, |m: f64, &v| if v <= m { m } else { v }).sqrt()
    }
}

impl Jacobian {
    /// `λ_max(J` Jᵀ) of eight contexts, given by their rows in the batch.
    #[inline(always)]
    fn squared_norms(&mut self, network: &Network, rows: [usize; PACK]) -> Pack {
        let (zero, one) = (Pack::splat(0.0), Pack::splat(1.0));
        let layers = network.sizes.len() - 1;
        let vocab = network.sizes[layers];
        let mut end = network.params.len();
        let mut identity = zero;
        self.gram.clear();
        self.gram.resize(vocab * vocab, zero);
        for l in (0..layers).rev() {
            let (fan_in, fan_out) = (network.sizes[l], network.sizes[l + 1]);
            let start = end - fan_out * (fan_in + 1);
            let weights = &network.params[start..][..fan_in * fan_out];
            end = start;
            let mut reach = one;
            if l == 0 {
                reach = reach + Pack::from_fn(|i| network.input_squares[rows[i]]);
            } else {
                self.hidden.clear();
                for k in 0..fan_in {
                    let h = Pack::from_fn(|i| network.acts[l][rows[i] * fan_in + k]);
                    self.hidden.push(h);
                    reach = h.mul_add(h, reach);
                }
            }
            if l + 1 == layers {
                identity = reach;
            } else {
                accumulate_gram(&mut self.gram, &self.d, vocab, reach);
            }
            if l > 0 {
                let d = (l + 1 < layers).then_some(&*self.d);
                descend(d, weights, vocab, &self.hidden, network.activation, &mut self.below);
                std::mem::swap(&mut self.d, &mut self.below);
            }
        }
        identity + largest_eigenvalues(&mut self.gram, vocab)
    }
}

/// gram ← gram + reach · D Dᵀ.
#[inline(always)]
fn accumulate_gram(gram: &mut [Pack], d: &[Pack], vocab: usize, reach: Pack) {
    let width = d.len() / vocab;
    for i in 0..vocab {
        for j in 0..=i {
            let (a, b) = (&d[i * width..][..width], &d[j * width..][..width]);
            let mut product = Pack::splat(0.0);
            for (a, b) in a.iter().zip(b) {
                product = a.mul_add(*b, product);
            }
            let entry = reach.mul_add(product, gram[i * vocab + j]);
            gram[i * vocab + j] = entry;
            gram[j * vocab + i] = entry;
        }
    }
}

/// D of the layer below: D · W, gated by the activation's derivative; without `d` (the identity), W itself.
#[inline(always)]
fn descend(
    d: Option<&[Pack]>,
    weights: &[f64],
    vocab: usize,
    hidden: &[Pack],
    activation: Activation,
    below: &mut Vec<Pack>,
) {
    let (width, fan_out) = (hidden.len(), weights.len() / hidden.len());
    below.clear();
    for i in 0..vocab {
        for (k, &h) in hidden.iter().enumerate() {
            let mut through = Pack::splat(if d.is_none() { weights[i * width + k] } else { 0.0 });
            for (j, d) in d.map_or(&[][..], |d| &d[i * fan_out..][..fan_out]).iter().enumerate() {
                through = d.mul_add(Pack::splat(weights[j * width + k]), through);
            }
            below.push(match activation {
                Activation::Relu => through.where_positive(h),
                Activation::Tanh => through * (-h).mul_add(h, Pack::splat(1.0)),
            });
        }
    }
}
