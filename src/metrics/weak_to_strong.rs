//! The performance gap recovered (PGR) by a strong student of a weak teacher (arXiv:2312.09390, Section 3), and what it is made of.

use crate::num::sigmoid;
use crate::stats::{Estimate, fieller, median};
use serde::{Deserialize, Serialize};

/// What three models score on the same test items, in one run; higher is better.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// The weak teacher.
    pub weak: f64,
    /// The strong student, from the teacher's labels.
    pub student: f64,
    /// The strong model from true labels.
    pub ceiling: f64,
}

impl Scores {
    /// What could be recovered: ceiling − weak.
    pub fn gap(&self) -> f64 {
        self.ceiling - self.weak
    }

    /// What was recovered: student − weak; negative where the student is worse than its teacher.
    pub fn gain(&self) -> f64 {
        self.student - self.weak
    }

    /// PGR of this run alone: gain / gap, of any sign and size; `None` where the gap is not above `least`.
    pub fn recovered(&self, least: f64) -> Option<f64> {
        (self.gap() > least).then(|| self.gain() / self.gap())
    }
}

/// PGR over runs (seeds): mean gain / mean gap, with Fieller's interval. Runs in which the student is worse than its teacher or better
/// than its ceiling count like all others.
///
/// Undefined (NaN) where the gap's own interval reaches down to 0: a ceiling at the floor leaves nothing to recover. A gap that is below
/// zero for certain is no gap either.
pub fn gap_recovered(runs: &[Scores]) -> Estimate {
    let (gains, gaps): (Vec<f64>, Vec<f64>) = runs.iter().map(|s| (s.gain(), s.gap())).unzip();
    let ratio = fieller(&gains, &gaps);
    if gaps.iter().sum::<f64>() > 0.0 {
        ratio
    } else {
        Estimate { value: f64::NAN, low: f64::NAN, high: f64::NAN, ..ratio }
    }
}

/// Share of items whose class is called right. A probability of exactly 1/2 is half right: no class is favoured.
///
/// # Shapes
/// P(class 1) and the truth, one each per item; no items: NaN.
pub fn accuracy(probabilities: &[f64], truth: &[bool]) -> f64 {
    assert_eq!(probabilities.len(), truth.len(), "one probability per item");
    let right = |(p, y): (&f64, &bool)| if *p == 0.5 { 0.5 } else { f64::from(u8::from((*p > 0.5) == *y)) };
    probabilities.iter().zip(truth).map(right).sum::<f64>() / truth.len() as f64
}

/// The probabilities moved so that half of the items is called class 1, as they are when classes are balanced: the log-odds less their
/// median. What is learned of a class's share, and how far a short run's bias is off, then says nothing. Items at the median are at 1/2; a probability
/// of exactly 0 or 1 is beyond all others, and as far from the median as a sigmoid can tell.
///
/// # Shapes
/// P(class 1) of each item, in \[0, 1\].
pub fn balanced(probabilities: &[f64]) -> Vec<f64> {
    // the log-odds of numbers strictly inside lie between −745 and 37
    let finite = |log_odds: f64| log_odds.clamp(-1000.0, 1000.0);
    let log_odds: Vec<f64> = probabilities.iter().map(|p| finite((p / (1.0 - p)).ln())).collect();
    let middle = median(&log_odds);
    log_odds.iter().map(|s| sigmoid(s - middle)).collect()
}

/// Share of items on which two models call the same class, as [`accuracy`] of one against the other's classes; the teacher's 1/2 is its
/// class 0.
///
/// # Shapes
/// P(class 1) of either, one per item; no items: NaN.
pub fn agreement(student: &[f64], teacher: &[f64]) -> f64 {
    accuracy(student, &teacher.iter().map(|p| *p > 0.5).collect::<Vec<_>>())
}

/// Area under the ROC curve: the probability that an item of class 1 scores above one of class 0, ties counting half. NaN without
/// items of both classes.
///
/// # Shapes
/// Scores (of any monotone scale) and the truth, one each per item.
pub fn auc(scores: &[f64], truth: &[bool]) -> f64 {
    assert_eq!(scores.len(), truth.len(), "one score per item");
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let (mut below, mut won) = (0.0, 0.0);
    for tied in order.chunk_by(|a, b| scores[*a] == scores[*b]) {
        let positives = tied.iter().filter(|i| truth[**i]).count() as f64;
        let negatives = tied.len() as f64 - positives;
        won += positives * (below + 0.5 * negatives);
        below += negatives;
    }
    won / (below * (scores.len() as f64 - below))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(weak: f64, student: f64, ceiling: f64) -> Scores {
        Scores { weak, student, ceiling }
    }

    #[test]
    fn recovered_is_nothing_all_negative_or_undefined() {
        assert_eq!(scores(0.6, 0.6, 0.8).recovered(0.0), Some(0.0));
        assert_eq!(scores(0.6, 0.8, 0.8).recovered(0.0), Some(1.0));
        assert!(scores(0.6, 0.5, 0.8).recovered(0.0).is_some_and(|r| (r + 0.5).abs() < 1e-12));
        assert!(scores(0.6, 0.9, 0.8).recovered(0.0).is_some_and(|r| (r - 1.5).abs() < 1e-12));
        assert_eq!(scores(0.6, 0.7, 0.6).recovered(0.0), None);
        assert_eq!(scores(0.6, 0.7, 0.62).recovered(0.05), None);
    }

    #[test]
    fn runs_are_weighed_by_their_gaps() {
        let runs = [scores(0.5, 0.6, 0.9), scores(0.6, 0.9, 0.8), scores(0.55, 0.5, 0.9)];
        let e = gap_recovered(&runs);
        assert!((e.value - 0.35 / 0.95).abs() < 1e-12 && e.low < e.value && e.value < e.high, "{e:?}");
        assert!(gap_recovered(&[scores(0.6, 0.7, 0.65), scores(0.6, 0.7, 0.58)]).value.is_nan());
        assert!(gap_recovered(&[scores(0.8, 0.7, 0.60), scores(0.8, 0.7, 0.61)]).value.is_nan());
    }

    #[test]
    fn accuracy_and_agreement_by_hand() {
        let (p, truth) = ([0.9, 0.2, 0.5, 0.7], [true, true, false, true]);
        assert_eq!(accuracy(&p, &truth), 2.5 / 4.0);
        assert_eq!(agreement(&p, &[0.6, 0.6, 0.1, 0.4]), 1.5 / 4.0);
        assert!(accuracy(&[], &[]).is_nan());
    }

    #[test]
    fn balanced_probabilities_call_half_and_keep_their_order() {
        let p = [0.9, 0.6, 0.8, 0.7];
        let moved = balanced(&p);
        assert_eq!(moved.iter().map(|p| *p > 0.5).collect::<Vec<_>>(), [true, false, true, false]);
        let odds = |p: f64| (p / (1.0 - p)).ln();
        assert!((odds(moved[0]) - odds(moved[1]) - odds(0.9) + odds(0.6)).abs() < 1e-12);
    }

    /// By hand: with the two middle items on either side of the median those below are called 0 and those above 1, whatever they are; a median
    /// among equals is 1/2 for all of these.
    #[test]
    fn certain_probabilities_are_balanced_too() {
        assert_eq!(balanced(&[0.0, 1.0]), [0.0, 1.0]);
        assert_eq!(balanced(&[1.0, 0.0, 1.0, 0.0, 1.0]), [0.5, 0.0, 0.5, 0.0, 0.5]);
        assert_eq!(balanced(&[1.0; 3]), [0.5; 3]);
        assert_eq!(balanced(&[0.0; 4]), [0.5; 4]);
        for (p, called) in [
            ([0.0, 0.0, 0.3, 0.6], [false, false, true, true]),
            ([1.0, 1.0, 0.3, 0.6], [true, true, false, false]),
            ([5e-324, 0.0, 1.0 - 1e-16, 1.0], [false, false, true, true]),
            ([0.0, 5e-324, 1e-300, 0.0], [false, true, true, false]),
        ] {
            let moved = balanced(&p);
            assert!(moved.iter().all(|m| (0.0..=1.0).contains(m) && *m != 0.5), "{p:?}: {moved:?}");
            assert_eq!(moved.iter().map(|m| *m > 0.5).collect::<Vec<_>>(), called, "{p:?}");
        }
        // between infinities of both sides the rest is moved as it is without them
        assert_eq!(balanced(&[0.0, 0.6, 0.7, 0.9, 1.0])[1..4], balanced(&[0.6, 0.7, 0.9]));
        assert!(balanced(&[]).is_empty());
    }

    // sklearn.metrics.roc_auc_score([1, 1, 0, 1, 0, 0], [.9, .4, .4, .7, .1, .8]): 0.722222...
    #[test]
    fn auc_counts_pairs() {
        let (s, truth) = ([0.9, 0.4, 0.4, 0.7, 0.1, 0.8], [true, true, false, true, false, false]);
        let mut won = 0.0;
        for i in (0..6).filter(|i| truth[*i]) {
            won += (0..6)
                .filter(|j| !truth[*j])
                .map(|j| if s[i] == s[j] { 0.5 } else { f64::from(u8::from(s[i] > s[j])) })
                .sum::<f64>();
        }
        assert!((auc(&s, &truth) - won / 9.0).abs() < 1e-15 && (won / 9.0 - 6.5 / 9.0).abs() < 1e-15);
        assert!(auc(&[0.1], &[true]).is_nan());
    }
}
