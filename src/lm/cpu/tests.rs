//! Every architecture's gradient against central differences; batches against single sequences.

use super::{Engine, Keep, Scores, Signal};
use crate::lm::{Batch, Config, Norm, ScoreHead, Size, init};
use crate::rng::Stream;

const SIZE: Size = Size { vocab: 13, width: 24, layers: 2, heads: 2, context: 20 };

/// The presets, and options that none of them has.
pub(crate) fn configs() -> Vec<(&'static str, Config)> {
    let wide = Size { heads: 4, width: 32, ..SIZE };
    let grouped = |c: Config| Config { kv_heads: 2, ..c };
    vec![
        ("gpt2", Config::gpt2(SIZE)),
        ("gpt_neox", Config::gpt_neox(SIZE)),
        ("llama", grouped(Config::llama(wide))),
        ("qwen2", grouped(Config::qwen2(wide))),
        ("qwen3", grouped(Config { head_width: 16, ..Config::qwen3(wide) })),
        ("gpt2 untied, no shift", Config { tied: false, norm: Norm::Layer { bias: false }, ..Config::gpt2(SIZE) }),
    ]
}

/// Sequences of lengths that are not multiples of anything.
fn sequences(vocab: usize, lengths: &[usize], rng: &mut Stream) -> Vec<Vec<u32>> {
    lengths.iter().map(|&n| (0..n).map(|_| rng.below(vocab) as u32).collect()).collect()
}

/// Weights large enough that every path matters; norms and biases off their starting points.
pub(crate) fn weights(config: &Config, rng: &mut Stream) -> Vec<f32> {
    let mut params = init(config, 0.3, rng).expect("legal");
    params.iter_mut().for_each(|p| *p += (0.1 * rng.normal()) as f32);
    params
}

fn fill(n: usize, rng: &mut Stream) -> Vec<f64> {
    (0..n).map(|_| rng.normal()).collect()
}

#[test]
fn gradients_match_central_differences() {
    for (name, config) in configs() {
        let heads =
            vec![ScoreHead { name: "value".into(), outputs: 1 }, ScoreHead { name: "class".into(), outputs: 3 }];
        let config = Config { scores: heads, ..config };
        let mut rng = Stream::named(&["lm", "differences", name]);
        let params = weights(&config, &mut rng);
        let batch = Batch::new(&sequences(config.vocab, &[5, 1, 19, 9], &mut rng));
        let choices = batch.completions(&[2, 1, 1, 3]).expect("legal");
        let (n, rows) = (choices.len(), [0, 5, 7, 20]);
        let (on_chosen, on_entropy) = (fill(n, &mut rng), fill(n, &mut rng));
        let on_all: Vec<f32> = fill(n * config.vocab, &mut rng).into_iter().map(|v| 0.3 * v as f32).collect();
        let (on_value, on_class) = (fill(4, &mut rng), fill(12, &mut rng));
        let scores =
            [Scores { head: 0, rows: &rows, weights: &on_value }, Scores { head: 1, rows: &rows, weights: &on_class }];
        let mut engine = Engine::new(&config).expect("legal");
        let mut value = |params: &[f32]| {
            engine.forward(params, &batch, Keep::Final).expect("legal");
            let lp = engine.log_probs(params, &choices).expect("legal").to_vec();
            let mut all = vec![0.0; n * config.vocab];
            engine.distributions(&mut all).expect("kept");
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
            let every: f64 = all.iter().zip(&on_all).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
            let class = engine.scores(params, 1, &rows).expect("legal");
            dot(&lp, &on_chosen)
                + dot(engine.entropies(), &on_entropy)
                + every
                + dot(&engine.scores(params, 0, &rows).expect("legal"), &on_value)
                + dot(&class, &on_class)
        };
        let differences: Vec<(usize, f64)> = entries(&config, &mut rng)
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
        let mut grad = vec![0.0; params.len()];
        engine.forward(&params, &batch, Keep::All).expect("legal");
        engine.log_probs(&params, &choices).expect("legal");
        let signal = Signal { log_probs: &on_chosen, entropies: &on_entropy, distributions: &on_all, scores: &scores };
        engine.backward(&params, &signal, &mut grad).expect("legal");
        for (i, difference) in differences {
            let got = f64::from(grad[i]);
            let tensor = engine.layout().tensors.iter().find(|t| t.range.contains(&i)).expect("inside");
            let close = (got - difference).abs() < 2e-2 + 5e-3 * difference.abs();
            assert!(close, "{name}, {} + {}: {got}, difference {difference}", tensor.name, i - tensor.range.start);
        }
    }
}

/// Three entries of every tensor.
fn entries(config: &Config, rng: &mut Stream) -> Vec<usize> {
    let layout = crate::lm::Layout::new(config).expect("legal");
    let draw = |t: &crate::lm::Tensor, rng: &mut Stream| {
        (0..3).map(|_| t.range.start + rng.below(t.range.len())).collect::<Vec<_>>()
    };
    layout.tensors.iter().flat_map(|t| draw(t, rng)).collect()
}
