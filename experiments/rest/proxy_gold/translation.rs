//! The loop of a transformer, paid by the truth, by a learned reward, and by one with a bug.

use super::super::translation::{Pays, THRESHOLDS, above};
use super::{Proxy, Row, SET, TranslationParams};
use rewardlab::error::Result;
use rewardlab::experiment::Context;

pub(super) fn measure(p: &TranslationParams, grows: usize, proxy: Proxy, ctx: &Context) -> Result<Vec<Row>> {
    let setup = &p.setup;
    let pays = match proxy {
        Proxy::Truth => Pays::Truth,
        Proxy::Few => Pays::Learned(p.model(0, false)),
        Proxy::Many => Pays::Learned(p.model(1, false)),
        Proxy::Bug => Pays::Learned(p.model(1, true)),
    };
    let settings = setup.loop_of(Some(SET), grows, above(&THRESHOLDS));
    let policies = setup.run(ctx, SET, &pays, &settings)?.policies();
    let standings = setup.standings(ctx, SET, &pays, &settings)?;
    let row = |(i, s): (usize, &super::super::translation::Standing)| {
        Ok(Row {
            world: "translation".into(),
            task: SET.name().into(),
            proxy: proxy.name().into(),
            grow: s.grow,
            improve: s.improve,
            paid: s.worth.paid,
            gold: s.worth.reward,
            kl: setup.kl(ctx, SET, &policies[i].params)?,
            repeats: s.worth.repeats,
        })
    };
    standings.iter().enumerate().map(row).collect()
}
