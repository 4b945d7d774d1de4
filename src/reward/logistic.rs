//! Logistic models over the active features of steps: process models with two classes or three, and the usual outcome model.

use super::scoring::{Neutral, Score, log_right_of_classes};
use super::solutions::Solutions;
use crate::num::log_sigmoid;
use serde::{Deserialize, Serialize};

/// bias + Σ weights of what is active.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Affine {
    /// What is there without features.
    pub bias: f64,
    /// One per feature.
    pub weights: Vec<f64>,
}

impl Affine {
    /// Zero everywhere.
    pub fn zeros(features: usize) -> Self {
        Self { bias: 0.0, weights: vec![0.0; features] }
    }

    fn sum(&self, active: &[u32]) -> f64 {
        active.iter().map(|f| self.weights[*f as usize]).sum()
    }

    /// Its value in a step with these active features.
    pub fn at(&self, active: &[u32]) -> f64 {
        self.bias + self.sum(active)
    }
}

/// P(a step is right) = σ(bias + Σ weights): learned from labels of steps, or from outcomes as P(right) = Π σ.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepModel(pub Affine);

impl StepModel {
    /// The log-odds of every step of all solutions.
    pub fn log_odds(&self, solutions: &Solutions) -> Vec<f64> {
        (0..solutions.steps()).map(|t| self.0.at(solutions.active(t))).collect()
    }

    /// The log-probability that it is right, of every step of all solutions.
    pub fn log_right(&self, solutions: &Solutions) -> Vec<f64> {
        (0..solutions.steps()).map(|t| log_sigmoid(self.0.at(solutions.active(t)))).collect()
    }

    /// The score of every solution.
    pub fn scores(&self, solutions: &Solutions, score: Score) -> Vec<f64> {
        score_each(solutions, score, |active| log_sigmoid(self.0.at(active)))
    }
}

/// P(a step is wrong, neutral, right) = softmax of three affine scores.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassModel(pub [Affine; 3]);

impl ClassModel {
    fn log_right_of(&self, active: &[u32], neutral: Neutral) -> f64 {
        log_right_of_classes(&[0, 1, 2].map(|c| self.0[c].at(active)), neutral)
    }

    /// The log-probability that it is right, of every step of all solutions.
    pub fn log_right(&self, solutions: &Solutions, neutral: Neutral) -> Vec<f64> {
        (0..solutions.steps()).map(|t| self.log_right_of(solutions.active(t), neutral)).collect()
    }

    /// The score of every solution.
    pub fn scores(&self, solutions: &Solutions, score: Score, neutral: Neutral) -> Vec<f64> {
        score_each(solutions, score, |active| self.log_right_of(active, neutral))
    }
}

/// P(a solution is right) = σ(bias + Σ over its steps Σ weights): the usual outcome model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OutcomeModel(pub Affine);

impl OutcomeModel {
    /// The log-odds of every solution.
    pub fn log_odds(&self, solutions: &Solutions) -> Vec<f64> {
        let of = |i| self.0.bias + solutions.steps_of(i).map(|t| self.0.sum(solutions.active(t))).sum::<f64>();
        (0..solutions.len()).map(of).collect()
    }

    /// The log-odds that it gives to every prefix, in the place of its last step: what an outcome model says of a solution that breaks
    /// off there.
    pub fn prefix_log_odds(&self, solutions: &Solutions) -> Vec<f64> {
        let mut out = Vec::with_capacity(solutions.steps());
        for i in 0..solutions.len() {
            let mut sum = self.0.bias;
            out.extend(solutions.steps_of(i).map(|t| {
                sum += self.0.sum(solutions.active(t));
                sum
            }));
        }
        out
    }
}

fn score_each(solutions: &Solutions, score: Score, log_right: impl Fn(&[u32]) -> f64) -> Vec<f64> {
    let mut of_steps = Vec::new();
    let of = |i| {
        of_steps.clear();
        of_steps.extend(solutions.steps_of(i).map(|t| log_right(solutions.active(t))));
        score.of(&of_steps)
    };
    (0..solutions.len()).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::sigmoid;

    fn solutions() -> Solutions {
        let mut all = Solutions::new(3);
        all.push([vec![0], vec![1, 2]]).expect("legal");
        all.push([vec![2]]).expect("legal");
        all
    }

    #[test]
    fn two_classes_by_hand() {
        let model = StepModel(Affine { bias: 0.5, weights: vec![1.0, -2.0, 0.25] });
        assert_eq!(model.log_odds(&solutions()), [1.5, -1.25, 0.75]);
        let p = [1.5, -1.25, 0.75].map(sigmoid);
        let product = model.scores(&solutions(), Score::Product);
        assert!((product[0].exp() - p[0] * p[1]).abs() < 1e-15 && (product[1].exp() - p[2]).abs() < 1e-15);
        let log_right = model.log_right(&solutions());
        assert_eq!(model.scores(&solutions(), Score::Minimum), [log_right[1], log_right[2]]);
    }

    /// With the neutral class all but impossible, three classes are two.
    #[test]
    fn three_classes_contain_two() {
        let right = Affine { bias: 0.5, weights: vec![1.0, -2.0, 0.25] };
        let never = Affine { bias: -80.0, weights: vec![0.0; 3] };
        let classes = ClassModel([Affine::zeros(3), never, right.clone()]);
        for neutral in Neutral::BOTH {
            let (a, b) = (classes.log_right(&solutions(), neutral), StepModel(right.clone()).log_right(&solutions()));
            assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-12), "{a:?} {b:?}");
        }
        // a neutral class of equal weight: right with 2/3 or 1/3
        let even = ClassModel([0; 3].map(|_| Affine::zeros(3)));
        for (neutral, p) in [(Neutral::Positive, 2.0 / 3.0), (Neutral::Negative, 1.0 / 3.0_f64)] {
            let scores = even.scores(&solutions(), Score::Product, neutral);
            assert!((scores[0] - 2.0 * f64::ln(p)).abs() < 1e-14 && (scores[1] - f64::ln(p)).abs() < 1e-14);
        }
    }

    #[test]
    fn the_outcome_model_sums_and_its_prefixes_end_in_it() {
        let model = OutcomeModel(Affine { bias: 0.5, weights: vec![1.0, -2.0, 0.25] });
        assert_eq!(model.log_odds(&solutions()), [-0.25, 0.75]);
        assert_eq!(model.prefix_log_odds(&solutions()), [1.5, -0.25, 0.75]);
    }
}
