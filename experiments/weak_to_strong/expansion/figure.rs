//! The largest error at each bound.

use super::{BIN, Row};
use crate::statistics::seeds;
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use std::collections::BTreeMap;

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let line = |part: &str, series: &str, stroke| {
        let mut largest: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
        for r in rows.iter().filter(|r| r.part == part && r.examined > 0) {
            let at = largest.entry((r.bound / BIN) as usize).or_insert((r.bound, 0.0));
            at.1 = at.1.max(r.largest_error);
        }
        Layer::Line { series: series.into(), points: largest.into_values().collect(), stroke, markers: true }
    };
    let panel = |title: &str, mut layers: Vec<Layer>| {
        // an error may be as large as its bound: at most the upper end of its bin
        let points = vec![(0.0, BIN / 2.0), (1.0 - BIN / 2.0, 1.0), (1.0 + BIN, 1.0)];
        layers.insert(0, Layer::Reference { label: "error = bound (upper end of bin)".into(), points });
        Panel {
            title: title.into(),
            x: Axis { label: "bound on the student's error rate (bins)".into(), ..Axis::default() },
            y: Axis { label: "largest error rate of any labelling".into(), ..Axis::default() },
            layers,
        }
    };
    let examined: u64 = rows.iter().filter(|r| r.part == "correction").map(|r| r.examined).sum();
    Chart {
        title: "Error bounds from expansion, against every labelling".into(),
        subtitle: format!(
            "All labellings of random spaces of a dozen points that meet the premises ({examined} for Theorem 4.1), {} seeds; exact. A line above \
             the dashed one breaks the theorem. Last bin: bounds of 1 and more.",
            seeds(rows).len()
        ),
        panels: vec![
            panel("Theorem 4.1, labelled points, c ≤ 1", vec![line("correction", "premises hold", Stroke::Solid)]),
            panel("Theorem 4.2, unlabelled points, c ≤ 1", vec![line("coverage", "premises hold", Stroke::Solid)]),
            panel(
                "Theorem 4.1 without a premise",
                vec![
                    line("c above 1", "c > 1", Stroke::Dashed),
                    line("no expansion", "no expansion, c = 1", Stroke::Dotted),
                ],
            ),
        ],
        columns: 3,
    }
}
