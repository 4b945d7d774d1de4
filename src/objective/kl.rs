//! KL(π‖`π_ref`): from whole distributions, or estimated from the log ratio of chosen tokens.
//!
//! With d = log π(y) − log `π_ref(y)` and y drawn from π, three estimates of one token's KL (Schulman, *Approximating KL divergence*,
//! 2020): k1 = d, k2 = d²/2, k3 = e^−d − 1 + d. In expectation k1 and k3 are the KL exactly, k2 to second order; k1 alone can be negative.
//!
//! That is about values. As a *loss*, with the samples held fixed, the mean gradients are others: 0 for k1, ∇KL(π‖`π_ref`) for
//! k2, ∇KL(`π_ref`‖π) for k3. As a penalty *in the reward* (a constant that multiplies ∇ log π) k1 gives ∇KL(π‖`π_ref`), k2 and k3
//! something else. The experiment `vanishing_gradients/kl_estimators` measures all of this.
//!
//! Log ratios are compared, never ratios: k3 and its derivative stay finite at any ratio (see [`k3`]).

use super::ppo::log_ratio;
use super::sequences;

/// Beyond e to this power k3 goes on as a straight line.
const STRAIGHT: f64 = 600.0;

/// k1 = d, nats.
pub fn k1(log_ratio: f64) -> f64 {
    log_ratio
}

/// k2 = d²/2, nats.
pub fn k2(log_ratio: f64) -> f64 {
    0.5 * log_ratio * log_ratio
}

/// k3 = e^−d − 1 + d ≥ 0, nats.
///
/// At d < −600 the exponential is continued by its tangent, so that value and derivative stay finite and the one remains
/// the other's derivative; near 0 the terms that cancel are not formed.
pub fn k3(log_ratio: f64) -> f64 {
    let up = -log_ratio;
    if up.abs() < 1e-3 {
        // e^u − 1 − u; the next term is u⁷/5040
        let u = up;
        return u * u * (0.5 + u * (1.0 / 6.0 + u * (1.0 / 24.0 + u * (1.0 / 120.0 + u / 720.0))));
    }
    if up > STRAIGHT { STRAIGHT.exp() * (1.0 + (up - STRAIGHT)).min(1e40) } else { up.exp_m1() - up }
}

/// ∂k3/∂d = 1 − e^−d, finite at any d.
fn k3_slope(log_ratio: f64) -> f64 {
    -(-log_ratio).min(STRAIGHT).exp_m1()
}

/// The mean of k1 over chosen tokens, as a loss: its gradient is noise around 0, so it regularises nothing.
///
/// # Shapes
/// `log_probs`, `reference`, `weights`: one per token.
///
/// # Formula
/// ∂/∂log π = 1/n.
pub fn k1_loss(log_probs: &[f64], reference: &[f64], scale: f64, weights: &mut [f64]) -> f64 {
    estimated(log_probs, reference, (k1, |_| 1.0), scale, weights)
}

/// The mean of k2 over chosen tokens, as a loss. Shapes as for [`k1_loss`].
///
/// # Formula
/// ∂/∂log π = d/n.
pub fn k2_loss(log_probs: &[f64], reference: &[f64], scale: f64, weights: &mut [f64]) -> f64 {
    estimated(log_probs, reference, (k2, |d| d), scale, weights)
}

/// The mean of k3 over chosen tokens, as a loss (GRPO's, Eq. 4 of arXiv:2402.03300). Shapes as for [`k1_loss`].
///
/// # Formula
/// ∂/∂log π = (1 − e^−d)/n.
pub fn k3_loss(log_probs: &[f64], reference: &[f64], scale: f64, weights: &mut [f64]) -> f64 {
    estimated(log_probs, reference, (k3, k3_slope), scale, weights)
}

/// The mean of clip(ρ) k1 over tokens that `π_old` drew; see [`corrected_k3_loss`].
pub fn corrected_k1_loss(
    log_probs: &[f64],
    old_log_probs: &[f64],
    reference: &[f64],
    clip: f64,
    scale: f64,
    weights: &mut [f64],
) -> f64 {
    corrected([log_probs, old_log_probs, reference], (k1, |_| 1.0), clip, scale, weights)
}

/// The mean of clip(ρ) k2 over tokens that `π_old` drew; see [`corrected_k3_loss`].
pub fn corrected_k2_loss(
    log_probs: &[f64],
    old_log_probs: &[f64],
    reference: &[f64],
    clip: f64,
    scale: f64,
    weights: &mut [f64],
) -> f64 {
    corrected([log_probs, old_log_probs, reference], (k2, |d| d), clip, scale, weights)
}

/// The mean of clip(ρ, 1 ± ε) k3 over tokens that `π_old` drew, with the gradient through ρ = π/`π_old` too: the score-function and
/// the pathwise part together. With `clip` infinite it is TRL's `use_bias_correction_kl`.
///
/// # Shapes
/// `log_probs`, `old_log_probs`, `reference`, `weights`: one per token; `clip` is ε ≥ 0.
///
/// # Formula
/// ∂/∂log π = ρ (k + k′)/n inside the clip, clip(ρ) k′/n outside. Unclipped, its mean over one token is the gradient of the
/// estimate's own expectation: ∇KL(π‖`π_ref`) with k1 and with k3 (k3 + k3′ = d), not with k2. Ratios are cut at e^100, so as to stay finite.
pub fn corrected_k3_loss(
    log_probs: &[f64],
    old_log_probs: &[f64],
    reference: &[f64],
    clip: f64,
    scale: f64,
    weights: &mut [f64],
) -> f64 {
    corrected([log_probs, old_log_probs, reference], (k3, k3_slope), clip, scale, weights)
}

fn corrected(
    [log_probs, old_log_probs, reference]: [&[f64]; 3],
    (estimate, slope): (fn(f64) -> f64, fn(f64) -> f64),
    clip: f64,
    scale: f64,
    weights: &mut [f64],
) -> f64 {
    let n = log_probs.len();
    assert!(old_log_probs.len() == n && reference.len() == n && weights.len() == n, "one of each per token");
    assert!(clip >= 0.0, "clip must be at least 0, got {clip}");
    let share = 1.0 / n.max(1) as f64;
    let mut loss = 0.0;
    for (((&lp, &old), &of_reference), w) in log_probs.iter().zip(old_log_probs).zip(reference).zip(weights) {
        let d = log_ratio(lp, of_reference);
        let free = log_ratio(lp, old).min(100.0).exp();
        let ratio = free.clamp(1.0 - clip, 1.0 + clip);
        if ratio == 0.0 {
            continue; // the limit of π log π, where 0 · ∞ would be no number
        }
        loss += share * ratio * estimate(d);
        let through = if ratio == free { estimate(d) } else { 0.0 };
        *w += scale * share * ratio * (through + slope(d));
    }
    loss
}

fn estimated(
    log_probs: &[f64],
    reference: &[f64],
    (estimate, slope): (fn(f64) -> f64, fn(f64) -> f64),
    scale: f64,
    weights: &mut [f64],
) -> f64 {
    let n = log_probs.len();
    assert!(reference.len() == n && weights.len() == n, "one reference log-prob and weight per token");
    let share = 1.0 / n.max(1) as f64;
    let mut loss = 0.0;
    for ((&lp, &of_reference), w) in log_probs.iter().zip(reference).zip(weights) {
        let d = log_ratio(lp, of_reference);
        loss += share * estimate(d);
        *w += scale * share * slope(d);
    }
    loss
}

/// KL(π‖`π_ref`) = `Σ_a π(a) (log π(a) − log π_ref(a))` of one context's whole distribution, nats: exact, nothing sampled.
///
/// # Shapes
/// `log_probs`, `reference`, `weights`: one entry per token of the vocabulary.
///
/// # Formula
/// ∂/∂log π(a) = π(a) (d(a) + 1); the constant drops out in the gradient over a normalised policy, but is kept so that the
/// weights are the plain derivative. Infinite where π puts mass and the reference none.
pub fn kl_loss(log_probs: &[f64], reference: &[f64], scale: f64, weights: &mut [f64]) -> f64 {
    assert!(log_probs.len() == reference.len() && reference.len() == weights.len(), "one of each per token");
    let mut kl = 0.0;
    for ((&lp, &of_reference), w) in log_probs.iter().zip(reference).zip(weights) {
        let p = lp.exp();
        if p > 0.0 {
            let d = log_ratio(lp, of_reference);
            kl += p * d;
            *w += scale * p * (d + 1.0);
        }
    }
    kl
}

/// Token rewards with the KL penalty in them: `−β k(d_t)`, and the task's reward on the last token of each sequence (PPO for language
/// models; TRL's PPO with [`k1`] or [`k2`]).
///
/// # Shapes
/// `log_probs`, `reference`, `out`: one per token of all sequences; `lengths`, `rewards`: one per sequence; `beta` in reward per nat.
/// `estimate` is [`k1`], [`k2`] or [`k3`]; the log-probs are of the policy that drew the tokens, and constants.
pub fn kl_penalised_token_rewards(
    log_probs: &[f64],
    reference: &[f64],
    lengths: &[usize],
    rewards: &[f64],
    beta: f64,
    estimate: fn(f64) -> f64,
    out: &mut [f64],
) {
    assert!(log_probs.len() == reference.len() && reference.len() == out.len(), "one of each per token");
    super::terminal_rewards(lengths, rewards, out);
    for ((lp, of_reference), r) in log_probs.iter().zip(reference).zip(out) {
        *r -= beta * estimate(log_ratio(*lp, *of_reference));
    }
}

/// A sequence's reward with the KL penalty in it: `r_i − β Σ_t k(d_it)` (TRL's RLOO with [`k1`]). Shapes as for
/// [`kl_penalised_token_rewards`], but `out` has one entry per sequence.
pub fn kl_penalised_rewards(
    log_probs: &[f64],
    reference: &[f64],
    lengths: &[usize],
    rewards: &[f64],
    beta: f64,
    estimate: fn(f64) -> f64,
    out: &mut [f64],
) {
    assert!(log_probs.len() == reference.len(), "one reference log-prob per token");
    assert!(lengths.len() == rewards.len() && rewards.len() == out.len(), "one of each per sequence");
    for ((tokens, r), out) in sequences(lengths, log_probs.len()).zip(rewards).zip(out) {
        let kl: f64 = tokens.map(|t| estimate(log_ratio(log_probs[t], reference[t]))).sum();
        *out = r - beta * kl;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::log_softmax;
    use crate::objective::testing::assert_weights_are_the_derivative;
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    const REFERENCE: [f64; 3] = [-0.7, -0.3, -4.0];
    const OLD: [f64; 3] = [-0.4, -1.5, -3.5];
    type Loss = fn(&[f64], &[f64], f64, &mut [f64]) -> f64;
    type Corrected = fn(&[f64], &[f64], &[f64], f64, f64, &mut [f64]) -> f64;
    const LOSSES: [Loss; 4] = [k1_loss, k2_loss, k3_loss, kl_loss];
    const CORRECTED: [Corrected; 3] = [corrected_k1_loss, corrected_k2_loss, corrected_k3_loss];

    #[test]
    fn weights_are_the_derivative() {
        for loss in LOSSES {
            assert_weights_are_the_derivative(&[-0.2, -2.0, -3.0], |lp, s, w| loss(lp, &REFERENCE, s, w));
        }
        for loss in CORRECTED {
            for clip in [f64::INFINITY, 0.25] {
                assert_weights_are_the_derivative(&[-0.2, -2.0, -3.0], |lp, s, w| {
                    loss(lp, &OLD, &REFERENCE, clip, s, w)
                });
            }
        }
    }

    /// Weighted by π, k1 and k3 of every token add up to the exact KL; k2 does not.
    #[test]
    fn k1_and_k3_are_unbiased_for_the_value() {
        let (mut p, mut q) = ([0.3, -1.0, 2.0, 0.0], [1.0, 0.0, -0.5, 0.25]);
        log_softmax(&mut p);
        log_softmax(&mut q);
        let exact = kl_loss(&p, &q, 0.0, &mut [0.0; 4]);
        let mean = |k: fn(f64) -> f64| p.iter().zip(&q).map(|(p, q)| p.exp() * k(p - q)).sum::<f64>();
        assert_relative_eq!(mean(k1), exact, max_relative = 1e-14);
        assert_relative_eq!(mean(k3), exact, max_relative = 1e-14);
        assert!((mean(k2) / exact - 1.0).abs() > 0.1);
    }

    /// On-policy, for one token, k3 with the ratio differentiated is k2 in the loss, sample by sample: k3 + k3′ = d.
    #[test]
    fn corrected_k3_is_k2_on_policy() {
        let (lp, mut corrected, mut plain) = ([-0.2, -2.0, -3.0], [0.0; 3], [0.0; 3]);
        corrected_k3_loss(&lp, &lp, &REFERENCE, 0.2, 1.0, &mut corrected);
        k2_loss(&lp, &REFERENCE, 1.0, &mut plain);
        for (c, p) in corrected.iter().zip(&plain) {
            assert_relative_eq!(c, p, max_relative = 1e-13);
        }
    }

    #[test]
    fn extreme_ratios_stay_finite() {
        let never = f64::NEG_INFINITY;
        for (lp, reference) in
            [(-800.0, -1.0), (-1.0, -800.0), (-1e6, 0.0), (never, never), (never, -1.0), (-1e300, 0.0)]
        {
            for loss in [k1_loss, k2_loss, k3_loss] {
                let mut w = [0.0];
                let value = loss(&[lp], &[reference], 1.0, &mut w);
                assert!(!value.is_nan() && !w[0].is_nan(), "{lp} against {reference}: {value}, {w:?}");
            }
            let mut w = [0.0; 2];
            let value = k3_loss(&[lp, lp], &[reference; 2], 1.0, &mut w);
            assert!(value.is_finite() && w[0].is_finite(), "{lp} against {reference}: {value}, {w:?}");
        }
        for loss in CORRECTED {
            let (lp, mut w) = ([never, -800.0, -1.0, -1.0], [0.0; 4]);
            let value = loss(&lp, &[-1.0, -1.0, -800.0, -1.0], &[-1.0, -1.0, -1.0, -800.0], f64::INFINITY, 1.0, &mut w);
            assert!(value.is_finite() && w.iter().all(|w| w.is_finite()), "{value} {w:?}");
        }
        // what π never does costs nothing
        assert_eq!(kl_loss(&[0.0, never], &[0.0, -1.0], 1.0, &mut [0.0; 2]), 0.0);
        assert_eq!(kl_loss(&[0.0, never], &[0.0, never], 1.0, &mut [0.0; 2]), 0.0);
    }

    proptest! {
        #[test]
        fn k3_is_never_negative_and_k2_near_zero(d in -1e4..1e4_f64, small in -1e-2..1e-2_f64) {
            prop_assert!(k3(d) >= 0.0 && k3(d).is_finite());
            // the third-order term is −d³/6
            prop_assert!((k3(small) - k2(small)).abs() <= small.abs().powi(3));
        }

        /// No step where the series, the plain formula and the straight line meet.
        #[test]
        fn k3_is_one_curve(at in prop_oneof![Just(1e-3), Just(-1e-3), Just(-600.0)], step in 1e-9..1e-6_f64) {
            let (below, above) = (at * (1.0 - step), at * (1.0 + step));
            let slope = (k3(above) - k3(below)) / (above - below);
            prop_assert!((slope / k3_slope(at) - 1.0).abs() < 1e-3 + 1e-12 / step, "{} {}", slope, k3_slope(at));
        }
    }

    #[test]
    fn the_penalty_falls_on_every_token_and_the_reward_on_the_last() {
        let (lp, reference) = ([-1.0, -2.0, -0.5], [-1.5, -1.0, -0.5]);
        let mut tokens = [0.0; 3];
        kl_penalised_token_rewards(&lp, &reference, &[2, 1], &[1.0, -1.0], 0.5, k1, &mut tokens);
        assert_eq!(tokens, [-0.25, 1.5, -1.0]);
        let mut whole = [0.0; 2];
        kl_penalised_rewards(&lp, &reference, &[2, 1], &[1.0, -1.0], 0.5, k1, &mut whole);
        assert_eq!(whole, [1.25, -1.0]);
    }
}
