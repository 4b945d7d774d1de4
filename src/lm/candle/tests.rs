//! The candle engine against central differences in f64, and against the cpu engine.

use super::{DType, Device, Engine, Keep};
use crate::lm::testing::{Case, configs, entries, every_option, gradient, heads, sequences, weights};
use crate::lm::{Batch, Choices, Config, Layout, Sample, Sampling, ScoreHead, Side, Signal, Size, Transformer, cpu};
use crate::rng::Stream;

fn engine(config: &Config, dtype: DType, padding: Side) -> Engine {
    Engine::on(config, &Device::Cpu, dtype, padding).expect("legal")
}

/// [`Case::value`] in f64 throughout.
fn value(engine: &mut Engine, params: &[f64], case: &Case) -> f64 {
    engine.forward_from(params, &case.batch, Keep::Final).expect("legal");
    let log_probs = engine.core.log_probs(&case.choices).expect("legal").to_vec();
    let [mut all, mut logits] = [vec![0.0_f64; case.on_all.len()], vec![0.0; case.on_all.len()]];
    engine.core.raw_logits_into(&mut logits).expect("legal");
    engine.core.distributions_into(&mut all).expect("legal");
    let scores = [0, 1].map(|head| engine.core.scores(head, &case.rows).expect("legal"));
    case.value(&log_probs, engine.entropies(), [&all, &logits], &scores)
}

#[test]
fn gradients_match_central_differences() {
    for (i, (name, config)) in configs().into_iter().enumerate() {
        let config = Config { scores: heads(), ..config };
        let mut rng = Stream::named(&["lm", "candle", "differences", name]);
        let params: Vec<f64> = weights(&config, &mut rng).into_iter().map(f64::from).collect();
        let case = Case::new(&config, &mut rng);
        let mut engine = engine(&config, DType::F64, if i % 2 == 0 { Side::Right } else { Side::Left });
        engine.forward_from(&params, &case.batch, Keep::All).expect("legal");
        engine.core.log_probs(&case.choices).expect("legal");
        let mut grad = vec![0.0; params.len()];
        for (range, tensor) in case.with_signal(|signal| engine.gradients(signal)).expect("legal") {
            // candle drops gradients without an error
            let tensor = tensor.unwrap_or_else(|| panic!("{name}: no gradient at {range:?}"));
            grad[range].copy_from_slice(&tensor.flatten_all().and_then(|t| t.to_vec1::<f64>()).expect("f64"));
        }
        for i in entries(&config, 2, &mut rng) {
            let mut at = |step: f64| {
                let mut moved = params.clone();
                moved[i] += step;
                value(&mut engine, &moved, &case)
            };
            let h = 1e-5;
            let difference = (at(h) - at(-h)) / (2.0 * h);
            let close = (grad[i] - difference).abs() < 1e-6 + 1e-6 * difference.abs();
            let tensor = engine.layout().tensors.iter().find(|t| t.range.contains(&i)).expect("inside");
            assert!(
                close,
                "{name}, {} + {}: {}, difference {difference}",
                tensor.name,
                i - tensor.range.start,
                grad[i]
            );
        }
    }
}

fn assert_close(name: &str, what: &str, ours: &[f64], theirs: &[f64]) {
    assert_eq!(ours.len(), theirs.len());
    for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
        assert!((a - b).abs() < 1e-4 * b.abs().max(1.0), "{name}, {what} {i}: {a} against {b}");
    }
}

/// Fails unless the gradients of every tensor agree to 1e-3 of their size, and neither is zero where the other is not.
fn assert_same_gradient(name: &str, layout: &Layout, ours: &[f32], theirs: &[f32]) {
    let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    let whole = norm(&mut theirs.iter().copied());
    for t in &layout.tensors {
        let (ours, theirs) = (&ours[t.range.clone()], &theirs[t.range.clone()]);
        let gap = norm(&mut ours.iter().zip(theirs).map(|(a, b)| a - b));
        let (a, b) = (norm(&mut ours.iter().copied()), norm(&mut theirs.iter().copied()));
        // without positions in k, a bias on it moves all scores of a row alike: its gradient is rounding
        let floor = 1e-6 * whole;
        assert!(gap < 1e-3 * b + floor, "{name}, gradient of {}: {gap} of {b}", t.name);
        assert_eq!(a > floor, b > floor, "{name}, gradient of {}: {a} against {b}", t.name);
    }
}

#[test]
fn both_engines_agree_for_every_option_and_either_padding() {
    let presets = configs().into_iter().map(|(name, config)| (name.to_owned(), config));
    for (name, config) in presets.chain(every_option()) {
        let config = Config { scores: heads(), ..config };
        let mut rng = Stream::named(&["lm", "candle", "agree", &name]);
        let params = weights(&config, &mut rng);
        let case = Case::new(&config, &mut rng);
        let mut theirs = cpu::Engine::new(&config).expect("legal");
        theirs.forward(&params, &case.batch, Keep::Final).expect("legal");
        let log_probs = theirs.log_probs(&params, &case.choices).expect("legal").to_vec();
        let mut all = vec![0.0; case.on_all.len()];
        theirs.distributions(&mut all).expect("kept");
        let every: Vec<f64> = all.iter().copied().map(f64::from).collect();
        theirs.raw_logits(&mut all).expect("kept");
        let logits: Vec<f64> = all.iter().copied().map(f64::from).collect();
        let scores = [0, 1].map(|h| theirs.scores(&params, h, &case.rows).expect("legal")).concat();
        let entropies = theirs.entropies().to_vec();
        let grad = gradient(&mut theirs, &params, &case);
        for side in [Side::Right, Side::Left] {
            let mut ours = engine(&config, DType::F32, side);
            ours.forward(&params, &case.batch, Keep::Final).expect("legal");
            let name = format!("{name}, {side:?}");
            assert_close(&name, "log-prob", ours.log_probs(&params, &case.choices).expect("legal"), &log_probs);
            assert_close(&name, "entropy", ours.entropies(), &entropies);
            ours.distributions(&mut all).expect("legal");
            assert_close(&name, "distribution", &all.iter().copied().map(f64::from).collect::<Vec<_>>(), &every);
            ours.raw_logits(&mut all).expect("legal");
            assert_close(&name, "logit", &all.iter().copied().map(f64::from).collect::<Vec<_>>(), &logits);
            let ours_scores = [0, 1].map(|h| ours.scores(&params, h, &case.rows).expect("legal")).concat();
            assert_close(&name, "score", &ours_scores, &scores);
            assert_same_gradient(&name, theirs.layout(), &gradient(&mut ours, &params, &case), &grad);
        }
    }
}

#[test]
fn a_batch_scores_as_its_sequences_do() {
    for (name, config) in configs() {
        let mut rng = Stream::named(&["lm", "candle", "batch", name]);
        let params = weights(&config, &mut rng);
        let rows = sequences(config.vocab, &[7, 20, 1, 16, 3], &mut rng);
        for side in [Side::Right, Side::Left] {
            let mut engine = engine(&config, DType::F32, side);
            let mut score = |batch: &Batch| {
                engine.forward(&params, batch, Keep::Final).expect("legal");
                engine.log_probs(&params, &batch.next_tokens()).expect("legal").to_vec()
            };
            let together = score(&Batch::new(&rows));
            let alone: Vec<f64> = rows.iter().flat_map(|r| score(&Batch::new(&[r]))).collect();
            assert_eq!(together.len(), alone.len());
            for (a, b) in together.iter().zip(&alone) {
                assert!((a - b).abs() < 2e-5, "{name}, {side:?}: {a} in the batch, {b} alone");
            }
        }
    }
}

#[test]
fn logits_in_chunks_are_the_same_logits() {
    let config = Config { scores: heads(), ..configs()[0].1.clone() };
    let mut rng = Stream::named(&["lm", "candle", "chunks"]);
    let params = weights(&config, &mut rng);
    let case = Case::new(&config, &mut rng);
    let mut whole = engine(&config, DType::F32, Side::Right);
    let grad = gradient(&mut whole, &params, &case);
    let log_probs = whole.log_probs(&params, &case.choices).expect("legal").to_vec();
    for rows in [1, 7] {
        let mut chunked = engine(&config, DType::F32, Side::Right);
        chunked.core.chunk = rows * config.vocab;
        assert_same_gradient("chunks", whole.layout(), &gradient(&mut chunked, &params, &case), &grad);
        assert_close("chunks", "log-prob", chunked.log_probs(&params, &case.choices).expect("legal"), &log_probs);
        let mut all = [vec![0.0_f32; case.on_all.len()], vec![0.0; case.on_all.len()]];
        whole.distributions(&mut all[0]).expect("legal");
        chunked.distributions(&mut all[1]).expect("legal");
        let [a, b] = all.map(|all| all.into_iter().map(f64::from).collect::<Vec<_>>());
        assert_close("chunks", "distribution", &a, &b);
    }
}

#[test]
fn both_engines_draw_the_same_completions() {
    let warm = Sampling { temperature: 0.7, top_k: 9, top_p: 0.9, end: 3.into(), length: 12 };
    let plain = Sampling { end: 5.into(), ..Sampling::plain(12) };
    let mut ends = [0; 2];
    for (name, config) in configs() {
        let mut rng = Stream::named(&["lm", "candle", "sample", name]);
        let params = weights(&config, &mut rng);
        // repeats next to each other, one prompt near the context's end and one that fills it
        let rows = sequences(config.vocab, &[4, 1, 18, 20, 7], &mut rng);
        let prompts: Vec<&[u32]> = [0, 1, 1, 1, 2, 3, 4, 4, 0].iter().map(|&i| rows[i].as_slice()).collect();
        for sampling in [warm, plain] {
            let streams = || -> Vec<Stream> {
                (0..prompts.len()).map(|i| Stream::named(&["lm", "candle", "sample", name, &i.to_string()])).collect()
            };
            let mut theirs = cpu::Engine::new(&config).expect("legal");
            let theirs = theirs.sample(&params, &prompts, &sampling, &mut streams()).expect("legal");
            let mut ours = engine(&config, DType::F32, Side::Right);
            let ours = ours.sample(&params, &prompts, &sampling, &mut streams()).expect("legal");
            let tokens = |samples: &[Sample]| samples.iter().map(|s| s.tokens.clone()).collect::<Vec<_>>();
            assert_eq!(tokens(&ours), tokens(&theirs), "{name}");
            ours.iter().for_each(|s| ends[usize::from(s.ended)] += 1);
            for (a, b) in ours.iter().zip(&theirs) {
                assert_eq!(a.ended, b.ended, "{name}");
                assert_close(name, "sampled log-prob", &a.log_probs, &b.log_probs);
            }
        }
    }
    // so that sequences left the batch early, and some did not
    assert!(ends[0] > 10 && ends[1] > 10, "{ends:?}");
}

/// A vocabulary of several blocks, the last not full: the draw that stays on the device is the draw in memory, tempered or not, and the
/// greedy token is the first of equals.
#[test]
fn draws_from_blocks_are_draws_from_the_whole() {
    let size = Size { vocab: 700, width: 16, layers: 1, heads: 2, context: 24 };
    let config = Config::llama(size);
    let mut rng = Stream::named(&["lm", "candle", "blocks"]);
    let mut params = weights(&config, &mut rng);
    // tokens 3 and 600 are equal and most probable
    let head = Layout::new(&config).expect("legal").head;
    let (of_3, of_600) = (head.start + 3 * 16, head.start + 600 * 16);
    for i in 0..16 {
        params[of_3 + i] *= 3.0;
        params[of_600 + i] = params[of_3 + i];
    }
    let prompts = sequences(config.vocab, &[4; 40], &mut rng);
    let plain = Sampling::plain(12);
    let mut seen = [0; 2];
    for sampling in [plain, Sampling { temperature: 1.7, ..plain }, Sampling { temperature: 0.0, ..plain }] {
        let draw = |engine: &mut dyn Transformer| {
            let mut streams: Vec<Stream> =
                (0..prompts.len()).map(|i| Stream::named(&["blocks", &i.to_string()])).collect();
            let prompts: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
            engine.sample(&params, &prompts, &sampling, &mut streams).expect("legal")
        };
        let theirs = draw(&mut cpu::Engine::new(&config).expect("legal"));
        let ours = draw(&mut engine(&config, DType::F32, Side::Right));
        for (a, b) in ours.iter().zip(&theirs) {
            assert_eq!(a.tokens, b.tokens, "{sampling:?}");
            assert_close("blocks", "sampled log-prob", &a.log_probs, &b.log_probs);
            let count = |t: u32| a.tokens.iter().filter(|x| **x == t).count();
            seen = if sampling.temperature == 0.0 { [seen[0] + count(3), seen[1] + count(600)] } else { seen };
        }
    }
    assert!(seen[0] > 10 && seen[1] == 0, "{seen:?}");
}

#[test]
fn a_backward_pass_that_computes_again_gives_the_same_bits() {
    for (name, config) in configs() {
        let config = Config { scores: heads(), ..config };
        let mut rng = Stream::named(&["lm", "candle", "again", name]);
        let params = weights(&config, &mut rng);
        let case = Case::new(&config, &mut rng);
        let kept = gradient(&mut engine(&config, DType::F32, Side::Left), &params, &case);
        let again = gradient(&mut engine(&config, DType::F32, Side::Left).checkpointing(), &params, &case);
        assert!(kept == again, "{name}");
    }
}

/// Parts of a batch that is only scored.
#[test]
fn scoring_in_parts_changes_nothing() {
    let config = Config { scores: heads(), ..configs()[2].1.clone() };
    let mut rng = Stream::named(&["lm", "candle", "scoring"]);
    let params = weights(&config, &mut rng);
    let batch = Batch::new(&sequences(config.vocab, &[7, 20, 1, 16, 3, 0, 9], &mut rng));
    let rows: Vec<usize> = (0..batch.tokens().len()).collect();
    let score = |most: usize| {
        let mut engine = engine(&config, DType::F32, Side::Left);
        engine.core.most = most;
        engine.forward(&params, &batch, Keep::Final).expect("legal");
        let scores = engine.scores(&params, 0, &rows).expect("rows");
        (engine.log_probs(&params, &batch.next_tokens()).expect("legal").to_vec(), scores)
    };
    let whole = score(usize::MAX);
    for most in [1, 20] {
        let parts = score(most);
        assert_close("parts", "log-prob", &parts.0, &whole.0);
        assert_close("parts", "score", &parts.1, &whole.1);
    }
}

// 8 bits of mantissa: log-probabilities to a few hundredths; a gradient that points the same way.
#[test]
fn sixteen_bits_are_near_thirty_two() {
    for (name, config) in configs() {
        let config = Config { scores: heads(), ..config };
        let mut rng = Stream::named(&["lm", "candle", "bf16", name]);
        let params: Vec<f32> = weights(&config, &mut rng).into_iter().map(|p| 0.5 * p).collect();
        let case = Case::new(&config, &mut rng);
        let results = [DType::F32, DType::BF16].map(|dtype| {
            let mut engine = engine(&config, dtype, Side::Left);
            let grad = gradient(&mut engine, &params, &case);
            (engine.log_probs(&params, &case.choices).expect("legal").to_vec(), grad)
        });
        let [(full, grad), (half, near)] = results;
        for (a, b) in full.iter().zip(&half) {
            assert!((a - b).abs() < 0.1, "{name}: {a}, {b} in 16 bits");
        }
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(x * y)).sum::<f64>();
        let cosine = dot(&grad, &near) / (dot(&grad, &grad) * dot(&near, &near)).sqrt();
        assert!(cosine > 0.995, "{name}: cosine {cosine}");
    }
}

#[test]
fn what_input_gets_wrong_is_an_error() {
    let config = Config { scores: vec![ScoreHead { name: "value".into(), outputs: 1 }], ..configs()[0].1.clone() };
    let params = weights(&config, &mut Stream::named(&["lm", "candle", "errors"]));
    let mut engine = Engine::new(&config).expect("legal");
    let batch = Batch::new(&[vec![1_u32, 2, 3]]);
    assert!(engine.forward(&params[1..], &batch, Keep::All).is_err(), "parameters");
    assert!(engine.forward(&params, &Batch::new(&[[13_u32]]), Keep::All).is_err(), "token");
    assert!(engine.forward(&params, &Batch::new(&[[1_u32; 21]]), Keep::All).is_err(), "too long");
    engine.forward(&params, &batch, Keep::Final).expect("legal");
    assert!(engine.log_probs(&params, &Choices { rows: vec![3], tokens: vec![0] }).is_err(), "row");
    assert!(engine.log_probs(&params, &Choices { rows: vec![0], tokens: vec![13] }).is_err(), "token");
    assert!(engine.scores(&params, 1, &[0]).is_err() && engine.scores(&params, 0, &[3]).is_err(), "head, row");
    let mut grad = vec![0.0; params.len()];
    assert!(engine.backward(&params, &Signal::default(), &mut grad).is_err(), "nothing kept");
    engine.forward(&params, &batch, Keep::All).expect("legal");
    let wrong = Signal { log_probs: &[1.0], ..Signal::default() };
    assert!(engine.backward(&params, &wrong, &mut grad).is_err(), "weights");
    engine.backward(&params, &Signal::default(), &mut grad).expect("no weights, no gradient");
    assert!(grad.iter().all(|g| *g == 0.0));
    assert!(engine.backward(&params, &Signal::default(), &mut grad).is_err(), "used up");
    let none: [&[u32]; 0] = [];
    assert_eq!(engine.sample(&params, &none, &Sampling::plain(3), &mut []).expect("nothing"), []);
    assert!(engine.sample(&params, &[[0_u32; 0]], &Sampling::plain(3), &mut [Stream::named(&[])]).is_err());
    for sequences in [vec![], vec![vec![], vec![1, 2], vec![]]] {
        let batch = Batch::new(&sequences);
        engine.forward(&params, &batch, Keep::All).expect("legal");
        let choices = batch.next_tokens();
        assert_eq!(engine.log_probs(&params, &choices).expect("legal").len(), sequences.len() / 3);
        let ones = vec![1.0; choices.len()];
        engine.backward(&params, &Signal { log_probs: &ones, ..Signal::default() }, &mut grad).expect("legal");
    }
    assert!(Engine::on(&config, &Device::Cpu, DType::U8, Side::Left).is_err(), "type");
}
