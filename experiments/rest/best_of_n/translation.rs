//! Best-of-N of the loop's policies in the translation world, from pools of samples.

use super::super::translation::{Pays, TranslationSetup};
use super::{Row, SET};
use rewardlab::error::Result;
use rewardlab::exact::best_of_n_pool;
use rewardlab::experiment::Context;
use rewardlab::stats::mean;

pub(super) fn measure(setup: &TranslationSetup, draws: &[u32], ctx: &Context) -> Result<Vec<Row>> {
    let run = setup.run(ctx, SET, &Pays::Truth, &setup.standard(SET))?;
    let steps = run.steps.len();
    let mut rows = Vec::new();
    let last = run.steps.iter().filter(|s| s.grow == 1).map(|s| s.improve).max().unwrap_or(0);
    // BC; everything, the third and the last Improve of the first Grow; the last policy of all
    let chosen = |grow: usize, improve: usize| match grow {
        0 => true,
        1 => [0, last.min(3), last].contains(&improve),
        _ => false,
    };
    let steps = run.steps.iter().enumerate().filter(|(i, s)| chosen(s.grow, s.improve) || i + 1 == steps);
    for (_, step) in steps {
        let pools = setup.test_pools(ctx, SET, &step.params, "pool")?;
        let of_sources: Vec<Vec<f64>> = pools.iter().map(|pool| best_of_n_pool(pool, draws)).collect();
        rows.extend(draws.iter().enumerate().map(|(k, &n)| Row {
            world: "translation".into(),
            task: SET.name().into(),
            policy: "transformer".into(),
            filter: "reward".into(),
            grow: step.grow,
            improve: step.improve,
            n,
            reward: mean(&of_sources.iter().map(|own| own[k]).collect::<Vec<_>>()),
            sampled_less_exact: None,
            standard_error: None,
        }));
    }
    Ok(rows)
}
