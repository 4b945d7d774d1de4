//! Every way to choose, on the same pools.

use super::super::labelled::Sight;
use super::super::models::{Form, Teaching, Training, learn};
use super::super::pools::{self, Candidates};
use super::super::world::{World, WorldParams};
use super::{Params, Row};
use rewardlab::error::Result;
use rewardlab::exact::Chain;
use rewardlab::experiment::Context;
use rewardlab::metrics::selection::{best_along, trial_orders, vote_along};
use rewardlab::stats::{mean, std_dev};

impl Params {
    /// Candidates of a world's test problems, the same in all cells.
    fn pools(&self, world: &World, ctx: &Context) -> Result<Vec<Candidates>> {
        let rng = &mut ctx.shared_stream("candidates");
        pools::draw(world, Sight::Beliefs, &world.test, self.candidates, rng)
    }
}

/// Share solved in each trial, by N: `along` says which N of a trial's order are solved on one problem.
fn trials(
    candidates: &[Candidates],
    orders: &[Vec<u32>],
    draws: usize,
    along: impl Fn(usize, &[u32]) -> Vec<f64>,
) -> Vec<Vec<f64>> {
    let mut solved = vec![vec![0.0; orders.len()]; draws];
    for i in 0..candidates.len() {
        for (t, order) in orders.iter().enumerate() {
            for (k, value) in along(i, order).into_iter().enumerate() {
                solved[k][t] += value;
            }
        }
    }
    solved.iter_mut().flatten().for_each(|s| *s /= candidates.len() as f64);
    solved
}

/// Rows of a choice by score: exact, and sampled where there are orders.
fn best_rows(
    p: &Params,
    candidates: &[Candidates],
    method: &str,
    scores: &[Vec<f64>],
    orders: Option<&[Vec<u32>]>,
) -> Vec<Row> {
    let exact = pools::share(&pools::best_of_n(candidates, scores, &p.draws));
    let sampled = orders.map(|orders| {
        let along = |i: usize, order: &[u32]| best_along(&candidates[i].pool, &scores[i], order, &p.draws);
        trials(candidates, orders, p.draws.len(), along)
    });
    let row = |(k, &n): (usize, &u32)| {
        let mut row = Row { world: "chains".into(), method: method.into(), n, solved: exact[k], ..Row::default() };
        if let Some(sampled) = &sampled {
            let (value, spread) = (mean(&sampled[k]), std_dev(&sampled[k]));
            (row.sampled, row.spread) = (Some(value), Some(spread));
            // all candidates make one draw only
            let error = spread / (sampled[k].len() as f64).sqrt();
            row.z = (spread > 1e-9).then(|| (value - exact[k]) / error);
        }
        row
    };
    p.draws.iter().enumerate().map(row).collect()
}

/// Rows of a vote.
fn vote_rows(
    p: &Params,
    candidates: &[Candidates],
    method: &str,
    weights: &[Vec<f64>],
    orders: &[Vec<u32>],
) -> Vec<Row> {
    let along = |i: usize, order: &[u32]| vote_along(&candidates[i].pool, &weights[i], order, &p.draws);
    let sampled = trials(candidates, orders, p.draws.len(), along);
    let row = |(&n, of): (&u32, &Vec<f64>)| {
        let (solved, spread) = (mean(of), std_dev(of));
        let (sampled, spread) = (Some(solved), Some(spread));
        Row { world: "chains".into(), method: method.into(), n, solved, sampled, spread, ..Row::default() }
    };
    p.draws.iter().zip(&sampled).map(row).collect()
}

fn probabilities(scores: &[Vec<f64>]) -> Vec<Vec<f64>> {
    scores.iter().map(|of| of.iter().map(|s| s.exp()).collect()).collect()
}

pub(super) fn measure(p: &Params, ctx: &Context) -> Result<Vec<Row>> {
    let world = p.world.world(ctx)?;
    let candidates = p.pools(&world, ctx)?;
    let orders = trial_orders(p.trials, p.candidates, &mut ctx.stream("orders"));
    let mut rows = Vec::new();
    for (name, teaching, form, training) in p.models() {
        let model = training.model(&p.world, teaching, form, ctx)?;
        let scores = pools::score(&candidates, |seen| model.scores(seen));
        let sampled = matches!(name, "process" | "outcome");
        rows.extend(best_rows(p, &candidates, name, &scores, sampled.then_some(&orders)));
        if sampled {
            let weights = probabilities(&scores);
            rows.extend(vote_rows(p, &candidates, &format!("{name}_vote"), &weights, &orders));
        }
    }
    let equal: Vec<Vec<f64>> = candidates.iter().map(|c| vec![1.0; c.pool.len()]).collect();
    let mut majority = vote_rows(p, &candidates, "majority", &equal, &orders);
    let chains: Vec<Chain> = world.test.iter().map(|problem| Chain::new(&world.generator, problem)).collect();
    let over = |of: &dyn Fn(&Chain) -> f64| Some(mean(&chains.iter().map(of).collect::<Vec<_>>()));
    for row in &mut majority {
        row.modal = over(&Chain::modal_answer_is_right);
        row.pass_rate = over(&Chain::pass_rate);
        row.false_positives = over(&Chain::false_positive_rate);
    }
    rows.extend(majority);
    let right: Vec<Vec<f64>> = candidates.iter().map(|c| c.pool.right()).collect();
    rows.extend(best_rows(p, &candidates, "any", &right, None));
    rows.extend(best_rows(p, &candidates, "shuffled", &shuffled(p, ctx, &candidates)?, None));
    let random = pools::random_scores(&candidates, &mut ctx.stream("random"));
    rows.extend(best_rows(p, &candidates, "random", &random, None));
    Ok(rows)
}

/// Scores of a process model whose labels were dealt anew among all steps.
fn shuffled(p: &Params, ctx: &Context, candidates: &[Candidates]) -> Result<Vec<Vec<f64>>> {
    let dealt = p.training.labelled(&p.world, ctx)?.shuffled(&mut ctx.stream("shuffled"));
    let model = learn(&dealt, Teaching::Process, Form::Product, p.training.precision)?;
    Ok(pools::score(candidates, |seen| model.scores(seen)))
}

/// What the prior's strength changes.
pub(super) fn priors(p: &Params, ctx: &Context) -> Result<Vec<Row>> {
    let world = p.world.world(ctx)?;
    let candidates = p.pools(&world, ctx)?;
    let most = [p.draws[p.draws.len() - 1]];
    let mut rows = Vec::new();
    for &precision in &p.precisions {
        for (name, teaching, form, training) in p.models() {
            let model = Training { precision, ..training }.model(&p.world, teaching, form, ctx)?;
            let solved = pools::solved(&candidates, &model, &most)[0];
            let (world, method) = ("priors".into(), name.into());
            rows.push(Row { world, method, n: most[0], precision: Some(precision), solved, ..Row::default() });
        }
    }
    Ok(rows)
}

/// Process and outcome model where solutions are single steps.
pub(super) fn one_step(p: &Params, ctx: &Context) -> Result<Vec<Row>> {
    let params: WorldParams = p.one_step();
    let world = params.world(ctx)?;
    let candidates = p.pools(&world, ctx)?;
    let mut rows = Vec::new();
    for (name, teaching, form) in
        [("process", Teaching::Process, Form::Product), ("outcome", Teaching::Answer, Form::Product)]
    {
        let model = p.training.model(&params, teaching, form, ctx)?;
        let scores = pools::score(&candidates, |seen| model.scores(seen));
        rows.extend(best_rows(p, &candidates, name, &scores, None));
    }
    rows.iter_mut().for_each(|row| row.world = "one_step".into());
    Ok(rows)
}
