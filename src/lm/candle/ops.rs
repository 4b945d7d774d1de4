//! Differentiable tensor functions. Candle's fused softmax, norms and rotation have no backward pass and drop the gradient
//! without an error, and its GELUs' derivatives carry six digits: everything here is made of its elementary operations.

use super::product::times;
use crate::lm::config::Activation;
use candle_core::{D, DType, Device, Result, Shape, Tensor, WithDType};
use std::ops::Range;

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

/// A linear map of rows, with adapters of some of its outputs.
#[derive(Clone, Debug)]
pub(super) struct Linear {
    /// out × in.
    pub(super) weight: Tensor,
    pub(super) bias: Option<Tensor>,
    /// In the order of their outputs, which do not overlap.
    pub(super) adapters: Vec<Adapter>,
}

/// Adds s (x Aᵀ) Bᵀ to some outputs.
#[derive(Clone, Debug)]
pub(super) struct Adapter {
    pub(super) rows: Range<usize>,
    /// A, rank × in.
    pub(super) down: Tensor,
    /// B, outputs × rank.
    pub(super) up: Tensor,
    /// s.
    pub(super) scale: f64,
}

impl Linear {
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = times(x, &self.weight)?;
        let y = match &self.bias {
            Some(bias) => y.broadcast_add(bias)?,
            None => y,
        };
        let outputs = y.dim(1)?;
        let (mut pieces, mut at) = (Vec::new(), 0);
        for adapter in &self.adapters {
            if adapter.rows.start > at {
                pieces.push(y.narrow(1, at, adapter.rows.start - at)?);
            }
            let own = y.narrow(1, adapter.rows.start, adapter.rows.len())?;
            let change = times(&times(x, &adapter.down)?, &adapter.up)?;
            pieces.push((own + (change * adapter.scale)?)?);
            at = adapter.rows.end;
        }
        if at == 0 {
            return Ok(y);
        }
        if at < outputs {
            pieces.push(y.narrow(1, at, outputs - at)?);
        }
        if pieces.len() == 1 { Ok(pieces.remove(0)) } else { Tensor::cat(&pieces, 1) }
    }
}

/// Some values as a tensor of the type and on the device of another.
pub(super) fn upload<T: WithDType>(values: &[T], shape: impl Into<Shape>, like: &Tensor) -> Result<Tensor> {
    // converted here: fewer bytes travel
    Tensor::from_slice(values, shape, &Device::Cpu)?.to_dtype(like.dtype())?.to_device(like.device())
}

/// All values, in order.
pub(super) fn host<T: WithDType>(tensor: &Tensor) -> Result<Vec<T>> {
    tensor.flatten_all()?.to_dtype(T::DTYPE)?.to_vec1()
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
