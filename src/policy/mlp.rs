//! A multilayer perceptron over fixed input vectors, one per context; without hidden layers, softmax regression.

use super::{Policy, linalg::largest_eigenvalue};
use crate::num::{Matrix, dot, matmul};
use crate::rng::Stream;
use std::sync::Arc;

/// The hidden units' non-linearity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// max(0, x).
    Relu,
    /// tanh x: smooth, for tests against finite differences.
    Tanh,
}

/// How weights start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// PyTorch's default for `nn.Linear`: weights and biases uniform in ±1/√fan-in.
    Torch,
    /// Weights and biases normal with this standard deviation.
    Normal(f64),
    /// All zero (only sensible without hidden layers).
    Zero,
}

/// A fully connected network with biases; weights of a layer are `out × in`, row-major, then its biases.
#[derive(Clone, Debug)]
pub struct Mlp {
    inputs: Arc<[f64]>,
    sizes: Vec<usize>,
    activation: Activation,
    params: Vec<f64>,
    /// `acts[0]` is the gathered input batch, `acts[l]` the output of layer l (activated but for the last).
    acts: Vec<Vec<f64>>,
    deltas: [Vec<f64>; 2],
    batch: usize,
}

impl Mlp {
    /// A network with layer `sizes` (input, hidden…, vocabulary) over `inputs` (`contexts × sizes[0]`).
    pub fn new(inputs: Arc<[f64]>, sizes: &[usize], activation: Activation, init: Init, rng: &mut Stream) -> Self {
        assert!(sizes.len() >= 2 && inputs.len() % sizes[0] == 0, "inputs must be whole rows of {}", sizes[0]);
        let mut params = Vec::with_capacity(sizes.windows(2).map(|w| w[1] * (w[0] + 1)).sum());
        for w in sizes.windows(2) {
            let bound = 1.0 / (w[0] as f64).sqrt();
            params.extend((0..w[1] * (w[0] + 1)).map(|_| match init {
                Init::Torch => bound * (2.0 * rng.uniform() - 1.0),
                Init::Normal(scale) => scale * rng.normal(),
                Init::Zero => 0.0,
            }));
        }
        Self {
            inputs,
            sizes: sizes.to_vec(),
            activation,
            params,
            acts: vec![Vec::new(); sizes.len()],
            deltas: [Vec::new(), Vec::new()],
            batch: 0,
        }
    }

    /// The same network over other inputs (a test set): parameters copied.
    pub fn with_inputs(&self, inputs: Arc<[f64]>) -> Self {
        assert!(inputs.len() % self.sizes[0] == 0, "inputs must be whole rows of {}", self.sizes[0]);
        Self { inputs, ..self.clone() }
    }

    /// Range of layer `l`'s parameters, weights before biases.
    fn layer(&self, l: usize) -> std::ops::Range<usize> {
        let size = |w: &[usize]| w[1] * (w[0] + 1);
        let start = self.sizes.windows(2).take(l).map(size).sum::<usize>();
        start..start + size(&self.sizes[l..l + 2])
    }

    fn layers(&self) -> usize {
        self.sizes.len() - 1
    }

    /// Multiplies `delta` by the activation's derivative, read off the activated values.
    fn gate(activation: Activation, acts: &[f64], delta: &mut [f64]) {
        match activation {
            Activation::Relu => delta.iter_mut().zip(acts).for_each(|(d, &a)| *d = if a > 0.0 { *d } else { 0.0 }),
            Activation::Tanh => delta.iter_mut().zip(acts).for_each(|(d, a)| *d *= 1.0 - a * a),
        }
    }
}

impl Policy for Mlp {
    fn contexts(&self) -> usize {
        self.inputs.len() / self.sizes[0]
    }
    fn vocab(&self) -> usize {
        self.sizes[self.layers()]
    }
    fn params(&self) -> &[f64] {
        &self.params
    }
    fn params_mut(&mut self) -> &mut [f64] {
        &mut self.params
    }

    fn forward(&mut self, contexts: &[usize], logits: &mut [f64]) {
        let (n, width) = (contexts.len(), self.sizes[0]);
        self.batch = n;
        self.acts[0].clear();
        for &c in contexts {
            self.acts[0].extend_from_slice(&self.inputs[c * width..][..width]);
        }
        for l in 0..self.layers() {
            let (fan_in, fan_out) = (self.sizes[l], self.sizes[l + 1]);
            let layer = self.layer(l);
            let (weights, biases) = self.params[layer].split_at(fan_in * fan_out);
            let (before, after) = self.acts.split_at_mut(l + 1);
            let out = &mut after[0];
            out.resize(n * fan_out, 0.0);
            out.chunks_exact_mut(fan_out).for_each(|row| row.copy_from_slice(biases));
            matmul(Matrix::new(&before[l], n, fan_in), Matrix::new(weights, fan_out, fan_in).t(), out, true);
            if l + 1 < self.sizes.len() - 1 {
                match self.activation {
                    Activation::Relu => out.iter_mut().for_each(|v| *v = v.max(0.0)),
                    Activation::Tanh => out.iter_mut().for_each(|v| *v = v.tanh()),
                }
            }
        }
        logits.copy_from_slice(&self.acts[self.layers()]);
    }

    fn backward(&mut self, logit_weights: &[f64], grad: &mut [f64]) {
        let n = self.batch;
        let [mut delta, mut next] = std::mem::take(&mut self.deltas);
        delta.clear();
        delta.extend_from_slice(logit_weights);
        for l in (0..self.layers()).rev() {
            let (fan_in, fan_out) = (self.sizes[l], self.sizes[l + 1]);
            let layer = self.layer(l);
            let (weight_grad, bias_grad) = grad[layer.clone()].split_at_mut(fan_in * fan_out);
            let d = Matrix::new(&delta, n, fan_out);
            matmul(d.t(), Matrix::new(&self.acts[l], n, fan_in), weight_grad, true);
            for row in delta.chunks_exact(fan_out) {
                bias_grad.iter_mut().zip(row).for_each(|(g, d)| *g += d);
            }
            if l > 0 {
                next.resize(n * fan_in, 0.0);
                let weights = &self.params[layer][..fan_in * fan_out];
                matmul(d, Matrix::new(weights, fan_out, fan_in), &mut next, false);
                Self::gate(self.activation, &self.acts[l], &mut next);
                std::mem::swap(&mut delta, &mut next);
            }
        }
        self.deltas = [delta, next];
    }

    /// Σ over layers of (‖input‖² + 1) · DDᵀ is the Jacobian's Gram matrix, D = ∂ logits / ∂ pre-activations.
    fn jacobian_norm(&mut self, context: usize) -> f64 {
        let v = self.vocab();
        let mut logits = vec![0.0; v];
        self.forward(&[context], &mut logits);
        let mut gram = vec![0.0; v * v];
        let mut d: Vec<f64> = (0..v * v).map(|i| f64::from(i / v == i % v)).collect(); // v × fan_out
        for l in (0..self.layers()).rev() {
            let (fan_in, fan_out) = (self.sizes[l], self.sizes[l + 1]);
            let reach = dot(&self.acts[l], &self.acts[l]) + 1.0;
            for i in 0..v {
                for j in 0..v {
                    gram[i * v + j] += reach * dot(&d[i * fan_out..][..fan_out], &d[j * fan_out..][..fan_out]);
                }
            }
            if l > 0 {
                let mut below = vec![0.0; v * fan_in];
                let weights = &self.params[self.layer(l)][..fan_in * fan_out];
                matmul(Matrix::new(&d, v, fan_out), Matrix::new(weights, fan_out, fan_in), &mut below, false);
                below.chunks_exact_mut(fan_in).for_each(|row| Self::gate(self.activation, &self.acts[l], row));
                d = below;
            }
        }
        largest_eigenvalue(&mut gram, v).sqrt()
    }
}
