//! The model that an experiment asks and trains: a real one from its files, or a small one that is made on the fly. Either is a
//! [`LanguageModel`] with a tokeniser of its own, and what follows does not ask which.

use rewardlab::algorithm::{Example, Trainee};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::Context;
use rewardlab::lm::{
    Config, Decay, Device, LanguageModel, Lora, LoraSettings, Placement, Precision, Sampling, Schedule, Size, Special,
    Tokenizer, init,
};
use rewardlab::rng::Stream;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Which model, and how it is trained.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Subject {
    /// A Hugging Face folder or a GGUF file; empty: a small transformer, pretrained on the plain text of a small world.
    pub(crate) model: String,
    /// Rank of the low-rank adapters that are trained, at every linear map of the blocks, with α = 2 · rank; 0 trains all weights.
    pub(crate) lora_rank: usize,
    /// Largest norm of a gradient, above which it is scaled down; positive.
    pub(crate) gradient_clip: f64,
    /// Parts of a step that are computed side by side, in pretraining too, which the bits depend on; 1 to 64, on a device 1.
    pub(crate) lanes: usize,
    /// Where it computes, and how.
    pub(crate) placement: Placement,
    /// The small transformer.
    pub(crate) made: Made,
}

/// A small transformer of Llama's form, and its pretraining.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Made {
    /// Width of the residual stream, a multiple of 2 · `heads`; 8 to 1024.
    pub(crate) width: usize,
    /// Transformer blocks; 1 to 24.
    pub(crate) layers: usize,
    /// Attention heads; 1 to 16.
    pub(crate) heads: usize,
    /// Steps of pretraining; 1 to 1 000 000.
    pub(crate) steps: u64,
    /// Documents per step; 1 to 1024.
    pub(crate) batch: usize,
    /// Peak learning rate (`AdamW`, cosine); positive.
    pub(crate) learning_rate: f64,
    /// Weight of a prompt's tokens in the loss, against 1 of a completion's; in [0, 1].
    pub(crate) prompt_weight: f64,
}

/// A small world that speaks in words: what a model is made for.
#[derive(Clone, Debug)]
pub(crate) struct World {
    /// Its name, of which stages are told apart.
    pub(crate) name: &'static str,
    /// Every token's word.
    pub(crate) words: Vec<String>,
    pub(crate) special: Special,
    /// Most tokens of a text.
    pub(crate) context: usize,
    /// Draws a text of its plain language.
    pub(crate) document: fn(&mut Stream) -> Example,
}

impl Subject {
    /// The made one of the paper profile, its size and pretraining as in the small worlds' experiments on text.
    pub(crate) fn paper() -> Self {
        Self {
            model: String::new(),
            lora_rank: 8,
            gradient_clip: 0.5,
            lanes: 1,
            placement: Placement::default(),
            made: Made {
                width: 64,
                layers: 2,
                heads: 4,
                steps: 8000,
                batch: 64,
                learning_rate: 4e-3,
                prompt_weight: 0.1,
            },
        }
    }

    /// Seconds instead of minutes.
    pub(crate) fn smoke() -> Self {
        let paper = Self::paper();
        let made = Made { width: 32, layers: 1, heads: 2, steps: 300, batch: 32, learning_rate: 5e-3, ..paper.made };
        Self { lora_rank: 4, made, ..paper }
    }

    /// SmolLM2-135M-Instruct where `.ci/fetch-smollm2` puts it.
    pub(crate) fn real() -> Self {
        let model = "runs/models/SmolLM2-135M-Instruct.Q4_1.gguf".into();
        let placement = Placement { device: Device::Cuda(0), precision: Precision::Bf16, checkpointing: false };
        Self { model, lora_rank: 16, gradient_clip: 1.0, placement, ..Self::paper() }
    }

    /// # Errors
    /// The first parameter outside its legal range.
    pub(crate) fn validate(&self) -> Result<()> {
        let made = &self.made;
        self.placement.validate().map_err(|e| e.within("placement"))?;
        Error::check_counts(&[
            ("lora_rank", self.lora_rank, 0, 4096),
            ("lanes", self.lanes, 1, 64),
            ("made.width", made.width, 8, 1024),
            ("made.layers", made.layers, 1, 24),
            ("made.heads", made.heads, 1, 16),
            ("made.steps", made.steps as usize, 1, 1_000_000),
            ("made.batch", made.batch, 1, 1024),
        ])?;
        if !made.width.is_multiple_of(2 * made.heads) {
            let legal = format!("a multiple of 2 · heads = {}", 2 * made.heads);
            return Err(Error::parameter("made.width", made.width, legal));
        }
        Error::check_positive(&[("gradient_clip", self.gradient_clip), ("made.learning_rate", made.learning_rate)])?;
        if !(0.0..=1.0).contains(&made.prompt_weight) {
            return Err(Error::parameter("made.prompt_weight", made.prompt_weight, "in [0, 1]"));
        }
        Ok(())
    }

    /// Whether the model is made on the fly.
    pub(crate) fn is_made(&self) -> bool {
        self.model.is_empty()
    }

    /// The model: read from its files, or made for `world` (a stage, the same for all cells of all experiments at a seed).
    ///
    /// # Errors
    /// Files that are missing or malformed; pretraining that diverges.
    pub(crate) fn load(&self, world: &World, ctx: &Context) -> Result<LanguageModel> {
        if !self.is_made() {
            return LanguageModel::load(Path::new(&self.model));
        }
        let made = &self.made;
        let size = Size {
            vocab: world.words.len(),
            width: made.width,
            layers: made.layers,
            heads: made.heads,
            context: world.context,
        };
        let config = Config::llama(size);
        let pretrain = |rng: &mut Stream| self.pretrain(&config, world.document, rng);
        let (owner, name, key) = ("real_models", "pretrained", (world.name, made, self.gradient_clip));
        // in lanes it is another model, if only by its last bits
        let params = match self.lanes {
            1 => ctx.common_stage(owner, name, &key, pretrain)?,
            lanes => ctx.common_stage(owner, name, &(key, lanes), pretrain)?,
        };
        let words: Vec<&str> = world.words.iter().map(String::as_str).collect();
        let tokenizer = Tokenizer::of_words(&words, world.special.clone())?;
        Ok(LanguageModel { config, params: params.to_vec(), tokenizer, chat_template: None })
    }

    /// The weights of a made model of this form after its training on drawn texts.
    ///
    /// # Errors
    /// Training that diverges.
    pub(crate) fn pretrain(
        &self,
        config: &Config,
        mut document: impl FnMut(&mut Stream) -> Example,
        rng: &mut Stream,
    ) -> Result<Vec<f32>> {
        let made = &self.made;
        let trainee = Trainee::new(config, init(config, 0.02, rng)?, self.gradient_clip)?;
        let mut trainee = trainee.in_parts().in_lanes(self.lanes)?;
        let (peak, warm_up) = (made.learning_rate, made.steps.div_ceil(20));
        let schedule = Schedule { peak, warm_up, steps: made.steps, decay: Decay::Cosine };
        for step in 0..schedule.steps {
            let batch: Vec<Example> = (0..made.batch).map(|_| document(rng)).collect();
            trainee.text_step(&batch, made.prompt_weight, schedule.rate(step))?;
        }
        trainee.into_params()
    }

    /// The model in training, with fresh adapters (or none) and a fresh optimiser.
    ///
    /// # Errors
    /// A rank that the model is too small for.
    pub(crate) fn trainee(&self, model: &LanguageModel, rng: &mut Stream) -> Result<Trainee> {
        let trainee = Trainee::on(&self.placement, &model.config, model.params.clone(), self.gradient_clip)?;
        let trainee = trainee.in_parts().in_lanes(self.lanes)?;
        if self.lora_rank == 0 {
            return Ok(trainee);
        }
        let (rank, alpha) = (self.lora_rank, 2.0 * self.lora_rank as f64);
        let lora = Lora::new(&model.config, &LoraSettings { rank, alpha, targets: Vec::new() })?;
        let values = lora.init(&model.params, rng)?;
        trainee.with_adapters(lora, values)
    }
}

/// How a model answers: plain samples of at most `length` tokens, to its end token.
///
/// # Errors
/// A model with too many end tokens.
pub(crate) fn sampling(model: &LanguageModel, length: usize) -> Result<Sampling> {
    Ok(Sampling { end: model.tokenizer.special().ends()?, ..Sampling::plain(length) })
}
