use super::*;
use crate::objective::testing::assert_weights_are_the_derivative;

// # The formulas of openai/weak-to-strong, weak_to_strong/loss.py at 6b450f2, in NumPy (float64; np.quantile is torch.quantile)
// import numpy as np
// s = np.array([-1.3, 0.4, 2.1, -0.2, 0.9, -2.4]); w = np.array([0.6, 0.9, 0.8, 0.85, 0.5, 0.3])
// logits = np.stack([np.zeros(6), s], 1); labels = np.stack([1 - w, w], 1)
// log_probs = logits - np.log(np.exp(logits).sum(1, keepdims=True)); preds = np.exp(log_probs)
// ce = lambda target: -(target * log_probs).sum(1).mean()
// def logconf(step_frac, aux_coef=0.5, warmup_frac=0.1):
//     coef = (1.0 if step_frac > warmup_frac else step_frac) * aux_coef
//     threshold = np.quantile(preds[:, 0], labels.mean(0)[1])
//     strong = np.stack([preds[:, 0] >= threshold, preds[:, 0] < threshold], 1)
//     return ce(labels * (1 - coef) + strong * coef)
// def product(alpha=1.0, beta=1.0):
//     target = preds**beta * labels**alpha
//     return ce(target / target.sum(1, keepdims=True))
// for v in (ce(labels), logconf(0.05), logconf(0.5), product(), product(2.0, 0.5)): print(repr(float(v)))
// # the paper's: half above the median, half of the targets its own
// own = s > np.median(s); print(repr(float(ce(np.stack([1 - (.5*w+.5*own), .5*w+.5*own], 1)))))
// p = preds[:, 1]; print(repr(float(.7*ce(labels) + .3*-(p*np.log(p)+(1-p)*np.log(1-p)).mean())))
const S: [f64; 6] = [-1.3, 0.4, 2.1, -0.2, 0.9, -2.4];
const W: [f64; 6] = [0.6, 0.9, 0.8, 0.85, 0.5, 0.3];

fn value(loss: impl Fn(&mut [f64]) -> f64) -> f64 {
    loss(&mut [0.0; 6])
}

fn public(coefficient: f64, weights: &mut [f64]) -> f64 {
    confidence_loss(&S, &W, &matched_classes(&S, &W), coefficient, 1.0, weights)
}

#[test]
fn golden_values_of_the_public_codes_formulas() {
    let near = |got: f64, expected: f64| assert!((got - expected).abs() < 1e-12, "{got} {expected}");
    near(value(|w| weak_label_loss(&S, &W, 1.0, w)), 0.745_945_354_280_054_9);
    near(value(|w| public(0.05 * 0.5, w)), 0.736_028_687_613_388_1);
    near(value(|w| public(0.5, w)), 0.547_612_020_946_721_5);
    near(value(|w| product_loss(&S, &W, 1.0, 1.0, 1.0, w)), 0.479_584_214_233_978_3);
    near(value(|w| product_loss(&S, &W, 2.0, 0.5, 1.0, w)), 0.552_732_064_642_597_4);
    near(value(|w| confidence_loss(&S, &W, &balanced_classes(&S), 0.5, 1.0, w)), 0.530_945_354_280_054_8);
    near(value(|w| entropy_regularised_loss(&S, &W, 0.3, 1.0, w)), 0.677_837_149_393_599_6);
}

#[test]
fn weights_are_the_derivative() {
    let own = balanced_classes(&S);
    assert_weights_are_the_derivative(&S, |s, scale, w| weak_label_loss(s, &W, scale, w));
    assert_weights_are_the_derivative(&S, |s, scale, w| confidence_loss(s, &W, &own, 0.4, scale, w));
    assert_weights_are_the_derivative(&S, |s, scale, w| entropy_regularised_loss(s, &W, 0.4, scale, w));
}

/// Of the product loss the targets are given: differences are of the cross-entropy against the targets at the point itself.
#[test]
fn no_gradient_runs_through_the_products_targets() {
    let mut got = [0.0; 6];
    product_loss(&S, &W, 1.5, 0.5, 1.0, &mut got);
    for ((g, s), w) in got.iter().zip(S).zip(W) {
        let target = (0.5 * s + 1.5 * (w / (1.0 - w)).ln()).exp();
        assert!((g - (sigmoid(s) - target / (1.0 + target)) / 6.0).abs() < 1e-12);
    }
}

#[test]
fn own_classes_are_half_of_the_batch_or_as_many_as_the_teachers() {
    assert_eq!(balanced_classes(&S), [false, true, true, false, true, false]);
    assert_eq!(balanced_classes(&S[..5]), [false, false, true, false, true]);
    assert_eq!(matched_classes(&S, &[0.0; 6]), [false; 6]);
    // the quantile at 1 is the largest itself, and below it are all the others
    assert_eq!(matched_classes(&S, &[1.0; 6]).iter().filter(|c| **c).count(), 5);
    assert_eq!(matched_classes(&S, &[0.4; 6]).iter().filter(|c| **c).count(), 2);
}

/// A batch of equals has no half, and hard labels no log-odds.
#[test]
fn extremes_stay_finite() {
    let mut weights = [0.0; 4];
    let (s, w) = ([0.0, 800.0, -800.0, 0.0], [0.0, 0.0, 1.0, 1.0]);
    for loss in [
        product_loss(&s, &w, 1.0, 1.0, 1.0, &mut weights),
        entropy_regularised_loss(&s, &w, 0.5, 1.0, &mut weights),
        confidence_loss(&s, &w, &balanced_classes(&[1.0; 4]), 0.5, 1.0, &mut weights),
    ] {
        assert!(loss.is_finite() && weights.iter().all(|w| w.is_finite()), "{loss} {weights:?}");
    }
}

/// What some public code calls an entropy loss: `share` CE(f, f) with the second f taken as given.
#[test]
fn an_entropy_without_its_gradient_regularises_nothing() {
    let share = 0.3;
    let targets: Vec<f64> = S.iter().zip(W).map(|(s, w)| (1.0 - share) * w + share * sigmoid(*s)).collect();
    let (mut given, mut plain, mut real) = ([0.0; 6], [0.0; 6], [0.0; 6]);
    weak_label_loss(&S, &targets, 1.0, &mut given);
    weak_label_loss(&S, &W, 1.0 - share, &mut plain);
    entropy_regularised_loss(&S, &W, share, 1.0, &mut real);
    assert!(given.iter().zip(plain).all(|(a, b)| (a - b).abs() < 1e-15));
    assert!(real.iter().zip(plain).any(|(a, b)| (a - b).abs() > 1e-3));
}
