//! Accuracy and, under it, PGR by the student's size.

use super::Row;
use super::judge::recovered;
use crate::statistics::{banded, intervals, log_axis, means, seeds};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use std::collections::BTreeSet;

const LOSSES: [(&str, &str, Stroke); 5] = [
    ("naive", "naive", Stroke::Solid),
    ("confidence", "confidence, paper", Stroke::Solid),
    ("public_confidence", "confidence, public code", Stroke::Dashed),
    ("product", "product", Stroke::Dotted),
    ("entropy", "entropy", Stroke::Dotted),
];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let sizes: BTreeSet<usize> = rows.iter().map(|r| r.size).collect();
    let x = || log_axis("student's size (inputs seen)");
    let accuracy = |regime: &'static str| {
        let own = move |loss: &'static str| {
            rows.iter().filter(move |r| r.regime == regime && r.loss == loss && r.labels == "weak")
        };
        let reference = |label: &str, value: fn(&Row) -> f64| Layer::Reference {
            label: label.into(),
            points: means(&intervals(own("naive").map(|r| (r.size as f64, value(&r.row))))),
        };
        let lines = LOSSES.iter().flat_map(|(loss, series, stroke)| {
            banded(series, &intervals(own(loss).map(|r| (r.size as f64, r.student))), *stroke)
        });
        Panel {
            title: format!("{regime}: accuracy"),
            x: x(),
            y: Axis { label: "accuracy".into(), ..Axis::default() },
            layers: [reference("ceiling", |r| r.ceiling), reference("teacher", |r| r.weak)]
                .into_iter()
                .chain(lines)
                .collect(),
        }
    };
    let pgr = |regime: &'static str| {
        let line = |(loss, series, stroke): &(&str, &str, Stroke)| {
            let at = |size: &usize| {
                let e = recovered(rows, regime, loss, *size);
                (*size as f64, e.value, e.low, e.high)
            };
            banded(series, &sizes.iter().map(at).collect::<Vec<_>>(), *stroke)
        };
        Panel {
            title: format!("{regime}: performance gap recovered"),
            x: x(),
            y: Axis { label: "PGR".into(), ..Axis::default() },
            layers: [Layer::Horizontal { label: "nothing recovered".into(), y: 0.0 }]
                .into_iter()
                .chain(LOSSES.iter().flat_map(line))
                .collect(),
        }
    };
    Chart {
        title: "Losses on weak labels".into(),
        subtitle: format!(
            "Linear world, exact accuracies. A: errors mostly from noise of the teacher's own; B: errors that all students can represent. \
             Means over {} seeds with 95% \
             intervals (PGR: Fieller's).",
            seeds(rows).len()
        ),
        panels: vec![accuracy("A"), accuracy("B"), pgr("A"), pgr("B")],
        columns: 2,
    }
}
