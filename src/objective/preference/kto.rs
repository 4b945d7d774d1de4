//! Kahneman–Tversky optimisation (arXiv:2402.01306): completions marked good or bad, without pairs.

use super::log_ratios;
use crate::num::sigmoid;

/// KTO's settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kto {
    /// β > 0.
    pub beta: f64,
    /// `λ_D`, the weight of a desirable completion.
    pub desirable: f64,
    /// `λ_U`, that of an undesirable one.
    pub undesirable: f64,
}

/// `(1/m) Σ λ (1 − v)`: v = σ(β (ρ − z₀)) for a desirable completion, σ(β (z₀ − ρ)) for an undesirable one (Eq. 8 of
/// arXiv:2402.01306). z₀, `kl`, stands for KL(π‖`π_ref`) and gets no gradient; the paper estimates it from mismatched prompts
/// and completions and cuts it at 0.
///
/// # Shapes
/// `log_probs`, `reference`, `weights`, `good`: one per completion, in any order.
pub fn kto_loss(
    log_probs: &[f64],
    reference: &[f64],
    good: &[bool],
    kl: f64,
    settings: Kto,
    scale: f64,
    weights: &mut [f64],
) -> f64 {
    assert!(good.len() == log_probs.len() && weights.len() == good.len(), "one mark and weight per completion");
    let share = 1.0 / good.len().max(1) as f64;
    let mut total = 0.0;
    for ((ratio, &good), w) in log_ratios(log_probs, reference).into_iter().zip(good).zip(weights) {
        let (lambda, sign) = if good { (settings.desirable, 1.0) } else { (settings.undesirable, -1.0) };
        let value = sigmoid(sign * settings.beta * (ratio - kl));
        total += lambda * (1.0 - value);
        *w -= scale * share * lambda * sign * settings.beta * value * (1.0 - value);
    }
    total * share
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::testing::assert_weights_are_the_derivative;

    const SETTINGS: Kto = Kto { beta: 0.7, desirable: 1.2, undesirable: 0.8 };

    #[test]
    fn weights_are_the_derivative() {
        let reference = [-4.0, -6.0, -3.0];
        assert_weights_are_the_derivative(&[-3.0, -7.0, -4.0], |lp, s, w| {
            kto_loss(lp, &reference, &[true, false, false], 0.3, SETTINGS, s, w)
        });
    }

    /// What the value function is for: a completion far from z₀ on the right side, or hopelessly on the wrong one, pulls no more.
    #[test]
    fn it_saturates_on_both_sides() {
        let pull = |log_prob: f64| {
            let mut w = [0.0];
            kto_loss(&[log_prob], &[-50.0], &[true], 0.0, SETTINGS, 1.0, &mut w);
            -w[0]
        };
        assert!(pull(-50.0) > 100.0 * pull(-10.0) && pull(-50.0) > 100.0 * pull(-90.0));
    }
}
