//! Exact means and variances of sampled gradients, for any policy: what `estimators` and `kl_estimators` share.
//!
//! Every estimator here is a weighting of log-probabilities, `Σ w(s,a) log π(a|s)`, s a context of one prompt and a a token (a
//! *cell*). So lengths and angles of gradients need only the inner products of the logits' Jacobian rows, which [`Space::new`]
//! asks the policy for, one backward pass a cell; after that, nothing depends on what kind of policy it was.
//!
//! Gradients are held as weights on *logits*: [`Space::centre`] makes them from weights on log-probabilities. In that form a small
//! gradient is a small vector, and its length keeps its digits.

use rewardlab::env::{Tree, World};
use rewardlab::error::{Error, Result};
use rewardlab::exact::{Engine, output_log_probs};
use rewardlab::num::{dot, softmax_pullback_rows};
use rewardlab::policy::Policy;
use rewardlab::rng::Stream;

/// The cells of one prompt, and the inner products of their logits' gradients.
#[derive(Debug)]
pub(crate) struct Space {
    /// The shape; one prompt.
    pub(crate) tree: Tree,
    /// log π(a|s) of every cell, `prefixes × vocab`.
    pub(crate) log_probs: Vec<f64>,
    /// log π(y) of every output.
    pub(crate) outputs: Vec<f64>,
    /// ∇logit(c) · ∇logit(d), `cells × cells`; empty for a policy that only draws.
    gram: Vec<f64>,
    /// The cells that each output passes, `outputs × length`.
    path: Vec<usize>,
}

/// First and second moment of a random gradient.
#[derive(Clone, Debug)]
pub(crate) struct Moments {
    /// The mean gradient's weights on logits, one per cell.
    pub(crate) mean: Vec<f64>,
    /// E‖gradient‖².
    pub(crate) square: f64,
}

/// A random gradient beside the true one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quality {
    /// ‖mean‖.
    pub(crate) step: f64,
    /// Root of the trace of the covariance.
    pub(crate) noise: f64,
    /// mean · truth / ‖truth‖².
    pub(crate) factor: f64,
    /// ‖mean − truth‖ / ‖truth‖.
    pub(crate) bias: f64,
    /// Sine of the angle between mean and truth.
    pub(crate) sine: f64,
}

impl Space {
    /// The space of a policy on the first prompt of `tree`.
    pub(crate) fn new(policy: &mut impl Policy, tree: Tree) -> Self {
        let space = Self::of_sampler(policy, tree);
        let cells = space.cells();
        let mut rows = vec![vec![0.0; policy.params().len()]; cells];
        for (cell, row) in rows.iter_mut().enumerate() {
            let mut weights = vec![0.0; cells];
            weights[cell] = 1.0;
            policy.backward(&weights, row);
        }
        let gram = rows.iter().flat_map(|a| rows.iter().map(|b| dot(a, b)).collect::<Vec<_>>()).collect();
        Self { gram, ..space }
    }

    /// The same without the inner products: for a policy that is sampled from or compared with, not differentiated.
    pub(crate) fn of_sampler(policy: &mut impl Policy, tree: Tree) -> Self {
        let outputs = output_log_probs(policy, tree, 0);
        let contexts: Vec<usize> = tree.contexts_of(0).collect();
        let mut log_probs = vec![0.0; contexts.len() * tree.vocab];
        policy.log_probs(&contexts, &mut log_probs);
        let path = (0..tree.outputs()).flat_map(|y| tree.cells(y)).collect();
        Self { tree, log_probs, outputs, gram: Vec::new(), path }
    }

    /// Number of cells.
    pub(crate) fn cells(&self) -> usize {
        self.log_probs.len()
    }

    /// The cells that an output passes, one per token.
    pub(crate) fn path(&self, output: usize) -> &[usize] {
        &self.path[output * self.tree.length..][..self.tree.length]
    }

    /// Turns weights on log-probabilities into weights on logits, w − π Σ w in each context.
    pub(crate) fn centre(&self, weights: &mut [f64]) {
        softmax_pullback_rows(weights, &self.log_probs, self.tree.vocab);
    }

    /// Inner product of two gradients, given by their weights on logits.
    pub(crate) fn inner(&self, a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(self.gram.chunks_exact(a.len())).filter(|(a, _)| **a != 0.0).map(|(a, row)| a * dot(row, b)).sum()
    }

    /// ‖gradient‖ of these weights; rounding below 0 is 0.
    pub(crate) fn norm(&self, a: &[f64]) -> f64 {
        self.inner(a, a).max(0.0).sqrt()
    }

    /// The logit weights π(s) π(a|s) A(s,a) of the exact gradient of Σ π(y) r(y), by the exact engine.
    pub(crate) fn policy_gradient(&self, policy: &mut impl Policy, world: &World) -> Vec<f64> {
        let mut engine = Engine::new(self.tree);
        engine.policy_gradient(policy, world, 0, 1.0, &mut vec![0.0; policy.params().len()]);
        let mut weights = vec![0.0; self.cells()];
        engine.advantages(world, 0, &mut weights);
        for (i, w) in weights.iter_mut().enumerate() {
            *w *= engine.reach()[i / self.tree.vocab] * engine.log_probs()[i].exp();
        }
        weights
    }

    /// Moments over outputs of the given probabilities; `weigh(y, weights)` fills the weights on
    /// log-probabilities that output y gives.
    pub(crate) fn moments(&self, chances: &[f64], mut weigh: impl FnMut(usize, &mut [f64])) -> Moments {
        let (mut mean, mut square) = (vec![0.0; self.cells()], 0.0);
        let mut weights = vec![0.0; self.cells()];
        for (y, chance) in chances.iter().enumerate() {
            weights.fill(0.0);
            weigh(y, &mut weights);
            self.centre(&mut weights);
            let used: Vec<usize> = (0..weights.len()).filter(|c| weights[*c] != 0.0).collect();
            for &c in &used {
                mean[c] += chance * weights[c];
                let row = &self.gram[c * weights.len()..];
                square += chance * weights[c] * used.iter().map(|d| weights[*d] * row[*d]).sum::<f64>();
            }
        }
        Moments { mean, square }
    }

    /// A mean of `n` independent gradients with these moments, beside the true gradient.
    pub(crate) fn quality(&self, moments: &Moments, n: usize, truth: &[f64]) -> Quality {
        let (step, length) = (self.norm(&moments.mean), self.norm(truth));
        let difference: Vec<f64> = moments.mean.iter().zip(truth).map(|(m, t)| m - t).collect();
        let factor = self.inner(&moments.mean, truth) / (length * length);
        let across: Vec<f64> = moments.mean.iter().zip(truth).map(|(m, t)| m - factor * t).collect();
        let variance = (moments.square - step * step).max(0.0) / n as f64;
        Quality {
            step,
            noise: variance.sqrt(),
            factor,
            bias: self.norm(&difference) / length,
            sine: self.norm(&across) / step,
        }
    }
}

/// The policy moved along a random direction until `distance(log π_moved(y), log π(y))` is `target`; the same policy for 0.
///
/// Not every direction leads that far (towards the likeliest output, the distance stays small): others are drawn.
///
/// # Errors
/// A target that none of 100 directions reaches.
pub(crate) fn moved<P: Policy + Clone>(
    policy: &P,
    tree: Tree,
    target: f64,
    distance: impl Fn(&[f64], &[f64]) -> f64,
    stream: &mut Stream,
) -> Result<P> {
    let start = policy.params().to_vec();
    let mut direction = vec![0.0; start.len()];
    let mut other = policy.clone();
    if target <= 0.0 {
        return Ok(other);
    }
    let here = output_log_probs(&mut other, tree, 0);
    for _ in 0..100 {
        stream.fill_normal(1.0, &mut direction);
        let mut go = |length: f64| {
            let steps = start.iter().zip(&direction);
            other.params_mut().iter_mut().zip(steps).for_each(|(p, (s, d))| *p = s + length * d);
            distance(&output_log_probs(&mut other, tree, 0), &here)
        };
        // the nearest such policy, as steps would find it: farther out a network may be near again, but deep in saturation
        let (mut low, mut high) = (0.0, FARTHEST / 512.0);
        while high < FARTHEST && go(high) < target {
            (low, high) = (high, 2.0 * high);
        }
        if go(high) < target {
            continue;
        }
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if go(middle) < target { low = middle } else { high = middle }
        }
        go(high);
        return Ok(other);
    }
    Err(Error::parameter("distance", target, "within reach of a policy over so few outputs"))
}

/// The longest move that is tried, in standard deviations of a parameter's direction.
const FARTHEST: f64 = 8.0;

#[cfg(test)]
mod tests {
    use super::*;
    use rewardlab::exact::{kl, total_variation};
    use rewardlab::num::{norm, relative_error};
    use rewardlab::policy::{LogLinear, Tabular, Transformer};

    const TREE: Tree = Tree { prompts: 1, vocab: 3, length: 3 };

    fn normals(name: &str, n: usize) -> Vec<f64> {
        let mut out = vec![0.0; n];
        Stream::named(&["test", "estimation", name]).fill_normal(1.0, &mut out);
        out
    }

    fn tabular() -> Tabular {
        Tabular::from_logits(3, normals("logits", 39))
    }

    #[test]
    fn lengths_in_cells_are_lengths_in_parameters() {
        let world = World::new(TREE, normals("rewards", 27)).expect("finite");
        let mut linear = LogLinear::new(3, normals("features", 39 * 5), normals("params", 5));
        let mut grad = vec![0.0; 5];
        Engine::new(TREE).policy_gradient(&mut linear, &world, 0, 1.0, &mut grad);
        let space = Space::new(&mut linear, TREE);
        let weights = space.policy_gradient(&mut linear, &world);
        assert!((space.norm(&weights) / norm(&grad) - 1.0).abs() < 1e-12);
    }

    /// REINFORCE, enumerated, is the exact gradient; its variance is E r²‖s‖² less the mean's square.
    #[test]
    fn reinforce_is_unbiased() {
        let rewards = normals("rewards", 27);
        let world = World::new(TREE, rewards.clone()).expect("finite");
        let mut policy = tabular();
        let space = Space::new(&mut policy, TREE);
        let truth = space.policy_gradient(&mut policy, &world);
        let chances: Vec<f64> = space.outputs.iter().map(|lp| lp.exp()).collect();
        let moments = space.moments(&chances, |y, w| space.path(y).iter().for_each(|c| w[*c] = rewards[y]));
        let quality = space.quality(&moments, 4, &truth);
        assert!(quality.bias < 1e-12 && (quality.factor - 1.0).abs() < 1e-12 && quality.sine < 1e-12);
        let direct: f64 = (0..27)
            .map(|y| {
                let mut score = vec![0.0; space.cells()];
                space.path(y).iter().for_each(|c| score[*c] = rewards[y]);
                space.centre(&mut score);
                chances[y] * space.inner(&score, &score)
            })
            .sum();
        let variance = (direct - space.inner(&truth, &truth)) / 4.0;
        assert!((quality.noise.powi(2) / variance - 1.0).abs() < 1e-12);
    }

    /// What the transformer gives the estimators: the lengths of its own gradients, and logits as spread as the table's.
    #[test]
    fn the_transformer_fits_in() {
        let world = World::new(TREE, normals("rewards", 27)).expect("finite");
        let mut policy = Transformer::random(16, 1.5, TREE, &mut Stream::named(&["test", "deep"])).expect("legal");
        let mut grad = vec![0.0; policy.params().len()];
        Engine::new(TREE).policy_gradient(&mut policy, &world, 0, 1.0, &mut grad);
        let space = Space::new(&mut policy, TREE);
        let weights = space.policy_gradient(&mut policy, &world);
        assert!((space.norm(&weights) / norm(&grad) - 1.0).abs() < 1e-5);
        let of = |seed: &str| {
            let mut policy = Transformer::random(16, 1.5, TREE, &mut Stream::named(&["test", seed])).expect("legal");
            let mut logits = vec![0.0; 39];
            policy.forward(&(0..13).collect::<Vec<_>>(), &mut logits);
            logits.iter().map(|l| l * l).sum::<f64>() / 39.0
        };
        let spread = (["a", "b", "c", "d", "e", "f", "g", "h"].map(of).iter().sum::<f64>() / 8.0).sqrt();
        assert!((1.1..2.0).contains(&spread), "{spread}");
        assert!(Transformer::random(15, 1.5, TREE, &mut Stream::named(&["test"])).is_err());
    }

    #[test]
    fn paths_add_up_to_outputs() {
        let space = Space::new(&mut tabular(), TREE);
        let sums: Vec<f64> = (0..27).map(|y| space.path(y).iter().map(|c| space.log_probs[*c]).sum()).collect();
        assert!(relative_error(&sums, &space.outputs) < 1e-15);
    }

    #[test]
    fn moved_policies_are_where_they_should_be() {
        let policy = tabular();
        let mut stream = Stream::named(&["test", "moved"]);
        let here = output_log_probs(&mut policy.clone(), TREE, 0);
        let mut at = moved(&policy, TREE, 0.1, total_variation, &mut stream).expect("reachable");
        assert!((total_variation(&output_log_probs(&mut at, TREE, 0), &here) - 0.1).abs() < 1e-9);
        let mut at = moved(&policy, TREE, 0.7, kl, &mut stream).expect("reachable");
        assert!((kl(&output_log_probs(&mut at, TREE, 0), &here) - 0.7).abs() < 1e-9);
        assert_eq!(moved(&policy, TREE, 0.0, kl, &mut stream).expect("reachable").params(), policy.params());
        assert!(moved(&policy, TREE, 1e6, kl, &mut stream).is_err());
    }
}
