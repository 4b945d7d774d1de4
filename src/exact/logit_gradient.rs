//! Gradients on the logits of one softmax step, by hand, and how they become a flow of a policy's parameters.
//!
//! Accurate where it matters for times: an output of probability 10⁻⁶ is told from 0 without cancellation.

use crate::num;
use crate::policy::Policy;

/// Writes the probabilities of `logits`.
pub fn softmax(logits: &[f64], probs: &mut [f64]) {
    probs.copy_from_slice(logits);
    num::log_softmax(probs);
    for p in probs {
        *p = p.exp();
    }
}

/// Writes ∇V = C(π) r, that is π(y) (r(y) − V), and returns V = Σ π r.
///
/// Rewards are measured from that of the most probable output, so that r(y) − V keeps its digits when nearly all the
/// mass has the same reward.
pub fn value_gradient(probs: &[f64], rewards: &[f64], grad: &mut [f64]) -> f64 {
    let (origin, above) = centred(probs, rewards);
    for ((g, p), r) in grad.iter_mut().zip(probs).zip(rewards) {
        *g = p * ((r - origin) - above);
    }
    origin + above
}

/// The standard deviation of the reward over the outputs.
pub fn reward_std(probs: &[f64], rewards: &[f64]) -> f64 {
    let (origin, above) = centred(probs, rewards);
    probs.iter().zip(rewards).map(|(p, r)| p * ((r - origin) - above).powi(2)).sum::<f64>().sqrt()
}

/// The reward of the most probable output, and the expected reward above it.
fn centred(probs: &[f64], rewards: &[f64]) -> (f64, f64) {
    let mode = probs.iter().zip(rewards).max_by(|a, b| a.0.total_cmp(b.0));
    let origin = mode.map_or(0.0, |(_, r)| *r);
    (origin, probs.iter().zip(rewards).map(|(p, r)| p * (r - origin)).sum())
}

/// Writes `∇ log π(target) = e_target − π`: the direction of supervised finetuning.
pub fn log_prob_gradient(probs: &[f64], target: usize, grad: &mut [f64]) {
    let mut others = 0.0;
    for (y, (g, p)) in grad.iter_mut().zip(probs).enumerate() {
        *g = -p;
        others += if y == target { 0.0 } else { *p };
    }
    grad[target] = others;
}

/// Writes the gradient of `V − λ KL(π‖π_ref)`, which is [`value_gradient`] of the reward `r − λ log(π/π_ref)`.
///
/// # Shapes
/// All slices: one entry per output; `reference` holds probabilities, all positive.
pub fn regularised_gradient(probs: &[f64], rewards: &[f64], reference: &[f64], lambda: f64, grad: &mut [f64]) {
    let mean: f64 = probs.iter().zip(reference).filter(|(p, _)| **p > 0.0).map(|(p, q)| p * (p / q).ln()).sum();
    value_gradient(probs, rewards, grad);
    for ((g, p), q) in grad.iter_mut().zip(probs).zip(reference).filter(|((_, p), _)| **p > 0.0) {
        *g -= lambda * p * ((p / q).ln() - mean);
    }
}

/// The flow's field of a policy's parameters: the mean over `contexts` of the gradient that
/// `logit_gradient(context, probs, grad)` writes on each context's logits.
pub fn policy_field<P: Policy>(
    mut policy: P,
    contexts: Vec<usize>,
    mut logit_gradient: impl FnMut(usize, &[f64], &mut [f64]),
) -> impl FnMut(&[f64], &mut [f64]) {
    let vocab = policy.vocab();
    let mut probs = vec![0.0; contexts.len() * vocab];
    let mut weights = probs.clone();
    move |params, rate| {
        policy.params_mut().copy_from_slice(params);
        policy.log_probs(&contexts, &mut probs);
        for p in &mut probs {
            *p = p.exp();
        }
        for ((&c, p), w) in contexts.iter().zip(probs.chunks_exact(vocab)).zip(weights.chunks_exact_mut(vocab)) {
            logit_gradient(c, p, w);
        }
        for w in &mut weights {
            *w /= contexts.len() as f64;
        }
        rate.fill(0.0);
        policy.backward(&weights, rate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::World;
    use crate::exact::Engine;
    use crate::policy::Tabular;

    const LOGITS: [f64; 4] = [0.3, -1.0, 2.0, 0.0];
    const REWARDS: [f64; 4] = [0.5, -1.0, 0.25, 1.0];

    fn probs(logits: &[f64]) -> Vec<f64> {
        let mut p = vec![0.0; logits.len()];
        softmax(logits, &mut p);
        p
    }

    #[test]
    fn the_tree_engine_says_the_same() {
        let world = World::bandit(4, REWARDS.to_vec()).expect("finite");
        let (mut expected, mut got) = ([0.0; 4], [0.0; 4]);
        let mut policy = Tabular::from_logits(4, LOGITS.to_vec());
        let stats = Engine::new(world.tree()).policy_gradient(&mut policy, &world, 0, 1.0, &mut expected);
        let value = value_gradient(&probs(&LOGITS), &REWARDS, &mut got);
        assert!((value - stats.value).abs() < 1e-15 && num::relative_error(&got, &expected) < 1e-14);
        assert!((reward_std(&probs(&LOGITS), &REWARDS) - stats.reward_std).abs() < 1e-15);
    }

    #[test]
    fn a_rare_success_keeps_its_digits() {
        let p = 1e-12;
        let mut grad = [0.0; 3];
        value_gradient(&[p, 0.75 - p, 0.25], &[1.0, -1.0, -1.0], &mut grad);
        let exact = [2.0 * p * (1.0 - p), -2.0 * p * (0.75 - p), -2.0 * p * 0.25];
        assert!(num::relative_error(&grad, &exact) < 1e-15, "{grad:?}");
    }

    #[test]
    fn gradients_are_derivatives() {
        let reference = [0.1, 0.2, 0.3, 0.4];
        let objective = |z: &[f64]| {
            let p = probs(z);
            let kl: f64 = p.iter().zip(&reference).map(|(p, q)| p * (p / q).ln()).sum();
            num::dot(&p, &REWARDS) - 0.7 * kl
        };
        let (mut regularised, mut supervised) = ([0.0; 4], [0.0; 4]);
        regularised_gradient(&probs(&LOGITS), &REWARDS, &reference, 0.7, &mut regularised);
        log_prob_gradient(&probs(&LOGITS), 2, &mut supervised);
        for i in 0..4 {
            let shifted = |h: f64| {
                let mut z = LOGITS;
                z[i] += h;
                z
            };
            let (up, down) = (shifted(1e-5), shifted(-1e-5));
            let difference = |f: &dyn Fn(&[f64]) -> f64| (f(&up) - f(&down)) / 2e-5;
            assert!((regularised[i] - difference(&objective)).abs() < 1e-9);
            assert!((supervised[i] - difference(&|z| probs(z)[2].ln())).abs() < 1e-9);
        }
    }
}
