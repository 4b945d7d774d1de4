//! Two Grows in the translation world, or one whose data are learned from twice.

use super::super::translation::{DataSet, Pays, Standing, THRESHOLDS, TranslationSetup, above};
use super::Row;
use rewardlab::error::Result;
use rewardlab::experiment::Context;

pub(super) fn measure(setup: &TranslationSetup, set: DataSet, again: bool, ctx: &Context) -> Result<Vec<Row>> {
    let chain = above(&THRESHOLDS);
    let settings = if again { setup.loop_of(Some(set), 1, [&chain[..], &chain].concat()) } else { setup.standard(set) };
    let standings = setup.standings(ctx, set, &Pays::Truth, &settings)?;
    let row = |s: &Standing| Row {
        world: "translation".into(),
        task: set.name().into(),
        policy: if again { "transformer_again" } else { "transformer" }.into(),
        candidates: Some(settings.candidates),
        // the second chain stands where the second Grow's would
        grow: s.grow + s.improve / chain.len(),
        improve: s.improve % chain.len(),
        threshold: s.threshold,
        value: s.worth.reward,
        acceptance: s.kept.unwrap_or(1.0),
        passed: if s.kept == Some(0.0) { 0.0 } else { 1.0 },
        best: s.best,
        grown: s.reward,
        greedy: Some(s.worth.greedy),
    };
    Ok(standings.iter().map(row).collect())
}
