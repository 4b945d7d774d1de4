//! Training the Markov writer on pairs, by any preference loss.

use super::markov::Markov;
use super::reviews::TextPair;
use rewardlab::algorithm::{PairBatch, PreferenceLoss};
use rewardlab::error::Result;
use rewardlab::rng::Stream;

/// A writer at some moment of its training.
pub(crate) struct Checkpoint {
    pub(crate) step: usize,
    /// Completions that its data or its rounds have taken from a writer.
    pub(crate) samples: usize,
    pub(crate) writer: Markov,
}

/// Budget of training on pairs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PairBudget {
    pub(crate) steps: usize,
    pub(crate) batch: usize,
    /// Steps between checkpoints.
    pub(crate) every: usize,
    /// Completions behind the pairs.
    pub(crate) samples: usize,
}

/// Trains the reference on pairs, in epochs of all of them in random order.
pub(crate) fn on_pairs(
    reference: &Markov,
    pairs: &[TextPair],
    loss: PreferenceLoss,
    (learning_rate, budget): (f64, PairBudget),
    rng: &mut Stream,
) -> Result<Vec<Checkpoint>> {
    let cells: Vec<[Vec<usize>; 2]> =
        pairs.iter().map(|p| [&p.chosen, &p.rejected].map(|c| reference.cells(&p.prompt, c))).collect();
    let base: Vec<[f64; 2]> = cells.iter().map(|c| c.each_ref().map(|c| reference.log_prob_of(c))).collect();
    let mut writer = reference.clone();
    let mut optimizer = writer.adam(learning_rate)?;
    let mut order: Vec<usize> = Vec::new();
    let mut checkpoints = Vec::new();
    for step in 1..=budget.steps {
        let mut batch = Vec::with_capacity(budget.batch);
        while batch.len() < budget.batch {
            if order.is_empty() {
                order = rng.permutation(pairs.len());
            }
            batch.extend(order.pop());
        }
        let both = |of: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
            (0..2).flat_map(|side| batch.iter().map(move |i| of(*i, side))).collect()
        };
        let log_probs = both(&|i, side| writer.log_prob_of(&cells[i][side]));
        let mut slopes = vec![0.0; log_probs.len()];
        let lengths: Vec<usize> = (0..2)
            .flat_map(|side| batch.iter().map(move |i| (*i, side)))
            .map(|(i, side)| cells[i][side].len())
            .collect();
        let kl = if loss.needs_kl() { mismatched_kl(pairs, &writer, reference, &batch) } else { 0.0 };
        let reference_log_probs = both(&|i, side| base[i][side]);
        let seen = PairBatch { log_probs: &log_probs, reference: &reference_log_probs, lengths: &lengths, kl };
        loss.value(&seen, -1.0, &mut slopes);
        let mut weights = writer.no_weights();
        for (k, slope) in slopes.iter().enumerate() {
            let (i, side) = (batch[k % batch.len()], k / batch.len());
            cells[i][side].iter().for_each(|c| weights[*c] += slope);
        }
        writer.ascend(&mut optimizer, weights);
        if step % budget.every == 0 || step == budget.steps {
            checkpoints.push(Checkpoint { step, samples: budget.samples, writer: writer.clone() });
        }
    }
    Ok(checkpoints)
}

/// KTO's estimate of KL(π‖reference): each pair's chosen completion under the next pair's prompt; cut at 0.
fn mismatched_kl(pairs: &[TextPair], writer: &Markov, reference: &Markov, batch: &[usize]) -> f64 {
    let next = batch.iter().cycle().skip(1);
    let ratio = |(i, j): (&usize, &usize)| {
        let cells = writer.cells(&pairs[*j].prompt, &pairs[*i].chosen);
        writer.log_prob_of(&cells) - reference.log_prob_of(&cells)
    };
    (batch.iter().zip(next).map(ratio).sum::<f64>() / batch.len() as f64).max(0.0)
}
