//! Accuracy, PGR and agreement against the student's size.

use super::Row;
use super::judge::part;
use crate::statistics::{banded, intervals, log_axis, seeds};
use rewardlab::experiment::Record;
use rewardlab::metrics::{Scores, gap_recovered};
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use std::collections::BTreeMap;

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let drawn = |series: &str, stroke: Stroke, value: fn(&Row) -> f64| {
        banded(series, &intervals(part(rows, "student").map(|r| (r.filters as f64, value(r)))), stroke)
    };
    let mut of_size: BTreeMap<usize, Vec<Scores>> = BTreeMap::new();
    part(rows, "student").for_each(|r| of_size.entry(r.filters).or_default().push(r.scores()));
    let recovered: Vec<(f64, f64, f64, f64)> = of_size
        .into_iter()
        .map(|(filters, scores)| (filters as f64, gap_recovered(&scores)))
        .filter(|(_, e)| e.low.is_finite() && e.high.is_finite())
        .map(|(x, e)| (x, e.value, e.low, e.high))
        .collect();
    let mut pgr = banded("student", &recovered, Stroke::Solid).to_vec();
    pgr.extend([
        Layer::Horizontal { label: "paper: ResNet-50 (0.577)".into(), y: 0.577 },
        Layer::Horizontal { label: "paper: ViT-B/8 (0.415)".into(), y: 0.415 },
    ]);
    let panel = |title: &str, y: &str, layers: Vec<Layer>| Panel {
        title: title.into(),
        x: log_axis("filters of the student"),
        y: Axis { label: y.into(), ..Axis::default() },
        layers,
    };
    Chart {
        title: "A small network on pixels teaches heads on frozen features".into(),
        subtitle: format!(
            "Fashion-MNIST. Lines: means over {} seeds; bands: 95% t intervals (accuracy), Fieller's (PGR).",
            seeds(rows).len()
        ),
        panels: vec![
            panel(
                "Accuracy",
                "share of test images named rightly",
                [
                    drawn("ceiling: the truth", Stroke::Dashed, |r| r.ceiling),
                    drawn("student", Stroke::Solid, |r| r.right),
                    drawn("weak teacher", Stroke::Dotted, |r| r.weak),
                ]
                .concat(),
            ),
            panel("Performance gap recovered", "PGR", pgr),
        ],
        columns: 2,
    }
}
