//! What the experiments on translation share: a small decoder that reads the source as its prefix, three data sets
//! after the paper's, supervised models, runs of `ReST` on them, and what a policy is worth on sources that nothing was
//! trained on: held-out sources, by which checkpoints are chosen, and test sources, all different.
//!
//! Samples are drawn at temperature 0.8, as in the paper. A sharper policy says better things at that temperature, so
//! that part of what the loop gains may be sharpening: rows have beside it what a policy is worth when it always says
//! the likeliest next token (`greedy`).

mod one_grow;
mod rating;
mod runs;

use rewardlab::algorithm::{
    Example, Keep, OfflineLoss, Place, Rated, Report, RestParams, Start, Trainee, rest, score_regression, sft,
};
use rewardlab::env::Split;
use rewardlab::env::translation::{Domain, EOS, Judge, Pair, SOURCE_MAX, TARGET_MAX, vocab};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::{Context, Profile};
use rewardlab::lm::{Config, Decay, Sampling, Schedule, ScoreHead, Size, init};
use rewardlab::rng::Stream;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

pub(crate) use one_grow::Improvement;
pub(crate) use rating::{Pays, Rater, RewardModel, distinct};
pub(crate) use runs::{Policy, Run, Standing, Worth};

use rating::{Rating, said_before};

/// The parts of the paper's three data sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum DataSet {
    /// IWSLT's part: middling in size and in candidates per source.
    Talks,
    /// WMT's part: many sources, few candidates of each.
    News,
    /// The internal Web Domain's part: few sources, many candidates, another domain; its model is the news model, finetuned.
    Web,
}

/// Transformers are trained at the first so many seeds, strings at all.
pub(crate) const SEEDS: u64 = 5;

/// All three.
pub(crate) const DATA_SETS: [DataSet; 3] = [DataSet::Talks, DataSet::News, DataSet::Web];

impl DataSet {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Talks => "talks",
            Self::News => "news",
            Self::Web => "web",
        }
    }

    fn domain(self) -> Domain {
        match self {
            Self::Talks => Domain::Talks,
            Self::News => Domain::News,
            Self::Web => Domain::Web,
        }
    }
}

/// Size and quality of a data set.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DataSetup {
    /// Supervised pairs, whose sources are grown from; 8 to 100 000.
    pub(crate) pairs: usize,
    /// Mistakes per word of their translations; in [0, 1).
    pub(crate) noise: f64,
    /// Samples of a source in a Grow step; 1 to 10 000.
    pub(crate) candidates: usize,
}

/// Model, data and budgets.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TranslationSetup {
    /// Width of the residual stream, a multiple of 2 · `heads`; 8 to 512.
    pub(crate) width: usize,
    /// Transformer blocks; 1 to 12.
    pub(crate) layers: usize,
    /// Attention heads; 1 to 16.
    pub(crate) heads: usize,
    /// Steps of supervised training; 1 to 1 000 000.
    pub(crate) sft_steps: u64,
    /// Pairs per step; 1 to 1024.
    pub(crate) sft_batch: usize,
    /// Peak learning rate of supervised training (cosine); positive.
    pub(crate) sft_learning_rate: f64,
    /// Largest norm of a gradient; positive.
    pub(crate) gradient_clip: f64,
    /// Held-out sources by which checkpoints are compared; 2 to 100 000.
    pub(crate) held_out: usize,
    /// Further held-out sources, on which everything is reported; 2 to 100 000.
    pub(crate) test: usize,
    /// Samples of each of these; 1 to 10 000.
    pub(crate) test_candidates: usize,
    /// IWSLT's part, where it is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) talks: Option<DataSetup>,
    /// WMT's part, where it or the Web's is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) news: Option<DataSetup>,
    /// Web Domain's part, where it is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) web: Option<DataSetup>,
    /// The loop.
    pub(crate) rest: LoopSetup,
}

/// What the loop's steps cost.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoopSetup {
    /// Of all sampling; positive. The paper's: 0.8.
    pub(crate) temperature: f64,
    /// Learning rate of the first Improve step behind a Grow; positive.
    pub(crate) learning_rate: f64,
    /// What each further Improve step's rate is of the one before; in (0, 1].
    pub(crate) rate_decay: f64,
    /// Steps of an Improve step; at least 1.
    pub(crate) steps: u64,
    /// Checkpoints are compared after every so many of them; 1 to `steps`.
    pub(crate) evaluate_every: u64,
    /// Samples per step; at least 1.
    pub(crate) minibatch: usize,
    /// Samples of each held-out source by which checkpoints are compared; at least 1.
    pub(crate) held_out_candidates: usize,
}

/// Behind each Grow: everything (I = 0), then these thresholds, which the paper names.
pub(crate) const THRESHOLDS: [f64; 4] = [0.7, 0.8, 0.9, 0.95];

/// Everything, then what is strictly above each threshold.
pub(crate) fn above(thresholds: &[f64]) -> Vec<Keep> {
    std::iter::once(Keep::All).chain(thresholds.iter().map(|t| Keep::Above { threshold: *t })).collect()
}

impl TranslationSetup {
    /// The paper profile: temperature, mixture and thresholds the paper's; sizes ours, chosen on other seeds so that the supervised model is
    /// worth about 0.7 and does not know its training translations by heart: then a Grow step would only repeat them.
    pub(crate) fn paper() -> Self {
        Self {
            width: 48,
            layers: 2,
            heads: 4,
            sft_steps: 1200,
            sft_batch: 64,
            sft_learning_rate: 3e-3,
            gradient_clip: 1.0,
            held_out: 100,
            test: 200,
            test_candidates: 8,
            talks: Some(DataSetup { pairs: 3000, noise: 0.3, candidates: 8 }),
            news: Some(DataSetup { pairs: 6000, noise: 0.4, candidates: 4 }),
            web: Some(DataSetup { pairs: 1000, noise: 0.4, candidates: 24 }),
            rest: LoopSetup {
                temperature: 0.8,
                learning_rate: 1e-3,
                rate_decay: 0.8,
                steps: 200,
                evaluate_every: 50,
                minibatch: 32,
                held_out_candidates: 4,
            },
        }
    }

    /// The defaults of a profile.
    pub(crate) fn of_profile(profile: Profile) -> Self {
        match profile {
            Profile::Smoke => Self::smoke(),
            Profile::Paper => Self::paper(),
        }
    }

    /// Seconds instead of minutes.
    pub(crate) fn smoke() -> Self {
        let paper = Self::paper();
        let fewer = |set: Option<DataSetup>, pairs: usize, candidates: usize| {
            set.map(|set| DataSetup { pairs, candidates, ..set })
        };
        Self {
            width: 16,
            layers: 1,
            heads: 2,
            sft_steps: 100,
            sft_batch: 16,
            held_out: 10,
            test: 20,
            test_candidates: 2,
            talks: fewer(paper.talks, 60, 4),
            news: fewer(paper.news, 80, 3),
            web: fewer(paper.web, 30, 8),
            rest: LoopSetup { steps: 10, evaluate_every: 5, held_out_candidates: 2, ..paper.rest },
            ..paper
        }
    }

    /// # Errors
    /// The first parameter outside its legal range.
    pub(crate) fn validate(&self) -> Result<()> {
        Error::check_counts(&[
            ("width", self.width, 8, 512),
            ("layers", self.layers, 1, 12),
            ("heads", self.heads, 1, 16),
            ("sft_steps", self.sft_steps as usize, 1, 1_000_000),
            ("sft_batch", self.sft_batch, 1, 1024),
            ("held_out", self.held_out, 2, 100_000),
            ("test", self.test, 2, 100_000),
            ("test_candidates", self.test_candidates, 1, 10_000),
        ])?;
        if !self.width.is_multiple_of(2 * self.heads) {
            return Err(Error::parameter("width", self.width, format!("a multiple of 2 · heads = {}", 2 * self.heads)));
        }
        Error::check_positive(&[("sft_learning_rate", self.sft_learning_rate), ("gradient_clip", self.gradient_clip)])?;
        for set in DATA_SETS {
            let Some(own) = self.of(set) else { continue };
            let counts = [("pairs", own.pairs, 8, 100_000), ("candidates", own.candidates, 1, 10_000)];
            Error::check_counts(&counts).map_err(|e| e.within(set.name()))?;
            if !(0.0..1.0).contains(&own.noise) {
                return Err(Error::parameter("noise", own.noise, "in [0, 1)").within(set.name()));
            }
        }
        if self.web.is_some() && self.news.is_none() {
            return Err(Error::parameter("news", "absent", "given where web is: its model starts from the news model"));
        }
        self.loop_of(None, 1, above(&THRESHOLDS)).validate().map_err(|e| e.within("rest"))
    }

    /// Without the data sets that are not in use; the Web's model needs the news.
    pub(crate) fn only(self, sets: &[DataSet]) -> Self {
        let keep = |set: DataSet, own: Option<DataSetup>| own.filter(|_| sets.contains(&set));
        let news = self.news.filter(|_| sets.contains(&DataSet::News) || sets.contains(&DataSet::Web));
        Self { talks: keep(DataSet::Talks, self.talks), web: keep(DataSet::Web, self.web), news, ..self }
    }

    fn of(&self, set: DataSet) -> Option<DataSetup> {
        match set {
            DataSet::Talks => self.talks,
            DataSet::News => self.news,
            DataSet::Web => self.web,
        }
    }

    fn set(&self, set: DataSet) -> Result<DataSetup> {
        self.of(set).ok_or_else(|| Error::parameter(set.name(), "absent", "given: the experiment uses this data set"))
    }

    /// The loop with a data set's candidates and the original data mixed in.
    pub(crate) fn loop_of(&self, set: Option<DataSet>, grows: usize, improves: Vec<Keep>) -> RestParams {
        let LoopSetup { temperature, learning_rate, rate_decay, steps, evaluate_every, minibatch, held_out_candidates } =
            self.rest;
        let candidates = set.and_then(|s| self.of(s)).map_or(1, |s| s.candidates);
        RestParams {
            grows,
            candidates,
            temperature,
            mixture: true,
            improves,
            start: Start::Previous,
            loss: OfflineLoss::Bc,
            learning_rate,
            rate_decay,
            steps,
            evaluate_every,
            minibatch,
            held_out_candidates,
        }
    }

    /// The loop that most figures read: two Grow steps, four Improve steps behind each after the one on everything.
    pub(crate) fn standard(&self, set: DataSet) -> RestParams {
        self.loop_of(Some(set), 2, above(&THRESHOLDS))
    }

    fn config(&self) -> Config {
        let context = SOURCE_MAX + TARGET_MAX;
        let size = Size { vocab: vocab(), width: self.width, layers: self.layers, heads: self.heads, context };
        let scores = vec![ScoreHead { name: "value".into(), outputs: 1 }];
        Config { scores, ..Config::llama(size) }
    }

    /// A model with these weights and a fresh optimiser.
    ///
    /// # Errors
    /// Weights of another size.
    pub(crate) fn trainee(&self, params: &[f32]) -> Result<Trainee> {
        Trainee::new(&self.config(), params.to_vec(), self.gradient_clip)
    }

    /// How models translate, but for the temperature.
    pub(crate) fn sampling() -> Sampling {
        Sampling { end: EOS.into(), ..Sampling::plain(TARGET_MAX) }
    }

    /// The data of a set at this seed: the same in all experiments.
    ///
    /// # Errors
    /// A stage folder that cannot be used.
    pub(crate) fn data(&self, ctx: &Context, set: DataSet) -> Result<Arc<Data>> {
        let own = self.set(set)?;
        let key = (set, own.pairs, own.noise, self.held_out, self.test);
        ctx.common_stage(OWNER, "data", &key, |rng| {
            let pairs: Vec<Pair> = (0..own.pairs).map(|_| Pair::draw(set.domain(), Split::Train, rng)).collect();
            let mut held_out = different(set.domain(), self.held_out + self.test, rng)?;
            let test = held_out.split_off(self.held_out);
            let noisy = pairs.iter().map(|p| p.noisy(own.noise, rng)).collect();
            Ok(Data { pairs, noisy, held_out, test })
        })
    }

    /// The supervised model of a set ("BC", G = 0): trained on its noisy pairs; the Web model starts from the news model.
    ///
    /// # Errors
    /// Training that diverges; a stage folder that cannot be used.
    pub(crate) fn supervised(&self, ctx: &Context, set: DataSet) -> Result<Arc<Vec<f32>>> {
        let data = self.data(ctx, set)?;
        let start = if set == DataSet::Web { Some(self.supervised(ctx, DataSet::News)?) } else { None };
        ctx.common_stage(OWNER, "supervised", &self.model_key(set), |rng| {
            let mut trainee = match &start {
                Some(news) => self.trainee(news)?,
                None => self.trainee(&init(&self.config(), 0.02, rng)?)?,
            };
            let pairs = data.pairs.iter().zip(&data.noisy);
            let examples: Vec<Example> = pairs.map(|(p, y)| example(&p.source, y)).collect();
            // finetuning: an eighth of the steps, a quarter of the rate
            let (part, share) = if start.is_some() { (8, 0.25) } else { (1, 1.0) };
            let (steps, peak) = (self.sft_steps.div_ceil(part), share * self.sft_learning_rate);
            let schedule = Schedule { peak, warm_up: steps.div_ceil(20), steps, decay: Decay::Cosine };
            sft(&mut trainee, &examples, self.sft_batch, &schedule, rng)?;
            trainee.into_params()
        })
    }

    /// All that a set's supervised model depends on.
    fn model_key(&self, set: DataSet) -> impl Serialize + use<> {
        let data = |s: DataSet| (s, self.of(s).map(|own| (own.pairs, own.noise)), self.held_out, self.test);
        let sets = if set == DataSet::Web { vec![data(set), data(DataSet::News)] } else { vec![data(set)] };
        let model = (self.width, self.layers, self.heads, self.gradient_clip);
        (sets, model, self.sft_steps, self.sft_batch, self.sft_learning_rate)
    }

    /// A run of `ReST` from the supervised model: every policy that it left, the supervised one first.
    ///
    /// # Errors
    /// Training that diverges; a stage folder that cannot be used.
    pub(crate) fn run(&self, ctx: &Context, set: DataSet, pays: &Pays, settings: &RestParams) -> Result<Arc<Run>> {
        let (data, start) = (self.data(ctx, set)?, self.supervised(ctx, set)?);
        let rater = self.rater(ctx, set, pays)?;
        ctx.common_stage(OWNER, "run", &(self.model_key(set), pays, settings), |_| {
            // the same for all settings: runs that differ in one step are one run up to there
            let mut rng = Stream::named(&[OWNER, "run", set.name(), &ctx.seed().to_string()]);
            let mut trainee = self.trainee(&start)?;
            let original: Vec<(usize, Vec<u32>)> = data.noisy.iter().cloned().enumerate().collect();
            let mut task = Rating::new(&data, rater);
            let seen = Rc::clone(&task.seen);
            let mut run = Run { steps: Vec::new(), reports: Vec::new(), distinct: vec![distinct(&original)] };
            run.steps.push(Policy { grow: 0, improve: 0, params: start.to_vec() });
            rest(&mut trainee, &mut task, original, settings, &Self::sampling(), &mut rng, |report, trainee| {
                if let Report::Improved(i) = report {
                    run.steps.push(Policy { grow: i.grow, improve: i.improve, params: trainee.params()?.into_owned() });
                }
                if let Report::Grown(_) = report {
                    run.distinct.push(seen.borrow().len());
                }
                run.reports.push(*report);
                Ok(())
            })?;
            Ok(run)
        })
    }

    /// Every policy of a run with what it is worth on the test sources.
    ///
    /// # Errors
    /// As [`TranslationSetup::run`] and [`TranslationSetup::worth`].
    pub(crate) fn standings(
        &self,
        ctx: &Context,
        set: DataSet,
        pays: &Pays,
        settings: &RestParams,
    ) -> Result<Arc<Vec<Standing>>> {
        let run = self.run(ctx, set, pays, settings)?;
        let key = (self.model_key(set), pays, settings, self.test_candidates);
        ctx.common_stage(OWNER, "standings", &key, |_| {
            let stand = |policy: &Policy| {
                let worth = self.worth(ctx, set, pays, &policy.params)?;
                Ok(run.stand(policy, settings, worth))
            };
            run.policies().iter().map(stand).collect()
        })
    }

    /// Who pays: the truth, or a model that was trained on ratings.
    pub(crate) fn rater(&self, ctx: &Context, set: DataSet, pays: &Pays) -> Result<Rater> {
        Ok(match pays {
            Pays::Truth => Rater::Truth,
            Pays::Learned(settings) => {
                Rater::Learned(Box::new(self.trainee(&self.reward_model(ctx, set, settings)?)?), settings.repeats)
            }
        })
    }

    /// A reward model without references (the part of the paper's Metric X): the supervised model's body with a score head, trained to say
    /// the true reward of samples of the supervised model (temperature 1).
    ///
    /// # Errors
    /// Training that diverges; a stage folder that cannot be used.
    pub(crate) fn reward_model(&self, ctx: &Context, set: DataSet, settings: &RewardModel) -> Result<Arc<Vec<f32>>> {
        let (data, start) = (self.data(ctx, set)?, self.supervised(ctx, set)?);
        // the bug is in how it is read: with and without it is one model
        let key = (self.model_key(set), RewardModel { repeats: false, ..settings.clone() });
        ctx.common_stage(OWNER, "reward model", &key, |rng| {
            let mut trainee = self.trainee(&start)?;
            let sources: Vec<usize> = (0..settings.ratings).map(|i| i % data.pairs.len()).collect();
            let outputs = translate(&mut trainee, &data.pairs, &sources, 1.0, rng)?;
            let rated = |(i, y): (usize, Vec<u32>)| {
                let pair = &data.pairs[i];
                let example = example(&pair.source, &y);
                Rated { tokens: example.tokens, prompt: example.prompt, target: Judge::new(pair).reward(&y) }
            };
            let rated: Vec<Rated> = sources.into_iter().zip(outputs).map(rated).collect();
            let steps = settings.steps;
            let peak = settings.learning_rate;
            let schedule = Schedule { peak, warm_up: steps.div_ceil(20), steps, decay: Decay::Cosine };
            score_regression(&mut trainee, &rated, Place::Last, settings.minibatch, &schedule, rng)?;
            trainee.into_params()
        })
    }

    /// Samples of a policy on the test sources, `each` of every one in a row, at the loop's temperature.
    ///
    /// # Errors
    /// Logits that are not finite.
    pub(crate) fn samples(&self, params: &[f32], data: &Data, each: usize, rng: &mut Stream) -> Result<Vec<Vec<u32>>> {
        let drawn: Vec<usize> = (0..data.test.len()).flat_map(|i| std::iter::repeat_n(i, each)).collect();
        translate(&mut self.trainee(params)?, &data.test, &drawn, self.rest.temperature, rng)
    }

    /// What a policy is worth on the test sources: means over samples at the loop's temperature, the same random numbers for every policy.
    ///
    /// # Errors
    /// As [`TranslationSetup::samples`]; a reward model that cannot be had.
    pub(crate) fn worth(&self, ctx: &Context, set: DataSet, pays: &Pays, params: &[f32]) -> Result<Worth> {
        let data = self.data(ctx, set)?;
        let mut rng = Stream::named(&[OWNER, "test", set.name(), &ctx.seed().to_string()]);
        let outputs = self.samples(params, &data, self.test_candidates, &mut rng)?;
        let mut worth = Worth::default();
        let share = 1.0 / outputs.len() as f64;
        for (pair, outputs) in data.test.iter().zip(outputs.chunks(self.test_candidates)) {
            let judge = Judge::new(pair);
            for y in outputs {
                worth.reward += share * judge.reward(y);
                worth.bleu += share * judge.bleu(y);
                worth.exact += share * f64::from(u8::from(*y == pair.reference));
                worth.length += share * y.len() as f64;
                worth.repeats += share * said_before(y);
            }
        }
        let mut rater = self.rater(ctx, set, pays)?;
        let asked: Vec<(&Pair, &[u32])> =
            outputs.iter().enumerate().map(|(i, y)| (&data.test[i / self.test_candidates], y.as_slice())).collect();
        let paid = rater.rate(&asked)?;
        worth.paid = paid.iter().sum::<f64>() / paid.len() as f64;
        let each: Vec<usize> = (0..data.test.len()).collect();
        let greedy = translate(&mut self.trainee(params)?, &data.test, &each, 0.0, &mut rng)?;
        let rewards = data.test.iter().zip(&greedy).map(|(pair, y)| Judge::new(pair).reward(y));
        worth.greedy = rewards.sum::<f64>() / greedy.len() as f64;
        Ok(worth)
    }

    /// KL(policy‖supervised), nats per translation: mean of log π − log π₀ over the policy's own samples (temperature 1) on test sources.
    ///
    /// # Errors
    /// As [`TranslationSetup::samples`].
    pub(crate) fn kl(&self, ctx: &Context, set: DataSet, params: &[f32]) -> Result<f64> {
        let (data, start) = (self.data(ctx, set)?, self.supervised(ctx, set)?);
        let mut rng = Stream::named(&[OWNER, "kl", set.name(), &ctx.seed().to_string()]);
        let drawn: Vec<usize> =
            (0..data.test.len()).flat_map(|i| std::iter::repeat_n(i, self.test_candidates)).collect();
        let mut trainee = self.trainee(params)?;
        let outputs = translate(&mut trainee, &data.test, &drawn, 1.0, &mut rng)?;
        let examples: Vec<Example> =
            drawn.iter().zip(&outputs).map(|(i, y)| example(&data.test[*i].source, y)).collect();
        let mut other = self.trainee(&start)?;
        let mut sum = 0.0;
        for part in examples.chunks(256) {
            let (sequences, prompts): (Vec<&[u32]>, Vec<usize>) =
                part.iter().map(|e| (e.tokens.as_slice(), e.prompt)).unzip();
            let own = trainee.completion_log_probs(&sequences, &prompts)?;
            let reference = other.completion_log_probs(&sequences, &prompts)?;
            sum += own.iter().zip(reference).map(|(p, r)| p - r).sum::<f64>();
        }
        Ok(sum / examples.len() as f64)
    }
}

/// Names the stages and streams that all experiments share.
const OWNER: &str = "rest/translation";

/// A set at a seed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Data {
    /// Sources with their right translations.
    pub(crate) pairs: Vec<Pair>,
    /// What the supervised data have in their place.
    pub(crate) noisy: Vec<Vec<u32>>,
    /// For comparing checkpoints.
    pub(crate) held_out: Vec<Pair>,
    /// For reporting.
    pub(crate) test: Vec<Pair>,
}

/// Held-out pairs of which no two have the same source.
fn different(domain: Domain, count: usize, rng: &mut Stream) -> Result<Vec<Pair>> {
    let mut sources = HashSet::new();
    let drawn = std::iter::repeat_with(|| Pair::draw(domain, Split::Test, rng)).take(1000 + 100 * count);
    let pairs: Vec<Pair> = drawn.filter(|pair| sources.insert(pair.source.clone())).take(count).collect();
    if pairs.len() < count {
        let legal = format!("fewer: there are hardly more than {} different held-out sources", pairs.len());
        return Err(Error::parameter("held_out + test", count, legal));
    }
    Ok(pairs)
}

fn example(source: &[u32], output: &[u32]) -> Example {
    Example { tokens: [source, output].concat(), prompt: source.len() }
}

/// A translation of each of `drawn`, indices into `pairs`.
pub(crate) fn translate(
    trainee: &mut Trainee,
    pairs: &[Pair],
    drawn: &[usize],
    temperature: f64,
    rng: &mut Stream,
) -> Result<Vec<Vec<u32>>> {
    let sampling = Sampling { temperature, ..TranslationSetup::sampling() };
    let mut outputs = Vec::with_capacity(drawn.len());
    for part in drawn.chunks(1024) {
        let prompts: Vec<&[u32]> = part.iter().map(|&i| pairs[i].source.as_slice()).collect();
        let mut streams: Vec<Stream> = part.iter().map(|_| rng.split()).collect();
        let samples = trainee.sample(&prompts, &sampling, &mut streams)?;
        outputs.extend(samples.into_iter().map(|s| s.tokens));
    }
    Ok(outputs)
}
