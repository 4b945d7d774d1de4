//! A population of labelled pairs of one prompt's outputs, and the gradient of preference losses over it for a softmax
//! with one logit per output.

use rewardlab::num::log_softmax;
use rewardlab::objective::{conservative_dpo_loss, ipo_loss, unlikelihood_loss, unweighted_dpo_loss};

/// Pairs of outputs, how often each is drawn, and how often its first is preferred.
#[derive(Clone, Debug, Default)]
pub(crate) struct Population {
    /// (first, second).
    pairs: Vec<(usize, usize)>,
    /// Shares of the population, which sum to one.
    weights: Vec<f64>,
    /// Share of a pair's labels that prefer its first.
    shares: Vec<f64>,
}

/// Which loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Loss {
    /// DPO with each pair's share of labels.
    Dpo,
    /// DPO's linear loss, every label for the first.
    Unweighted,
    /// IPO, every label for the first.
    Ipo,
    /// Unlikelihood with each pair's share of labels.
    Unlikelihood {
        /// α.
        alpha: f64,
    },
}

impl Population {
    /// All pairs i < j; a pair that `weight` does not draw is left out.
    pub(crate) fn new(
        outputs: usize,
        weight: impl Fn(usize, usize) -> f64,
        share: impl Fn(usize, usize) -> f64,
    ) -> Self {
        let mut all = Self::default();
        for i in 0..outputs {
            for j in (i + 1..outputs).filter(|j| weight(i, *j) > 0.0) {
                all.pairs.push((i, j));
                all.weights.push(weight(i, j));
                all.shares.push(share(i, j));
            }
        }
        let total: f64 = all.weights.iter().sum();
        all.weights.iter_mut().for_each(|w| *w /= total);
        all
    }

    /// The largest share of the population that one output is in: the loss's Hessian by the logits is at most β²/4 times twice this, for
    /// DPO (the Laplacian of the pairs' weights has no larger eigenvalue than twice its largest degree).
    pub(crate) fn largest_degree(&self) -> f64 {
        let mut degrees = vec![0.0; self.pairs.iter().map(|p| p.1 + 1).max().unwrap_or(0)];
        for ((first, second), weight) in self.pairs.iter().zip(&self.weights) {
            degrees[*first] += weight;
            degrees[*second] += weight;
        }
        degrees.into_iter().fold(0.0, f64::max)
    }

    /// A quantity of all firsts, then of all seconds.
    fn of_outputs(&self, values: &[f64]) -> Vec<f64> {
        let (firsts, seconds) = (self.pairs.iter().map(|p| values[p.0]), self.pairs.iter().map(|p| values[p.1]));
        firsts.chain(seconds).collect()
    }

    /// Writes the loss's gradient by the logits: weights on log-probabilities, pulled back through the softmax (w − π Σ w).
    pub(crate) fn gradient(&self, loss: Loss, beta: f64, reference: &[f64], logits: &[f64], gradient: &mut [f64]) {
        let log_probs = normalised(logits);
        let (of_pairs, reference) = (self.of_outputs(&log_probs), self.of_outputs(reference));
        let n = self.pairs.len();
        let mut slopes = vec![0.0; 2 * n];
        // a mean over pairs: times n it is the sum of the pairs' own derivatives
        match loss {
            Loss::Dpo => {
                conservative_dpo_loss(&of_pairs, &reference, beta, &self.shares, n as f64, &mut slopes);
            }
            Loss::Unweighted => {
                unweighted_dpo_loss(&of_pairs, &reference, beta, n as f64, &mut slopes);
            }
            Loss::Ipo => {
                ipo_loss(&of_pairs, &reference, beta, n as f64, &mut slopes);
            }
            Loss::Unlikelihood { alpha } => {
                // both orders, each as often as labels say so
                for (k, share) in self.shares.iter().enumerate() {
                    let mut pair = [0.0; 2];
                    unlikelihood_loss(&[of_pairs[k], of_pairs[n + k]], alpha, *share, &mut pair);
                    let mut turned = [0.0; 2];
                    unlikelihood_loss(&[of_pairs[n + k], of_pairs[k]], alpha, 1.0 - share, &mut turned);
                    slopes[k] += pair[0] + turned[1];
                    slopes[n + k] += pair[1] + turned[0];
                }
            }
        }
        gradient.fill(0.0);
        for (k, ((first, second), weight)) in self.pairs.iter().zip(&self.weights).enumerate() {
            gradient[*first] += weight * slopes[k];
            gradient[*second] += weight * slopes[n + k];
        }
        let sum: f64 = gradient.iter().sum();
        gradient.iter_mut().zip(&log_probs).for_each(|(g, lp)| *g -= lp.exp() * sum);
    }
}

/// Log-probabilities of the logits.
pub(crate) fn normalised(logits: &[f64]) -> Vec<f64> {
    let mut log_probs = logits.to_vec();
    log_softmax(&mut log_probs);
    log_probs
}
