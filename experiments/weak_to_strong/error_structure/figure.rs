//! PGR of six teachers, and how fast each is imitated.

use super::Row;
use super::judge::{ERRORS, of, recovered};
use crate::statistics::{intervals, log_axis, means, seeds};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};

const NAMES: [&str; 6] =
    ["real weak model", "random", "longest inputs", "shortest inputs", "ceiling unsure", "ceiling surely right"];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let lines = |loss: &'static str, value: fn(&Row) -> f64, stroke| {
        ERRORS.iter().zip(NAMES).map(move |(errors, series)| Layer::Line {
            series: series.into(),
            points: means(&intervals(of(rows, errors, loss).map(|r| (r.step as f64, value(&r.row))))),
            stroke,
            markers: true,
        })
    };
    let panel = |title: &str, label: &str, loss: &'static str, value: fn(&Row) -> f64| Panel {
        title: title.into(),
        x: log_axis("steps"),
        y: Axis { label: label.into(), ..Axis::default() },
        layers: lines(loss, value, Stroke::Solid).collect(),
    };
    let pgr = |title: &str, loss: &'static str| {
        let point = |(i, (errors, series)): (usize, (&&str, &str))| {
            let e = recovered(rows, errors, loss);
            Layer::ErrorBars { series: series.into(), points: vec![(i as f64, e.value, e.low, e.high)] }
        };
        let nothing = Layer::Horizontal { label: "nothing recovered".into(), y: 0.0 };
        let names = ERRORS.iter().zip(NAMES.iter().copied());
        Panel {
            title: title.into(),
            x: Axis {
                label: "errors of the teacher".into(),
                categories: ERRORS.iter().map(|s| (*s).into()).collect(),
                ..Axis::default()
            },
            y: Axis { label: "PGR at the end".into(), ..Axis::default() },
            layers: [nothing].into_iter().chain(names.enumerate().map(point)).collect(),
        }
    };
    Chart {
        title: "Six teachers of one accuracy".into(),
        subtitle: format!(
            "A random ReLU layer with a trained head on labels with the same share of errors; fresh inputs. Lines: means over {} seeds; PGR \
             with Fieller's 95% intervals.",
            seeds(rows).len()
        ),
        panels: vec![
            panel("Naive: accuracy", "accuracy", "naive", |r| r.student),
            panel("Naive: agreement with errors", "agreement with errors", "naive", |r| r.wrong),
            pgr("Naive: gap recovered", "naive"),
            panel("Confidence loss: accuracy", "accuracy", "confidence", |r| r.student),
            panel("Confidence loss: agreement with errors", "agreement with errors", "confidence", |r| r.wrong),
            pgr("Confidence loss: gap recovered", "confidence"),
        ],
        columns: 3,
    }
}
