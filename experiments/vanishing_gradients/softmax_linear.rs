//! The softmax-linear model of the separation theorem: θ ∈ R^{K×d}, logits θ x, orthonormal inputs x.

use rewardlab::algorithm::{Learner, Sgd};
use rewardlab::error::{Error, Result};
use rewardlab::exact::{Crossing, Flow, log_prob_gradient, policy_field, softmax, value_gradient};
use rewardlab::num::{dot, norm};
use rewardlab::objective::{expected_reward_objective, nll_loss};
use rewardlab::policy::{LogLinear, Policy};
use rewardlab::rng::Stream;

/// Label 0 is the right one.
pub(crate) const RIGHT: usize = 0;

/// What moves the parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// Reinforcement finetuning: ascent on the expected reward, +1 for the right label and −1 for the others.
    Rft,
    /// Supervised finetuning: ascent on log p(right label).
    Sft,
}

/// The model at its initial parameters.
#[derive(Debug)]
pub(crate) struct Model {
    inputs: Vec<Vec<f64>>,
    labels: usize,
    features: Vec<f64>,
    /// θ₀, K × d row-major.
    pub(crate) start: Vec<f64>,
    /// Reward of each label.
    pub(crate) rewards: Vec<f64>,
}

impl Model {
    /// A model with a random orthonormal frame of inputs, and the given initial label probabilities at each of them.
    ///
    /// # Shapes
    /// `initial`: one row per input, one probability per label.
    pub(crate) fn new(initial: &[Vec<f64>], frame: &mut Stream) -> Self {
        let (labels, dim) = (initial[0].len(), initial.len() + 1);
        let inputs = orthonormal(initial.len(), dim, frame);
        let mut features = vec![0.0; initial.len() * labels * labels * dim];
        let mut start = vec![0.0; labels * dim];
        for (i, (x, probs)) in inputs.iter().zip(initial).enumerate() {
            for (y, p) in probs.iter().enumerate() {
                features[((i * labels + y) * labels + y) * dim..][..dim].copy_from_slice(x);
                start[y * dim..][..dim].iter_mut().zip(x).for_each(|(t, x)| *t += p.ln() * x);
            }
        }
        let rewards = (0..labels).map(|y| if y == RIGHT { 1.0 } else { -1.0 }).collect();
        Self { inputs, labels, features, start, rewards }
    }

    fn policy(&self) -> LogLinear {
        LogLinear::new(self.labels, self.features.clone(), self.start.clone())
    }

    /// Probability of the right label of the first input.
    fn right(&self, theta: &[f64]) -> f64 {
        let logits: Vec<f64> = theta.chunks_exact(self.inputs[0].len()).map(|row| dot(row, &self.inputs[0])).collect();
        let mut probs = vec![0.0; self.labels];
        softmax(&logits, &mut probs);
        probs[RIGHT]
    }

    /// When the gradient flow of the mean over inputs takes the first input's right label to each probability.
    pub(crate) fn flow(&self, method: Method, levels: &[f64], flow: Flow) -> Result<Vec<Crossing>> {
        let contexts: Vec<usize> = (0..self.inputs.len()).collect();
        let field = policy_field(self.policy(), contexts, |_, probs, grad| match method {
            Method::Rft => {
                value_gradient(probs, &self.rewards, grad);
            }
            Method::Sft => log_prob_gradient(probs, RIGHT, grad),
        });
        let crossings = flow.crossings(field, |theta| self.right(theta), levels, &self.start)?;
        Error::check_shape("levels of p that the flow reached", levels.len(), crossings.len())?;
        Ok(crossings)
    }

    /// Steps × learning rate of plain gradient descent until p = 1/2; the last step counts in part, linear in p.
    ///
    /// Independent of [`Model::flow`]: the learner and the objectives here, hand-written logit gradients there.
    pub(crate) fn descent(&self, method: Method, learning_rate: f64) -> Result<f64> {
        let contexts: Vec<usize> = (0..self.inputs.len()).collect();
        let mut learner = Learner::new(self.policy(), Sgd { learning_rate });
        let (mut steps, mut before) = (0.0, self.right(&self.start));
        loop {
            learner.step(&contexts, |_, log_probs, weights| match method {
                Method::Rft => expected_reward_objective(log_probs, &self.rewards, 1.0, weights),
                Method::Sft => -nll_loss(log_probs, RIGHT, -1.0, weights),
            })?;
            let after = self.right(learner.policy.params());
            if after >= 0.5 {
                return Ok(learning_rate * (steps + (0.5 - before) / (after - before)));
            }
            (steps, before) = (steps + 1.0, after);
        }
    }
}

/// Gram–Schmidt on normal vectors.
fn orthonormal(count: usize, dim: usize, stream: &mut Stream) -> Vec<Vec<f64>> {
    let mut frame: Vec<Vec<f64>> = Vec::with_capacity(count);
    for _ in 0..count {
        let mut x = vec![0.0; dim];
        stream.fill_normal(1.0, &mut x);
        // twice, because once leaves the rounding of a nearly dependent draw
        for earlier in frame.iter().chain(&frame) {
            let overlap = dot(&x, earlier);
            x.iter_mut().zip(earlier).for_each(|(x, e)| *x -= overlap * e);
        }
        let length = norm(&x);
        for v in &mut x {
            *v /= length;
        }
        frame.push(x);
    }
    frame
}

/// Initial probabilities: `p0` for the right label, the rest by a softmax of normal logits of deviation `spread`.
pub(crate) fn initial_probs(labels: usize, p0: f64, spread: f64, wrong: &mut Stream) -> Vec<f64> {
    let mut logits = vec![0.0; labels - 1];
    wrong.fill_normal(spread, &mut logits);
    let mut probs = logits.clone();
    softmax(&logits, &mut probs);
    std::iter::once(p0).chain(probs.iter().map(|q| (1.0 - p0) * q)).collect()
}

/// The limit of t σ² for RFT as p₀ → 0. There p is negligible while it grows by any factor; SFT moves the wrong labels
/// by d log q = −q dt and p by d log p = (1 + Σq²) dt; RFT goes the same way 2p times as fast:
/// t σ² → 4p₀ ∫ dt / (2p) = 2 ∫ (p₀/p) dt.
pub(crate) fn rft_limit(wrong: &[f64], tolerance: f64) -> Result<f64> {
    let n = wrong.len();
    let mut start: Vec<f64> = wrong.iter().map(|p| p.ln()).collect();
    start.extend([0.0, 0.0]); // log(p/p₀), and the integral
    let mut q = vec![0.0; n];
    let field = |state: &[f64], rate: &mut [f64]| {
        softmax(&state[..n], &mut q);
        rate.iter_mut().zip(&q).for_each(|(r, q)| *r = -q);
        rate[n] = 1.0 + dot(&q, &q);
        rate[n + 1] = 2.0 * (-state[n]).exp();
    };
    // after 40 units p has grown by e⁴⁰ at least: the rest of the integral is below rounding
    Ok(Flow::new(tolerance, 40.0)?.end(field, &start)?[n + 1])
}
