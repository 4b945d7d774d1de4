//! V against each rule's level, and the hard contexts.

use super::Row;
use crate::statistics::{means, seeds_where, summary};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::stats::mean;

const KINDS: [(&str, &str, &str); 4] = [
    ("tabular, exact", "tabular", "population"),
    ("tabular, cautious fit", "tabular", "cautious"),
    ("product, cautious fit", "product", "cautious"),
    ("product, full fit", "product", "full"),
];

const RULES: [(&str, &str); 3] =
    [("percentile", "percentile of each source"), ("mean_max", "between mean and max"), ("global", "global τ")];

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
    let all = |y: fn(&Row) -> f64| RULES.map(|(rule, words)| line(words, acceptance(rule, y))).into();
    let axis = |label: &str| Axis { label: label.into(), ..Axis::default() };
    let value = || axis("V, expected reward");
    let panel = |title: &str, x: Axis, y: Axis, layers: Vec<Layer>| Panel { title: title.into(), x, y, layers };
    let relative = || axis("data of a hard source, relative");
    let share = |r: &Row| r.hard_share.unwrap_or(f64::NAN);
    let left = || crate::statistics::log_axis("share of samples that pass");
    Chart {
        title: "Thresholds of each source's own".into(),
        subtitle: format!(
            "One Grow, one Improve; means over {} (strings) and {} seeds. Strings: V exact, three tasks; hard: best reward at most 0.8; cautious and full: \
             fitted to a finite sample, with and without the previous policy as a few samples more; against the share that passes: product, \
             full. Translation: V is the mean chrF on test sources, bands from lowest to highest seed; hard: the quarter with the lowest best \
             reward; data: samples kept of a hard source over samples kept of any.",
            seeds_where(rows, |r| r.world == "strings"),
            seeds_where(rows, |r| r.world == "translation")
        ),
        panels: vec![
            panel(
                "Strings: percentile",
                axis("percentile p"),
                value(),
                curves("percentile").into_iter().chain([shuffled]).collect(),
            ),
            panel("Strings: between mean and max", axis("γ"), value(), curves("mean_max")),
            panel("Strings: all contexts", left(), value(), all(|r| r.value)),
            panel("Strings: hard contexts", left(), axis("V of hard contexts"), all(|r| r.hard)),
            panel("Translation: percentile", axis("percentile p"), value(), sets(rows, "percentile")),
            panel("Translation: between mean and max", axis("γ"), value(), sets(rows, "mean_max")),
            panel("Translation: web", left(), value(), by_rule(rows, "web", |r| r.value)),
            panel("Translation: hard sources, news", left(), relative(), by_rule(rows, "news", share)),
            panel("Translation: hard sources, web", left(), relative(), by_rule(rows, "web", share)),
        ],
        columns: 3,
    }
}

/// A transformer's reward on each set against a rule's level, and what the chain of thresholds leaves.
fn sets(rows: &[Record<Row>], rule: &str) -> Vec<Layer> {
    let of = |set: &str| {
        let own = |rule: &'static str| rows.iter().filter(move |r| r.rule == rule);
        let here = rows.iter().filter(|r| r.task == set && r.rule == rule);
        let along = summary(here.map(|r| (r.level, r.value)));
        let chain: Vec<f64> = own("chain").filter(|r| r.task == set).map(|r| r.value).collect();
        let level =
            (!chain.is_empty()).then(|| Layer::Horizontal { label: format!("{set}, four rising τ"), y: mean(&chain) });
        let band = along.iter().map(|s| (s.0, s.2, s.3)).collect();
        let line = Layer::Line { series: set.into(), points: means(&along), stroke: Stroke::Solid, markers: true };
        [Some(Layer::Band { series: set.into(), points: band }), Some(line), level]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
    };
    ["news", "web"].into_iter().flat_map(of).collect()
}

/// A transformer's rules against what they leave of the samples.
fn by_rule(rows: &[Record<Row>], set: &str, y: fn(&Row) -> f64) -> Vec<Layer> {
    let of = |(rule, words): (&str, &str)| {
        let own = || rows.iter().filter(|r| r.task == set && r.rule == rule && r.policy == "transformer");
        let along = means(&summary(own().map(|r| (r.level, r.acceptance))));
        let values = means(&summary(own().map(|r| (r.level, y(r)))));
        let points = along.iter().zip(values).map(|(a, v)| (a.1, v.1)).collect();
        Layer::Line { series: words.into(), points, stroke: Stroke::Solid, markers: true }
    };
    RULES.map(of).into()
}
