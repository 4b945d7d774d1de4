//! Rolling out, labelling, fitting, choosing.

use super::super::labelled::{Labelled, Sight};

use super::super::pools::{self, Candidates};
use super::super::world::World;
use super::{Params, Row};
use rewardlab::algorithm::{Rollouts, fit_outcome_product, fit_process, fit_step_values};
use rewardlab::env::arithmetic::Solution;
use rewardlab::env::{StepLabel, supervised};
use rewardlab::error::Result;
use rewardlab::exact::Chain;
use rewardlab::experiment::Context;
use rewardlab::reward::{Neutral, Score, StepModel};
use rewardlab::stats::mean;
use std::sync::Arc;

/// What all cells of a seed have in common.
struct Setup {
    world: Arc<World>,
    data: Labelled,
    /// As they were written.
    written: Vec<Solution>,
    /// Q behind each step of all solutions.
    values: Vec<f64>,
    /// Of each step: whether it is right, wrong and the first such, or behind that (none).
    right: Vec<Option<bool>>,
    candidates: Vec<Candidates>,
}

impl Setup {
    fn new(p: &Params, ctx: &Context) -> Result<Self> {
        let world = p.world.world(ctx)?;
        let features = world.features();
        let (mut data, mut written) = (Labelled::new(&features), Vec::new());
        let (mut values, mut right) = (Vec::new(), Vec::new());
        let mut rng = ctx.shared_stream("labelled");
        for (number, problem) in world.train.iter().enumerate() {
            let chain = Chain::new(&world.generator, problem);
            for solution in world.generator.sample_finished(problem, p.training.solutions, &mut rng)? {
                data.push(Sight::Beliefs, &features, number, problem, &solution)?;
                let labels = data.labels_of(written.len());
                let until = supervised(labels);
                values.extend((1..=labels.len()).map(|steps| chain.prefix_value(&solution, steps)));
                right.extend(labels.iter().enumerate().map(|(t, l)| (t < until).then_some(*l != StepLabel::Negative)));
                written.push(solution);
            }
        }
        let candidates =
            pools::draw(&world, Sight::Beliefs, &world.test, p.candidates, &mut ctx.shared_stream("candidates"))?;
        Ok(Self { world, data, written, values, right, candidates })
    }

    /// The values of supervised steps that are right, or of first wrong ones.
    fn of(&self, right: bool, what: impl Fn(usize) -> f64) -> Vec<f64> {
        (0..self.right.len()).filter(|t| self.right[*t] == Some(right)).map(what).collect()
    }

    fn choice(&self, p: &Params, kind: &str, rollouts: usize, model: &StepModel) -> Row {
        let by = |score| {
            let scores = pools::score(&self.candidates, |seen| model.scores(seen, score));
            Some(pools::share(&pools::best_of_n(&self.candidates, &scores, &[p.n]))[0])
        };
        let rate = |problem| Chain::new(&self.world.generator, problem).pass_rate();
        Row {
            part: "choice".into(),
            kind: kind.into(),
            rollouts,
            steps: self.right.len(),
            solved: by(Score::Product),
            solved_minimum: by(Score::Minimum),
            pass_rate: Some(mean(&self.world.test.iter().map(rate).collect::<Vec<_>>())),
            ..Row::default()
        }
    }
}

pub(super) fn rolled_out(p: &Params, k: usize, ctx: &Context) -> Result<Vec<Row>> {
    let setup = Setup::new(p, ctx)?;
    let (seen, generator) = (&setup.data.solutions, &setup.world.generator);
    let mut rng = ctx.stream("rollouts");
    let (mut soft, mut hard) = (Vec::new(), Vec::new());
    for (solution, number) in setup.written.iter().zip(&setup.data.problems) {
        let problem = &setup.world.train[*number];
        let labels = Rollouts::collect(solution.steps.len(), k, |t| {
            Ok(generator.go_on(problem, solution.steps[..=t].to_vec(), &mut rng).is_right(problem))
        })?;
        soft.extend(labels.soft());
        hard.extend(labels.hard());
    }
    let mut rows = vec![soft_row(&setup, k, &soft), hard_row(&setup, k, &hard)];
    rows.extend(bins(p, &setup, k, &soft));
    let logistic = &p.training.logistic();
    rows.push(setup.choice(p, "soft", k, &fit_step_values(seen, &soft, &[], logistic)?));
    rows.push(setup.choice(p, "hard", k, &fit_process(seen, &hard, Neutral::Positive, logistic)?));
    let dealt: Vec<f64> = rng.permutation(soft.len()).into_iter().map(|i| soft[i]).collect();
    rows.push(setup.choice(p, "soft_dealt", k, &fit_step_values(seen, &dealt, &[], logistic)?));
    Ok(rows)
}

/// Errors of soft labels of supervised steps. Prefixes at which the solution has its answer have value 0 or 1 and no error.
fn soft_row(setup: &Setup, k: usize, soft: &[f64]) -> Row {
    let supervised: Vec<usize> = (0..soft.len()).filter(|t| setup.right[*t].is_some()).collect();
    let over = |of: &dyn Fn(usize) -> f64| mean(&supervised.iter().map(|t| of(*t)).collect::<Vec<_>>());
    let variance = |t: usize| setup.values[t] * (1.0 - setup.values[t]) / k as f64;
    let n = supervised.len() as f64;
    Row {
        part: "labels".into(),
        kind: "soft".into(),
        rollouts: k,
        steps: supervised.len(),
        value: Some(over(&|t| setup.values[t])),
        bias: Some(over(&|t| soft[t] - setup.values[t])),
        standard_error: Some((over(&variance) / n).sqrt()),
        squared_error: Some(over(&|t| (soft[t] - setup.values[t]).powi(2))),
        variance: Some(over(&variance)),
        ..Row::default()
    }
}

fn hard_row(setup: &Setup, k: usize, hard: &[i8]) -> Row {
    let never = |t: usize| (1.0 - setup.values[t]).max(0.0).powf(k as f64);
    let called = |t: usize, label: i8| f64::from(u8::from(hard[t] == label));
    Row {
        part: "labels".into(),
        kind: "hard".into(),
        rollouts: k,
        steps: setup.right.iter().flatten().count(),
        missed: Some(mean(&setup.of(true, |t| called(t, -1)))),
        missed_exact: Some(mean(&setup.of(true, never))),
        fooled: Some(mean(&setup.of(false, |t| called(t, 1)))),
        fooled_exact: Some(mean(&setup.of(false, |t| 1.0 - never(t)))),
        ..Row::default()
    }
}

/// Soft labels by value of the prefix, in equal intervals.
fn bins(p: &Params, setup: &Setup, k: usize, soft: &[f64]) -> Vec<Row> {
    let mut groups = vec![Vec::new(); p.bins];
    for t in (0..soft.len()).filter(|t| setup.right[*t].is_some()) {
        groups[((setup.values[t] * p.bins as f64) as usize).min(p.bins - 1)].push(t);
    }
    let row = |own: &Vec<usize>| {
        let over = |of: &dyn Fn(usize) -> f64| Some(mean(&own.iter().map(|t| of(*t)).collect::<Vec<_>>()));
        Row {
            part: "bin".into(),
            kind: "soft".into(),
            rollouts: k,
            steps: own.len(),
            value: over(&|t| setup.values[t]),
            bias: over(&|t| soft[t] - setup.values[t]),
            squared_error: over(&|t| (soft[t] - setup.values[t]).powi(2)),
            variance: over(&|t| setup.values[t] * (1.0 - setup.values[t]) / k as f64),
            ..Row::default()
        }
    };
    groups.iter().filter(|own| !own.is_empty()).map(row).collect()
}

pub(super) fn reference(p: &Params, ctx: &Context) -> Result<Vec<Row>> {
    let setup = Setup::new(p, ctx)?;
    let logistic = &p.training.logistic();
    // rounding may leave a value a little above 1
    let values: Vec<f64> = setup.values.iter().map(|q| q.clamp(0.0, 1.0)).collect();
    let (solutions, labels) = (&setup.data.solutions, &setup.data.labels);
    let right: Vec<f64> = setup.data.right.iter().map(|r| f64::from(u8::from(*r))).collect();
    let models = [
        ("value", fit_step_values(solutions, &values, &[], logistic)?),
        ("steps", fit_process(solutions, labels, Neutral::Positive, logistic)?),
        ("outcomes", fit_outcome_product(solutions, &right, &[], 0.0, logistic)?),
    ];
    let mut rows: Vec<Row> = models.iter().map(|(kind, model)| setup.choice(p, kind, 0, model)).collect();
    let random = pools::random_scores(&setup.candidates, &mut ctx.stream("random"));
    let random = pools::share(&pools::best_of_n(&setup.candidates, &random, &[p.n]))[0];
    rows.push(Row { kind: "random".into(), solved: Some(random), solved_minimum: None, ..rows[0].clone() });
    Ok(rows)
}
