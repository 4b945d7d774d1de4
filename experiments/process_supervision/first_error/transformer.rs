//! The same question to small transformers that read problems and solutions as tokens.

use super::super::models::{Form, Teaching};
use super::super::pools::share;
use super::super::world::{World, WorldParams, pool};
use super::{Judged, Row, deepest_fall};
use rewardlab::algorithm::{MarkedSolution, Supervision, Trainee, step_log_probs, train_verifier};
use rewardlab::env::arithmetic::{Problem, STEP_END, Solution, longest_prompt, longest_solution, vocab, written};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::Context;
use rewardlab::lm::{Config, Decay, Schedule, ScoreHead, Size, init};
use rewardlab::reward::{Neutral, Score, locate_first_error, locate_known_error};
use rewardlab::rng::Stream;
use rewardlab::stats::mean;
use serde::{Deserialize, Serialize};

/// Transformers are trained at the first so many seeds.
const SEEDS: u64 = 5;

/// Small models of a small world.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TransformerParams {
    /// Few facts, so that little training is enough.
    pub(super) world: WorldParams,
    /// Labelled solutions per training problem; 1 to 1000.
    solutions: usize,
    /// Judged solutions per test problem, from which the best is taken too; 2 to 1000.
    judged: usize,
    /// Width of the residual stream; a multiple of 8, 8 to 512.
    width: usize,
    /// Blocks; 1 to 12.
    layers: usize,
    /// Solutions per step; 1 to 1000.
    batch: usize,
    /// Passes over the data; 1 to 1000.
    epochs: usize,
    /// Highest learning rate; positive.
    learning_rate: f64,
}

impl TransformerParams {
    pub(super) fn new(smoke: bool) -> Self {
        let mut world = WorldParams { moduli: vec![5], ..WorldParams::default() };
        world.mix.moduli.clone_from(&world.moduli);
        world.mix.lengths = (2, 4);
        (world.train_problems, world.test_problems) = if smoke { (40, 10) } else { (500, 100) };
        let (solutions, judged, width, epochs) = if smoke { (3, 5, 16, 2) } else { (100, 50, 32, 10) };
        Self { world, solutions, judged, width, layers: 2, batch: 32, epochs, learning_rate: 3e-3 }
    }

    pub(super) fn validate(&self) -> Result<()> {
        self.world.validate().map_err(|e| e.within("world"))?;
        Error::check_counts(&[
            ("solutions", self.solutions, 1, 1_000),
            ("judged", self.judged, 2, 1_000),
            ("width", self.width, 8, 512),
            ("layers", self.layers, 1, 12),
            ("batch", self.batch, 1, 1_000),
            ("epochs", self.epochs, 1, 1_000),
        ])?;
        if !self.width.is_multiple_of(8) {
            return Err(Error::parameter("width", self.width, "a multiple of 8"));
        }
        Error::check_positive(&[("learning_rate", self.learning_rate)])
    }

    fn fresh(&self, rng: &mut Stream) -> Result<Trainee> {
        let most = self.world.mix.lengths.1;
        let context = longest_prompt(most) + longest_solution(most + self.world.rates.slack);
        let size = Size { vocab: vocab(), width: self.width, layers: self.layers, heads: 4, context };
        let scores = vec![ScoreHead { name: "verifier".into(), outputs: 1 }];
        let config = Config { scores, ..Config::llama(size) };
        let params = init(&config, 0.02, rng)?;
        Ok(Trainee::new(&config, params, 1.0)?.in_parts())
    }
}

/// A solution as tokens, its final answer checked.
fn marked(problem: &Problem, solution: &Solution) -> MarkedSolution {
    let mut tokens = problem.tokens();
    let prompt = tokens.len();
    tokens.extend(written(solution));
    let ends = (prompt..tokens.len()).filter(|t| tokens[*t] == STEP_END).collect();
    let labels = solution.labels(problem).into_iter().map(i8::from).collect();
    MarkedSolution { tokens, prompt, ends, labels, right: solution.is_right(problem) }
}

fn supervision(teaching: Teaching, form: Form) -> Supervision {
    match (teaching, form) {
        (Teaching::Process, _) => Supervision::Process(Neutral::Positive),
        (_, Form::Product) => Supervision::OutcomeProduct,
        (_, Form::Linear) => Supervision::Outcome,
    }
}

/// Trains and judges; nothing beyond the first seeds. `row` says the part.
pub(super) fn measure(
    p: &TransformerParams,
    teaching: Teaching,
    form: Form,
    row: &Row,
    ctx: &Context,
) -> Result<Vec<Row>> {
    if ctx.seed() >= SEEDS {
        return Ok(vec![]);
    }
    let world = p.world.world(ctx)?;
    let finished = |problems: &[Problem], each: usize, purpose: &str| -> Vec<MarkedSolution> {
        let mut rng = ctx.shared_stream(purpose);
        let of = |problem: &Problem| {
            world
                .sample(problem, each, &mut rng)
                .into_iter()
                .filter(|s| s.answer.is_some())
                .map(|s| marked(problem, &s))
                .collect::<Vec<_>>()
        };
        problems.iter().flat_map(of).collect()
    };
    let data = finished(&world.train, p.solutions, "transformer samples");
    let judged = finished(&world.test, p.judged, "transformer judged");
    let supervision = supervision(teaching, form);
    let steps = (p.epochs * data.len()).div_ceil(p.batch) as u64;
    let schedule = Schedule { peak: p.learning_rate, warm_up: steps / 10, steps, decay: Decay::Cosine };
    let mut trainee = p.fresh(&mut ctx.shared_stream("weights"))?;
    train_verifier(&mut trainee, &data, supervision, p.batch, &schedule, &mut ctx.shared_stream("order"))?;
    let said = step_log_probs(&mut trainee, &judged.iter().collect::<Vec<_>>(), supervision, Neutral::Positive)?;
    let places = places(supervision, &said);
    let row = Row {
        teaching: teaching.name().into(),
        form: form.name().into(),
        per_problem: p.solutions,
        log_right: mean(&said.concat()),
        solved: Some(solved(p, &world, supervision, &mut trainee, ctx)?),
        ..row.clone()
    };
    let judge = |(solution, places): (&MarkedSolution, (Option<usize>, Option<usize>))| Judged {
        steps: solution.ends.len(),
        truth: solution.labels.iter().position(|l| *l < 0),
        right: solution.right,
        places,
    };
    Ok(vec![row.of(&judged.iter().zip(places).map(judge).collect::<Vec<_>>())])
}

/// (the first error if there is one for certain, the first error or none) of each solution.
fn places(supervision: Supervision, said: &[Vec<f64>]) -> super::Places {
    if supervision != Supervision::Outcome {
        return said.iter().map(|own| (locate_known_error(own), locate_first_error(own))).collect();
    }
    // log-odds from log-probabilities; before any step those of a first step, on average
    let odds = |lp: f64| lp - (-lp.exp_m1()).max(1e-300).ln();
    let start = mean(&said.iter().map(|own| odds(own[0])).collect::<Vec<_>>());
    let of = |own: &Vec<f64>| {
        let prefixes: Vec<f64> = own.iter().map(|lp| odds(*lp)).collect();
        let known = deepest_fall(start, &prefixes);
        (known, if prefixes.last().is_some_and(|o| *o < 0.0) { known } else { None })
    };
    said.iter().map(of).collect()
}

/// The share of test problems that the best of all judged solutions solves, unfinished ones being no choice.
fn solved(
    p: &TransformerParams,
    world: &World,
    supervision: Supervision,
    trainee: &mut Trainee,
    ctx: &Context,
) -> Result<f64> {
    let mut rng = ctx.shared_stream("transformer candidates");
    let mut of_problems = Vec::new();
    for problem in &world.test {
        let solutions = world.sample(problem, p.judged, &mut rng);
        let marked: Vec<MarkedSolution> = solutions.iter().map(|s| marked(problem, s)).collect();
        let said = step_log_probs(trainee, &marked.iter().collect::<Vec<_>>(), supervision, Neutral::Positive)?;
        let score = |own: &Vec<f64>| match supervision {
            Supervision::Outcome => own.last().copied().unwrap_or(0.0),
            _ => Score::Product.of(own),
        };
        let scores: Vec<f64> = said.iter().map(score).collect();
        of_problems.push(pool(problem, &solutions).best_of_n(&scores, &[p.judged as u32]));
    }
    Ok(share(&of_problems)[0])
}
