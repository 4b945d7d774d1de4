//! Odds-ratio preference optimisation (arXiv:2403.07691): supervised finetuning with an odds-ratio penalty, no reference.

use super::{add_per_token, mean_over_pairs, per_token};
use crate::num::{log_sigmoid, sigmoid};

/// `(1/n) Σ −ℓ_w + λ · (−log σ(logit P_w − logit P_l))`, with ℓ the mean log-probability per token and P = e^ℓ (Eqs. 6 and 7 of
/// arXiv:2403.07691), nats.
///
/// The supervised term is a mean over pairs of means over tokens; TRL takes the mean over all chosen tokens of the batch.
///
/// # Shapes
/// `log_probs`, `weights`: chosen, then rejected completions, summed over tokens; `lengths`: tokens of each, at least 1.
pub fn orpo_loss(log_probs: &[f64], lengths: &[usize], lambda: f64, scale: f64, weights: &mut [f64]) -> f64 {
    let means = per_token(log_probs, lengths);
    let mut slopes = vec![0.0; means.len()];
    let value = mean_over_pairs(&means, scale, &mut slopes, |chosen, rejected, _| {
        let d = log_odds(chosen) - log_odds(rejected);
        let pull = lambda * sigmoid(-d);
        (-chosen - lambda * log_sigmoid(d), [-1.0 - pull * odds_slope(chosen), pull * odds_slope(rejected)])
    });
    add_per_token(&slopes, lengths, weights);
    value
}

/// log(P/(1 − P)) of a log-probability.
fn log_odds(log_prob: f64) -> f64 {
    log_prob - (-log_prob.exp_m1()).ln()
}

/// Its derivative, 1/(1 − P).
fn odds_slope(log_prob: f64) -> f64 {
    -1.0 / log_prob.exp_m1()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::testing::assert_weights_are_the_derivative;

    #[test]
    fn weights_are_the_derivative() {
        let lengths = [3, 2, 5, 1];
        assert_weights_are_the_derivative(&[-3.0, -7.0, -4.0, -2.0], |lp, s, w| orpo_loss(lp, &lengths, 0.5, s, w));
    }

    #[test]
    fn equal_odds_cost_ln_2() {
        let loss = |lambda| orpo_loss(&[-2.0, -4.0], &[1, 2], lambda, 1.0, &mut [0.0; 2]);
        assert!((loss(1.0) - loss(0.0) - std::f64::consts::LN_2).abs() < 1e-15);
    }
}
