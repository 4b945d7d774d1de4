//! `rewardlab lm generate`.

use super::progress::Progress;
use super::{Model, Place, check_free};
use crate::algorithm::text::{Encoder, Encoding, TextPrompt, Workers};
use crate::cli::{note, out, run};
use crate::error::{Error, Result};
use crate::jsonl;
use crate::lm::{LanguageModel, Message, Placement, Sample, Sampling};
use crate::preference::{Line, Lines, Shape, Text, read_lines};
use crate::rng::Stream;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

const EXAMPLE: &str = "\
Examples:
  rewardlab lm generate --model SmolLM2-135M-Instruct.gguf --chat --prompt 'Name three colours.'
  rewardlab lm generate --model runs/sft/model --prompts prompts.jsonl --samples 4 --out completions.jsonl

Each line of the prompts' file is {\"prompt\": text or messages, ...}. A text is continued as it is, or with --chat answered as a turn of the \
user; messages always go through the model's chat template. Each line written is the prompt's line with completion (text, or a message of the \
assistant), sample (its number among those of the prompt), tokens (how many), log_prob (the model's own at temperature 1, summed, in nats) and \
ended (an end token came): `lm score` and `lm train` read it as it is.

The same seed gives the same bytes on any number of threads; another device may round differently.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    #[command(flatten)]
    model: Model,
    #[command(flatten)]
    place: Place,
    /// JSONL: {"prompt": text or messages, ...}
    #[arg(long, value_name = "FILE", required_unless_present = "prompt", conflicts_with = "prompt")]
    prompts: Option<PathBuf>,
    /// A prompt, for a try at the keyboard; may be given several times
    #[arg(long, value_name = "TEXT")]
    prompt: Vec<String>,
    /// Plain prompts are turns of the user, through the model's chat template
    #[arg(long)]
    chat: bool,
    /// Completions of each prompt
    #[arg(long, default_value_t = 1)]
    samples: usize,
    /// Divides the logits; 0 takes the most probable token
    #[arg(long, default_value_t = 1.0)]
    temperature: f64,
    /// Draw from the most probable so many tokens; 0: from all
    #[arg(long, default_value_t = 0)]
    top_k: usize,
    /// Draw from the smallest set of tokens of this probability
    #[arg(long, default_value_t = 1.0)]
    top_p: f64,
    /// Longest completion
    #[arg(long, default_value_t = 128)]
    max_tokens: usize,
    /// Of all random draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Threads [default: all cores]; they change nothing but the time
    #[arg(long)]
    threads: Option<usize>,
    /// Write the tokens' ids too
    #[arg(long)]
    ids: bool,
    /// Write here, not to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
}

pub(super) fn execute(args: &Args) -> Result<u8> {
    check_free(args.out.as_deref(), args.force)?;
    let work = (run::threads(args.threads)?, args.place.placement()?);
    Error::check_counts(&[("samples", args.samples, 1, 1 << 20), ("max-tokens", args.max_tokens, 1, 1 << 20)])?;
    let lines = match &args.prompts {
        Some(path) => read_lines(path)?,
        None => typed(&args.prompt)?,
    };
    let model = args.model.load(false)?;
    let sampling = Sampling {
        temperature: args.temperature,
        top_k: args.top_k,
        top_p: args.top_p,
        end: model.tokenizer.special().ends()?,
        length: args.max_tokens,
    };
    sampling.validate()?;
    let encoding = Encoding { chat: args.chat, end: false, ..Encoding::default() };
    let prompts = prompts(&model, &encoding, lines)?;
    let samples = sample(&model, &prompts, &sampling, args, work)?;
    let written = || samples.iter().map(|(x, s, sample)| line(&model, &prompts[*x], *s, sample, args.ids));
    match &args.out {
        Some(path) => {
            jsonl::write(path, &written().collect::<Result<Vec<_>>>()?)?;
            note(&format!("{} completions of {} prompts: {}", samples.len(), prompts.len(), path.display()));
        }
        None if args.prompts.is_some() => {
            written().try_for_each(|line| line.map(|l| out(&format!("{}\n", Value::Object(l)))))?;
        }
        None => {
            for (_, _, sample) in &samples {
                out(&format!("{}\n", model.tokenizer.decode(&sample.tokens)?));
                let (sum, count) = (sample.log_probs.iter().sum::<f64>(), sample.tokens.len());
                let why = if sample.ended { "an end token" } else { "no end token" };
                note(&format!("[{count} tokens, {why}, log-probability {sum:.2} nats]"));
            }
        }
    }
    Ok(0)
}

/// Prompts of the command line, as lines.
fn typed(prompts: &[String]) -> Result<Lines> {
    if let Some(empty) = prompts.iter().find(|p| p.trim().is_empty()) {
        return Err(Error::parameter("--prompt", format!("{empty:?}"), "a text that is not empty"));
    }
    let line = |(i, text): (usize, &String)| Line {
        number: i as u64 + 1,
        shape: Shape::Prompt(Text::from(text.as_str())),
        fields: Map::new(),
    };
    Ok(Lines { path: "--prompt".into(), lines: prompts.iter().enumerate().map(line).collect() })
}

/// The prompts as the model reads them; a completion that is there already is not looked at.
fn prompts(model: &LanguageModel, encoding: &Encoding, mut lines: Lines) -> Result<Vec<TextPrompt>> {
    for line in &mut lines.lines {
        if let Shape::Completion { prompt, .. } = &line.shape {
            line.shape = Shape::Prompt(prompt.clone());
        }
    }
    Ok(Encoder::new(model, encoding)?.prompts(&lines)?.items)
}

/// Prompt's number, sample's number and sample, prompt by prompt.
fn sample(
    model: &LanguageModel,
    prompts: &[TextPrompt],
    sampling: &Sampling,
    args: &Args,
    (threads, placement): (usize, Placement),
) -> Result<Vec<(usize, usize, Sample)>> {
    let mut workers = Workers::on(model, threads, &placement)?;
    let all: Vec<(usize, usize)> = (0..prompts.len()).flat_map(|x| (0..args.samples).map(move |s| (x, s))).collect();
    let (progress, wave) = (Progress::new(all.len() as u64, "completions"), workers.wave());
    let mut samples = Vec::with_capacity(all.len());
    for some in all.chunks(wave) {
        let tokens: Vec<&[u32]> = some.iter().map(|(x, _)| prompts[*x].tokens.as_slice()).collect();
        let named = |(x, s): &(usize, usize)| {
            Stream::named(&["lm generate", &args.seed.to_string(), &x.to_string(), &s.to_string()])
        };
        let mut streams: Vec<Stream> = some.iter().map(named).collect();
        let drawn = workers.write(&tokens, sampling, &mut streams)?;
        samples.extend(some.iter().zip(drawn).map(|((x, s), sample)| (*x, *s, sample)));
        progress.at(samples.len() as u64);
    }
    progress.end();
    Ok(samples)
}

/// A line of the output.
fn line(
    model: &LanguageModel,
    prompt: &TextPrompt,
    s: usize,
    sample: &Sample,
    ids: bool,
) -> Result<Map<String, Value>> {
    let text = model.tokenizer.decode(&sample.tokens)?;
    let completion = match &prompt.given {
        Text::Plain(_) => json!(text),
        Text::Messages(_) => json!([Message::assistant(text)]),
    };
    let mut line = prompt.fields.clone();
    let own = [
        ("prompt", json!(prompt.given)),
        ("completion", completion),
        ("sample", json!(s)),
        ("tokens", json!(sample.tokens.len())),
        ("log_prob", json!(sample.log_probs.iter().sum::<f64>())),
        ("ended", json!(sample.ended)),
    ];
    line.extend(own.map(|(name, value)| (name.to_owned(), value)));
    if ids {
        line.insert("ids".into(), json!(sample.tokens));
    }
    Ok(line)
}
