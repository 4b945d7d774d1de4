//! Accuracy and, under it, PGR by the student's size.

use super::Row;
use super::judge::{of, recovered};
use crate::statistics::{banded, intervals, log_axis, means, seeds};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use std::collections::BTreeMap;

const STUDENTS: [(&str, fn(&Row) -> f64, Stroke); 3] = [
    ("naive", |r| r.naive, Stroke::Solid),
    ("chain", |r| r.chain, Stroke::Solid),
    ("three rounds of one size", |r| r.rounds, Stroke::Dotted),
];

const REGIMES: [(&str, &str); 3] = [
    ("B", "B: errors can be represented"),
    ("A", "A: most cannot be predicted"),
    ("plain", "B, plain representations"),
];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let places: BTreeMap<usize, usize> = rows.iter().map(|r| (r.place, r.size)).collect();
    let x = || log_axis("student's size (inputs seen)");
    let accuracy = |(regime, title): &(&'static str, &str)| {
        let all = |value: fn(&Row) -> f64| {
            intervals(places.keys().flat_map(|p| of(rows, regime, *p)).map(|r| (r.size as f64, value(&r.row))))
        };
        let reference =
            |label: &str, value: fn(&Row) -> f64| Layer::Reference { label: label.into(), points: means(&all(value)) };
        let lines = STUDENTS.iter().flat_map(|(series, value, stroke)| banded(series, &all(*value), *stroke));
        Panel {
            title: (*title).into(),
            x: x(),
            y: Axis { label: "accuracy".into(), ..Axis::default() },
            layers: [reference("ceiling", |r| r.ceiling), reference("teacher", |r| r.weak)]
                .into_iter()
                .chain(lines)
                .collect(),
        }
    };
    let pgr = |(regime, _): &(&'static str, &str)| {
        let line = |(series, value, stroke): &(&str, fn(&Row) -> f64, Stroke)| {
            let at = |(place, size): (&usize, &usize)| {
                let e = recovered(rows, regime, *place, *value);
                (*size as f64, e.value, e.low, e.high)
            };
            banded(series, &places.iter().map(at).collect::<Vec<_>>(), *stroke)
        };
        Panel {
            title: "Performance gap recovered".into(),
            x: x(),
            y: Axis { label: "PGR".into(), ..Axis::default() },
            layers: [Layer::Horizontal { label: "nothing recovered".into(), y: 0.0 }]
                .into_iter()
                .chain(STUDENTS.iter().flat_map(line))
                .collect(),
        }
    };
    Chart {
        title: "Bootstrapping: chains of students".into(),
        subtitle: format!(
            "Linear world, exact accuracies. Chains have two intermediate sizes where the ladder has so many. Means over {} seeds with 95% intervals (PGR: \
             Fieller's).",
            seeds(rows).len()
        ),
        panels: REGIMES.iter().map(accuracy).chain(REGIMES.iter().map(pgr)).collect(),
        columns: 3,
    }
}
