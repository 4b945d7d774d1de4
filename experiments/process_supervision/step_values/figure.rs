//! Bias, variance, errors of hard labels, and what is solved.

use super::Row;
use crate::statistics::{banded, intervals, log_axis, means, seeds, summary};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::stats::mean;
use std::collections::BTreeSet;

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    Chart {
        title: "Labels of steps from rollouts".into(),
        subtitle: format!(
            "K rollouts from each prefix, up to the first wrong step; {} seeds. Lines without markers are exact. Soft label: share of right \
             answers; hard: whether there is one. Choice: exact over all draws of N. Lines: means over seeds; bands: 95% t intervals. Solutions \
             are scored by the product of their steps where nothing else is said.",
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

/// (K, value) of each seed's labels of a kind.
fn labels(rows: &[Record<Row>], kind: &str, value: fn(&Row) -> Option<f64>) -> Vec<(f64, f64)> {
    let own = rows.iter().filter(|r| r.part == "labels" && r.kind == kind);
    own.filter_map(|r| Some((r.rollouts as f64, value(&r.row)?))).collect()
}

fn variance(rows: &[Record<Row>]) -> Panel {
    let of = |value: fn(&Row) -> Option<f64>| labels(rows, "soft", value);
    let exact = Layer::Reference {
        label: "variance Q (1 − Q)/K (exact)".into(),
        points: means(&summary(of(|r| r.variance))),
    };
    let [band, line] = banded("soft labels", &intervals(of(|r| r.squared_error)), Stroke::Dotted);
    Panel {
        title: "Squared error of soft labels".into(),
        x: log_axis("K, rollouts from each prefix"),
        y: log_axis("mean of (label − Q)²"),
        layers: vec![exact, band, line],
    }
}

fn hard(rows: &[Record<Row>]) -> Panel {
    let pair = |series: &str, seen: fn(&Row) -> Option<f64>, exact: fn(&Row) -> Option<f64>| {
        let exact = means(&summary(labels(rows, "hard", exact)));
        let [band, line] = banded(series, &intervals(labels(rows, "hard", seen)), Stroke::Dotted);
        let exact = Layer::Line { series: series.into(), points: exact, stroke: Stroke::Solid, markers: false };
        [band, exact, line]
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
    let line = |kind: &'static str, series: &str, value: fn(&Row) -> Option<f64>, stroke: Stroke| {
        let points = intervals(of(kind).filter_map(|r| Some((r.rollouts as f64, value(&r.row)?))));
        banded(series, &points, stroke)
    };
    let level = |kind: &'static str, label: &str| Layer::Horizontal {
        label: label.into(),
        y: mean(&of(kind).filter_map(|r| r.solved).collect::<Vec<_>>()),
    };
    Panel {
        title: "What they are worth".into(),
        x: log_axis("K, rollouts from each prefix"),
        y: Axis { label: "share of problems solved".into(), ..Axis::default() },
        layers: [
            line("soft", "soft labels", |r| r.solved, Stroke::Dotted),
            line("soft", "soft labels, by the minimum", |r| r.solved_minimum, Stroke::Dotted),
            line("hard", "hard labels", |r| r.solved, Stroke::Solid),
        ]
        .into_iter()
        .flatten()
        .chain([level("steps", "true labels of steps"), level("outcomes", "outcomes"), level("value", "values Q")])
        .collect(),
    }
}
