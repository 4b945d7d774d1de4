//! Two Grows in the strings world.

use super::super::strings::{Class, Grow, Loop, Step, Strings, Task};
use super::{Row, StringsParams};
use rewardlab::error::Result;
use rewardlab::experiment::Context;

pub(super) fn measure(
    p: &StringsParams,
    task: Task,
    class: Class,
    candidates: Option<usize>,
    ctx: &Context,
) -> Result<Vec<Row>> {
    let world = Strings::draw(&p.world, task, &mut ctx.shared_stream(task.name()))?;
    let original = world.draws(&world.data, p.data, &mut ctx.shared_stream(&format!("{task} data")));
    let grow = candidates.map_or(Grow::Population { share: p.share }, |candidates| Grow::Sampled {
        candidates,
        original: &original,
        prior: p.prior,
    });
    let rest = Loop { class, grow, grows: 2, thresholds: &p.thresholds };
    let row = |step: Step| Row {
        world: "strings".into(),
        task: task.name().into(),
        policy: class.name().into(),
        candidates,
        grow: step.grow,
        improve: step.improve,
        threshold: step.threshold,
        value: world.value(&step.policy),
        acceptance: step.acceptance,
        passed: step.contexts as f64 / p.world.contexts as f64,
        best: step.best,
        grown: None,
        greedy: None,
    };
    Ok(world.train(&rest, &world.world, &mut ctx.stream("grow")).into_iter().map(row).collect())
}
