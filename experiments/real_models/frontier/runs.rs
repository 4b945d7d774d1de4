//! The runs: training on pairs, RLOO, best-of-N, and what their checkpoints give on held-out prompts.

use super::{Method, Params, Questions, Row};
use crate::real_models::asked::Question;
use crate::real_models::subject::sampling;
use rewardlab::algorithm::{
    Frozen, PolicyGradient, PreferenceLoss, PreferenceTuning, TokenPair, Trainee, reward_modelling,
};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::Context;
use rewardlab::lm::{Batch, Decay, LanguageModel, Sample, Sampling, Schedule, ScoreHead};
use rewardlab::preference::{Labeller, pairs_of_group};
use rewardlab::rng::Stream;
use rewardlab::stats::{mean, std_dev};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Sequences that go through the model side by side.
const TOGETHER: usize = 128;

/// One run's surroundings.
pub(super) struct Runs<'a> {
    p: &'a Params,
    ctx: &'a Context<'a>,
    /// The reference.
    model: LanguageModel,
    asked: Questions,
    sampling: Sampling,
}

/// The completions of each training prompt, and what they are paid.
type Groups = Vec<Vec<(Vec<u32>, f64)>>;

/// What a learned reward is made of.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Learned {
    /// What was trained.
    values: Vec<f32>,
    /// Share of held-out pairs ranked as labelled.
    accuracy: f64,
    /// Mean and std of its scores of the pairs' completions.
    mean: f64,
    std: f64,
}

/// A learned reward, standardised on the pairs' completions: a Bradley–Terry score has no scale of its own.
struct LearnedReward {
    model: Trainee,
    learned: Arc<Learned>,
}

impl LearnedReward {
    fn reward(&mut self, prompt: &[u32], completion: &[u32]) -> Result<f64> {
        let score = self.model.scores(&[[prompt, completion].concat()])?[0];
        Ok((score - self.learned.mean) / self.learned.std)
    }
}

impl<'a> Runs<'a> {
    /// Makes the reference (a stage).
    pub(super) fn new(p: &'a Params, mut model: LanguageModel, asked: Questions, ctx: &'a Context<'a>) -> Result<Self> {
        let sampling = sampling(&model, p.task.length)?;
        if let Some(sft) = &p.sft {
            let key = (&p.subject, &p.task, sft, p.prompts);
            let values = ctx.stage("reference", &key, |rng| {
                let mut trainee = p.subject.trainee(&model, rng)?;
                sft.run(&mut trainee, &asked.train, rng)?;
                trainee.into_params()
            })?;
            model.params.clone_from(&values);
        }
        Ok(Self { p, ctx, model, asked, sampling })
    }

    pub(super) fn run(mut self, method: Method) -> Result<Vec<Row>> {
        match method {
            Method::Dpo { beta } | Method::DpoCoins { beta } => self.on_pairs(method, PreferenceLoss::Dpo { beta }),
            Method::Unlikelihood { alpha } => self.on_pairs(method, PreferenceLoss::Unlikelihood { alpha }),
            Method::Preferred => self.on_pairs(method, PreferenceLoss::Preferred),
            Method::Rloo { kl } | Method::RlooTrue { kl } => self.online(method, kl),
            Method::BestOf => self.best_of(),
        }
    }

    fn trainee(&self) -> Result<Trainee> {
        self.p.subject.trainee(&self.model, &mut self.ctx.shared_stream("adapters"))
    }

    fn key(&self) -> impl Serialize + use<'_> {
        let p = self.p;
        (&p.subject, &p.task, &p.sft, (p.prompts, p.completions))
    }

    /// The reference's completions of the training prompts (a stage).
    fn groups(&mut self) -> Result<Arc<Groups>> {
        let (p, ctx) = (self.p, self.ctx);
        let mut trainee = self.trainee()?;
        let Questions { train, pay, .. } = &mut self.asked;
        let (train, sampling): (&[Question], _) = (train, self.sampling);
        let key = (&p.subject, &p.task, &p.sft, (p.prompts, p.completions));
        ctx.stage("completions", &key, |rng| {
            let mut groups = Vec::with_capacity(train.len());
            for some in train.chunks((TOGETHER / p.completions).max(1)) {
                let samples = draw(&mut trainee, some, p.completions, &sampling, rng)?;
                for (question, samples) in some.iter().zip(samples.chunks(p.completions)) {
                    let paid = |s: &Sample| Ok((s.tokens.clone(), pay.try_reward(question, &s.tokens)?));
                    groups.push(samples.iter().map(paid).collect::<Result<Vec<_>>>()?);
                }
            }
            Ok(groups)
        })
    }

    /// All pairs of each prompt's completions, the better one chosen; or, for a control, the one that a coin chooses.
    fn pairs(&mut self, coins: bool) -> Result<Vec<TokenPair>> {
        let groups = self.groups()?;
        let mut rng = self.ctx.shared_stream("labels");
        let labeller = if coins { Labeller::Flipped { probability: 0.5 } } else { Labeller::Deterministic };
        let mut pairs = Vec::new();
        for (question, group) in self.asked.train.iter().zip(groups.iter()) {
            let rewards: Vec<f64> = group.iter().map(|(_, r)| *r).collect();
            for (chosen, rejected) in pairs_of_group(&rewards, labeller, |i, j| group[i].0 == group[j].0, &mut rng) {
                let [chosen, rejected] = [chosen, rejected].map(|i| group[i].0.clone());
                pairs.push(TokenPair { prompt: question.prompt.clone(), chosen, rejected });
            }
        }
        Ok(pairs)
    }

    /// The reference with a score head, trained on the pairs (a stage).
    fn learned_reward(&mut self) -> Result<LearnedReward> {
        let (pairs, groups) = (self.pairs(false)?, self.groups()?);
        let head = ScoreHead { name: "reward".into(), outputs: 1 };
        let scored = self.model.clone().with_heads(&[head])?;
        let (p, ctx) = (self.p, self.ctx);
        let mut trainee = p.subject.trainee(&scored, &mut ctx.shared_stream("adapters of the reward"))?;
        let learned = ctx.stage("reward model", &(self.key(), p.reward_model), |rng| {
            let accuracy = reward_modelling(&mut trainee, &pairs, &p.reward_model, rng)?;
            let mut scores = Vec::new();
            for (question, group) in self.asked.train.iter().zip(groups.iter()) {
                let texts: Vec<Vec<u32>> = group.iter().map(|(c, _)| [&question.prompt[..], c].concat()).collect();
                scores.extend(trainee.scores(&texts)?);
            }
            let (mean, std) = (mean(&scores), std_dev(&scores));
            Error::check_positive(&[("std of the learned reward", std)])?;
            Ok(Learned { values: trainee.trained()?.into_owned(), accuracy, mean, std })
        })?;
        trainee.put(&learned.values)?;
        Ok(LearnedReward { model: trainee, learned })
    }

    fn on_pairs(&mut self, method: Method, loss: PreferenceLoss) -> Result<Vec<Row>> {
        let pairs = self.pairs(matches!(method, Method::DpoCoins { .. }))?;
        let dpo = matches!(method, Method::Dpo { .. } | Method::DpoCoins { .. });
        let how = &self.p.pair_training;
        let peak = if dpo { self.p.dpo_learning_rate } else { how.learning_rate };
        let mut trainee = self.trainee()?;
        let reference = trainee.freeze()?;
        let schedule = Schedule { peak, warm_up: how.steps.div_ceil(10), steps: how.steps, decay: Decay::Constant };
        let order = self.ctx.stream("order");
        let mut run = PreferenceTuning::new(&mut trainee, &pairs, loss, &schedule, how.batch, order)?;
        let mut rows = Vec::new();
        for step in 1..=how.steps {
            run.step(&mut trainee, &pairs)?;
            if self.is_checkpoint(step as usize, how.steps as usize) {
                rows.push(self.checkpoint(method, step as f64 / how.steps as f64, &mut trainee, &reference)?);
            }
        }
        Ok(rows)
    }

    fn online(&mut self, method: Method, kl: f64) -> Result<Vec<Row>> {
        let mut learned = match method {
            Method::Rloo { .. } => Some(self.learned_reward()?),
            _ => None,
        };
        let settings = self.p.rft(kl).settings();
        let mut trainee = self.trainee()?;
        let reference = trainee.freeze()?;
        let prompts: Vec<Vec<u32>> = self.asked.train.iter().map(|q| q.prompt.clone()).collect();
        let mut run = PolicyGradient::new(&trainee, &settings, self.ctx.stream("rounds"))?;
        let mut rows = Vec::new();
        for round in 1..=settings.iterations {
            let Questions { train, pay, .. } = &mut self.asked;
            let paid = |i: usize, completion: &[u32]| match &mut learned {
                // what cannot be scored is not finite, which the loop refuses
                Some(learned) => learned.reward(&train[i].prompt, completion).unwrap_or(f64::NAN),
                None => pay.reward(&train[i], completion),
            };
            run.round(&mut trainee, &prompts, &self.sampling, paid).map_err(|e| self.asked.pay.explain(e))?;
            if self.is_checkpoint(round, settings.iterations) {
                let share = round as f64 / settings.iterations as f64;
                let row = self.checkpoint(method, share, &mut trainee, &reference)?;
                rows.push(Row { accuracy: learned.as_ref().map(|l| l.learned.accuracy), ..row });
            }
        }
        Ok(rows)
    }

    /// Whether a checkpoint is due: so many, evenly, the last at the end.
    fn is_checkpoint(&self, at: usize, of: usize) -> bool {
        let count = self.p.checkpoints.min(of);
        at * count / of > (at - 1) * count / of
    }

    fn checkpoint(&mut self, method: Method, share: f64, trainee: &mut Trainee, reference: &Frozen) -> Result<Row> {
        let mut rng = self.ctx.stream(&format!("checkpoint at {share}"));
        let (name, setting) = method.name();
        let p = self.p;
        let Questions { held_out, pay, .. } = &mut self.asked;
        let (mut kl, mut rewards, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
        for some in held_out.chunks((TOGETHER / p.samples).max(1)) {
            let samples = draw(trainee, some, p.samples, &self.sampling, &mut rng)?;
            let of_sample = || some.iter().flat_map(|q| std::iter::repeat_n(q, p.samples)).zip(&samples);
            let sequences: Vec<Vec<u32>> = of_sample().map(|(q, s)| [&q.prompt[..], &s.tokens].concat()).collect();
            let batch = Batch::new(&sequences);
            let choices = batch.completions(&of_sample().map(|(q, _)| q.prompt.len()).collect::<Vec<_>>())?;
            let mut under = trainee.score(reference, &batch, &choices)?.into_iter();
            for (question, sample) in of_sample() {
                let of_reference: f64 = under.by_ref().take(sample.tokens.len()).sum();
                kl.push(sample.log_probs.iter().sum::<f64>() - of_reference);
                rewards.push(pay.try_reward(question, &sample.tokens)?);
                lengths.push(sample.tokens.len() as f64);
            }
        }
        Error::check_finite("KL of a checkpoint", &kl)?;
        let (kl, reward, length) = (mean(&kl), mean(&rewards), mean(&lengths));
        Ok(Row { method: name.into(), setting, share, kl, reward, length, accuracy: None, most_kl: p.most_kl })
    }

    /// Of `most` samples of each held-out prompt, in groups of N, the best by the learned and by the true reward.
    fn best_of(&mut self) -> Result<Vec<Row>> {
        let mut learned = self.learned_reward()?;
        let accuracy = learned.learned.accuracy;
        let mut trainee = self.trainee()?;
        let most = self.p.best_of.iter().copied().max().unwrap_or(1).max(self.p.samples.next_power_of_two());
        let mut rng = self.ctx.stream("samples");
        let mut pool: Vec<[f64; 3]> = Vec::new();
        let Questions { held_out, pay, .. } = &mut self.asked;
        for some in held_out.chunks((TOGETHER / most).max(1)) {
            let samples = draw(&mut trainee, some, most, &self.sampling, &mut rng)?;
            for (question, sample) in some.iter().flat_map(|q| std::iter::repeat_n(q, most)).zip(&samples) {
                let score = learned.reward(&question.prompt, &sample.tokens)?;
                pool.push([score, pay.try_reward(question, &sample.tokens)?, sample.tokens.len() as f64]);
            }
        }
        let row = |method: &str, n: usize, by: usize| {
            let best =
                |group: &[[f64; 3]]| *group.iter().max_by(|a, b| a[by].total_cmp(&b[by])).unwrap_or(&[f64::NAN; 3]);
            let best: Vec<[f64; 3]> = pool.chunks(n).map(best).collect();
            let column = |i: usize| mean(&best.iter().map(|b| b[i]).collect::<Vec<_>>());
            let size = n as f64;
            Row {
                method: method.into(),
                setting: size,
                share: 1.0,
                kl: size.ln() - (size - 1.0) / size,
                reward: column(1),
                length: column(2),
                accuracy: Some(accuracy),
                most_kl: self.p.most_kl,
            }
        };
        let mut rows = vec![Row { setting: 0.0, ..row("reference", 1, 1) }];
        rows.extend(self.p.best_of.iter().map(|n| row("best_of", *n, 0)));
        rows.extend(self.p.best_of.iter().map(|n| row("best_of_true", *n, 1)));
        Ok(rows)
    }
}

/// `each` samples of every question, question by question.
fn draw(
    trainee: &mut Trainee,
    questions: &[Question],
    each: usize,
    sampling: &Sampling,
    rng: &mut Stream,
) -> Result<Vec<Sample>> {
    let prompts: Vec<&[u32]> = questions.iter().flat_map(|q| std::iter::repeat_n(q.prompt.as_slice(), each)).collect();
    let mut streams: Vec<Stream> = prompts.iter().map(|_| rng.split()).collect();
    trainee.sample(&prompts, sampling, &mut streams)
}
