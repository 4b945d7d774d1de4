//! Candidates of test problems, and what is solved by choosing among them, problem by problem.

use super::labelled::Sight;
use super::models::Model;
use super::world::{World, pool};
use rewardlab::env::arithmetic::Problem;
use rewardlab::error::Result;
use rewardlab::metrics::selection::{Pool, vote_along};
use rewardlab::reward::Solutions;
use rewardlab::rng::Stream;
use rewardlab::stats::mean;

/// A problem's candidates.
pub(crate) struct Candidates {
    pub(crate) pool: Pool,
    pub(crate) seen: Solutions,
}

/// So many candidates of each problem, unfinished ones included.
///
/// # Errors
/// A step that has no features.
pub(crate) fn draw(
    world: &World,
    sight: Sight,
    problems: &[Problem],
    count: usize,
    rng: &mut Stream,
) -> Result<Vec<Candidates>> {
    let features = world.features();
    let of = |problem| {
        let solutions = world.sample(problem, count, &mut rng.split());
        Ok(Candidates { pool: pool(problem, &solutions), seen: sight.of(&features, problem, &solutions)? })
    };
    problems.iter().map(of).collect()
}

/// What says nothing of any candidate.
pub(crate) fn random_scores(candidates: &[Candidates], rng: &mut Stream) -> Vec<Vec<f64>> {
    candidates.iter().map(|c| uniform(c.pool.len(), rng)).collect()
}

/// Random numbers in \[0, 1\).
pub(crate) fn uniform(count: usize, rng: &mut Stream) -> Vec<f64> {
    (0..count).map(|_| rng.uniform()).collect()
}

/// What a reward model says of all candidates.
pub(crate) fn score(candidates: &[Candidates], of: impl Fn(&Solutions) -> Vec<f64>) -> Vec<Vec<f64>> {
    candidates.iter().map(|c| of(&c.seen)).collect()
}

/// P(the best-scored of N is right), by problem and N: exact over all draws of N.
pub(crate) fn best_of_n(candidates: &[Candidates], scores: &[Vec<f64>], draws: &[u32]) -> Vec<Vec<f64>> {
    candidates.iter().zip(scores).map(|(c, scores)| c.pool.best_of_n(scores, draws)).collect()
}

/// The share of problems that the best-scored of N solves, by N.
pub(crate) fn solved(candidates: &[Candidates], model: &Model, draws: &[u32]) -> Vec<f64> {
    share(&best_of_n(candidates, &score(candidates, |seen| model.scores(seen)), draws))
}

/// P(majority voting among N is right), by problem and N: mean over random draws.
pub(crate) fn majority(candidates: &[Candidates], orders: &[Vec<u32>], draws: &[u32]) -> Vec<Vec<f64>> {
    let of = |c: &Candidates| {
        let equal = vec![1.0; c.pool.len()];
        let trials: Vec<Vec<f64>> = orders.iter().map(|order| vote_along(&c.pool, &equal, order, draws)).collect();
        (0..draws.len()).map(|k| mean(&trials.iter().map(|t| t[k]).collect::<Vec<_>>())).collect()
    };
    candidates.iter().map(of).collect()
}

/// The mean over problems, by N.
pub(crate) fn share(by_problem: &[Vec<f64>]) -> Vec<f64> {
    let draws = by_problem.first().map_or(0, Vec::len);
    (0..draws).map(|k| mean(&by_problem.iter().map(|p| p[k]).collect::<Vec<_>>())).collect()
}
