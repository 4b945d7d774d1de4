//! V against each rule's level, and the hard contexts.

use super::Row;
use crate::statistics::{means, seeds, summary};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};

const KINDS: [(&str, &str, &str); 4] = [
    ("tabular, exact", "tabular", "population"),
    ("tabular, cautious fit", "tabular", "cautious"),
    ("product, cautious fit", "product", "cautious"),
    ("product, full fit", "product", "full"),
];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let points = |(_, policy, fit): (&str, &str, &str), rule: &str, x: fn(&Row) -> f64, y: fn(&Row) -> f64| {
        let own = rows.iter().filter(|r| r.policy == policy && r.fit == fit && r.rule == rule);
        means(&summary(own.map(|r| (x(r), y(r)))))
    };
    let line = |series: &str, points: Vec<(f64, f64)>| Layer::Line {
        series: series.into(),
        points,
        stroke: Stroke::Solid,
        markers: true,
    };
    let level = |r: &Row| r.level;
    let curves = |rule: &str| -> Vec<Layer> {
        KINDS.iter().map(|kind| line(kind.0, points(*kind, rule, level, |r| r.value))).collect()
    };
    let shuffled = Layer::Reference {
        label: "product, cautious, shuffled rewards".into(),
        points: points(KINDS[2], "shuffled", level, |r| r.value),
    };
    // rules on one axis: what they leave
    let acceptance = |rule: &str, y: fn(&Row) -> f64| -> Vec<(f64, f64)> {
        let along = points(KINDS[3], rule, level, |r| r.acceptance);
        along.into_iter().zip(points(KINDS[3], rule, level, y)).map(|(a, v)| (a.1, v.1)).collect()
    };
    let rules =
        [("percentile", "percentile of each source"), ("mean_max", "between mean and max"), ("global", "global τ")];
    let all = |y: fn(&Row) -> f64| rules.map(|(rule, words)| line(words, acceptance(rule, y))).into();
    let axis = |label: &str| Axis { label: label.into(), ..Axis::default() };
    let value = || axis("V, expected reward");
    let panel = |title: &str, x: Axis, y: Axis, layers: Vec<Layer>| Panel { title: title.into(), x, y, layers };
    let left = || crate::statistics::log_axis("share of samples that pass");
    Chart {
        title: "Thresholds of each source's own".into(),
        subtitle: format!(
            "Strings world, one Grow, one Improve; V exact, means over three tasks and {} seeds. Contexts differ in their best reward; \
             hard: it is at most 0.8. Cautious and full: fitted to a finite \
             sample, with and without the previous policy as a few samples more. Below: product policy, full fit.",
            seeds(rows).len()
        ),
        panels: vec![
            panel(
                "Percentile of each source",
                axis("percentile p"),
                value(),
                curves("percentile").into_iter().chain([shuffled]).collect(),
            ),
            panel("Between mean and max of each source", axis("γ"), value(), curves("mean_max")),
            panel("All contexts", left(), value(), all(|r| r.value)),
            panel("Hard contexts", left(), axis("V of hard contexts"), all(|r| r.hard)),
        ],
        columns: 2,
    }
}
