//! The truth, its representation, and teachers on worse ones.

use super::Params;
use rewardlab::error::{Error, Result};
use rewardlab::num::{Cholesky, Matrix, matmul, norm};
use rewardlab::rng::Stream;
use rewardlab::stats::{mean, std_dev};

/// A finite population: expectations are means over it.
pub(super) struct Population {
    /// n × d, row by row.
    inputs: Vec<f64>,
    dimension: usize,
    /// The true representation, n × width.
    pub(super) features: Vec<f64>,
    pub(super) width: usize,
    /// The true head: `features` times it has variance 1.
    pub(super) head: Vec<f64>,
    /// The truth, n.
    pub(super) truth: Vec<f64>,
}

/// A teacher, as its values on the population.
pub(super) struct Teacher {
    /// `noise` or `shallow`.
    pub(super) name: &'static str,
    /// In standard deviations of the representation.
    pub(super) noise: f64,
    pub(super) values: Vec<f64>,
}

impl Population {
    pub(super) fn draw(p: &Params, rng: &mut Stream) -> Self {
        let mut inputs = vec![0.0; p.inputs * p.dimension];
        rng.fill_normal(1.0, &mut inputs);
        let features = network(&inputs, p.dimension, p.width, p.depth, rng);
        let mut head = vec![0.0; p.width];
        rng.fill_normal(1.0, &mut head);
        let truth = product(&features, p.width, &head);
        let scale = std_dev(&truth).max(f64::MIN_POSITIVE);
        head.iter_mut().for_each(|w| *w /= scale);
        let truth = product(&features, p.width, &head);
        Self { inputs, dimension: p.dimension, features, width: p.width, head, truth }
    }

    /// The true representation with noise of so many of each feature's standard deviations, a fixed value per input.
    pub(super) fn noisy(&self, noise: f64, rng: &mut Stream) -> Vec<f64> {
        let mut features = self.features.clone();
        for j in 0..self.width {
            let column: Vec<f64> = self.features.iter().skip(j).step_by(self.width).copied().collect();
            let scale = noise * std_dev(&column);
            features.iter_mut().skip(j).step_by(self.width).for_each(|v| *v += scale * rng.normal());
        }
        features
    }
}

/// Features of a random ReLU network: the linear outputs of hidden layers that are four times as wide, so that no feature is a combination of others.
fn network(inputs: &[f64], dimension: usize, width: usize, hidden: usize, rng: &mut Stream) -> Vec<f64> {
    let mut of = dimension;
    let mut values = inputs.to_vec();
    for layer in 0..=hidden {
        let n = values.len() / of;
        let width = if layer < hidden { 4 * width } else { width };
        let mut weights = vec![0.0; of * width];
        rng.fill_normal((2.0 / of as f64).sqrt(), &mut weights);
        let mut bias = vec![0.0; width];
        rng.fill_normal(0.3, &mut bias);
        let mut next = vec![0.0; n * width];
        matmul(Matrix::new(&values, n, of), Matrix::new(&weights, of, width), &mut next, false);
        for row in next.chunks_mut(width) {
            row.iter_mut().zip(&bias).for_each(|(v, b)| *v += b);
            if layer < hidden {
                row.iter_mut().for_each(|v| *v = v.max(0.0));
            }
        }
        (values, of) = (next, width);
    }
    values
}

/// One teacher per noise, and one on a shallower network.
pub(super) fn teachers(p: &Params, population: &Population, rng: &mut Stream) -> Result<Vec<Teacher>> {
    let own: Vec<usize> = rng.permutation(p.inputs).into_iter().take(p.labelled).collect();
    let teacher = |name: &'static str, noise: f64, features: &[f64]| -> Result<Teacher> {
        let rows: Vec<f64> = own.iter().flat_map(|i| &features[i * p.width..(i + 1) * p.width]).copied().collect();
        let labels: Vec<f64> = own.iter().map(|i| population.truth[*i]).collect();
        let head = least_squares(&rows, p.width, &labels, 0.0)?;
        Ok(Teacher { name, noise, values: product(features, p.width, &head) })
    };
    let mut teachers = Vec::new();
    for noise in &p.weak_noise {
        teachers.push(teacher("noise", *noise, &population.noisy(*noise, rng))?);
    }
    let shallow = network(&population.inputs, population.dimension, p.width, 1, rng);
    teachers.push(teacher("shallow", 0.0, &shallow)?);
    Ok(teachers)
}

/// Features times head.
pub(super) fn product(features: &[f64], width: usize, head: &[f64]) -> Vec<f64> {
    let n = features.len() / width;
    let mut out = vec![0.0; n];
    matmul(Matrix::new(features, n, width), Matrix::new(head, width, 1), &mut out, false);
    out
}

/// The head that minimises the mean squared error plus `ridge` times its squared norm. The second solve takes off what rounding left of the first.
pub(super) fn least_squares(features: &[f64], width: usize, labels: &[f64], ridge: f64) -> Result<Vec<f64>> {
    let n = labels.len();
    let mut gram = vec![0.0; width * width];
    let rows = Matrix::new(features, n, width);
    matmul(rows.t(), rows, &mut gram, false);
    (0..width).for_each(|i| gram[i * width + i] += ridge * n as f64);
    let factor = Cholesky::new(&gram, width).ok_or_else(|| Error::Numeric("features that determine no head".into()))?;
    let mut head = vec![0.0; width];
    for _ in 0..2 {
        let left: Vec<f64> = labels.iter().zip(product(features, width, &head)).map(|(y, f)| y - f).collect();
        let mut pull = vec![0.0; width];
        matmul(Matrix::new(&left, 1, n), rows, &mut pull, false);
        pull.iter_mut().zip(&head).for_each(|(g, w)| *g -= ridge * n as f64 * w);
        head.iter_mut().zip(factor.solve(&pull)).for_each(|(w, s)| *w += s);
    }
    Ok(head)
}

/// The head of norm at most `radius` with the least mean squared error: the ridge that gives this norm, by bisection.
pub(super) fn least_squares_in_ball(features: &[f64], width: usize, labels: &[f64], radius: f64) -> Result<Vec<f64>> {
    let free = least_squares(features, width, labels, 0.0)?;
    if norm(&free) <= radius {
        return Ok(free);
    }
    let of = |ridge: f64| least_squares(features, width, labels, ridge);
    inside(radius, of)
}

/// The head of this norm among those that `of` gives for multipliers, whose norm falls with the multiplier.
pub(super) fn inside(radius: f64, of: impl Fn(f64) -> Result<Vec<f64>>) -> Result<Vec<f64>> {
    let (mut low, mut high) = (0.0, 1.0);
    let mut head = of(high)?;
    while norm(&head) > radius {
        (low, high) = (high, 4.0 * high);
        head = of(high)?;
    }
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        let at = of(middle)?;
        if norm(&at) > radius {
            low = middle;
        } else {
            (high, head) = (middle, at);
        }
    }
    Ok(head)
}

/// E (f − g)².
pub(super) fn distance(f: &[f64], g: &[f64]) -> f64 {
    mean(&f.iter().zip(g).map(|(a, b)| (a - b) * (a - b)).collect::<Vec<_>>())
}
