//! The figure: every effect in both, paper by paper, and one against the other.

use super::Row;
use super::judge::{once, papers};
use super::pairs::Kind;
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel};

const BOTH: [&str; 2] = ["small world", "language model"];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let mut panels: Vec<Panel> = papers(rows).iter().map(|paper| effects(rows, paper)).collect();
    panels.push(against(rows));
    Chart {
        title: "From small worlds to language models".into(),
        subtitle: "Each effect in its own unit, with the 95% interval of its check; those of the last panel end where its axis does."
            .into(),
        panels,
        columns: 3,
    }
}

/// Where the last panel ends, and its intervals.
const RANGE: (f64, f64) = (-1.25, 1.75);

fn cut(value: f64) -> f64 {
    value.clamp(RANGE.0, RANGE.1)
}

fn effects(rows: &[Record<Row>], paper: &str) -> Panel {
    let own: Vec<&Record<Row>> = once(rows).into_iter().filter(|r| r.cell == paper).collect();
    let series = |name: &str, shift: f64, of: fn(&Row) -> [f64; 3]| {
        let point = |(i, r): (usize, &&Record<Row>)| {
            let [value, low, high] = of(&r.row);
            (i as f64 + shift, value, low, high)
        };
        Layer::ErrorBars { series: name.into(), points: own.iter().enumerate().map(point).collect() }
    };
    Panel {
        title: paper.replace('_', " "),
        x: Axis {
            label: "effect".into(),
            categories: own.iter().map(|r| r.effect.clone()).collect(),
            ..Axis::default()
        },
        y: Axis { label: "size (own unit)".into(), ..Axis::default() },
        layers: vec![
            series(BOTH[0], -0.12, |r| [r.small_effect, r.small_low, r.small_high]),
            series(BOTH[1], 0.12, |r| [r.real_effect, r.real_low, r.real_high]),
            Layer::Horizontal { label: "zero".into(), y: 0.0 },
        ],
    }
}

fn against(rows: &[Record<Row>]) -> Panel {
    let points = |kind: Kind| -> Vec<(f64, f64, f64, f64)> {
        let own = once(rows).into_iter().filter(|r| r.kind == kind);
        own.map(|r| (cut(r.small_effect), cut(r.real_effect), cut(r.real_low), cut(r.real_high))).collect()
    };
    let line = |label: &str, slope: f64| Layer::Reference {
        label: label.into(),
        points: vec![(-0.3, -0.3 * slope), (1.1 / slope.max(1.0), 1.1 * slope.min(1.0))],
    };
    Panel {
        title: "one against the other".into(),
        x: Axis { label: "effect in the small world".into(), range: Some((-0.3, 1.1)), ..Axis::default() },
        y: Axis { label: "effect in the language model".into(), range: Some(RANGE), ..Axis::default() },
        layers: vec![
            Layer::ErrorBars { series: "one unit".into(), points: points(Kind::Sized) },
            Layer::ErrorBars { series: "two units".into(), points: points(Kind::Signed) },
            Layer::ErrorBars { series: "should vanish".into(), points: points(Kind::Vanishes) },
            line("equal, and a factor of two", 1.0),
            line("equal, and a factor of two", 2.0),
            line("equal, and a factor of two", 0.5),
        ],
    }
}
