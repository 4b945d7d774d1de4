//! The figure: every checkpoint, hypervolumes, best-of-N.

use super::Row;
use super::judge::{reference, volume};
use crate::statistics::{banded, by_seed, intervals, log_axis};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::stats::{mean, mean_interval};

/// In the rows, in the legend, below its bar.
const METHODS: [(&str, &str, &str); 6] = [
    ("dpo", "DPO", "DPO"),
    ("rloo", "RLOO, learned reward", "RLOO"),
    ("rloo_true", "RLOO, true reward", "RLOO, true"),
    ("unlikelihood", "unlikelihood", "unlikel."),
    ("preferred", "Preferred-FT", "Pref.-FT"),
    ("dpo_coins", "DPO, labels are coins (control)", "coins"),
];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let accuracy: Vec<f64> = rows.iter().filter_map(|r| r.accuracy).collect();
    Chart {
        title: "Reward against KL of a language model".into(),
        subtitle: format!(
            "Samples on held-out prompts. Left: the first seed's runs, where they are near; best-of-N at the upper bound of its KL. Bars and \
             bands: 95% t intervals over seeds. The learned reward ranks {:.0}% of held-out pairs right.",
            100.0 * mean(&accuracy)
        ),
        panels: vec![cloud(rows), volumes(rows), best_of_n(rows)],
        columns: 3,
    }
}

fn cloud(rows: &[Record<Row>]) -> Panel {
    let first = rows.first().map_or(0, |r| r.seed);
    let one: Vec<&Record<Row>> = rows.iter().filter(|r| r.seed == first).collect();
    let most_kl = 1.2 * one.first().map_or(0.0, |r| r.most_kl);
    let points = |method: &str| {
        let shown = one.iter().filter(|r| r.method == method && r.kl <= most_kl);
        shown.map(|r| (r.kl, r.reward)).collect()
    };
    let scatter =
        |(method, series, _): &(&str, &str, &str)| Layer::Scatter { series: (*series).into(), points: points(method) };
    let mut layers: Vec<Layer> = METHODS.iter().map(scatter).collect();
    layers.push(Layer::Line {
        series: "best-of-N, learned reward".into(),
        points: points("best_of"),
        stroke: Stroke::Dashed,
        markers: true,
    });
    layers.push(Layer::Horizontal { label: "reference".into(), y: reference(&one) });
    Panel {
        title: format!("checkpoints below {most_kl:.1} nats"),
        x: Axis { label: "KL(π‖reference) per sequence (nats)".into(), ..Axis::default() },
        y: Axis { label: "mean true reward".into(), ..Axis::default() },
        layers,
    }
}

fn volumes(rows: &[Record<Row>]) -> Panel {
    let methods = &METHODS[..5];
    let bar = |(i, (method, ..)): (usize, &(&str, &str, &str))| {
        let e = mean_interval(&by_seed(rows, |r| volume(r, method)));
        (i, e.value, e.low, e.high)
    };
    Panel {
        title: "hypervolume".into(),
        x: Axis { label: "method".into(), categories: methods.iter().map(|m| m.2.into()).collect(), ..Axis::default() },
        y: Axis { label: "area over the reference, share".into(), ..Axis::default() },
        layers: vec![Layer::Bars { series: "hypervolume".into(), bars: methods.iter().enumerate().map(bar).collect() }],
    }
}

fn best_of_n(rows: &[Record<Row>]) -> Panel {
    let curve = |method: &str, series: &str, stroke: Stroke| {
        let points = rows.iter().filter(|r| r.method == method).map(|r| (r.setting, r.reward));
        banded(series, &intervals(points), stroke)
    };
    let mut layers: Vec<Layer> = curve("best_of", "best-of-N, learned reward", Stroke::Dashed).into();
    layers.extend(curve("best_of_true", "best-of-N, true reward", Stroke::Solid));
    Panel {
        title: "best-of-N".into(),
        x: log_axis("N"),
        y: Axis { label: "mean true reward".into(), ..Axis::default() },
        layers,
    }
}
