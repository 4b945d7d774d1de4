//! The room that all loops on rewards share: prompts are drawn, completed and paid; the samples' log-probabilities are
//! taken under the policy that drew them and under the reference.

use super::trainee::{Frozen, Trainee};
use crate::error::{Error, Result};
use crate::lm::cpu::{Keep, Sampling};
use crate::lm::{Batch, Choices};
use crate::metrics;
use crate::objective::kl_loss;
use crate::rng::Stream;

/// What a round saw: of its samples before it learned, then of its steps. Information is in nats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Round {
    /// Mean reward of the samples, without the KL penalty.
    pub reward: f64,
    /// Spread of all rewards, prompts mixed.
    pub reward_std_batch: f64,
    /// Mean over prompts of the spread within each; none where prompts are drawn one sample at a time.
    pub reward_std_prompt: Option<f64>,
    /// Share of groups whose rewards are all equal; none where there are no groups.
    pub dead_groups: Option<f64>,
    /// k1 estimate of the KL to the reference per sequence: mean over samples of Σ log π − log `π_ref`.
    pub kl_k1: f64,
    /// KL of whole next-token distributions at the samples' contexts, summed over a sequence, mean over samples; where the
    /// settings ask for it.
    pub kl_exact: Option<f64>,
    /// Mean entropy per token.
    pub entropy: f64,
    /// Weight of the KL, in reward per nat.
    pub kl_coefficient: f64,
    /// Share of tokens (of sequences, where their ratio is clipped whole) whose gradient the clip stopped; mean over steps.
    pub clip_fraction: f64,
    /// Norm of the gradient before it was scaled down; mean over steps.
    pub grad_norm: f64,
}

/// Completions of drawn prompts and their rewards.
#[derive(Clone, Debug)]
pub(super) struct Samples {
    /// Prompt and completion.
    pub(super) sequences: Vec<Vec<u32>>,
    /// Tokens of each prompt.
    pub(super) prompts: Vec<usize>,
    /// Tokens of each completion.
    pub(super) lengths: Vec<usize>,
    pub(super) rewards: Vec<f64>,
}

impl Samples {
    /// Draws `count` of `prompts` and completes each `group` times; `rate` pays completions, each with the number of its prompt.
    pub(super) fn draw(
        trainee: &mut Trainee,
        prompts: &[Vec<u32>],
        (count, group): (usize, usize),
        sampling: &Sampling,
        rate: impl FnMut(&[(usize, &[u32])]) -> Result<Vec<f64>>,
        rng: &mut Stream,
    ) -> Result<Self> {
        if prompts.is_empty() {
            return Err(Error::Usage("reinforcement finetuning needs at least one prompt".into()));
        }
        let drawn: Vec<usize> = (0..count).flat_map(|_| std::iter::repeat_n(rng.below(prompts.len()), group)).collect();
        Self::complete(trainee, (prompts, &drawn), sampling, rate, rng)
    }

    /// A completion of each of `drawn`, indices into `prompts`.
    pub(super) fn complete(
        trainee: &mut Trainee,
        (prompts, drawn): (&[Vec<u32>], &[usize]),
        sampling: &Sampling,
        mut rate: impl FnMut(&[(usize, &[u32])]) -> Result<Vec<f64>>,
        rng: &mut Stream,
    ) -> Result<Self> {
        let asked: Vec<&[u32]> = drawn.iter().map(|&i| prompts[i].as_slice()).collect();
        let mut streams: Vec<Stream> = drawn.iter().map(|_| rng.split()).collect();
        let samples = trainee.sample(&asked, sampling, &mut streams)?;
        let outputs: Vec<(usize, &[u32])> =
            drawn.iter().zip(&samples).map(|(&i, s)| (i, s.tokens.as_slice())).collect();
        let rewards = rate(&outputs)?;
        Error::check_shape("rewards of the samples", samples.len(), rewards.len())?;
        Error::check_finite("reward", &rewards)?;
        Ok(Self {
            sequences: asked.iter().zip(&samples).map(|(p, s)| [p, s.tokens.as_slice()].concat()).collect(),
            prompts: asked.iter().map(|p| p.len()).collect(),
            lengths: samples.iter().map(|s| s.tokens.len()).collect(),
            rewards,
        })
    }

    /// The sequences of `part` and the lengths of their prompts.
    pub(super) fn part(&self, part: &[usize]) -> (Vec<&[u32]>, Vec<usize>) {
        part.iter().map(|&i| (self.sequences[i].as_slice(), self.prompts[i])).unzip()
    }

    /// The places of `part`'s tokens among those of all completions, in the order of `part`.
    pub(super) fn tokens_of(&self, part: &[usize]) -> Vec<usize> {
        let starts: Vec<usize> = self.lengths.iter().scan(0, |at, l| Some(std::mem::replace(at, *at + l))).collect();
        part.iter().flat_map(|&i| starts[i]..starts[i] + self.lengths[i]).collect()
    }
}

/// Pays completions one by one.
pub(super) fn one_by_one(
    mut reward: impl FnMut(usize, &[u32]) -> f64,
) -> impl FnMut(&[(usize, &[u32])]) -> Result<Vec<f64>> {
    move |outputs| Ok(outputs.iter().map(|(i, tokens)| reward(*i, tokens)).collect())
}

/// The values at some places.
pub(super) fn at(values: &[f64], places: &[usize]) -> Vec<f64> {
    places.iter().map(|&i| values[i]).collect()
}

/// Samples under the policy that drew them and under the reference.
#[derive(Clone, Debug)]
pub(super) struct Rollout {
    pub(super) samples: Samples,
    /// The completions' tokens. The engine still holds the policy's forward pass over all sequences, until the next.
    pub(super) choices: Choices,
    /// log π, one per token of all completions.
    pub(super) log_probs: Vec<f64>,
    /// log `π_ref`, likewise.
    pub(super) reference: Vec<f64>,
    /// Both on whole distributions, if asked for.
    pub(super) whole: Option<Whole>,
    /// Mean entropy per token.
    entropy: f64,
}

/// Whole next-token distributions at the contexts of a rollout.
#[derive(Clone, Debug)]
pub(super) struct Whole {
    /// log `π_ref`, tokens × vocabulary.
    reference: Vec<f32>,
    vocab: usize,
    /// KL(π‖`π_ref`) at each token's context.
    pub(super) kl: Vec<f64>,
}

impl Whole {
    /// The reference's distribution at one token's context.
    pub(super) fn reference(&self, token: usize) -> Vec<f64> {
        wide(&self.reference[token * self.vocab..][..self.vocab])
    }
}

/// f32 as f64.
pub(super) fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

impl Rollout {
    /// Scores samples under both; `whole` asks for whole distributions too, which the engine has for some 2²⁰ numbers.
    pub(super) fn new(trainee: &mut Trainee, reference: &Frozen, samples: Samples, whole: bool) -> Result<Self> {
        let batch = Batch::new(&samples.sequences);
        let choices = batch.completions(&samples.prompts)?;
        let numbers = if whole { choices.len() * trainee.config().vocab } else { 0 };
        let of_reference = trainee.score(reference, &batch, &choices)?;
        Error::check_finite("log-probability under the reference", &of_reference)?;
        let mut reference_whole = vec![0.0; numbers];
        if whole {
            trainee.distributions(&mut reference_whole)?;
        }
        trainee.forward(&batch, Keep::Final)?;
        let log_probs = trainee.log_probs(&choices)?.to_vec();
        Error::check_finite("log-probability of a sample", &log_probs)?;
        let entropy = mean(trainee.entropies());
        let whole = if whole { Some(Whole::new(trainee, reference_whole)?) } else { None };
        Ok(Self { samples, choices, log_probs, reference: of_reference, whole, entropy })
    }

    /// What is known before learning; `group` samples per prompt.
    pub(super) fn round(&self, group: usize, kl_coefficient: f64) -> Round {
        let rewards = &self.samples.rewards;
        let grouped = |value: f64| (group > 1).then_some(value);
        let per_sequence = |kl: f64| kl / rewards.len() as f64;
        Round {
            reward: mean(rewards),
            reward_std_batch: metrics::reward_std_batch(rewards),
            reward_std_prompt: grouped(metrics::reward_std_prompt(rewards, group)),
            dead_groups: grouped(metrics::dead_groups(rewards, group)),
            kl_k1: per_sequence(self.log_probs.iter().zip(&self.reference).map(|(p, r)| p - r).sum()),
            kl_exact: self.whole.as_ref().map(|w| per_sequence(w.kl.iter().sum())),
            entropy: self.entropy,
            kl_coefficient,
            clip_fraction: 0.0,
            grad_norm: 0.0,
        }
    }
}

impl Whole {
    fn new(trainee: &Trainee, reference: Vec<f32>) -> Result<Self> {
        let vocab = trainee.config().vocab;
        let mut own = vec![0.0; reference.len()];
        trainee.distributions(&mut own)?;
        let mut unused = vec![0.0; vocab];
        let rows = own.chunks_exact(vocab).zip(reference.chunks_exact(vocab));
        let kl: Vec<f64> = rows.map(|(p, q)| kl_loss(&wide(p), &wide(q), 0.0, &mut unused)).collect();
        Error::check_finite("KL to the reference", &kl)?;
        Ok(Self { reference, vocab, kl })
    }
}

/// What steps of learning leave for a round.
#[derive(Debug, Default)]
pub(super) struct Steps {
    clipped: Vec<f64>,
    norms: Vec<f64>,
}

impl Steps {
    pub(super) fn add(&mut self, clip_fraction: f64, grad_norm: f64) {
        self.clipped.push(clip_fraction);
        self.norms.push(grad_norm);
    }

    pub(super) fn into_round(self, round: Round) -> Round {
        Round { clip_fraction: mean(&self.clipped), grad_norm: mean(&self.norms), ..round }
    }
}

/// One pass, in order: what committed rows were measured with.
pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
