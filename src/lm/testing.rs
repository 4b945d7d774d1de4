//! Configs, weights and batches that both engines are tested on.

use super::{
    Activation, Batch, Choices, Config, Keep, Layout, Norm, Positions, ScoreHead, Scores, Signal, Size, Transformer,
    init,
};
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
pub(crate) fn sequences(vocab: usize, lengths: &[usize], rng: &mut Stream) -> Vec<Vec<u32>> {
    lengths.iter().map(|&n| (0..n).map(|_| rng.below(vocab) as u32).collect()).collect()
}

/// Weights large enough that every path matters; norms and biases off their starting points.
pub(crate) fn weights(config: &Config, rng: &mut Stream) -> Vec<f32> {
    let mut params = init(config, 0.3, rng).expect("legal");
    params.iter_mut().for_each(|p| *p += (0.1 * rng.normal()) as f32);
    params
}

pub(crate) fn fill(n: usize, rng: &mut Stream) -> Vec<f64> {
    (0..n).map(|_| rng.normal()).collect()
}

/// `each` entries of every tensor.
pub(crate) fn entries(config: &Config, each: usize, rng: &mut Stream) -> Vec<usize> {
    let layout = Layout::new(config).expect("legal");
    let tensors = layout.tensors.iter();
    tensors.flat_map(|t| (0..each).map(|_| t.range.start + rng.below(t.range.len())).collect::<Vec<_>>()).collect()
}

/// Heads with one score and with several.
pub(crate) fn heads() -> Vec<ScoreHead> {
    vec![ScoreHead { name: "value".into(), outputs: 1 }, ScoreHead { name: "class".into(), outputs: 3 }]
}

/// Every preset with every option set to every value, as far as the family has names for its tensors.
pub(crate) fn every_option() -> Vec<(String, Config)> {
    const OPTIONS: [(&str, fn(&mut Config)); 15] = [
        ("layer norm", |c| c.norm = Norm::Layer { bias: true }),
        ("layer norm without shift", |c| c.norm = Norm::Layer { bias: false }),
        ("rms norm", |c| c.norm = Norm::Rms),
        ("learned positions", |c| c.positions = Positions::Learned),
        ("rotary", |c| c.positions = Positions::Rotary { base: 500.0, width: c.head_width }),
        ("partial rotary", |c| c.positions = Positions::Rotary { base: 500.0, width: c.head_width / 4 * 2 }),
        ("exact GELU", |c| c.activation = Activation::GeluExact),
        ("tanh GELU", |c| c.activation = Activation::GeluTanh),
        ("SwiGLU", |c| c.activation = Activation::SwiGlu),
        ("other residual", |c| c.parallel_residual ^= true),
        ("other output matrix", |c| c.tied ^= true),
        ("other qkv bias", |c| c.qkv_bias ^= true),
        ("other output bias", |c| c.output_bias ^= true),
        ("other inner bias", |c| c.inner_bias ^= true),
        ("other head norm", |c| c.query_key_norm ^= true),
    ];
    let mut all = Vec::new();
    for (preset, config) in configs() {
        for (option, set) in OPTIONS {
            let mut changed = config.clone();
            set(&mut changed);
            if changed != config && Layout::new(&changed).is_ok() {
                all.push((format!("{preset}, {option}"), changed));
            }
        }
    }
    all
}

/// A batch, and weights on everything that an engine says of it.
pub(crate) struct Case {
    pub(crate) batch: Batch,
    pub(crate) choices: Choices,
    pub(crate) rows: [usize; 4],
    on_chosen: Vec<f64>,
    on_entropy: Vec<f64>,
    pub(crate) on_all: Vec<f32>,
    on_logits: Vec<f32>,
    on_scores: [Vec<f64>; 2],
}

impl Case {
    /// For a config with [`heads`].
    pub(crate) fn new(config: &Config, rng: &mut Stream) -> Self {
        let batch = Batch::new(&sequences(config.vocab, &[5, 1, 19, 9], rng));
        let choices = batch.completions(&[2, 1, 1, 3]).expect("legal");
        let n = choices.len();
        let (on_chosen, on_entropy) = (fill(n, rng), fill(n, rng));
        let mut matrix = |scale| fill(n * config.vocab, rng).into_iter().map(|v| (scale * v) as f32).collect();
        let (on_all, on_logits) = (matrix(0.3), matrix(0.1));
        let on_scores = [fill(4, rng), fill(12, rng)];
        Self { batch, choices, rows: [0, 5, 7, 20], on_chosen, on_entropy, on_all, on_logits, on_scores }
    }

    /// The scalar whose gradient [`gradient`] asks for.
    pub(crate) fn value(
        &self,
        log_probs: &[f64],
        entropies: &[f64],
        [all, logits]: [&[f64]; 2],
        scores: &[Vec<f64>; 2],
    ) -> f64 {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
        let weights = self.on_all.iter().chain(&self.on_logits);
        let every: f64 = all.iter().chain(logits).zip(weights).map(|(x, w)| x * f64::from(*w)).sum();
        let scored: f64 = scores.iter().zip(&self.on_scores).map(|(s, w)| dot(s, w)).sum();
        dot(log_probs, &self.on_chosen) + dot(entropies, &self.on_entropy) + every + scored
    }

    /// Calls `use_it` with the signal of all weights.
    pub(crate) fn with_signal<T>(&self, use_it: impl FnOnce(&Signal) -> T) -> T {
        let on_head = |head: usize| Scores { head, rows: &self.rows, weights: &self.on_scores[head] };
        use_it(&Signal {
            log_probs: &self.on_chosen,
            entropies: &self.on_entropy,
            distributions: &self.on_all,
            logits: &self.on_logits,
            scores: &[on_head(0), on_head(1)],
        })
    }
}

/// The gradient of [`Case::value`].
pub(crate) fn gradient(engine: &mut impl Transformer, params: &[f32], case: &Case) -> Vec<f32> {
    let mut grad = vec![0.0; params.len()];
    engine.forward(params, &case.batch, Keep::All).expect("legal");
    engine.log_probs(params, &case.choices).expect("legal");
    case.with_signal(|signal| engine.backward(params, signal, &mut grad)).expect("legal");
    grad
}
