//! The panels of the separation's figure.

use super::{Row, descents, flows, same_start, scaled_time};
use crate::statistics::{log_axis, means, summary};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Layer, Panel, Stroke};

fn name(method: &str) -> String {
    method.to_uppercase()
}

pub(super) fn time_panel(rows: &[Record<Row>], labels: usize) -> Panel {
    let uniform = move |r: &&Record<Row>| r.labels == labels && r.spread == 0.0;
    let mut layers = Vec::new();
    let k = labels as f64;
    let asymptote = |r: &Record<Row>| (r.reward_std, 2.0 * (k - 1.0) / k / r.reward_std.powi(2));
    let points = means(&summary(flows(rows, "rft").filter(uniform).map(asymptote)));
    layers.push(Layer::Reference { label: "2(K−1)/K · σ⁻² (theory)".into(), points });
    for method in ["rft", "sft"] {
        let points = means(&summary(flows(rows, method).filter(uniform).map(|r| (r.reward_std, r.time))));
        layers.push(Layer::Line { series: name(method), points, stroke: Stroke::Solid, markers: false });
    }
    for (method, series) in [("rft", "RFT, gradient descent"), ("sft", "SFT, gradient descent")] {
        let descent = descents(rows, f64::max).filter(uniform).filter(|r| r.method == method);
        let points = descent.map(|r| (r.reward_std, r.time)).collect();
        layers.push(Layer::Scatter { series: series.into(), points });
    }
    Panel {
        title: format!("K = {labels} labels, uniform wrong labels"),
        x: log_axis("initial reward std σ"),
        y: log_axis("time to p = 1/2"),
        layers,
    }
}

pub(super) fn constant_panel(rows: &[Record<Row>], labels: &[usize]) -> Panel {
    let mut layers = Vec::new();
    for &k in labels {
        let of = |random: bool| {
            let rows = flows(rows, "rft").filter(move |r| r.labels == k && (r.spread > 0.0) == random);
            summary(rows.map(|r| (r.p0, scaled_time(r))))
        };
        let points = means(&of(false));
        layers.push(Layer::Line { series: format!("K = {k}, uniform"), points, stroke: Stroke::Solid, markers: true });
        let points = of(true);
        if !points.is_empty() {
            layers.push(Layer::ErrorBars { series: format!("K = {k}, random wrong labels"), points });
        }
        layers.push(Layer::Horizontal { label: "2(K−1)/K".into(), y: 2.0 - 2.0 / k as f64 });
    }
    Panel {
        title: "RFT: time × σ² tends to a constant".into(),
        x: log_axis("initial probability of the right label p₀"),
        y: Axis { label: "t σ²".into(), range: Some((0.0, 2.5)), ..Axis::default() },
        layers,
    }
}

/// The path from the smallest p₀ with the most labels, of the first seed: one curve, two clocks.
pub(super) fn path_panel(rows: &[Record<Row>]) -> Panel {
    let paths = || rows.iter().filter(|r| r.inputs == 1 && r.displacement.is_some());
    let last = paths().min_by(|a, b| {
        let key = |r: &Record<Row>| (r.p0, -(r.labels as f64), -r.spread, r.seed as f64);
        key(a).partial_cmp(&key(b)).unwrap_or(std::cmp::Ordering::Equal)
    });
    let of = |method: &str| {
        let path = paths().filter(|r| r.method == method && last.is_some_and(|l| same_start(l, r)));
        path.filter_map(|r| Some((r.p, r.displacement?))).collect::<Vec<_>>()
    };
    Panel {
        title: format!("The path from p₀ = {:e}", last.map_or(f64::NAN, |r| r.p0)),
        x: log_axis("probability of the right label p"),
        y: Axis { label: "‖θ − θ₀‖".into(), ..Axis::default() },
        layers: vec![
            Layer::Line { series: name("sft"), points: of("sft"), stroke: Stroke::Solid, markers: false },
            Layer::Scatter { series: name("rft"), points: of("rft") },
        ],
    }
}
