//! One Grow, one Improve per threshold, in the strings world.

use super::super::strings::{Class, Improved, Masses, Strings, Task};
use super::{Fit, HARD, Params, Row, Rule};
use rewardlab::error::Result;
use rewardlab::exact::{expected_reward, filtered, mean_max_threshold, percentile_threshold};
use rewardlab::experiment::Context;
use rewardlab::stats::mean;

pub(super) fn measure(p: &Params, task: Task, class: Class, fit: Fit, rule: Rule, ctx: &Context) -> Result<Vec<Row>> {
    let s = &p.strings;
    let world = Strings::draw(&s.world, task, &mut ctx.shared_stream(task.name()))?;
    let start = world.supervised(class);
    let grown = if fit == Fit::Population {
        // a tabular policy fitted to the data is the data: so is every mixture of both
        world.grow(&start, 1.0)
    } else {
        // all rules judge the same samples
        let mut rng = ctx.shared_stream(&format!("{task} {} grow", class.name()));
        let original = world.draws(&world.data, s.data, &mut rng);
        world.grow_sampled(&start, &original, s.candidates, &mut rng)
    };
    let prior = if fit == Fit::Cautious { s.prior } else { 0.0 };
    let filter = if rule == Rule::Shuffled { world.shuffled(&mut ctx.stream("shuffle")) } else { world.world.clone() };
    let threshold = |x: usize, level: f64| match rule {
        Rule::Percentile | Rule::Shuffled => percentile_threshold(&grown[x], filter.rewards(x), level),
        Rule::MeanMax => mean_max_threshold(&grown[x], filter.rewards(x), level),
        Rule::Global | Rule::Random | Rule::Chain => level,
    };
    let levels = match rule {
        Rule::Percentile | Rule::Shuffled => &p.percentiles,
        Rule::MeanMax => &p.gammas,
        Rule::Global | Rule::Random | Rule::Chain => &p.thresholds,
    };
    let best = |x: usize| world.world.rewards(x).iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let hard: Vec<usize> = world.contexts().filter(|x| best(*x) <= HARD).collect();
    let over_hard = |of: &dyn Fn(usize) -> f64| mean(&hard.iter().map(|x| of(*x)).collect::<Vec<_>>());
    let value_of_hard = |policy: &Masses| over_hard(&|x| expected_reward(&policy[x], world.world.rewards(x)));
    let everything = vec![f64::NEG_INFINITY; world.tree.prompts];
    // where nothing passes in any context, all keep their policies
    let none = |_| Improved { policy: start.clone(), acceptance: 0.0, contexts: 0 };
    let improve =
        |thresholds: &[f64]| world.improve(class, &start, &grown, &filter, thresholds, prior).unwrap_or_else(none);
    let before = improve(&everything).policy;
    let mut rows = Vec::new();
    for &level in levels {
        let thresholds: Vec<f64> = world.contexts().map(|x| threshold(x, level)).collect();
        let improved = improve(&thresholds);
        let passes = |x: usize| f64::from(u8::from(filtered(&grown[x], filter.rewards(x), thresholds[x]).is_ok()));
        rows.push(Row {
            world: "strings".into(),
            task: task.name().into(),
            policy: class.name().into(),
            fit: fit.name().into(),
            rule: rule.name().into(),
            level,
            before: world.value(&before),
            value: world.value(&improved.policy),
            hard_before: value_of_hard(&start),
            hard: value_of_hard(&improved.policy),
            hard_passed: over_hard(&passes),
            hard_share: None,
            acceptance: improved.acceptance,
        });
    }
    Ok(rows)
}
