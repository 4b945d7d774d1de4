//! Every architecture's gradient against central differences; batches against single sequences.

use super::{Engine, Keep, Sampling, Scores, Signal};
use crate::lm::sampling::Scratch;
use crate::lm::testing::{Case, configs, entries, every_option, gradient, heads, sequences, weights};
use crate::lm::{Batch, Choices, Config, ScoreHead, Side};
use crate::rng::Stream;

#[test]
fn gradients_match_central_differences() {
    configs().into_iter().for_each(|(name, config)| assert_gradient(name, config, 3));
}

#[test]
fn gradients_of_every_option_match_central_differences() {
    every_option().into_iter().for_each(|(name, config)| assert_gradient(&name, config, 1));
}

/// `each`: entries of every tensor that are looked at.
fn assert_gradient(name: &str, config: Config, each: usize) {
    let config = Config { scores: heads(), ..config };
    let mut rng = Stream::named(&["lm", "differences", name]);
    let params = weights(&config, &mut rng);
    let case = Case::new(&config, &mut rng);
    let mut engine = Engine::new(&config).expect("legal");
    let mut value = |params: &[f32]| {
        engine.forward(params, &case.batch, Keep::Final).expect("legal");
        let log_probs = engine.log_probs(params, &case.choices).expect("legal").to_vec();
        let mut every = [vec![0.0_f32; case.on_all.len()], vec![0.0; case.on_all.len()]];
        engine.distributions(&mut every[0]).expect("kept");
        engine.raw_logits(&mut every[1]).expect("kept");
        let [all, logits] = every.map(|values| values.into_iter().map(f64::from).collect::<Vec<_>>());
        let scores = [0, 1].map(|head| engine.scores(params, head, &case.rows).expect("legal"));
        case.value(&log_probs, engine.entropies(), [&all, &logits], &scores)
    };
    let differences: Vec<(usize, f64)> = entries(&config, each, &mut rng)
        .into_iter()
        .map(|i| {
            let h = 1e-2_f32;
            let mut at = |step: f32| {
                let mut moved = params.clone();
                moved[i] += step;
                value(&moved)
            };
            // Richardson: the error of order h² cancels, so that h can be large against f32's rounding
            let (near, far) =
                ((at(h) - at(-h)) / (2.0 * f64::from(h)), (at(2.0 * h) - at(-2.0 * h)) / (4.0 * f64::from(h)));
            (i, (4.0 * near - far) / 3.0)
        })
        .collect();
    let grad = gradient(&mut engine, &params, &case);
    for (i, difference) in differences {
        let got = f64::from(grad[i]);
        let tensor = engine.layout().tensors.iter().find(|t| t.range.contains(&i)).expect("inside");
        let close = (got - difference).abs() < 2e-2 + 5e-3 * difference.abs();
        assert!(close, "{name}, {} + {}: {got}, difference {difference}", tensor.name, i - tensor.range.start);
    }
}

fn log_probs(engine: &mut Engine, params: &[f32], batch: &Batch) -> Vec<f64> {
    engine.forward(params, batch, Keep::Final).expect("legal");
    engine.log_probs(params, &batch.next_tokens()).expect("legal").to_vec()
}

#[test]
fn a_batch_scores_as_its_sequences_do_and_either_padding_is_the_same() {
    for (name, config) in configs() {
        let mut rng = Stream::named(&["lm", "batch", name]);
        let params = weights(&config, &mut rng);
        let lengths = [7, 20, 1, 16, 3];
        let rows = sequences(config.vocab, &lengths, &mut rng);
        let mut engine = Engine::new(&config).expect("legal");
        let together = log_probs(&mut engine, &params, &Batch::new(&rows));
        let alone: Vec<f64> = rows.iter().flat_map(|r| log_probs(&mut engine, &params, &Batch::new(&[r]))).collect();
        assert_eq!(together.len(), alone.len());
        for (a, b) in together.iter().zip(&alone) {
            assert!((a - b).abs() < 2e-5, "{name}: {a} in the batch, {b} alone");
        }
        for side in [Side::Left, Side::Right] {
            let pad = |r: &Vec<u32>| {
                let padding = vec![5; 20 - r.len()];
                if side == Side::Left { [&padding[..], r].concat() } else { [r, &padding[..]].concat() }
            };
            let padded: Vec<u32> = rows.iter().flat_map(pad).collect();
            let batch = Batch::from_padded(&padded, 20, &lengths, side).expect("legal");
            assert!(log_probs(&mut engine, &params, &batch) == together, "{name}, {side:?}");
        }
    }
}

#[test]
fn sampling_with_the_cache_is_sampling_without() {
    for (name, config) in configs() {
        let mut rng = Stream::named(&["lm", "sampling", name]);
        let params = weights(&config, &mut rng);
        let mut prompts = sequences(config.vocab, &[3, 3, 18, 1, 20], &mut rng);
        prompts[1] = prompts[0].clone();
        let sampling = Sampling { temperature: 0.7, top_k: 9, top_p: 0.9, end: 2.into(), length: 15 };
        let mut engine = Engine::new(&config).expect("legal");
        let streams: Vec<Stream> = (0..5).map(|i| Stream::named(&["lm", name, &i.to_string()])).collect();
        let cached = engine.sample(&params, &prompts, &sampling, &mut streams.clone()).expect("legal");
        for ((prompt, sample), mut stream) in prompts.iter().zip(&cached).zip(streams) {
            let (tokens, ended) = uncached(&mut engine, &params, prompt, &sampling, &mut stream);
            assert_eq!((&sample.tokens, sample.ended), (&tokens, ended), "{name}");
            let whole = Batch::new(&[[&prompt[..], &sample.tokens].concat()]);
            let choices = whole.completions(&[prompt.len()]).expect("legal");
            engine.forward(&params, &whole, Keep::Final).expect("legal");
            let scored = engine.log_probs(&params, &choices).expect("legal");
            for (a, b) in scored.iter().zip(&sample.log_probs) {
                assert!((a - b).abs() < 2e-5, "{name}: scored {a}, sampled {b}");
            }
        }
        assert!(
            cached[0].tokens != cached[1].tokens && cached[4].tokens.is_empty(),
            "{name}: own streams, full context"
        );
    }
}

/// A completion by running the whole sequence again for every token.
fn uncached(
    engine: &mut Engine,
    params: &[f32],
    prompt: &[u32],
    sampling: &Sampling,
    stream: &mut Stream,
) -> (Vec<u32>, bool) {
    let (mut sequence, mut logits) = (prompt.to_vec(), vec![0.0; engine.config().vocab]);
    while sequence.len() < engine.config().context && sequence.len() < prompt.len() + sampling.length {
        engine.forward(params, &Batch::new(&[&sequence]), Keep::Final).expect("legal");
        let last = Choices { rows: vec![sequence.len() - 1], tokens: vec![0] };
        engine.log_probs(params, &last).expect("legal");
        engine.distributions(&mut logits).expect("kept");
        let (token, _) = sampling.draw(&logits, &mut Scratch::default(), stream);
        sequence.push(token);
        if sampling.end.contains(token) {
            return (sequence[prompt.len()..].to_vec(), true);
        }
    }
    (sequence[prompt.len()..].to_vec(), false)
}

// 40,000 draws from 6 tokens; χ² with the degrees of freedom given, alpha = 0.001.
#[test]
fn draws_follow_temperature_top_k_and_top_p() {
    let logits = [1.0_f32, 0.5, 0.0, 2.0, -1.0, 0.0];
    let cases: [(f64, usize, f64, &[usize], f64); 4] = [
        (1.0, 0, 1.0, &[0, 1, 2, 3, 4, 5], 20.515),
        (2.0, 0, 1.0, &[0, 1, 2, 3, 4, 5], 20.515),
        (1.0, 3, 1.0, &[0, 1, 3], 13.816),
        // e², e¹ hold 0.73 of the mass, with e^0.5 0.85
        (1.0, 0, 0.8, &[0, 1, 3], 13.816),
    ];
    for (case, (temperature, top_k, top_p, kept, critical)) in cases.into_iter().enumerate() {
        let sampling = Sampling { temperature, top_k, top_p, ..Sampling::plain(1) };
        let mut stream = Stream::named(&["lm", "draws", &case.to_string()]);
        let mut counts = [0.0; 6];
        let mut scratch = Scratch::default();
        (0..40_000).for_each(|_| counts[sampling.draw(&logits, &mut scratch, &mut stream).0 as usize] += 1.0);
        let mass = |i: usize| (f64::from(logits[i]) / temperature).exp();
        let total: f64 = kept.iter().map(|&i| mass(i)).sum();
        let expected = |i: usize| 40_000.0 * mass(i) / total;
        let statistic: f64 = kept.iter().map(|&i| (counts[i] - expected(i)).powi(2) / expected(i)).sum();
        assert!(statistic < critical, "case {case}: {statistic}");
        assert_eq!(kept.iter().map(|&i| counts[i]).sum::<f64>(), 40_000.0, "case {case}: only what is kept");
    }
    let greedy = Sampling { temperature: 0.0, ..Sampling::plain(1) };
    assert_eq!(greedy.draw(&logits, &mut Scratch::default(), &mut Stream::named(&["x"])).0, 3);
}

#[test]
fn a_run_killed_and_resumed_is_the_same_run() {
    use crate::lm::{AdamW, Checkpoint, clip_gradient};
    let config = Config { scores: vec![ScoreHead { name: "value".into(), outputs: 1 }], ..configs()[4].1.clone() };
    let train = |state: &mut Checkpoint, engine: &mut Engine, steps: std::ops::Range<u32>| {
        for step in steps {
            let mut rng = Stream::named(&["lm", "resume", &step.to_string()]);
            let batch = Batch::new(&sequences(config.vocab, &[9, 4 + step as usize, 12], &mut rng));
            engine.forward(&state.params, &batch, Keep::All).expect("legal");
            let n = engine.log_probs(&state.params, &batch.next_tokens()).expect("legal").len();
            let weights = vec![-1.0 / n as f64; n];
            let mut grad = vec![0.0; state.params.len()];
            let value = [Scores { head: 0, rows: &[3, 5], weights: &[0.5, -0.2] }];
            let signal = Signal { log_probs: &weights, scores: &value, ..Signal::default() };
            engine.backward(&state.params, &signal, &mut grad).expect("legal");
            clip_gradient(&mut grad, 1.0).expect("finite");
            state.optimizer.step(&mut state.params, &grad, 1e-3);
            state.cursor = (step + 1).to_string();
        }
    };
    let params = weights(&config, &mut Stream::named(&["lm", "resume"]));
    let optimizer = AdamW::new(params.len(), 0.1).expect("legal");
    let mut whole = Checkpoint { params, optimizer, cursor: "0".into(), reference: Vec::new() };
    let mut killed = whole.clone();
    train(&mut whole, &mut Engine::new(&config).expect("legal"), 0..8);
    train(&mut killed, &mut Engine::new(&config).expect("legal"), 0..5);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("checkpoint.safetensors");
    killed.save(&path, &config).expect("saved");
    let bytes = std::fs::read(&path).expect("written");
    killed.save(&path, &config).expect("saved");
    assert!(bytes == std::fs::read(&path).expect("written"), "same state, same bytes");
    let mut resumed = Checkpoint::load(&path, &config).expect("read back");
    let from = resumed.cursor.parse().expect("a step");
    train(&mut resumed, &mut Engine::new(&config).expect("legal"), from..8);
    assert!(whole == resumed, "bit-identical");
    let other = Config { epsilon: 1e-3, ..config.clone() };
    assert!(Checkpoint::load(&path, &other).is_err(), "another config is refused");
}

#[test]
fn what_input_gets_wrong_is_an_error() {
    let config = configs()[0].1.clone();
    let params = weights(&config, &mut Stream::named(&["lm", "errors"]));
    let mut engine = Engine::new(&config).expect("legal");
    let batch = Batch::new(&[vec![1_u32, 2, 3]]);
    assert!(engine.forward(&params[1..], &batch, Keep::All).is_err(), "parameters");
    assert!(engine.forward(&params, &Batch::new(&[[13_u32]]), Keep::All).is_err(), "token");
    assert!(engine.forward(&params, &Batch::new(&[[1_u32; 21]]), Keep::All).is_err(), "too long");
    assert!(batch.completions(&[0]).is_err() && batch.completions(&[4]).is_err() && batch.completions(&[]).is_err());
    engine.forward(&params, &batch, Keep::Final).expect("legal");
    assert!(engine.log_probs(&params, &Choices { rows: vec![3], tokens: vec![0] }).is_err(), "row");
    assert!(engine.log_probs(&params, &Choices { rows: vec![0], tokens: vec![13] }).is_err(), "token");
    assert!(engine.scores(&params, 0, &[0]).is_err(), "no head");
    let mut grad = vec![0.0; params.len()];
    assert!(engine.backward(&params, &Signal::default(), &mut grad).is_err(), "nothing kept");
    engine.forward(&params, &batch, Keep::All).expect("legal");
    assert!(
        engine.backward(&params, &Signal { log_probs: &[1.0], ..Signal::default() }, &mut grad).is_err(),
        "weights"
    );
    let none: [&[u32]; 0] = [];
    assert_eq!(engine.sample(&params, &none, &Sampling::plain(3), &mut []).expect("nothing"), []);
    assert!(engine.sample(&params, &[[0_u32; 0]], &Sampling::plain(3), &mut [Stream::named(&[])]).is_err());
    let mut empty = Engine::new(&config).expect("legal");
    assert_eq!(log_probs(&mut empty, &params, &Batch::new(&none)), [0.0; 0]);
    assert_eq!(log_probs(&mut empty, &params, &Batch::new(&[vec![], vec![1, 2], vec![]])).len(), 1);
    for (name, broken) in [
        ("top_p", Sampling { top_p: 0.0, ..Sampling::plain(1) }),
        ("temperature", Sampling { temperature: -1.0, ..Sampling::plain(1) }),
    ] {
        assert!(broken.validate().expect_err("illegal").to_string().contains(name));
    }
}
