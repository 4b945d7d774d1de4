//! What transfers.

use super::Row;
use super::pairs::Kind as Common;
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::rng::Stream;
use rewardlab::stats::{Estimate, Method, mean, quantile};

/// Draws of all effects.
const DRAWS: usize = 2000;

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
                let same = rows.iter().map(|r| f64::from(u8::from(r.small_verdict == r.real_verdict)));
                Estimate::exact(mean(&same.collect::<Vec<_>>()), rows.len())
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
    let mut papers: Vec<String> = rows.iter().map(|r| r.cell.clone()).collect();
    papers.dedup();
    papers
}

/// Whether the interval of a difference, or of an effect, leaves out 0.
fn is_certain(low: f64, high: f64) -> bool {
    low * high > 0.0
}

fn signs(rows: &[Record<Row>], of: &[Both]) -> f64 {
    let certain =
        rows.iter().zip(of).filter(|(r, _)| r.kind != Common::Vanishes && is_certain(r.small_low, r.small_high));
    mean(&certain.map(|(r, b)| f64::from(u8::from(r.small_effect * b.real > 0.0))).collect::<Vec<_>>())
}

fn order(rows: &[Record<Row>], of: &[Both]) -> f64 {
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

fn size(rows: &[Record<Row>], of: &[Both]) -> f64 {
    let sized = rows.iter().zip(of).filter(|(r, _)| r.kind == Common::Sized && is_certain(r.small_low, r.small_high));
    mean(&sized.map(|(_, b)| f64::from(u8::from((0.5..=2.0).contains(&(b.real / b.small))))).collect::<Vec<_>>())
}

/// A statistic of the effects, and the middle 95% of it over draws of all effects.
fn over_draws(rows: &[Record<Row>], statistic: impl Fn(&[Record<Row>], &[Both]) -> f64) -> Estimate {
    let mut rng = Stream::named(&["real_models/transfer", "draws"]);
    let mut drawn = |value: f64, low: f64, high: f64| value + (high - low) / (2.0 * 1.96) * rng.normal();
    let mut draw = |r: &Record<Row>| Both {
        small: drawn(r.small_effect, r.small_low, r.small_high),
        real: drawn(r.real_effect, r.real_low, r.real_high),
    };
    let draws: Vec<f64> =
        (0..DRAWS).map(|_| statistic(rows, &rows.iter().map(&mut draw).collect::<Vec<_>>())).collect();
    let point: Vec<Both> = rows.iter().map(|r| Both { small: r.small_effect, real: r.real_effect }).collect();
    Estimate {
        value: statistic(rows, &point),
        low: quantile(&draws, 0.025),
        high: quantile(&draws, 0.975),
        n: rows.len(),
        method: Method::Bootstrap,
    }
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
        };
        effects.iter().map(|e| Record { cell: "paper".into(), seed: 0, row: row(e) }).collect()
    }

    fn both(rows: &[Record<Row>]) -> Vec<Both> {
        rows.iter().map(|r| Both { small: r.small_effect, real: r.real_effect }).collect()
    }

    #[test]
    fn sign_order_and_size_by_hand() {
        // the last is not certain in the small world
        let rows = rows(&[(0.1, 0.2), (0.3, 0.1), (0.5, -0.1), (0.005, -0.4)]);
        let of = both(&rows);
        assert!((signs(&rows, &of) - 2.0 / 3.0).abs() < 1e-12);
        // of six pairs only those with the last keep their order
        assert!((order(&rows, &of) - 0.5).abs() < 1e-12);
        // 2, 1/3 and −1/5
        assert!((size(&rows, &of) - 1.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn another_unit_has_a_sign_and_no_size() {
        let mut rows = rows(&[(0.1, 0.2), (0.3, 0.4)]);
        rows.iter_mut().for_each(|r| r.row.kind = Common::Signed);
        let of = both(&rows);
        assert!((signs(&rows, &of), order(&rows, &of)) == (1.0, 1.0));
        assert!(size(&rows, &of).is_nan());
        rows[1].row.unit = "nats".into();
        assert!(order(&rows, &of).is_nan());
    }

    #[test]
    fn what_is_far_from_zero_is_certain_in_draws_too() {
        let rows = rows(&[(0.5, 0.5), (0.9, 0.9)]);
        let estimate = over_draws(&rows, signs);
        assert!((estimate.low, estimate.value, estimate.high) == (1.0, 1.0, 1.0));
        // a real effect at zero has either sign
        let estimate = over_draws(&self::rows(&[(0.5, 0.0)]), signs);
        assert!((estimate.low, estimate.high) == (0.0, 1.0));
    }
}
