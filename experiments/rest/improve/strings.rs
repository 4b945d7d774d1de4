//! One Grow and its Improve chain in the strings world.

use super::super::strings::{Class, Grow, Loop, Step, Strings, Task};
use super::{Condition, Row, StringsParams};
use crate::statistics::worse;
use rewardlab::error::Result;
use rewardlab::exact::Engine;
use rewardlab::experiment::Context;

pub(super) fn measure(
    p: &StringsParams,
    task: Task,
    class: Class,
    condition: Condition,
    ctx: &Context,
) -> Result<Vec<Row>> {
    let world = Strings::draw(&p.world, task, &mut ctx.shared_stream(task.name()))?;
    let original = world.draws(&world.data, p.data, &mut ctx.shared_stream(&format!("{task} data")));
    let grow = match condition {
        Condition::Sampled => Grow::Sampled { candidates: p.candidates, original: &original, prior: p.prior },
        Condition::Population | Condition::Shuffled => Grow::Population { share: p.share },
    };
    let filter = match condition {
        Condition::Shuffled => world.shuffled(&mut ctx.stream("shuffle")),
        Condition::Population | Condition::Sampled => world.world.clone(),
    };
    let rest = Loop { class, grow, grows: 1, thresholds: &p.thresholds };
    let exact = class == Class::Tabular && condition == Condition::Population;
    let row = |step: Step| Row {
        world: "strings".into(),
        task: task.name().into(),
        policy: class.name().into(),
        condition: condition.name().into(),
        grow: step.grow,
        improve: step.improve,
        threshold: step.threshold,
        value: world.value(&step.policy),
        closed_form_error: exact.then(|| closed_form_error(&world, &step)),
        acceptance: step.acceptance,
        passed: step.contexts as f64 / p.world.contexts as f64,
        best: step.best,
        grown: None,
        greedy: None,
    };
    Ok(world.train(&rest, &filter, &mut ctx.stream("grow")).into_iter().map(row).collect())
}

/// The largest |V − E[R given R > τ]| under the data's distribution: V of the softmax policy from a dynamic programme, the mean
/// from the two sums that define it. Contexts in which nothing passes are left out.
fn closed_form_error(world: &Strings, step: &Step) -> f64 {
    let (mut engine, mut policy) = (Engine::new(world.tree), world.softmax_policy(&step.policy));
    let threshold = step.threshold.unwrap_or(f64::NEG_INFINITY);
    let mut error = |x: usize| {
        let tail = world.data[x].iter().zip(world.world.rewards(x)).filter(|(_, r)| **r > threshold);
        let (mass, reward) = tail.fold((0.0, 0.0), |(mass, reward), (p, r)| (mass + p, reward + p * r));
        let value = engine.stats(&mut policy, &world.world, x).value;
        if mass > 0.0 { (value - reward / mass).abs() } else { 0.0 }
    };
    world.contexts().map(&mut error).fold(0.0, worse)
}
