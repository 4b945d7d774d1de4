//! Losses of classifiers: verifiers of solutions and of their steps, and students of weak teachers.

use super::super::{Quantities, Quantity};
use super::draws::{
    JUNK, Mask, arranged, between, flat, in_rows, lengths, named, number, numbers, right_padded, rows, streams,
    token_loss, tokens,
};
use super::{Family, Objective};
use crate::objective::{
    balanced_classes, confidence_loss, entropy_regularised_loss, matched_classes, outcome_loss, outcome_product_loss,
    process_class_loss, process_loss, product_loss, weak_label_loss,
};

const WIDTH: usize = 4;

fn labels(inputs: &Quantities) -> Vec<i8> {
    flat(inputs, "labels").into_iter().map(|l| l as i8).collect()
}

/// `scores`, `labels` (−1 wrong, 0 neutral, 1 right), `mask`: a row per solution, a column per step; `right`: 0 or 1 per solution;
/// `false_positives`.
pub(super) fn steps() -> Family {
    let objective =
        |name, source, convention, answer| Objective { name, source, convention, of: Some("scores"), answer };
    let objectives = vec![
        objective(
            "process",
            "arXiv:2305.20050, Sections 2.4 and 2.6",
            "labels 1 right, 0 neutral, −1 wrong; mean over supervised steps of −log σ(score), of −log σ(−score) where wrong; neutral is right; supervision ends with the first wrong step",
            |i| token_loss(i, |w| process_loss(&flat(i, "scores"), &lengths(i), &labels(i), 1.0, 1.0, w)),
        ),
        objective(
            "outcome_product",
            "arXiv:2305.20050, Section 2.5 and Appendix F (a solution's score)",
            "P = Π σ(score); mean over solutions of the cross-entropy of right with ρ + (1 − ρ) P, ρ = false_positives",
            |i| {
                let (right, rho) = (numbers(i, "right"), number(i, "false_positives"));
                let counts = vec![1.0; right.len()];
                token_loss(i, |w| outcome_product_loss(&flat(i, "scores"), &lengths(i), &right, &counts, rho, 1.0, w))
            },
        ),
    ];
    let corner = |name: &'static str, mask: Mask, of: [i8; 12], far: f64, rho: f64| {
        let inputs = streams("steps", name).map(|mut rng| {
            let scores = between(-far, far, tokens(&mask), &mut rng);
            let labels = of[..tokens(&mask)].iter().map(|l| f64::from(*l)).collect::<Vec<_>>();
            let labels = in_rows(&labels, &mask, 0.0);
            let right = labels.iter().map(|row| f64::from(u8::from(row.iter().all(|l| *l >= 0.0)))).collect();
            named([
                ("scores", arranged(&scores, &mask, JUNK)),
                ("labels", Quantity::Table(labels)),
                ("mask", Quantity::Table(mask.clone())),
                ("right", Quantity::List(right)),
                ("false_positives", Quantity::Number(rho)),
            ])
        });
        (name, inputs.collect())
    };
    let full = || right_padded(&[WIDTH; 3], WIDTH);
    let corners = vec![
        corner("plain", full(), [1, 1, 1, 1, 1, 1, 1, -1, -1, 1, 1, 1], 2.0, 0.0),
        corner("first_error", full(), [1, -1, 1, -1, -1, 1, 1, 1, 1, 1, -1, -1], 2.0, 0.0),
        corner("neutral", full(), [0, 1, 0, 1, 1, 0, -1, 0, 1, 1, 1, 0], 2.0, 0.0),
        corner("false_positives", full(), [1, 1, 1, 1, 1, 1, 1, -1, -1, 1, 1, 1], 2.0, 0.2),
        corner("padding", right_padded(&[3, 1, 2], WIDTH), [1, 1, -1, 1, 1, 1, 0, 0, 0, 0, 0, 0], 2.0, 0.0),
        // where Π σ is 0 or 1 in f32
        corner("certain", full(), [1, 1, 1, 1, 1, 1, 1, -1, -1, 1, 1, 1], 60.0, 0.0),
    ];
    Family { objectives, corners }
}

/// `logits`: a row per step of one solution, columns wrong, neutral, right; `labels`: one per step.
pub(super) fn step_classes() -> Family {
    let objectives = vec![Objective {
        name: "process_classes",
        source: "arXiv:2305.20050, Section 2.6",
        convention: "columns wrong, neutral, right for the labels −1, 0, 1; mean over supervised steps of −log softmax(logits) in the label's column; supervision ends with the first wrong step",
        of: Some("logits"),
        answer: |i| {
            let logits = rows(i, "logits");
            let labels: Vec<i8> = numbers(i, "labels").into_iter().map(|l| l as i8).collect();
            let mut weights = vec![0.0; 3 * logits.len()];
            let loss = process_class_loss(&logits.concat(), &[logits.len()], &labels, 1.0, &mut weights);
            let gradient = weights.chunks(3).map(<[f64]>::to_vec).collect();
            named([("loss", Quantity::Number(loss)), ("gradient", Quantity::Table(gradient))])
        },
    }];
    let corner = |name: &'static str, labels: [i8; 4]| {
        let inputs = streams("step classes", name).map(|mut rng| {
            let logits = labels.map(|_| between(-2.0, 2.0, 3, &mut rng)).to_vec();
            let labels = labels.map(f64::from).to_vec();
            named([("logits", Quantity::Table(logits)), ("labels", Quantity::List(labels))])
        });
        (name, inputs.collect())
    };
    let corners =
        vec![corner("plain", [1, 0, 1, 1]), corner("first_error", [1, -1, 1, 0]), corner("all_wrong", [-1, 1, 1, 1])];
    Family { objectives, corners }
}

/// `log_right` (log P that a solution is right), `right`: one per solution; `false_positives`.
pub(super) fn outcomes() -> Family {
    let objectives = vec![Objective {
        name: "outcome",
        source: "arXiv:2305.20050, Section 2.5; arXiv:2110.14168, Section 4.2",
        convention: "mean over solutions of the cross-entropy of right with ρ + (1 − ρ) P, ρ = false_positives",
        of: Some("log_right"),
        answer: |i| {
            let (log_right, right) = (numbers(i, "log_right"), numbers(i, "right"));
            let mut gradient = vec![0.0; right.len()];
            let counts = vec![1.0; right.len()];
            let loss = outcome_loss(&log_right, &right, &counts, number(i, "false_positives"), 1.0, &mut gradient);
            named([("loss", Quantity::Number(loss)), ("gradient", Quantity::List(gradient))])
        },
    }];
    let corner = |name: &'static str, low: f64, rho: f64| {
        let inputs = streams("outcomes", name).map(|mut rng| {
            named([
                ("log_right", Quantity::List(between(low, -0.05, 4, &mut rng))),
                ("right", Quantity::List(vec![1.0, 0.0, 1.0, 0.0])),
                ("false_positives", Quantity::Number(rho)),
            ])
        });
        (name, inputs.collect())
    };
    let corners =
        vec![corner("plain", -2.0, 0.0), corner("false_positives", -2.0, 0.2), corner("unlikely", -50.0, 0.0)];
    Family { objectives, corners }
}

fn of_students(inputs: &Quantities, loss: impl Fn(&[f64], &[f64], &mut [f64]) -> f64) -> Quantities {
    let (log_odds, weak) = (numbers(inputs, "log_odds"), numbers(inputs, "weak_labels"));
    let mut gradient = vec![0.0; weak.len()];
    let value = loss(&log_odds, &weak, &mut gradient);
    named([("loss", Quantity::Number(value)), ("gradient", Quantity::List(gradient))])
}

/// `log_odds` (of class 1), `weak_labels` (P of class 1, the teacher's): one per item; `share`.
pub(super) fn students() -> Family {
    let objective =
        |name, source, convention, answer| Objective { name, source, convention, of: Some("log_odds"), answer };
    let objectives = vec![
        objective(
            "weak_labels",
            "arXiv:2312.09390, Section 3",
            "mean over items of the cross-entropy with the weak label; share is not used",
            |i| of_students(i, |s, weak, w| weak_label_loss(s, weak, 1.0, w)),
        ),
        objective(
            "confidence",
            "arXiv:2312.09390, Appendix A.4",
            "targets (1 − share) weak + share · own class, constants; own class: above the batch's median",
            |i| of_students(i, |s, weak, w| confidence_loss(s, weak, &balanced_classes(s), number(i, "share"), 1.0, w)),
        ),
        objective(
            "confidence_public",
            "the public code of arXiv:2312.09390 (logconf)",
            "as confidence, but the threshold is the batch's quantile at the mean weak label",
            |i| {
                of_students(i, |s, weak, w| {
                    confidence_loss(s, weak, &matched_classes(s, weak), number(i, "share"), 1.0, w)
                })
            },
        ),
        objective(
            "entropy_regularised",
            "arXiv:2312.09390, Appendix A.4",
            "(1 − share) cross-entropy + share · the student's own entropy, with the gradient through both",
            |i| of_students(i, |s, weak, w| entropy_regularised_loss(s, weak, number(i, "share"), 1.0, w)),
        ),
        objective(
            "product",
            "the public code of arXiv:2312.09390 (product)",
            "gradient only: of the cross-entropy with targets ∝ P_student · weak, constants",
            |i| {
                let mut answer = of_students(i, |s, weak, w| product_loss(s, weak, 1.0, 1.0, 1.0, w));
                answer.remove("loss");
                answer
            },
        ),
    ];
    let corner = |name: &'static str, items: usize, far: f64, share: f64, hard: bool| {
        let inputs = streams("students", name).map(|mut rng| {
            let mut weak = between(0.05, 0.95, items, &mut rng);
            if hard {
                weak.iter_mut().for_each(|w| *w = w.round());
            }
            named([
                ("log_odds", Quantity::List(between(-far, far, items, &mut rng))),
                ("weak_labels", Quantity::List(weak)),
                ("share", Quantity::Number(share)),
            ])
        });
        (name, inputs.collect())
    };
    let corners = vec![
        corner("plain", 6, 2.0, 0.5, false),
        corner("odd_batch", 5, 2.0, 0.5, false),
        corner("hard_labels", 6, 2.0, 0.5, true),
        corner("no_share", 6, 2.0, 0.0, false),
        corner("all_share", 6, 2.0, 1.0, false),
        corner("certain", 6, 60.0, 0.5, false),
    ];
    Family { objectives, corners }
}
