//! Products with matrices that do not learn. Candle differentiates a product by both of its sides, whether or not anybody asks: with
//! adapters that would be the gradient of every weight of the base.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CudaStorage, CustomOp1, Layout, Result, Shape, Storage, Tensor, bail};

/// x wᵀ of a matrix that does not learn, with a gradient by x alone.
struct Fixed(Tensor);

impl CustomOp1 for Fixed {
    fn name(&self) -> &'static str {
        "product with a fixed matrix"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (weight, of_weight) = self.0.storage_and_layout();
        match &*weight {
            Storage::Cpu(weight) => product(x, layout, weight, of_weight),
            _ => bail!("{}: the matrix is on another device", self.name()),
        }
    }

    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let (weight, of_weight) = self.0.storage_and_layout();
        match &*weight {
            Storage::Cuda(weight) => product(x, layout, weight, of_weight),
            _ => bail!("{}: the matrix is on another device", self.name()),
        }
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        grad.matmul(&self.0).map(Some)
    }
}

fn product<S: BackendStorage>(x: &S, of_x: &Layout, weight: &S, of_weight: &Layout) -> Result<(S, Shape)> {
    let (rows, inputs) = of_x.shape().dims2()?;
    let outputs = of_weight.shape().dims2()?.0;
    let product = x.matmul(weight, (1, rows, outputs, inputs), of_x, &of_weight.transpose(0, 1)?)?;
    Ok((product, Shape::from((rows, outputs))))
}

/// x wᵀ.
///
/// # Shapes
/// `x`: rows × in; `weight`: out × in.
pub(super) fn times(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    if x.track_op() && !weight.track_op() {
        return x.contiguous()?.apply_op1(Fixed(weight.clone()));
    }
    x.matmul(&weight.t()?)
}
