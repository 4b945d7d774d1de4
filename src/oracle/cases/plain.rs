//! The cases' answers, written down anew: plain sums over padded rows and whole vocabularies that share nothing with [`crate::objective`], and
//! expectations enumerated outcome by outcome.

use super::super::{Case, Quantity, cases};
use super::draws::{number, numbers, rows};

type Rows = Vec<Vec<f64>>;

/// What a plain formula says of one quantity, all numbers in their order; `None` where there is no plain formula for it.
fn plain(case: &Case, quantity: &str) -> Option<Vec<f64>> {
    let name = case.objective;
    if ["dpo", "conservative_dpo", "unweighted_dpo", "ipo", "ipo_token_mean", "simpo", "orpo", "unlikelihood", "kto"]
        .contains(&name)
    {
        return Some(vec![of_pairs(case)]);
    }
    match (name, quantity) {
        (_, "gradient") => None,
        ("bradley_terry", _) => {
            let pairs = rows(&case.inputs, "scores");
            Some(vec![mean(pairs.iter().map(|p| soft_plus(p[1] - p[0])))])
        }
        ("reinforce" | "grpo" | "grpo_token_mean" | "dr_grpo" | "rloo" | "ppo", _) => Some(vec![surrogate(case)]),
        ("sft" | "sft_sequences" | "filtered" | "filtered_token_mean" | "reward_weighted", _) => {
            Some(vec![supervised(case)])
        }
        ("causal_lm", _) => Some(vec![causal_lm(case)]),
        ("value" | "clipped_value", _) => Some(vec![value(case)]),
        (_, "advantages" | "targets") => Some(advantages(case, quantity)),
        (_, "rewards") => Some(penalised_rewards(case)),
        ("k1" | "k2" | "k3" | "k1_corrected" | "k2_corrected" | "k3_corrected", _) => Some(estimates(case, quantity)),
        ("vmpo_policy" | "vmpo_temperature", _) => Some(vmpo(case, quantity)),
        ("process" | "outcome_product" | "process_classes" | "outcome", _) => Some(vec![verifier(case)]),
        ("weak_labels" | "confidence" | "confidence_public" | "entropy_regularised", _) => Some(vec![student(case)]),
        _ => Some(whole(case, quantity)),
    }
}

fn mean(all: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = all.fold((0.0, 0.0), |(s, n), x| (s + x, n + 1.0));
    sum / n
}

/// log(1 + e^x).
fn soft_plus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn softmax(logits: &[f64]) -> Vec<f64> {
    let top = logits.iter().copied().fold(f64::MIN, f64::max);
    let all: Vec<f64> = logits.iter().map(|l| (l - top).exp()).collect();
    let sum: f64 = all.iter().sum();
    all.iter().map(|e| e / sum).collect()
}

/// The mask, and a term for each place of it.
fn masked(case: &Case) -> (Rows, f64) {
    let mask = rows(&case.inputs, "mask");
    let tokens = mask.concat().iter().sum();
    (mask, tokens)
}

/// Σ over unmasked places of a term.
fn sum_over(mask: &Rows, term: impl Fn(usize, usize) -> f64) -> f64 {
    let places = mask.iter().enumerate().flat_map(|(i, row)| row.iter().enumerate().map(move |(t, m)| (i, t, *m)));
    places.filter(|(_, _, m)| *m > 0.0).map(|(i, t, _)| term(i, t)).sum()
}

fn surrogate(case: &Case) -> f64 {
    let [new, old, own] = ["log_probs", "old_log_probs", "token_advantages"].map(|name| rows(&case.inputs, name));
    let (advantages, clip) = (numbers(&case.inputs, "advantages"), number(&case.inputs, "clip"));
    let (mask, tokens) = masked(case);
    let clipped = |d: f64, a: f64| (d.exp() * a).min(d.exp().clamp(1.0 - clip, 1.0 + clip) * a);
    let of_sequence = |i: usize| {
        let row = vec![mask[i].clone()];
        let length: f64 = mask[i].iter().sum();
        let ratio = sum_over(&row, |_, t| new[i][t] - old[i][t]);
        let sum = sum_over(&row, |_, t| clipped(new[i][t] - old[i][t], advantages[i]));
        match case.objective {
            "reinforce" => advantages[i] * sum_over(&row, |_, t| new[i][t]) / 3.0,
            "grpo" => sum / length / 3.0,
            "grpo_token_mean" => sum / tokens,
            "dr_grpo" => sum / 12.0,
            "rloo" => clipped(ratio, advantages[i]) / 3.0,
            _ => sum_over(&row, |_, t| clipped(new[i][t] - old[i][t], own[i][t])) / tokens,
        }
    };
    -(0..3).map(of_sequence).sum::<f64>()
}

fn supervised(case: &Case) -> f64 {
    let (mask, tokens) = masked(case);
    let [new, returns] = ["log_probs", "returns"].map(|name| rows(&case.inputs, name));
    let (rewards, threshold) = (numbers(&case.inputs, "rewards"), number(&case.inputs, "threshold"));
    let keeps = |i: usize| f64::from(u8::from(rewards[i] >= threshold));
    match case.objective {
        "sft" => -sum_over(&mask, |i, t| new[i][t]) / tokens,
        "sft_sequences" => -sum_over(&mask, |i, t| new[i][t]) / 3.0,
        "filtered" => -sum_over(&mask, |i, t| keeps(i) * new[i][t]) / 3.0,
        "filtered_token_mean" => {
            let kept = sum_over(&mask, |i, _| keeps(i));
            if kept > 0.0 { -sum_over(&mask, |i, t| keeps(i) * new[i][t]) / kept } else { 0.0 }
        }
        _ => -sum_over(&mask, |i, t| returns[i][t] * new[i][t]) / tokens,
    }
}

fn causal_lm(case: &Case) -> f64 {
    let (logits, labels) = (rows(&case.inputs, "logits"), numbers(&case.inputs, "labels"));
    let counted: Vec<usize> = (1..labels.len()).filter(|t| labels[*t] != -100.0).collect();
    mean(counted.iter().map(|t| {
        let row = &logits[t - 1];
        let top = row.iter().copied().fold(f64::MIN, f64::max);
        top + row.iter().map(|l| (l - top).exp()).sum::<f64>().ln() - row[labels[*t] as usize]
    }))
}

fn value(case: &Case) -> f64 {
    let (mask, tokens) = masked(case);
    let [values, old, returns] = ["values", "old_values", "returns"].map(|name| rows(&case.inputs, name));
    let range = number(&case.inputs, "range");
    let square = |i: usize, t: usize| (values[i][t] - returns[i][t]).powi(2);
    let near = |i: usize, t: usize| values[i][t].clamp(old[i][t] - range, old[i][t] + range);
    let term = |i: usize, t: usize| match case.objective {
        "value" => square(i, t),
        _ => square(i, t).max((near(i, t) - returns[i][t]).powi(2)),
    };
    sum_over(&mask, term) / tokens / 2.0
}

fn advantages(case: &Case, quantity: &str) -> Vec<f64> {
    let rewards = rows(&case.inputs, "rewards");
    match case.objective {
        "gae" | "whitened_gae" | "vtrace" => return along_tokens(case, quantity),
        _ => {}
    }
    let all = rewards.concat();
    let batch_mean = mean(all.iter().copied());
    let deviation = |group: &[f64]| {
        let centre = mean(group.iter().copied());
        let squares: f64 = group.iter().map(|r| (r - centre).powi(2)).sum();
        (squares / (group.len() as f64 - 1.0)).sqrt()
    };
    let of = |group: &Vec<f64>| -> Vec<f64> {
        let (n, centre) = (group.len() as f64, mean(group.iter().copied()));
        // 0 divided by what is left of rounding is 0
        let equal = group.iter().all(|r| *r == group[0]);
        let one = |r: &f64| match case.objective {
            "batch_mean_advantages" => r - batch_mean,
            // one alone has no others, and so no baseline
            "rloo_advantages" if group.len() > 1 => r - (n * centre - r) / (n - 1.0),
            _ if equal => 0.0,
            "grpo_advantages" => (r - centre) / (deviation(group) + 1e-4),
            "grpo_batch_advantages" => (r - centre) / (deviation(&all) + 1e-4),
            _ => r - centre,
        };
        group.iter().map(one).collect()
    };
    rewards.iter().flat_map(of).collect()
}

/// Sums to the end of each sequence, term by term, without a recursion.
fn along_tokens(case: &Case, quantity: &str) -> Vec<f64> {
    let (mask, tokens) = masked(case);
    let [rewards, values, new, old] =
        ["rewards", "values", "log_probs", "old_log_probs"].map(|name| rows(&case.inputs, name));
    let (gamma, lambda) = (number(&case.inputs, "gamma"), number(&case.inputs, "lambda"));
    let mut out: Rows = mask.iter().map(|row| vec![0.0; row.len()]).collect();
    for (i, row) in mask.iter().enumerate() {
        let places: Vec<usize> = (0..row.len()).filter(|t| row[*t] > 0.0).collect();
        let next = |k: usize| places.get(k + 1).map_or(0.0, |t| values[i][*t]);
        let delta = |k: usize| rewards[i][places[k]] + gamma * next(k) - values[i][places[k]];
        let rho = |k: usize| (new[i][places[k]] - old[i][places[k]]).exp().min(1.0);
        // Eq. 1 of arXiv:1802.01561, a sum over products of traces
        let target = |k: usize| -> f64 {
            let tail = |j: usize| gamma.powi((j - k) as i32) * (k..j).map(rho).product::<f64>() * rho(j) * delta(j);
            places.get(k).map_or(0.0, |t| values[i][*t] + (k..places.len()).map(tail).sum::<f64>())
        };
        for k in 0..places.len() {
            out[i][places[k]] = match (case.objective, quantity) {
                ("vtrace", "targets") => target(k),
                ("vtrace", _) => rho(k) * (rewards[i][places[k]] + gamma * target(k + 1) - values[i][places[k]]),
                _ => (k..places.len()).map(|j| (gamma * lambda).powi((j - k) as i32) * delta(j)).sum(),
            };
        }
    }
    if case.objective == "whitened_gae" {
        let centre = sum_over(&mask, |i, t| out[i][t]) / tokens;
        let variance = sum_over(&mask, |i, t| (out[i][t] - centre).powi(2)) / (tokens - 1.0);
        for (row, mask) in out.iter_mut().zip(&mask) {
            row.iter_mut().zip(mask).for_each(|(a, m)| *a = m * (*a - centre) / (variance + 1e-8).sqrt());
        }
    }
    out.concat()
}

fn penalised_rewards(case: &Case) -> Vec<f64> {
    let (mask, _) = masked(case);
    let [new, reference] = ["log_probs", "reference_log_probs"].map(|name| rows(&case.inputs, name));
    let (rewards, beta) = (numbers(&case.inputs, "rewards"), number(&case.inputs, "beta"));
    if case.objective == "kl_in_rewards" {
        let of = |i: usize| rewards[i] - beta * sum_over(&vec![mask[i].clone()], |_, t| new[i][t] - reference[i][t]);
        return (0..rewards.len()).map(of).collect();
    }
    let mut out: Rows = mask.iter().map(|row| vec![0.0; row.len()]).collect();
    for i in 0..mask.len() {
        for t in (0..mask[i].len()).filter(|t| mask[i][*t] > 0.0) {
            let last = mask[i][t + 1..].iter().all(|m| *m == 0.0);
            out[i][t] = f64::from(u8::from(last)) * rewards[i] - beta * (new[i][t] - reference[i][t]);
        }
    }
    out.concat()
}

fn estimates(case: &Case, quantity: &str) -> Vec<f64> {
    let (mask, tokens) = masked(case);
    let [new, old, reference] = ["log_probs", "old_log_probs", "reference_log_probs"].map(|n| rows(&case.inputs, n));
    let corrected = case.objective.ends_with("corrected");
    let estimate = |i: usize, t: usize| {
        let d = new[i][t] - reference[i][t];
        let k = match &case.objective[..2] {
            "k1" => d,
            "k2" => d * d / 2.0,
            _ => (-d).exp_m1() + d,
        };
        if corrected { (new[i][t] - old[i][t]).exp() * k } else { k }
    };
    if quantity == "loss" {
        return vec![sum_over(&mask, estimate) / tokens];
    }
    let place = |i: usize, t: usize| if mask[i][t] > 0.0 { estimate(i, t) } else { 0.0 };
    (0..mask.len()).flat_map(|i| (0..mask[i].len()).map(|t| place(i, t)).collect::<Vec<_>>()).collect()
}

fn of_pairs(case: &Case) -> f64 {
    let [new, reference, lengths] =
        ["log_probs", "reference_log_probs", "lengths"].map(|name| rows(&case.inputs, name));
    let beta = number(&case.inputs, "beta");
    let term = |i: usize| {
        let (n, l) = (&new[i], &lengths[i]);
        let ratio = |c: usize| n[c] - reference[i][c];
        let h = ratio(0) - ratio(1);
        // log odds of a completion's probability per token
        let odds = |c: usize| n[c] / l[c] - (-(n[c] / l[c]).exp()).ln_1p();
        match case.objective {
            "dpo" => soft_plus(-beta * h),
            "conservative_dpo" => 0.9 * soft_plus(-beta * h) + 0.1 * soft_plus(beta * h),
            "unweighted_dpo" => -beta * h,
            "ipo" => (h - 0.5 / beta).powi(2),
            "ipo_token_mean" => (ratio(0) / l[0] - ratio(1) / l[1] - 0.5 / beta).powi(2),
            "simpo" => soft_plus(-(beta * (n[0] / l[0] - n[1] / l[1]) - 0.5)),
            "orpo" => -n[0] / l[0] + beta * soft_plus(odds(1) - odds(0)),
            "unlikelihood" => -n[0] + beta * n[1],
            // Eq. 8 of arXiv:2402.01306: λ (1 − σ(…)), which is σ of its negative
            _ => {
                let sigmoid = |x: f64| (-soft_plus(-x)).exp();
                0.5 * sigmoid(beta * (0.2 - ratio(0))) + 0.75 * sigmoid(beta * (ratio(1) - 0.2))
            }
        }
    };
    mean((0..new.len()).map(term))
}

fn whole(case: &Case, quantity: &str) -> Vec<f64> {
    let [logits, other, rewards] = ["logits", "other_logits", "rewards"].map(|name| rows(&case.inputs, name));
    let of = |i: usize| -> f64 {
        let (p, q) = (softmax(&logits[i]), softmax(&other[i]));
        let term = |y: usize| {
            let (p, q, r) = (p[y], q[y], rewards[i][y]);
            match case.objective {
                "expected_reward" => p * r,
                "entropy" => -p * p.ln(),
                "kl_exact" => p * (p / q).ln(),
                "kl_forward" => q * (q / p).ln(),
                "soft_cross_entropy" => -q * p.ln(),
                "expected_ppo" => q * (p / q * r).min((p / q).clamp(0.8, 1.2) * r),
                other => panic!("no plain formula for {other}"),
            }
        };
        (0..p.len()).map(term).sum()
    };
    let values: Vec<f64> = (0..logits.len()).map(of).collect();
    if quantity != "loss" {
        return values;
    }
    let sign = if ["expected_reward", "entropy", "expected_ppo"].contains(&case.objective) { -1.0 } else { 1.0 };
    vec![sign * mean(values.into_iter())]
}

fn vmpo(case: &Case, quantity: &str) -> Vec<f64> {
    let (advantages, log_probs) = (numbers(&case.inputs, "advantages"), numbers(&case.inputs, "log_probs"));
    let (eta, epsilon) = (number(&case.inputs, "eta"), number(&case.inputs, "epsilon"));
    // all that equal the last of the better half are in it
    let better = |i: usize| advantages.iter().filter(|a| **a > advantages[i]).count();
    let top: Vec<usize> = (0..advantages.len()).filter(|i| better(*i) < advantages.len().div_ceil(2)).collect();
    let largest = top.iter().map(|i| advantages[*i]).fold(f64::MIN, f64::max);
    let exps: f64 = top.iter().map(|i| ((advantages[*i] - largest) / eta).exp()).sum();
    if case.objective == "vmpo_temperature" {
        return vec![eta * epsilon + largest + eta * (exps / top.len() as f64).ln()];
    }
    let psi = |i: usize| if top.contains(&i) { ((advantages[i] - largest) / eta).exp() / exps } else { 0.0 };
    let all: Vec<f64> = (0..advantages.len()).map(psi).collect();
    if quantity == "weights" { all } else { vec![-all.iter().zip(&log_probs).map(|(w, lp)| w * lp).sum::<f64>()] }
}

fn verifier(case: &Case) -> f64 {
    let (right, rho) = (numbers(&case.inputs, "right"), number(&case.inputs, "false_positives"));
    let cross_entropy = |log_p: f64, right: f64| {
        if right > 0.0 { -(rho + (1.0 - rho) * log_p.exp()).ln() } else { -((1.0 - rho) * -log_p.exp_m1()).ln() }
    };
    if case.objective == "outcome" {
        let log_right = numbers(&case.inputs, "log_right");
        return mean(log_right.iter().zip(&right).map(|(l, r)| cross_entropy(*l, *r)));
    }
    if case.objective == "process_classes" {
        let (logits, labels) = (rows(&case.inputs, "logits"), numbers(&case.inputs, "labels"));
        let supervised = labels.iter().position(|l| *l < 0.0).map_or(labels.len(), |first| first + 1);
        return mean((0..supervised).map(|t| -softmax(&logits[t])[(labels[t] + 1.0) as usize].ln()));
    }
    let (mask, _) = masked(case);
    let [scores, labels] = ["scores", "labels"].map(|name| rows(&case.inputs, name));
    if case.objective == "outcome_product" {
        let log_p = |i: usize| -sum_over(&vec![mask[i].clone()], |_, t| soft_plus(-scores[i][t]));
        return mean((0..right.len()).map(|i| cross_entropy(log_p(i), right[i])));
    }
    let mut terms = Vec::new();
    for i in 0..mask.len() {
        for t in (0..mask[i].len()).filter(|t| mask[i][*t] > 0.0) {
            terms.push(soft_plus(if labels[i][t] < 0.0 { scores[i][t] } else { -scores[i][t] }));
            if labels[i][t] < 0.0 {
                break;
            }
        }
    }
    mean(terms.into_iter())
}

fn student(case: &Case) -> f64 {
    let (log_odds, weak) = (numbers(&case.inputs, "log_odds"), numbers(&case.inputs, "weak_labels"));
    let share = number(&case.inputs, "share");
    let mut sorted = log_odds.clone();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let quantile = |level: f64| {
        let at = level * (n - 1.0);
        let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
        (low, high, at.fract())
    };
    let own = |s: f64| {
        if case.objective == "confidence" {
            let (low, high, part) = quantile(0.5);
            return s > low + part * (high - low);
        }
        // between two neighbours P(class 0) is interpolated, not the log-odds
        let (low, high, part) = quantile(1.0 - mean(weak.iter().copied()));
        let p = |s: f64| (-soft_plus(s)).exp();
        p(s) < p(high) + (1.0 - part) * (p(low) - p(high)) || (part == 0.0 && s > low)
    };
    let cross_entropy = |s: f64, w: f64| w * soft_plus(-s) + (1.0 - w) * soft_plus(s);
    let term = |(s, w): (&f64, &f64)| match case.objective {
        "weak_labels" => cross_entropy(*s, *w),
        "entropy_regularised" => {
            let p = (-soft_plus(-s)).exp();
            (1.0 - share) * cross_entropy(*s, *w) + share * cross_entropy(*s, p)
        }
        _ => cross_entropy(*s, (1.0 - share) * w + share * f64::from(u8::from(own(*s)))),
    };
    mean(log_odds.iter().zip(&weak).map(term))
}

/// All that is no gradient, of every case of every objective.
#[test]
fn answers_are_plain_sums() {
    for case in cases() {
        for (name, expected) in case.expected.iter().filter(|(name, _)| *name != "gradient") {
            let plain = plain(&case, name).expect("a plain formula");
            let expected = expected.numbers();
            assert_eq!(plain.len(), expected.len(), "{} {name}", case.id);
            for (e, p) in expected.iter().zip(&plain) {
                // the extreme corners have terms that cancel here and not there
                assert!((e - p).abs() < 1e-9 * (1.0 + p.abs()), "{} {name}: {e} against {p}", case.id);
            }
        }
    }
}

/// Gradients of what takes a part of itself as constant: the factors are worked out first, and held.
#[test]
fn gradients_with_constants_hold_them() {
    for case in cases().iter().filter(|c| ["gold", "product"].contains(&c.objective)) {
        let expected = case.expected["gradient"].numbers();
        let plain: Vec<f64> = if case.objective == "gold" {
            let (mask, tokens) = masked(case);
            let floor = number(&case.inputs, "floor");
            let [log_probs, returns] = ["log_probs", "returns"].map(|name| numbers(&case.inputs, name));
            let each = mask.concat().into_iter().zip(log_probs).zip(returns);
            each.map(|((m, lp), q)| if m > 0.0 { -lp.exp().max(floor) * q / tokens } else { 0.0 }).collect()
        } else {
            let (log_odds, weak) = (numbers(&case.inputs, "log_odds"), numbers(&case.inputs, "weak_labels"));
            let of = |(s, w): (&f64, &f64)| {
                let p = (-soft_plus(-s)).exp();
                let (one, zero) = (p * w, (-soft_plus(*s)).exp() * (1.0 - w));
                (p - one / (one + zero)) / weak.len() as f64
            };
            log_odds.iter().zip(&weak).map(of).collect()
        };
        for (e, p) in expected.iter().zip(&plain) {
            assert!((e - p).abs() < 1e-12, "{}: {e} against {p}", case.id);
        }
    }
}

/// Every outcome of a context, weighted by its probability: what is sampled in a trainer has the exact quantity as its mean.
#[test]
fn enumerated_outcomes_have_the_exact_means() {
    use crate::objective::{k1, k3};
    let of = |objective: &'static str| cases().into_iter().filter(move |c| c.objective == objective);
    for case in of("kl_exact") {
        let (logits, other) = (rows(&case.inputs, "logits"), rows(&case.inputs, "other_logits"));
        for (i, exact) in case.expected["kl"].numbers().into_iter().enumerate() {
            let (p, q) = (softmax(&logits[i]), softmax(&other[i]));
            for estimate in [k1, k3] {
                let enumerated: f64 = p.iter().zip(&q).map(|(p, q)| p * estimate((p / q).ln())).sum();
                assert!((enumerated - exact).abs() < 1e-10, "{}: {enumerated} against {exact}", case.id);
            }
        }
    }
    // ∇V is the mean of r ∇ log π over outcomes, and so it is with the leave-one-out advantages of all pairs of outcomes; with the group's mean
    // it is (G − 1)/G of that
    for case in of("expected_reward") {
        let (logits, rewards) = (rows(&case.inputs, "logits"), rows(&case.inputs, "rewards"));
        let Quantity::Table(gradient) = &case.expected["gradient"] else { panic!("a row per context") };
        for i in 0..logits.len() {
            let p = softmax(&logits[i]);
            let score = |y: usize, a: usize| f64::from(u8::from(y == a)) - p[a];
            for (a, slope) in gradient[i].iter().enumerate() {
                let exact = -slope * logits.len() as f64;
                let single: f64 = (0..p.len()).map(|y| p[y] * rewards[i][y] * score(y, a)).sum();
                let (mut left_out, mut centred) = (0.0, 0.0);
                for y in 0..p.len() {
                    for z in 0..p.len() {
                        let (weight, gap) = (p[y] * p[z], rewards[i][y] - rewards[i][z]);
                        left_out += weight * gap * (score(y, a) - score(z, a)) / 2.0;
                        centred += weight * gap / 2.0 * (score(y, a) - score(z, a)) / 2.0;
                    }
                }
                for (enumerated, share) in [(single, 1.0), (left_out, 1.0), (centred, 0.5)] {
                    assert!((enumerated - share * exact).abs() < 1e-12, "{}: {enumerated} {exact}", case.id);
                }
            }
        }
    }
}
