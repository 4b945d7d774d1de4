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
user; messages always go through the model's chat template. Each line written is the prompt's line with completion (text, or, as the prompt then \
is too, messages), sample (its number among those of the prompt), tokens (how many, the end token too), log_prob (the model's own at temperature 1, \
summed, in nats) and ended (an end token came): `lm score` (of plain text with --end) and `lm train` read it as it is. With --out lines are written \
as they come, into FILE.partial, which becomes FILE at the end.

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
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
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
    let mut file = args.out.as_deref().map(jsonl::Writer::new).transpose()?;
    sample(&model, &prompts, &sampling, args, work, |x, s, sample| {
        if file.is_none() && args.prompts.is_none() {
            return show(&model, sample);
        }
        let line = line(&model, &prompts[x], s, sample, args.ids)?;
        if let Some(file) = &mut file {
            return file.write(&line);
        }
        out(&format!("{}\n", Value::Object(line)));
        Ok(())
    })?;
    if let (Some(file), Some(path)) = (file, &args.out) {
        file.finish()?;
        let count = args.samples * prompts.len();
        note(&format!("{count} completions of {} prompts: {}", prompts.len(), path.display()));
    }
    Ok(0)
}

/// A completion for whoever sits at the keyboard.
fn show(model: &LanguageModel, sample: &Sample) -> Result<()> {
    out(&format!("{}\n", model.tokenizer.decode(&sample.tokens)?));
    let (sum, count) = (sample.log_probs.iter().sum::<f64>(), sample.tokens.len());
    let why = if sample.ended { "an end token" } else { "no end token" };
    note(&format!("[{count} tokens, {why}, log-probability {sum:.2} nats]"));
    Ok(())
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

/// Hands on prompt's number, sample's number and sample, prompt by prompt, as they come.
fn sample(
    model: &LanguageModel,
    prompts: &[TextPrompt],
    sampling: &Sampling,
    args: &Args,
    (threads, placement): (usize, Placement),
    mut each: impl FnMut(usize, usize, &Sample) -> Result<()>,
) -> Result<()> {
    let mut workers = Workers::on(model, threads, &placement)?;
    let all: Vec<(usize, usize)> = (0..prompts.len()).flat_map(|x| (0..args.samples).map(move |s| (x, s))).collect();
    let (progress, wave) = (Progress::new(all.len() as u64, "completions"), workers.wave());
    let mut done = 0;
    for some in all.chunks(wave) {
        let tokens: Vec<&[u32]> = some.iter().map(|(x, _)| prompts[*x].tokens.as_slice()).collect();
        let named = |(x, s): &(usize, usize)| {
            Stream::named(&["lm generate", &args.seed.to_string(), &x.to_string(), &s.to_string()])
        };
        let mut streams: Vec<Stream> = some.iter().map(named).collect();
        let drawn = workers.write(&tokens, sampling, &mut streams)?;
        some.iter().zip(&drawn).try_for_each(|((x, s), sample)| each(*x, *s, sample))?;
        done += some.len() as u64;
        progress.at(done);
    }
    progress.end();
    Ok(())
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
    // what went through the chat template says so: who reads the line must not take it for plain text
    let (asked, completion) = match &prompt.messages[..] {
        [] => (json!(prompt.given), json!(text)),
        messages => (json!(messages), json!([Message::assistant(text)])),
    };
    let mut line = prompt.fields.clone();
    let own = [
        ("prompt", asked),
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
