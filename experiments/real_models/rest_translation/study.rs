//! One seed: the supervised model, what pays, the loop, and what its policies are worth.

use super::corpus::{Parallel, Sentence};
use super::{Cell, Params, Row};
use rewardlab::algorithm::{Example, Half, Keep, Place, Rated, Report, Task, Trainee, rest, score_regression};
use rewardlab::error::Result;
use rewardlab::exact::best_of_n_choice;
use rewardlab::experiment::Context;
use rewardlab::lm::{Config, Decay, LanguageModel, Sampling, Schedule, ScoreHead, Size};
use rewardlab::rng::Stream;
use rewardlab::stats::{mean, pearson};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Sequences that go through the engine together.
const TOGETHER: usize = 512;

pub(super) struct Study<'a> {
    p: &'a Params,
    ctx: &'a Context<'a>,
    text: Parallel,
    config: Config,
}

/// The reward model.
#[derive(Debug, Serialize, Deserialize)]
struct Learned {
    params: Vec<f32>,
    /// Scores of the rated samples, ascending.
    scale: Vec<f64>,
}

/// A policy that a run left.
struct Policy {
    row: Row,
    params: Vec<f32>,
}

/// Samples of a policy, so many of each test source in a row.
struct Pool {
    each: usize,
    rewards: Vec<f64>,
    gold: Vec<f64>,
    bleu: Vec<f64>,
    lengths: Vec<f64>,
}

impl<'a> Study<'a> {
    pub(super) fn new(p: &'a Params, ctx: &'a Context<'a>) -> Result<Self> {
        let text = p.corpus.open(p, ctx)?;
        let made = &p.subject.made;
        let size = Size {
            vocab: text.tokenizer.vocab(),
            width: made.width,
            layers: made.layers,
            heads: made.heads,
            context: text.lengths.iter().sum(),
        };
        let scores = vec![ScoreHead { name: "reward".into(), outputs: 1 }];
        Ok(Self { p, ctx, text, config: Config { scores, ..Config::llama(size) } })
    }

    pub(super) fn rows(&self, cell: Cell) -> Result<Vec<Row>> {
        let mut payer = Payer { study: self, learned: self.reward_model()?, model: None };
        let mut rows = Vec::new();
        let policies = self.policies(cell, &mut payer)?;
        let last = |grow: usize| policies.iter().rposition(|policy| policy.row.grow == grow);
        for (i, policy) in policies.iter().enumerate() {
            rows.push(self.worth(policy, &mut payer)?);
            if cell == Cell::Rest && last(policy.row.grow) == Some(i) {
                rows.extend(self.best_of(policy, &mut payer)?);
            }
        }
        Ok(rows)
    }

    /// A model with these weights and a fresh optimiser.
    fn trainee(&self, params: &[f32]) -> Result<Trainee> {
        let model = LanguageModel {
            config: self.config.clone(),
            params: params.to_vec(),
            tokenizer: self.text.tokenizer.clone(),
            chat_template: None,
        };
        self.p.subject.trainee(&model, &mut self.ctx.shared_stream("adapters"))
    }

    /// All that the supervised model depends on.
    fn key(&self) -> impl Serialize {
        (&self.p.corpus, self.p.pairs, &self.p.subject)
    }

    /// The supervised model ("BC", G = 0).
    fn supervised(&self) -> Result<Arc<Vec<f32>>> {
        self.ctx.stage("supervised", &self.key(), |rng| {
            let train = &self.text.train;
            let draw = |rng: &mut Stream| {
                let sentence = &train[rng.below(train.len())];
                example(sentence, &sentence.target)
            };
            self.p.subject.pretrain(&self.config, draw, rng)
        })
    }

    /// The supervised model's body with a score head that says the chrF of samples of it.
    fn reward_model(&self) -> Result<Arc<Learned>> {
        let start = self.supervised()?;
        let settings = &self.p.reward;
        self.ctx.stage("reward model", &(self.key(), settings), |rng| {
            let mut trainee = self.trainee(&start)?;
            let train = &self.text.train;
            let drawn: Vec<usize> = (0..settings.ratings).map(|i| i % train.len()).collect();
            let outputs = self.translate(&mut trainee, train, &drawn, 1.0, rng)?;
            let sentences: Vec<Sentence> = drawn.iter().map(|&i| train[i].clone()).collect();
            let gold = self.text.gold(&sentences, &outputs, 1)?;
            let rated = |((sentence, output), gold): ((&Sentence, &Vec<u32>), _)| {
                let Example { tokens, prompt } = example(sentence, output);
                let gold: super::corpus::Gold = gold;
                Rated { tokens, prompt, target: gold.chrf }
            };
            let rated: Vec<Rated> = sentences.iter().zip(&outputs).zip(gold).map(rated).collect();
            let (peak, steps) = (settings.learning_rate, settings.steps);
            let schedule = Schedule { peak, warm_up: steps.div_ceil(20), steps, decay: Decay::Cosine };
            score_regression(&mut trainee, &rated, Place::Last, settings.minibatch, &schedule, rng)?;
            let mut scale = scores(&mut trainee, rated.into_iter().map(|r| r.tokens).collect())?;
            scale.sort_by(f64::total_cmp);
            Ok(Learned { params: trainee.into_params()?, scale })
        })
    }

    /// Every policy that the run of a cell leaves; of the loop also the one that it starts from.
    fn policies(&self, cell: Cell, payer: &mut Payer) -> Result<Vec<Policy>> {
        let start = self.supervised()?;
        let settings = cell.settings(&self.p.rest);
        let mut policies = Vec::new();
        if cell == Cell::Rest {
            policies.push(Policy { row: Row::default(), params: start.to_vec() });
        }
        let sources = [&self.text.train, &self.text.held_out].map(|s| s.iter().map(|s| s.source.clone()).collect());
        let mut task = Rating { sources, payer };
        let original = self.text.train.iter().map(|s| s.target.clone()).enumerate().collect();
        let mut trainee = self.trainee(&start)?;
        // the same in all cells, so that they have the first Grow in common
        let mut rng = self.ctx.shared_stream("run");
        let sampling = self.sampling(settings.temperature);
        let mut samples = 0;
        rest(&mut trainee, &mut task, original, &settings, &sampling, &mut rng, |report, trainee| {
            let (grow, improve, kept) = match report {
                Report::Grown(grown) => {
                    samples = grown.samples;
                    return Ok(());
                }
                Report::Improved(i) => (i.grow, i.improve, i.kept),
                Report::Exhausted(e) => (e.grow, e.improve, 0),
            };
            let threshold = match settings.improves[improve] {
                Keep::Above { threshold } | Keep::AsManyAsAbove { threshold } => Some(threshold),
                _ => None,
            };
            let kept = Some(kept as f64 / samples as f64);
            let row = Row { grow, improve, threshold, kept, ..Row::default() };
            policies.push(Policy { row, params: trainee.params()?.into_owned() });
            Ok(())
        })?;
        Ok(policies)
    }

    fn sampling(&self, temperature: f64) -> Sampling {
        Sampling { temperature, end: self.text.end.into(), ..Sampling::plain(self.text.lengths[1]) }
    }

    /// A translation of each of `drawn`, indices into `sentences`.
    fn translate(
        &self,
        trainee: &mut Trainee,
        sentences: &[Sentence],
        drawn: &[usize],
        temperature: f64,
        rng: &mut Stream,
    ) -> Result<Vec<Vec<u32>>> {
        let mut outputs = Vec::with_capacity(drawn.len());
        for part in drawn.chunks(TOGETHER) {
            let prompts: Vec<&[u32]> = part.iter().map(|&i| sentences[i].source.as_slice()).collect();
            let mut streams: Vec<Stream> = part.iter().map(|_| rng.split()).collect();
            let samples = trainee.sample(&prompts, &self.sampling(temperature), &mut streams)?;
            outputs.extend(samples.into_iter().map(|s| s.tokens));
        }
        Ok(outputs)
    }

    /// `each` samples of a policy on every test source at the loop's temperature, the same random numbers for every policy.
    fn pool(&self, trainee: &mut Trainee, each: usize, payer: &mut Payer) -> Result<Pool> {
        let test = &self.text.test;
        let drawn: Vec<usize> = (0..test.len()).flat_map(|i| std::iter::repeat_n(i, each)).collect();
        let mut rng = self.ctx.shared_stream(&format!("test {each}"));
        let outputs = self.translate(trainee, test, &drawn, self.p.rest.temperature, &mut rng)?;
        let gold = self.text.gold(test, &outputs, each)?;
        let asked = drawn.iter().zip(&outputs).map(|(&i, y)| [test[i].source.as_slice(), y].concat()).collect();
        Ok(Pool {
            each,
            rewards: payer.rewards(asked)?,
            gold: gold.iter().map(|g| g.chrf).collect(),
            bleu: gold.iter().map(|g| g.bleu).collect(),
            lengths: outputs.iter().map(|y| y.len() as f64).collect(),
        })
    }

    fn worth(&self, policy: &Policy, payer: &mut Payer) -> Result<Row> {
        let mut trainee = self.trainee(&policy.params)?;
        let pool = self.pool(&mut trainee, self.p.test_candidates, payer)?;
        let (test, each): (_, Vec<usize>) = (&self.text.test, (0..self.text.test.len()).collect());
        let greedy = self.translate(&mut trainee, test, &each, 0.0, &mut self.ctx.shared_stream("greedy"))?;
        let greedy: Vec<f64> = self.text.gold(test, &greedy, 1)?.iter().map(|g| g.chrf).collect();
        let correlation = pearson(&pool.rewards, &pool.gold);
        Ok(Row {
            n: 1,
            reward: mean(&pool.rewards),
            gold: mean(&pool.gold),
            greedy: Some(mean(&greedy)),
            bleu: Some(mean(&pool.bleu)),
            length: Some(mean(&pool.lengths)),
            correlation: Some(correlation).filter(|c| c.is_finite()),
            ..policy.row.clone()
        })
    }

    /// The best of N by what is paid: exact means over all draws of N from a pool.
    fn best_of(&self, policy: &Policy, payer: &mut Payer) -> Result<Vec<Row>> {
        let draws = &self.p.best_of;
        let most = draws.last().copied().unwrap_or(1) as usize;
        let pool = self.pool(&mut self.trainee(&policy.params)?, most, payer)?;
        let chosen = |pays: &[f64]| {
            let of_source = |(scores, pays): (&[f64], &[f64])| best_of_n_choice(scores, pays, draws);
            let all: Vec<Vec<f64>> =
                pool.rewards.chunks(pool.each).zip(pays.chunks(pool.each)).map(of_source).collect();
            (0..draws.len()).map(|k| mean(&all.iter().map(|own| own[k]).collect::<Vec<_>>())).collect::<Vec<f64>>()
        };
        let (rewards, gold) = (chosen(&pool.rewards), chosen(&pool.gold));
        let row = |(k, &n): (usize, &u32)| Row { n, reward: rewards[k], gold: gold[k], ..policy.row.clone() };
        // one sample is what the policy's own row says
        Ok(draws.iter().enumerate().filter(|(_, n)| **n > 1).map(row).collect())
    }
}

fn example(sentence: &Sentence, output: &[u32]) -> Example {
    Example { tokens: [sentence.source.as_slice(), output].concat(), prompt: sentence.source.len() }
}

/// What a score head says of whole sequences.
fn scores(trainee: &mut Trainee, sequences: Vec<Vec<u32>>) -> Result<Vec<f64>> {
    let mut all = Vec::with_capacity(sequences.len());
    for part in sequences.chunks(TOGETHER) {
        all.extend(trainee.scores(part)?);
    }
    Ok(all)
}

/// Who pays.
struct Payer<'a> {
    study: &'a Study<'a>,
    learned: Arc<Learned>,
    /// Made when it is first asked.
    model: Option<Trainee>,
}

impl Payer<'_> {
    /// The share of the rated samples with a lower score than each of these.
    fn rewards(&mut self, sequences: Vec<Vec<u32>>) -> Result<Vec<f64>> {
        let model = match &mut self.model {
            Some(model) => model,
            none => none.insert(self.study.trainee(&self.learned.params)?),
        };
        let scale = &self.learned.scale;
        let rank = |score: f64| scale.partition_point(|s| *s < score) as f64 / scale.len() as f64;
        Ok(scores(model, sequences)?.into_iter().map(rank).collect())
    }
}

/// The loop's task.
struct Rating<'a, 'b> {
    sources: [Vec<Vec<u32>>; 2],
    payer: &'a mut Payer<'b>,
}

impl Task for Rating<'_, '_> {
    fn sources(&self) -> &[Vec<u32>] {
        &self.sources[0]
    }
    fn held_out(&self) -> &[Vec<u32>] {
        &self.sources[1]
    }
    fn rewards(&mut self, half: Half, outputs: &[(usize, &[u32])]) -> Result<Vec<f64>> {
        let sources = &self.sources[usize::from(half == Half::HeldOut)];
        self.payer.rewards(outputs.iter().map(|(i, y)| [sources[*i].as_slice(), y].concat()).collect())
    }
}
