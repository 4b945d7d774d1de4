//! Random policies of three families, random rewards of four kinds, the shapes that they are drawn on: what
//! `theorem1` and `ppo_bound` share.

use rewardlab::env::{Tree, World};
use rewardlab::error::{Error, Result};
use rewardlab::exact::{Engine, PromptStats};
use rewardlab::policy::{Activation, Init, LogLinear, Mlp, Policy, Tabular};
use rewardlab::rng::Stream;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How worlds and policies are drawn.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DrawParams {
    /// Largest number of tokens V; worlds have every V from 2 to this. 2 to 8.
    pub(crate) vocab_max: usize,
    /// Largest output length L; worlds have every L from 1 to this. 1 to 6.
    pub(crate) length_max: usize,
    /// Random features per (context, token) of the log-linear family; at least 1.
    pub(crate) features: usize,
    /// Hidden tanh units of the MLP; at least 1.
    pub(crate) hidden: usize,
    /// Smallest standard deviation of a policy's parameters (drawn log-uniformly per policy): near-uniform policies.
    pub(crate) scale_min: f64,
    /// Largest standard deviation of a policy's parameters: near-deterministic policies.
    pub(crate) scale_max: f64,
    /// Smallest factor of rescaled rewards (drawn log-uniformly up to 1); in (0, 1].
    pub(crate) epsilon_min: f64,
}

impl DrawParams {
    /// V up to 5, L up to 4, policies from uniform to deterministic, rewards over eight decades.
    pub(crate) fn standard() -> Self {
        Self {
            vocab_max: 5,
            length_max: 4,
            features: 4,
            hidden: 6,
            scale_min: 0.03,
            scale_max: 30.0,
            epsilon_min: 1e-8,
        }
    }

    /// Checks every field's range.
    pub(crate) fn validate(&self) -> Result<()> {
        let within = |name: &str, value: usize, low: usize, high: usize| {
            let legal = format!("a whole number from {low} to {high}");
            if (low..=high).contains(&value) { Ok(()) } else { Err(Error::parameter(name, value, legal)) }
        };
        within("vocab_max", self.vocab_max, 2, 8)?;
        within("length_max", self.length_max, 1, 6)?;
        within("features", self.features, 1, 64)?;
        within("hidden", self.hidden, 1, 64)?;
        if !(self.scale_min > 0.0 && self.scale_min <= self.scale_max) {
            return Err(Error::parameter("scale_min", self.scale_min, "positive and at most scale_max"));
        }
        if self.scale_max.is_nan() || self.scale_max > 100.0 {
            return Err(Error::parameter("scale_max", self.scale_max, "at most 100"));
        }
        if !(self.epsilon_min > 0.0 && self.epsilon_min <= 1.0) {
            return Err(Error::parameter("epsilon_min", self.epsilon_min, "in (0, 1]"));
        }
        Ok(())
    }

    /// Every shape, one prompt each.
    pub(crate) fn trees(&self) -> Vec<Tree> {
        let of_vocab = |vocab| (1..=self.length_max).map(move |length| Tree { prompts: 1, vocab, length });
        (2..=self.vocab_max).flat_map(of_vocab).collect()
    }

    /// A log-uniform standard deviation of parameters.
    pub(crate) fn scale(&self, rng: &mut Stream) -> f64 {
        log_uniform(rng, self.scale_min, self.scale_max)
    }
}

/// Log-uniform in [low, high).
pub(crate) fn log_uniform(rng: &mut Stream, low: f64, high: f64) -> f64 {
    low * (high / low).powf(rng.uniform())
}

/// `points` values from `low` to `high`, evenly spaced in the logarithm.
pub(crate) fn log_spaced(low: f64, high: f64, points: usize) -> impl Iterator<Item = f64> {
    let step = (high / low).ln() / (points.max(2) - 1) as f64;
    (0..points).map(move |i| low * (step * i as f64).exp())
}

/// A family of policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Family {
    /// One logit per (context, token): γ = 1, nothing shared.
    Tabular,
    /// Logits linear in parameters that all contexts share; γ does not depend on the parameters.
    LogLinear,
    /// A small tanh network over one-hot prefixes; γ depends on the parameters.
    Mlp,
}

impl Family {
    /// All three.
    pub(crate) const ALL: [Self; 3] = [Self::Tabular, Self::LogLinear, Self::Mlp];

    /// As it is written in cells and legends.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tabular => "tabular",
            Self::LogLinear => "log-linear",
            Self::Mlp => "mlp",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A kind of random reward, always within [−1, 1].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reward {
    /// Independent, uniform in [−1, 1].
    Random,
    /// The same, times a log-uniform ε.
    Rescaled,
    /// +1 for one uniformly drawn output, −1 for all others.
    RareSuccess,
    /// −1 for one uniformly drawn output, +1 for all others.
    RareFailure,
}

impl Reward {
    /// As it is written in cells and legends.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Rescaled => "rescaled",
            Self::RareSuccess => "rare success",
            Self::RareFailure => "rare failure",
        }
    }

    /// Fills `out` with a reward per output.
    pub(crate) fn draw(self, params: &DrawParams, rng: &mut Stream, out: &mut [f64]) {
        let one_in_many = |common: f64, rng: &mut Stream, out: &mut [f64]| {
            out.fill(common);
            out[rng.below(out.len())] = -common;
        };
        match self {
            Self::Random | Self::Rescaled => {
                let epsilon = if self == Self::Random { 1.0 } else { log_uniform(rng, params.epsilon_min, 1.0) };
                for r in out {
                    *r = epsilon * (2.0 * rng.uniform() - 1.0);
                }
            }
            Self::RareSuccess => one_in_many(-1.0, rng, out),
            Self::RareFailure => one_in_many(1.0, rng, out),
        }
    }
}

impl fmt::Display for Reward {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A policy of some family on one tree, with what it takes to draw another.
pub(crate) struct Model {
    /// The policy.
    pub(crate) policy: Box<dyn Policy>,
    /// Its family.
    pub(crate) family: Family,
    tree: Tree,
    /// Log-linear only: `contexts × vocab × (features + 1)`; the last feature marks token 0.
    features: Vec<f64>,
    /// γ where it does not depend on the parameters, once it is known.
    constant_norm: Option<f64>,
}

impl Model {
    /// All parameters zero; the log-linear family's features are standard normal, the last one 1 for token 0 only.
    pub(crate) fn new(family: Family, tree: Tree, params: &DrawParams, rng: &mut Stream) -> Self {
        let (mut features, vocab) = (Vec::new(), tree.vocab);
        let policy: Box<dyn Policy> = match family {
            Family::Tabular => Box::new(Tabular::uniform(tree.contexts(), vocab)),
            Family::LogLinear => {
                for row in 0..tree.contexts() * vocab {
                    features.extend((0..params.features).map(|_| rng.normal()));
                    features.push(f64::from(row % vocab == 0));
                }
                Box::new(LogLinear::new(vocab, features.clone(), vec![0.0; params.features + 1]))
            }
            Family::Mlp => {
                let inputs = one_hot_prefixes(tree);
                let sizes = [inputs.len() / tree.contexts(), params.hidden, vocab];
                Box::new(Mlp::new(inputs.into(), &sizes, Activation::Tanh, Init::Zero, rng))
            }
        };
        let constant_norm = (family == Family::Tabular).then_some(1.0);
        Self { policy, family, tree, features, constant_norm }
    }

    /// Draws all parameters, normal with standard deviation `scale`.
    pub(crate) fn redraw(&mut self, scale: f64, rng: &mut Stream) {
        rng.fill_normal(scale, self.policy.params_mut());
    }

    /// Adds to the logit of token 0 in every context.
    pub(crate) fn shift_first_token(&mut self, by: f64) {
        let vocab = self.tree.vocab;
        let params = self.policy.params_mut();
        let n = params.len();
        match self.family {
            Family::Tabular => params.iter_mut().step_by(vocab).for_each(|p| *p += by),
            Family::LogLinear => params[n - 1] += by,
            // the biases of the last layer come last
            Family::Mlp => params[n - vocab] += by,
        }
    }

    /// γ: the largest spectral norm of the logits' Jacobian over all contexts.
    pub(crate) fn jacobian_norm(&mut self) -> f64 {
        if let Some(known) = self.constant_norm {
            return known;
        }
        let norm = self.policy.largest_jacobian_norm(0..self.tree.contexts());
        if self.family == Family::LogLinear {
            self.constant_norm = Some(norm);
        }
        norm
    }

    /// The features of the log-linear family; empty for the others.
    pub(crate) fn features(&self) -> &[f64] {
        &self.features
    }

    /// Replaces the features (log-linear only; the others have none and keep theirs). Parameters stay.
    pub(crate) fn set_features(&mut self, features: &[f64]) {
        if self.family == Family::LogLinear {
            self.features.copy_from_slice(features);
            let params = self.policy.params().to_vec();
            self.policy = Box::new(LogLinear::new(self.tree.vocab, self.features.clone(), params));
            self.constant_norm = None;
        }
    }
}

/// Rounding of a gradient component per unit of γ · L · max|r|: a component is a sum of terms whose Q − V carries the
/// rounding of V. Gradients are compared with a bound plus this much.
pub(crate) const ROUNDING: f64 = 1e-14;

/// Parameters of this standard deviation give policies that are neither uniform nor close to deterministic.
pub(crate) const MODERATE: f64 = 0.5;

/// One shape with a policy and rewards on it, and the buffers for its exact gradient.
pub(crate) struct Bench {
    /// The shape.
    pub(crate) tree: Tree,
    /// The policy.
    pub(crate) model: Model,
    /// Reward of every output.
    pub(crate) rewards: Vec<f64>,
    /// The engine; what it says is of the policy that was observed last.
    pub(crate) engine: Engine,
    /// ∇V of the policy that was observed last.
    pub(crate) grad: Vec<f64>,
    world: World,
}

impl Bench {
    /// A policy with all parameters zero, all rewards zero.
    pub(crate) fn new(family: Family, tree: Tree, params: &DrawParams, rng: &mut Stream) -> Result<Self> {
        let model = Model::new(family, tree, params, rng);
        let rewards = vec![0.0; tree.outputs()];
        let world = World::new(tree, rewards.clone())?;
        let grad = vec![0.0; model.policy.params().len()];
        Ok(Self { tree, model, rewards, engine: Engine::new(tree), grad, world })
    }

    /// Value, reward std and entropy of the policy as it stands, for the rewards as they stand.
    pub(crate) fn stats(&mut self) -> Result<PromptStats> {
        self.world.set_rewards(0, &self.rewards)?;
        Ok(self.engine.stats(&mut *self.model.policy, &self.world, 0))
    }

    /// The same, and the exact gradient.
    pub(crate) fn policy_gradient(&mut self) -> Result<PromptStats> {
        self.world.set_rewards(0, &self.rewards)?;
        self.grad.fill(0.0);
        Ok(self.engine.policy_gradient(&mut *self.model.policy, &self.world, 0, 1.0, &mut self.grad))
    }

    /// A(s, a) under the policy that was observed last, for the rewards that it was observed with.
    pub(crate) fn advantages(&self, out: &mut [f64]) {
        self.engine.advantages(&self.world, 0, out);
    }

    /// The output that begins with token 0 and goes on with the likeliest other tokens of the policy that was observed
    /// last, and its log-probability under that policy.
    pub(crate) fn output_through_first_token(&self) -> (usize, f64) {
        let Tree { vocab, length, .. } = self.tree;
        let (mut node, mut log_prob) = (0, 0.0);
        for step in 0..length {
            let row = &self.engine.log_probs()[node * vocab..][..vocab];
            let likeliest = (2..vocab).fold(1, |best, a| if row[a] > row[best] { a } else { best });
            let token = if step == 0 { 0 } else { likeliest };
            log_prob += row[token];
            node = 1 + node * vocab + token; // the tree's numbering: the first child of s is 1 + s · vocab
        }
        (node - self.tree.prefixes(), log_prob)
    }

    /// Shifts token 0 until that output has this probability, and returns the output. Token 0 must be rare to begin
    /// with, so that the logarithm of the probability follows the shift.
    ///
    /// # Errors
    /// A probability that no shift gives.
    pub(crate) fn make_rare(&mut self, probability: f64) -> Result<usize> {
        for _ in 0..100 {
            self.stats()?;
            let (output, log_prob) = self.output_through_first_token();
            let missing = probability.ln() - log_prob;
            if missing.abs() < 1e-9 {
                return Ok(output);
            }
            self.model.shift_first_token(missing);
        }
        Err(Error::Numeric(format!("no shift of token 0 gives an output the probability {probability}")))
    }
}

/// One row per context: a one-hot of the prefix's length, then a one-hot of each of its tokens (zeros where the prefix
/// has not got so far); width L + (L − 1) · V.
fn one_hot_prefixes(tree: Tree) -> Vec<f64> {
    let Tree { vocab, length, .. } = tree;
    let width = length + (length - 1) * vocab;
    let mut rows = Vec::with_capacity(tree.prefixes() * width);
    for depth in 0..length {
        for code in 0..vocab.pow(depth as u32) {
            let start = rows.len();
            rows.resize(start + width, 0.0);
            rows[start + depth] = 1.0;
            for (position, token) in tree.tokens(depth, code).into_iter().enumerate() {
                rows[start + length + position * vocab + token] = 1.0;
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Tree {
        Tree { prompts: 1, vocab: 3, length: 2 }
    }

    #[test]
    fn prefixes_are_told_apart() {
        // contexts: the empty prefix, then tokens 0, 1, 2; columns: length 0, length 1, first token
        let expected = [[1, 0, 0, 0, 0], [0, 1, 1, 0, 0], [0, 1, 0, 1, 0], [0, 1, 0, 0, 1]];
        let expected: Vec<f64> = expected.iter().flatten().map(|&v| f64::from(v)).collect();
        assert_eq!(one_hot_prefixes(tree()), expected);
    }

    #[test]
    fn shifting_the_first_token_moves_its_logit_everywhere_and_no_other() {
        let mut rng = Stream::named(&["families", "shift"]);
        for family in Family::ALL {
            let mut model = Model::new(family, tree(), &DrawParams::standard(), &mut rng);
            model.redraw(1.0, &mut rng);
            let contexts: Vec<usize> = (0..4).collect();
            let (mut before, mut after) = ([0.0; 12], [0.0; 12]);
            model.policy.forward(&contexts, &mut before);
            model.shift_first_token(-5.0);
            model.policy.forward(&contexts, &mut after);
            for (i, (a, b)) in after.iter().zip(before).enumerate() {
                let expected = if i % 3 == 0 { -5.0 } else { 0.0 };
                assert!((a - b - expected).abs() < 1e-12, "{family}, logit {i}: moved by {}", a - b);
            }
        }
    }

    #[test]
    fn jacobian_norm_is_the_largest_directional_derivative() {
        // ‖J v‖ ≤ γ ‖v‖ at every context for random v, and γ is attained along some direction (power iteration)
        let mut rng = Stream::named(&["families", "jacobian"]);
        for family in Family::ALL {
            let mut model = Model::new(family, tree(), &DrawParams::standard(), &mut rng);
            model.redraw(0.7, &mut rng);
            let norm = model.jacobian_norm();
            let n = model.policy.params().len();
            let attained = (0..4).map(|context| power_iteration(&mut model, context, n, &mut rng)).fold(0.0, f64::max);
            assert!((attained - norm).abs() < 1e-6 * norm, "{family}: {attained} against {norm}");
        }
    }

    /// √ of the largest eigenvalue of J Jᵀ at a context, where Jᵀw is `backward` and J v a central difference.
    fn power_iteration(model: &mut Model, context: usize, n: usize, rng: &mut Stream) -> f64 {
        let mut w: Vec<f64> = (0..3).map(|_| rng.normal()).collect();
        let mut eigenvalue = 0.0;
        for _ in 0..200 {
            let (mut logits, mut v) = ([0.0; 3], vec![0.0; n]);
            model.policy.forward(&[context], &mut logits);
            model.policy.backward(&w, &mut v);
            let mut moved = [[0.0; 3]; 2];
            for (sign, out) in [1e-5, -1e-5].into_iter().zip(&mut moved) {
                let at = model.policy.params().to_vec();
                model.policy.params_mut().iter_mut().zip(&v).for_each(|(p, v)| *p += sign * v);
                model.policy.forward(&[context], out);
                model.policy.params_mut().copy_from_slice(&at);
            }
            let image: Vec<f64> = (0..3).map(|i| (moved[0][i] - moved[1][i]) / 2e-5).collect();
            eigenvalue = rewardlab::num::norm(&image) / rewardlab::num::norm(&w);
            w = image.iter().map(|x| x / rewardlab::num::norm(&image)).collect();
        }
        eigenvalue.sqrt()
    }

    #[test]
    fn the_rare_output_begins_with_token_0_alone_and_gets_its_probability() {
        let mut rng = Stream::named(&["families", "rare"]);
        for family in Family::ALL {
            let tree = Tree { prompts: 1, vocab: 3, length: 3 };
            let mut bench = Bench::new(family, tree, &DrawParams::standard(), &mut rng).expect("legal");
            bench.model.redraw(MODERATE, &mut rng);
            bench.model.shift_first_token(-20.0);
            let rare = bench.make_rare(1e-7).expect("reachable");
            let tokens = tree.tokens(3, rare);
            assert!(tokens[0] == 0 && tokens[1..].iter().all(|&t| t != 0), "{tokens:?}");
            // with reward 1 for that output alone, the value is its probability
            bench.rewards[rare] = 1.0;
            let probability = bench.stats().expect("finite").value;
            assert!((probability / 1e-7 - 1.0).abs() < 1e-8, "{family}: {probability}");
        }
    }

    #[test]
    fn illegal_parameters_are_named() {
        let refused = |change: fn(&mut DrawParams), name: &str| {
            let mut params = DrawParams::standard();
            change(&mut params);
            assert!(params.validate().expect_err("refused").to_string().contains(name));
        };
        refused(|p| p.vocab_max = 1, "vocab_max");
        refused(|p| p.length_max = 0, "length_max");
        refused(|p| p.features = 0, "features");
        refused(|p| p.hidden = 0, "hidden");
        refused(|p| p.scale_min = f64::NAN, "scale_min");
        refused(|p| p.scale_max = 1e9, "scale_max");
        refused(|p| p.epsilon_min = 0.0, "epsilon_min");
        assert!(DrawParams::standard().validate().is_ok());
    }
}
