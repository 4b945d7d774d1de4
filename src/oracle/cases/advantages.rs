//! Advantages: of groups of completions to one prompt each, and along the tokens of sequences.

use super::super::{Quantities, Quantity};
use super::draws::{
    JUNK, arranged, between, flat, left_padded, lengths, named, number, right_padded, rows, spread, streams, tokens,
};
use super::{Family, Objective};
use crate::objective::{
    VTrace, batch_mean_advantages, dr_grpo_advantages, gae_advantages, grpo_advantages, grpo_batch_advantages,
    rloo_advantages, vtrace, whiten,
};
use crate::rng::Stream;

/// TRL's.
const EPSILON: f64 = 1e-4;

type Rule = fn(&[f64], &mut [f64]);

fn of_groups(inputs: &Quantities, rule: Rule) -> Quantities {
    let of_row = |rewards: &Vec<f64>| {
        let mut advantages = vec![0.0; rewards.len()];
        rule(rewards, &mut advantages);
        advantages
    };
    let table = rows(inputs, "rewards").iter().map(of_row).collect();
    named([("advantages", Quantity::Table(table))])
}

/// `rewards`: a row per prompt, a column per completion.
pub(super) fn groups() -> Family {
    let objective = |name, source, convention, answer| Objective { name, source, convention, of: None, answer };
    let objectives = vec![
        objective(
            "rloo_advantages",
            "arXiv:2402.14740, Eq. 8",
            "the reward less the mean of the group's others; a group of one keeps 0",
            |i| of_groups(i, rloo_advantages),
        ),
        objective(
            "grpo_advantages",
            "arXiv:2402.03300, Section 4.1.2",
            "less the group's mean, over its sample standard deviation (n − 1) plus 1e-4; equal rewards: 0",
            |i| of_groups(i, |r, a| grpo_advantages(r, EPSILON, a)),
        ),
        objective(
            "grpo_batch_advantages",
            "TRL's GRPO with scale_rewards = batch",
            "less the group's mean, over the whole batch's sample standard deviation (n − 1) plus 1e-4",
            |inputs| {
                let groups = rows(inputs, "rewards");
                let group = groups.first().map_or(1, Vec::len);
                let rewards = groups.concat();
                let mut advantages = vec![0.0; rewards.len()];
                grpo_batch_advantages(&rewards, group, EPSILON, &mut advantages);
                named([("advantages", Quantity::Table(advantages.chunks(group).map(<[f64]>::to_vec).collect()))])
            },
        ),
        objective(
            "dr_grpo_advantages",
            "arXiv:2503.20783, Section 3.2",
            "less the group's mean, and nothing else",
            |i| of_groups(i, dr_grpo_advantages),
        ),
        objective(
            "batch_mean_advantages",
            "arXiv:2402.14740, Section 4 (REINFORCE with a baseline of the batch)",
            "less the mean of all rewards, whatever the group",
            |inputs| {
                let groups = rows(inputs, "rewards");
                let rewards = groups.concat();
                let mut advantages = vec![0.0; rewards.len()];
                batch_mean_advantages(&rewards, &mut advantages);
                named([(
                    "advantages",
                    Quantity::Table(advantages.chunks(groups[0].len()).map(<[f64]>::to_vec).collect()),
                )])
            },
        ),
    ];
    Family { objectives, corners: drawn_groups() }
}

/// The same, with rows of different lengths, which a rule over rectangles cannot take.
pub(super) fn partial_groups() -> Family {
    let Family { objectives, .. } = groups();
    let objectives = objectives.into_iter().filter(|o| !o.name.contains("batch")).collect();
    let draw = |mut rng: Stream| [4, 2, 3].iter().map(|n| between(0.0, 1.0, *n, &mut rng)).collect();
    let inputs = streams("groups", "partial_group").map(|rng| named([("rewards", Quantity::Table(draw(rng)))]));
    Family { objectives, corners: vec![("partial_group", inputs.collect())] }
}

fn drawn_groups() -> Vec<(&'static str, Vec<Quantities>)> {
    let corner = |name: &'static str, draw: fn(&mut Stream) -> Vec<Vec<f64>>| {
        let inputs = streams("groups", name).map(|mut rng| named([("rewards", Quantity::Table(draw(&mut rng)))]));
        (name, inputs.collect())
    };
    vec![
        corner("plain", |rng| (0..3).map(|_| between(-1.0, 2.0, 4, rng)).collect()),
        corner("binary", |rng| vec![vec![1.0, 0.0, 0.0, f64::from(u8::from(rng.uniform() < 0.5))]; 2]),
        // the second group has no gradient, whatever its reward
        corner("dead_group", |rng| vec![between(0.0, 1.0, 4, rng), vec![rng.uniform(); 4]]),
        corner("all_dead", |rng| vec![vec![rng.uniform(); 4], vec![1.0; 4]]),
        // what one float less the mean of floats leaves
        corner("large_offset", |rng| vec![between(0.0, 1.0, 4, rng).into_iter().map(|r| r + 1024.0).collect()]),
        corner("group_of_two", |rng| (0..3).map(|_| between(0.0, 1.0, 2, rng)).collect()),
        corner("group_of_one", |rng| (0..3).map(|_| between(0.0, 1.0, 1, rng)).collect()),
    ]
}

/// `rewards`, `values`, `log_probs`, `old_log_probs`: a row per sequence, a column per token.
pub(super) fn along_tokens() -> Family {
    let objectives = vec![
        Objective {
            name: "gae",
            source: "arXiv:1506.02438, Eq. 16",
            convention: "the value behind the last token is 0; padding is behind it",
            of: None,
            answer: |inputs| named([("advantages", spread(&gae(inputs), inputs))]),
        },
        Objective {
            name: "whitened_gae",
            source: "Stiennon et al., arXiv:2009.01325 (code)",
            convention: "over all tokens of the batch, none of the padding: mean 0, sample variance (n − 1) plus 1e-8 to 1",
            of: None,
            answer: |inputs| {
                let mut advantages = gae(inputs);
                whiten(&mut advantages);
                named([("advantages", spread(&advantages, inputs))])
            },
        },
        Objective {
            name: "vtrace",
            source: "arXiv:1802.01561, Eq. 1 and Section 4.2",
            convention: "ρ̄ = c̄ = 1; the discount is gamma, lambda is not used; the value behind the last token is 0",
            of: None,
            answer: |inputs| {
                let [new, old, rewards, values] =
                    ["log_probs", "old_log_probs", "rewards", "values"].map(|name| flat(inputs, name));
                let (mut targets, mut advantages) = (vec![0.0; new.len()], vec![0.0; new.len()]);
                let settings = VTrace { rho_bar: 1.0, c_bar: 1.0, gamma: number(inputs, "gamma") };
                vtrace(settings, &lengths(inputs), [&new, &old], &rewards, &values, &mut targets, &mut advantages);
                named([("targets", spread(&targets, inputs)), ("advantages", spread(&advantages, inputs))])
            },
        },
    ];
    let corner = |name: &'static str, mask: Vec<Vec<f64>>, gamma: f64, lambda: f64| {
        let inputs = streams("gae", name).map(|mut rng| {
            let total = tokens(&mask);
            let mut draw = |low: f64, high: f64| between(low, high, total, &mut rng);
            let (rewards, values, old) = (draw(-0.2, 1.0), draw(-0.5, 0.5), draw(-3.0, -0.1));
            let new: Vec<f64> = old.iter().zip(draw(-0.4, 0.4)).map(|(o, d)| o + d).collect();
            named([
                ("rewards", arranged(&rewards, &mask, JUNK)),
                ("values", arranged(&values, &mask, JUNK)),
                ("log_probs", arranged(&new, &mask, JUNK)),
                ("old_log_probs", arranged(&old, &mask, JUNK)),
                ("mask", Quantity::Table(mask.clone())),
                ("gamma", Quantity::Number(gamma)),
                ("lambda", Quantity::Number(lambda)),
            ])
        });
        (name, inputs.collect())
    };
    let full = || right_padded(&[3; 3], 3);
    let corners = vec![
        corner("plain", full(), 1.0, 0.95),
        corner("discounted", full(), 0.9, 0.5),
        corner("one_step", full(), 1.0, 0.0),
        corner("to_the_end", full(), 1.0, 1.0),
        corner("padding", right_padded(&[4, 1, 2], 5), 1.0, 0.95),
        corner("left_padding", left_padded(&[4, 1, 2], 5), 1.0, 0.95),
    ];
    Family { objectives, corners }
}

fn gae(inputs: &Quantities) -> Vec<f64> {
    let (rewards, values) = (flat(inputs, "rewards"), flat(inputs, "values"));
    let mut advantages = vec![0.0; rewards.len()];
    let (gamma, lambda) = (number(inputs, "gamma"), number(inputs, "lambda"));
    gae_advantages(&lengths(inputs), &rewards, &values, gamma, lambda, &mut advantages);
    advantages
}
