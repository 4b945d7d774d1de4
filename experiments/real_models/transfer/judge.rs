//! What transfers.

use super::Row;
use super::pairs::Kind as Common;
use crate::statistics::by_seed;
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{Estimate, Method, mean, quantile};

/// An effect in both.
#[derive(Clone, Copy)]
struct Both {
    small: f64,
    real: f64,
}

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    let claim = |id: &str, statement: &str, statistic: &str, estimate: Estimate, least: f64| {
        Check::new(Kind::Claim, id, statement, "ours", statistic, estimate, Criterion::AtLeast(least))
    };
    let mut checks: Vec<Check> = papers(rows)
        .into_iter()
        .map(|paper| {
            let own: Vec<Record<Row>> = rows.iter().filter(|r| r.cell == paper).cloned().collect();
            claim(
                &format!("signs_{paper}"),
                &format!("{paper}: where the small world is certain of an effect's sign, the language model agrees"),
                "share of the effects whose interval in the small world leaves out 0 that have one sign in both",
                over_draws(&own, signs),
                0.8,
            )
        })
        .collect();
    checks.extend([
        claim(
            "order",
            "effects keep their order",
            "share of pairs of effects of one paper in one unit, ordered for certain in the small world, that have the same order",
            over_draws(rows, order),
            0.8,
        ),
        claim(
            "size",
            "and their size within a factor of two",
            "share of effects in one unit, not zero for certain in the small world, whose ratio real over small is in [1/2, 2]",
            over_draws(rows, size),
            0.5,
        ),
        claim(
            "verdicts",
            "most checks have the same verdict",
            "share of the pairs",
            {
                let effects = once(rows);
                let same = effects.iter().map(|r| f64::from(u8::from(r.small_verdict == r.real_verdict)));
                Estimate::exact(mean(&same.collect::<Vec<_>>()), effects.len())
            },
            0.5,
        ),
        Check::new(
            Kind::Control,
            "nothing_stays_nothing",
            "effects that should vanish are small in the language model",
            "derived",
            "largest |effect| in the language model of those that should vanish, own units",
            over_draws(rows, |rows, of| {
                let vanish = rows.iter().zip(of).filter(|(r, _)| r.kind == Common::Vanishes);
                vanish.map(|(_, b)| b.real.abs()).fold(f64::NAN, f64::max)
            }),
            Criterion::AtMost(0.1),
        ),
    ]);
    checks
}

/// The papers, in the order of the rows.
pub(super) fn papers(rows: &[Record<Row>]) -> Vec<String> {
    let mut papers: Vec<String> = Vec::new();
    for row in rows {
        if !papers.contains(&row.cell) {
            papers.push(row.cell.clone());
        }
    }
    papers
}

/// Whether the interval of a difference, or of an effect, leaves out 0.
fn is_certain(low: f64, high: f64) -> bool {
    low * high > 0.0
}

fn signs(rows: &[&Record<Row>], of: &[Both]) -> f64 {
    let certain =
        rows.iter().zip(of).filter(|(r, _)| r.kind != Common::Vanishes && is_certain(r.small_low, r.small_high));
    mean(&certain.map(|(r, b)| f64::from(u8::from(r.small_effect * b.real > 0.0))).collect::<Vec<_>>())
}

fn order(rows: &[&Record<Row>], of: &[Both]) -> f64 {
    let mut kept = Vec::new();
    for (i, one) in rows.iter().enumerate() {
        for (j, other) in rows.iter().enumerate().skip(i + 1) {
            let alike = one.cell == other.cell && one.unit == other.unit;
            let apart = one.small_low > other.small_high || other.small_low > one.small_high;
            if alike && apart {
                let in_small = one.small_effect - other.small_effect;
                kept.push(f64::from(u8::from(in_small * (of[i].real - of[j].real) > 0.0)));
            }
        }
    }
    mean(&kept)
}

fn size(rows: &[&Record<Row>], of: &[Both]) -> f64 {
    let sized = rows.iter().zip(of).filter(|(r, _)| r.kind == Common::Sized && is_certain(r.small_low, r.small_high));
    mean(&sized.map(|(_, b)| f64::from(u8::from((0.5..=2.0).contains(&(b.real / b.small))))).collect::<Vec<_>>())
}

/// A statistic of the effects, and the middle 95% of it over the seeds' draws of all effects.
fn over_draws(rows: &[Record<Row>], statistic: impl Fn(&[&Record<Row>], &[Both]) -> f64) -> Estimate {
    let drawn = |r: &&Record<Row>| Both { small: r.small_draw, real: r.real_draw };
    let draws = by_seed(rows, |of_seed| statistic(of_seed, &of_seed.iter().map(drawn).collect::<Vec<_>>()));
    let effects = once(rows);
    let point: Vec<Both> = effects.iter().map(|r| Both { small: r.small_effect, real: r.real_effect }).collect();
    Estimate {
        value: statistic(&effects, &point),
        low: quantile(&draws, 0.025),
        high: quantile(&draws, 0.975),
        n: effects.len(),
        method: Method::Bootstrap,
    }
}

/// Every effect once.
pub(super) fn once(rows: &[Record<Row>]) -> Vec<&Record<Row>> {
    rows.iter().filter(|r| Some(r.seed) == rows.first().map(|f| f.seed)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Effects of one paper in one unit: in the small world and in the language model, each with an interval of ±0.01.
    fn rows(effects: &[(f64, f64)]) -> Vec<Record<Row>> {
        let row = |(small, real): &(f64, f64)| Row {
            effect: "effect".into(),
            unit: "reward".into(),
            kind: Common::Sized,
            small: "small".into(),
            small_effect: *small,
            small_low: small - 0.01,
            small_high: small + 0.01,
            small_verdict: "reproduced".into(),
            real: "real".into(),
            real_effect: *real,
            real_low: real - 0.01,
            real_high: real + 0.01,
            real_verdict: "reproduced".into(),
            small_draw: *small,
            real_draw: *real,
        };
        effects.iter().map(|e| Record { cell: "paper".into(), seed: 0, row: row(e) }).collect()
    }

    fn of(rows: &[Record<Row>], statistic: fn(&[&Record<Row>], &[Both]) -> f64) -> f64 {
        over_draws(rows, statistic).value
    }

    #[test]
    fn sign_order_and_size_by_hand() {
        // the last is not certain in the small world
        let rows = rows(&[(0.1, 0.2), (0.3, 0.1), (0.5, -0.1), (0.005, -0.4)]);
        assert!((of(&rows, signs) - 2.0 / 3.0).abs() < 1e-12);
        // of six pairs only those with the last keep their order
        assert!((of(&rows, order) - 0.5).abs() < 1e-12);
        // 2, 1/3 and −1/5
        assert!((of(&rows, size) - 1.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn another_unit_has_a_sign_and_no_size() {
        let mut rows = rows(&[(0.1, 0.2), (0.3, 0.4)]);
        rows.iter_mut().for_each(|r| r.row.kind = Common::Signed);
        assert!((of(&rows, signs), of(&rows, order)) == (1.0, 1.0));
        assert!(of(&rows, size).is_nan());
        rows[1].row.unit = "nats".into();
        assert!(of(&rows, order).is_nan());
    }

    #[test]
    fn draws_make_the_interval() {
        let mut all = Vec::new();
        for seed in 0..40 {
            // the second effect has either sign in the language model
            let drawn = rows(&[(0.5, 0.5), (0.9, if seed % 2 == 0 { 0.1 } else { -0.1 })]);
            all.extend(drawn.into_iter().map(|r| Record { seed, ..r }));
        }
        let estimate = over_draws(&all, signs);
        assert!((estimate.low, estimate.value, estimate.high) == (0.5, 1.0, 1.0));
        assert_eq!(estimate.n, 2);
    }
}
