//! `rewardlab collect`: the loop of arXiv:2305.20050's data collection, where every label is known.

use super::out;
use crate::algorithm::{LogisticParams, Stopping, fit_process};
use crate::env::arithmetic::{ACTIVE, Features, Generator, Mix, Problem, Rates, Solution};
use crate::env::{Split, StepLabel};
use crate::error::{Error, Result};
use crate::metrics::selection::convincing;
use crate::reward::{LabelledSolution, Neutral, Score, Solutions, StepModel, write_step_labels};
use crate::rng::Stream;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// JSONL to write, in TRL's stepwise shape with "answer", "generation" and "finish_reason" (`rewardlab steps` reads it)
    file: PathBuf,
    /// Problems, the same in every generation; generation 0 has one random solution of each
    #[arg(long, default_value_t = 200)]
    problems: usize,
    /// Generations after that: the model learned from all labels so far ranks fresh solutions
    #[arg(long, default_value_t = 10)]
    generations: u64,
    /// Fresh solutions of each problem in each generation
    #[arg(long, default_value_t = 100)]
    sampled: usize,
    /// Of these labelled: four fifths the most convincing with a wrong answer, one fifth the most convincing of the rest
    #[arg(long, default_value_t = 5)]
    labelled: usize,
    /// Of the world, its problems and all solutions
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// 1/σ² of the weights' Gaussian prior, as in the experiments.
const PRECISION: f64 = 0.1;

pub(super) fn execute(args: &Args) -> Result<u8> {
    Error::check_counts(&[
        ("problems", args.problems, 1, 100_000),
        ("sampled", args.sampled, 1, 10_000),
        ("labelled", args.labelled, 1, args.sampled),
    ])?;
    let collected = collect(args)?;
    write_step_labels(&args.file, &collected)?;
    let steps: usize = collected.iter().map(|s| s.labels.len()).sum();
    out(&format!("{} solutions with {steps} labelled steps written to {}\n", collected.len(), args.file.display()));
    Ok(0)
}

/// Labelled solutions of all generations.
fn collect(args: &Args) -> Result<Vec<LabelledSolution>> {
    let mut rng = Stream::named(&["collect", &args.seed.to_string()]);
    let moduli = vec![7, 8, 9, 10, 11, 12];
    let generator = Generator::draw(&Rates::default(), &moduli, &mut rng)?;
    let mix = Mix { lengths: (3, 8), moduli, operators: [1.0, 1.0, 1.0, 0.0] };
    let problems = mix.draw_different(args.problems, Split::Train, &mut rng)?;
    let features = Features::new(&generator);
    let mut data = Labels { seen: Solutions::new(features.count()), labels: Vec::new(), collected: Vec::new() };
    for problem in &problems {
        let first = finished(&generator, problem, 1, &mut rng)?;
        data.add(&features, problem, &first[0], 0)?;
    }
    for generation in 1..=args.generations {
        let model = data.learn()?;
        for problem in &problems {
            let fresh = finished(&generator, problem, args.sampled, &mut rng)?;
            let mut seen = Solutions::new(features.count());
            fresh.iter().try_for_each(|solution| push(&mut seen, &features, problem, solution))?;
            let right: Vec<bool> = fresh.iter().map(|s| s.is_right(problem)).collect();
            for i in convincing(&model.scores(&seen, Score::Product), &right, args.labelled) {
                data.add(&features, problem, &fresh[i], generation)?;
            }
        }
    }
    Ok(data.collected)
}

/// What has been labelled so far.
struct Labels {
    seen: Solutions,
    labels: Vec<StepLabel>,
    collected: Vec<LabelledSolution>,
}

impl Labels {
    fn add(&mut self, features: &Features, problem: &Problem, solution: &Solution, generation: u64) -> Result<()> {
        push(&mut self.seen, features, problem, solution)?;
        self.labels.extend(solution.labels(problem));
        self.collected.push(LabelledSolution::of(problem, solution, generation));
        Ok(())
    }

    fn learn(&self) -> Result<StepModel> {
        let stopping = Stopping { tolerance: 1e-5, steps: 10_000 };
        let params = LogisticParams { precision: PRECISION, bias: true, stopping };
        fit_process(&self.seen, &self.labels, Neutral::Positive, &params)
    }
}

/// Solutions that came to their end: the others have no answer to be convinced by.
fn finished(generator: &Generator, problem: &Problem, count: usize, rng: &mut Stream) -> Result<Vec<Solution>> {
    let tries = (0..100 * count + 1000).map(|_| generator.sample(problem, rng));
    let drawn: Vec<Solution> = tries.filter(|s| s.answer.is_some()).take(count).collect();
    if drawn.len() < count {
        return Err(Error::Numeric("hardly any solution of a problem comes to its end".into()));
    }
    Ok(drawn)
}

fn push(seen: &mut Solutions, features: &Features, problem: &Problem, solution: &Solution) -> Result<()> {
    let mut active = Vec::with_capacity(ACTIVE * solution.steps.len());
    features.append(problem, solution, &mut active);
    seen.push(active.chunks_exact(ACTIVE))
}
