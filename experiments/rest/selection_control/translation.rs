//! One Grow whose samples are chosen by reward or at random, in the translation world.

use super::super::translation::{DataSet, Improvement, THRESHOLDS, TranslationSetup, above};
use super::{Choice, Row};
use rewardlab::algorithm::Keep;
use rewardlab::error::Result;
use rewardlab::experiment::Context;

pub(super) fn measure(setup: &TranslationSetup, set: DataSet, choice: Choice, ctx: &Context) -> Result<Vec<Row>> {
    let as_many = THRESHOLDS.map(|threshold| Keep::AsManyAsAbove { threshold });
    let improves = match choice {
        Choice::Random => [vec![Keep::All], as_many.to_vec()].concat(),
        Choice::Reward | Choice::Shuffled => above(&THRESHOLDS),
    };
    let sources = setup.data(ctx, set)?.pairs.len() as f64;
    let steps = setup.improved(ctx, set, &improves)?;
    let row = |(improve, step): (usize, &Improvement)| Row {
        world: "translation".into(),
        task: set.name().into(),
        policy: "transformer".into(),
        choice: choice.name().into(),
        improve,
        threshold: improve.checked_sub(1).map(|i| THRESHOLDS[i]),
        value: step.value(),
        kept: step.kept as f64 / sources,
    };
    Ok(steps.iter().enumerate().map(row).collect())
}
