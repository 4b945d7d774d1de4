//! The clipped surrogate of PPO (Eq. 7 of arXiv:1707.06347), over sampled tokens and over whole distributions.
//!
//! With ρ = `π/π_old`, min(ρA, clip(ρ, 1 − ε, 1 + ε) A) is min(ρ, 1 + ε) A for A ≥ 0 and max(ρ, 1 − ε) A for A < 0: a
//! ratio above 1 + ε stops the gradient only where the advantage is positive. At a kink the derivative from inside the
//! clip is taken.

/// `Σ_i min(ρ_i A_i, clip(ρ_i, 1 − ε, 1 + ε) A_i)` over chosen tokens (a sum: for a mean, divide value and scale).
///
/// # Shapes
/// `log_probs`, `old_log_probs`, `advantages`, `weights`: one entry per chosen token. `clip` is ε ≥ 0.
///
/// # Formula
/// `∂/∂log π_i = ρ_i A_i` where the ratio passes, else 0. Ratios are compared in log space: a ratio too large for f64
/// makes the value −∞ if A < 0 (as it is) and never NaN.
pub fn ppo_clip_objective(
    log_probs: &[f64],
    old_log_probs: &[f64],
    advantages: &[f64],
    clip: f64,
    scale: f64,
    weights: &mut [f64],
) -> f64 {
    check(log_probs, old_log_probs, advantages, clip, weights);
    let mut total = 0.0;
    for (((&lp, &old), &advantage), w) in log_probs.iter().zip(old_log_probs).zip(advantages).zip(weights) {
        let (term, slope) = clipped_term(log_ratio(lp, old), advantage, clip);
        total += term;
        *w += scale * slope;
    }
    total
}

/// `Σ_a π_old(a) min(ρ_a A_a, clip(ρ_a, 1 − ε, 1 + ε) A_a)`: the surrogate's exact mean over the tokens of one context,
/// when the sampling policy drew them.
///
/// # Shapes
/// `log_probs`, `old_log_probs`, `advantages`, `weights`: one entry per token of the vocabulary. `clip` is ε ≥ 0.
///
/// # Formula
/// `π_old ρ = π`, so no ratio is formed: the term is `min(π, (1 + ε) π_old) A` for A ≥ 0 and `max(π, (1 − ε) π_old) A`
/// for A < 0, with derivative π A where the ratio passes, else 0. At `π = π_old` the weights are π A: the policy gradient's.
pub fn expected_ppo_clip_objective(
    log_probs: &[f64],
    old_log_probs: &[f64],
    advantages: &[f64],
    clip: f64,
    scale: f64,
    weights: &mut [f64],
) -> f64 {
    check(log_probs, old_log_probs, advantages, clip, weights);
    let mut total = 0.0;
    for (((&lp, &old), &advantage), w) in log_probs.iter().zip(old_log_probs).zip(advantages).zip(weights) {
        if passes(log_ratio(lp, old), advantage, clip) {
            let term = lp.exp() * advantage;
            total += term;
            *w += scale * term;
        } else {
            total += (1.0 + clip.copysign(advantage)) * old.exp() * advantage;
        }
    }
    total
}

/// log `π/π_old`; 0 where they are equal, also where both are impossible.
pub(super) fn log_ratio(log_prob: f64, old: f64) -> f64 {
    // equal first: −∞ − (−∞) is no ratio at all
    if log_prob.to_bits() == old.to_bits() { 0.0 } else { log_prob - old }
}

/// min(ρA, clip(ρ) A) and its derivative with respect to log ρ.
pub(super) fn clipped_term(log_ratio: f64, advantage: f64, clip: f64) -> (f64, f64) {
    if advantage == 0.0 {
        return (0.0, 0.0);
    }
    if passes(log_ratio, advantage, clip) {
        let term = log_ratio.exp() * advantage;
        (term, term)
    } else {
        ((1.0 + clip.copysign(advantage)) * advantage, 0.0)
    }
}

/// Whether a token with this log ratio and advantage passes gradient.
fn passes(log_ratio: f64, advantage: f64, clip: f64) -> bool {
    // ln_1p of anything below −1 (a clip above 1) is NaN: such a clip has no lower side
    if advantage >= 0.0 { log_ratio <= clip.ln_1p() } else { clip >= 1.0 || log_ratio >= (-clip).ln_1p() }
}

fn check(log_probs: &[f64], old_log_probs: &[f64], advantages: &[f64], clip: f64, weights: &[f64]) {
    let n = log_probs.len();
    assert!(
        old_log_probs.len() == n && advantages.len() == n && weights.len() == n,
        "one old log-prob, advantage and weight per log-prob"
    );
    assert!(clip >= 0.0, "clip must be at least 0, got {clip}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::testing::assert_weights_are_the_derivative;
    use approx::assert_relative_eq;

    /// Ratios inside the clip, above it and below it, each with both signs of the advantage.
    const OLD: [f64; 6] = [-1.0, -1.0, -1.5, -1.5, -0.5, -0.5];
    const NEW: [f64; 6] = [-1.1, -1.1, -0.5, -0.5, -2.5, -2.5];
    const ADVANTAGES: [f64; 6] = [0.7, -0.7, 0.7, -0.7, 0.7, -0.7];

    #[test]
    fn weights_are_the_derivative_on_every_branch() {
        assert_weights_are_the_derivative(&NEW, |lp, s, w| ppo_clip_objective(lp, &OLD, &ADVANTAGES, 0.2, s, w));
        assert_weights_are_the_derivative(&NEW, |lp, s, w| {
            expected_ppo_clip_objective(lp, &OLD, &ADVANTAGES, 0.2, s, w)
        });
    }

    #[test]
    fn value_is_the_definition() {
        let direct = |weight: &dyn Fn(usize) -> f64| -> f64 {
            let term = |i: usize| {
                let ratio = (NEW[i] - OLD[i]).exp();
                weight(i) * (ratio * ADVANTAGES[i]).min(ratio.clamp(0.8, 1.2) * ADVANTAGES[i])
            };
            (0..6).map(term).sum()
        };
        let got = ppo_clip_objective(&NEW, &OLD, &ADVANTAGES, 0.2, 1.0, &mut [0.0; 6]);
        assert_relative_eq!(got, direct(&|_| 1.0), max_relative = 1e-14);
        let got = expected_ppo_clip_objective(&NEW, &OLD, &ADVANTAGES, 0.2, 1.0, &mut [0.0; 6]);
        assert_relative_eq!(got, direct(&|i| OLD[i].exp()), max_relative = 1e-14);
    }

    #[test]
    fn gradient_stops_above_the_clip_for_gains_and_below_it_for_losses() {
        let passed = |ratio: f64, advantage: f64| {
            let mut w = [0.0];
            ppo_clip_objective(&[ratio.ln()], &[0.0], &[advantage], 0.2, 1.0, &mut w);
            w[0] != 0.0
        };
        assert!(!passed(1.2 + 1e-9, 1.0) && passed(1.2 - 1e-9, 1.0) && passed(0.1, 1.0));
        assert!(passed(5.0, -1.0) && passed(0.8 + 1e-9, -1.0) && !passed(0.8 - 1e-9, -1.0));
    }

    #[test]
    fn clip_of_zero_and_above_one() {
        let mut w = [0.0];
        assert_relative_eq!(ppo_clip_objective(&[-1.0], &[-1.0], &[2.0], 0.0, 1.0, &mut w), 2.0);
        assert_relative_eq!(w[0], 2.0); // at the kink the inner derivative is taken
        let mut w = [0.0];
        let value = ppo_clip_objective(&[-50.0], &[-1.0], &[-1.0], 1.5, 1.0, &mut w);
        assert_relative_eq!(value, -(-49.0_f64).exp());
        assert_relative_eq!(w[0], value); // no lower side to clip at
    }

    #[test]
    fn extreme_ratios_do_not_make_nan() {
        let far = [(800.0, -1.0), (800.0, 0.0), (800.0, 1.0), (-800.0, -1.0), (-800.0, 1.0)];
        for (log_ratio, advantage) in far {
            let mut w = [0.0];
            let value = ppo_clip_objective(&[log_ratio - 801.0], &[-801.0], &[advantage], 0.2, 1.0, &mut w);
            assert!(!value.is_nan() && !w[0].is_nan(), "log ratio {log_ratio}, advantage {advantage}: {value}");
        }
        let never = f64::NEG_INFINITY;
        for (lp, old) in [(never, never), (never, -1.0), (-1.0, never)] {
            for advantage in [-1.0, 0.0, 1.0] {
                let mut w = [0.0];
                let value = expected_ppo_clip_objective(&[lp], &[old], &[advantage], 0.2, 1.0, &mut w);
                assert!(value.is_finite() && w[0].is_finite(), "{lp} from {old}, advantage {advantage}: {value}");
                // one sampled token: only a ratio of e^∞ with a negative advantage is infinite, and it is no NaN
                let value = ppo_clip_objective(&[lp], &[old], &[advantage], 0.2, 1.0, &mut w);
                assert!(!value.is_nan() && !w[0].is_nan(), "{lp} from {old}, advantage {advantage}: {value}");
            }
        }
    }
}
