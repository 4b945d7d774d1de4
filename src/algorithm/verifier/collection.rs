//! Collecting labels generation by generation: what the present model believes and is wrong is labelled next.
//!
//! Source: arXiv:2305.20050, Section 2.4 (reported second-hand), in the world of modular arithmetic, where every label is known.

use super::{LogisticParams, fit_process};
use crate::env::arithmetic::{Features, Generator, Mix, Problem, Rates, Solution};
use crate::env::{Split, StepLabel};
use crate::error::{Error, Result};
use crate::metrics::selection::convincing;
use crate::reward::{LabelledSolution, Neutral, Score, Solutions, StepModel};
use crate::rng::Stream;

/// What is collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collection {
    /// Problems, the same in every generation; generation 0 has one random solution of each.
    pub problems: usize,
    /// Generations after that. The paper, second-hand: 10.
    pub generations: u64,
    /// Fresh solutions of each problem in each generation; 1 to 10 000.
    pub sampled: usize,
    /// Of these labelled, by the rule of [`convincing`]; at most `sampled`.
    pub labelled: usize,
    /// Of the world, its problems and all solutions.
    pub seed: u64,
}

/// 1/σ² of the weights' Gaussian prior, as in the experiments.
const PRECISION: f64 = 0.1;

/// Labelled solutions of all generations, in the order in which they were labelled: true labels up to each first wrong step. Moduli 7 to 12, three to
/// eight operations, the generator's default rates.
///
/// # Errors
/// A number outside its legal range; fewer different problems than asked for.
pub fn collect_labels(params: &Collection) -> Result<Vec<LabelledSolution>> {
    Error::check_counts(&[
        ("problems", params.problems, 1, 100_000),
        ("sampled", params.sampled, 1, 10_000),
        ("labelled", params.labelled, 1, params.sampled),
    ])?;
    let mut rng = Stream::named(&["collect", &params.seed.to_string()]);
    let moduli = vec![7, 8, 9, 10, 11, 12];
    let generator = Generator::draw(&Rates::default(), &moduli, &mut rng)?;
    let mix = Mix { lengths: (3, 8), moduli, operators: [1.0, 1.0, 1.0, 0.0] };
    let problems = mix.draw_different(params.problems, Split::Train, &mut rng)?;
    let features = Features::new(&generator);
    let mut data = Labelled { seen: Solutions::new(features.count()), labels: Vec::new(), collected: Vec::new() };
    for problem in &problems {
        let first = generator.sample_finished(problem, 1, &mut rng)?;
        data.add(&features, problem, &first[0], 0)?;
    }
    for generation in 1..=params.generations {
        let model = data.learn()?;
        for problem in &problems {
            let fresh = generator.sample_finished(problem, params.sampled, &mut rng)?;
            let mut seen = Solutions::new(features.count());
            fresh.iter().try_for_each(|solution| push(&mut seen, &features, problem, solution))?;
            let right: Vec<bool> = fresh.iter().map(|s| s.is_right(problem)).collect();
            for i in convincing(&model.scores(&seen, Score::Product), &right, params.labelled) {
                data.add(&features, problem, &fresh[i], generation)?;
            }
        }
    }
    Ok(data.collected)
}

/// What has been labelled so far.
struct Labelled {
    seen: Solutions,
    labels: Vec<StepLabel>,
    collected: Vec<LabelledSolution>,
}

impl Labelled {
    fn add(&mut self, features: &Features, problem: &Problem, solution: &Solution, generation: u64) -> Result<()> {
        push(&mut self.seen, features, problem, solution)?;
        self.labels.extend(solution.labels(problem));
        self.collected.push(LabelledSolution::of(problem, solution, generation));
        Ok(())
    }

    fn learn(&self) -> Result<StepModel> {
        fit_process(&self.seen, &self.labels, Neutral::Positive, &LogisticParams::with_precision(PRECISION))
    }
}

fn push(seen: &mut Solutions, features: &Features, problem: &Problem, solution: &Solution) -> Result<()> {
    seen.push(solution.steps.iter().map(|step| features.of_step(problem.modulus, step)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Collection = Collection { problems: 30, generations: 2, sampled: 40, labelled: 5, seed: 3 };

    /// A random solution of each problem, then five of each, mostly wrong ones; one seed gives one file.
    #[test]
    fn later_generations_show_what_is_wrong() {
        let collected = collect_labels(&SMALL).expect("labels");
        let of = |generation: u64| collected.iter().filter(move |s| s.generation == Some(generation));
        assert_eq!([0, 1, 2].map(|g| of(g).count()), [30, 150, 150]);
        let wrong = |generation: u64| {
            let wrong = of(generation).filter(|s| s.labels.last() == Some(&StepLabel::Negative)).count();
            wrong as f64 / of(generation).count() as f64
        };
        assert!(wrong(0) < 0.7 && wrong(1) > 0.7 && wrong(2) > 0.7, "{:?}", [0, 1, 2].map(wrong));
        assert_eq!(collect_labels(&SMALL).expect("the same"), collected);
        assert!(collect_labels(&Collection { labelled: 41, ..SMALL }).is_err());
    }
}
