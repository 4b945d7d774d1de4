//! Two Grows in the translation world.

use super::super::translation::{DataSet, Pays, Standing, TranslationSetup};
use super::Row;
use rewardlab::error::Result;
use rewardlab::experiment::Context;

pub(super) fn measure(setup: &TranslationSetup, set: DataSet, ctx: &Context) -> Result<Vec<Row>> {
    let settings = setup.standard(set);
    let standings = setup.standings(ctx, set, &Pays::Truth, &settings)?;
    let row = |s: &Standing| Row {
        world: "translation".into(),
        task: set.name().into(),
        policy: "transformer".into(),
        candidates: Some(settings.candidates),
        grow: s.grow,
        improve: s.improve,
        threshold: s.threshold,
        value: s.worth.reward,
        acceptance: s.kept.unwrap_or(1.0),
        passed: 1.0,
        best: s.best,
    };
    Ok(standings.iter().map(row).collect())
}
