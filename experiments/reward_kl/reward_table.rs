//! A reward model of the Markov writer's form, learned from pairs.

use super::markov::Markov;
use super::reviews::TextPair;
use rewardlab::algorithm::{Adam, Optimizer};
use rewardlab::error::{Error, Result};
use rewardlab::num::{norm, sigmoid};
use rewardlab::objective::bradley_terry_loss;
use rewardlab::rng::Stream;
use serde::{Deserialize, Serialize};

/// A reward that was learned from pairs: a sum of the writer's table of cells.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RewardModel {
    scores: Vec<f64>,
    /// Share of pairs, held out, that it ranks as labelled.
    pub(crate) accuracy: f64,
}

impl RewardModel {
    /// The score of every cell.
    pub(crate) fn scores(&self) -> &[f64] {
        &self.scores
    }

    pub(crate) fn score(&self, cells: &[usize]) -> f64 {
        cells.iter().map(|c| self.scores[*c]).sum()
    }

    /// The mode of the posterior: Bradley–Terry likelihood of the pairs, each score normal around 0 with this std before. No
    /// step size, no stopping: Newton's method, its equations by conjugate gradients. Accuracy on other pairs.
    pub(crate) fn fit(shape: &Markov, pairs: &[TextPair], held_out: &[TextPair], prior_std: f64) -> Result<Self> {
        let cells: Vec<[Vec<usize>; 2]> = of_pairs(shape, pairs);
        let precision = prior_std.powi(-2);
        let mut model = Self { scores: shape.no_weights(), accuracy: 0.0 };
        // the likelihood is log-concave: from 0 a dozen steps are plenty
        for _ in 0..50 {
            let wrong: Vec<f64> = cells.iter().map(|c| sigmoid(-margin(c, &model.scores))).collect();
            let mut gradient: Vec<f64> = model.scores.iter().map(|s| -precision * s).collect();
            cells.iter().zip(&wrong).for_each(|(c, w)| add(c, *w, &mut gradient));
            if norm(&gradient) < 1e-9 * (pairs.len() as f64).sqrt() {
                break;
            }
            let curvature = |v: &[f64]| {
                let mut out: Vec<f64> = v.iter().map(|v| precision * v).collect();
                cells.iter().zip(&wrong).for_each(|(c, w)| add(c, w * (1.0 - w) * margin(c, v), &mut out));
                out
            };
            let step = conjugate_gradients(curvature, &gradient, 1e-6);
            model.scores.iter_mut().zip(&step).for_each(|(s, d)| *s += d);
        }
        let right = of_pairs(shape, held_out).iter().filter(|c| margin(c, &model.scores) > 0.0).count();
        model.accuracy = right as f64 / held_out.len().max(1) as f64;
        Error::check_finite("reward model's scores", &model.scores)?;
        Ok(model)
    }

    /// Bradley–Terry on nine pairs of ten, the checkpoint of the best accuracy on the tenth (Appendix C.1 of arXiv:2305.18290).
    pub(crate) fn learn(
        shape: &Markov,
        pairs: &[TextPair],
        learning_rate: f64,
        epochs: usize,
        rng: &mut Stream,
    ) -> Result<Self> {
        let cells: Vec<[Vec<usize>; 2]> =
            pairs.iter().map(|p| [&p.chosen, &p.rejected].map(|c| shape.cells(&p.prompt, c))).collect();
        let order = rng.permutation(pairs.len());
        let (held_out, train) = order.split_at(pairs.len() / 10);
        if held_out.is_empty() {
            return Err(Error::parameter("pairs", pairs.len(), "ten or more for a reward model"));
        }
        let mut model = Self { scores: shape.no_weights(), accuracy: 0.0 };
        let mut best = model.scores.clone();
        let mut optimizer = Adam::new(learning_rate, model.scores.len())?;
        for _ in 0..epochs {
            for batch in rng.permutation(train.len()).chunks(64) {
                let batch: Vec<usize> = batch.iter().map(|k| train[*k]).collect();
                let scores: Vec<f64> = (0..2)
                    .flat_map(|side| batch.iter().map(|i| model.score(&cells[*i][side])).collect::<Vec<_>>())
                    .collect();
                let mut slopes = vec![0.0; scores.len()];
                bradley_terry_loss(&scores, &vec![1.0; batch.len()], -1.0, &mut slopes);
                let mut gradient = shape.no_weights();
                for (k, slope) in slopes.iter().enumerate() {
                    cells[batch[k % batch.len()]][k / batch.len()].iter().for_each(|c| gradient[*c] += slope);
                }
                optimizer.ascend(&mut model.scores, &gradient);
            }
            let right = held_out.iter().filter(|i| model.score(&cells[**i][0]) > model.score(&cells[**i][1])).count();
            let accuracy = right as f64 / held_out.len() as f64;
            if accuracy > model.accuracy {
                (model.accuracy, best) = (accuracy, model.scores.clone());
            }
        }
        model.scores = best;
        Ok(model)
    }
}

fn of_pairs(shape: &Markov, pairs: &[TextPair]) -> Vec<[Vec<usize>; 2]> {
    pairs.iter().map(|p| [&p.chosen, &p.rejected].map(|c| shape.cells(&p.prompt, c))).collect()
}

/// Score of the chosen less that of the rejected.
fn margin([chosen, rejected]: &[Vec<usize>; 2], scores: &[f64]) -> f64 {
    let of = |cells: &Vec<usize>| cells.iter().map(|c| scores[*c]).sum::<f64>();
    of(chosen) - of(rejected)
}

/// Adds `weight` times the gradient of a pair's margin.
fn add([chosen, rejected]: &[Vec<usize>; 2], weight: f64, out: &mut [f64]) {
    chosen.iter().for_each(|c| out[*c] += weight);
    rejected.iter().for_each(|c| out[*c] -= weight);
}

/// The solution of a positive definite system to a relative residual.
fn conjugate_gradients(matrix: impl Fn(&[f64]) -> Vec<f64>, right: &[f64], tolerance: f64) -> Vec<f64> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut solution = vec![0.0; right.len()];
    let (mut residual, mut direction) = (right.to_vec(), right.to_vec());
    let mut square = dot(&residual, &residual);
    let enough = square * tolerance * tolerance;
    for _ in 0..10 * right.len() {
        if square <= enough {
            break;
        }
        let image = matrix(&direction);
        let step = square / dot(&direction, &image);
        solution.iter_mut().zip(&direction).for_each(|(x, d)| *x += step * d);
        residual.iter_mut().zip(&image).for_each(|(r, i)| *r -= step * i);
        let before = std::mem::replace(&mut square, dot(&residual, &residual));
        let share = square / before;
        direction.iter_mut().zip(&residual).for_each(|(d, r)| *d = r + share * *d);
    }
    solution
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At the mode every central difference of the log posterior is 0, also with labels that contradict each other.
    #[test]
    fn the_fit_is_the_mode() {
        let mut rng = Stream::named(&["tests", "reward table"]);
        let shape = Markov::new(3, 1, vec![0.0; 9]);
        let text = |rng: &mut Stream| (0..4).map(|_| rng.below(3) as u32).collect::<Vec<_>>();
        let pairs: Vec<TextPair> =
            (0..40).map(|_| TextPair { prompt: vec![0], chosen: text(&mut rng), rejected: text(&mut rng) }).collect();
        let model = RewardModel::fit(&shape, &pairs, &pairs, 0.7).expect("finite");
        let log_posterior = |scores: &[f64]| {
            let fit: f64 = of_pairs(&shape, &pairs).iter().map(|c| sigmoid(margin(c, scores)).ln()).sum();
            fit - scores.iter().map(|s| s * s).sum::<f64>() / (2.0 * 0.49)
        };
        for cell in 0..9 {
            let at = |step: f64| {
                let mut scores = model.scores.clone();
                scores[cell] += step;
                log_posterior(&scores)
            };
            let slope = (at(1e-4) - at(-1e-4)) / 2e-4;
            assert!(slope.abs() < 1e-6, "{cell}: {slope}");
        }
        assert!(model.scores.iter().any(|s| s.abs() > 0.1) && model.accuracy > 0.5);
    }
}
