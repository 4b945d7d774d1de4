//! Losses over the tokens of sequences: clipped surrogates and supervised losses, which differ in how tokens are averaged.

use super::super::{Quantities, Quantity};
use super::draws::{JUNK, between, flat, lengths, mask, named, number, numbers, padded, streams, token_loss};
use super::{Family, Objective};
use crate::objective::{
    dr_grpo_objective, grpo_objective, grpo_token_mean_objective, rloo_objective, sequence_nll_loss,
    sequence_policy_gradient_objective, token_nll_loss,
};
use crate::rng::Stream;

const CLIP: f64 = 0.2;
const WIDTH: usize = 4;

/// A surrogate over log-probabilities, old ones, lengths, advantages and clip, whose negative is the loss.
type Surrogate = fn(&[f64], &[f64], &[usize], &[f64], f64, f64, &mut [f64]) -> f64;

fn minimised(inputs: &Quantities, surrogate: Surrogate) -> Quantities {
    let (new, old) = (flat(inputs, "log_probs"), flat(inputs, "old_log_probs"));
    let (advantages, clip) = (numbers(inputs, "advantages"), number(inputs, "clip"));
    token_loss(inputs, |w| -surrogate(&new, &old, &lengths(inputs), &advantages, clip, -1.0, w))
}

fn dr_grpo(
    new: &[f64],
    old: &[f64],
    lengths: &[usize],
    advantages: &[f64],
    clip: f64,
    scale: f64,
    w: &mut [f64],
) -> f64 {
    dr_grpo_objective(new, old, lengths, advantages, WIDTH, clip, scale, w)
}

fn unclipped(new: &[f64], _: &[f64], lengths: &[usize], advantages: &[f64], _: f64, scale: f64, w: &mut [f64]) -> f64 {
    sequence_policy_gradient_objective(new, lengths, advantages, scale, w)
}

/// `log_probs`, `old_log_probs`, `mask`: a row per sequence; `advantages`: one per sequence; `clip`: on both sides.
pub(super) fn policy() -> Family {
    let objective =
        |name, source, convention, answer| Objective { name, source, convention, of: Some("log_probs"), answer };
    let objectives = vec![
        objective(
            "reinforce",
            "Williams 1992; arXiv:2402.14740, Eq. 4",
            "minus the mean over sequences of advantage times the sum of log-probabilities; old ones are not used",
            |i| minimised(i, unclipped),
        ),
        objective(
            "grpo",
            "arXiv:2402.03300, Eq. 3 without its KL term",
            "mean over sequences of the mean over tokens (TRL: loss_type grpo)",
            |i| minimised(i, grpo_objective),
        ),
        objective(
            "grpo_token_mean",
            "arXiv:2503.14476, Eq. 8",
            "mean over all tokens of the batch (DAPO; TRL: loss_type bnpo; PPO's usual average)",
            |i| minimised(i, grpo_token_mean_objective),
        ),
        objective(
            "dr_grpo",
            "arXiv:2503.20783, Section 3.2",
            "sum over tokens, over sequences times the longest completion allowed, here 4 (TRL: loss_type dr_grpo)",
            |i| minimised(i, dr_grpo),
        ),
        objective(
            "rloo",
            "arXiv:2402.14740; TRL's RLOO",
            "mean over sequences; ratio, clip and advantage are the whole sequence's, log-ratios are summed",
            |i| minimised(i, rloo_objective),
        ),
    ];
    type Draw = fn(&mut Stream) -> Drawn;
    let corners: [(&'static str, Draw); 8] = [
        ("plain", |rng| Drawn::new([4, 4, 4], 0.04, rng)),
        ("on_policy", |rng| Drawn::new([4, 4, 4], 0.0, rng)),
        // ratios far on either side of the clip, with advantages of both signs
        ("clipped", |rng| Drawn::new([4, 4, 4], 1.5, rng)),
        ("unequal_lengths", |rng| Drawn::new([1, 4, 2], 0.04, rng)),
        ("padding", |rng| Drawn { padding: JUNK, ..Drawn::new([2, 4, 1], 0.3, rng) }),
        ("dead_group", |rng| Drawn { advantages: vec![0.0; 3], ..Drawn::new([4, 4, 4], 0.3, rng) }),
        ("one_sign", |rng| Drawn { advantages: between(-1.0, -0.5, 3, rng), ..Drawn::new([4, 4, 4], 0.3, rng) }),
        ("far_off_policy", |rng| Drawn { advantages: between(0.5, 1.0, 3, rng), ..Drawn::new([4, 4, 4], 12.0, rng) }),
    ];
    let inputs = |(name, draw): (&'static str, Draw)| {
        (name, streams("policy", name).map(|mut rng| draw(&mut rng).inputs()).collect())
    };
    Family { objectives, corners: corners.into_iter().map(inputs).collect() }
}

struct Drawn {
    lengths: [usize; 3],
    old: Vec<f64>,
    /// log ratio of each token.
    ratios: Vec<f64>,
    advantages: Vec<f64>,
    padding: f64,
}

impl Drawn {
    fn new(lengths: [usize; 3], far: f64, rng: &mut Stream) -> Self {
        let total = lengths.iter().sum();
        let (old, ratios) = (between(-4.0, -0.1, total, rng), between(-far, far, total, rng));
        let first = 0.2 + rng.uniform();
        let advantages = vec![first, -0.6 - rng.uniform(), 0.1];
        Self { lengths, old, ratios, advantages, padding: 0.0 }
    }

    fn inputs(self) -> Quantities {
        let new: Vec<f64> = self.old.iter().zip(&self.ratios).map(|(o, d)| o + d).collect();
        named([
            ("log_probs", padded(&new, &self.lengths, WIDTH, self.padding)),
            ("old_log_probs", padded(&self.old, &self.lengths, WIDTH, self.padding)),
            ("mask", mask(&self.lengths, WIDTH)),
            ("advantages", Quantity::List(self.advantages)),
            ("clip", Quantity::Number(CLIP)),
        ])
    }
}

/// `log_probs`, `mask`.
pub(super) fn supervised() -> Family {
    let objective =
        |name, source, convention, answer| Objective { name, source, convention, of: Some("log_probs"), answer };
    let objectives = vec![
        objective("sft", "maximum likelihood", "minus the mean over all unmasked tokens of the batch", |inputs| {
            token_loss(inputs, |w| token_nll_loss(&flat(inputs, "log_probs"), 1.0, w))
        }),
        objective(
            "sft_sequences",
            "maximum likelihood",
            "minus the mean over sequences of the sum over their tokens",
            |inputs| token_loss(inputs, |w| sequence_nll_loss(&flat(inputs, "log_probs"), &lengths(inputs), 1.0, w)),
        ),
    ];
    let corner = |name: &'static str, of: [usize; 3], padding: f64| {
        let inputs = streams("supervised", name).map(|mut rng| {
            let log_probs = between(-5.0, -0.01, of.iter().sum(), &mut rng);
            named([("log_probs", padded(&log_probs, &of, WIDTH, padding)), ("mask", mask(&of, WIDTH))])
        });
        (name, inputs.collect())
    };
    let corners = vec![
        corner("plain", [4, 4, 4], 0.0),
        corner("unequal_lengths", [1, 4, 2], 0.0),
        corner("padding", [3, 1, 2], JUNK),
    ];
    Family { objectives, corners }
}

#[cfg(test)]
mod tests {
    use super::super::super::cases;
    use super::*;
    use crate::oracle::cases::draws::rows;

    /// The clipped surrogates, written down anew over padded rows.
    #[test]
    fn surrogates_are_plain_sums() {
        for case in cases().iter().filter(|c| ["grpo", "grpo_token_mean", "dr_grpo", "rloo"].contains(&c.objective)) {
            let [new, old, mask] = ["log_probs", "old_log_probs", "mask"].map(|name| rows(&case.inputs, name));
            let advantages = numbers(&case.inputs, "advantages");
            let term = |d: f64, a: f64| (d.exp() * a).min(d.exp().clamp(1.0 - CLIP, 1.0 + CLIP) * a);
            let (mut value, tokens) = (0.0, mask.concat().iter().sum::<f64>());
            for i in 0..new.len() {
                let own: f64 = mask[i].iter().sum();
                let each = |t: usize| mask[i][t] * term(new[i][t] - old[i][t], advantages[i]);
                let sum: f64 = (0..WIDTH).map(each).sum();
                value -= match case.objective {
                    "grpo" => sum / own / 3.0,
                    "grpo_token_mean" => sum / tokens,
                    "dr_grpo" => sum / 12.0,
                    _ => term((0..WIDTH).map(|t| mask[i][t] * (new[i][t] - old[i][t])).sum(), advantages[i]) / 3.0,
                };
            }
            let loss = number(&case.expected, "loss");
            assert!((loss - value).abs() < 1e-12 * (1.0 + value.abs()), "{}: {loss} {value}", case.id);
        }
    }
}
