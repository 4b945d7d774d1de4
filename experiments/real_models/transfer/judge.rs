//! What transfers.

use super::Row;
use crate::statistics::by_seed;
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{Estimate, Method, mean, median, quantile, spearman};

/// Effects below this have no size to compare.
const LEAST: f64 = 0.01;

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    let source = "ours";
    vec![
        Check::new(
            Kind::Claim,
            "signs",
            "where the small world is certain of an effect's sign, the language model agrees",
            source,
            "share of the effects whose interval in the small world leaves out 0 that have the same sign in both; median and 95% of draws",
            over_draws(rows, |r| {
                let certain = r.iter().filter(|r| !r.null && r.small_low * r.small_high > 0.0);
                mean(&certain.map(|r| f64::from(u8::from(r.small_draw * r.real_draw > 0.0))).collect::<Vec<_>>())
            }),
            Criterion::AtLeast(0.8),
        ),
        Check::new(
            Kind::Claim,
            "order",
            "effects keep their order",
            source,
            "Spearman correlation over effects, each in its own unit; median and 95% of draws",
            over_draws(rows, |r| {
                let effects = r.iter().filter(|r| !r.null);
                let (small, real): (Vec<f64>, Vec<f64>) = effects.map(|r| (r.small_draw, r.real_draw)).unzip();
                spearman(&small, &real)
            }),
            Criterion::AtLeast(0.5),
        ),
        Check::new(
            Kind::Claim,
            "size",
            "and their size within a factor of two",
            source,
            "median over effects of 0.01 or more that have one sign in both of real over small; median and 95% of draws",
            over_draws(rows, |r| {
                let sized = r.iter().filter(|r| !r.null && r.small_effect.abs() >= LEAST);
                let ratios = sized.map(|r| r.real_draw / r.small_draw).filter(|q| *q > 0.0);
                median(&ratios.collect::<Vec<_>>())
            }),
            Criterion::Within(0.5, 2.0),
        ),
        Check::new(
            Kind::Claim,
            "verdicts",
            "most claims have the same verdict",
            source,
            "share of the pairs whose checks have one verdict",
            {
                let first: Vec<&Record<Row>> = rows.iter().filter(|r| Some(r.seed) == rows.first().map(|f| f.seed)).collect();
                let same = first.iter().map(|r| f64::from(u8::from(r.small_verdict == r.real_verdict)));
                Estimate::exact(mean(&same.collect::<Vec<_>>()), first.len())
            },
            Criterion::AtLeast(0.5),
        ),
        Check::new(
            Kind::Control,
            "nothing_stays_nothing",
            "effects that should vanish are small in the language model",
            "derived",
            "mean over such pairs of |effect| in the language model; median and 95% of draws",
            over_draws(rows, |r| mean(&r.iter().filter(|r| r.null).map(|r| r.real_draw.abs()).collect::<Vec<_>>())),
            Criterion::AtMost(0.1),
        ),
    ]
}

/// A statistic of each draw: their median and the middle 95% of them.
fn over_draws(rows: &[Record<Row>], statistic: impl Fn(&[&Record<Row>]) -> f64) -> Estimate {
    let draws = by_seed(rows, statistic);
    Estimate {
        value: median(&draws),
        low: quantile(&draws, 0.025),
        high: quantile(&draws, 0.975),
        n: draws.len(),
        method: Method::Bootstrap,
    }
}
