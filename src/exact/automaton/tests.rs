//! Dynamic programming against enumeration, central differences and closed forms.

use super::*;
use crate::env::{Automaton, Tree, World};
use crate::exact::{Engine, entropy, kl, output_log_probs, tilted};
use crate::num::{log_softmax_rows, relative_error};
use crate::policy::{Activation, Init, Mlp, Tabular};
use crate::rng::Stream;

const VOCAB: usize = 3;
const LENGTH: usize = 5;
const BETA: f64 = 0.4;

fn normals(name: &str, n: usize) -> Vec<f64> {
    let mut out = vec![0.0; n];
    Stream::named(&["tests", "exact automaton", name]).fill_normal(1.0, &mut out);
    out
}

/// Four states, random transitions and rewards of both kinds, two prompts.
fn world(end: Option<u32>) -> TokenWorld {
    let mut rng = Stream::named(&["tests", "exact automaton", "transitions"]);
    let next = (0..4 * VOCAB).map(|_| rng.below(4)).collect();
    let automaton = Automaton::new(VOCAB, next, normals("steps", 4 * VOCAB), normals("finals", 4)).expect("legal");
    TokenWorld::new(automaton, vec![0, 2], LENGTH, end).expect("legal")
}

fn policy(name: &str, ngrams: Ngrams) -> Tabular {
    Tabular::from_logits(VOCAB, normals(name, ngrams.contexts() * VOCAB))
}

/// Every output with its log-probability, by walking the tokens; knows nothing of states or layers.
fn enumerate(engine: &AutomatonEngine, log_probs: &[f64]) -> Vec<(Vec<u32>, f64)> {
    let mut open = vec![(Vec::new(), 0.0)];
    let mut done = Vec::new();
    while let Some((tokens, log_prob)) = open.pop() {
        if tokens.len() == engine.world.length() || tokens.last().is_some_and(|t| Some(*t) == engine.world.end()) {
            done.push((tokens, log_prob));
            continue;
        }
        let context = engine.ngrams.context(0, &tokens);
        for token in 0..VOCAB {
            let longer = tokens.iter().copied().chain([token as u32]).collect();
            open.push((longer, log_prob + log_probs[context * VOCAB + token]));
        }
    }
    done
}

#[test]
fn everything_agrees_with_enumeration() {
    for (end, order) in [(None, 0), (None, 1), (None, 2), (Some(1), 0), (Some(1), 2), (Some(2), 6)] {
        let engine = AutomatonEngine::new(world(end), order);
        for prompt in 0..2 {
            let log_probs = engine.log_probs(&mut policy("a", engine.ngrams()), prompt);
            let reference = engine.log_probs(&mut policy("b", engine.ngrams()), prompt);
            let (outputs, theirs) = (enumerate(&engine, &log_probs), enumerate(&engine, &reference));
            let rewards: Vec<f64> =
                outputs.iter().map(|(y, _)| engine.world.reward(prompt, y).expect("legal")).collect();
            let p: Vec<f64> = outputs.iter().map(|o| o.1).collect();
            let q: Vec<f64> = theirs.iter().map(|o| o.1).collect();
            let mean = |f: &dyn Fn(usize) -> f64| (0..p.len()).map(|i| p[i].exp() * f(i)).sum::<f64>();
            let value = mean(&|i| rewards[i]);
            let variance = mean(&|i| (rewards[i] - value).powi(2));
            let stats = engine.stats(&log_probs, prompt);
            let optimum = engine.tilted(&reference, prompt, BETA);
            let enumerated = tilted(&q, &rewards, BETA);
            for (name, exact, brute) in [
                ("mass", 1.0, mean(&|_| 1.0)),
                ("value", stats.value, value),
                ("std", stats.reward_std, variance.sqrt()),
                ("entropy", stats.entropy, entropy(&p)),
                ("length", stats.length, mean(&|i| outputs[i].0.len() as f64)),
                ("kl", engine.kl(&log_probs, &reference, prompt), kl(&p, &q)),
                ("log Z", optimum.log_partition, enumerated.log_partition),
                ("optimal reward", optimum.reward, enumerated.reward),
                ("optimal kl", optimum.kl, enumerated.kl),
            ] {
                assert!((exact - brute).abs() < 1e-12, "{name}, {end:?}, order {order}: {exact} and {brute}");
            }
        }
    }
}

/// Without an end token the world is a tree, and the n-gram policy one of its policies: two engines that share no code.
#[test]
fn the_tree_s_engine_agrees() {
    let (engine, tree) = (AutomatonEngine::new(world(None), 2), Tree { prompts: 2, vocab: VOCAB, length: LENGTH });
    let ngrams = engine.ngrams();
    let tokens = |depth, code| tree.tokens(depth, code).iter().map(|&t| t as u32).collect::<Vec<_>>();
    let rewards = (0..2).flat_map(|x| (0..tree.outputs()).map(move |y| (x, y)));
    let rewards = rewards.map(|(x, y)| engine.world.reward(x, &tokens(LENGTH, y)).expect("legal")).collect();
    let enumerable = World::new(tree, rewards).expect("finite");
    // the n-gram of every prefix of the tree, in the tree's order
    let ngram: Vec<usize> = (0..2)
        .flat_map(|x| (0..LENGTH).flat_map(move |d| (0..VOCAB.pow(d as u32)).map(move |code| (x, d, code))))
        .map(|(x, depth, code)| ngrams.context(x, &tokens(depth, code)))
        .collect();
    let mut small = policy("a", ngrams);
    let row = |c: &usize| &small.params()[c * VOCAB..][..VOCAB];
    let mut large = Tabular::from_logits(VOCAB, ngram.iter().flat_map(row).copied().collect());
    for prompt in 0..2 {
        let (mut exact, mut on_tree) = (vec![0.0; small.params().len()], vec![0.0; large.params().len()]);
        let ours = engine.policy_gradient(&mut small, prompt, 1.0, &mut exact);
        let theirs = Engine::new(tree).policy_gradient(&mut large, &enumerable, prompt, 1.0, &mut on_tree);
        assert!((ours.value - theirs.value).abs() < 1e-12 && (ours.reward_std - theirs.reward_std).abs() < 1e-12);
        assert!((ours.entropy - theirs.entropy).abs() < 1e-12);
        let mut summed = vec![0.0; exact.len()];
        for (c, row) in ngram.iter().zip(on_tree.chunks_exact(VOCAB)) {
            summed[c * VOCAB..][..VOCAB].iter_mut().zip(row).for_each(|(s, g)| *s += g);
        }
        assert!(relative_error(&exact, &summed) < 1e-12);
        let joint = output_log_probs(&mut large, tree, prompt);
        let z = tilted(&joint, enumerable.rewards(prompt), BETA).log_partition;
        assert!((engine.tilted(&engine.log_probs(&mut small, prompt), prompt, BETA).log_partition - z).abs() < 1e-12);
    }
}

type Weights<'a> = &'a dyn Fn(&[f64], &mut [f64]);

/// ∂ of value, KL and entropy against central differences of the same functions, logit by logit.
#[test]
fn weights_are_derivatives() {
    let engine = AutomatonEngine::new(world(Some(1)), 2);
    let reference = engine.log_probs(&mut policy("b", engine.ngrams()), 0);
    let logits = normals("a", reference.len());
    let softmaxed = |mut logits: Vec<f64>| {
        log_softmax_rows(&mut logits, VOCAB);
        logits
    };
    let cases: [(&str, &dyn Fn(&[f64]) -> f64, Weights); 3] = [
        ("value", &|lp| engine.stats(lp, 0).value, &|lp, w| engine.value_weights(lp, 0, 2.0, w)),
        ("kl", &|lp| engine.kl(lp, &reference, 0), &|lp, w| engine.kl_weights(lp, &reference, 0, 2.0, w)),
        ("entropy", &|lp| engine.stats(lp, 0).entropy, &|lp, w| engine.entropy_weights(lp, 0, 2.0, w)),
    ];
    for (name, of, weights) in cases {
        // what is already in the buffer must stay
        let mut exact = vec![1.0; logits.len()];
        weights(&softmaxed(logits.clone()), &mut exact);
        for i in 0..logits.len() {
            let at = |step: f64| {
                let mut moved = logits.clone();
                moved[i] += step;
                of(&softmaxed(moved))
            };
            let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!((exact[i] - 1.0 - 2.0 * difference).abs() < 1e-9, "{name}, logit {i}");
        }
    }
}

/// The policy's own chain rule is used, also where contexts share parameters.
#[test]
fn shared_parameters_get_the_sum_of_their_contexts() {
    let engine = AutomatonEngine::new(world(Some(1)), 1);
    let inputs = normals("inputs", engine.ngrams().contexts() * 2);
    let mut rng = Stream::named(&["tests", "exact automaton", "mlp"]);
    let mut mlp = Mlp::new(inputs.into(), &[2, 3, VOCAB], Activation::Tanh, Init::Torch, &mut rng);
    let mut grad = vec![0.0; mlp.params().len()];
    engine.policy_gradient(&mut mlp, 1, 1.0, &mut grad);
    for (i, g) in grad.iter().enumerate() {
        let mut at = |step: f64| {
            mlp.params_mut()[i] += step;
            let value = engine.stats(&engine.log_probs(&mut mlp, 1), 1).value;
            mlp.params_mut()[i] -= step;
            value
        };
        let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
        assert!((g - difference).abs() < 1e-9, "parameter {i}: {g} and {difference}");
    }
}

/// 10^20 outputs: independent tokens have closed forms.
#[test]
fn closed_forms_over_ten_to_the_twentieth_outputs() {
    let (vocab, length) = (10, 20);
    let scores = normals("scores", vocab);
    let mut rows = [normals("p", vocab), normals("q", vocab)].concat();
    log_softmax_rows(&mut rows, vocab);
    let (log_p, log_q) = rows.split_at(vocab);
    let mean = |f: &dyn Fn(usize) -> f64| (0..vocab).map(|a| log_p[a].exp() * f(a)).sum::<f64>();
    let (mu, n) = (mean(&|a| scores[a]), length as f64);
    let additive = Automaton::additive(&scores).expect("legal");
    let engine = AutomatonEngine::new(TokenWorld::new(additive, vec![0], length, None).expect("legal"), 0);
    let stats = engine.stats(log_p, 0);
    let z: f64 = (0..vocab).map(|a| (log_q[a] + scores[a] / BETA).exp()).sum();
    for (name, exact, closed) in [
        ("value", stats.value, n * mu),
        ("std", stats.reward_std, (n * mean(&|a| (scores[a] - mu).powi(2))).sqrt()),
        ("entropy", stats.entropy, n * mean(&|a| -log_p[a])),
        ("kl", engine.kl(log_p, log_q, 0), n * mean(&|a| log_p[a] - log_q[a])),
        ("log Z", engine.tilted(log_q, 0, BETA).log_partition, n * z.ln()),
    ] {
        assert!((exact / closed - 1.0).abs() < 1e-12, "{name}: {exact} and {closed}");
    }

    // token 0 flips a switch: P(even number of flips) = (1 + (1 − 2p)^L)/2
    let flip = (0..2 * vocab).map(|i| usize::from((i / vocab == 1) != (i % vocab == 0))).collect();
    let parity = Automaton::new(vocab, flip, vec![0.0; 2 * vocab], vec![1.0, 0.0]).expect("legal");
    let engine = AutomatonEngine::new(TokenWorld::new(parity, vec![0], length, None).expect("legal"), 0);
    let even = f64::midpoint(1.0, (1.0 - 2.0 * log_p[0].exp()).powi(20));
    let stats = engine.stats(log_p, 0);
    assert!((stats.value - even).abs() < 1e-14);
    assert!((stats.reward_std - (even * (1.0 - even)).sqrt()).abs() < 1e-14);

    // token 3 ends: the length is a geometric variable cut at L
    let silent = Automaton::additive(&vec![0.0; vocab]).expect("legal");
    let engine = AutomatonEngine::new(TokenWorld::new(silent, vec![0], length, Some(3)).expect("legal"), 0);
    let p = log_p[3].exp();
    assert!((engine.stats(log_p, 0).length - (1.0 - (1.0 - p).powi(20)) / p).abs() < 1e-12);
}

/// No policy beats the optimum, the reference's own tilt is free at infinite β, and the best output is found as β → 0.
#[test]
fn the_optimum_bounds_every_policy() {
    let engine = AutomatonEngine::new(world(Some(1)), 1);
    let reference = engine.log_probs(&mut policy("b", engine.ngrams()), 0);
    let optimum = engine.tilted(&reference, 0, BETA);
    assert!((optimum.reward - BETA * optimum.kl - BETA * optimum.log_partition).abs() < 1e-12);
    for name in ["a", "b", "c", "d", "e"] {
        let log_probs = engine.log_probs(&mut policy(name, engine.ngrams()), 0);
        let value = engine.stats(&log_probs, 0).value - BETA * engine.kl(&log_probs, &reference, 0);
        assert!(value < BETA * optimum.log_partition, "{name}");
    }
    let free = engine.tilted(&reference, 0, f64::INFINITY);
    assert!((free.reward - engine.stats(&reference, 0).value).abs() < 1e-12 && free.kl.abs() < 1e-12);
    let all = enumerate(&engine, &reference);
    let best = all.iter().map(|(y, _)| engine.world.reward(0, y).expect("legal")).fold(f64::MIN, f64::max);
    assert!((engine.tilted(&reference, 0, 1e-4).reward - best).abs() < 1e-9);
}

/// Impossible tokens: 0 · log 0 is 0, a reference that cannot follow is infinitely far, and nothing is NaN.
#[test]
fn tokens_of_probability_zero() {
    let engine = AutomatonEngine::new(world(None), 0);
    let sure = [f64::NEG_INFINITY, 0.0, f64::NEG_INFINITY];
    let spread = [(1.0_f64 / 3.0).ln(); 3];
    let stats = engine.stats(&sure, 0);
    assert!((stats.value - engine.world.reward(0, &[1; LENGTH]).expect("legal")).abs() < 1e-12);
    assert_eq!((stats.reward_std, stats.entropy), (0.0, 0.0));
    assert!((engine.kl(&sure, &spread, 0) - LENGTH as f64 * 3.0_f64.ln()).abs() < 1e-12);
    assert_eq!(engine.kl(&spread, &sure, 0), f64::INFINITY);
    let optimum = engine.tilted(&sure, 0, BETA);
    assert!((optimum.reward - stats.value).abs() < 1e-12 && optimum.kl == 0.0);
}
