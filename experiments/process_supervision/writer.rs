//! The generator that is a transformer: it learns to write from a noisy author's solutions, half of them in another
//! format, and is then finetuned on right-format samples of its own whose answer is right, as in the paper: for the
//! format, and for nothing else. Verifiers are logistic models on the features of its steps, what the author believes
//! among them: as transformers of the writer's size, from its weights, they hardly learned to check a step in pilots
//! (30 000 labelled solutions, 4000 steps: no better than the share of right steps).

use super::labelled::{Labelled, Sight};
use super::models::{Form, Model, PRECISION, Teaching, learn};
use rewardlab::algorithm::{Example, Trainee, sft};
use rewardlab::env::Split;
use rewardlab::env::arithmetic::{
    EOS, Features, Generator, Mix, Problem, Rates, STEP_END, Solution, longest_prompt, longest_solution, parse, vocab,
    written,
};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::Context;
use rewardlab::lm::{Config, Decay, Sampling, Schedule, Size, init};
use rewardlab::rng::Stream;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Steps of training with a cosine schedule.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Training {
    /// 1 to 1 000 000.
    pub(crate) steps: u64,
    /// Sequences per step; 1 to 1024.
    pub(crate) minibatch: usize,
    /// Peak learning rate; positive.
    pub(crate) learning_rate: f64,
}

impl Training {
    pub(crate) fn validate(&self) -> Result<()> {
        Error::check_counts(&[("steps", self.steps as usize, 1, 1_000_000), ("minibatch", self.minibatch, 1, 1024)])?;
        Error::check_positive(&[("learning_rate", self.learning_rate)])
    }

    pub(crate) fn schedule(&self) -> Schedule {
        let Self { steps, learning_rate, .. } = *self;
        Schedule { peak: learning_rate, warm_up: steps.div_ceil(20), steps, decay: Decay::Cosine }
    }
}

/// World, model and budgets.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WriterSetup {
    /// Problems.
    pub(crate) mix: Mix,
    /// What the author gets wrong.
    pub(crate) rates: Rates,
    /// His solutions; 8 to 1 000 000.
    pub(crate) corpus: usize,
    /// Share of them in the other format, without manners and ends of steps; in [0, 1].
    pub(crate) loose: f64,
    /// Width of the residual stream, a multiple of 2 · `heads`; 8 to 512.
    pub(crate) width: usize,
    /// Transformer blocks; 1 to 12.
    pub(crate) layers: usize,
    /// Attention heads; 1 to 16.
    pub(crate) heads: usize,
    /// On the author's solutions.
    pub(crate) base: Training,
    /// Problems of the format's samples; 8 to 100 000.
    pub(crate) format_problems: usize,
    /// Samples of each; 1 to 10 000.
    pub(crate) format_candidates: usize,
    /// On those that are right in format and answer.
    pub(crate) format: Training,
    /// Problems of the verifiers' samples; 8 to 100 000.
    pub(crate) verifier_problems: usize,
    /// Samples of each; 1 to 10 000.
    pub(crate) verifier_candidates: usize,
    /// 1/σ² of the Gaussian prior of the verifiers' weights; at least 0.
    pub(crate) precision: f64,
}

impl WriterSetup {
    /// Sizes ours, chosen on seeds 100 and 101 so that the writer has learned its author and a verifier has not seen everything. The moduli
    /// have divisors of zero, so that a wrong step may be forgotten: false positives.
    pub(crate) fn paper() -> Self {
        let rates = Rates {
            slip: [0.06, 0.08, 0.12, 0.12],
            misconceived: [0.2, 0.25, 0.4, 0.4],
            by_modulus: 0.0,
            restating: 0.05,
            slack: 2,
            ..Rates::default()
        };
        Self {
            mix: Mix { lengths: (3, 5), moduli: vec![8, 9], operators: [1.0, 1.0, 2.0, 0.0] },
            rates,
            corpus: 20_000,
            loose: 0.5,
            width: 64,
            layers: 2,
            heads: 4,
            base: Training { steps: 4000, minibatch: 32, learning_rate: 2e-3 },
            format_problems: 500,
            format_candidates: 4,
            format: Training { steps: 60, minibatch: 32, learning_rate: 5e-4 },
            verifier_problems: 300,
            verifier_candidates: 4,
            precision: PRECISION,
        }
    }

    /// Seconds instead of minutes.
    pub(crate) fn smoke() -> Self {
        let paper = Self::paper();
        let fewer = |training: Training, steps| Training { steps, minibatch: 16, ..training };
        Self {
            mix: Mix { lengths: (2, 3), moduli: vec![4], ..paper.mix },
            corpus: 400,
            width: 32,
            layers: 1,
            heads: 2,
            base: Training { learning_rate: 5e-3, ..fewer(paper.base, 1000) },
            format_problems: 20,
            format: fewer(paper.format, 10),
            verifier_problems: 30,
            verifier_candidates: 4,
            ..paper
        }
    }

    /// # Errors
    /// The first parameter outside its legal range.
    pub(crate) fn validate(&self) -> Result<()> {
        self.mix.validate().map_err(|e| e.within("mix"))?;
        self.rates.validate().map_err(|e| e.within("rates"))?;
        Error::check_counts(&[
            ("corpus", self.corpus, 8, 1_000_000),
            ("width", self.width, 8, 512),
            ("layers", self.layers, 1, 12),
            ("heads", self.heads, 1, 16),
            ("format_problems", self.format_problems, 8, 100_000),
            ("format_candidates", self.format_candidates, 1, 10_000),
            ("verifier_problems", self.verifier_problems, 8, 100_000),
            ("verifier_candidates", self.verifier_candidates, 1, 10_000),
        ])?;
        if !self.width.is_multiple_of(2 * self.heads) {
            return Err(Error::parameter("width", self.width, format!("a multiple of 2 · heads = {}", 2 * self.heads)));
        }
        if !(0.0..=1.0).contains(&self.loose) {
            return Err(Error::parameter("loose", self.loose, "in [0, 1]"));
        }
        Error::check_not_negative(&[("precision", self.precision)])?;
        let trainings = [("base", self.base), ("format", self.format)];
        trainings.into_iter().try_for_each(|(name, training)| training.validate().map_err(|e| e.within(name)))
    }

    fn most_steps(&self) -> usize {
        self.mix.lengths.1 + self.rates.slack
    }

    fn config(&self) -> Config {
        let context = longest_prompt(self.mix.lengths.1) + longest_solution(self.most_steps());
        Config::llama(Size { vocab: vocab(), width: self.width, layers: self.layers, heads: self.heads, context })
    }

    /// A model with these weights and a fresh optimiser.
    ///
    /// # Errors
    /// Weights of another size.
    pub(crate) fn trainee(&self, params: &[f32]) -> Result<Trainee> {
        Trainee::new(&self.config(), params.to_vec(), 1.0)
    }

    /// Training problems under a name: the same for all cells of a seed.
    pub(crate) fn problems(&self, ctx: &Context, name: &str, count: usize, split: Split) -> Vec<Problem> {
        let mut rng = ctx.shared_stream(&format!("{name} problems"));
        (0..count).map(|_| self.mix.draw(split, &mut rng)).collect()
    }

    /// Who the writer learns from.
    ///
    /// # Errors
    /// A stage folder that cannot be used.
    fn author(&self, ctx: &Context) -> Result<Arc<Generator>> {
        ctx.stage("author", &(&self.mix, &self.rates), |rng| Generator::draw(&self.rates, &self.mix.moduli, rng))
    }

    /// The model that has read the author's solutions, in two formats.
    ///
    /// # Errors
    /// Training that diverges.
    pub(crate) fn base(&self, ctx: &Context) -> Result<Arc<Vec<f32>>> {
        let author = self.author(ctx)?;
        let problems = self.problems(ctx, "corpus", self.corpus, Split::Train);
        let key = (&self.mix, &self.rates, self.corpus, self.loose, self.width, self.layers, self.heads, self.base);
        ctx.stage("base", &key, |rng| {
            let read = |problem: &Problem| {
                let tokens = written(&author.sample(problem, rng));
                let loose = rng.uniform() < self.loose;
                example(problem, if loose { without_form(&tokens) } else { tokens })
            };
            let examples: Vec<Example> = problems.iter().map(read).collect();
            let mut trainee = self.trainee(&init(&self.config(), 0.02, rng)?)?;
            sft(&mut trainee, &examples, self.base.minibatch, &self.base.schedule(), rng)?;
            trainee.into_params()
        })
    }

    /// The model after the format finetuning.
    ///
    /// # Errors
    /// Training that diverges; no sample in the right format with a right answer.
    pub(crate) fn writer(&self, ctx: &Context) -> Result<Arc<Vec<f32>>> {
        let base = self.base(ctx)?;
        let problems = self.problems(ctx, "format", self.format_problems, Split::Train);
        ctx.stage("writer", self, |rng| {
            let mut trainee = self.trainee(&base)?;
            let samples = self.samples(&mut trainee, &problems, self.format_candidates, rng)?;
            let right = samples.iter().filter(|s| s.is_right(&problems[s.problem]));
            let examples: Vec<Example> = right.map(|s| example(&problems[s.problem], s.tokens.clone())).collect();
            if examples.is_empty() {
                return Err(Error::Numeric("the base model wrote no right answer in the right format".into()));
            }
            sft(&mut trainee, &examples, self.format.minibatch, &self.format.schedule(), rng)?;
            trainee.into_params()
        })
    }

    /// `each` samples of every problem, at temperature 1.
    ///
    /// # Errors
    /// Logits that are not finite.
    pub(crate) fn samples(
        &self,
        trainee: &mut Trainee,
        problems: &[Problem],
        each: usize,
        rng: &mut Stream,
    ) -> Result<Vec<Sample>> {
        let sampling = Sampling { end: EOS.into(), ..Sampling::plain(longest_solution(self.most_steps())) };
        let drawn: Vec<usize> = (0..problems.len()).flat_map(|i| std::iter::repeat_n(i, each)).collect();
        let mut samples = Vec::with_capacity(drawn.len());
        for part in drawn.chunks(1024) {
            let prompts: Vec<Vec<u32>> = part.iter().map(|&i| problems[i].tokens()).collect();
            let prompts: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
            let mut streams: Vec<Stream> = part.iter().map(|_| rng.split()).collect();
            let outputs = trainee.sample(&prompts, &sampling, &mut streams)?;
            samples.extend(part.iter().zip(outputs).map(|(&problem, output)| {
                let solution = parse(&problems[problem], &output.tokens).ok();
                Sample { problem, tokens: output.tokens, solution }
            }));
        }
        Ok(samples)
    }

    /// A verifier of the writer's solutions, learned from labels of samples of it.
    ///
    /// # Errors
    /// No sample that can be read; a stage folder that cannot be used.
    pub(crate) fn verifier(&self, ctx: &Context, teaching: Teaching) -> Result<Model> {
        let (writer, features) = (self.writer(ctx)?, Features::new(&*self.author(ctx)?));
        let problems = self.problems(ctx, "verifier", self.verifier_problems, Split::Train);
        let samples = ctx.stage("verifier samples", self, |rng| {
            self.samples(&mut self.trainee(&writer)?, &problems, self.verifier_candidates, rng)
        })?;
        learn(&labelled(&features, &problems, &samples)?, teaching, Form::Product, self.precision)
    }

    /// What a verifier says of every sample: log P(all steps right), or log P(right answer); none of what has no answer.
    ///
    /// # Errors
    /// As [`WriterSetup::verifier`].
    pub(crate) fn scores(
        &self,
        ctx: &Context,
        teaching: Teaching,
        problems: &[Problem],
        samples: &[Sample],
    ) -> Result<Vec<Option<f64>>> {
        let features = Features::new(&*self.author(ctx)?);
        let read = labelled(&features, problems, samples)?;
        let mut said = self.verifier(ctx, teaching)?.scores(&read.solutions).into_iter();
        Ok(samples.iter().map(|s| s.answered().and_then(|_| said.next())).collect())
    }
}

/// The samples that have an answer, as verifiers see them.
fn labelled(features: &Features, problems: &[Problem], samples: &[Sample]) -> Result<Labelled> {
    let mut read = Labelled::new(features);
    for sample in samples {
        if let Some(solution) = sample.answered() {
            read.push(Sight::Beliefs, features, sample.problem, &problems[sample.problem], solution)?;
        }
    }
    Ok(read)
}

/// What the writer wrote.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Index of the problem.
    pub(crate) problem: usize,
    /// Without the prompt.
    pub(crate) tokens: Vec<u32>,
    /// None where the format is wrong.
    pub(crate) solution: Option<Solution>,
}

impl Sample {
    /// Whether it can be read and has the right answer.
    pub(crate) fn is_right(&self, problem: &Problem) -> bool {
        self.solution.as_ref().is_some_and(|s| s.is_right(problem))
    }

    /// Whether it has the right answer and every step follows.
    pub(crate) fn is_sound(&self, problem: &Problem) -> bool {
        self.solution.as_ref().is_some_and(|s| s.is_right(problem) && s.first_error(problem).is_none())
    }

    /// The solution, if it can be read and came to an end: what has no answer is never chosen.
    pub(crate) fn answered(&self) -> Option<&Solution> {
        self.solution.as_ref().filter(|s| s.answer.is_some())
    }
}

/// A problem with a solution in tokens.
pub(crate) fn example(problem: &Problem, solution: Vec<u32>) -> Example {
    let prompt = problem.tokens();
    Example { prompt: prompt.len(), tokens: [prompt, solution].concat() }
}

/// The other format: the ends of steps are missing, so that nobody can say where a step's label belongs.
fn without_form(tokens: &[u32]) -> Vec<u32> {
    tokens.iter().copied().filter(|t| *t != STEP_END).collect()
}
