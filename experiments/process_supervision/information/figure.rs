//! Measured ratios against the closed form, errors against labels, and what company adds.

use super::Row;
use super::judge::with_most_labels;
use crate::statistics::{log_axis, means, seeds, summary};
use rewardlab::exact::information_ratio;
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use std::collections::BTreeMap;

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let even: Vec<&Record<Row>> = with_most_labels(rows).filter(|r| r.spread == 0.0).collect();
    let (longest, hardest) = (largest_of(rows, |r| r.length as f64), largest_of(rows, |r| r.error));
    let highest_rho = largest_of(rows, |r| r.rho);
    let types = with_most_labels(rows).map(|r| r.types).next().unwrap_or(0);
    let most = largest_of(rows, |r| r.information);
    Chart {
        title: "Labels of steps hold more information than labels of outcomes".into(),
        subtitle: format!(
            "Maximum-likelihood estimates of θ from the same labelled solutions; {types} types of step; {} seeds; means over types, data sets \
             and seeds; error bars: lowest and highest seed. Upper panels: the most labels ({most} nats⁻² of information on each θ by outcomes).",
            seeds(rows).len()
        ),
        panels: vec![
            against_closed(&even),
            by_length(&even),
            by_labels(rows, longest, hardest, highest_rho),
            company(rows, longest),
        ],
        columns: 2,
    }
}

fn largest_of(rows: &[Record<Row>], of: impl Fn(&Row) -> f64) -> f64 {
    rows.iter().map(|r| of(&r.row)).fold(0.0, f64::max)
}

/// Mean errors of (outcome, process) by setting.
fn ratios<'a>(rows: impl Iterator<Item = &'a Record<Row>>) -> BTreeMap<(usize, u64, u64), (f64, f64)> {
    let mut sums: BTreeMap<_, (f64, f64)> = BTreeMap::new();
    for r in rows {
        let own = sums.entry((r.length, r.error.to_bits(), r.rho.to_bits())).or_default();
        let error = r.squared_error.unwrap_or(f64::NAN);
        match r.labels.as_str() {
            "outcome" => own.0 += error,
            "process" => own.1 += error,
            _ => {}
        }
    }
    sums
}

fn against_closed(rows: &[&Record<Row>]) -> Panel {
    let mut by_rho: BTreeMap<u64, Vec<(f64, f64)>> = BTreeMap::new();
    for ((length, error, rho), (outcome, process)) in ratios(rows.iter().copied()) {
        let closed = information_ratio(length, f64::from_bits(error), f64::from_bits(rho));
        by_rho.entry(rho).or_default().push((closed, outcome / process));
    }
    let top = by_rho.values().flatten().map(|p| p.0).fold(1.0, f64::max);
    let mut layers = vec![
        Layer::Reference { label: "equal".into(), points: vec![(1.0, 1.0), (top, top)] },
        Layer::Reference { label: "± 20%".into(), points: vec![(1.0, 1.2), (top, 1.2 * top)] },
        Layer::Reference { label: "± 20%".into(), points: vec![(1.0, 0.8), (top, 0.8 * top)] },
    ];
    layers.extend(by_rho.into_iter().map(|(rho, mut points)| {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        Layer::Scatter { series: format!("ρ = {}", f64::from_bits(rho)), points }
    }));
    Panel {
        title: "Ratio of errors against closed form".into(),
        x: log_axis("information: process over outcome, closed form"),
        y: log_axis("squared error: outcome over process"),
        layers,
    }
}

fn by_length(rows: &[&Record<Row>]) -> Panel {
    let mut by_error: BTreeMap<u64, Vec<(f64, f64)>> = BTreeMap::new();
    let mut by_seed: BTreeMap<u64, Vec<&Record<Row>>> = BTreeMap::new();
    rows.iter().filter(|r| r.rho == 0.0).for_each(|r| by_seed.entry(r.seed).or_default().push(r));
    for own in by_seed.values() {
        for ((length, error, _), (outcome, process)) in ratios(own.iter().copied()) {
            by_error.entry(error).or_default().push((length as f64, outcome / process));
        }
    }
    let (mut layers, mut measured) = (Vec::new(), Vec::new());
    for (error, points) in by_error {
        let (series, points) = (format!("e = {}", f64::from_bits(error)), summary(points));
        let longest = points.iter().map(|p| p.0).fold(1.0, f64::max);
        let line = (1..=longest as usize).map(|l| (l as f64, information_ratio(l, f64::from_bits(error), 0.0)));
        layers.push(Layer::Reference { label: "closed form, ρ = 0".into(), points: line.collect() });
        measured.push(Layer::ErrorBars { series, points });
    }
    Panel {
        title: "Grows with length and error rate e (ρ = 0)".into(),
        x: Axis { label: "steps L".into(), ..Axis::default() },
        y: log_axis("squared error: outcome over process"),
        layers: layers.into_iter().chain(measured).collect(),
    }
}

fn by_labels(rows: &[Record<Row>], length: f64, error: f64, rho: f64) -> Panel {
    let own = || {
        rows.iter().filter(move |r| {
            r.part == "estimates" && r.length as f64 == length && r.error == error && r.rho == rho && r.spread == 0.0
        })
    };
    let mut layers = Vec::new();
    for (labels, words) in [("process", "process"), ("outcome", "outcome, ρ known"), ("naive", "outcome, believed")] {
        let of = || own().filter(|r| r.labels == labels);
        let exact = summary(of().filter_map(|r| Some((r.solutions, r.variance?))));
        if !exact.is_empty() {
            layers.push(Layer::Reference { label: "exact variance".into(), points: means(&exact) });
        }
        let measured = summary(of().filter_map(|r| Some((r.solutions, r.squared_error?))));
        layers.push(Layer::Line {
            series: words.into(),
            points: means(&measured),
            stroke: Stroke::Solid,
            markers: true,
        });
    }
    Panel {
        title: format!("Error against labelled solutions (L = {length}, e = {error}, ρ = {rho})"),
        x: log_axis("labelled solutions"),
        y: log_axis("mean squared error of θ (nats²)"),
        layers,
    }
}

fn company(rows: &[Record<Row>], longest: f64) -> Panel {
    let of = |labels: &'static str| rows.iter().filter(move |r| r.part == "company" && r.labels == labels);
    let mut points = Vec::new();
    for (process, outcome) in of("process").zip(of("outcome")).filter(|(p, _)| p.length as f64 == longest) {
        if let (Some(vp), Some(vo)) = (process.variance, outcome.variance) {
            points.push((process.types as f64 / longest, vo / vp / (process.trace / outcome.trace)));
        }
    }
    let widest = points.iter().map(|p| p.0).fold(2.0, f64::max);
    let steps = (0..=60).map(|i| 1.15 * (widest / 1.15_f64).powf(f64::from(i) / 60.0));
    let curve = steps.map(|k| (k, (k * longest - 1.0) / (k * longest - longest))).collect();
    Panel {
        title: format!("What outcomes lose beyond that: the company that steps keep (L = {longest})"),
        x: log_axis("types K over steps L (at K = L: infinite)"),
        y: log_axis("ratio of variances over ratio of traces"),
        layers: vec![
            Layer::Reference { label: "(K − 1)/(K − L)".into(), points: curve },
            Layer::ErrorBars { series: "exact, drawn problems (all e)".into(), points: summary(points) },
        ],
    }
}
