//! What is said of one step of a solution.

use serde::{Deserialize, Serialize};

/// Whether a step is wrong, neither wrong nor of any use, or right: −1, 0 and +1 in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "i8", try_from = "i8")]
pub enum StepLabel {
    /// −1: does not follow from what stands before it.
    Negative,
    /// 0: follows, and brings the solution no farther.
    Neutral,
    /// +1: follows, and brings the solution farther.
    Positive,
}

impl StepLabel {
    /// −1, 0 or +1.
    pub fn value(self) -> i8 {
        match self {
            Self::Negative => -1,
            Self::Neutral => 0,
            Self::Positive => 1,
        }
    }

    /// The label of a number, if it is one.
    pub fn of_value(value: i64) -> Option<Self> {
        match value {
            -1 => Some(Self::Negative),
            0 => Some(Self::Neutral),
            1 => Some(Self::Positive),
            _ => None,
        }
    }

    /// Whether the step is right where neutral steps count as `neutral`.
    pub fn is_right(self, neutral: bool) -> bool {
        self == Self::Positive || (neutral && self == Self::Neutral)
    }
}

impl From<StepLabel> for i8 {
    fn from(label: StepLabel) -> Self {
        label.value()
    }
}

impl TryFrom<i8> for StepLabel {
    type Error = String;
    fn try_from(value: i8) -> Result<Self, String> {
        Self::of_value(value.into()).ok_or_else(|| format!("{value} is no label: it must be -1, 0 or 1"))
    }
}

/// How many steps of a solution are supervised: up to the first wrong one and with it, as in the paper's data. Of labels as numbers, to
/// which losses are limited (they know no world), [`crate::objective::supervised_steps`] says the same.
pub fn supervised(labels: &[StepLabel]) -> usize {
    labels.iter().position(|l| *l == StepLabel::Negative).map_or(labels.len(), |wrong| wrong + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_labels() {
        for (value, label) in [(-1, StepLabel::Negative), (0, StepLabel::Neutral), (1, StepLabel::Positive)] {
            assert_eq!((StepLabel::of_value(value), i64::from(label.value())), (Some(label), value));
            assert_eq!(serde_json::to_string(&label).expect("a number"), value.to_string());
        }
        assert_eq!(StepLabel::of_value(2), None);
        assert!(serde_json::from_str::<StepLabel>("2").is_err());
        assert!(StepLabel::Neutral.is_right(true) && !StepLabel::Neutral.is_right(false));
    }

    #[test]
    fn supervision_ends_at_the_first_wrong_step() {
        use StepLabel::{Negative, Neutral, Positive};
        assert_eq!(supervised(&[Positive, Neutral, Negative, Positive, Negative]), 3);
        assert_eq!((supervised(&[Positive, Neutral]), supervised(&[])), (2, 0));
    }
}
