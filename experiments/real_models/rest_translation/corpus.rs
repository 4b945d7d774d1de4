//! Sources with references, as tokens and as text.

use super::super::asked::lines;
use super::Params;
use rewardlab::env::Split;
use rewardlab::env::text::{Chrf, bleu};
use rewardlab::env::translation::{BOS, Domain, EOS, PAD, Pair, SOURCE_MAX, TARGET_MAX, spell, vocab};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::Context;
use rewardlab::lm::{Special, Tokenizer};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// Where pairs come from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Corpus {
    /// The small world's news, with mistakes in the supervised data.
    World {
        /// Mistakes per word of the supervised translations; in [0, 1).
        noise: f64,
    },
    /// Lines of files, as `rewardlab data import` writes them.
    Files {
        /// A folder with `train.jsonl`, `validation.jsonl` and `test.jsonl`, each line with a `prompt` and a `completion`.
        folder: String,
        /// Tokens of the tokeniser that is trained from the training lines; 258 to 1 000 000.
        vocabulary: usize,
        /// Most tokens of either side of a pair; longer pairs are left out; 4 to 4096.
        length: usize,
    },
}

/// A source with its reference.
#[derive(Clone, Debug)]
pub(super) struct Sentence {
    pub(super) source: Vec<u32>,
    /// What a model is trained to say, its end included: in the small world a noisy reference.
    pub(super) target: Vec<u32>,
    reference: String,
}

/// Parallel text.
#[derive(Debug)]
pub(super) struct Parallel {
    pub(super) tokenizer: Tokenizer,
    pub(super) end: u32,
    /// Most tokens of a source and of an output.
    pub(super) lengths: [usize; 2],
    pub(super) train: Vec<Sentence>,
    /// For comparing checkpoints.
    pub(super) held_out: Vec<Sentence>,
    /// For reporting.
    pub(super) test: Vec<Sentence>,
}

impl Corpus {
    pub(super) fn validate(&self) -> Result<()> {
        match self {
            Self::World { noise } if (0.0..1.0).contains(noise) => Ok(()),
            Self::World { noise } => Err(Error::parameter("world.noise", noise, "in [0, 1)")),
            Self::Files { vocabulary, length, .. } => {
                Error::check_counts(&[("vocabulary", *vocabulary, 258, 1_000_000), ("length", *length, 4, 4096)])
                    .map_err(|e| e.within("files"))
            }
        }
    }

    /// The pairs of a seed: the same in all cells.
    ///
    /// # Errors
    /// Files that are missing, malformed, or have fewer lines than asked for that fit.
    pub(super) fn open(&self, p: &Params, ctx: &Context) -> Result<Parallel> {
        match self {
            Self::World { noise } => of_world(p, *noise, ctx),
            Self::Files { folder, vocabulary, length } => of_files(p, Path::new(folder), [*vocabulary, *length], ctx),
        }
    }
}

fn of_world(p: &Params, noise: f64, ctx: &Context) -> Result<Parallel> {
    let words: Vec<String> = (0..vocab() as u32).map(|t| spell(&[t])).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let special = Special { bos: Some(BOS), eos: vec![EOS], pad: Some(PAD), unk: None };
    let tokenizer = Tokenizer::of_words(&words, special)?;
    let sentence = |pair: Pair, target: Option<Vec<u32>>| -> Result<Sentence> {
        let reference = tokenizer.decode(&pair.reference)?;
        Ok(Sentence { source: pair.source, target: target.unwrap_or(pair.reference), reference })
    };
    let mut rng = ctx.shared_stream("pairs");
    let supervised = |_| {
        let pair = Pair::draw(Domain::News, Split::Train, &mut rng);
        let noisy = pair.noisy(noise, &mut rng);
        sentence(pair, Some(noisy))
    };
    let train = (0..p.pairs).map(supervised).collect::<Result<_>>()?;
    let mut rng = ctx.shared_stream("held-out pairs");
    let mut seen = HashSet::new();
    let (wanted, tries) = (p.held_out + p.test, 1000 + 100 * (p.held_out + p.test));
    let drawn = std::iter::repeat_with(|| Pair::draw(Domain::News, Split::Test, &mut rng)).take(tries);
    let different = drawn.filter(|pair| seen.insert(pair.source.clone())).take(wanted);
    let mut held_out: Vec<Sentence> = different.map(|pair| sentence(pair, None)).collect::<Result<_>>()?;
    if held_out.len() < wanted {
        let legal = format!("fewer: there are hardly more than {} different held-out sources", held_out.len());
        return Err(Error::parameter("held_out + test", wanted, legal));
    }
    let test = held_out.split_off(p.held_out);
    Ok(Parallel { tokenizer, end: EOS, lengths: [SOURCE_MAX, TARGET_MAX], train, held_out, test })
}

fn of_files(p: &Params, folder: &Path, [vocabulary, length]: [usize; 2], ctx: &Context) -> Result<Parallel> {
    let path = |name: &str| folder.join(format!("{name}.jsonl"));
    let lines_of = |name: &str| ctx.shared_stream(&format!("lines of {name}"));
    let texts: Vec<String> = lines(&path("train"), p.pairs, &mut lines_of("train"), |line| {
        Ok(Some(format!("{}{}", line.string("prompt")?, line.string("completion")?)))
    })?;
    let tokenizer = Tokenizer::train_bpe(&texts.iter().map(String::as_str).collect::<Vec<_>>(), vocabulary)?;
    let end = tokenizer.special().eos.first().copied().unwrap_or_default();
    let read = |name: &str, count: usize| {
        lines(&path(name), count, &mut lines_of(name), |line| {
            let (prompt, completion) = (line.string("prompt")?, line.string("completion")?);
            let (source, mut target) = (tokenizer.encode(prompt)?, tokenizer.encode_part(completion)?);
            target.push(end);
            let fits = (1..=length).contains(&source.len()) && (2..=length).contains(&target.len());
            Ok(fits.then(|| Sentence { source, target, reference: completion.trim().to_owned() }))
        })
    };
    let (train, held_out, test) = (read("train", p.pairs)?, read("validation", p.held_out)?, read("test", p.test)?);
    Ok(Parallel { end, lengths: [length, length], train, held_out, test, tokenizer })
}

/// What an output is worth.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gold {
    pub(super) chrf: f64,
    pub(super) bleu: f64,
}

impl Parallel {
    /// What each of `count` outputs in a row to every sentence is worth, read up to its end.
    ///
    /// # Errors
    /// A token that the vocabulary does not have.
    pub(super) fn gold(&self, sentences: &[Sentence], outputs: &[Vec<u32>], count: usize) -> Result<Vec<Gold>> {
        let mut all = Vec::with_capacity(outputs.len());
        for (sentence, outputs) in sentences.iter().zip(outputs.chunks(count)) {
            let chrf = Chrf::new(&sentence.reference);
            for output in outputs {
                let upto = output.iter().position(|t| *t == self.end).unwrap_or(output.len());
                let text = self.tokenizer.decode(&output[..upto])?;
                let (own, reference) = numbered(&text, &sentence.reference);
                all.push(Gold { chrf: chrf.score(&text), bleu: bleu(&own, &[reference]) });
            }
        }
        Ok(all)
    }
}

/// The words of two texts as numbers, equal words as equal ones.
fn numbered<'a>(one: &'a str, other: &'a str) -> (Vec<u32>, Vec<u32>) {
    let mut known: HashMap<&str, u32> = HashMap::new();
    let mut of = |text: &'a str| {
        let number = |word| {
            let next = known.len() as u32;
            *known.entry(word).or_insert(next)
        };
        text.split_whitespace().map(number).collect()
    };
    (of(one), of(other))
}
