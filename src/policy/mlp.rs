//! A multilayer perceptron over fixed input vectors, one per context; without hidden layers, softmax regression.

use super::jacobian::{Jacobian, Network};
use super::{Policy, consecutive};
use crate::num::{Matrix, dot, matmul, tanh_in_place};
use crate::rng::Stream;
use std::ops::Range;
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
    batch: Batch,
    deltas: [Vec<f64>; 2],
    /// ‖x‖² of every context's input, once a Jacobian norm has been asked for.
    input_squares: Vec<f64>,
    jacobian: Jacobian,
}

/// What the last forward saw.
#[derive(Clone, Debug, Default)]
struct Batch {
    len: usize,
    /// Whether the parameters are still those of the forward pass.
    current: bool,
    /// First context of a batch of consecutive ones: their inputs are read where they lie.
    first: Option<usize>,
    /// `acts[0]` is the gathered input batch (unless consecutive), `acts[l]` the output of layer l, activated but for
    /// the last.
    acts: Vec<Vec<f64>>,
}

impl Batch {
    /// The input rows of layer `l`.
    fn input<'a>(&'a self, l: usize, inputs: &'a [f64], width: usize) -> &'a [f64] {
        match self.first {
            Some(first) if l == 0 => &inputs[first * width..][..self.len * width],
            _ => &self.acts[l],
        }
    }
}

impl Mlp {
    /// A network with layer `sizes` (input, hidden…, vocabulary) over `inputs` (`contexts × sizes[0]`).
    pub fn new(inputs: Arc<[f64]>, sizes: &[usize], activation: Activation, init: Init, rng: &mut Stream) -> Self {
        assert!(sizes.len() >= 2 && inputs.len().is_multiple_of(sizes[0]), "inputs must be whole rows of {}", sizes[0]);
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
            batch: Batch { acts: vec![Vec::new(); sizes.len()], ..Batch::default() },
            deltas: [Vec::new(), Vec::new()],
            input_squares: Vec::new(),
            jacobian: Jacobian::default(),
        }
    }

    /// The same network over other inputs (a test set): parameters copied.
    #[must_use]
    pub fn with_inputs(&self, inputs: Arc<[f64]>) -> Self {
        assert!(inputs.len().is_multiple_of(self.sizes[0]), "inputs must be whole rows of {}", self.sizes[0]);
        let mut other = Self { inputs, input_squares: Vec::new(), ..self.clone() };
        other.batch.current = false;
        other
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

    /// Gathers the inputs and runs all layers; the logits are left in `batch`.
    fn run(&mut self, contexts: &[usize]) {
        self.batch.first = consecutive(contexts);
        self.batch.acts[0].clear();
        if self.batch.first.is_none() {
            let width = self.sizes[0];
            contexts.iter().for_each(|&c| self.batch.acts[0].extend_from_slice(&self.inputs[c * width..][..width]));
        }
        self.run_layers(contexts.len());
    }

    fn run_layers(&mut self, n: usize) {
        (self.batch.len, self.batch.current) = (n, true);
        for l in 0..self.layers() {
            let (fan_in, fan_out) = (self.sizes[l], self.sizes[l + 1]);
            let (weights, biases) = self.params[self.layer(l)].split_at(fan_in * fan_out);
            let mut out = std::mem::take(&mut self.batch.acts[l + 1]);
            out.resize(n * fan_out, 0.0);
            out.chunks_exact_mut(fan_out).for_each(|row| row.copy_from_slice(biases));
            let input = Matrix::new(self.batch.input(l, &self.inputs, fan_in), n, fan_in);
            matmul(input, Matrix::new(weights, fan_out, fan_in).t(), &mut out, true);
            if l + 1 < self.layers() {
                match self.activation {
                    Activation::Relu => out.iter_mut().for_each(|v| *v = v.max(0.0)),
                    Activation::Tanh => tanh_in_place(&mut out),
                }
            }
            self.batch.acts[l + 1] = out;
        }
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
        self.batch.current = false;
        &mut self.params
    }

    fn forward(&mut self, contexts: &[usize], logits: &mut [f64]) {
        self.run(contexts);
        logits.copy_from_slice(&self.batch.acts[self.layers()]);
    }

    fn backward(&mut self, logit_weights: &[f64], grad: &mut [f64]) {
        let n = self.batch.len;
        let [mut delta, mut next] = std::mem::take(&mut self.deltas);
        delta.clear();
        delta.extend_from_slice(logit_weights);
        for l in (0..self.layers()).rev() {
            let (fan_in, fan_out) = (self.sizes[l], self.sizes[l + 1]);
            let layer = self.layer(l);
            let (weight_grad, bias_grad) = grad[layer.clone()].split_at_mut(fan_in * fan_out);
            let d = Matrix::new(&delta, n, fan_out);
            let input = self.batch.input(l, &self.inputs, fan_in);
            matmul(d.t(), Matrix::new(input, n, fan_in), weight_grad, true);
            for row in delta.chunks_exact(fan_out) {
                bias_grad.iter_mut().zip(row).for_each(|(g, d)| *g += d);
            }
            if l > 0 {
                next.resize(n * fan_in, 0.0);
                let weights = &self.params[layer][..fan_in * fan_out];
                matmul(d, Matrix::new(weights, fan_out, fan_in), &mut next, false);
                Self::gate(self.activation, input, &mut next);
                std::mem::swap(&mut delta, &mut next);
            }
        }
        self.deltas = [delta, next];
    }

    fn jacobian_norm(&mut self, context: usize) -> f64 {
        self.largest_jacobian_norm(context..context + 1)
    }

    fn largest_jacobian_norm(&mut self, contexts: Range<usize>) -> f64 {
        if contexts.is_empty() {
            return 0.0;
        }
        // the exact engine asks right after its forward pass over the same contexts
        if !(self.batch.current && self.batch.first == Some(contexts.start) && self.batch.len == contexts.len()) {
            self.batch.first = Some(contexts.start);
            self.run_layers(contexts.len());
        }
        if self.input_squares.is_empty() {
            self.input_squares = self.inputs.chunks_exact(self.sizes[0]).map(|x| dot(x, x)).collect();
        }
        self.jacobian.largest_norm(&Network {
            sizes: &self.sizes,
            activation: self.activation,
            params: &self.params,
            acts: &self.batch.acts,
            input_squares: &self.input_squares[contexts],
        })
    }
}
