//! Whole next-token distributions: expectations that are sums over the vocabulary, with nothing sampled, as functions of logits.

use super::super::{Quantities, Quantity};
use super::draws::{between, named, rows, streams};
use super::{Family, Objective};
use crate::num::log_softmax;
use crate::objective::{
    behaviour_kl_loss, entropy_objective, expected_ppo_clip_objective, expected_reward_objective, kl_loss,
    soft_cross_entropy_loss,
};
use crate::rng::Stream;

const CLIP: f64 = 0.2;

/// The gradient with respect to logits of what has these derivatives with respect to log-probabilities: w − π Σ w.
pub(super) fn to_logits(log_probs: &[f64], weights: &[f64]) -> Vec<f64> {
    let sum: f64 = weights.iter().sum();
    log_probs.iter().zip(weights).map(|(lp, w)| w - lp.exp() * sum).collect()
}

fn log_probs(logits: &[f64]) -> Vec<f64> {
    let mut out = logits.to_vec();
    log_softmax(&mut out);
    out
}

/// One context's term: log-probabilities of the policy and of the other, rewards, scale, weights.
type Term = fn(&[f64], &[f64], &[f64], f64, &mut [f64]) -> f64;

/// The mean over contexts of a term, times `sign`, and the term itself under `name`.
fn mean(inputs: &Quantities, name: &'static str, sign: f64, term: Term) -> Quantities {
    let all = ["logits", "other_logits", "rewards"].map(|name| rows(inputs, name));
    let share = sign / all[0].len() as f64;
    let (mut values, mut gradient) = (Vec::new(), Vec::new());
    for ((logits, other), rewards) in all[0].iter().zip(&all[1]).zip(&all[2]) {
        let policy = log_probs(logits);
        let mut weights = vec![0.0; policy.len()];
        values.push(term(&policy, &log_probs(other), rewards, share, &mut weights));
        gradient.push(to_logits(&policy, &weights));
    }
    let loss = share * values.iter().sum::<f64>();
    named([("loss", Quantity::Number(loss)), (name, Quantity::List(values)), ("gradient", Quantity::Table(gradient))])
}

/// `logits`, `other_logits` (of the reference, the old policy, the behaviour policy or the teacher), `rewards`: a row per context, a column
/// per token of the vocabulary.
pub(super) fn family() -> Family {
    let objective =
        |name, source, convention, answer| Objective { name, source, convention, of: Some("logits"), answer };
    let objectives = vec![
        objective(
            "expected_reward",
            "arXiv:2310.20703, Section 2",
            "value: Σ π r of each context; loss: minus their mean",
            |i| mean(i, "value", -1.0, |policy, _, r, scale, w| expected_reward_objective(policy, r, scale, w)),
        ),
        objective(
            "entropy",
            "definition",
            "entropy: −Σ π log π of each context, nats; loss: minus their mean (an entropy bonus)",
            |i| mean(i, "entropy", -1.0, |policy, _, _, scale, w| entropy_objective(policy, scale, w)),
        ),
        objective(
            "kl_exact",
            "definition",
            "kl: Σ π (log π − log π_other) of each context, nats; loss: their mean",
            |i| mean(i, "kl", 1.0, |policy, other, _, scale, w| kl_loss(policy, other, scale, w)),
        ),
        objective(
            "kl_forward",
            "arXiv:2308.08998, Appendix A.8 (BVMPO's regulariser)",
            "kl: Σ π_other (log π_other − log π) of each context, nats, the other direction; loss: their mean",
            |i| mean(i, "kl", 1.0, |policy, other, _, scale, w| behaviour_kl_loss(policy, other, scale, w)),
        ),
        objective(
            "soft_cross_entropy",
            "definition",
            "loss: mean over contexts of −Σ π_other log π; cross_entropy: of each context",
            |i| {
                mean(i, "cross_entropy", 1.0, |policy, other, _, scale, w| {
                    let target: Vec<f64> = other.iter().map(|lp| lp.exp()).collect();
                    soft_cross_entropy_loss(policy, &target, scale, w)
                })
            },
        ),
        objective(
            "expected_ppo",
            "arXiv:1707.06347, Eq. 7, its mean over the old policy's tokens",
            "surrogate: Σ π_other min(ρA, clip(ρ, 1 ± 0.2) A) of each context, A = rewards as they are; loss: minus their mean",
            |i| {
                mean(i, "surrogate", -1.0, |policy, other, rewards, scale, w| {
                    expected_ppo_clip_objective(policy, other, rewards, CLIP, scale, w)
                })
            },
        ),
    ];
    let corner = |name: &'static str, far: f64, apart: f64, rewards: fn(&mut Stream) -> Vec<f64>| {
        let inputs = streams("distributions", name).map(|mut rng| {
            let mut tables: [Vec<Vec<f64>>; 3] = Default::default();
            for _ in 0..2 {
                let logits = between(-far, far, 5, &mut rng);
                let moved = between(-apart, apart, 5, &mut rng);
                tables[1].push(logits.iter().zip(moved).map(|(a, b)| a + b).collect());
                tables[0].push(logits);
                tables[2].push(rewards(&mut rng));
            }
            named(["logits", "other_logits", "rewards"].into_iter().zip(tables.map(Quantity::Table)))
        });
        (name, inputs.collect())
    };
    let drawn: fn(&mut Stream) -> Vec<f64> = |rng| between(-1.0, 1.0, 5, rng);
    Family {
        objectives,
        corners: vec![
            corner("plain", 2.0, 1.0, drawn),
            corner("equal", 2.0, 0.0, drawn),
            corner("peaked", 12.0, 6.0, drawn),
            // far from the best token, and no gradient
            corner("constant_reward", 2.0, 0.1, |rng| vec![rng.uniform(); 5]),
        ],
    }
}

/// `advantages`, `log_probs`: one per token; `eta`, `epsilon`.
pub(super) fn vmpo() -> Family {
    use super::draws::{number, numbers};
    use crate::objective::{vmpo_policy_loss, vmpo_temperature_loss, vmpo_weights};
    let objectives = vec![
        Objective {
            name: "vmpo_policy",
            source: "arXiv:1909.12238, Eqs. 3 and 4",
            convention: "weights: softmax of A/η over the better half of the batch (rounded up, and all that equal its last), constants, 0 for the others; loss: −Σ weight · log π",
            of: Some("log_probs"),
            answer: |i| {
                let (advantages, log_probs) = (numbers(i, "advantages"), numbers(i, "log_probs"));
                let (mut psi, mut gradient) = (vec![0.0; advantages.len()], vec![0.0; advantages.len()]);
                vmpo_weights(&advantages, number(i, "eta"), &mut psi);
                let loss = vmpo_policy_loss(&log_probs, &psi, 1.0, &mut gradient);
                named([
                    ("loss", Quantity::Number(loss)),
                    ("weights", Quantity::List(psi)),
                    ("gradient", Quantity::List(gradient)),
                ])
            },
        },
        Objective {
            name: "vmpo_temperature",
            source: "arXiv:1909.12238, Eq. 5",
            convention: "loss: ηε + η log of the mean of exp(A/η) over the better half; gradient: with respect to η",
            of: Some("eta"),
            answer: |i| {
                let (loss, slope) =
                    vmpo_temperature_loss(&numbers(i, "advantages"), number(i, "eta"), number(i, "epsilon"));
                named([("loss", Quantity::Number(loss)), ("gradient", Quantity::Number(slope))])
            },
        },
    ];
    let corner = |name: &'static str, tokens: usize, far: f64, eta: f64| {
        let inputs = streams("vmpo", name).map(|mut rng| {
            named([
                ("advantages", Quantity::List(between(-far, far, tokens, &mut rng))),
                ("log_probs", Quantity::List(between(-4.0, -0.1, tokens, &mut rng))),
                ("eta", Quantity::Number(eta)),
                ("epsilon", Quantity::Number(0.05)),
            ])
        });
        (name, inputs.collect())
    };
    Family {
        objectives,
        corners: vec![
            corner("plain", 6, 1.0, 1.0),
            corner("odd_batch", 5, 1.0, 0.5),
            corner("equal", 4, 0.0, 1.0),
            // exp(A/η) alone is infinite
            corner("cold", 6, 100.0, 0.1),
        ],
    }
}
