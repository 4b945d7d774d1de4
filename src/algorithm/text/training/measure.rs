//! What a trainee is worth on held-out data.

use super::{Material, Method, Told};
use crate::algorithm::preference::TokenPair;
use crate::algorithm::rest::Half;
use crate::algorithm::rollout::mean;
use crate::algorithm::trainee::{Example, Trainee};
use crate::error::Result;
use crate::lm::Sampling;
use crate::objective::bradley_terry_loss;
use crate::rng::Stream;

/// Sequences that are read at a time.
const READ: usize = 64;

/// What held-out data are compared with.
#[derive(Debug)]
pub(super) enum Reference {
    /// Nothing.
    None,
    /// log `π_ref` of every held-out pair's completions, nats.
    Pairs(Vec<[f64; 2]>),
    /// Scores of a reward model.
    Scores,
}

impl Reference {
    /// The trainee as it is at the start.
    pub(super) fn of(method: &Method, material: &Material, trainee: &mut Trainee) -> Result<Self> {
        Ok(match (method, material) {
            (Method::RewardModel(_), _) => Self::Scores,
            (_, Material::Pairs(_, held_out)) => Self::Pairs(log_probs(trainee, held_out)?),
            _ => Self::None,
        })
    }

    pub(super) fn measure(&self, material: &mut Material, trainee: &mut Trainee) -> Result<Told> {
        match (self, material) {
            (Self::None, Material::Examples(_, held_out)) if !held_out.is_empty() => nll(trainee, held_out),
            (Self::Pairs(reference), Material::Pairs(_, held_out)) if !held_out.is_empty() => {
                let own = log_probs(trainee, held_out)?;
                let margins: Vec<f64> = own.iter().zip(reference).map(|(p, r)| (p[0] - r[0]) - (p[1] - r[1])).collect();
                let side = |i: usize| mean(&own.iter().map(|p| p[i]).collect::<Vec<_>>());
                Ok(vec![
                    ("held_out_accuracy", share(&margins)),
                    ("held_out_margin", mean(&margins)),
                    ("held_out_chosen_log_prob", side(0)),
                    ("held_out_rejected_log_prob", side(1)),
                ])
            }
            (Self::Scores, Material::Pairs(_, held_out)) if !held_out.is_empty() => ranked(trainee, held_out),
            (Self::None, Material::Task(task, sampling)) => {
                let (_, held_out, payer) = task.parts();
                if held_out.is_empty() {
                    return Ok(Vec::new());
                }
                let rewards = sampled(trainee, held_out, sampling, |o| payer.pay(Half::HeldOut, o))?;
                Ok(vec![("held_out_reward", mean(&rewards)), ("held_out_tokens", payer.last.0)])
            }
            _ => Ok(Vec::new()),
        }
    }
}

/// The share of what is positive.
fn share(margins: &[f64]) -> f64 {
    margins.iter().filter(|m| **m > 0.0).count() as f64 / margins.len() as f64
}

fn log_probs(trainee: &mut Trainee, pairs: &[TokenPair]) -> Result<Vec<[f64; 2]>> {
    let mut all = Vec::with_capacity(2 * pairs.len());
    for some in pairs.chunks(READ / 2) {
        let sequences: Vec<Vec<u32>> = some.iter().flat_map(TokenPair::sequences).collect();
        let prompts: Vec<usize> = some.iter().flat_map(|p| [p.prompt.len(); 2]).collect();
        all.extend(trainee.completion_log_probs(&sequences, &prompts)?);
    }
    Ok(all.as_chunks::<2>().0.to_vec())
}

/// Nats per learned token, and the perplexity that follows.
fn nll(trainee: &mut Trainee, examples: &[Example]) -> Result<Told> {
    let (mut total, mut tokens) = (0.0, 0);
    for some in examples.chunks(READ) {
        let sequences: Vec<&[u32]> = some.iter().map(|e| e.tokens.as_slice()).collect();
        let prompts: Vec<usize> = some.iter().map(|e| e.prompt).collect();
        total -= trainee.completion_log_probs(&sequences, &prompts)?.iter().sum::<f64>();
        tokens += some.iter().map(|e| e.tokens.len() - e.prompt).sum::<usize>();
    }
    let loss = total / tokens as f64;
    Ok(vec![("held_out_loss", loss), ("held_out_perplexity", loss.exp())])
}

/// How a reward model ranks pairs.
fn ranked(trainee: &mut Trainee, pairs: &[TokenPair]) -> Result<Told> {
    let (mut margins, mut losses) = (Vec::new(), Vec::new());
    for some in pairs.chunks(READ / 2) {
        let sequences: Vec<Vec<u32>> = some.iter().flat_map(TokenPair::sequences).collect();
        for [chosen, rejected] in trainee.scores(&sequences)?.as_chunks::<2>().0 {
            margins.push(chosen - rejected);
            losses.push(bradley_terry_loss(&[*chosen, *rejected], &[1.0], 0.0, &mut [0.0; 2]));
        }
    }
    Ok(vec![
        ("held_out_accuracy", share(&margins)),
        ("held_out_margin", mean(&margins)),
        ("held_out_loss", mean(&losses)),
    ])
}

/// Rewards of one completion of each prompt, every time with the same random numbers.
fn sampled(
    trainee: &mut Trainee,
    prompts: &[Vec<u32>],
    sampling: &Sampling,
    mut pay: impl FnMut(&[(usize, &[u32])]) -> Result<Vec<f64>>,
) -> Result<Vec<f64>> {
    let mut rng = Stream::named(&["text training", "held out"]);
    let mut drawn = Vec::with_capacity(prompts.len());
    for some in prompts.chunks(READ) {
        let mut streams: Vec<Stream> = some.iter().map(|_| rng.split()).collect();
        drawn.extend(trainee.sample(some, sampling, &mut streams)?);
    }
    let outputs: Vec<(usize, &[u32])> = drawn.iter().enumerate().map(|(i, s)| (i, s.tokens.as_slice())).collect();
    pay(&outputs)
}
