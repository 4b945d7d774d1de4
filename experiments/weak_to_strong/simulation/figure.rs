//! Accuracy, agreement and PGR by the teacher's size.

use super::Row;
use super::judge::{of, recovered};
use crate::statistics::{banded, intervals, log_axis, seeds};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use std::collections::BTreeSet;

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let sizes: BTreeSet<usize> = rows.iter().map(|r| r.student_size).collect();
    let largest = sizes.last().copied().unwrap_or(0);
    let own =
        |labels: &'static str| sizes.iter().flat_map(move |k| of(rows, labels, (largest, *k))).collect::<Vec<_>>();
    let line = |labels: &'static str, series: &str, stroke, value: fn(&Row) -> f64| {
        let points = intervals(own(labels).into_iter().map(|r| (r.teacher_size as f64, value(&r.row))));
        banded(series, &points, stroke)
    };
    let x = || log_axis("teacher's size k2 (features)");
    let pgr = |labels: &'static str, series: &str| {
        let smaller = sizes.iter().filter(|k| **k < largest);
        let points: Vec<_> = smaller
            .map(|k| {
                let e = recovered(rows, labels, (largest, *k));
                (*k as f64, e.value, e.low, e.high)
            })
            .collect();
        banded(series, &points, Stroke::Solid)
    };
    let (copy, flips) = ("student, teacher's labels", "student, random flips");
    let panels = vec![
        Panel {
            title: "Accuracy".into(),
            x: x(),
            y: Axis { label: "accuracy".into(), ..Axis::default() },
            layers: [
                line("teacher", "teacher", Stroke::Dotted, |r| r.weak),
                line("teacher", copy, Stroke::Solid, |r| r.student),
                line("flips", flips, Stroke::Solid, |r| r.student),
                line("teacher", "ceiling", Stroke::Dashed, |r| r.ceiling),
            ]
            .into_iter()
            .flatten()
            .collect(),
        },
        Panel {
            title: "Agreement with the teacher".into(),
            x: x(),
            y: Axis { label: "share of inputs".into(), ..Axis::default() },
            layers: [
                line("teacher", "teacher", Stroke::Dotted, |r| r.weak),
                line("teacher", copy, Stroke::Solid, |r| r.agreement.unwrap_or(f64::NAN)),
            ]
            .into_iter()
            .flatten()
            .collect(),
        },
        Panel {
            title: "Performance gap recovered".into(),
            x: x(),
            y: Axis { label: "PGR".into(), ..Axis::default() },
            layers: [
                Layer::Horizontal { label: "nothing, all".into(), y: 0.0 },
                Layer::Horizontal { label: "nothing, all".into(), y: 1.0 },
            ]
            .into_iter()
            .chain(pgr("teacher", copy))
            .chain(pgr("flips", flips))
            .collect(),
        },
    ];
    Chart {
        title: "A teacher that can be simulated, and random errors".into(),
        subtitle: format!(
            "Linear models on nested features; the student sees {largest}. Exact accuracies; means over {} seeds with 95% intervals (PGR: Fieller's). Dotted: \
             the teacher's accuracy.",
            seeds(rows).len()
        ),
        panels,
        columns: 3,
    }
}
