//! Losses on a weak teacher's labels (arXiv:2312.09390, Appendix A.4, and its public code): binary, in the student's log-odds s of class 1.
//!
//! All but [`entropy_regularised_loss`] are cross-entropies against targets in which the student's own say counts as given (no gradient
//! runs through it), so ∂loss/∂s = σ(s) − target, and the targets are what makes the variant.
//!
//! The weak labels are w = P(class 1) in \[0, 1\], soft or hard. All means are over the batch; shapes: one of each per item.

use super::verifier::cross_entropy_loss;
use crate::num::{log_sigmoid, sigmoid};
use crate::stats::{mean, median, quantile};

/// Mean cross-entropy −(w log σ(s) + (1 − w) log σ(−s)): naive finetuning on weak labels, nats.
pub fn weak_label_loss(log_odds: &[f64], weak: &[f64], scale: f64, weights: &mut [f64]) -> f64 {
    cross_entropy_loss(log_odds, weak, &vec![1.0; log_odds.len()], scale, weights)
}

/// The confidence loss: targets (1 − `share`) w + `share` · own class, equal to (1 − share) CE(f, w) + share CE(f, own class).
///
/// The student's own classes are [`balanced_classes`] in the paper, [`matched_classes`] in the public code.
pub fn confidence_loss(
    log_odds: &[f64],
    weak: &[f64],
    own: &[bool],
    share: f64,
    scale: f64,
    weights: &mut [f64],
) -> f64 {
    assert!(weak.len() == own.len(), "one label and one class per item");
    let target = |(w, own): (&f64, &bool)| (1.0 - share) * w + share * f64::from(u8::from(*own));
    let targets: Vec<f64> = weak.iter().zip(own).map(target).collect();
    weak_label_loss(log_odds, &targets, scale, weights)
}

/// The classes that the student itself calls, with a threshold such that exactly half of the batch is class 1 (classes are balanced): above
/// the median. Of an odd batch the middle item is class 0, as are items at the median.
pub fn balanced_classes(log_odds: &[f64]) -> Vec<bool> {
    let threshold = median(log_odds);
    log_odds.iter().map(|s| *s > threshold).collect()
}

/// The public code's classes: 1 is what has P(class 0) below the batch's quantile of P(class 0) at the weak labels' mean of class 1, so that
/// about as many are called class 1 as the teacher calls.
pub fn matched_classes(log_odds: &[f64], weak: &[f64]) -> Vec<bool> {
    let zero: Vec<f64> = log_odds.iter().map(|s| sigmoid(-s)).collect();
    let threshold = quantile(&zero, mean(weak).clamp(0.0, 1.0));
    zero.iter().map(|p| *p < threshold).collect()
}

/// Targets proportional to `P_student`^β · w^α, normalised over the two classes: the product of experts of the public code (there α = β = 1).
/// Where student and a hard label exclude each other the label decides.
pub fn product_loss(log_odds: &[f64], weak: &[f64], alpha: f64, beta: f64, scale: f64, weights: &mut [f64]) -> f64 {
    assert_eq!(log_odds.len(), weak.len(), "one label per item");
    let target = |(s, w): (&f64, &f64)| {
        let teacher = if alpha == 0.0 { 0.0 } else { alpha * (w / (1.0 - w)).ln() };
        sigmoid(beta * s + teacher)
    };
    let targets: Vec<f64> = log_odds.iter().zip(weak).map(target).collect();
    weak_label_loss(log_odds, &targets, scale, weights)
}

/// (1 − `share`) CE(f, w) + `share` H(f): minimising the student's own entropy makes it confident, softly.
///
/// The gradient runs through H. Public code that takes the student's probabilities as given in `share` CE(f, f) has the gradient of
/// (1 − share) CE(f, w) and nothing else: it regularises nothing (a test shows it).
pub fn entropy_regularised_loss(log_odds: &[f64], weak: &[f64], share: f64, scale: f64, weights: &mut [f64]) -> f64 {
    let labels = weak_label_loss(log_odds, weak, scale * (1.0 - share), weights);
    let each = 1.0 / log_odds.len() as f64;
    let mut entropy = 0.0;
    for (s, weight) in log_odds.iter().zip(weights) {
        let p = sigmoid(*s);
        entropy -= each * (p * log_sigmoid(*s) + (1.0 - p) * log_sigmoid(-s));
        // dH/ds = −s σ(s) σ(−s)
        *weight -= scale * share * each * s * p * (1.0 - p);
    }
    (1.0 - share) * labels + share * entropy
}

#[cfg(test)]
mod tests;
