//! KL to a reference, estimated from chosen tokens: as a value, as a loss, and as a penalty in the reward.

use super::super::{Quantities, Quantity};
use super::draws::{
    JUNK, Mask, arranged, between, flat, left_padded, lengths, named, number, numbers, right_padded, spread, streams,
    token_loss, tokens,
};
use super::{Family, Objective};
use crate::objective::{
    corrected_k1_loss, corrected_k2_loss, corrected_k3_loss, k1, k1_loss, k2, k2_loss, k3, k3_loss,
    kl_penalised_rewards, kl_penalised_token_rewards,
};
use crate::rng::Stream;

const WIDTH: usize = 3;

type Loss = fn(&[f64], &[f64], f64, &mut [f64]) -> f64;

fn estimated(inputs: &Quantities, estimate: fn(f64) -> f64, loss: Loss) -> Quantities {
    let (new, reference) = (flat(inputs, "log_probs"), flat(inputs, "reference_log_probs"));
    let kl: Vec<f64> = new.iter().zip(&reference).map(|(a, b)| estimate(a - b)).collect();
    let mut answer = token_loss(inputs, |w| loss(&new, &reference, 1.0, w));
    answer.insert("kl".into(), spread(&kl, inputs));
    answer
}

type Corrected = fn(&[f64], &[f64], &[f64], f64, f64, &mut [f64]) -> f64;

fn corrected(inputs: &Quantities, loss: Corrected) -> Quantities {
    let [new, old, reference] = ["log_probs", "old_log_probs", "reference_log_probs"].map(|name| flat(inputs, name));
    token_loss(inputs, |w| loss(&new, &old, &reference, f64::INFINITY, 1.0, w))
}

/// `log_probs`, `reference_log_probs`, `old_log_probs`, `mask`: a row per sequence, chosen tokens.
pub(super) fn losses() -> Family {
    let objective =
        |name, source, convention, answer| Objective { name, source, convention, of: Some("log_probs"), answer };
    let objectives = vec![
        objective(
            "k1",
            "Schulman, Approximating KL Divergence, 2020",
            "kl: log π − log π_ref of each token, which may be negative; loss: its mean over unmasked tokens, the samples held fixed",
            |i| estimated(i, k1, k1_loss),
        ),
        objective(
            "k2",
            "Schulman, Approximating KL Divergence, 2020",
            "kl: half the squared log-ratio; loss: its mean over unmasked tokens, the samples held fixed",
            |i| estimated(i, k2, k2_loss),
        ),
        objective(
            "k3",
            "arXiv:2402.03300, Eq. 4",
            "kl: π_ref/π − 1 − log(π_ref/π) of each token; loss: its mean over unmasked tokens, the samples held fixed",
            |i| estimated(i, k3, k3_loss),
        ),
        objective(
            "k3_corrected",
            "TRL: use_bias_correction_kl",
            "loss: mean over unmasked tokens of π/π_old times k3, with the gradient through the ratio too",
            |i| corrected(i, corrected_k3_loss),
        ),
        objective(
            "k1_corrected",
            "arXiv:2402.03300, Eq. 4 with k1 and the ratio of its Eq. 3",
            "loss: mean over unmasked tokens of π/π_old times k1, with the gradient through the ratio too",
            |i| corrected(i, corrected_k1_loss),
        ),
        objective(
            "k2_corrected",
            "arXiv:2402.03300, Eq. 4 with k2 and the ratio of its Eq. 3",
            "loss: mean over unmasked tokens of π/π_old times k2, with the gradient through the ratio too",
            |i| corrected(i, corrected_k2_loss),
        ),
    ];
    let corner = |name: &'static str, mask: Mask, padding: f64, ratio: fn(usize, &mut Stream) -> Vec<f64>| {
        let inputs = streams("kl", name).map(|mut rng| {
            let total = tokens(&mask);
            let new = between(-6.0, -0.1, total, &mut rng);
            let d = ratio(total, &mut rng);
            let reference: Vec<f64> = new.iter().zip(d).map(|(n, d)| n - d).collect();
            let old: Vec<f64> = new.iter().zip(between(-0.3, 0.3, total, &mut rng)).map(|(n, d)| n - d).collect();
            named([
                ("log_probs", arranged(&new, &mask, padding)),
                ("old_log_probs", arranged(&old, &mask, padding)),
                ("reference_log_probs", arranged(&reference, &mask, 0.0)),
                ("mask", Quantity::Table(mask.clone())),
            ])
        });
        (name, inputs.collect())
    };
    let full = || right_padded(&[WIDTH; 2], WIDTH);
    let corners = vec![
        corner("plain", full(), 0.0, |n, rng| between(-0.5, 0.5, n, rng)),
        corner("equal", full(), 0.0, |n, _| vec![0.0; n]),
        corner("negative", full(), 0.0, |n, rng| between(-1.0, -0.2, n, rng)),
        corner("tiny", full(), 0.0, |n, rng| between(-1e-5, 1e-5, n, rng)),
        corner("extreme", full(), 0.0, |n, rng| between(-25.0, -15.0, n, rng)),
        corner("padding", right_padded(&[1, 2], WIDTH), JUNK, |n, rng| between(-0.5, 0.5, n, rng)),
        corner("left_padding", left_padded(&[1, 2], WIDTH), JUNK, |n, rng| between(-0.5, 0.5, n, rng)),
    ];
    Family { objectives, corners }
}

/// `log_probs`, `reference_log_probs`, `mask`: a row per sequence, chosen tokens; `rewards`: one per sequence; `beta`.
pub(super) fn in_rewards() -> Family {
    let objectives = vec![
        Objective {
            name: "kl_in_token_rewards",
            source: "arXiv:1909.08593, Eq. 2; TRL's PPO",
            convention: "minus β k1 at every token, the task's reward at each sequence's last unmasked one",
            of: None,
            answer: |inputs| {
                let (new, reference) = (flat(inputs, "log_probs"), flat(inputs, "reference_log_probs"));
                let mut out = vec![0.0; new.len()];
                let (rewards, beta) = (numbers(inputs, "rewards"), number(inputs, "beta"));
                kl_penalised_token_rewards(&new, &reference, &lengths(inputs), &rewards, beta, k1, &mut out);
                named([("rewards", spread(&out, inputs))])
            },
        },
        Objective {
            name: "kl_in_rewards",
            source: "arXiv:2402.14740; TRL's RLOO",
            convention: "the sequence's reward less β times the sum of k1 over its unmasked tokens",
            of: None,
            answer: |inputs| {
                let (new, reference) = (flat(inputs, "log_probs"), flat(inputs, "reference_log_probs"));
                let (rewards, beta) = (numbers(inputs, "rewards"), number(inputs, "beta"));
                let mut out = vec![0.0; rewards.len()];
                kl_penalised_rewards(&new, &reference, &lengths(inputs), &rewards, beta, k1, &mut out);
                named([("rewards", Quantity::List(out))])
            },
        },
    ];
    let corner = |name: &'static str, mask: Mask, beta: f64, padding: f64| {
        let inputs = streams("kl in rewards", name).map(|mut rng| {
            let total = tokens(&mask);
            named([
                ("log_probs", arranged(&between(-4.0, -0.1, total, &mut rng), &mask, padding)),
                ("reference_log_probs", arranged(&between(-4.0, -0.1, total, &mut rng), &mask, 0.0)),
                ("mask", Quantity::Table(mask.clone())),
                ("rewards", Quantity::List(between(-1.0, 1.0, 3, &mut rng))),
                ("beta", Quantity::Number(beta)),
            ])
        });
        (name, inputs.collect())
    };
    let corners = vec![
        corner("plain", right_padded(&[WIDTH; 3], WIDTH), 0.05, 0.0),
        corner("no_penalty", right_padded(&[WIDTH; 3], WIDTH), 0.0, 0.0),
        corner("padding", right_padded(&[2, 1, 3], WIDTH), 0.1, JUNK),
        corner("left_padding", left_padded(&[2, 1, 3], WIDTH), 0.1, JUNK),
    ];
    Family { objectives, corners }
}
