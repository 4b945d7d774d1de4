//! First-order optimisers over flat parameters.

use crate::error::{Error, Result};

/// Moves parameters *up* a gradient; to descend, negate the gradient.
pub trait Optimizer {
    /// One step of ascent.
    fn ascend(&mut self, params: &mut [f64], grad: &[f64]);
}

impl Optimizer for Box<dyn Optimizer> {
    fn ascend(&mut self, params: &mut [f64], grad: &[f64]) {
        (**self).ascend(params, grad);
    }
}

/// Plain gradient ascent: θ ← θ + lr · g.
#[derive(Clone, Debug)]
pub struct Sgd {
    /// Learning rate.
    pub learning_rate: f64,
}

impl Optimizer for Sgd {
    fn ascend(&mut self, params: &mut [f64], grad: &[f64]) {
        params.iter_mut().zip(grad).for_each(|(p, g)| *p += self.learning_rate * g);
    }
}

/// Adam (arXiv:1412.6980) with bias correction and PyTorch's defaults: β₁ 0.9, β₂ 0.999, ε 1e-8 outside the root.
#[derive(Clone, Debug)]
pub struct Adam {
    /// Learning rate.
    pub learning_rate: f64,
    first: Vec<f64>,
    second: Vec<f64>,
    steps: i32,
}

impl Adam {
    const BETA1: f64 = 0.9;
    const BETA2: f64 = 0.999;
    const EPSILON: f64 = 1e-8;

    /// Fresh moments for `params` parameters.
    ///
    /// # Errors
    /// A learning rate that is not positive and finite.
    pub fn new(learning_rate: f64, params: usize) -> Result<Self> {
        if !(learning_rate > 0.0 && learning_rate.is_finite()) {
            return Err(Error::parameter("learning_rate", learning_rate, "positive"));
        }
        Ok(Self { learning_rate, first: vec![0.0; params], second: vec![0.0; params], steps: 0 })
    }
}

impl Optimizer for Adam {
    fn ascend(&mut self, params: &mut [f64], grad: &[f64]) {
        self.steps += 1;
        let step = self.learning_rate / (1.0 - Self::BETA1.powi(self.steps));
        let root = 1.0 / (1.0 - Self::BETA2.powi(self.steps)).sqrt();
        for (((p, g), m), v) in params.iter_mut().zip(grad).zip(&mut self.first).zip(&mut self.second) {
            *m = Self::BETA1 * *m + (1.0 - Self::BETA1) * g;
            *v = Self::BETA2 * *v + (1.0 - Self::BETA2) * g * g;
            *p += step * *m / (v.sqrt() * root + Self::EPSILON);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adam_first_step_moves_each_coordinate_by_the_learning_rate() {
        let mut params = [1.0, -2.0];
        let mut adam = Adam::new(0.1, 2).expect("legal");
        adam.ascend(&mut params, &[0.5, -3.0]);
        assert!((params[0] - 1.1).abs() < 1e-8 && (params[1] + 2.1).abs() < 1e-8, "{params:?}");
    }

    #[test]
    fn learning_rate_is_checked() {
        assert!(Adam::new(f64::NAN, 1).is_err() && Adam::new(0.0, 1).is_err());
    }
}
