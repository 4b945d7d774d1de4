//! Methods at two gaps, the naive run's curve, agreement against size.

use super::Row;
use super::judge::{lead, pairs, telling};
use crate::statistics::{banded, by_seed, intervals, log_axis, seeds};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::stats::mean;

const METHODS: [(&str, &str); 9] = [
    ("confidence", "confidence (paper)"),
    ("public_confidence", "confidence (public)"),
    ("product", "product"),
    ("entropy", "entropy"),
    ("bootstrapping", "bootstrapping"),
    ("filtered", "filtered"),
    ("best", "best checkpoint"),
    ("stopped", "early stopping"),
    ("confidence_on_truth", "confidence on truth"),
];

pub(super) fn chart(all: &[Record<Row>]) -> Chart {
    let rows = &telling(all);
    Chart {
        title: "What to do with weak labels: transformers on 25 tasks".into(),
        subtitle: format!(
            "Means over informative tasks; intervals and bands: 95% t over {} seeds. Checkpoints against the last one of the same run, confidence on truth against \
             the ceiling, the rest against naive finetuning. Widest gap: the weakest teacher; narrowest: the next weaker one.",
            seeds(all).len()
        ),
        panels: vec![gains(rows), curve(rows), agreement(rows)],
        columns: 3,
    }
}

fn gains(rows: &[Record<Row>]) -> Panel {
    let [wide, narrow] = pairs(rows);
    let bars = |name: &str, pair: (usize, usize)| {
        let bar = |(i, (method, _)): (usize, &(&str, &str))| {
            let e = match *method {
                "best" | "stopped" => lead(rows, method, "last", pair),
                "confidence_on_truth" => on_truth(rows, pair),
                _ => lead(rows, method, "naive", pair),
            };
            (i, e.value, e.low, e.high)
        };
        Layer::Bars { series: name.into(), bars: METHODS.iter().enumerate().map(bar).collect() }
    };
    Panel {
        title: "Accuracy gained".into(),
        x: Axis {
            label: "method".into(),
            categories: METHODS.iter().map(|(_, name)| (*name).into()).collect(),
            ..Axis::default()
        },
        y: Axis { label: "accuracy less the reference".into(), ..Axis::default() },
        layers: vec![bars("widest gap", wide), bars("narrowest gap", narrow)],
    }
}

fn on_truth(rows: &[Record<Row>], pair: (usize, usize)) -> rewardlab::stats::Estimate {
    let own = rows.iter().filter(|r| r.method == "confidence_on_truth" && (r.teacher, r.student) == pair);
    rewardlab::stats::mean_interval(&by_seed(own, |g| {
        mean(&g.iter().map(|r| r.accuracy - r.ceiling).collect::<Vec<_>>())
    }))
}

/// Accuracy over the naive run.
fn curve(rows: &[Record<Row>]) -> Panel {
    let mut layers = Vec::new();
    for (name, pair) in ["widest gap", "narrowest gap"].into_iter().zip(pairs(rows)) {
        let own = || rows.iter().filter(move |r| r.method == "checkpoint" && (r.teacher, r.student) == pair);
        let mut points = Vec::new();
        let mut at: Vec<f64> = own().map(|r| r.progress).collect();
        at.sort_by(f64::total_cmp);
        at.dedup();
        for progress in at {
            let means = by_seed(own().filter(|r| r.progress == progress), |g| {
                mean(&g.iter().map(|r| r.accuracy).collect::<Vec<_>>())
            });
            points.extend(means.into_iter().map(|y| (progress, y)));
        }
        layers.extend(banded(name, &intervals(points), Stroke::Solid));
        let weak = mean(&own().map(|r| r.weak).collect::<Vec<_>>());
        layers.push(Layer::Reference { label: format!("teacher, {name}"), points: vec![(0.0, weak), (1.0, weak)] });
    }
    Panel {
        title: "Over the naive run".into(),
        x: Axis { label: "fraction of the run".into(), ..Axis::default() },
        y: Axis { label: "accuracy, mean over informative tasks".into(), ..Axis::default() },
        layers,
    }
}

/// Agreement with the weakest teacher.
fn agreement(rows: &[Record<Row>]) -> Panel {
    let mut layers = Vec::new();
    for (method, stroke) in [("naive", Stroke::Solid), ("confidence", Stroke::Dashed)] {
        let sides: [(&str, fn(&Row) -> Option<f64>); 2] =
            [("teacher right", |r| r.agreement_right), ("teacher wrong", |r| r.agreement_wrong)];
        for (side, value) in sides {
            let own = || rows.iter().filter(move |r| r.method == method && r.teacher == 0);
            let mut sizes: Vec<usize> = own().map(|r| r.parameters).collect();
            sizes.sort_unstable();
            sizes.dedup();
            let points = sizes.into_iter().flat_map(|size| {
                by_seed(own().filter(|r| r.parameters == size), |g| {
                    mean(&g.iter().filter_map(|r| value(r)).collect::<Vec<_>>())
                })
                .into_iter()
                .map(move |y| (size as f64, y))
            });
            layers.extend(banded(&format!("{method}, {side}"), &intervals(points), stroke));
        }
    }
    Panel {
        title: "Agreement with the weakest teacher".into(),
        x: log_axis("parameters of the student"),
        y: Axis { label: "share of test texts with its class".into(), ..Axis::default() },
        layers,
    }
}
