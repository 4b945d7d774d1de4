//! Cosines of all combinations, on-policy and off; bias and noise against the distance from the reference.

use super::Row;
use crate::statistics::{log_axis, means, summary};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::stats::mean;

const ESTIMATES: [&str; 4] = ["k1", "k2", "k3", "exact"];
type Place = (&'static str, &'static str, &'static str, &'static str);

/// (placement, level, correction) and the words on the axis.
const PLACES: [Place; 10] = [
    ("reward", "token", "none", "reward"),
    ("reward", "token", "ratio", "reward, ratio"),
    ("reward", "token", "clipped", "reward, clipped"),
    ("loss", "token", "none", "loss"),
    ("loss", "token", "ratio", "loss, ratio"),
    ("loss", "token", "clipped", "loss, clipped"),
    ("loss", "sequence", "none", "loss, whole"),
    ("loss", "sequence", "ratio", "loss, whole, ratio"),
    ("both", "token", "none", "both"),
    ("both", "token", "ratio", "both, ratio"),
];
/// Lines of the lower panels: what trainers do, and the oracle.
const LINES: [(&str, &str, &str, &str, &str); 5] = [
    ("k1", "reward", "token", "none", "k1 in the reward"),
    ("k2", "loss", "token", "none", "k2 in the loss"),
    ("k3", "loss", "token", "none", "k3 in the loss"),
    ("k3", "loss", "token", "ratio", "k3 in the loss, ratio"),
    ("exact", "loss", "token", "none", "exact in the loss"),
];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let most = |value: fn(&Record<Row>) -> f64| rows.iter().map(value).fold(0.0, f64::max);
    let (length, moved, kl) = (most(|r| r.length as f64) as usize, most(|r| r.moved), most(|r| r.kl));
    let heat = |policy: &str, length: usize, moved: f64| Panel {
        title: format!("{}-policy: {policy}, {}", if moved > 0.0 { "off" } else { "on" }, tokens(length)),
        x: Axis { label: "estimate".into(), categories: ESTIMATES.map(Into::into).into(), ..Axis::default() },
        y: Axis {
            label: "placement".into(),
            categories: places(length).iter().map(|p| p.3.into()).collect(),
            ..Axis::default()
        },
        layers: vec![Layer::Heat {
            cells: cells(rows, &places(length), |r| {
                (&*r.policy, r.length) == (policy, length) && r.moved == moved && r.kl == kl && r.placement != "value"
            }),
            value_label: "cosine of mean gradient to ∇KL".into(),
            signed: true,
        }],
    };
    let line = |what: &str, policy: &str, value: fn(&Record<Row>) -> Option<f64>| Panel {
        title: format!("{what}: {policy}, {}", tokens(length)),
        x: log_axis("KL(π‖π_ref) (nats)"),
        y: log_axis(&format!("{} / ‖∇KL‖", what.to_lowercase())),
        layers: LINES.iter().map(|words| layer(rows, words, policy, length, value)).collect(),
    };
    let bias = |r: &Record<Row>| r.bias.filter(|b| *b > 1e-6);
    let noise = |r: &Record<Row>| Some(r.noise / r.truth);
    Chart {
        title: "One KL, several gradients".into(),
        subtitle: format!(
            "Exact means and noise of one output by enumeration, mean over seeds. Top: at a KL of {kl}, on-policy. Middle: \
             the same from a sampler at a total variation of {moved}. Whole: one estimate of all tokens. Bottom: on-policy; in the \
             loss, k2 lies under k3 with its ratio, and both have the exact KL's bias. A bias under 1e-6 is left out, and a mean of \
             zero has no cosine."
        ),
        panels: vec![
            heat("tabular", 1, 0.0),
            heat("tabular", length, 0.0),
            heat("transformer", length, 0.0),
            heat("tabular", 1, moved),
            heat("tabular", length, moved),
            heat("transformer", length, moved),
            line("Bias", "tabular", bias),
            line("Bias", "transformer", bias),
            line("Noise", "transformer", noise),
        ],
        columns: 3,
    }
}

/// At one token there is no sequence beside it.
fn places(length: usize) -> Vec<Place> {
    PLACES.into_iter().filter(|p| length > 1 || p.1 == "token").collect()
}

fn tokens(length: usize) -> String {
    if length == 1 { "one token".into() } else { format!("{length} tokens") }
}

fn cells(rows: &[Record<Row>], places: &[Place], chosen: impl Fn(&Record<Row>) -> bool) -> Vec<(usize, usize, f64)> {
    let mut cells = Vec::new();
    for (x, estimate) in ESTIMATES.iter().enumerate() {
        for (y, (placement, level, correction, _)) in places.iter().enumerate() {
            let of = rows.iter().filter(|r| chosen(r) && r.estimate == *estimate);
            let of = of.filter(|r| (&*r.placement, &*r.level, &*r.correction) == (*placement, *level, *correction));
            let cosines: Vec<f64> = of.filter_map(|r| r.cosine).collect();
            if !cosines.is_empty() {
                cells.push((x, y, mean(&cosines)));
            }
        }
    }
    cells
}

fn layer(
    rows: &[Record<Row>],
    (estimate, placement, level, correction, series): &(&str, &str, &str, &str, &str),
    policy: &str,
    length: usize,
    value: fn(&Record<Row>) -> Option<f64>,
) -> Layer {
    let of = rows.iter().filter(|r| {
        (&*r.policy, r.length) == (policy, length)
            && r.moved <= 0.0
            && r.kl > 0.0
            && (&*r.estimate, &*r.placement) == (*estimate, *placement)
            && (&*r.level, &*r.correction) == (*level, *correction)
    });
    let points = means(&summary(of.filter_map(|r| Some((r.kl, value(r)?)))));
    let stroke = if *placement == "reward" || *estimate == "exact" { Stroke::Dashed } else { Stroke::Solid };
    Layer::Line { series: (*series).into(), points, stroke, markers: true }
}
