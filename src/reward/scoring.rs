//! From what a process model says of steps to one score of a solution, and to the place of its first error.

use crate::num::log_sum_exp;
use serde::{Deserialize, Serialize};

/// How the steps' log-probabilities of being right make a solution's score. Scores are logarithms, so that a long product stays a number;
/// every comparison of scores is that of the probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Score {
    /// Of the product: the probability that all steps are right. Falls with length.
    Product,
    /// Of the smallest.
    Minimum,
    /// Of the geometric mean: the product without its dependence on length.
    GeometricMean,
}

impl Score {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Product, Self::Minimum, Self::GeometricMean];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Minimum => "minimum",
            Self::GeometricMean => "geometric_mean",
        }
    }

    /// The score of a solution whose steps are right with these log-probabilities; 0 (certainty) without steps.
    pub fn of(self, log_right: &[f64]) -> f64 {
        match self {
            Self::Product => log_right.iter().sum(),
            Self::Minimum => log_right.iter().copied().fold(0.0, f64::min),
            Self::GeometricMean => log_right.iter().sum::<f64>() / log_right.len().max(1) as f64,
        }
    }
}

/// What a neutral step (no error, no progress) counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Neutral {
    /// A right step.
    Positive,
    /// A wrong one.
    Negative,
}

impl Neutral {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Positive, Self::Negative];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Positive => "positive",
            Self::Negative => "negative",
        }
    }

    /// As a target for the probability of being right.
    pub fn target(self) -> f64 {
        match self {
            Self::Positive => 1.0,
            Self::Negative => 0.0,
        }
    }
}

/// The probability that the first wrong step is each of these, and last that there is none, if the steps behind it are judged as if all before were right.
///
/// # Formula
/// `(1 − p_t) Π_{u<t} p_u` for each step, `Π p` for none: they add up to 1.
pub fn first_error_law(log_right: &[f64]) -> Vec<f64> {
    let mut reach = 1.0;
    let of_step = |lp: &f64| {
        let wrong = -reach * lp.exp_m1();
        reach *= lp.exp();
        wrong
    };
    let mut law: Vec<f64> = log_right.iter().map(of_step).collect();
    law.push(reach);
    law
}

/// The log-probability that a step is right, of scores of the classes wrong, neutral and right (whose softmax they are).
///
/// # Panics
/// If there are not three.
pub fn log_right_of_classes(scores: &[f64], neutral: Neutral) -> f64 {
    assert_eq!(scores.len(), 3, "wrong, neutral, right");
    let right = match neutral {
        Neutral::Positive => log_sum_exp(&scores[1..]),
        Neutral::Negative => scores[2],
    };
    (right - log_sum_exp(scores)).min(0.0)
}

/// The most probable place of the first wrong step; `None` if it is most probable that there is none. Among equals the earliest.
pub fn locate_first_error(log_right: &[f64]) -> Option<usize> {
    let law = first_error_law(log_right);
    let best = most_probable(&law);
    (best < log_right.len()).then_some(best)
}

/// The most probable place of the first wrong step of a solution that is known to be wrong; `None` only without steps.
pub fn locate_known_error(log_right: &[f64]) -> Option<usize> {
    let law = first_error_law(log_right);
    (!log_right.is_empty()).then(|| most_probable(&law[..log_right.len()]))
}

/// The first step that is wrong with more than a `threshold` probability: the rule by which the paper turns a large model's
/// predictions into labels (second-hand: threshold 0.2).
pub fn first_error_above(log_right: &[f64], threshold: f64) -> Option<usize> {
    log_right.iter().position(|lp| -lp.exp_m1() > threshold)
}

fn most_probable(law: &[f64]) -> usize {
    let mut best = 0;
    for (i, p) in law.iter().enumerate() {
        if *p > law[best] {
            best = i;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_by_hand() {
        let steps = [0.5_f64, 0.8, 1.0].map(f64::ln);
        assert!((Score::Product.of(&steps).exp() - 0.4).abs() < 1e-15);
        assert!((Score::Minimum.of(&steps).exp() - 0.5).abs() < 1e-15);
        assert!((Score::GeometricMean.of(&steps).exp() - 0.4_f64.cbrt()).abs() < 1e-15);
        assert!(Score::ALL.iter().all(|s| s.of(&[]) == 0.0));
        // at equal steps the product alone falls with length
        let of = |score: Score| score.of(&[0.9_f64.ln(); 9]) - score.of(&[0.9_f64.ln(); 3]);
        assert!((of(Score::Product) - 6.0 * 0.9_f64.ln()).abs() < 1e-14);
        assert!(of(Score::Minimum) == 0.0 && of(Score::GeometricMean).abs() < 1e-15);
    }

    #[test]
    fn three_classes_by_hand() {
        let scores = [0.2_f64, 0.3, 0.5].map(|p| p.ln() + 7.0);
        assert!((log_right_of_classes(&scores, Neutral::Positive) - 0.8_f64.ln()).abs() < 1e-14);
        assert!((log_right_of_classes(&scores, Neutral::Negative) - 0.5_f64.ln()).abs() < 1e-14);
    }

    #[test]
    fn places_by_hand() {
        let steps = [0.9_f64, 0.3, 0.2].map(f64::ln);
        let law = first_error_law(&steps);
        for (got, expected) in law.iter().zip([0.1, 0.63, 0.216, 0.054]) {
            assert!((got - expected).abs() < 1e-15, "{law:?}");
        }
        // the surest wrong step is the third, but the second comes first
        assert_eq!((locate_first_error(&steps), locate_known_error(&steps)), (Some(1), Some(1)));
        assert_eq!((first_error_above(&steps, 0.05), first_error_above(&steps, 0.75)), (Some(0), Some(2)));
        let sound = [0.9_f64, 0.85, 0.95].map(f64::ln);
        assert_eq!((locate_first_error(&sound), locate_known_error(&sound)), (None, Some(1)));
        assert_eq!(
            (locate_first_error(&[]), locate_known_error(&[]), first_error_above(&sound, 0.2)),
            (None, None, None)
        );
    }
}
