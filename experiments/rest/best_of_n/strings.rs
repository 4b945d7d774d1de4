//! Best-of-N of the loop's policies in the strings world.

use super::super::strings::{Class, Grow, Loop, Masses, Strings, Task, counts};
use super::{Row, StringsParams};
use rewardlab::error::Result;
use rewardlab::exact::best_of_n_rewards;
use rewardlab::experiment::Context;
use rewardlab::rng::Stream;

pub(super) fn measure(
    p: &StringsParams,
    draws: &[u32],
    task: Task,
    class: Class,
    shuffled: bool,
    ctx: &Context,
) -> Result<Vec<Row>> {
    let world = Strings::draw(&p.world, task, &mut ctx.shared_stream(task.name()))?;
    let original = world.draws(&world.data, p.data, &mut ctx.shared_stream(&format!("{task} data")));
    let grow = Grow::Sampled { candidates: p.candidates, original: &original, prior: p.prior };
    let filter = if shuffled { world.shuffled(&mut ctx.stream("shuffle")) } else { world.world.clone() };
    let rest = Loop { class, grow, grows: 2, thresholds: &p.thresholds };
    let steps = world.train(&rest, &filter, &mut ctx.stream("grow"));
    let mut rng = ctx.stream("trials");
    let mut rows = Vec::new();
    let chain = steps.iter().enumerate().filter(|(i, step)| {
        // BC, the first Grow's Improve steps, and the last policy of all
        step.grow == 0 || (step.grow == 1 && step.improve > 0) || i + 1 == steps.len()
    });
    for (i, step) in chain {
        let of_contexts: Vec<Vec<(f64, f64)>> =
            world.contexts().map(|x| best_of_n_rewards(&step.policy[x], world.world.rewards(x), draws)).collect();
        let tried = i == 0 || i + 1 == steps.len();
        for (k, &n) in draws.iter().enumerate() {
            let exact = world.mean_of(|x| of_contexts[x][k].0);
            let variance: f64 = of_contexts.iter().map(|own| own[k].1.powi(2)).sum();
            let error = (variance / p.trials as f64).sqrt() / of_contexts.len() as f64;
            rows.push(Row {
                world: "strings".into(),
                task: task.name().into(),
                policy: class.name().into(),
                filter: if shuffled { "shuffled" } else { "reward" }.into(),
                grow: step.grow,
                improve: step.improve,
                n,
                reward: exact,
                sampled_less_exact: tried.then(|| trials(&world, &step.policy, n, p.trials, &mut rng) - exact),
                standard_error: tried.then_some(error),
            });
        }
    }
    Ok(rows)
}

/// The mean over trials and contexts of the best of N draws.
fn trials(world: &Strings, policy: &Masses, n: u32, trials: usize, rng: &mut Stream) -> f64 {
    let mut total = 0.0;
    for x in world.contexts() {
        for _ in 0..trials {
            let drawn = counts(&policy[x], n as usize, rng);
            let rewards = drawn.iter().zip(world.world.rewards(x)).filter(|(count, _)| **count > 0.0).map(|(_, r)| *r);
            total += rewards.fold(f64::NEG_INFINITY, f64::max);
        }
    }
    total / (trials * world.tree.prompts) as f64
}
