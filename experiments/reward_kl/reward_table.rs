//! A reward model of the Markov writer's form, learned from pairs.

use super::markov::Markov;
use super::reviews::TextPair;
use rewardlab::algorithm::{Adam, Optimizer};
use rewardlab::error::{Error, Result};
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
    pub(crate) fn score(&self, cells: &[usize]) -> f64 {
        cells.iter().map(|c| self.scores[*c]).sum()
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
