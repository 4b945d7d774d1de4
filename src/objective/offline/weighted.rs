//! Negative log-likelihoods with a constant per token: GOLD, the offline actor-critic.

/// `−(1/n) Σ_t c_t log π(y_t)`, n the number of tokens, the `c_t` constants: no gradient passes through them. An empty batch is 0.
///
/// # Shapes
/// `log_probs`, `token_weights`, `weights`: one per token of all sequences.
///
/// # Formula
/// `∂/∂log π_t = −c_t/n`. A token with c = 0 counts in n but adds nothing, even where the policy cannot produce it.
pub fn weighted_nll_loss(log_probs: &[f64], token_weights: &[f64], scale: f64, weights: &mut [f64]) -> f64 {
    mean_nll(log_probs, token_weights, |_, weight| weight, scale, weights)
}

/// GOLD: `−(1/n) Σ_t max(π(y_t), floor) Q_t log π(y_t)`, the first factor a stop-gradient (arXiv:2009.07839: off-policy policy
/// gradient in which the demonstrations' own density is taken as constant, so that the importance weight of a token is the policy's
/// probability of it, bounded from below).
///
/// # Shapes
/// `log_probs`, `returns`, `weights`: one per token of all sequences; `returns` are Q, the return to go of the token. `floor` is
/// in [0, 1]; at 1 the weight is 1 everywhere and the loss is [`weighted_nll_loss`] with Q.
///
/// # Formula
/// `∂/∂log π_t = −max(π_t, floor) Q_t/n`. The value is therefore not a function with this derivative; only its gradient at the present
/// policy means something.
pub fn gold_loss(log_probs: &[f64], returns: &[f64], floor: f64, scale: f64, weights: &mut [f64]) -> f64 {
    assert!((0.0..=1.0).contains(&floor), "floor must be in [0, 1], got {floor}");
    mean_nll(log_probs, returns, |log_prob, q| log_prob.exp().max(floor) * q, scale, weights)
}

/// OAC: `−(1/n) Σ_t A_t log π(y_t)`, the advantage of the token over the behaviour policy's value (Mathieu et al. 2021; without V-trace, as
/// arXiv:2308.08998, Appendix A.8, has it).
///
/// # Shapes
/// `log_probs`, `advantages`, `weights`: one per token of all sequences.
///
/// # Formula
/// `∂/∂log π_t = −A_t/n`. Where A < 0 the loss falls without bound as π goes to 0: it needs few steps, or small ones.
pub fn oac_loss(log_probs: &[f64], advantages: &[f64], scale: f64, weights: &mut [f64]) -> f64 {
    weighted_nll_loss(log_probs, advantages, scale, weights)
}

/// `−(1/n) Σ_t c_t log π_t` with `c_t = weight_of(log π_t, given_t)`, taken as a constant.
fn mean_nll(
    log_probs: &[f64],
    given: &[f64],
    weight_of: impl Fn(f64, f64) -> f64,
    scale: f64,
    weights: &mut [f64],
) -> f64 {
    let n = log_probs.len();
    assert!(given.len() == n && weights.len() == n, "one number and weight per token");
    let share = 1.0 / n.max(1) as f64;
    let mut loss = 0.0;
    for ((&log_prob, &given), w) in log_probs.iter().zip(given).zip(weights) {
        let c = weight_of(log_prob, given);
        // 0 · −∞ would be no number
        if c != 0.0 {
            loss -= share * c * log_prob;
            *w -= scale * share * c;
        }
    }
    loss
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::testing::assert_weights_are_the_derivative;
    use crate::objective::{filtered_token_nll_loss, token_nll_loss};

    const LOG_PROBS: [f64; 4] = [-0.2, -2.0, -3.0, -0.7];
    /// Both signs, a zero; π is above the floor 0.1 at all tokens but the third.
    const GIVEN: [f64; 4] = [0.5, -1.5, 2.0, 0.0];

    fn frozen(floor: f64) -> [f64; 4] {
        std::array::from_fn(|t| LOG_PROBS[t].exp().max(floor) * GIVEN[t])
    }

    #[test]
    fn weights_are_the_derivative() {
        assert_weights_are_the_derivative(&LOG_PROBS, |lp, s, w| weighted_nll_loss(lp, &GIVEN, s, w));
        assert_weights_are_the_derivative(&LOG_PROBS, |lp, s, w| oac_loss(lp, &GIVEN, s, w));
    }

    /// With the importance weights frozen GOLD is a weighted loss: same value, same weights, and those pass the difference test above.
    #[test]
    fn gold_is_the_weighted_loss_with_the_weights_frozen() {
        for floor in [0.0, 0.1, 1.0] {
            let mut weights = [[0.5; 4]; 2];
            let gold = gold_loss(&LOG_PROBS, &GIVEN, floor, -2.0, &mut weights[0]);
            let plain = weighted_nll_loss(&LOG_PROBS, &frozen(floor), -2.0, &mut weights[1]);
            assert_eq!((gold, weights[0]), (plain, weights[1]));
            assert_weights_are_the_derivative(&LOG_PROBS, |lp, s, w| weighted_nll_loss(lp, &frozen(floor), s, w));
        }
    }

    /// The full derivative has π′ Q log π as well; the loss must not.
    #[test]
    fn gold_does_not_differentiate_its_weight() {
        let (mut weights, h) = ([0.0; 4], 1e-6);
        gold_loss(&LOG_PROBS, &GIVEN, 0.1, 1.0, &mut weights);
        let value = |at: usize, step: f64| {
            let mut moved = LOG_PROBS;
            moved[at] += step;
            gold_loss(&moved, &GIVEN, 0.1, 1.0, &mut [0.0; 4])
        };
        let missing = |t: usize| (value(t, h) - value(t, -h)) / (2.0 * h) - weights[t];
        for t in [0, 1] {
            let through = -0.25 * LOG_PROBS[t].exp() * GIVEN[t] * LOG_PROBS[t];
            assert!((missing(t) - through).abs() < 1e-9 && through.abs() > 0.01, "token {t}: {}", missing(t));
        }
        assert!(missing(2).abs() < 1e-9, "on the floor the weight is a constant anyway");
    }

    #[test]
    fn corners() {
        assert_eq!(weighted_nll_loss(&[], &[], 1.0, &mut []), 0.0);
        assert_eq!(gold_loss(&[], &[], 0.1, 1.0, &mut []), 0.0);
        let mut weights = [0.25; 4];
        assert_eq!(oac_loss(&LOG_PROBS, &[0.0; 4], 1.0, &mut weights), 0.0);
        assert_eq!(weights, [0.25; 4]);
        let mut weights = [0.0];
        assert_eq!(weighted_nll_loss(&[f64::NEG_INFINITY], &[0.0], 1.0, &mut weights), 0.0);
        assert_eq!(gold_loss(&[f64::NEG_INFINITY], &[1.0], 0.0, 1.0, &mut weights), 0.0);
        assert_eq!(gold_loss(&[-2.0], &[3.0], 0.5, 1.0, &mut weights), 3.0);
        assert_eq!(weights, [-1.5]);
    }

    #[test]
    fn weight_one_is_cloning() {
        let plain = token_nll_loss(&LOG_PROBS, 1.0, &mut [0.0; 4]);
        assert!((weighted_nll_loss(&LOG_PROBS, &[1.0; 4], 1.0, &mut [0.0; 4]) - plain).abs() < 1e-15);
        assert!((gold_loss(&LOG_PROBS, &[1.0; 4], 1.0, 1.0, &mut [0.0; 4]) - plain).abs() < 1e-15);
    }

    /// The threshold that makes the filter strict, as the doc of this folder says.
    #[test]
    fn the_next_number_up_is_the_strict_filter() {
        let kept = |threshold| {
            let mut weights = [0.0; 4];
            filtered_token_nll_loss(&LOG_PROBS, &[1, 2, 1], &[0.8, 0.9, 0.2], threshold, 1.0, &mut weights);
            weights.map(|w| w != 0.0)
        };
        assert_eq!(kept(0.8), [true, true, true, false]);
        assert_eq!(kept(0.8_f64.next_up()), [false, true, true, false]);
    }
}
