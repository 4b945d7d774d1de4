//! A transformer in training: one engine, its weights and an optimiser, on one thread.

use crate::error::{Error, Result};
use crate::lm::cpu::{Engine, Keep, Signal};
use crate::lm::{AdamW, Batch, Choices, Config, Schedule, clip_gradient};
use crate::objective::token_nll_loss;
use crate::rng::Stream;

/// A prompt and what should follow, or a whole text with an empty prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Prompt and completion.
    pub tokens: Vec<u32>,
    /// Tokens that are given, not learned; at least 1.
    pub prompt: usize,
}

/// What a model is trained with.
#[derive(Clone, Debug)]
pub struct Trainee {
    /// Forward and backward passes.
    pub engine: Engine,
    /// The weights, in the layout's order.
    pub params: Vec<f32>,
    optimizer: AdamW,
    grad: Vec<f32>,
    /// Limit of the gradient's norm.
    clip: f64,
}

impl Trainee {
    /// A model with fresh moments and no weight decay; gradients are scaled down to the norm `clip` > 0.
    ///
    /// # Errors
    /// Weights that do not fit the config; a clip that is not positive.
    pub fn new(config: &Config, params: Vec<f32>, clip: f64) -> Result<Self> {
        if clip.is_nan() || clip <= 0.0 {
            return Err(Error::parameter("clip", clip, "positive"));
        }
        let engine = Engine::new(config)?;
        Error::check_shape("parameters", engine.layout().len(), params.len())?;
        let (optimizer, grad) = (AdamW::new(params.len(), 0.0)?, vec![0.0; params.len()]);
        Ok(Self { engine, params, optimizer, grad, clip })
    }

    /// One step of descent on Σ weight · quantity after a forward pass with [`Keep::All`]; returns the gradient's norm
    /// before clipping.
    ///
    /// # Errors
    /// A signal that does not fit the last forward pass; a gradient that is not finite (training diverged): the weights
    /// stay as they were.
    pub fn descend(&mut self, signal: &Signal, learning_rate: f64) -> Result<f64> {
        self.grad.fill(0.0);
        self.engine.backward(&self.params, signal, &mut self.grad)?;
        let norm = clip_gradient(&mut self.grad, self.clip)?;
        self.optimizer.step(&mut self.params, &self.grad, learning_rate);
        Ok(norm)
    }

    /// One step of descent on the mean negative log-likelihood per completion token, nats; returns that mean before the
    /// step.
    ///
    /// # Errors
    /// As [`Trainee::descend`]; a sequence that does not fit the model.
    pub fn nll_step<'a>(&mut self, batch: impl IntoIterator<Item = &'a Example>, learning_rate: f64) -> Result<f64> {
        let (sequences, prompts): (Vec<&[u32]>, Vec<usize>) =
            batch.into_iter().map(|e| (e.tokens.as_slice(), e.prompt)).unzip();
        let batch = Batch::new(&sequences);
        let choices = batch.completions(&prompts)?;
        self.likelihood_step(&batch, &choices, None, learning_rate)
    }

    /// The same over all tokens but the first, those of prompts weighing `prompt_weight` in \[0, 1\] of a completion's: a
    /// step of pretraining.
    ///
    /// # Errors
    /// As [`Trainee::nll_step`].
    pub fn text_step(&mut self, batch: &[Example], prompt_weight: f64, learning_rate: f64) -> Result<f64> {
        let sequences: Vec<&[u32]> = batch.iter().map(|e| e.tokens.as_slice()).collect();
        let packed = Batch::new(&sequences);
        let of_example = |e: &Example| {
            let (learned, all) = (e.prompt.max(1), e.tokens.len());
            (1..all).map(move |t| if t < learned { prompt_weight } else { 1.0 })
        };
        let shares: Vec<f64> = batch.iter().flat_map(of_example).collect();
        self.likelihood_step(&packed, &packed.next_tokens(), Some(&shares), learning_rate)
    }

    fn likelihood_step(
        &mut self,
        batch: &Batch,
        choices: &Choices,
        shares: Option<&[f64]>,
        learning_rate: f64,
    ) -> Result<f64> {
        self.engine.forward(&self.params, batch, Keep::All)?;
        let log_probs = self.engine.log_probs(&self.params, choices)?;
        let mut weights = vec![0.0; choices.len()];
        let loss = match shares {
            None => token_nll_loss(log_probs, 1.0, &mut weights),
            Some(shares) => {
                let total: f64 = shares.iter().sum();
                weights.iter_mut().zip(shares).for_each(|(w, s)| *w = -s / total);
                weights.iter().zip(log_probs).map(|(w, lp)| w * lp).sum()
            }
        };
        self.descend(&Signal { log_probs: &weights, ..Signal::default() }, learning_rate)?;
        Ok(loss)
    }

    /// The log-probabilities of `choices` under other weights of the same model, in nats.
    ///
    /// # Errors
    /// A sequence or choice that does not fit the model.
    pub fn score(&mut self, params: &[f32], batch: &Batch, choices: &Choices) -> Result<Vec<f64>> {
        self.engine.forward(params, batch, Keep::Final)?;
        Ok(self.engine.log_probs(params, choices)?.to_vec())
    }
}

/// Supervised finetuning: `schedule.steps` steps on minibatches of `size` examples, drawn epoch by epoch in random order.
/// Returns the mean loss of the last tenth of the steps, nats per token.
///
/// # Errors
/// No examples, an illegal schedule, training that diverges.
pub fn sft(
    trainee: &mut Trainee,
    examples: &[Example],
    size: usize,
    schedule: &Schedule,
    rng: &mut Stream,
) -> Result<f64> {
    schedule.validate()?;
    if examples.is_empty() || size == 0 {
        return Err(Error::Usage(
            "supervised finetuning needs at least one example and a batch of at least one".into(),
        ));
    }
    let (mut order, mut last) = (Vec::new(), (0.0, 0.0));
    for step in 0..schedule.steps {
        let mut batch = Vec::with_capacity(size);
        while batch.len() < size.min(examples.len()) {
            let next = order.pop().unwrap_or_else(|| {
                order = rng.permutation(examples.len());
                order.pop().unwrap_or(0)
            });
            batch.push(&examples[next]);
        }
        let loss = trainee.nll_step(batch, schedule.rate(step))?;
        if step >= schedule.steps - schedule.steps.div_ceil(10) {
            last = (last.0 + loss, last.1 + 1.0);
        }
    }
    Ok(last.0 / last.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lm::{Decay, Size, init};

    fn config() -> Config {
        Config::gpt2(Size { vocab: 6, width: 16, layers: 1, heads: 2, context: 8 })
    }

    fn fresh() -> Trainee {
        let params = init(&config(), 0.1, &mut Stream::named(&["trainee"])).expect("a layout");
        Trainee::new(&config(), params, 1.0).expect("legal")
    }

    /// After prompt (0, a) comes a, then 5: learned from examples of every a but one.
    #[test]
    fn sft_learns_to_copy_and_repeats_its_bits() {
        let examples: Vec<Example> = (1..5).map(|a| Example { tokens: vec![0, a, a, 5], prompt: 2 }).collect();
        let schedule = Schedule { peak: 1e-2, warm_up: 5, steps: 150, decay: Decay::Linear };
        let (mut one, mut two) = (fresh(), fresh());
        let run = |t: &mut Trainee| sft(t, &examples, 3, &schedule, &mut Stream::named(&["order"])).expect("finite");
        let loss = run(&mut one);
        // chance is ln 6 = 1.79
        assert!(loss < 0.1, "{loss}");
        assert_eq!(loss.to_bits(), run(&mut two).to_bits());
        assert_eq!(one.params, two.params);
    }

    #[test]
    fn weight_one_on_prompts_is_the_likelihood_of_all_tokens() {
        let (mut one, mut two) = (fresh(), fresh());
        let text = [Example { tokens: vec![0, 3, 2, 5], prompt: 3 }, Example { tokens: vec![0, 1, 4], prompt: 0 }];
        let whole = text.clone().map(|e| Example { prompt: 1, ..e });
        let a = one.text_step(&text, 1.0, 1e-2).expect("finite");
        let b = two.nll_step(&whole, 1e-2).expect("finite");
        assert!((a - b).abs() < 1e-6, "{a} {b}");
        let worst = one.params.iter().zip(&two.params).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-5, "{worst}");
    }

    #[test]
    fn divergence_is_an_error_and_leaves_the_weights() {
        let mut trainee = fresh();
        trainee.params[0] = f32::NAN;
        let before: Vec<u32> = trainee.params.iter().map(|p| p.to_bits()).collect();
        let error = trainee.nll_step(&[Example { tokens: vec![0, 1, 2], prompt: 1 }], 1e-2);
        assert!(matches!(error, Err(Error::NotFinite { .. })));
        assert_eq!(before, trainee.params.iter().map(|p| p.to_bits()).collect::<Vec<_>>());
        assert!(
            sft(
                &mut fresh(),
                &[],
                1,
                &Schedule { peak: 1.0, warm_up: 0, steps: 1, decay: Decay::Constant },
                &mut Stream::named(&["x"])
            )
            .is_err()
        );
    }
}
