//! As the paper's: accuracy against shots; then both ways against size, and models beside the exact posterior.

use super::Row;
use super::judge::{all_labels, ladder, of, runs};
use crate::statistics::{banded, intervals, log_axis, means, seeds};
use rewardlab::experiment::Record;
use rewardlab::metrics::gap_recovered;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::stats::mean;

const WAYS: [(&str, &str); 3] = [
    ("prompted", "prompted with all weak labels"),
    ("finetuned", "finetuned on them"),
    ("confidence", "finetuned, confidence loss"),
];

fn name(parameters: usize) -> String {
    format!("{:.1}k parameters", parameters as f64 / 1e3)
}

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let sizes = || log_axis("parameters of the student");
    let axis = |label: &str| Axis { label: label.into(), ..Axis::default() };
    let panel = |title: &str, x: Axis, y: &str, layers| Panel { title: title.into(), x, y: axis(y), layers };
    Chart {
        title: "Weak labels in a prompt, or finetuned on".into(),
        subtitle: format!(
            "Teacher: the smallest size, finetuned on few true labels. Lines: means over concepts and {} seeds; bands: 95% t intervals, of PGR Fieller's. \
             Bayes: exact posterior. Dashed across: finetuned, all labels. Dotted: truth in the place of weak labels.",
            seeds(rows).len()
        ),
        panels: vec![
            panel("Prompted with weak labels", log_axis("weak labels in the prompt"), "test accuracy", prompted(rows)),
            panel("All weak labels, by size", sizes(), "test accuracy", by_size(rows)),
            panel(
                "Fresh documents of pretraining",
                log_axis("noisy labels before the question"),
                "accuracy",
                read(rows),
            ),
            panel("Performance gap recovered", sizes(), "PGR", recovered(rows)),
        ],
        columns: 2,
    }
}

fn by_shots<'a>(rows: impl Iterator<Item = &'a Record<Row>>) -> Vec<(f64, f64, f64, f64)> {
    intervals(rows.map(|r| (r.shots as f64, r.accuracy)))
}

fn curves(rows: &[Record<Row>], way: &str, labels: &str) -> Vec<Layer> {
    let line = |(level, n): (usize, usize)| {
        banded(&name(n), &by_shots(of(rows, way, labels).filter(|r| r.level == level)), Stroke::Solid)
    };
    ladder(rows).into_iter().flat_map(line).collect()
}

fn mean_of<'a>(rows: impl Iterator<Item = &'a Record<Row>>) -> f64 {
    mean(&rows.map(|r| r.accuracy).collect::<Vec<_>>())
}

fn prompted(rows: &[Record<Row>]) -> Vec<Layer> {
    let mut layers = curves(rows, "prompted", "weak");
    let all = all_labels(rows) as f64;
    let first = rows.iter().filter(|r| r.way == "prompted").map(|r| r.shots).min().unwrap_or(1) as f64;
    // finetuning has all labels: in its size's colour, dashed across
    for (level, n) in ladder(rows) {
        let y = mean_of(of(rows, "finetuned", "weak").filter(|r| r.level == level));
        layers.push(Layer::Line {
            series: name(n),
            points: vec![(first, y), (all, y)],
            stroke: Stroke::Dashed,
            markers: false,
        });
    }
    layers.push(Layer::Reference { label: "Bayes".into(), points: means(&by_shots(of(rows, "bayes", "weak"))) });
    layers.push(Layer::Horizontal { label: "teacher".into(), y: mean_of(of(rows, "teacher", "true")) });
    layers
}

fn by_size(rows: &[Record<Row>]) -> Vec<Layer> {
    let all = all_labels(rows);
    let points = |way: &str, labels: &str| {
        let own = of(rows, way, labels).filter(|r| r.shots == all);
        intervals(own.map(|r| (r.parameters as f64, r.accuracy)))
    };
    let mut layers: Vec<Layer> =
        WAYS.iter().flat_map(|(way, series)| banded(series, &points(way, "weak"), Stroke::Solid)).collect();
    for (way, series) in &WAYS[..2] {
        layers.push(Layer::Line {
            series: (*series).into(),
            points: means(&points(way, "true")),
            stroke: Stroke::Dotted,
            markers: true,
        });
    }
    layers.push(Layer::Horizontal { label: "teacher".into(), y: mean_of(of(rows, "teacher", "true")) });
    layers
}

fn read(rows: &[Record<Row>]) -> Vec<Layer> {
    let mut layers = curves(rows, "reader", "noisy");
    let bayes = by_shots(of(rows, "reader_bound", "noisy").filter(|r| r.level == 0));
    layers.push(Layer::Reference { label: "Bayes".into(), points: means(&bayes) });
    layers
}

fn recovered(rows: &[Record<Row>]) -> Vec<Layer> {
    let of_way = |(way, series): &(&str, &str)| {
        let point = |(level, n): (usize, usize)| {
            let e = gap_recovered(&runs(rows, way, level));
            (e.low.is_finite() && e.high.is_finite()).then_some((n as f64, e.value, e.low, e.high))
        };
        banded(series, &ladder(rows).into_iter().skip(1).filter_map(point).collect::<Vec<_>>(), Stroke::Solid)
    };
    let mut layers: Vec<Layer> = WAYS.iter().flat_map(of_way).collect();
    layers.push(Layer::Horizontal { label: "nothing recovered".into(), y: 0.0 });
    layers
}
