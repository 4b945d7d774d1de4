//! What the experiments on text share: a small transformer pretrained on the plain text of all seven tasks, finetuning of
//! it by PPO and by SFT, and each input's reward mean and std from samples.

use super::gradient_norms::{Asked, GradientNorms, gradient_norms};
use rewardlab::algorithm::{Example, PpoParams, Round, Trainee, ppo, sft};
use rewardlab::env::Split;
use rewardlab::env::text::{EOS, Input, Kind, OUTPUT_MAX, PROMPT_MAX, Task, plain_text, vocab};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::Context;
use rewardlab::lm::{Config, Decay, Sampling, Schedule, ScoreHead, Size, init};
use rewardlab::rng::Stream;
use rewardlab::stats::mean;
use serde::{Deserialize, Serialize};

/// Model, pretraining, data and budgets.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TextSetup {
    /// Width of the residual stream, a multiple of `heads`; 8 to 512.
    pub(crate) width: usize,
    /// Transformer blocks; 1 to 12.
    pub(crate) layers: usize,
    /// Attention heads; 1 to 16.
    pub(crate) heads: usize,
    /// Steps of pretraining; 1 to 1 000 000.
    pub(crate) pretrain_steps: u64,
    /// Documents per step of pretraining; 1 to 1024.
    pub(crate) pretrain_batch: usize,
    /// Peak learning rate of pretraining (`AdamW`, cosine); positive.
    pub(crate) pretrain_learning_rate: f64,
    /// Weight of a prompt's tokens in pretraining's loss, against 1 of a completion's; in [0, 1].
    pub(crate) prompt_weight: f64,
    /// Training inputs per task; 1 to 100 000.
    pub(crate) inputs: usize,
    /// Held-out inputs per task; 2 to 100 000.
    pub(crate) held_out: usize,
    /// Samples per input from which its reward's mean and std are taken; at least 2.
    pub(crate) samples: usize,
    /// Steps of SFT; 1 to 1 000 000.
    pub(crate) sft_steps: u64,
    /// Examples per step of SFT; 1 to 1024.
    pub(crate) sft_batch: usize,
    /// Learning rate of SFT, falling linearly; positive.
    pub(crate) sft_learning_rate: f64,
    /// Largest norm of a gradient, above which it is scaled down; positive.
    pub(crate) gradient_clip: f64,
    /// RFT of the pretrained model.
    pub(crate) ppo: PpoParams,
    /// RFT of a model that has seen SFT.
    pub(crate) ppo_after_sft: PpoParams,
}

impl TextSetup {
    /// The paper profile: PPO's settings as in the code of arXiv:2310.20703 where it has them, sizes and rates ours. A round
    /// of 192 samples has about 1 800 tokens, the code's 2 560. After SFT the code has, for `NarrativeQA` and
    /// `ToTTo`, a quarter of the learning rate and a tighter KL.
    pub(crate) fn paper() -> Self {
        let ppo = PpoParams { iterations: 100, samples: 192, epochs: 5, minibatch: 48, ..PpoParams::default() };
        Self {
            width: 64,
            layers: 2,
            heads: 4,
            pretrain_steps: 8000,
            pretrain_batch: 64,
            pretrain_learning_rate: 4e-3,
            prompt_weight: 0.1,
            inputs: 512,
            held_out: 200,
            samples: 10,
            sft_steps: 400,
            sft_batch: 32,
            sft_learning_rate: 1e-3,
            gradient_clip: 0.5,
            ppo_after_sft: PpoParams {
                learning_rate: ppo.learning_rate / 4.0,
                kl_coefficient: 0.01,
                kl_target: 0.2,
                iterations: 50,
                ..ppo.clone()
            },
            ppo,
        }
    }

    /// The same with fewer samples to a round, for grids of many runs.
    pub(crate) fn paper_grid() -> Self {
        let paper = Self::paper();
        let fewer = |ppo: PpoParams| PpoParams { samples: 96, minibatch: 48, ..ppo };
        Self { ppo: fewer(paper.ppo.clone()), ppo_after_sft: fewer(paper.ppo_after_sft.clone()), ..paper }
    }

    /// Seconds instead of minutes.
    pub(crate) fn smoke() -> Self {
        let paper = Self::paper();
        // so few rounds go nowhere near the paper profile's KL: the controller has something to do at a nearer target
        let short =
            |ppo: PpoParams| PpoParams { iterations: 8, samples: 32, epochs: 2, minibatch: 16, kl_target: 0.02, ..ppo };
        Self {
            width: 32,
            layers: 1,
            heads: 2,
            pretrain_steps: 300,
            pretrain_batch: 32,
            pretrain_learning_rate: 5e-3,
            inputs: 64,
            held_out: 40,
            samples: 4,
            sft_steps: 60,
            sft_batch: 16,
            ppo: short(paper.ppo.clone()),
            // and after SFT a KL that weighs enough to be seen in a few samples
            ppo_after_sft: PpoParams { kl_coefficient: 1.0, ..short(paper.ppo_after_sft.clone()) },
            ..paper
        }
    }

    /// # Errors
    /// The first parameter outside its legal range.
    pub(crate) fn validate(&self) -> Result<()> {
        Error::check_counts(&[
            ("width", self.width, 8, 512),
            ("layers", self.layers, 1, 12),
            ("heads", self.heads, 1, 16),
            ("pretrain_batch", self.pretrain_batch, 1, 1024),
            ("inputs", self.inputs, 1, 100_000),
            ("held_out", self.held_out, 2, 100_000),
            ("samples", self.samples, 2, 10_000),
            ("sft_batch", self.sft_batch, 1, 1024),
        ])?;
        if !self.width.is_multiple_of(2 * self.heads) {
            return Err(Error::parameter("width", self.width, format!("a multiple of 2 · heads = {}", 2 * self.heads)));
        }
        for (name, value) in [("pretrain_steps", self.pretrain_steps), ("sft_steps", self.sft_steps)] {
            if !(1..=1_000_000).contains(&value) {
                return Err(Error::parameter(name, value, "1 to 1000000"));
            }
        }
        for (name, value) in [
            ("pretrain_learning_rate", self.pretrain_learning_rate),
            ("sft_learning_rate", self.sft_learning_rate),
            ("gradient_clip", self.gradient_clip),
        ] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(Error::parameter(name, value, "positive"));
            }
        }
        if !(0.0..=1.0).contains(&self.prompt_weight) {
            return Err(Error::parameter("prompt_weight", self.prompt_weight, "in [0, 1]"));
        }
        self.ppo.validate().map_err(|e| e.within("ppo"))?;
        self.ppo_after_sft.validate().map_err(|e| e.within("ppo_after_sft"))
    }

    /// Llama's shape: on this text rotary positions learn to look up and to copy in half the steps of learned ones.
    pub(super) fn config(&self) -> Config {
        let context = PROMPT_MAX + OUTPUT_MAX;
        let size = Size { vocab: vocab(), width: self.width, layers: self.layers, heads: self.heads, context };
        let scores = vec![ScoreHead { name: "value".into(), outputs: 1 }];
        Config { scores, ..Config::llama(size) }
    }

    /// A model with these weights and a fresh optimiser.
    ///
    /// # Errors
    /// Weights of another size.
    pub(crate) fn trainee(&self, params: &[f32]) -> Result<Trainee> {
        Ok(Trainee::new(&self.config(), params.to_vec(), self.gradient_clip)?.in_parts())
    }

    /// The weights that pretraining on plain text leaves: a stage, the same for all cells of
    /// all experiments at a seed.
    ///
    /// # Errors
    /// Training that diverges; a stage folder that cannot be used.
    pub(crate) fn pretrained(&self, ctx: &Context) -> Result<std::sync::Arc<Vec<f32>>> {
        let key = (
            (self.width, self.layers, self.heads, self.gradient_clip),
            (self.pretrain_steps, self.pretrain_batch, self.pretrain_learning_rate, self.prompt_weight),
        );
        ctx.common_stage("vanishing_gradients/text", "pretrained", &key, |rng| {
            let config = self.config();
            let mut trainee = self.trainee(&init(&config, 0.02, rng)?)?;
            let schedule = Schedule {
                peak: self.pretrain_learning_rate,
                warm_up: self.pretrain_steps.div_ceil(20),
                steps: self.pretrain_steps,
                decay: Decay::Cosine,
            };
            for step in 0..schedule.steps {
                let document = |_| {
                    let text = plain_text(rng);
                    Example { tokens: text.tokens, prompt: text.prompt }
                };
                let batch: Vec<Example> = (0..self.pretrain_batch).map(document).collect();
                trainee.text_step(&batch, self.prompt_weight, schedule.rate(step))?;
            }
            trainee.into_params()
        })
    }

    /// How the models answer.
    pub(crate) fn sampling() -> Sampling {
        Sampling { end: EOS.into(), ..Sampling::plain(OUTPUT_MAX) }
    }

    /// RFT on these inputs; returns what each round saw.
    ///
    /// # Errors
    /// Training that diverges.
    pub(crate) fn rft(
        trainee: &mut Trainee,
        ppo_params: &PpoParams,
        inputs: &[Input],
        rng: &mut Stream,
    ) -> Result<Vec<Round>> {
        let prompts: Vec<Vec<u32>> = inputs.iter().map(|i| i.prompt.clone()).collect();
        ppo(trainee, ppo_params, &prompts, &Self::sampling(), |i, output| inputs[i].reward(output), rng)
    }

    /// SFT on the first references of these inputs.
    ///
    /// # Errors
    /// Training that diverges; no input.
    pub(crate) fn sft(&self, trainee: &mut Trainee, inputs: &[Input], steps: u64, rng: &mut Stream) -> Result<()> {
        let outputs: Vec<&[u32]> = inputs.iter().map(|i| i.references[0].as_slice()).collect();
        self.sft_on(trainee, inputs, &outputs, steps, rng)
    }

    /// SFT on any outputs, one per input.
    ///
    /// # Errors
    /// Training that diverges; no input.
    pub(crate) fn sft_on(
        &self,
        trainee: &mut Trainee,
        inputs: &[Input],
        outputs: &[&[u32]],
        steps: u64,
        rng: &mut Stream,
    ) -> Result<()> {
        let example =
            |(i, o): (&Input, &&[u32])| Example { tokens: [i.prompt.as_slice(), o].concat(), prompt: i.prompt.len() };
        let examples: Vec<Example> = inputs.iter().zip(outputs).map(example).collect();
        let schedule = Schedule { peak: self.sft_learning_rate, warm_up: 0, steps, decay: Decay::Linear };
        sft(trainee, &examples, self.sft_batch, &schedule, rng)?;
        Ok(())
    }

    /// An output of the model for each input, `<eos>` included.
    ///
    /// # Errors
    /// Samples of probability that is not finite.
    pub(crate) fn answers(trainee: &mut Trainee, inputs: &[Input], rng: &mut Stream) -> Result<Vec<Vec<u32>>> {
        let prompts: Vec<&[u32]> = inputs.iter().map(|i| i.prompt.as_slice()).collect();
        let mut streams: Vec<Stream> = prompts.iter().map(|_| rng.split()).collect();
        let samples = trainee.sample(&prompts, &Self::sampling(), &mut streams)?;
        Ok(samples.into_iter().map(|s| s.tokens).collect())
    }

    /// How large the gradients of single inputs are: [`gradient_norms`] of `lot` samples to an input, twice.
    ///
    /// # Errors
    /// Samples of probability that is not finite.
    pub(crate) fn gradient_norms(
        trainee: &mut Trainee,
        inputs: &[Input],
        lot: usize,
        rng: &mut Stream,
    ) -> Result<GradientNorms> {
        let asked: Vec<Asked> =
            inputs.iter().map(|i| Asked { prompt: &i.prompt, reference: &i.references[0] }).collect();
        let reward = |i: usize, output: &[u32]| Ok(inputs[i].reward(output));
        gradient_norms(trainee, &asked, (lot, &Self::sampling()), reward, rng)
    }

    /// Each input's reward under the model: mean and standard deviation over `samples` samples.
    ///
    /// # Errors
    /// Samples of probability that is not finite.
    pub(crate) fn measure(&self, trainee: &mut Trainee, inputs: &[Input], rng: &mut Stream) -> Result<Vec<Spread>> {
        let mut spreads = Vec::with_capacity(inputs.len());
        for some in inputs.chunks(64) {
            let prompts: Vec<&[u32]> =
                some.iter().flat_map(|i| std::iter::repeat_n(i.prompt.as_slice(), self.samples)).collect();
            let mut streams: Vec<Stream> = prompts.iter().map(|_| rng.split()).collect();
            let samples = trainee.sample(&prompts, &Self::sampling(), &mut streams)?;
            for (input, samples) in some.iter().zip(samples.chunks(self.samples)) {
                let rewards: Vec<f64> = samples.iter().map(|s| input.reward(&s.tokens)).collect();
                spreads.push(Spread::of(&rewards));
            }
        }
        Ok(spreads)
    }
}

/// An input's reward under a model, from samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    /// Mean.
    pub(crate) mean: f64,
    /// Standard deviation of the samples.
    pub(crate) std: f64,
}

impl Spread {
    /// Of a prompt's rewards.
    pub(crate) fn of(rewards: &[f64]) -> Self {
        let value = mean(rewards);
        let variance = mean(&rewards.iter().map(|r| (r - value).powi(2)).collect::<Vec<_>>());
        Self { mean: value, std: variance.sqrt() }
    }

    /// Small std and low mean: where the paper says that RFT does not move.
    pub(crate) fn is_stuck(&self) -> bool {
        self.std <= 0.05 && self.mean <= 0.5
    }
}

/// Mean over some inputs of their mean reward; NaN where there are none.
pub(crate) fn mean_where(spreads: &[Spread], wanted: impl Fn(usize) -> bool) -> f64 {
    mean(&(0..spreads.len()).filter(|i| wanted(*i)).map(|i| spreads[i].mean).collect::<Vec<_>>())
}

/// Inputs of a task, the same in all cells at a seed.
pub(crate) fn draw(task: Task, split: Split, count: usize, ctx: &Context) -> Vec<Input> {
    let name = if split == Split::Train { "training inputs" } else { "held-out inputs" };
    let mut rng = ctx.shared_stream(&format!("{} {name}", task.name()));
    (0..count).map(|_| task.input(split, &mut rng)).collect()
}

/// What plain text shows of an input.
pub(crate) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Familiar => "familiar",
        Kind::Unseen => "unseen",
        Kind::Settled => "settled",
    }
}
