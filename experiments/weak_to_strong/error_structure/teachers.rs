//! Inputs, the student's random layer, and six ways to be wrong.

use super::{Cell, Params};
use crate::weak_to_strong::linear_world::truth_direction;
use rewardlab::algorithm::{LinearFit, fit_linear};
use rewardlab::error::Result;
use rewardlab::num::{Matrix, dot, matmul};
use rewardlab::rng::Stream;
use rewardlab::stats::quantile;

/// Inputs with their true classes; the last of each is its length.
pub(super) struct Data {
    inputs: Vec<f64>,
    dimension: usize,
    pub(super) classes: Vec<bool>,
}

impl Data {
    fn draw(n: usize, beta: &[f64], length: f64, rng: &mut Stream) -> Self {
        let dimension = beta.len() + 1;
        let mut inputs = vec![0.0; n * dimension];
        rng.fill_normal(1.0, &mut inputs);
        inputs.chunks_mut(dimension).for_each(|x| x[dimension - 1] *= length);
        let classes = inputs.chunks(dimension).map(|x| dot(&x[..beta.len()], beta) > 0.0).collect();
        Self { inputs, dimension, classes }
    }

    fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.inputs.chunks(self.dimension)
    }

    fn lengths(&self) -> Vec<f64> {
        self.rows().map(|x| x[self.dimension - 1]).collect()
    }
}

/// A teacher's classes.
pub(super) struct Labels {
    pub(super) train: Vec<bool>,
    pub(super) test: Vec<bool>,
}

pub(super) struct Setting {
    pub(super) train: Data,
    pub(super) test: Data,
    real: Labels,
    /// Error rate of the real weak model on the training inputs.
    rate: f64,
}

impl Setting {
    pub(super) fn draw(p: &Params, rng: &mut Stream) -> Result<Self> {
        let beta = truth_direction(p.inputs, p.decay, rng);
        let own = Data::draw(p.train, &beta, p.length, rng);
        let (train, test) = (Data::draw(p.train, &beta, p.length, rng), Data::draw(p.test, &beta, p.length, rng));
        let seen: Vec<f64> = own.rows().flat_map(|x| &x[..p.seen]).copied().collect();
        let classes: Vec<f64> = own.classes.iter().map(|y| f64::from(u8::from(*y))).collect();
        let weights = fit_linear(&seen, &classes, &LinearFit { precision: 1.0, tolerance: 1e-9 })?;
        let says = |data: &Data| data.rows().map(|x| dot(&x[..p.seen], &weights) > 0.0).collect::<Vec<bool>>();
        let real = Labels { train: says(&train), test: says(&test) };
        let wrong = real.train.iter().zip(&train.classes).filter(|(a, b)| a != b).count();
        Ok(Self { rate: wrong as f64 / train.classes.len() as f64, train, test, real })
    }

    /// Labels of a teacher that errs on the highest of a score; the threshold is that of the training inputs.
    fn on_highest(&self, train: &[f64], test: &[f64]) -> Labels {
        let threshold = quantile(train, 1.0 - self.rate);
        let flip = |scores: &[f64], classes: &[bool]| {
            scores.iter().zip(classes).map(|(s, y)| y ^ (*s > threshold)).collect::<Vec<bool>>()
        };
        Labels { train: flip(train, &self.train.classes), test: flip(test, &self.test.classes) }
    }

    /// `sure_train`, `sure_test`: the ceiling's log-odds.
    pub(super) fn labels(&self, cell: Cell, sure_train: &[f64], sure_test: &[f64], rng: &mut Stream) -> Labels {
        let map = |of: &dyn Fn(&[f64]) -> Vec<f64>, a: &[f64], b: &[f64]| self.on_highest(&of(a), &of(b));
        let lengths = (self.train.lengths(), self.test.lengths());
        let margin =
            |s: &[f64], y: &[bool]| -> Vec<f64> { s.iter().zip(y).map(|(s, y)| if *y { *s } else { -s }).collect() };
        match cell {
            Cell::Real => Labels { train: self.real.train.clone(), test: self.real.test.clone() },
            Cell::Random => {
                let mut coins = |n: usize| (0..n).map(|_| rng.uniform()).collect::<Vec<f64>>();
                let (train, test) = (coins(lengths.0.len()), coins(lengths.1.len()));
                self.on_highest(&train, &test)
            }
            Cell::Longest => self.on_highest(&lengths.0, &lengths.1),
            Cell::Shortest => map(&|l| l.iter().map(|v| -v).collect(), &lengths.0, &lengths.1),
            Cell::Unsure => map(&|s| s.iter().map(|v| -v.abs()).collect(), sure_train, sure_test),
            Cell::Sure => {
                let margins = (margin(sure_train, &self.train.classes), margin(sure_test, &self.test.classes));
                self.on_highest(&margins.0, &margins.1)
            }
        }
    }
}

/// The student's body: inputs, then random ReLU features.
pub(super) struct Layer {
    /// dimension × hidden.
    weights: Vec<f64>,
    bias: Vec<f64>,
    dimension: usize,
}

impl Layer {
    pub(super) fn draw(p: &Params, rng: &mut Stream) -> Self {
        let dimension = p.inputs + 1;
        let (mut weights, mut bias) = (vec![0.0; dimension * p.hidden], vec![0.0; p.hidden]);
        rng.fill_normal((dimension as f64).sqrt().recip(), &mut weights);
        rng.fill_normal(1.0, &mut bias);
        Self { weights, bias, dimension }
    }

    /// n × (1 + dimension + hidden), a one before them; the hidden features are scaled to be as large together as the inputs.
    pub(super) fn features(&self, data: &Data) -> Vec<f64> {
        let (n, hidden) = (data.classes.len(), self.bias.len());
        let mut projected = vec![0.0; n * hidden];
        let inputs = Matrix::new(&data.inputs, n, self.dimension);
        matmul(inputs, Matrix::new(&self.weights, self.dimension, hidden), &mut projected, false);
        let scale = (self.dimension as f64 / hidden as f64).sqrt();
        let mut features = Vec::with_capacity(n * self.width());
        for (x, z) in data.rows().zip(projected.chunks(hidden)) {
            features.push(1.0);
            features.extend_from_slice(x);
            features.extend(z.iter().zip(&self.bias).map(|(z, b)| scale * (z + b).max(0.0)));
        }
        features
    }

    fn width(&self) -> usize {
        1 + self.dimension + self.bias.len()
    }

    pub(super) fn log_odds(&self, features: &[f64], head: &[f64]) -> Vec<f64> {
        features.chunks(self.width()).map(|row| dot(row, head)).collect()
    }
}
