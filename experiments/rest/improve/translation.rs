//! The first Grow of the translation world and its Improve chain.

use super::super::translation::{DataSet, Pays, Standing, TranslationSetup};
use super::Row;
use rewardlab::error::Result;
use rewardlab::experiment::Context;

pub(super) fn measure(setup: &TranslationSetup, set: DataSet, ctx: &Context) -> Result<Vec<Row>> {
    let standings = setup.standings(ctx, set, &Pays::Truth, &setup.standard(set))?;
    let row = |s: &Standing| Row {
        world: "translation".into(),
        task: set.name().into(),
        policy: "transformer".into(),
        condition: "sampled".into(),
        grow: s.grow,
        improve: s.improve,
        threshold: s.threshold,
        value: s.worth.reward,
        closed_form_error: None,
        acceptance: s.kept.unwrap_or(1.0),
        passed: if s.kept == Some(0.0) { 0.0 } else { 1.0 },
        best: s.best,
        grown: s.reward,
        greedy: Some(s.worth.greedy),
    };
    Ok(standings.iter().filter(|s| s.grow <= 1).map(row).collect())
}
