//! Pools of N against the exact law of the best of N, where all solutions can be enumerated.

use super::super::labelled::Sight;
use super::super::models::{Form, Teaching};
use super::super::world::pool;
use super::{Params, Row};
use rewardlab::env::Split;
use rewardlab::env::arithmetic::{Mix, Problem, Solution};
use rewardlab::error::Result;
use rewardlab::exact::{best_of_n, solutions};
use rewardlab::experiment::Context;
use rewardlab::metrics::selection::best_along;
use std::collections::HashMap;

pub(super) fn measure(p: &Params, ctx: &Context) -> Result<Vec<Row>> {
    let world = p.world.world(ctx)?;
    let features = world.features();
    let model = p.training.model(&p.world, Teaching::Process, Form::Product, ctx)?;
    let mut rng = ctx.stream("small problems");
    let mix = Mix { lengths: (2, 2), moduli: vec![p.small.modulus], ..p.world.mix.clone() };
    let problems = mix.draw_different(p.small.problems, Split::Test, &mut rng)?;
    let mut rows: Vec<Row> = p.small.draws.iter().map(|n| row(*n)).collect();
    let mut squares = vec![0.0; rows.len()];
    for problem in &problems {
        let all = solutions(&world.generator, problem);
        let (written, chances): (Vec<Solution>, Vec<f64>) = all.into_iter().unzip();
        let logs: Vec<f64> = chances.iter().map(|p| p.ln()).collect();
        let whole = pool(problem, &written);
        let scores = whole.choosable(&model.scores(&Sight::Beliefs.of(&features, problem, &written)?));
        let score_of: HashMap<&Solution, f64> = written.iter().zip(scores.iter().copied()).collect();
        for (k, &n) in p.small.draws.iter().enumerate() {
            let chosen = best_of_n(&logs, &scores, n);
            let exact: f64 = chosen.iter().zip(whole.right()).map(|(p, right)| p * right).sum();
            let mut solved = 0.0;
            for _ in 0..p.small.pools {
                let drawn = world.sample(problem, n as usize, &mut rng);
                solved += best_of(problem, &drawn, &score_of) / p.small.pools as f64;
            }
            rows[k].solved += exact / problems.len() as f64;
            rows[k].sampled = Some(rows[k].sampled.unwrap_or(0.0) + solved / problems.len() as f64);
            // at most: a draw with ties is a chance, whose variance is smaller than that of its outcome
            squares[k] += exact * (1.0 - exact) / p.small.pools as f64;
        }
    }
    for (row, square) in rows.iter_mut().zip(squares) {
        let error = square.sqrt() / problems.len() as f64;
        row.z = row.sampled.filter(|_| error > 1e-9).map(|s| (s - row.solved) / error);
    }
    Ok(rows)
}

fn row(n: u32) -> Row {
    Row { world: "enumerated".into(), method: "process".into(), n, ..Row::default() }
}

/// Whether the best of a whole pool is right.
fn best_of(problem: &Problem, drawn: &[Solution], score_of: &HashMap<&Solution, f64>) -> f64 {
    let scores: Vec<f64> = drawn.iter().map(|s| score_of.get(s).copied().unwrap_or(f64::NEG_INFINITY)).collect();
    let order: Vec<u32> = (0..drawn.len() as u32).collect();
    best_along(&pool(problem, drawn), &scores, &order, &[drawn.len() as u32])[0]
}
