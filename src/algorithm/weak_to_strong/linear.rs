//! Logistic regression of dense features on soft labels: the linear student, at the minimum by Newton's method, or on its way there by gradient
//! descent on minibatches with any loss on weak labels.
//!
//! Identities of Bregman divergences hold at the minimum and nowhere else; L-BFGS stops where the loss no longer falls, which is at a gradient of
//! about 1e-8. Newton's last step squares its error.

use super::loss::WeakLoss;
use crate::algorithm::epochs::Epochs;
use crate::error::{Error, Result};
use crate::num::{Cholesky, Matrix, dot, matmul, norm, sigmoid};
use crate::objective::cross_entropy_loss;
use crate::rng::Stream;
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
    let (n, k) = (targets.len(), width(features, targets)?);
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

/// Gradient descent on minibatches from zero weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearTraining {
    /// Steps; at least 1.
    pub steps: u64,
    /// Items per step; at least 1.
    pub size: usize,
    /// Learning rate; positive.
    pub rate: f64,
}

impl LinearTraining {
    /// # Errors
    /// The first setting outside its legal range.
    pub fn validate(&self) -> Result<()> {
        Error::check_counts(&[("steps", self.steps as usize, 1, usize::MAX), ("size", self.size, 1, usize::MAX)])?;
        Error::check_positive(&[("rate", self.rate)])
    }
}

/// The weights after plain gradient descent on a loss on weak labels. `observe` sees the number of steps made and the weights: at 0, and after
/// each step. The order of the data depends on `rng` and the sizes alone, so runs that differ in labels or loss can be compared pair by pair.
///
/// # Shapes
/// As [`fit_linear`].
///
/// # Errors
/// Illegal settings, sizes that do not fit, labels that are no probabilities, weights that diverge.
pub fn train_linear(
    features: &[f64],
    weak: &[f64],
    loss: &WeakLoss,
    training: &LinearTraining,
    rng: Stream,
    mut observe: impl FnMut(u64, &[f64]),
) -> Result<Vec<f64>> {
    training.validate()?;
    loss.validate()?;
    let k = width(features, weak)?;
    let mut weights = vec![0.0; k];
    let mut epochs = Epochs::new(rng);
    observe(0, &weights);
    for step in 0..training.steps {
        let batch = epochs.batch(training.size, weak.len());
        let row = |i: &usize| &features[i * k..(i + 1) * k];
        let log_odds: Vec<f64> = batch.iter().map(|i| dot(row(i), &weights)).collect();
        let labels: Vec<f64> = batch.iter().map(|i| weak[*i]).collect();
        let mut pull = vec![0.0; batch.len()];
        loss.weigh(&log_odds, &labels, step as f64 / training.steps as f64, training.rate, &mut pull);
        for (i, pull) in batch.iter().zip(&pull) {
            weights.iter_mut().zip(row(i)).for_each(|(w, x)| *w -= pull * x);
        }
        observe(step + 1, &weights);
    }
    Error::check_finite("weights of a linear student", &weights)?;
    Ok(weights)
}

/// Features per item.
fn width(features: &[f64], labels: &[f64]) -> Result<usize> {
    let n = labels.len();
    if n == 0 || !features.len().is_multiple_of(n) {
        return Err(Error::Shape { what: "features, rows of", expected: n, got: features.len() });
    }
    match labels.iter().find(|t| !(0.0..=1.0).contains(*t)) {
        Some(label) => Err(Error::parameter("label", label, "between 0 and 1")),
        None => Ok(features.len() / n),
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

    /// Full batches and small steps end at Newton's minimum; what is observed is every step.
    #[test]
    fn descent_arrives_where_newton_does() {
        let (features, targets) = data(200, 3, &[1.0, -2.0, 0.5]);
        let fit = fit_linear(&features, &targets, &LinearFit { precision: 0.0, tolerance: 1e-12 }).expect("a minimum");
        let training = LinearTraining { steps: 3_000, size: 200, rate: 1.0 };
        let mut seen = 0;
        let rng = Stream::named(&["order"]);
        let got = train_linear(&features, &targets, &WeakLoss::CrossEntropy, &training, rng.clone(), |_, _| seen += 1);
        assert!(got.expect("finite").iter().zip(&fit).all(|(a, b)| (a - b).abs() < 1e-8));
        assert_eq!(seen, 3_001);
        let wild = LinearTraining { rate: f64::INFINITY, ..training };
        assert!(train_linear(&features, &targets, &WeakLoss::CrossEntropy, &wild, rng, |_, _| ()).is_err());
    }
}
