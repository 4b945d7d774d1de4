//! "W2S-lin": Gaussian inputs, linear models of growing views, exact accuracies and agreements.
//!
//! An input is D independent standard normals, the truth the sign of β·x with `β_j²` falling as a power of j. A model of size k sees the first k
//! inputs, so that views are nested and larger ones have higher ceilings. What stands for pretraining: in a larger model's representation the
//! direction of the truth, as far as it sees it, is more salient (it is stretched), and, in regime B, all of its features are larger, so that it fits
//! whatever it is told faster. The teacher is the smallest model.
//!
//! Regime A: the teacher sees its inputs through noise of its own, so most of its errors cannot be predicted from any student's view; it had enough
//! true labels. Regime B: no noise, few true labels: all errors come from a linear function of what every student sees, and a student can become its
//! teacher. (What the teacher does not see is missing in both: a student that fits its labels to the end leaves it out too.)
//!
//! Every model is a Gaussian linear functional, so accuracies and agreements are `exact::sign_agreement`, without test inputs.

pub(super) mod figure;
mod regime;

pub(super) use regime::{Regime, Regimes};

use rewardlab::algorithm::{Family, LinearFit, LinearTraining, Source, WeakLoss, fit_linear, train_linear};
use rewardlab::error::{Error, Result};
use rewardlab::exact::{Agreement, sign_agreement};
use rewardlab::experiment::Context;
use rewardlab::num::{dot, norm, sigmoid};
use rewardlab::rng::Stream;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WorldParams {
    /// D; 4 to 1000.
    pub(super) inputs: usize,
    /// `β_j²` falls as j to minus this; at least 0.
    pub(super) decay: f64,
    /// Sizes of models; increasing, at least 3, from 2 to D. The teacher is the first, students are all.
    pub(super) sizes: Vec<usize>,
    /// Standard deviation of the noise on the teacher's inputs; at least 0.
    pub(super) private: f64,
    /// True labels of the teacher; 10 to 1e6.
    pub(super) labelled: usize,
    /// Inputs that it labels for students; 100 to 1e6.
    pub(super) relabelled: usize,
    /// The truth's direction is stretched by (size / smallest) to this power; at least 0.
    pub(super) salience: f64,
    /// All features are stretched by (size / smallest) to this power; at least 0.
    pub(super) scale: f64,
    /// Of students and ceilings: passes over their inputs; 1 to 1000.
    pub(super) epochs: usize,
    /// Items per step; 2 to 10 000.
    pub(super) batch: usize,
    /// Learning rate; positive.
    pub(super) rate: f64,
}

impl WorldParams {
    /// Errors most of which no student can predict.
    pub(super) fn regime_a() -> Self {
        Self { private: 1.0, labelled: 2_000, scale: 0.0, rate: 0.02, ..Self::regime_b() }
    }

    /// Errors that every student can represent. Sizes, and rates at which students neither stay where they began nor become their teacher, were chosen with
    /// a pilot on other seeds.
    pub(super) fn regime_b() -> Self {
        Self {
            inputs: 128,
            decay: 1.0,
            sizes: vec![8, 16, 32, 64, 128],
            private: 0.0,
            labelled: 60,
            relabelled: 4_000,
            salience: 0.5,
            scale: 0.5,
            epochs: 2,
            batch: 32,
            rate: 0.003,
        }
    }

    /// Regime B with representations that differ in nothing but size, and students that learn what they can.
    pub(super) fn plain() -> Self {
        Self { salience: 0.0, scale: 0.0, rate: 0.1, ..Self::regime_b() }
    }

    /// For the smoke profile: fewer sizes and data, and a rate at which students get as far.
    pub(super) fn small(self) -> Self {
        let sizes = vec![8, 32, 128];
        Self { sizes, relabelled: self.relabelled / 4, rate: 4.0 * self.rate, ..self }
    }

    pub(super) fn validate(&self) -> Result<()> {
        Error::check_counts(&[
            ("inputs", self.inputs, 4, 1_000),
            ("labelled", self.labelled, 10, 1_000_000),
            ("relabelled", self.relabelled, 100, 1_000_000),
            ("epochs", self.epochs, 1, 1_000),
            ("batch", self.batch, 2, 10_000),
        ])?;
        Error::check_positive(&[("rate", self.rate)])?;
        Error::check_not_negative(&[
            ("decay", self.decay),
            ("private", self.private),
            ("salience", self.salience),
            ("scale", self.scale),
        ])?;
        let sizes = &self.sizes;
        let legal = sizes.len() >= 3 && sizes.is_sorted_by(|a, b| a < b) && sizes[0] >= 2;
        if !legal || sizes[sizes.len() - 1] > self.inputs {
            return Err(Error::parameter("sizes", format!("{sizes:?}"), "increasing, three or more, from 2 to inputs"));
        }
        Ok(())
    }

    pub(super) fn largest(&self) -> usize {
        self.sizes[self.sizes.len() - 1]
    }
}

/// The direction of the truth: `β_j²` ∝ j^−decay, of length 1, with random signs.
pub(super) fn truth_direction(inputs: usize, decay: f64, rng: &mut Stream) -> Vec<f64> {
    let mut beta: Vec<f64> =
        (1..=inputs).map(|j| (j as f64).powf(-0.5 * decay) * if rng.uniform() < 0.5 { -1.0 } else { 1.0 }).collect();
    let length = norm(&beta);
    beta.iter_mut().for_each(|b| *b /= length);
    beta
}

/// A linear functional of an input and, for a teacher with noise of its own, of that noise.
#[derive(Clone, Debug)]
pub(super) struct Functional {
    /// D.
    pub(super) weights: Vec<f64>,
    /// Standard deviation of the private part.
    pub(super) private: f64,
}

impl Functional {
    fn length(&self) -> f64 {
        norm(&self.weights).hypot(self.private)
    }

    /// How often the signs of two agree; their private parts are independent.
    pub(super) fn agrees(&self, other: &Self) -> f64 {
        sign_agreement(dot(&self.weights, &other.weights) / (self.length() * other.length()))
    }

    pub(super) fn agreement(&self, teacher: &Self, truth: &Self) -> Agreement {
        Agreement::of_pairs(self.agrees(teacher), teacher.agrees(truth), self.agrees(truth))
    }
}

/// One drawn world: truth, teacher, and the inputs with the teacher's labels.
pub(super) struct World<'a> {
    pub(super) p: &'a WorldParams,
    pub(super) truth: Functional,
    pub(super) teacher: Functional,
    /// `relabelled` × D, row by row.
    pub(super) inputs: Vec<f64>,
    /// True classes of these inputs, 0 or 1.
    pub(super) true_labels: Vec<f64>,
    /// The teacher's P(class 1) of these inputs.
    pub(super) weak_labels: Vec<f64>,
    /// The order of everyone's data.
    order: Stream,
}

impl<'a> World<'a> {
    /// The world of this seed, the same in all cells.
    pub(super) fn draw(p: &'a WorldParams, ctx: &Context) -> Result<Self> {
        let beta = truth_direction(p.inputs, p.decay, &mut ctx.shared_stream("truth"));
        let class = |x: &[f64]| f64::from(u8::from(dot(x, &beta) > 0.0));
        let (seen, rng) = (p.sizes[0], &mut ctx.shared_stream("labelled"));
        let (mut features, mut labels) = (Vec::new(), Vec::new());
        let mut x = vec![0.0; p.inputs];
        for _ in 0..p.labelled {
            rng.fill_normal(1.0, &mut x);
            labels.push(class(&x));
            features.extend(x[..seen].iter().map(|v| v + p.private * rng.normal()));
        }
        let mut weights = fit_linear(&features, &labels, &LinearFit { precision: 1.0, tolerance: 1e-9 })?;
        let private = p.private * norm(&weights);
        weights.resize(p.inputs, 0.0);
        let rng = &mut ctx.shared_stream("relabelled");
        let mut inputs = vec![0.0; p.relabelled * p.inputs];
        rng.fill_normal(1.0, &mut inputs);
        let weak = |x: &[f64]| sigmoid(dot(x, &weights) + private * rng.normal());
        Ok(Self {
            weak_labels: inputs.chunks(p.inputs).map(weak).collect(),
            true_labels: inputs.chunks(p.inputs).map(class).collect(),
            inputs,
            p,
            truth: Functional { weights: beta, private: 0.0 },
            teacher: Functional { weights, private },
            order: ctx.shared_stream("order"),
        })
    }

    fn grown(&self, size: usize, power: f64) -> f64 {
        (size as f64 / self.p.sizes[0] as f64).powf(power)
    }

    /// What a model of this size does to the first of some inputs (or of weights on its features, the map being symmetric): v ← s (v + (γ − 1) b (b·v)), b the unit
    /// direction of the truth in its view.
    fn represent(&self, size: usize, v: &mut [f64]) {
        let b = &self.truth.weights[..size];
        let (scale, stretch) = (self.grown(size, self.p.scale), self.grown(size, self.p.salience));
        let along = (stretch - 1.0) * dot(b, v) / dot(b, b);
        v.iter_mut().zip(b).for_each(|(v, b)| *v = scale * (*v + along * b));
    }

    /// `relabelled` × size features of a model of this size.
    pub(super) fn features(&self, size: usize) -> Vec<f64> {
        let mut features = Vec::with_capacity(self.p.relabelled * size);
        for x in self.inputs.chunks(self.p.inputs) {
            let start = features.len();
            features.extend_from_slice(&x[..size]);
            self.represent(size, &mut features[start..]);
        }
        features
    }

    /// Weights on a model's features as a functional of inputs.
    pub(super) fn functional(&self, size: usize, weights: &[f64]) -> Functional {
        let mut on_inputs = weights.to_vec();
        self.represent(size, &mut on_inputs);
        on_inputs.resize(self.p.inputs, 0.0);
        Functional { weights: on_inputs, private: 0.0 }
    }

    /// Students' and ceilings' training: so many epochs.
    pub(super) fn training(&self) -> LinearTraining {
        let steps = (self.p.epochs * self.p.relabelled / self.p.batch).max(1) as u64;
        LinearTraining { steps, size: self.p.batch, rate: self.p.rate }
    }

    /// A model of this size that learns these labels of all inputs.
    pub(super) fn learn(&self, size: usize, features: &[f64], labels: &[f64], loss: &WeakLoss) -> Result<Functional> {
        let weights = train_linear(features, labels, loss, &self.training(), self.order.clone(), |_, _| ())?;
        Ok(self.functional(size, &weights))
    }

    /// Accuracy, exact.
    pub(super) fn accuracy(&self, model: &Functional) -> f64 {
        model.agrees(&self.truth)
    }
}

/// Levels are sizes, items are the world's relabelled inputs; students are naive.
impl Family for World<'_> {
    type Model = Functional;
    type Label = f64;

    fn truth(&self, items: &[usize]) -> Vec<f64> {
        items.iter().map(|i| self.true_labels[*i]).collect()
    }

    fn teach(&self, level: usize, items: &[usize], labels: &[f64], _: Source) -> Result<Functional> {
        let all = self.features(level);
        let features: Vec<f64> = items.iter().flat_map(|i| &all[i * level..(i + 1) * level]).copied().collect();
        self.learn(level, &features, labels, &WeakLoss::CrossEntropy)
    }

    fn label(&self, model: &mut Functional, items: &[usize]) -> Result<Vec<f64>> {
        let input = |i: &usize| &self.inputs[i * self.p.inputs..(i + 1) * self.p.inputs];
        Ok(items.iter().map(|i| sigmoid(dot(input(i), &model.weights))).collect())
    }
}
