//! `rewardlab lm`: commands on published language models.

mod generate;
mod progress;
mod score;
mod train;

use super::check_free;
use crate::error::{Error, Result};
use crate::lm::{Device, LanguageModel, Placement, Precision, ScoreHead};
use crate::reward::text::score_head;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Complete prompts
    Generate(generate::Args),
    /// The log-probability of completions, texts and pairs; the scores of a classifier or reward model
    Score(score::Args),
    /// Train: supervised finetuning, reward models, losses of pairs, loops on rewards; all weights or low-rank adapters
    Train(train::Args),
}

pub(super) fn execute(args: &Args) -> Result<u8> {
    match &args.command {
        Command::Generate(args) => generate::execute(args),
        Command::Score(args) => score::execute(args),
        Command::Train(args) => train::execute(args),
    }
}

/// Which model.
#[derive(Debug, clap::Args)]
struct Model {
    /// Hugging Face folder or GGUF file
    #[arg(long)]
    model: PathBuf,
    /// Low-rank adapters to merge into it: a folder of PEFT's
    #[arg(long, value_name = "DIR")]
    adapter: Option<PathBuf>,
}

/// Where it computes.
#[derive(Debug, clap::Args)]
struct Place {
    /// What computes: cpu, candle-cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu")]
    device: Device,
    /// What a device other than cpu computes in
    #[arg(long, value_enum, default_value_t = Numbers::F32)]
    precision: Numbers,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Numbers {
    F32,
    Bf16,
}

impl Place {
    /// # Errors
    /// What the device cannot do; one that is not there or was not built in.
    fn placement(&self) -> Result<Placement> {
        let precision = match self.precision {
            Numbers::F32 => Precision::F32,
            Numbers::Bf16 => Precision::Bf16,
        };
        let placement = Placement { device: self.device, precision, checkpointing: false };
        placement.validate()?;
        placement.device.open()?;
        Ok(placement)
    }
}

impl Model {
    /// The model, with the score head that its folder or its adapters have if `scored`.
    fn load(&self, scored: bool) -> Result<LanguageModel> {
        let mut head = if scored && self.model.is_dir() { score_head(&self.model)? } else { None };
        if let Some(adapter) = self.adapter.as_ref().filter(|_| scored && head.is_none()) {
            head = adapted_head(adapter)?;
        }
        let mut model = LanguageModel::load_scored(&self.model, head.as_slice())?;
        if let Some(adapter) = &self.adapter {
            model.adapt(adapter)?;
        }
        Ok(model)
    }
}

/// The one score that adapters of a reward model bring.
fn adapted_head(folder: &Path) -> Result<Option<ScoreHead>> {
    let path = folder.join("adapter_config.json");
    let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
    let json: serde_json::Value =
        serde_json::from_str(&text).map_err(|e| Error::content(&path, "JSON", e.to_string()))?;
    let is_reward_model = json["task_type"] == "SEQ_CLS";
    Ok(is_reward_model.then(|| ScoreHead { name: "score".into(), outputs: 1 }))
}
