//! A transformer that scores the classes of a sequence at its last token.

use super::Params;
use super::task::Task;
use rewardlab::env::text::{CLASSES, vocab};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::Context;
use rewardlab::lm::cpu::{Engine, Keep, Scores, Signal};
use rewardlab::lm::{AdamW, Batch, Config, Decay, Schedule, ScoreHead, Sgd, Size, clip_gradient, init};
use rewardlab::num::{log_softmax_rows, softmax_pullback_rows};
use rewardlab::objective::soft_cross_entropy_loss;
use std::sync::Arc;

/// Sequences that pass through the engine together: more would only spill out of the cache.
const TOGETHER: usize = 64;

/// How a model is trained.
#[derive(Debug)]
pub(super) enum Optimizer {
    Adam(AdamW),
    Sgd(Sgd),
}

/// Engine, weights, and the last gradient.
#[derive(Debug)]
pub(super) struct Classifier {
    engine: Engine,
    pub(super) params: Vec<f32>,
    /// The gradient of the last [`Classifier::gradient`].
    pub(super) grad: Vec<f32>,
    /// Log-probabilities of the classes at the last [`Classifier::gradient`], batch × classes; nats.
    pub(super) log_probs: Vec<f64>,
}

impl Classifier {
    /// # Errors
    /// A config that has no layout; weights that do not fit it.
    pub(super) fn new(config: &Config, params: Vec<f32>) -> Result<Self> {
        let engine = Engine::new(config)?;
        Error::check_shape("parameters", engine.layout().len(), params.len())?;
        Ok(Self { engine, grad: vec![0.0; params.len()], params, log_probs: Vec::new() })
    }

    /// The gradient of the mean over `batch` of a loss: `loss(input, log_probs, scale, weights)` adds
    /// scale · ∂loss/∂`log_prob` to `weights`. The softmax over the scores and its pullback are in f64, the engine in f32.
    ///
    /// # Errors
    /// A sequence that does not fit the model.
    pub(super) fn gradient(
        &mut self,
        sequences: &[Vec<u32>],
        batch: &[usize],
        mut loss: impl FnMut(usize, &[f64], f64, &mut [f64]),
    ) -> Result<()> {
        self.grad.fill(0.0);
        self.log_probs.clear();
        for some in batch.chunks(TOGETHER) {
            let packed = Batch::new(&some.iter().map(|&i| &sequences[i]).collect::<Vec<_>>());
            let rows: Vec<usize> = packed.all_rows().map(|r| r.end - 1).collect();
            self.engine.forward(&self.params, &packed, Keep::All)?;
            let mut log_probs = self.engine.scores(&self.params, 0, &rows)?;
            log_softmax_rows(&mut log_probs, CLASSES);
            let mut weights = vec![0.0; log_probs.len()];
            let pairs = log_probs.chunks_exact(CLASSES).zip(weights.chunks_exact_mut(CLASSES));
            for (&i, (log_probs, weights)) in some.iter().zip(pairs) {
                loss(i, log_probs, 1.0 / batch.len() as f64, weights);
            }
            softmax_pullback_rows(&mut weights, &log_probs, CLASSES);
            let scores = [Scores { head: 0, rows: &rows, weights: &weights }];
            self.engine.backward(&self.params, &Signal { scores: &scores, ..Signal::default() }, &mut self.grad)?;
            self.log_probs.extend(log_probs);
        }
        Ok(())
    }

    /// One step down the last gradient.
    ///
    /// # Errors
    /// A gradient that is not finite: training diverged.
    pub(super) fn step(&mut self, optimizer: &mut Optimizer, learning_rate: f64) -> Result<()> {
        clip_gradient(&mut self.grad, f64::INFINITY)?;
        match optimizer {
            Optimizer::Adam(adam) => adam.step(&mut self.params, &self.grad, learning_rate),
            Optimizer::Sgd(sgd) => sgd.step(&mut self.params, &self.grad, learning_rate),
        }
        Ok(())
    }
}

/// GPT-2's architecture with one head of six scores; the vocabulary's own head is never computed.
pub(super) fn config(p: &Params, context: usize) -> Config {
    let size = Size { vocab: vocab(), width: p.width, layers: p.layers, heads: p.heads, context };
    let scores = vec![ScoreHead { name: "class".into(), outputs: CLASSES }];
    Config { scores, ..Config::gpt2(size) }
}

/// The model pretrained to be uniform on the label sets: a stage, the same for all cells at a seed.
pub(super) fn pretrained(p: &Params, ctx: &Context, task: &Task) -> Result<Arc<Vec<f32>>> {
    let config = config(p, task.context());
    let key = (
        (p.width, p.layers, p.heads, p.init_std),
        (p.inputs, p.labels_per_set, p.batch, p.pretrain_epochs, p.pretrain),
    );
    ctx.stage("pretrained", &key, |rng| {
        let mut model = Classifier::new(&config, init(&config, p.init_std, rng)?)?;
        let mut adam = Optimizer::Adam(AdamW::new(model.params.len(), 0.0)?);
        let steps = (p.pretrain_epochs * p.steps(p.inputs)) as u64;
        let schedule = Schedule { peak: p.pretrain, warm_up: steps.div_ceil(20), steps, decay: Decay::Cosine };
        let mut step = 0;
        for _ in 0..p.pretrain_epochs {
            for batch in rng.permutation(p.inputs).chunks(p.batch) {
                model.gradient(&task.sequences, batch, |i, lp, scale, w| {
                    soft_cross_entropy_loss(lp, task.set_of(i), scale, w);
                })?;
                model.step(&mut adam, schedule.rate(step))?;
                step += 1;
            }
        }
        Ok(model.params)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rewardlab::experiment::Profile;
    use rewardlab::objective::nll_loss;
    use rewardlab::rng::Stream;

    /// The gradient is that of the mean loss over the batch, whatever its chunks: a central difference along it gives its
    /// squared norm.
    #[test]
    fn the_gradient_is_that_of_the_mean_loss() {
        let config = config(&Params::of(Profile::Smoke), 6);
        let mut rng = Stream::named(&["classifier"]);
        let mut model =
            Classifier::new(&config, init(&config, 0.3, &mut rng).expect("a layout")).expect("weights that fit");
        let sequences: Vec<Vec<u32>> = (0..70).map(|i| (0..3 + i % 4).map(|_| rng.below(9) as u32).collect()).collect();
        let batch: Vec<usize> = (0..70).collect();
        let target = |i: usize| (7 * i) % CLASSES;
        let gradient = |model: &mut Classifier| {
            let mut total = 0.0;
            let loss = |i, lp: &[f64], scale, w: &mut [f64]| total += scale * nll_loss(lp, target(i), scale, w);
            model.gradient(&sequences, &batch, loss).expect("sequences that fit");
            total
        };
        gradient(&mut model);
        let (start, grad) = (model.params.clone(), model.grad.clone());
        let square: f64 = grad.iter().map(|g| f64::from(*g).powi(2)).sum();
        let h = 1e-2 / square.sqrt();
        let mut at = |sign: f64| {
            let moved = start.iter().zip(&grad).map(|(p, g)| p + (sign * h) as f32 * g);
            model.params = moved.collect();
            gradient(&mut model)
        };
        let slope = (at(1.0) - at(-1.0)) / (2.0 * h);
        assert!((slope / square - 1.0).abs() < 5e-3, "{slope} against {square}");
    }
}
