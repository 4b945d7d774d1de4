//! KL to a reference: estimates from chosen tokens, as values and as losses; whole distributions; and as a penalty in the reward.

use super::super::{Quantities, Quantity};
use super::draws::{
    JUNK, between, flat, lengths, mask, named, number, numbers, padded, rows, spread, streams, token_loss,
};
use super::{Family, Objective};
use crate::num::log_softmax;
use crate::objective::{
    corrected_k3_loss, k1, k1_loss, k2, k2_loss, k3, k3_loss, kl_loss, kl_penalised_rewards, kl_penalised_token_rewards,
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
            |inputs| {
                let [new, old, reference] =
                    ["log_probs", "old_log_probs", "reference_log_probs"].map(|name| flat(inputs, name));
                token_loss(inputs, |w| corrected_k3_loss(&new, &old, &reference, f64::INFINITY, 1.0, w))
            },
        ),
    ];
    let corner = |name: &'static str, of: [usize; 2], padding: f64, ratio: fn(usize, &mut Stream) -> Vec<f64>| {
        let inputs = streams("kl", name).map(|mut rng| {
            let total = of.iter().sum();
            let new = between(-6.0, -0.1, total, &mut rng);
            let d = ratio(total, &mut rng);
            let reference: Vec<f64> = new.iter().zip(d).map(|(n, d)| n - d).collect();
            let old: Vec<f64> = new.iter().zip(between(-0.3, 0.3, total, &mut rng)).map(|(n, d)| n - d).collect();
            named([
                ("log_probs", padded(&new, &of, WIDTH, padding)),
                ("old_log_probs", padded(&old, &of, WIDTH, padding)),
                ("reference_log_probs", padded(&reference, &of, WIDTH, 0.0)),
                ("mask", mask(&of, WIDTH)),
            ])
        });
        (name, inputs.collect())
    };
    let corners = vec![
        corner("plain", [3, 3], 0.0, |n, rng| between(-0.5, 0.5, n, rng)),
        corner("equal", [3, 3], 0.0, |n, _| vec![0.0; n]),
        corner("negative", [3, 3], 0.0, |n, rng| between(-1.0, -0.2, n, rng)),
        corner("tiny", [3, 3], 0.0, |n, rng| between(-1e-5, 1e-5, n, rng)),
        corner("extreme", [3, 3], 0.0, |n, rng| between(-25.0, -15.0, n, rng)),
        corner("padding", [1, 2], JUNK, |n, rng| between(-0.5, 0.5, n, rng)),
    ];
    Family { objectives, corners }
}

/// `log_probs`, `reference_log_probs`: a row per context, a column per token of the vocabulary.
pub(super) fn distributions() -> Family {
    let exact = Objective {
        name: "kl_exact",
        source: "definition",
        convention: "Σ π (log π − log π_ref) of each context; loss: their mean; gradient: with respect to log π as free numbers, π (d + 1)/n",
        of: Some("log_probs"),
        answer: |inputs| {
            let (policy, reference) = (rows(inputs, "log_probs"), rows(inputs, "reference_log_probs"));
            let share = 1.0 / policy.len() as f64;
            let (mut kl, mut gradient) = (Vec::new(), Vec::new());
            for (policy, reference) in policy.iter().zip(&reference) {
                let mut weights = vec![0.0; policy.len()];
                kl.push(kl_loss(policy, reference, share, &mut weights));
                gradient.push(weights);
            }
            let loss = share * kl.iter().sum::<f64>();
            named([
                ("loss", Quantity::Number(loss)),
                ("kl", Quantity::List(kl)),
                ("gradient", Quantity::Table(gradient)),
            ])
        },
    };
    let corner = |name: &'static str, far: f64, between_them: f64| {
        let inputs = streams("distributions", name).map(|mut rng| {
            let draw = |rng: &mut Stream| {
                let logits = between(-far, far, 5, rng);
                let mut policy = logits.clone();
                log_softmax(&mut policy);
                let mut reference: Vec<f64> =
                    logits.iter().zip(between(-between_them, between_them, 5, rng)).map(|(a, b)| a + b).collect();
                log_softmax(&mut reference);
                (policy, reference)
            };
            let (policy, reference) = (0..2).map(|_| draw(&mut rng)).unzip();
            named([("log_probs", Quantity::Table(policy)), ("reference_log_probs", Quantity::Table(reference))])
        });
        (name, inputs.collect())
    };
    Family {
        objectives: vec![exact],
        corners: vec![corner("plain", 2.0, 1.0), corner("equal", 2.0, 0.0), corner("peaked", 12.0, 6.0)],
    }
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
    let corner = |name: &'static str, of: [usize; 3], beta: f64, padding: f64| {
        let inputs = streams("kl in rewards", name).map(|mut rng| {
            let total = of.iter().sum();
            named([
                ("log_probs", padded(&between(-4.0, -0.1, total, &mut rng), &of, WIDTH, padding)),
                ("reference_log_probs", padded(&between(-4.0, -0.1, total, &mut rng), &of, WIDTH, 0.0)),
                ("mask", mask(&of, WIDTH)),
                ("rewards", Quantity::List(between(-1.0, 1.0, 3, &mut rng))),
                ("beta", Quantity::Number(beta)),
            ])
        });
        (name, inputs.collect())
    };
    let corners = vec![
        corner("plain", [3, 3, 3], 0.05, 0.0),
        corner("no_penalty", [3, 3, 3], 0.0, 0.0),
        corner("padding", [2, 1, 3], 0.1, JUNK),
    ];
    Family { objectives, corners }
}
