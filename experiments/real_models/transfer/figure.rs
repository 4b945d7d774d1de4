//! The figure: every effect in both, and one against the other.

use super::Row;
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel};

const BOTH: [&str; 2] = ["small world", "language model"];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let first: Vec<&Record<Row>> = rows.iter().filter(|r| Some(r.seed) == rows.first().map(|f| f.seed)).collect();
    Chart {
        title: "From small worlds to language models".into(),
        subtitle: "Each effect in its own unit, with the 95% interval of its check. Dashed: equal; effects beyond the axes are cut at them.".into(),
        panels: vec![effects(&first), against(&first)],
        columns: 1,
    }
}

/// Intervals are cut where the axis ends.
const RANGE: (f64, f64) = (-1.2, 1.7);

fn cut(value: f64) -> f64 {
    value.clamp(RANGE.0, RANGE.1)
}

fn effects(rows: &[&Record<Row>]) -> Panel {
    let series = |name: &str, shift: f64, of: fn(&Row) -> (f64, f64, f64)| {
        let point = |(i, r): (usize, &&Record<Row>)| {
            let (value, low, high) = of(&r.row);
            (i as f64 + shift, cut(value), cut(low), cut(high))
        };
        Layer::ErrorBars { series: name.into(), points: rows.iter().enumerate().map(point).collect() }
    };
    Panel {
        title: "effects".into(),
        x: Axis {
            label: "effect".into(),
            categories: rows.iter().map(|r| r.effect.clone()).collect(),
            ..Axis::default()
        },
        y: Axis { label: "size (own unit)".into(), range: Some(RANGE), ..Axis::default() },
        layers: vec![
            series(BOTH[0], -0.12, |r| (r.small_effect, r.small_low, r.small_high)),
            series(BOTH[1], 0.12, |r| (r.real_effect, r.real_low, r.real_high)),
            Layer::Horizontal { label: "nothing".into(), y: 0.0 },
        ],
    }
}

fn against(rows: &[&Record<Row>]) -> Panel {
    let point = |null: bool| -> Vec<(f64, f64, f64, f64)> {
        let own = rows.iter().filter(move |r| r.null == null);
        own.map(|r| (cut(r.small_effect), cut(r.real_effect), cut(r.real_low), cut(r.real_high))).collect()
    };
    let corner = RANGE.0.max(-0.5);
    Panel {
        title: "language model against small world".into(),
        x: Axis { label: "effect in the small world".into(), range: Some((-0.5, 1.2)), ..Axis::default() },
        y: Axis { label: "effect in the language model".into(), range: Some(RANGE), ..Axis::default() },
        layers: vec![
            Layer::ErrorBars { series: "effect".into(), points: point(false) },
            Layer::ErrorBars { series: "effect that should vanish".into(), points: point(true) },
            Layer::Reference { label: "equal".into(), points: vec![(corner, corner), (1.2, 1.2)] },
        ],
    }
}
