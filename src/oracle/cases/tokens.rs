//! Losses over the tokens of sequences: clipped surrogates and supervised losses, which differ in how tokens are averaged.

use super::super::{Quantities, Quantity};
use super::draws::{
    JUNK, Mask, arranged, between, flat, left_padded, lengths, named, number, numbers, right_padded, rows, streams,
    token_loss, tokens,
};
use super::{Family, Objective};
use crate::num::log_softmax;
use crate::objective::{
    dr_grpo_objective, filtered_nll_loss, filtered_token_nll_loss, gold_loss, grpo_objective,
    grpo_token_mean_objective, nll_loss, ppo_clip_objective, rloo_objective, sequence_nll_loss,
    sequence_policy_gradient_objective, token_nll_loss, weighted_nll_loss,
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

/// `log_probs`, `old_log_probs`, `mask`, `token_advantages`: a row per sequence; `advantages`: one per sequence; `clip`: on both sides.
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
        objective(
            "ppo",
            "arXiv:1707.06347, Eq. 7",
            "mean over all unmasked tokens of the batch; an advantage per token (token_advantages)",
            |inputs| {
                let [new, old, advantages] =
                    ["log_probs", "old_log_probs", "token_advantages"].map(|n| flat(inputs, n));
                let share = 1.0 / new.len() as f64;
                let clip = number(inputs, "clip");
                token_loss(inputs, |w| -share * ppo_clip_objective(&new, &old, &advantages, clip, -share, w))
            },
        ),
    ];
    let corners: [(&'static str, Draw); 10] = [
        ("plain", |rng| Drawn::new(full(), 0.04, rng)),
        ("on_policy", |rng| Drawn::new(full(), 0.0, rng)),
        // ratios far on either side of the clip, with advantages of both signs
        ("clipped", |rng| Drawn::new(full(), 1.5, rng)),
        ("unequal_lengths", |rng| Drawn::new(right_padded(&[1, 4, 2], WIDTH), 0.04, rng)),
        ("padding", |rng| Drawn { padding: JUNK, ..Drawn::new(right_padded(&[2, 4, 1], WIDTH), 0.3, rng) }),
        ("left_padding", |rng| Drawn { padding: JUNK, ..Drawn::new(left_padded(&[2, 4, 1], WIDTH), 0.3, rng) }),
        // what an environment says in between is not the policy's
        ("tokens_of_tools", |rng| Drawn { padding: JUNK, ..Drawn::new(with_holes(), 0.3, rng) }),
        ("dead_group", |rng| Drawn::new(full(), 0.3, rng).with_advantages(|_| vec![0.0; 3], rng)),
        ("one_sign", |rng| Drawn::new(full(), 0.3, rng).with_advantages(|rng| between(-1.0, -0.5, 3, rng), rng)),
        ("far_off_policy", |rng| Drawn::new(full(), 12.0, rng).with_advantages(|rng| between(0.5, 1.0, 3, rng), rng)),
    ];
    let inputs = |(name, draw): (&'static str, Draw)| {
        (name, streams("policy", name).map(|mut rng| draw(&mut rng).inputs()).collect())
    };
    Family { objectives, corners: corners.into_iter().map(inputs).collect() }
}

fn full() -> Mask {
    right_padded(&[WIDTH; 3], WIDTH)
}

fn with_holes() -> Mask {
    vec![vec![1.0, 0.0, 1.0, 1.0], vec![0.0, 1.0, 0.0, 1.0], vec![1.0; WIDTH]]
}

type Draw = fn(&mut Stream) -> Drawn;

struct Drawn {
    mask: Mask,
    old: Vec<f64>,
    /// log ratio of each token.
    ratios: Vec<f64>,
    /// One per sequence; a token's differ from it a little, where it is not 0.
    advantages: Vec<f64>,
    spread: Vec<f64>,
    padding: f64,
}

impl Drawn {
    fn new(mask: Mask, far: f64, rng: &mut Stream) -> Self {
        let total = tokens(&mask);
        let (old, ratios) = (between(-4.0, -0.1, total, rng), between(-far, far, total, rng));
        let first = 0.2 + rng.uniform();
        let advantages = vec![first, -0.6 - rng.uniform(), 0.1];
        Self { spread: between(0.5, 1.5, total, rng), mask, old, ratios, advantages, padding: 0.0 }
    }

    fn with_advantages(self, draw: fn(&mut Stream) -> Vec<f64>, rng: &mut Stream) -> Self {
        Self { advantages: draw(rng), ..self }
    }

    fn inputs(self) -> Quantities {
        let new: Vec<f64> = self.old.iter().zip(&self.ratios).map(|(o, d)| o + d).collect();
        let of_token = |(row, a): (&Vec<f64>, &f64)| vec![*a; row.iter().filter(|m| **m > 0.0).count()];
        let own: Vec<f64> = self.mask.iter().zip(&self.advantages).flat_map(of_token).collect();
        let own: Vec<f64> = own.iter().zip(&self.spread).map(|(a, s)| a * s).collect();
        named([
            ("log_probs", arranged(&new, &self.mask, self.padding)),
            ("old_log_probs", arranged(&self.old, &self.mask, self.padding)),
            ("token_advantages", arranged(&own, &self.mask, 0.0)),
            ("mask", Quantity::Table(self.mask)),
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
    let corner = |name: &'static str, mask: Mask, padding: f64| {
        let inputs = streams("supervised", name).map(|mut rng| {
            let log_probs = between(-5.0, -0.01, tokens(&mask), &mut rng);
            named([("log_probs", arranged(&log_probs, &mask, padding)), ("mask", Quantity::Table(mask.clone()))])
        });
        (name, inputs.collect())
    };
    let corners = vec![
        corner("plain", full(), 0.0),
        corner("unequal_lengths", right_padded(&[1, 4, 2], WIDTH), 0.0),
        corner("padding", right_padded(&[3, 1, 2], WIDTH), JUNK),
        corner("left_padding", left_padded(&[3, 1, 2], WIDTH), JUNK),
        corner("tokens_of_tools", with_holes(), JUNK),
    ];
    Family { objectives, corners }
}

/// `logits`: a row per position of one sequence, a column per token of the vocabulary; `labels`: a token per position, −100 where there is none.
pub(super) fn language_model() -> Family {
    let objectives = vec![Objective {
        name: "causal_lm",
        source: "maximum likelihood; labels as Hugging Face Transformers has them",
        convention: "position t answers for the label of position t + 1; mean over labels that are not −100, the first never counts",
        of: Some("logits"),
        answer: |inputs| {
            let (logits, labels) = (rows(inputs, "logits"), numbers(inputs, "labels"));
            let counted = labels.iter().skip(1).filter(|l| **l >= 0.0).count() as f64;
            let mut gradient = vec![vec![0.0; logits[0].len()]; logits.len()];
            let mut loss = 0.0;
            for (t, label) in labels.iter().skip(1).enumerate().filter(|(_, l)| **l >= 0.0) {
                let mut log_probs = logits[t].clone();
                log_softmax(&mut log_probs);
                let mut weights = vec![0.0; log_probs.len()];
                loss += nll_loss(&log_probs, *label as usize, 1.0 / counted, &mut weights) / counted;
                gradient[t] = super::distributions::to_logits(&log_probs, &weights);
            }
            named([("loss", Quantity::Number(loss)), ("gradient", Quantity::Table(gradient))])
        },
    }];
    let corner = |name: &'static str, labels: [i8; 5], far: f64| {
        let inputs = streams("language model", name).map(|mut rng| {
            let logits = (0..labels.len()).map(|_| between(-far, far, 4, &mut rng)).collect();
            let labels = labels.map(f64::from).to_vec();
            named([("logits", Quantity::Table(logits)), ("labels", Quantity::List(labels))])
        });
        (name, inputs.collect())
    };
    let corners = vec![
        corner("plain", [0, 1, 2, 3, 1], 2.0),
        corner("prompt_masked", [-100, -100, 2, 3, 1], 2.0),
        corner("padding", [1, 3, 0, -100, -100], 2.0),
        // a label that is −100 read as a token, or as true, would show
        corner("one_label", [-100, -100, -100, -100, 2], 2.0),
        corner("certain", [0, 1, 2, 3, 1], 40.0),
    ];
    Family { objectives, corners }
}

type Filtered = fn(&[f64], &[usize], &[f64], f64, f64, &mut [f64]) -> f64;

fn filtered(i: &Quantities, loss: Filtered) -> Quantities {
    let (log_probs, rewards, threshold) = (flat(i, "log_probs"), numbers(i, "rewards"), number(i, "threshold"));
    token_loss(i, |w| loss(&log_probs, &lengths(i), &rewards, threshold, 1.0, w))
}

/// `log_probs`, `returns`, `mask`: a row per sequence; `rewards`: one per sequence; `threshold`, `floor`.
pub(super) fn offline() -> Family {
    let objective =
        |name, source, convention, answer| Objective { name, source, convention, of: Some("log_probs"), answer };
    let objectives = vec![
        objective(
            "filtered",
            "arXiv:2308.08998, Section 3 (ReST's Improve)",
            "minus the sum of log-probabilities over the sequences with reward ≥ threshold, over the number of all sequences",
            |i| filtered(i, filtered_nll_loss),
        ),
        objective(
            "filtered_token_mean",
            "arXiv:2308.08998, Section 3, as a supervised trainer has it",
            "minus the mean over the tokens of the sequences with reward ≥ threshold; none kept: 0",
            |i| filtered(i, filtered_token_nll_loss),
        ),
        objective(
            "reward_weighted",
            "arXiv:2308.08998, Appendix A.8 (OAC's form)",
            "minus the mean over unmasked tokens of returns times log-probability; returns are constants and may be negative",
            |i| token_loss(i, |w| weighted_nll_loss(&flat(i, "log_probs"), &flat(i, "returns"), 1.0, w)),
        ),
        objective(
            "gold",
            "arXiv:2009.07839",
            "gradient only: of minus the mean over unmasked tokens of max(π, floor) · returns · log π, the first two factors constants",
            |i| {
                let floor = number(i, "floor");
                let mut answer =
                    token_loss(i, |w| gold_loss(&flat(i, "log_probs"), &flat(i, "returns"), floor, 1.0, w));
                answer.remove("loss");
                answer
            },
        ),
    ];
    let corner = |name: &'static str, mask: Mask, padding: f64, threshold: f64| {
        let inputs = streams("offline", name).map(|mut rng| {
            let total = tokens(&mask);
            named([
                ("log_probs", arranged(&between(-5.0, -0.01, total, &mut rng), &mask, padding)),
                ("returns", arranged(&between(-0.5, 1.0, total, &mut rng), &mask, 0.0)),
                ("rewards", Quantity::List(vec![0.2 * rng.uniform(), 0.5, 0.6 + 0.4 * rng.uniform()])),
                ("mask", Quantity::Table(mask.clone())),
                ("threshold", Quantity::Number(threshold)),
                ("floor", Quantity::Number(0.1)),
            ])
        });
        (name, inputs.collect())
    };
    let corners = vec![
        corner("plain", right_padded(&[1, 4, 2], WIDTH), 0.0, 0.4),
        corner("at_the_threshold", full(), 0.0, 0.5),
        corner("none_kept", full(), 0.0, 2.0),
        corner("padding", right_padded(&[3, 1, 2], WIDTH), JUNK, 0.4),
        corner("left_padding", left_padded(&[3, 1, 2], WIDTH), JUNK, 0.4),
    ];
    Family { objectives, corners }
}
