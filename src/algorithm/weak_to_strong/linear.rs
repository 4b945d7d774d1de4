//! Logistic regression of dense features on soft labels: the linear student, by Newton's method, to rounding.
//!
//! Identities of Bregman divergences hold at the minimum and nowhere else; L-BFGS stops where the loss no longer falls, which is at a gradient of
//! about 1e-8. Newton's last step squares its error.

use crate::error::{Error, Result};
use crate::num::{Cholesky, Matrix, dot, matmul, norm, sigmoid};
use crate::objective::cross_entropy_loss;
use serde::{Deserialize, Serialize};

/// Most Newton steps.
const STEPS: usize = 200;

/// Settings of a fit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearFit {
    /// 1/σ² of the weights' Gaussian prior around zero, nats of the whole data set; at least 0. Without it the weights of classes that can
    /// be separated grow until the gradient is below the tolerance.
    pub precision: f64,
    /// Norm of the gradient of the mean loss at which it is done; positive.
    pub tolerance: f64,
}

impl LinearFit {
    /// # Errors
    /// The first setting outside its legal range.
    pub fn validate(&self) -> Result<()> {
        Error::check_not_negative(&[("precision", self.precision)])?;
        Error::check_positive(&[("tolerance", self.tolerance)])
    }
}

/// The weights that minimise the mean cross-entropy, `−(1/n) Σ (y log σ(w·φ) + (1 − y) log σ(−w·φ)) + precision ‖w‖² / 2n`. There is no bias; a
/// column of ones makes one.
///
/// # Shapes
/// `features`: n × k, row by row; `targets`: P(class 1) in \[0, 1\], n. Returns k weights.
///
/// # Errors
/// Illegal settings, sizes that do not fit, targets that are no probabilities, a search that does not reach the tolerance.
pub fn fit_linear(features: &[f64], targets: &[f64], fit: &LinearFit) -> Result<Vec<f64>> {
    fit.validate()?;
    let n = targets.len();
    if n == 0 || !features.len().is_multiple_of(n) {
        return Err(Error::Shape { what: "features, rows of", expected: n, got: features.len() });
    }
    if let Some(label) = targets.iter().find(|t| !(0.0..=1.0).contains(*t)) {
        return Err(Error::parameter("label", label, "between 0 and 1"));
    }
    let k = features.len() / n;
    let mut search = Search { features, targets, ridge: fit.precision / n as f64, k, gradient: vec![0.0; k] };
    let mut weights = vec![0.0; k];
    let mut value = search.value(&weights);
    for _ in 0..STEPS {
        let gradient = norm(&search.gradient);
        if gradient <= fit.tolerance {
            return Ok(weights);
        }
        let step = search.newton(&weights)?;
        let mut length = 1.0;
        loop {
            let next: Vec<f64> = weights.iter().zip(&step).map(|(w, s)| w - length * s).collect();
            let reached = search.value(&next);
            // near the minimum the value no longer shows what the gradient does
            if reached < value || norm(&search.gradient) < gradient {
                (weights, value) = (next, reached);
                break;
            }
            length *= 0.5;
            if length < 1e-10 {
                return Err(Error::Numeric(format!("logistic regression: stuck at a gradient of {gradient:.1e}")));
            }
        }
    }
    Err(Error::Numeric(format!(
        "logistic regression: no minimum after {STEPS} Newton steps; are the classes separated?"
    )))
}

struct Search<'a> {
    features: &'a [f64],
    targets: &'a [f64],
    ridge: f64,
    k: usize,
    /// At the weights last looked at.
    gradient: Vec<f64>,
}

impl Search<'_> {
    fn log_odds(&self, weights: &[f64]) -> Vec<f64> {
        let n = self.targets.len();
        let mut out = vec![0.0; n];
        matmul(Matrix::new(self.features, n, self.k), Matrix::new(weights, self.k, 1), &mut out, false);
        out
    }

    fn value(&mut self, weights: &[f64]) -> f64 {
        let n = self.targets.len();
        let mut of_scores = vec![0.0; n];
        let loss = cross_entropy_loss(&self.log_odds(weights), self.targets, &vec![1.0; n], 1.0, &mut of_scores);
        matmul(Matrix::new(&of_scores, 1, n), Matrix::new(self.features, n, self.k), &mut self.gradient, false);
        self.gradient.iter_mut().zip(weights).for_each(|(g, w)| *g += self.ridge * w);
        loss + 0.5 * self.ridge * dot(weights, weights)
    }

    /// H⁻¹ gradient.
    fn newton(&self, weights: &[f64]) -> Result<Vec<f64>> {
        let (n, k) = (self.targets.len(), self.k);
        let mut scaled = self.features.to_vec();
        for (row, s) in scaled.chunks_mut(k).zip(self.log_odds(weights)) {
            let curvature = sigmoid(s) * sigmoid(-s) / n as f64;
            row.iter_mut().for_each(|v| *v *= curvature);
        }
        let mut hessian = vec![0.0; k * k];
        matmul(Matrix::new(&scaled, n, k).t(), Matrix::new(self.features, n, k), &mut hessian, false);
        (0..k).for_each(|i| hessian[i * k + i] += self.ridge);
        let factor = Cholesky::new(&hessian, k);
        let factor =
            factor.ok_or_else(|| Error::Numeric("logistic regression: features that determine no weights".into()))?;
        Ok(factor.solve(&self.gradient))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    fn data(n: usize, k: usize, weights: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let mut rng = Stream::named(&["linear"]);
        let mut features = vec![0.0; n * k];
        rng.fill_normal(1.0, &mut features);
        let targets = features.chunks(k).map(|row| sigmoid(dot(row, weights))).collect();
        (features, targets)
    }

    /// Soft labels of a logistic model are that model's.
    #[test]
    fn soft_labels_give_their_model_back() {
        let weights = [1.0, -3.0, 0.5];
        let (features, targets) = data(200, 3, &weights);
        let got = fit_linear(&features, &targets, &LinearFit { precision: 0.0, tolerance: 1e-13 }).expect("a minimum");
        assert!(got.iter().zip(&weights).all(|(a, b)| (a - b).abs() < 1e-10), "{got:?}");
    }

    /// The stationary point of the penalised loss, w = Σ x (y − σ(w x)), for classes that no prior would leave unbounded.
    #[test]
    fn a_prior_bounds_what_is_separable() {
        let (features, targets) = ([1.0, 2.0, -1.0, 0.5], [1.0, 1.0, 0.0, 1.0]);
        let fit = LinearFit { precision: 1.0, tolerance: 1e-14 };
        let w = fit_linear(&features, &targets, &fit).expect("a minimum")[0];
        let pull: f64 = features.iter().zip(&targets).map(|(x, y)| x * (y - sigmoid(w * x))).sum();
        assert!((w - pull).abs() < 1e-12);
        assert!(fit_linear(&features, &[0.5; 3], &fit).is_err() && fit_linear(&features, &[2.0; 4], &fit).is_err());
    }
}
