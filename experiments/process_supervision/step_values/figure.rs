//! Bias, variance, errors of hard labels, and what is solved.

use super::Row;
use crate::statistics::{log_axis, means, seeds, summary};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::stats::mean;
use std::collections::BTreeSet;

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    Chart {
        title: "Labels of steps from rollouts".into(),
        subtitle: format!(
            "K rollouts from each prefix, up to the first wrong step; {} seeds. Lines without markers are exact. Soft label: share of right \
             answers; hard: whether there is one. Choice: product of steps, exact over all draws of N; means over seeds.",
            seeds(rows).len()
        ),
        panels: vec![calibration(rows), variance(rows), hard(rows), choice(rows)],
        columns: 2,
    }
}

fn counts(rows: &[Record<Row>]) -> Vec<usize> {
    rows.iter().map(|r| r.rollouts).filter(|k| *k > 0).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Bins of three numbers of rollouts: few, middling, many.
fn chosen(rows: &[Record<Row>]) -> Vec<usize> {
    let all = counts(rows);
    let mut picked: Vec<usize> =
        [0, all.len() / 2, all.len().saturating_sub(1)].iter().filter_map(|i| all.get(*i)).copied().collect();
    picked.dedup();
    picked
}

fn calibration(rows: &[Record<Row>]) -> Panel {
    let points = |k: usize| {
        let own = rows.iter().filter(move |r| r.part == "bin" && r.rollouts == k);
        own.filter_map(|r| Some((r.value?, r.value? + r.bias?))).collect::<Vec<_>>()
    };
    let clouds = chosen(rows).into_iter().map(|k| Layer::Scatter { series: format!("K = {k}"), points: points(k) });
    let diagonal = Layer::Reference { label: "no bias".into(), points: vec![(0.0, 0.0), (1.0, 1.0)] };
    Panel {
        title: "Soft labels".into(),
        x: Axis { label: "value of the prefix, Q (exact; mean of a bin)".into(), ..Axis::default() },
        y: Axis { label: "mean soft label".into(), ..Axis::default() },
        layers: clouds.chain([diagonal]).collect(),
    }
}

fn variance(rows: &[Record<Row>]) -> Panel {
    let of = |value: fn(&Row) -> Option<f64>| {
        let own = rows.iter().filter(|r| r.part == "labels" && r.kind == "soft");
        means(&summary(own.filter_map(|r| Some((r.rollouts as f64, value(&r.row)?)))))
    };
    Panel {
        title: "Their variance".into(),
        x: log_axis("K, rollouts from each prefix"),
        y: log_axis("mean squared error"),
        layers: vec![
            Layer::Reference { label: "Q (1 − Q)/K (exact)".into(), points: of(|r| r.variance) },
            Layer::Line {
                series: "soft labels".into(),
                points: of(|r| r.squared_error),
                stroke: Stroke::Dotted,
                markers: true,
            },
        ],
    }
}

fn hard(rows: &[Record<Row>]) -> Panel {
    let of = |value: fn(&Row) -> Option<f64>| {
        let own = rows.iter().filter(|r| r.part == "labels" && r.kind == "hard");
        means(&summary(own.filter_map(|r| Some((r.rollouts as f64, value(&r.row)?)))))
    };
    let pair = |series: &str, seen: fn(&Row) -> Option<f64>, exact: fn(&Row) -> Option<f64>| {
        [
            Layer::Line { series: series.into(), points: of(exact), stroke: Stroke::Solid, markers: false },
            Layer::Line { series: series.into(), points: of(seen), stroke: Stroke::Dotted, markers: true },
        ]
    };
    let missed = pair("right steps called wrong", |r| r.missed, |r| r.missed_exact);
    let fooled = pair("first wrong steps called right", |r| r.fooled, |r| r.fooled_exact);
    Panel {
        title: "Errors of hard labels".into(),
        x: log_axis("K, rollouts from each prefix"),
        y: Axis { label: "share of steps".into(), ..Axis::default() },
        layers: missed.into_iter().chain(fooled).collect(),
    }
}

fn choice(rows: &[Record<Row>]) -> Panel {
    let of = |kind: &'static str| rows.iter().filter(move |r| r.part == "choice" && r.kind == kind);
    let line = |kind: &'static str, series: &str, stroke: Stroke| Layer::Line {
        series: series.into(),
        points: means(&summary(of(kind).filter_map(|r| Some((r.rollouts as f64, r.solved?))))),
        stroke,
        markers: true,
    };
    let level = |kind: &'static str, label: &str| Layer::Horizontal {
        label: label.into(),
        y: mean(&of(kind).filter_map(|r| r.solved).collect::<Vec<_>>()),
    };
    Panel {
        title: "What they are worth".into(),
        x: log_axis("K, rollouts from each prefix"),
        y: Axis { label: "share of problems solved".into(), ..Axis::default() },
        layers: vec![
            line("soft", "soft labels", Stroke::Dotted),
            line("hard", "hard labels", Stroke::Solid),
            level("steps", "true labels of steps"),
            level("outcomes", "outcomes"),
            level("value", "values Q"),
        ],
    }
}
