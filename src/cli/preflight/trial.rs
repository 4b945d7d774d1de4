//! A short trial of supervised finetuning on a share of the prompts, and what the others' rewards are then.

use crate::algorithm::text::{Encoder, Encoding, TextPrompt};
use crate::algorithm::{Example, Sft, Trainee};
use crate::error::{Error, Result};
use crate::jsonl::short;
use crate::lm::{Decay, LanguageModel, Lora, LoraSettings, Schedule};
use crate::preference::Text;
use crate::rng::Stream;
use serde_json::Value;

/// Which trials are made.
#[derive(Debug, clap::Args)]
pub(super) struct TrialArgs {
    /// Shares of the prompts with a completion that trials of supervised finetuning are made on, each from the model as it is; the rewards of
    /// the prompts that none is made on are sampled again behind each (experimental design of arXiv:2310.20703, Section 4.2)
    #[arg(long = "sft", value_delimiter = ',')]
    pub(super) shares: Vec<f64>,
    /// Field of a prompt's line with the completion to learn
    #[arg(long, default_value = "completion")]
    pub(super) completion: String,
    /// Steps of a trial
    #[arg(long, default_value_t = 20)]
    pub(super) sft_steps: u64,
    /// Completions of a step
    #[arg(long, default_value_t = 4)]
    pub(super) sft_batch: usize,
    /// Highest learning rate of a trial
    #[arg(long, default_value_t = 2e-4)]
    pub(super) sft_rate: f64,
    /// Rank of the adapters that are trained; 0 trains all weights
    #[arg(long, default_value_t = 8)]
    pub(super) sft_rank: usize,
    /// Most prompts that are sampled behind a trial
    #[arg(long, default_value_t = 50)]
    pub(super) sft_measured: usize,
}

impl TrialArgs {
    pub(super) fn validate(&self) -> Result<()> {
        for share in &self.shares {
            if !(*share > 0.0 && *share < 1.0) {
                return Err(Error::parameter("sft", share, "above 0 and below 1"));
            }
        }
        Error::check_counts(&[
            ("sft-batch", self.sft_batch, 1, 1 << 16),
            ("sft-rank", self.sft_rank, 0, 1 << 16),
            ("sft-measured", self.sft_measured, 1, usize::MAX),
        ])?;
        if self.sft_steps == 0 {
            return Err(Error::parameter("sft-steps", 0, "at least 1"));
        }
        self.schedule().validate()
    }

    fn schedule(&self) -> Schedule {
        let (peak, steps) = (self.sft_rate, self.sft_steps);
        Schedule { peak, warm_up: steps / 10, steps, decay: Decay::Linear }
    }
}

/// Who is learned from and who is measured.
pub(super) struct Plan {
    /// Of each share: the prompts; those of the smaller share are the first of the larger.
    pub(super) learned: Vec<Vec<usize>>,
    /// In ascending order.
    pub(super) measured: Vec<usize>,
}

/// Draws who is learned from.
///
/// # Errors
/// A prompt whose completion is no text; no prompt with a completion; none left to measure.
pub(super) fn plan(prompts: &[TextPrompt], args: &TrialArgs, rng: &mut Stream) -> Result<Plan> {
    let mut labelled = Vec::new();
    for (x, prompt) in prompts.iter().enumerate() {
        match prompt.fields.get(&args.completion) {
            Some(Value::String(text)) if !text.trim().is_empty() => labelled.push(x),
            None => {}
            Some(other) => {
                let name = format!("`{}` of prompt {x}", args.completion);
                return Err(Error::parameter(name, short(other), "a text that is not empty"));
            }
        }
    }
    if labelled.is_empty() {
        let message = format!("--sft: no prompt has a field `{}` (--completion names another)", args.completion);
        return Err(Error::Usage(message));
    }
    let order: Vec<usize> = rng.permutation(labelled.len()).into_iter().map(|i| labelled[i]).collect();
    let count = |share: &f64| ((share * labelled.len() as f64).round() as usize).max(1);
    let learned: Vec<Vec<usize>> = args.shares.iter().map(|share| order[..count(share)].to_vec()).collect();
    let most = learned.iter().map(Vec::len).max().unwrap_or(0);
    let mut measured: Vec<usize> = (0..prompts.len()).filter(|x| !order[..most].contains(x)).collect();
    if measured.is_empty() {
        return Err(Error::Usage("--sft: no prompt is left to measure: give a smaller share".into()));
    }
    let kept = rng.permutation(measured.len());
    measured = kept.into_iter().take(args.sft_measured).map(|i| measured[i]).collect();
    measured.sort_unstable();
    Ok(Plan { learned, measured })
}

/// Who learns, and how.
#[derive(Clone, Copy)]
pub(super) struct Learner<'a> {
    pub(super) model: &'a LanguageModel,
    /// Whether prompts are given as they are.
    pub(super) plain: bool,
    pub(super) args: &'a TrialArgs,
}

impl Learner<'_> {
    /// The prompts with their completions, as the model reads them.
    ///
    /// # Errors
    /// One that does not fit into the model's context, or that the chat template refuses.
    pub(super) fn examples(&self, prompts: &[TextPrompt], learned: &[usize]) -> Result<Vec<Example>> {
        let model = self.model;
        let (chat, end) = (!self.plain && model.chat_template.is_some(), !model.tokenizer.special().eos.is_empty());
        let encoding = Encoding { chat, end, ..Encoding::default() };
        let encoder = Encoder::new(model, &encoding)?;
        let one = |x: &usize| {
            let prompt = &prompts[*x];
            let text = prompt.fields.get(&self.args.completion).and_then(Value::as_str).unwrap_or_default();
            let example = encoder.completion(&prompt.given, &Text::Plain(text.to_owned()));
            let example = example.map_err(|message| Error::Usage(format!("--sft: prompt {x}: {message}")))?;
            if example.tokens.len() > model.config.context {
                let legal = format!("at most {}, the model's context", model.config.context);
                return Err(Error::parameter(
                    format!("tokens of prompt {x} and its completion"),
                    example.tokens.len(),
                    legal,
                ));
            }
            Ok(example)
        };
        learned.iter().map(one).collect()
    }

    /// The model's weights after the trial, and the loss of its last steps, nats per token.
    ///
    /// # Errors
    /// Training that diverges.
    pub(super) fn train(
        &self,
        examples: &[Example],
        rng: &mut Stream,
        mut progress: impl FnMut(u64, f64),
    ) -> Result<(Vec<f32>, f64)> {
        let (model, args) = (self.model, self.args);
        let mut trainee = Trainee::new(&model.config, model.params.clone(), 1.0)?.in_parts();
        if args.sft_rank > 0 {
            let settings =
                LoraSettings { rank: args.sft_rank, alpha: 2.0 * args.sft_rank as f64, ..LoraSettings::default() };
            let lora = Lora::new(&model.config, &settings)?;
            let values = lora.init(&model.params, rng)?;
            trainee = trainee.with_adapters(lora, values)?;
        }
        let mut run = Sft::new(&args.schedule(), args.sft_batch.min(examples.len()), rng.clone())?;
        let mut step = 0;
        while !run.is_done() {
            let loss = run.step(&mut trainee, examples)?;
            step += 1;
            progress(step, loss);
        }
        let loss = run.loss();
        Ok((trainee.into_params()?, loss))
    }
}
