//! Losses of verifiers: weights on the scores (log-odds) that a model gives to the steps of a solution, or to a whole one.
//!
//! The same scores can be taught in two ways. *Process*: each step has a label of its own, up to the first wrong one. *Outcome*: the
//! solution has one label. [`outcome_product_loss`] says P(right) = Π σ(score), so that the model is that of the process loss and the
//! supervision alone differs; in [`cross_entropy_loss`] a score of the whole solution (a sum over its steps, or what a transformer says
//! at the last token) is the log-odds itself, as outcome models usually have it.
//!
//! Labels of steps are those of arXiv:2305.20050: −1 wrong, 0 neutral (no error, no progress), +1 right.

use super::sequences;
use crate::num::{log_one_minus_exp, log_sigmoid, log_sum_exp, sigmoid};

/// How many steps of a solution are supervised: up to the first wrong one, and that one.
pub fn supervised_steps(labels: &[i8]) -> usize {
    labels.iter().position(|label| *label < 0).map_or(labels.len(), |first| first + 1)
}

/// `−(1/n) Σ_i n_i (y_i log σ(s_i) + (1 − y_i) log σ(−s_i))`, n = Σ `n_i`: binary cross-entropy with soft targets y. No counts: 0.
///
/// # Shapes
/// `scores`, `targets` in \[0, 1\], `counts` ≥ 0 (how often an example stands in the data), `weights`: one per example.
pub fn cross_entropy_loss(scores: &[f64], targets: &[f64], counts: &[f64], scale: f64, weights: &mut [f64]) -> f64 {
    let n = scores.len();
    assert!(targets.len() == n && counts.len() == n && weights.len() == n, "one of each per score");
    let share = inverse(counts.iter().sum());
    let mut loss = 0.0;
    for (((s, y), count), w) in scores.iter().zip(targets).zip(counts).zip(weights) {
        // −log σ(s) + (1 − y) s is the cross-entropy: log σ(−s) = log σ(s) − s
        loss += share * count * ((1.0 - y) * s - log_sigmoid(*s));
        *w += scale * share * count * (sigmoid(*s) - y);
    }
    loss
}

/// The mean over supervised steps of `−log σ(±s_t)`: a process model with two classes. Supervision stops at the first wrong step, as in
/// arXiv:2305.20050. A neutral step's target is `neutral`: 1 counts it as right, 0 as wrong (it does not end the supervision).
///
/// # Shapes
/// `scores`, `labels`, `weights`: one per step of all solutions; `lengths`: steps of each solution. Labels are −1, 0, +1.
pub fn process_loss(
    scores: &[f64],
    lengths: &[usize],
    labels: &[i8],
    neutral: f64,
    scale: f64,
    weights: &mut [f64],
) -> f64 {
    let n = scores.len();
    assert!(labels.len() == n && weights.len() == n, "one label and weight per step");
    let share = inverse(supervised(lengths, labels) as f64);
    let mut loss = 0.0;
    for steps in sequences(lengths, n) {
        let count = supervised_steps(&labels[steps.clone()]);
        for t in steps.start..steps.start + count {
            let target = match labels[t] {
                ..0 => 0.0,
                0 => neutral,
                1.. => 1.0,
            };
            loss += share * ((1.0 - target) * scores[t] - log_sigmoid(scores[t]));
            weights[t] += scale * share * (sigmoid(scores[t]) - target);
        }
    }
    loss
}

/// The mean over supervised steps of `−log softmax(logits)[label]`: a process model with the three classes wrong, neutral, right.
///
/// # Shapes
/// `logits`, `weights`: steps × 3 in the order −1, 0, +1; `labels`: one per step; `lengths`: steps of each solution.
pub fn process_class_loss(logits: &[f64], lengths: &[usize], labels: &[i8], scale: f64, weights: &mut [f64]) -> f64 {
    let mut counts = vec![0.0; 3 * labels.len()];
    for steps in sequences(lengths, labels.len()) {
        let count = supervised_steps(&labels[steps.clone()]);
        for t in steps.start..steps.start + count {
            counts[3 * t + class_of(labels[t])] = 1.0;
        }
    }
    class_loss(logits, &counts, scale, weights)
}

/// Where a label stands among three classes: wrong 0, neutral 1, right 2.
pub fn class_of(label: i8) -> usize {
    (label.signum() + 1) as usize
}

/// `−(1/n) Σ_i Σ_c n_ic log softmax(logits_i)[c]`, n = Σ `n_ic`: three-class cross-entropy of counted labels. No counts: 0.
///
/// # Shapes
/// `logits`, `counts` ≥ 0, `weights`: examples × 3.
pub fn class_loss(logits: &[f64], counts: &[f64], scale: f64, weights: &mut [f64]) -> f64 {
    assert!(counts.len() == logits.len() && weights.len() == logits.len(), "one count and weight per logit");
    assert!(logits.len().is_multiple_of(3), "three logits per example");
    let share = inverse(counts.iter().sum());
    let mut loss = 0.0;
    for ((z, n), w) in logits.chunks_exact(3).zip(counts.chunks_exact(3)).zip(weights.chunks_exact_mut(3)) {
        let total: f64 = n.iter().sum();
        if total == 0.0 {
            continue;
        }
        let norm = log_sum_exp(z);
        for c in 0..3 {
            loss -= share * n[c] * (z[c] - norm);
            w[c] += scale * share * (total * (z[c] - norm).exp() - n[c]);
        }
    }
    loss
}

/// `−(1/n) Σ_i n_i (y_i log P'_i + (1 − y_i) log(1 − P'_i))`, n = Σ `n_i`, with P a model's probability that the solution is right and
/// P' = ρ + (1 − ρ) P that of the label, if a wrong solution is called right with probability ρ.
///
/// # Shapes
/// `log_right` (log P ≤ 0), `targets` in \[0, 1\], `counts` ≥ 0, `weights`: one per solution; ρ = `false_positives` in \[0, 1).
///
/// # Formula
/// ∂ log(1 − P')/∂ log P = −P/(1 − P), whatever ρ is.
pub fn outcome_loss(
    log_right: &[f64],
    targets: &[f64],
    counts: &[f64],
    false_positives: f64,
    scale: f64,
    weights: &mut [f64],
) -> f64 {
    let n = log_right.len();
    assert!(targets.len() == n && counts.len() == n && weights.len() == n, "one of each per solution");
    let (share, rho) = (inverse(counts.iter().sum()), false_positives);
    let mut loss = 0.0;
    for (((&log_right, y), count), w) in log_right.iter().zip(targets).zip(counts).zip(weights) {
        let (mut value, mut pull) = (0.0, 0.0);
        // a target of exactly 1 needs no log(1 − P'), which may be −∞, and one of 0 no log P'
        if *y > 0.0 {
            let (log_label, by_right) = if rho > 0.0 {
                let right = (1.0 - rho) * log_right.exp();
                ((rho + right).ln(), right / (rho + right))
            } else {
                (log_right, 1.0)
            };
            value += y * log_label;
            pull += y * by_right;
        }
        if *y < 1.0 {
            value += (1.0 - y) * ((1.0 - rho).ln() + log_one_minus_exp(log_right));
            pull -= (1.0 - y) / (-log_right).exp_m1();
        }
        loss -= share * count * value;
        *w -= scale * share * count * pull;
    }
    loss
}

/// [`outcome_loss`] with `P_i = Π_t σ(s_it)`, the probability that all steps are right: outcome supervision of the model that [`process_loss`]
/// supervises step by step.
///
/// # Shapes
/// `scores`, `weights`: one per step of all solutions; `lengths` ≥ 1, `targets`, `counts`: one per solution.
pub fn outcome_product_loss(
    scores: &[f64],
    lengths: &[usize],
    targets: &[f64],
    counts: &[f64],
    false_positives: f64,
    scale: f64,
    weights: &mut [f64],
) -> f64 {
    assert_eq!(scores.len(), weights.len(), "one weight per step");
    let log_right: Vec<f64> =
        sequences(lengths, scores.len()).map(|steps| scores[steps].iter().map(|s| log_sigmoid(*s)).sum()).collect();
    let mut on_solutions = vec![0.0; lengths.len()];
    let loss = outcome_loss(&log_right, targets, counts, false_positives, scale, &mut on_solutions);
    for (steps, pull) in sequences(lengths, scores.len()).zip(on_solutions) {
        for t in steps {
            // ∂ log σ(s)/∂s
            weights[t] += pull * sigmoid(-scores[t]);
        }
    }
    loss
}

fn supervised(lengths: &[usize], labels: &[i8]) -> usize {
    sequences(lengths, labels.len()).map(|steps| supervised_steps(&labels[steps])).sum()
}

/// 1/n, or 0 if there is nothing.
fn inverse(n: f64) -> f64 {
    if n > 0.0 { 1.0 / n } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::testing::assert_weights_are_the_derivative;

    const SCORES: [f64; 6] = [2.0, 1.0, -0.5, 0.3, 3.0, -1.2];
    const LENGTHS: [usize; 3] = [3, 1, 2];

    #[test]
    fn weights_are_the_derivative() {
        let labels = [1, -1, 1, 0, 1, 1];
        assert_weights_are_the_derivative(&SCORES, |s, scale, w| {
            cross_entropy_loss(s, &[0.0, 1.0, 0.3, 0.5, 1.0, 0.9], &[1.0, 2.0, 1.0, 0.0, 5.0, 1.0], scale, w)
        });
        for neutral in [0.0, 1.0] {
            assert_weights_are_the_derivative(&SCORES, |s, scale, w| {
                process_loss(s, &LENGTHS, &labels, neutral, scale, w)
            });
        }
        assert_weights_are_the_derivative(&SCORES, |z, scale, w| process_class_loss(z, &[2], &[0, 1], scale, w));
        for rho in [0.0, 0.2] {
            for targets in [[1.0, 0.0, 1.0], [0.0, 0.25, 0.5]] {
                assert_weights_are_the_derivative(&SCORES, |s, scale, w| {
                    outcome_product_loss(s, &LENGTHS, &targets, &[1.0, 3.0, 2.0], rho, scale, w)
                });
            }
        }
    }

    /// Steps behind the first wrong one, whatever is said of them, change nothing.
    #[test]
    fn supervision_stops_at_the_first_wrong_step() {
        assert_eq!([&[1, -1, -1][..], &[1, 0], &[-1], &[]].map(supervised_steps), [2, 2, 1, 0]);
        let mut weights = [0.0; 6];
        let loss = process_loss(&SCORES, &LENGTHS, &[1, -1, 1, 0, 1, 1], 1.0, 1.0, &mut weights);
        // five steps are supervised: all but the third
        let expected = [2.0, -1.0, 0.3, 3.0, -1.2].map(|s| -log_sigmoid(s)).iter().sum::<f64>() / 5.0;
        assert!((loss - expected).abs() < 1e-15 && weights[2] == 0.0, "{loss} {weights:?}");
        let classes = |labels: &[i8]| process_class_loss(&SCORES, &[2], labels, 1.0, &mut [0.0; 6]);
        assert_eq!(classes(&[-1, 1]), classes(&[-1, -1]));
        assert!(classes(&[1, 1]) != classes(&[1, -1]));
    }

    /// With one step per solution and no false positives process and outcome are one loss, and the linear one too.
    #[test]
    fn one_step_makes_all_losses_one() {
        let (labels, targets) = ([1, -1, 1, 1, -1, 1], [1.0, 0.0, 1.0, 1.0, 0.0, 1.0]);
        let (ones, mut w) = ([1.0; 6], [[0.0; 6]; 3]);
        let process = process_loss(&SCORES, &[1; 6], &labels, 1.0, 1.0, &mut w[0]);
        let product = outcome_product_loss(&SCORES, &[1; 6], &targets, &ones, 0.0, 1.0, &mut w[1]);
        let linear = cross_entropy_loss(&SCORES, &targets, &ones, 1.0, &mut w[2]);
        assert!((process - product).abs() < 1e-14 && (process - linear).abs() < 1e-14);
        for (t, &weight) in w[0].iter().enumerate() {
            assert!((weight - w[1][t]).abs() < 1e-14 && (weight - w[2][t]).abs() < 1e-14);
        }
    }

    /// Scores at which Π σ rounds to 1, or to 0.
    #[test]
    fn extreme_scores_stay_finite() {
        for s in [40.0, 300.0, -300.0] {
            for y in [0.0, 1.0] {
                let mut w = [0.0; 2];
                let loss = outcome_product_loss(&[s, s], &[2], &[y], &[1.0], 0.0, 1.0, &mut w);
                assert!(loss.is_finite() && w.iter().all(|w| w.is_finite()), "{s} {y}: {loss} {w:?}");
            }
        }
        // wrong with certainty of e^-300 each way: the loss is 300 − log 2, and the pull is a half on each step
        let mut w = [0.0; 2];
        let loss = outcome_product_loss(&[300.0, 300.0], &[2], &[0.0], &[1.0], 0.0, 1.0, &mut w);
        assert!((loss - (300.0 - 2_f64.ln())).abs() < 1e-9 && (w[0] - 0.5).abs() < 1e-12, "{loss} {w:?}");
    }

    #[test]
    fn nothing_costs_nothing() {
        assert_eq!(cross_entropy_loss(&[], &[], &[], 1.0, &mut []), 0.0);
        assert_eq!(process_loss(&[], &[], &[], 1.0, 1.0, &mut []), 0.0);
        assert_eq!(class_loss(&[1.0; 3], &[0.0; 3], 1.0, &mut [0.0; 3]), 0.0);
        assert_eq!(outcome_product_loss(&[], &[], &[], &[], 0.0, 1.0, &mut []), 0.0);
    }
}
