//! The linear student's gradient flow, in closed form.

use rewardlab::num::{Matrix, Symmetric, dot, matmul, relative_error, symmetric_eigen};

/// Gradient flow of ½ E (F v − y)² from a head v₀.
pub(super) struct Student {
    /// E F Fᵀ, and its eigenvalues and vectors.
    moments: Vec<f64>,
    eigen: Symmetric,
    /// E F y.
    pull: Vec<f64>,
    start: Vec<f64>,
}

impl Student {
    /// `labels`: P(class 1) of the inputs, the targets being 2 P − 1.
    pub(super) fn new(features: &[f64], size: usize, labels: &[f64], start: &[f64]) -> Self {
        let n = labels.len();
        let rows = Matrix::new(features, n, size);
        let mut moments = vec![0.0; size * size];
        matmul(rows.t(), rows, &mut moments, false);
        let targets: Vec<f64> = labels.iter().map(|p| 2.0 * p - 1.0).collect();
        let mut pull = vec![0.0; size];
        matmul(Matrix::new(&targets, 1, n), rows, &mut pull, false);
        moments.iter_mut().chain(&mut pull).for_each(|v| *v /= n as f64);
        Self { eigen: symmetric_eigen(&moments, size), moments, pull, start: start.to_vec() }
    }

    pub(super) fn largest(&self) -> f64 {
        self.eigen.values.iter().copied().fold(0.0, f64::max)
    }

    /// The weights that are left and gained along each eigenvector: `left(λ)` of the start, and (1 − left)/λ of the pull.
    fn closed(&self, left: impl Fn(f64) -> f64, gained: impl Fn(f64) -> f64) -> Vec<f64> {
        let size = self.start.len();
        let mut weights = vec![0.0; size];
        for (value, u) in self.eigen.values.iter().zip(self.eigen.vectors.chunks(size)) {
            let along = left(*value) * dot(u, &self.start) + gained(*value) * dot(u, &self.pull);
            weights.iter_mut().zip(u).for_each(|(w, u)| *w += along * u);
        }
        weights
    }

    /// Weights at a time.
    pub(super) fn at(&self, time: f64) -> Vec<f64> {
        // (1 − e^−λt)/λ without cancellation, and t where λ is 0
        let gained = |value: f64| if value.abs() < 1e-300 { time } else { -(-value * time).exp_m1() / value };
        self.closed(|value| (-value * time).exp(), gained)
    }

    /// Gradient descent with steps of `step` / `λ_max`: its distance from its closed form; and its distance from the flow, over that with steps
    /// of half the length.
    pub(super) fn against_descent(&self, step: f64, steps: usize) -> (f64, f64) {
        let eta = step / self.largest();
        let power = |eta: f64, n: usize| move |value: f64| (1.0 - eta * value).powi(n as i32);
        let closed = self.closed(power(eta, steps), |value| (1.0 - power(eta, steps)(value)) / value);
        let flow = self.at(eta * steps as f64);
        let (whole, half) = (self.descend(eta, steps), self.descend(0.5 * eta, 2 * steps));
        (relative_error(&whole, &closed), relative_error(&whole, &flow) / relative_error(&half, &flow))
    }

    fn descend(&self, eta: f64, steps: usize) -> Vec<f64> {
        let size = self.start.len();
        let mut weights = self.start.clone();
        for _ in 0..steps {
            let slope: Vec<f64> =
                self.moments.chunks(size).zip(&self.pull).map(|(row, b)| b - dot(row, &weights)).collect();
            weights.iter_mut().zip(&slope).for_each(|(w, s)| *w += eta * s);
        }
        weights
    }
}
