//! The small language, the transformer that learns it, and the pairs and the reward model that come of both.

use rewardlab::algorithm::{Example, RewardModelParams, Sft, TokenPair, Trainee, reward_modelling};
use rewardlab::env::{Sentiment, Word};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::Context;
use rewardlab::lm::{Config, Decay, Sampling, Schedule, ScoreHead, Size, init};
use rewardlab::preference::{Labeller, pairs_of_group};
use rewardlab::rng::Stream;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Words: a filler, praise of two strengths, blame, "not", "very".
const WORDS: [Word; 6] =
    [Word::Neutral, Word::Sentiment(1), Word::Sentiment(2), Word::Sentiment(-2), Word::Negator, Word::Intensifier];
const FILLER: u32 = 0;
const BLAME: u32 = 3;
const NOT: u32 = 4;
const VERY: u32 = 5;
/// Words of the longest prompt.
const LONGEST_PROMPT: usize = 8;

/// Language, model and data.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Setup {
    /// The slope of the true reward, σ(slope · score); positive.
    pub(super) slope: f64,
    /// Words of a completion; 2 to 7, so that at most 279 936 are enumerated.
    pub(super) length: usize,
    /// Texts of the corpus that the reference learns; at least 10.
    pub(super) corpus: usize,
    /// Width of the residual stream, a multiple of twice `heads`; 8 to 256.
    pub(super) width: usize,
    /// Transformer blocks; 1 to 8.
    pub(super) layers: usize,
    /// Attention heads; 1 to 16.
    pub(super) heads: usize,
    /// Steps of supervised finetuning on the corpus; 1 to 1 000 000.
    pub(super) sft_steps: u64,
    /// Texts per step; 1 to 4096.
    pub(super) sft_batch: usize,
    /// Its peak learning rate, a cosine to 0; positive.
    pub(super) sft_learning_rate: f64,
    /// Largest norm of any gradient, above which it is scaled down; positive.
    pub(super) gradient_clip: f64,
    /// Prompts of the pairs, and of PPO; at least 10.
    pub(super) prompts: usize,
    /// Completions of each; 2 to 16.
    pub(super) completions: usize,
    /// Prompts on which exact values are reported, and as many others on which learning rates are chosen; at least 1.
    pub(super) held_out: usize,
}

/// What a reward model's training leaves.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LearnedReward {
    pub(super) params: Vec<f32>,
    /// Share of held-out pairs that it ranks as labelled.
    pub(super) accuracy: f64,
}

/// A prompt and its completions.
type Group = (Vec<u32>, Vec<Vec<u32>>);

impl Setup {
    pub(super) fn validate(&self) -> Result<()> {
        Error::check_counts(&[
            ("length", self.length, 2, 7),
            ("corpus", self.corpus, 10, 10_000_000),
            ("width", self.width, 8, 256),
            ("layers", self.layers, 1, 8),
            ("heads", self.heads, 1, 16),
            ("sft_steps", self.sft_steps as usize, 1, 1_000_000),
            ("sft_batch", self.sft_batch, 1, 4096),
            ("prompts", self.prompts, 10, 10_000_000),
            ("completions", self.completions, 2, 16),
            ("held_out", self.held_out, 1, 10_000),
        ])?;
        if !self.width.is_multiple_of(2 * self.heads) {
            return Err(Error::parameter("width", self.width, format!("a multiple of 2 · heads = {}", 2 * self.heads)));
        }
        Error::check_positive(&[
            ("slope", self.slope),
            ("sft_learning_rate", self.sft_learning_rate),
            ("gradient_clip", self.gradient_clip),
        ])
    }

    pub(super) fn sentiment(&self) -> Result<Sentiment> {
        Sentiment::new(WORDS.into(), self.slope)
    }

    /// KL beyond which no target can lie whatever SFT learns: a reference of the corpus cannot know a word to be rarer than one
    /// in all its words.
    pub(super) fn most_room(&self) -> f64 {
        self.length as f64 * ((self.corpus * (LONGEST_PROMPT + self.length)) as f64).ln()
    }

    /// A text of the language: a mood, and words that mostly agree with it.
    fn text(length: usize, rng: &mut Stream) -> Vec<u32> {
        let good = rng.uniform() < 0.5;
        let mut text: Vec<u32> = Vec::with_capacity(length);
        let mut turned = false;
        for _ in 0..length {
            let u = rng.uniform();
            let word = match text.last() {
                Some(&NOT) if u < 0.2 => VERY,
                Some(&NOT | &VERY) => Self::opinion(good != turned, rng),
                _ if u < 0.5 => FILLER,
                _ if u < 0.6 => NOT,
                _ if u < 0.7 => VERY,
                _ => Self::opinion(good, rng),
            };
            turned = word == NOT || (turned && word == VERY);
            text.push(word);
        }
        text
    }

    /// A word of praise or blame, in four cases of five of the mood's side.
    fn opinion(good: bool, rng: &mut Stream) -> u32 {
        let praise = good == (rng.uniform() < 0.8);
        let strong = u32::from(rng.uniform() < 0.4);
        if praise { 1 + strong } else { BLAME }
    }

    /// Prefixes of 2 to 8 words, as in Section 6.1 of arXiv:2305.18290.
    pub(super) fn prefixes(count: usize, rng: &mut Stream) -> Vec<Vec<u32>> {
        (0..count).map(|_| Self::text(2 + rng.below(LONGEST_PROMPT - 1), rng)).collect()
    }

    /// Llama's form, with a score head: PPO's critic, and the reward model's reward.
    pub(super) fn config(&self) -> Config {
        let context = LONGEST_PROMPT + self.length;
        let size = Size { vocab: WORDS.len(), width: self.width, layers: self.layers, heads: self.heads, context };
        Config { scores: vec![ScoreHead { name: "score".into(), outputs: 1 }], ..Config::llama(size) }
    }

    /// A model with these weights and a fresh optimiser.
    pub(super) fn trainee(&self, params: &[f32]) -> Result<Trainee> {
        Ok(Trainee::new(&self.config(), params.to_vec(), self.gradient_clip)?.in_parts())
    }

    /// What the reference depends on.
    fn reference_key(&self) -> impl Serialize + use<> {
        let sft = (self.sft_steps, self.sft_batch, self.sft_learning_rate, self.gradient_clip);
        (self.length, self.corpus, (self.width, self.layers, self.heads), sft)
    }

    /// The reference: a transformer finetuned on texts of the language. A stage.
    pub(super) fn reference(&self, ctx: &Context) -> Result<Arc<Vec<f32>>> {
        ctx.stage("reference", &self.reference_key(), |rng| {
            let text = |_| Example { tokens: Self::text(LONGEST_PROMPT + self.length, rng), prompt: 1 };
            let corpus: Vec<Example> = (0..self.corpus).map(text).collect();
            let mut trainee = self.trainee(&init(&self.config(), 0.02, rng)?)?;
            let (peak, steps) = (self.sft_learning_rate, self.sft_steps);
            let schedule = Schedule { peak, warm_up: steps.div_ceil(20), steps, decay: Decay::Cosine };
            let mut sft = Sft::new(&schedule, self.sft_batch, rng.split())?;
            while !sft.is_done() {
                sft.step(&mut trainee, &corpus)?;
            }
            trainee.into_params()
        })
    }

    /// Prefixes and the reference's completions of them. A stage, so that all labellers see the same.
    fn groups(&self, reference: &[f32], ctx: &Context) -> Result<Arc<Vec<Group>>> {
        let key = (self.reference_key(), self.prompts, self.completions);
        ctx.stage("completions", &key, |rng| {
            let mut model = self.trainee(reference)?;
            let mut groups = Vec::with_capacity(self.prompts);
            for prompts in Self::prefixes(self.prompts, rng).chunks(64) {
                let asked: Vec<&Vec<u32>> =
                    prompts.iter().flat_map(|p| std::iter::repeat_n(p, self.completions)).collect();
                let mut streams: Vec<Stream> = asked.iter().map(|_| rng.split()).collect();
                let samples = model.sample(&asked, &Sampling::plain(self.length), &mut streams)?;
                let tokens: Vec<Vec<u32>> = samples.into_iter().map(|s| s.tokens).collect();
                groups.extend(prompts.iter().cloned().zip(tokens.chunks(self.completions).map(<[_]>::to_vec)));
            }
            Ok(groups)
        })
    }

    /// All pairs among each prefix's completions, labelled.
    pub(super) fn pairs(&self, reference: &[f32], labeller: Labeller, ctx: &Context) -> Result<Vec<TokenPair>> {
        let sentiment = self.sentiment()?;
        let mut rng = ctx.shared_stream(&format!("labels of {labeller:?}"));
        let mut pairs = Vec::new();
        for (prompt, group) in self.groups(reference, ctx)?.iter() {
            let rewards: Vec<f64> = group.iter().map(|c| sentiment.reward(&[&prompt[..], c].concat())).collect();
            for (chosen, rejected) in pairs_of_group(&rewards, labeller, |i, j| group[i] == group[j], &mut rng) {
                let [chosen, rejected] = [chosen, rejected].map(|i| group[i].clone());
                pairs.push(TokenPair { prompt: prompt.clone(), chosen, rejected });
            }
        }
        Ok(pairs)
    }

    /// A reward model that starts from the reference, on deterministic pairs. A stage.
    pub(super) fn learned_reward(
        &self,
        reference: &[f32],
        settings: &RewardModelParams,
        ctx: &Context,
    ) -> Result<Arc<LearnedReward>> {
        let key = (self.reference_key(), (self.prompts, self.completions, self.slope), settings);
        ctx.stage("reward model", &key, |rng| {
            let pairs = self.pairs(reference, Labeller::Deterministic, ctx)?;
            let mut trainee = self.trainee(reference)?;
            let accuracy = reward_modelling(&mut trainee, &pairs, settings, rng)?;
            Ok(LearnedReward { params: trainee.into_params()?, accuracy })
        })
    }
}

#[cfg(test)]
impl Setup {
    /// How many weights the model has.
    pub(super) fn parameters(&self) -> Result<usize> {
        Ok(rewardlab::lm::Layout::new(&self.config())?.len())
    }

    /// log π of what follows the first `prompt` words of each text.
    pub(super) fn score(&self, params: &[f32], texts: &[Vec<u32>], prompt: usize) -> Result<Vec<f64>> {
        let batch = rewardlab::lm::Batch::new(texts);
        let choices = batch.completions(&vec![prompt; texts.len()])?;
        let mut model = self.trainee(params)?;
        model.forward(&batch, rewardlab::lm::Keep::Final)?;
        let log_probs = model.log_probs(&choices)?;
        Ok(log_probs.chunks_exact(self.length).map(|lp| lp.iter().sum()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_in_the_language() {
        let mut rng = Stream::named(&["tests", "small language"]);
        for prefix in Setup::prefixes(500, &mut rng) {
            assert!((2..=LONGEST_PROMPT).contains(&prefix.len()));
            // a modifier is followed by an opinion, "not" by "very" too
            for w in prefix.windows(2) {
                let opinion = (1..=BLAME).contains(&w[1]);
                assert!(![NOT, VERY].contains(&w[0]) || opinion || (w[0] == NOT && w[1] == VERY), "{prefix:?}");
            }
        }
    }
}
