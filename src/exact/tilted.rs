//! The optimum of expected reward under KL regularisation, and the reward–KL front that it draws.

use super::outputs::kl;
use crate::num::log_sum_exp;

/// The maximiser of E\[r\] − β KL(π‖`π_ref`), with all that is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Tilted {
    /// log π(y), nats.
    pub log_probs: Vec<f64>,
    /// log Z = log Σ `π_ref` e^(r/β).
    pub log_partition: f64,
    /// Expected reward.
    pub reward: f64,
    /// KL(π‖`π_ref`), nats.
    pub kl: f64,
}

/// π(y) = `π_ref`(y) e^(r(y)/β) / Z, the exponential tilt of the reference (Eq. 4 of arXiv:2305.18290).
///
/// The optimal value E\[r\] − β KL is β log Z. β = ∞ is the reference itself.
///
/// # Shapes
/// One entry per output in both slices. `beta` must be positive.
pub fn tilted(reference: &[f64], rewards: &[f64], beta: f64) -> Tilted {
    assert_eq!(reference.len(), rewards.len(), "one reward per output");
    assert!(beta > 0.0, "beta must be positive");
    let mut log_probs: Vec<f64> = reference.iter().zip(rewards).map(|(p, r)| p + r / beta).collect();
    let log_partition = log_sum_exp(&log_probs);
    log_probs.iter_mut().for_each(|p| *p -= log_partition);
    let reward = log_probs.iter().zip(rewards).map(|(p, r)| p.exp() * r).sum();
    let kl = kl(&log_probs, reference);
    Tilted { log_probs, log_partition, reward, kl }
}

/// The reward–KL Pareto front: (KL, reward) of the tilt at each β. No policy lies above it.
///
/// # Shapes
/// As [`tilted`]; one point per β.
pub fn pareto_front(reference: &[f64], rewards: &[f64], betas: &[f64]) -> Vec<(f64, f64)> {
    betas.iter().map(|&beta| tilted(reference, rewards, beta)).map(|t| (t.kl, t.reward)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::log_softmax;
    use crate::rng::Stream;

    fn random(n: usize) -> (Vec<f64>, Vec<f64>) {
        let mut rng = Stream::named(&["tests", "tilted"]);
        let (mut reference, mut rewards) = (vec![0.0; n], vec![0.0; n]);
        rng.fill_normal(1.0, &mut reference);
        rng.fill_normal(1.0, &mut rewards);
        log_softmax(&mut reference);
        (reference, rewards)
    }

    fn objective(log_probs: &[f64], reference: &[f64], rewards: &[f64], beta: f64) -> f64 {
        let reward: f64 = log_probs.iter().zip(rewards).map(|(p, r)| p.exp() * r).sum();
        reward - beta * kl(log_probs, reference)
    }

    /// The objective is strictly concave in π, so no perturbation may raise it, and its value is β log Z.
    #[test]
    fn it_is_the_optimum() {
        let (reference, rewards) = random(12);
        let mut rng = Stream::named(&["tests", "tilted", "perturb"]);
        for beta in [0.1, 0.5, 2.0] {
            let t = tilted(&reference, &rewards, beta);
            let best = objective(&t.log_probs, &reference, &rewards, beta);
            assert!((best - beta * t.log_partition).abs() < 1e-12);
            for _ in 0..100 {
                let mut other: Vec<f64> = t.log_probs.iter().map(|p| p + 0.1 * rng.normal()).collect();
                log_softmax(&mut other);
                assert!(objective(&other, &reference, &rewards, beta) < best);
            }
        }
    }

    /// The slope of the front is dE[r]/dKL = β (the envelope theorem), and it is concave.
    #[test]
    fn the_front_is_concave_with_slope_beta() {
        let (reference, rewards) = random(12);
        for beta in [0.2, 1.0, 5.0] {
            let front = pareto_front(&reference, &rewards, &[beta * 1.0001, beta, beta / 1.0001]);
            let slope = (front[2].1 - front[0].1) / (front[2].0 - front[0].0);
            assert!((slope / beta - 1.0).abs() < 1e-3, "{slope} at β = {beta}");
        }
    }

    #[test]
    fn extreme_betas() {
        let (reference, rewards) = random(5);
        let cold = tilted(&reference, &rewards, 1e-6);
        assert!((cold.reward - rewards.iter().copied().fold(f64::MIN, f64::max)).abs() < 1e-9);
        let hot = tilted(&reference, &rewards, f64::INFINITY);
        assert!(hot.kl.abs() < 1e-14 && kl(&reference, &hot.log_probs).abs() < 1e-14);
    }
}
