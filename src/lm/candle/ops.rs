//! Differentiable tensor functions. Candle's fused softmax, norms and rotation have no backward pass and drop the gradient
//! without an error, and its GELUs' derivatives carry six digits: everything here is made of its elementary operations.

use crate::lm::config::Activation;
use candle_core::{D, DType, Result, Tensor};

/// The type that sums and exponentials are done in: at least 32 bits.
pub(super) fn wide(x: &Tensor) -> Result<Tensor> {
    match x.dtype() {
        DType::F32 | DType::F64 => Ok(x.clone()),
        _ => x.to_dtype(DType::F32),
    }
}

/// A norm over the last dimension, in `x`'s type.
#[derive(Clone, Debug)]
pub(super) struct Norm {
    pub(super) scale: Tensor,
    pub(super) shift: Option<Tensor>,
    /// Whether the mean is subtracted.
    pub(super) centred: bool,
    pub(super) epsilon: f64,
}

impl Norm {
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (dtype, x) = (x.dtype(), wide(x)?);
        let x = if self.centred { x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)? } else { x };
        let square = x.sqr()?.mean_keepdim(D::Minus1)?;
        let x = x.broadcast_div(&(square + self.epsilon)?.sqrt()?)?.to_dtype(dtype)?;
        let x = x.broadcast_mul(&self.scale)?;
        match &self.shift {
            Some(shift) => x.broadcast_add(shift),
            None => Ok(x),
        }
    }
}

/// A linear map of rows.
#[derive(Clone, Debug)]
pub(super) struct Linear {
    /// out × in.
    pub(super) weight: Tensor,
    pub(super) bias: Option<Tensor>,
}

impl Linear {
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = x.matmul(&self.weight.t()?)?;
        match &self.bias {
            Some(bias) => y.broadcast_add(bias),
            None => Ok(y),
        }
    }
}

/// Softmax over the last dimension; entries of −∞ get nothing, some entry of every row must be finite.
pub(super) fn softmax(x: &Tensor) -> Result<Tensor> {
    let (dtype, x) = (x.dtype(), wide(x)?);
    // the result does not depend on what is subtracted, so no gradient goes through it
    let e = x.broadcast_sub(&x.detach().max_keepdim(D::Minus1)?)?.exp()?;
    e.broadcast_div(&e.sum_keepdim(D::Minus1)?)?.to_dtype(dtype)
}

/// Log-softmax over the last dimension, in at least 32 bits.
pub(super) fn log_softmax(x: &Tensor) -> Result<Tensor> {
    let x = wide(x)?;
    let x = x.broadcast_sub(&x.detach().max_keepdim(D::Minus1)?)?;
    x.broadcast_sub(&x.exp()?.sum_keepdim(D::Minus1)?.log()?)
}

/// The feed-forward non-linearity.
///
/// # Shapes
/// `x`: rows of `inner`, or of gate and up side by side for `SwiGLU`.
pub(super) fn activation(kind: Activation, x: &Tensor, inner: usize) -> Result<Tensor> {
    match kind {
        Activation::GeluExact => {
            let erf = (x * std::f64::consts::FRAC_1_SQRT_2)?.erf()?;
            (x * 0.5)? * (erf + 1.0)?
        }
        Activation::GeluTanh => {
            let cubed = ((x * x.sqr()?)? * 0.044_715)?;
            let tanh = ((x + cubed)? * (2.0 / std::f64::consts::PI).sqrt())?.tanh()?;
            (x * 0.5)? * (tanh + 1.0)?
        }
        Activation::SwiGlu => x.narrow(D::Minus1, 0, inner)?.silu()? * x.narrow(D::Minus1, inner, inner)?,
    }
}

/// Rotates half-split pairs of the first 2 · half coordinates of every head.
///
/// # Shapes
/// `x`: sequences × length × heads × head; `cos`, `sin`: sequences × length × 1 × half.
pub(super) fn rotate(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    let (head, half) = (x.dim(D::Minus1)?, cos.dim(D::Minus1)?);
    let (a, b) = (x.narrow(D::Minus1, 0, half)?, x.narrow(D::Minus1, half, half)?);
    let first = (a.broadcast_mul(cos)? - b.broadcast_mul(sin)?)?;
    let second = (b.broadcast_mul(cos)? + a.broadcast_mul(sin)?)?;
    if head == 2 * half {
        return Tensor::cat(&[first, second], D::Minus1);
    }
    let rest = x.narrow(D::Minus1, 2 * half, head - 2 * half)?;
    Tensor::cat(&[first, second, rest], D::Minus1)
}
