//! Preferences as files, out and in: writes labelled pairs of the sentiment world in TRL's shape, reads the file back, and trains a
//! small transformer on it by DPO. With a file of your own as argument (words are split at spaces) it trains on that.
//!
//! ```sh
//! cargo run --release --example preference_files [-- pairs.jsonl]
//! ```

#![allow(clippy::print_stdout, reason = "it says what it did")]

use rewardlab::algorithm::{Example, PreferenceLoss, TokenPair, Trainee, preference_tuning, sft};
use rewardlab::env::{Sentiment, Word};
use rewardlab::error::{Error, Result};
use rewardlab::lm::{Config, Decay, Schedule, Size, init};
use rewardlab::preference::{Labeller, Pair, Text, pairs_of_group, read_pairs, write_pairs};
use rewardlab::rng::Stream;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The world's vocabulary: what a word says and what it does to a text's sentiment.
const WORDS: [(&str, Word); 8] = [
    ("film", Word::Neutral),
    ("plot", Word::Neutral),
    ("is", Word::Neutral),
    ("great", Word::Sentiment(1)),
    ("moving", Word::Sentiment(2)),
    ("dull", Word::Sentiment(-1)),
    ("not", Word::Negator),
    ("very", Word::Intensifier),
];
const PROMPTS: usize = 500;
const COMPLETION: usize = 6;

/// Prompts of two neutral words, four random completions each, and who is better by the world's true reward.
fn world_pairs(rng: &mut Stream) -> Result<Vec<Pair>> {
    let sentiment = Sentiment::new(WORDS.iter().map(|w| w.1).collect(), 0.5)?;
    let say = |tokens: &[u32]| -> Text {
        Text::Plain(tokens.iter().map(|t| WORDS[*t as usize].0).collect::<Vec<_>>().join(" "))
    };
    let mut pairs = Vec::new();
    for _ in 0..PROMPTS {
        let prompt = [rng.below(2) as u32, 2];
        let group: Vec<Vec<u32>> =
            (0..4).map(|_| (0..COMPLETION).map(|_| rng.below(WORDS.len()) as u32).collect()).collect();
        let rewards: Vec<f64> = group.iter().map(|c| sentiment.reward(&[&prompt[..], c].concat())).collect();
        for (chosen, rejected) in pairs_of_group(&rewards, Labeller::Deterministic, |i, j| group[i] == group[j], rng) {
            pairs.push(Pair { prompt: say(&prompt), chosen: say(&group[chosen]), rejected: say(&group[rejected]) });
        }
    }
    Ok(pairs)
}

/// A vocabulary of the words that occur, and the pairs in its tokens. Token 0 stands before every prompt.
fn in_tokens(pairs: &[Pair]) -> (usize, Vec<TokenPair>) {
    let mut numbers: HashMap<String, u32> = HashMap::new();
    let mut tokens = |text: &Text| -> Vec<u32> {
        let plain = match text {
            Text::Plain(plain) => plain.clone(),
            Text::Messages(messages) => messages.iter().map(|m| &*m.content).collect::<Vec<_>>().join(" "),
        };
        let number = |word: &str| {
            let next = numbers.len() as u32 + 1;
            *numbers.entry(word.to_owned()).or_insert(next)
        };
        plain.split_whitespace().map(number).collect()
    };
    let pairs = pairs
        .iter()
        .map(|p| TokenPair {
            prompt: [vec![0], tokens(&p.prompt)].concat(),
            chosen: tokens(&p.chosen),
            rejected: tokens(&p.rejected),
        })
        .collect();
    (numbers.len() + 1, pairs)
}

/// The share of pairs whose chosen completion has the larger log π.
fn accuracy(trainee: &mut Trainee, pairs: &[TokenPair]) -> Result<f64> {
    let of = |side: fn(&TokenPair) -> &Vec<u32>| -> Vec<Vec<u32>> {
        pairs.iter().map(|p| [&p.prompt[..], side(p)].concat()).collect()
    };
    let prompts: Vec<usize> = pairs.iter().map(|p| p.prompt.len()).collect();
    let chosen = trainee.completion_log_probs(&of(|p| &p.chosen), &prompts)?;
    let rejected = trainee.completion_log_probs(&of(|p| &p.rejected), &prompts)?;
    let right = chosen.iter().zip(rejected).filter(|(c, r)| **c > *r).count();
    Ok(right as f64 / pairs.len() as f64)
}

fn train(path: &Path) -> Result<()> {
    let (vocab, pairs) = in_tokens(&read_pairs(path)?);
    let longest = pairs.iter().map(|p| p.prompt.len() + p.chosen.len().max(p.rejected.len())).max().unwrap_or(1);
    let (held_out, learned) = pairs.split_at(pairs.len() / 10);
    if held_out.is_empty() {
        return Err(Error::content(path, "the file", "ten pairs or more are needed, a tenth is held out"));
    }
    let config = Config::llama(Size { vocab, width: 32, layers: 2, heads: 2, context: longest });
    let mut rng = Stream::named(&["example", "preference files"]);
    let mut trainee = Trainee::new(&config, init(&config, 0.1, &mut rng)?, 1.0)?.in_parts();
    let texts: Vec<Example> = learned
        .iter()
        .flat_map(|p| [&p.chosen, &p.rejected].map(|c| ([&p.prompt[..], c].concat(), p.prompt.len())))
        .map(|(tokens, prompt)| Example { tokens, prompt })
        .collect();
    let schedule = |peak: f64, steps: u64| Schedule { peak, warm_up: 10, steps, decay: Decay::Constant };
    sft(&mut trainee, &texts, 64, &schedule(3e-3, 200), &mut rng)?;
    let before = accuracy(&mut trainee, held_out)?;
    preference_tuning(&mut trainee, learned, PreferenceLoss::Dpo { beta: 0.1 }, 64, &schedule(1e-3, 300), &mut rng)?;
    let after = accuracy(&mut trainee, held_out)?;
    println!(
        "{} pairs, {vocab} tokens: of {} held out the chosen one is likelier in {:.1}% after SFT, {:.1}% after DPO",
        pairs.len(),
        held_out.len(),
        100.0 * before,
        100.0 * after
    );
    Ok(())
}

fn run() -> Result<()> {
    if let Some(file) = std::env::args_os().nth(1) {
        return train(&PathBuf::from(file));
    }
    let path = std::env::temp_dir().join(format!("rewardlab-pairs-{}.jsonl", std::process::id()));
    write_pairs(&path, &world_pairs(&mut Stream::named(&["example", "world"]))?)?;
    println!("wrote {}", path.display());
    train(&path)
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}
