//! Advantages: of groups of completions to one prompt each, and along the tokens of sequences.

use super::super::{Quantities, Quantity};
use super::draws::{JUNK, between, flat, lengths, mask, named, number, padded, rows, spread, streams};
use super::{Family, Objective};
use crate::objective::{
    dr_grpo_advantages, gae_advantages, grpo_advantages, grpo_batch_advantages, in_groups, rloo_advantages, whiten,
};
use crate::rng::Stream;

/// TRL's.
const EPSILON: f64 = 1e-4;

type Rule = fn(&[f64], &mut [f64]);

fn of_groups(inputs: &Quantities, rule: Rule) -> Quantities {
    let groups = rows(inputs, "rewards");
    let group = groups.first().map_or(1, Vec::len);
    let rewards = groups.concat();
    let mut advantages = vec![0.0; rewards.len()];
    in_groups(&rewards, group, rule, &mut advantages);
    let table = advantages.chunks(group).map(<[f64]>::to_vec).collect();
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
    ];
    let corner = |name: &'static str, draw: fn(&mut Stream) -> Vec<Vec<f64>>| {
        let inputs = streams("groups", name).map(|mut rng| named([("rewards", Quantity::Table(draw(&mut rng)))]));
        (name, inputs.collect())
    };
    let corners = vec![
        corner("plain", |rng| (0..3).map(|_| between(-1.0, 2.0, 4, rng)).collect()),
        corner("binary", |rng| vec![vec![1.0, 0.0, 0.0, f64::from(u8::from(rng.uniform() < 0.5))]; 2]),
        // the second group has no gradient, whatever its reward
        corner("dead_group", |rng| vec![between(0.0, 1.0, 4, rng), vec![rng.uniform(); 4]]),
        corner("all_dead", |rng| vec![vec![rng.uniform(); 4], vec![1.0; 4]]),
        // what one float less the mean of floats leaves
        corner("large_offset", |rng| vec![between(0.0, 1.0, 4, rng).into_iter().map(|r| r + 1024.0).collect()]),
        corner("group_of_two", |rng| (0..3).map(|_| between(0.0, 1.0, 2, rng)).collect()),
        corner("group_of_one", |rng| (0..3).map(|_| between(0.0, 1.0, 1, rng)).collect()),
    ];
    Family { objectives, corners }
}

/// `rewards`, `values`: a row per sequence, a column per token.
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
    ];
    let corner = |name: &'static str, of: [usize; 3], width: usize, gamma: f64, lambda: f64| {
        let inputs = streams("gae", name).map(|mut rng| {
            let total = of.iter().sum();
            named([
                ("rewards", padded(&between(-0.2, 1.0, total, &mut rng), &of, width, JUNK)),
                ("values", padded(&between(-0.5, 0.5, total, &mut rng), &of, width, JUNK)),
                ("mask", mask(&of, width)),
                ("gamma", Quantity::Number(gamma)),
                ("lambda", Quantity::Number(lambda)),
            ])
        });
        (name, inputs.collect())
    };
    let corners = vec![
        corner("plain", [3, 3, 3], 3, 1.0, 0.95),
        corner("discounted", [3, 3, 3], 3, 0.9, 0.5),
        corner("one_step", [3, 3, 3], 3, 1.0, 0.0),
        corner("to_the_end", [3, 3, 3], 3, 1.0, 1.0),
        corner("padding", [4, 1, 2], 5, 1.0, 0.95),
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
