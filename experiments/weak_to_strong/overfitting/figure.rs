//! Accuracy and agreement over time, and what early stopping is worth.

use super::super::linear_world::figure::size_axis;
use super::Row;
use super::judge::{Run, of, run};
use crate::statistics::{banded, by_seed, intervals, log_axis, means, seeds};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::stats::mean;
use std::collections::BTreeSet;

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let sizes: BTreeSet<usize> = rows.iter().map(|r| r.size).collect();
    let most = sizes.last().copied().unwrap_or(0);
    let over_time = |labels: &'static str, size: usize, value: fn(&Row) -> f64| {
        intervals(of(rows, labels, size).filter(|r| r.time > 0.0).map(|r| (r.time, value(&r.row))))
    };
    let curves = |value: fn(&Row) -> f64| {
        sizes.iter().flat_map(move |size| {
            let points = over_time("weak", *size, value);
            let band = points.iter().map(|p| (p.0, p.2, p.3)).collect();
            let series = format!("size {size}");
            let line =
                Layer::Line { series: series.clone(), points: means(&points), stroke: Stroke::Solid, markers: false };
            [Layer::Band { series, points: band }, line]
        })
    };
    let teacher = Layer::Reference { label: "teacher".into(), points: means(&over_time("weak", most, |r| r.weak)) };
    let truth = Layer::Reference {
        label: format!("size {most} on true labels"),
        points: means(&over_time("true", most, |r| r.accuracy)),
    };
    let by_size = |series: &str, value: fn(Run) -> f64, stroke| {
        let of_size = |size: &usize| {
            let size = *size;
            by_seed(of(rows, "weak", size), |g| value(run(g))).into_iter().map(move |v| (size as f64, v))
        };
        banded(series, &intervals(sizes.iter().flat_map(of_size)), stroke)
    };
    let last = |size: &usize| (*size as f64, mean(&by_seed(of(rows, "weak", *size), |g| run(g).last)));
    let last = sizes.iter().map(last).collect();
    let x = || log_axis("time of the flow");
    Chart {
        title: "Overfitting to weak labels".into(),
        subtitle: format!(
            "Linear students by gradient flow on their teacher's labels, closed form; exact accuracies. Means over {} seeds with 95% t intervals.",
            seeds(rows).len()
        ),
        panels: vec![
            Panel {
                title: "Accuracy on the truth".into(),
                x: x(),
                y: Axis { label: "accuracy".into(), ..Axis::default() },
                layers: [teacher, truth].into_iter().chain(curves(|r| r.accuracy)).collect(),
            },
            Panel {
                title: "Agreement with the teacher".into(),
                x: x(),
                y: Axis { label: "agreement".into(), ..Axis::default() },
                layers: curves(|r| r.agreement).collect(),
            },
            Panel {
                title: "Early stopping".into(),
                x: size_axis(),
                y: Axis { label: "accuracy".into(), ..Axis::default() },
                layers: [
                    by_size("best (oracle)", |r| r.best, Stroke::Solid),
                    by_size("stopped by agreement", |r| r.stopped, Stroke::Dashed),
                ]
                .into_iter()
                .flatten()
                .chain([Layer::Reference { label: "last".into(), points: last }])
                .collect(),
            },
        ],
        columns: 3,
    }
}
