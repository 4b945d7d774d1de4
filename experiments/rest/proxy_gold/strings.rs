//! The loop of a product policy, exact.

use super::super::strings::{Class, Grow, Loop, Masses, Step, Strings, Task};
use super::{Proxy, Row, StringsParams};
use rewardlab::env::World;
use rewardlab::error::Result;
use rewardlab::exact::{expected_reward, kl};
use rewardlab::experiment::Context;
use rewardlab::num::dot;

pub(super) fn measure(p: &StringsParams, grows: usize, task: Task, proxy: Proxy, ctx: &Context) -> Result<Vec<Row>> {
    let world = Strings::draw(&p.world, task, &mut ctx.shared_stream(task.name()))?;
    let original = world.draws(&world.data, p.data, &mut ctx.shared_stream(&format!("{task} data")));
    let few_or_many = p.ratings[usize::from(proxy != Proxy::Few)];
    let ratings = world.draws(&world.data, few_or_many, &mut ctx.shared_stream(&format!("{task} ratings")));
    let score = |x: usize| {
        let gold = world.world.rewards(x);
        match proxy {
            Proxy::Truth => gold.to_vec(),
            Proxy::Few | Proxy::Many => in_unit(linear_fit(&world, &ratings[x], gold, p.ridge)),
            Proxy::Bug => {
                let fit = in_unit(linear_fit(&world, &ratings[x], gold, p.ridge));
                in_unit(fit.iter().enumerate().map(|(y, r)| r + p.bonus * same_neighbours(&world, y)).collect())
            }
        }
    };
    let paid = World::new(world.tree, world.contexts().flat_map(score).collect())?;
    let class = Class::Product;
    let grow = Grow::Sampled { candidates: p.candidates, original: &original, prior: p.prior };
    let rest = Loop { class, grow, grows, thresholds: &p.thresholds };
    let start = world.supervised(class);
    let row = |step: Step| Row {
        world: "strings".into(),
        task: task.name().into(),
        proxy: proxy.name().into(),
        grow: step.grow,
        improve: step.improve,
        paid: world.mean_of(|x| expected_reward(&step.policy[x], paid.rewards(x))),
        gold: world.value(&step.policy),
        kl: divergence(&world, &step.policy, &start),
        repeats: world.mean_of(|x| {
            let own = step.policy[x].iter().enumerate();
            own.map(|(y, p)| p * same_neighbours(&world, y)).sum()
        }),
    };
    Ok(world.train(&rest, &paid, &mut ctx.stream("grow")).into_iter().map(row).collect())
}

fn divergence(world: &Strings, policy: &Masses, start: &Masses) -> f64 {
    let logs = |probs: &[f64]| probs.iter().map(|p| p.ln()).collect::<Vec<_>>();
    world.mean_of(|x| kl(&logs(&policy[x]), &logs(&start[x])))
}

/// The share of neighbouring tokens of a string that are the same.
fn same_neighbours(world: &Strings, string: usize) -> f64 {
    let tokens = world.tree.tokens(world.tree.length, string);
    let same = tokens.windows(2).filter(|w| w[0] == w[1]).count();
    same as f64 / (tokens.len() - 1) as f64
}

/// Shifted and scaled so that the worst string has 0 and the best 1.
fn in_unit(scores: Vec<f64>) -> Vec<f64> {
    let (low, high) = scores.iter().fold((f64::MAX, f64::MIN), |(a, b), s| (a.min(*s), b.max(*s)));
    let range = (high - low).max(f64::MIN_POSITIVE);
    scores.into_iter().map(|s| (s - low) / range).collect()
}

/// What ridge regression on one indicator per position and token, and a constant, says of every string. `counts` is how often each
/// was rated.
fn linear_fit(world: &Strings, counts: &[f64], gold: &[f64], ridge: f64) -> Vec<f64> {
    let tree = world.tree;
    let width = tree.length * tree.vocab + 1;
    let places = |y: usize| {
        let tokens = tree.tokens(tree.length, y).into_iter().enumerate();
        tokens.map(move |(i, t)| i * tree.vocab + t).chain([width - 1]).collect::<Vec<_>>()
    };
    let rated: Vec<(Vec<usize>, f64, f64)> =
        (0..gold.len()).filter(|y| counts[*y] > 0.0).map(|y| (places(y), counts[y], gold[y])).collect();
    let total: f64 = counts.iter().sum();
    // (XᵀX + n ridge) w = Xᵀr by conjugate gradients: a small positive definite system
    let apply = |w: &[f64]| {
        let mut out: Vec<f64> = w.iter().map(|v| total * ridge * v).collect();
        for (places, count, _) in &rated {
            let said: f64 = places.iter().map(|i| w[*i]).sum();
            places.iter().for_each(|i| out[*i] += count * said);
        }
        out
    };
    let mut residual = vec![0.0; width];
    for (places, count, reward) in &rated {
        places.iter().for_each(|i| residual[*i] += count * reward);
    }
    let (mut weights, mut direction, mut size) = (vec![0.0; width], residual.clone(), dot(&residual, &residual));
    let enough = 1e-24 * size;
    for _ in 0..4 * width {
        if size <= enough {
            break;
        }
        let image = apply(&direction);
        let step = size / dot(&direction, &image);
        weights.iter_mut().zip(&direction).for_each(|(w, d)| *w += step * d);
        residual.iter_mut().zip(&image).for_each(|(r, i)| *r -= step * i);
        let next = dot(&residual, &residual);
        direction.iter_mut().zip(&residual).for_each(|(d, r)| *d = r + next / size * *d);
        size = next;
    }
    (0..gold.len()).map(|y| places(y).iter().map(|i| weights[*i]).sum()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rest::strings::WorldParams;
    use rewardlab::rng::Stream;

    /// The weighted share of right bits is linear: with every string rated the fit says it.
    #[test]
    fn a_linear_reward_is_fitted() {
        let p = WorldParams { contexts: 2, ..WorldParams::default() };
        let world = Strings::draw(&p, Task::Match, &mut Stream::named(&["linear fit"])).expect("finite");
        let gold = world.world.rewards(1);
        let fit = linear_fit(&world, &vec![1.0; gold.len()], gold, 1e-9);
        let worst = fit.iter().zip(gold).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(worst < 1e-6, "{worst}");
    }
}
