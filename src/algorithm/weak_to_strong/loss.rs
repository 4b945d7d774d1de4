//! What a student does with weak labels.

use crate::error::{Error, Result};
use crate::objective::{
    balanced_classes, confidence_loss, entropy_regularised_loss, matched_classes, product_loss, weak_label_loss,
};
use serde::{Deserialize, Serialize};

/// A loss on weak labels, with its schedule over a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum WeakLoss {
    /// Cross-entropy: naive finetuning.
    CrossEntropy,
    /// The paper's confidence loss: the student's own classes (half of the batch) get a share that rises linearly to `most` over the
    /// first `ramp` of the run.
    Confidence {
        /// The share after the ramp; in \[0, 1\].
        most: f64,
        /// Fraction of the run; in \[0, 1\].
        ramp: f64,
    },
    /// The public code's: its own classes are as many as the teacher calls; during warm-up its share is the fraction of the run times
    /// `coefficient`, and jumps to `coefficient` after it.
    PublicConfidence {
        /// The share after the warm-up; in \[0, 1\].
        coefficient: f64,
        /// Fraction of the run; in \[0, 1\].
        warm_up: f64,
    },
    /// Targets in proportion to `w^teacher · p^student`.
    Product {
        /// α; at least 0.
        teacher: f64,
        /// β; at least 0.
        student: f64,
    },
    /// An entropy regulariser in the place of the student's hard classes, with the confidence loss's ramp.
    Entropy {
        /// The share after the ramp; in \[0, 1\].
        most: f64,
        /// Fraction of the run; in \[0, 1\].
        ramp: f64,
    },
}

impl WeakLoss {
    /// The paper's settings for the largest students (share 0.75) or others (0.5); the ramp is a fifth of the run.
    pub fn paper(largest: bool) -> Self {
        Self::Confidence { most: if largest { 0.75 } else { 0.5 }, ramp: 0.2 }
    }

    /// The public code's defaults.
    pub fn public() -> Self {
        Self::PublicConfidence { coefficient: 0.5, warm_up: 0.1 }
    }

    /// The field's name for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::CrossEntropy => "naive",
            Self::Confidence { .. } => "confidence",
            Self::PublicConfidence { .. } => "public_confidence",
            Self::Product { .. } => "product",
            Self::Entropy { .. } => "entropy",
        }
    }

    /// # Errors
    /// The first setting outside its legal range.
    pub fn validate(&self) -> Result<()> {
        match *self {
            Self::CrossEntropy => Ok(()),
            Self::Confidence { most, ramp } | Self::Entropy { most, ramp } => shares(&[("most", most), ("ramp", ramp)]),
            Self::PublicConfidence { coefficient, warm_up } => {
                shares(&[("coefficient", coefficient), ("warm_up", warm_up)])
            }
            Self::Product { teacher, student } => {
                Error::check_not_negative(&[("teacher", teacher), ("student", student)])
            }
        }
    }

    /// The loss of a batch when a fraction `progress` of the run is done: its value, nats, and `scale` times its derivative added to
    /// `weights`.
    ///
    /// # Shapes
    /// The student's log-odds of class 1, the weak labels P(class 1), and the weights: one each per item of the batch.
    pub fn weigh(&self, log_odds: &[f64], weak: &[f64], progress: f64, scale: f64, weights: &mut [f64]) -> f64 {
        let ramped = |most: f64, ramp: f64| if ramp > 0.0 { most * (progress / ramp).min(1.0) } else { most };
        match *self {
            Self::CrossEntropy => weak_label_loss(log_odds, weak, scale, weights),
            Self::Confidence { most, ramp } => {
                confidence_loss(log_odds, weak, &balanced_classes(log_odds), ramped(most, ramp), scale, weights)
            }
            Self::PublicConfidence { coefficient, warm_up } => {
                let share = coefficient * if progress > warm_up { 1.0 } else { progress };
                confidence_loss(log_odds, weak, &matched_classes(log_odds, weak), share, scale, weights)
            }
            Self::Product { teacher, student } => product_loss(log_odds, weak, teacher, student, scale, weights),
            Self::Entropy { most, ramp } => {
                entropy_regularised_loss(log_odds, weak, ramped(most, ramp), scale, weights)
            }
        }
    }
}

fn shares(settings: &[(&str, f64)]) -> Result<()> {
    match settings.iter().find(|(_, value)| !(0.0..=1.0).contains(value)) {
        Some((name, value)) => Err(Error::parameter(*name, value, "between 0 and 1")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: [f64; 4] = [-1.0, 0.5, 2.0, 0.1];
    const W: [f64; 4] = [0.2, 0.9, 0.7, 0.8];

    fn at(loss: WeakLoss, progress: f64) -> f64 {
        loss.weigh(&S, &W, progress, 1.0, &mut [0.0; 4])
    }

    #[test]
    fn the_papers_share_rises_over_a_fifth_of_the_run() {
        let fixed = |most| at(WeakLoss::Confidence { most, ramp: 0.0 }, 0.0);
        for (progress, share) in [(0.0, 0.0), (0.05, 0.125), (0.2, 0.5), (0.9, 0.5)] {
            assert!((at(WeakLoss::paper(false), progress) - fixed(share)).abs() < 1e-15);
        }
        assert!((at(WeakLoss::paper(true), 0.1) - fixed(0.375)).abs() < 1e-15);
        assert_eq!(fixed(0.0), at(WeakLoss::CrossEntropy, 0.3));
    }

    /// 0 → a twentieth, then at once a half: the public code as it is, not as it was meant.
    #[test]
    fn the_public_codes_share_jumps() {
        let fixed = |coefficient| at(WeakLoss::PublicConfidence { coefficient, warm_up: 0.0 }, 1.0);
        for (progress, share) in [(0.0, 0.0), (0.1, 0.05), (0.11, 0.5), (1.0, 0.5)] {
            assert!((at(WeakLoss::public(), progress) - fixed(share)).abs() < 1e-15);
        }
    }

    #[test]
    fn illegal_settings_are_refused() {
        assert!(WeakLoss::Confidence { most: 1.5, ramp: 0.2 }.validate().is_err());
        assert!(WeakLoss::Entropy { most: 0.5, ramp: f64::NAN }.validate().is_err());
        assert!(WeakLoss::PublicConfidence { coefficient: 0.5, warm_up: -0.1 }.validate().is_err());
        assert!(WeakLoss::Product { teacher: 1.0, student: -1.0 }.validate().is_err());
        assert!(WeakLoss::paper(true).validate().and(WeakLoss::public().validate()).is_ok());
    }
}
