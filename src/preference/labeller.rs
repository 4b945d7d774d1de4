//! Who says which of two completions is better.

use crate::error::{Error, Result};
use crate::num::sigmoid;
use crate::rng::Stream;
use serde::{Deserialize, Serialize};

/// A labeller of pairs, by the true rewards of both.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Labeller {
    /// The higher reward wins, as a classifier labels in Section 6.1 of arXiv:2305.18290; equal rewards make no pair.
    Deterministic,
    /// The first wins with probability σ((r₁ − r₂)/temperature) (Eq. 1 of arXiv:2305.18290).
    BradleyTerry {
        /// In units of the reward; positive.
        temperature: f64,
    },
    /// As deterministic, then turned round with this probability.
    Flipped {
        /// In [0, 0.5].
        probability: f64,
    },
}

impl Labeller {
    /// # Errors
    /// A parameter outside its range.
    pub fn validate(&self) -> Result<()> {
        match *self {
            Self::BradleyTerry { temperature } => Error::check_positive(&[("labeller.temperature", temperature)]),
            Self::Flipped { probability } if !(0.0..=0.5).contains(&probability) => {
                Err(Error::parameter("labeller.probability", probability, "in [0, 0.5]"))
            }
            _ => Ok(()),
        }
    }

    /// The probability that the first of two completions is preferred; none where the labeller makes no pair of them.
    pub fn first_wins(&self, first: f64, second: f64) -> Option<f64> {
        let higher = (first != second).then(|| f64::from(u8::from(first > second)));
        match *self {
            Self::Deterministic => higher,
            Self::BradleyTerry { temperature } => Some(sigmoid((first - second) / temperature)),
            Self::Flipped { probability } => higher.map(|p| p + probability * (1.0 - 2.0 * p)),
        }
    }

    /// Draws a label: whether the first is preferred.
    pub fn label(&self, first: f64, second: f64, rng: &mut Stream) -> Option<bool> {
        self.first_wins(first, second).map(|p| rng.uniform() < p)
    }
}

/// All pairs among a prompt's completions, labelled: (chosen, rejected), numbers of completions. Four completions make six pairs, as in
/// Appendix C.1 of arXiv:2305.18290. Pairs of equal completions are left out: `same(i, j)` says which are.
pub fn pairs_of_group(
    rewards: &[f64],
    labeller: Labeller,
    same: impl Fn(usize, usize) -> bool,
    rng: &mut Stream,
) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    for i in 0..rewards.len() {
        for j in (i + 1..rewards.len()).filter(|j| !same(i, *j)) {
            match labeller.label(rewards[i], rewards[j], rng) {
                Some(true) => pairs.push((i, j)),
                Some(false) => pairs.push((j, i)),
                None => {}
            }
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities() {
        let flipped = Labeller::Flipped { probability: 0.2 };
        let bradley_terry = Labeller::BradleyTerry { temperature: 0.5 };
        assert_eq!(Labeller::Deterministic.first_wins(1.0, 0.0), Some(1.0));
        assert_eq!(Labeller::Deterministic.first_wins(0.5, 0.5), None);
        assert_eq!((flipped.first_wins(1.0, 0.0), flipped.first_wins(0.0, 1.0)), (Some(0.8), Some(0.2)));
        let p = bradley_terry.first_wins(1.0, 0.3).expect("always a pair");
        assert!((p - 1.0 / (1.0 + (-1.4_f64).exp())).abs() < 1e-15);
        assert_eq!(bradley_terry.first_wins(0.3, 0.3), Some(0.5));
    }

    /// Labels come as often as their probability says: 20 000 draws, |z| < 4.
    #[test]
    fn labels_follow_the_probability() {
        let mut rng = Stream::named(&["tests", "labeller"]);
        let labeller = Labeller::BradleyTerry { temperature: 1.0 };
        let (n, p) = (20_000, 1.0 / (1.0 + (-0.8_f64).exp()));
        let wins = (0..n).filter(|_| labeller.label(0.5, -0.3, &mut rng) == Some(true)).count();
        let z = (wins as f64 - f64::from(n) * p) / (f64::from(n) * p * (1.0 - p)).sqrt();
        assert!(z.abs() < 4.0, "{z}");
    }

    #[test]
    fn four_completions_make_six_pairs() {
        let mut rng = Stream::named(&["tests", "labeller", "group"]);
        let pairs = pairs_of_group(&[0.1, 0.4, 0.3, 0.2], Labeller::Deterministic, |_, _| false, &mut rng);
        assert_eq!(pairs, [(1, 0), (2, 0), (3, 0), (1, 2), (1, 3), (2, 3)]);
        let fewer = pairs_of_group(&[0.1, 0.4, 0.1], Labeller::Deterministic, |i, j| (i, j) == (0, 1), &mut rng);
        assert_eq!(fewer, [(1, 2)]);
    }

    #[test]
    fn ranges() {
        assert!(Labeller::BradleyTerry { temperature: 0.0 }.validate().is_err());
        assert!(Labeller::Flipped { probability: 0.6 }.validate().is_err());
        assert!(Labeller::Deterministic.validate().is_ok());
    }
}
