//! `rewardlab lm score`.

use super::progress::Progress;
use super::{Model, Place, check_free};
use crate::algorithm::text::{Encoder, Encoding, Learn, Scored, Workers};
use crate::cli::{note, out, run};
use crate::error::Result;
use crate::jsonl;
use crate::preference::{Line, Lines, Shape, read_lines};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

const EXAMPLE: &str = "\
Examples:
  rewardlab lm score --model SmolLM2-135M-Instruct.gguf --data reviews.jsonl --out scored.jsonl
  rewardlab lm score --model runs/reward/model --data pairs.jsonl

What is scored follows from a line's fields: prompt and completion (the completion, given the prompt), text (all tokens but the first), messages \
(the assistant's turns), chosen and rejected, with or without prompt (both, and their margin). Each line written is the line read with log_prob \
(summed, in nats), log_prob_per_token and tokens; of a pair chosen_log_prob, rejected_log_prob and margin. For a classifier or a reward model it is \
score instead, a list where there are several.

The summary on standard error: the perplexity (exp of the negative mean log-probability of a token), and of pairs the share whose chosen \
completion is the more probable one, or the one with the higher score.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    #[command(flatten)]
    model: Model,
    #[command(flatten)]
    place: Place,
    /// JSONL in TRL's shapes
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Plain prompts are turns of the user and completions replies, through the model's chat template
    #[arg(long)]
    chat: bool,
    /// Count the end token behind plain completions and texts (messages have their template's)
    #[arg(long)]
    end: bool,
    /// Threads [default: all cores]; they change nothing but the time
    #[arg(long)]
    threads: Option<usize>,
    /// Write here, not to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
}

/// The sequences of all lines, and where each line's begin.
struct Work {
    sequences: Vec<(Vec<u32>, usize)>,
    starts: Vec<usize>,
}

pub(super) fn execute(args: &Args) -> Result<u8> {
    check_free(args.out.as_deref(), args.force)?;
    let (threads, placement) = (run::threads(args.threads)?, args.place.placement()?);
    let lines = read_lines(&args.data)?;
    let model = args.model.load(true)?;
    let encoding = Encoding { chat: args.chat, end: args.end, learn: Learn::Completions, ..Encoding::default() };
    let work = work(&Encoder::new(&model, &encoding)?, &lines)?;
    let mut workers = Workers::on(&model, threads, &placement)?;
    let (progress, wave) = (Progress::new(work.sequences.len() as u64, "sequences"), workers.wave());
    let mut scored = Vec::with_capacity(work.sequences.len());
    for some in work.sequences.chunks(wave) {
        scored.extend(workers.score(some)?);
        progress.at(scored.len() as u64);
    }
    progress.end();
    let of_line = |i: usize| &scored[work.starts[i]..work.starts[i + 1]];
    let written: Vec<Map<String, Value>> =
        lines.lines.iter().enumerate().map(|(i, line)| told(line, of_line(i))).collect();
    match &args.out {
        Some(path) => jsonl::write(path, &written)?,
        None => written.iter().for_each(|line| out(&format!("{}\n", json!(line)))),
    }
    note(&summary(&lines, &scored, &work.starts));
    Ok(0)
}

/// # Errors
/// With path and line: a prompt alone; a sequence that does not fit the model.
fn work(encoder: &Encoder, lines: &Lines) -> Result<Work> {
    let mut work = Work { sequences: Vec::new(), starts: vec![0] };
    for line in &lines.lines {
        let examples = match &line.shape {
            Shape::Whole(text) => encoder.whole(text).map(|e| vec![(e.tokens, e.prompt)]),
            Shape::Completion { prompt, completion } => {
                encoder.completion(prompt, completion).map(|e| vec![(e.tokens, e.prompt)])
            }
            Shape::Conversation(messages) => {
                encoder.conversation(messages).map(|all| all.into_iter().map(|e| (e.tokens, e.prompt)).collect())
            }
            Shape::Pair(pair) => encoder.pair(pair).map(|p| {
                let sequence = |completion: &[u32]| ([&p.prompt, completion].concat(), p.prompt.len());
                vec![sequence(&p.chosen), sequence(&p.rejected)]
            }),
            Shape::Prompt(_) => return Err(lines.misshapen(line, "a completion too, text, messages, or a pair")),
        };
        let examples = examples.map_err(|e| lines.wrong(line, e.to_string()))?;
        if let Some((tokens, _)) = examples.iter().find(|(tokens, _)| tokens.len() > encoder.longest()) {
            let message =
                format!("has {} tokens, more than the model's context of {}", tokens.len(), encoder.longest());
            return Err(lines.wrong(line, message));
        }
        work.sequences.extend(examples);
        work.starts.push(work.sequences.len());
    }
    Ok(work)
}

fn sum(scored: &Scored) -> f64 {
    scored.log_probs.iter().sum()
}

/// A line of the output.
fn told(line: &Line, scored: &[Scored]) -> Map<String, Value> {
    let mut told = line.fields.clone();
    let mut put = |name: &str, value: Value| told.insert(name.to_owned(), value);
    let score = |s: &Scored| if let [one] = s.scores[..] { json!(one) } else { json!(s.scores) };
    match &line.shape {
        Shape::Whole(text) => put("text", json!(text)),
        Shape::Conversation(messages) => put("messages", json!(messages)),
        Shape::Completion { prompt, completion } => {
            put("prompt", json!(prompt));
            put("completion", json!(completion))
        }
        Shape::Prompt(prompt) => put("prompt", json!(prompt)),
        Shape::Pair(pair) => {
            put("prompt", json!(pair.prompt));
            put("chosen", json!(pair.chosen));
            put("rejected", json!(pair.rejected))
        }
    };
    let is_pair = matches!(line.shape, Shape::Pair(_));
    match scored {
        [chosen, rejected] if is_pair && chosen.scores.is_empty() => {
            for (name, s) in [("chosen", chosen), ("rejected", rejected)] {
                put(&format!("{name}_log_prob"), json!(sum(s)));
                put(&format!("{name}_tokens"), json!(s.log_probs.len()));
            }
            put("margin", json!(sum(chosen) - sum(rejected)));
        }
        [chosen, rejected] if is_pair => {
            put("chosen_score", score(chosen));
            put("rejected_score", score(rejected));
            if let ([c], [r]) = (&chosen.scores[..], &rejected.scores[..]) {
                put("margin", json!(c - r));
            }
        }
        all if all.iter().any(|s| !s.scores.is_empty()) => {
            // of a conversation the last turn's: it has read all
            if let Some(last) = all.last() {
                put("score", score(last));
            }
        }
        all => {
            let (total, tokens) = (all.iter().map(sum).sum::<f64>(), all.iter().map(|s| s.log_probs.len()).sum());
            put("log_prob", json!(total));
            put("log_prob_per_token", json!(per_token(total, tokens)));
            put("tokens", json!(tokens));
        }
    }
    told
}

fn per_token(total: f64, tokens: usize) -> f64 {
    total / tokens.max(1) as f64
}

fn summary(lines: &Lines, scored: &[Scored], starts: &[usize]) -> String {
    let with_scores = scored.iter().any(|s| !s.scores.is_empty());
    let mut parts = vec![format!("{} lines", lines.lines.len())];
    if !with_scores {
        let (total, tokens) = (scored.iter().map(sum).sum::<f64>(), scored.iter().map(|s| s.log_probs.len()).sum());
        let mean = per_token(total, tokens);
        parts.push(format!("{tokens} tokens, {mean:.4} nats per token, perplexity {:.3}", (-mean).exp()));
    }
    let pairs: Vec<&[Scored]> = (0..lines.lines.len())
        .filter(|i| matches!(lines.lines[*i].shape, Shape::Pair(_)))
        .map(|i| &scored[starts[i]..starts[i + 1]])
        .collect();
    let value = |s: &Scored| if with_scores { s.scores.first().copied().unwrap_or(f64::NAN) } else { sum(s) };
    if !pairs.is_empty() {
        let right = pairs.iter().filter(|p| value(&p[0]) > value(&p[1])).count();
        let margin = pairs.iter().map(|p| value(&p[0]) - value(&p[1])).sum::<f64>() / pairs.len() as f64;
        let what = if with_scores { "has the higher score" } else { "is the more probable one" };
        let share = right as f64 / pairs.len() as f64;
        parts.push(format!(
            "the chosen completion {what} in {:.1}% of {} pairs, mean margin {margin:.4}",
            100.0 * share,
            pairs.len()
        ));
    }
    parts.join("; ")
}
