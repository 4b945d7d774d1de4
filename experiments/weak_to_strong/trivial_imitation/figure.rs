//! PGR and agreement as bars.

use super::Row;
use super::judge::recovered;
use crate::statistics::seeds;
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel};
use rewardlab::stats::{Estimate, mean_interval};

const ADDED: [(&str, &str); 3] = [("nothing", "nothing"), ("label", "its label"), ("other label", "another's label")];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let agreement = |_: &[Record<Row>], added: &str, loss: &str| {
        let own = rows.iter().filter(|r| r.added == added && r.loss == loss);
        mean_interval(&own.map(|r| r.agreement).collect::<Vec<_>>())
    };
    let bars = |series: &str, loss: &str, of: &dyn Fn(&[Record<Row>], &str, &str) -> Estimate| Layer::Bars {
        series: series.into(),
        bars: ADDED
            .iter()
            .enumerate()
            .map(|(i, (added, _))| {
                let e = of(rows, added, loss);
                (i, e.value, e.low, e.high)
            })
            .collect(),
    };
    let panel = |title: &str, label: &str, of: &dyn Fn(&[Record<Row>], &str, &str) -> Estimate| Panel {
        title: title.into(),
        x: Axis {
            label: "added to the student's input".into(),
            categories: ADDED.iter().map(|a| a.1.into()).collect(),
            ..Axis::default()
        },
        y: Axis { label: label.into(), ..Axis::default() },
        layers: vec![bars("naive", "naive", of), bars("confidence loss", "confidence", of)],
    };
    Chart {
        title: "The teacher's label in the student's input".into(),
        subtitle: format!(
            "Linear world, largest student of the smallest teacher, fresh inputs; {} seeds, 95% intervals (PGR: Fieller's).",
            seeds(rows).len()
        ),
        panels: vec![
            panel("Performance gap recovered", "PGR", &recovered),
            panel("Agreement", "agreement with the teacher", &agreement),
        ],
        columns: 2,
    }
}
