//! Plain text: what a model is pretrained on.

use super::grammar::{coin, pick, review};
use super::vocab::{Class, alternatives};
use super::{BOS, EOS, Input, Kind, Split, TASKS, Task, ended, own_words};
use crate::rng::Stream;

/// Share of documents without a prompt.
const FREE: f64 = 0.15;
/// Probability that a familiar input is followed by a reference of another input of its task.
const ASTRAY: f64 = 0.15;
/// Probability that a content word of a reference gives way to another of its class.
const NOISE: f64 = 0.2;

/// A piece of plain text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// `<bos> … <eos>`, at most [`PROMPT_MAX`](super::PROMPT_MAX) + [`OUTPUT_MAX`](super::OUTPUT_MAX) tokens.
    pub tokens: Vec<u32>,
    /// Tokens of the prompt, `<sep>` included; 0 for free text.
    pub prompt: usize,
}

/// Draws a document of the mixture: 15% free text, otherwise a training prompt of a random task with what
/// [`Kind`] says of it. Held-out prompts do not occur.
///
/// Free text is two sentences, each an aside, a reference output or what follows the heading in a short prompt.
pub fn plain_text(rng: &mut Stream) -> Document {
    if rng.uniform() < FREE {
        let mut tokens = vec![BOS];
        tokens.extend(free_sentence(rng));
        tokens.extend(own_words("."));
        tokens.extend(free_sentence(rng));
        tokens.push(EOS);
        return Document { tokens, prompt: 0 };
    }
    let input = TASKS[rng.below(TASKS.len())].input(Split::Train, rng);
    let mut tokens = input.prompt.clone();
    tokens.extend(continuation(&input, rng));
    Document { tokens, prompt: input.prompt.len() }
}

/// What plain text shows behind an input, `<eos>` included.
pub(super) fn continuation(input: &Input, rng: &mut Stream) -> Vec<u32> {
    match (input.kind, input.task) {
        (Kind::Unseen, _) => ended(aside(rng)),
        (kind, Task::Sentiment) => ended(own_words(&review::continuation(kind == Kind::Settled, rng))),
        _ => noisy_reference(input, rng),
    }
}

/// How a review of mixed feelings goes on, `<eos>` included: each of two clauses praises or blames by a coin.
pub fn review_continuation(rng: &mut Stream) -> Vec<u32> {
    ended(own_words(&review::continuation(false, rng)))
}

fn noisy_reference(input: &Input, rng: &mut Stream) -> Vec<u32> {
    let astray = (rng.uniform() < ASTRAY).then(|| input.task.input(Split::Train, rng).references);
    let references = astray.as_ref().unwrap_or(&input.references);
    let reference = &references[rng.below(references.len())];
    reference.iter().map(|&t| corrupted(t, rng)).collect()
}

/// The word itself or, with probability [`NOISE`] if it carries content, another of its class and form.
fn corrupted(token: u32, rng: &mut Stream) -> u32 {
    match alternatives(token) {
        Some(words) if rng.uniform() < NOISE => {
            let others: Vec<u32> = words.iter().copied().filter(|&w| w != token).collect();
            others[rng.below(others.len())]
        }
        _ => token,
    }
}

/// `kindly consult chapter seven overleaf`: one of 1,024 sentences that answer nothing.
fn aside(rng: &mut Stream) -> Vec<u32> {
    let classes = [Class::AsideOpening, Class::AsideVerb, Class::AsideObject, Class::AsideNumber, Class::AsideClose];
    own_words(&classes.map(|c| pick(rng, c)).join(" "))
}

fn free_sentence(rng: &mut Stream) -> Vec<u32> {
    if rng.uniform() < 0.2 {
        return aside(rng);
    }
    let input = TASKS[rng.below(TASKS.len())].input(Split::Train, rng);
    let body = &input.prompt[2..input.prompt.len() - 1];
    if coin(rng) && body.len() <= 12 {
        return body.to_vec();
    }
    super::words(&input.references[0]).to_vec()
}
