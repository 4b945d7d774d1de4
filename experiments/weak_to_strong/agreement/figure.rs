//! Agreement by size, a panel per regime and kind of input.

use super::super::linear_world::figure::size_axis;
use super::Row;
use crate::statistics::{banded, intervals, seeds};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Panel, Stroke};

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let panel = |regime: &str, name: &str, value: fn(&Row) -> f64| {
        let line = |regime: &str, loss: &str, series: &str, stroke| {
            let own = rows.iter().filter(|r| r.regime == regime && r.loss == loss);
            banded(series, &intervals(own.map(|r| (r.size as f64, value(&r.row)))), stroke)
        };
        let mut layers: Vec<_> = line(regime, "naive", "naive", Stroke::Solid)
            .into_iter()
            .chain(line(regime, "confidence", "confidence loss", Stroke::Solid))
            .collect();
        if regime == "B" {
            layers.extend(line("plain", "naive", "naive, plain representations", Stroke::Dotted));
        }
        Panel {
            title: format!("{regime}: {name}"),
            x: size_axis(),
            y: Axis { label: "agreement with the teacher".into(), ..Axis::default() },
            layers,
        }
    };
    let row = |regime: &'static str| {
        [
            panel(regime, "all inputs", |r| r.all),
            panel(regime, "teacher right", |r| r.right),
            panel(regime, "teacher wrong", |r| r.wrong),
        ]
    };
    Chart {
        title: "Agreement of students with their teacher".into(),
        subtitle: format!(
            "Linear world, exact. A: errors mostly from noise of the teacher's own; B: errors that all students can represent. Means over \
             {} seeds with 95% t intervals; \
             vertical scales differ.",
            seeds(rows).len()
        ),
        panels: row("A").into_iter().chain(row("B")).collect(),
        columns: 3,
    }
}
