//! A panel of Figure 3: RFT and SFT on both groups against epochs.

use super::judge::Point;
use rewardlab::plot::{Axis, Layer, Panel, Scale, Stroke};
use rewardlab::stats;
use std::collections::BTreeMap;

/// What a panel shows.
pub(crate) struct Quantity {
    pub(crate) label: &'static str,
    pub(crate) scale: Scale,
    pub(crate) range: Option<(f64, f64)>,
    /// The variant of the RFT cells, and the reward that is read.
    pub(crate) reward: &'static str,
    /// Whether mean and interval are those of the logarithm: an interval of what varies by factors stays above zero.
    pub(crate) geometric: bool,
    pub(crate) value: fn(&Point) -> f64,
}

/// The reward as it is, group means.
pub(crate) const REWARD: Quantity = Quantity {
    label: "mean reward",
    scale: Scale::Linear,
    range: Some((-1.05, 1.05)),
    reward: "normal",
    geometric: false,
    value: |p| p.reward_mean,
};
/// The reward's std, group means.
pub(crate) const STD: Quantity =
    Quantity { label: "reward std", range: Some((-0.02, 1.0)), value: |p| p.reward_std, ..REWARD };
/// Each group's gradient; it varies by factors.
pub(crate) const GRADIENT: Quantity = Quantity {
    label: "norm of the group's gradient",
    scale: Scale::Log,
    range: None,
    geometric: true,
    value: |p| p.grad_norm,
    ..REWARD
};
/// The reward of the high variant.
pub(crate) const HIGH: Quantity = Quantity { label: "mean reward, high variant", reward: "high", ..REWARD };

/// Means over seeds, bands of 95% t intervals.
pub(crate) fn panel(points: &[Point], q: &Quantity, model: &str, optimizer: &str) -> Panel {
    let mut layers = Vec::new();
    for (method, stroke) in [("rft", Stroke::Solid), ("sft", Stroke::Dashed)] {
        let cell = match method {
            "rft" => format!("{model} rft {optimizer} {}", q.reward),
            _ => format!("{model} sft {optimizer}"),
        };
        for group in ["large", "small"] {
            let series = format!("{}, {group} std", method.to_uppercase());
            let mut by_epoch: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
            for p in points.iter().filter(|p| p.curve == (cell.as_str(), q.reward, group)) {
                by_epoch.entry(p.epoch).or_default().push((q.value)(p));
            }
            let means: Vec<_> = by_epoch.iter().map(|(&e, v)| (e as f64 + 1.0, mean(v, q.geometric))).collect();
            layers.push(Layer::Band {
                series: series.clone(),
                points: means.iter().map(|&(x, [_, low, high])| (x, low, high)).collect(),
            });
            let points = means.iter().map(|&(x, [mean, ..])| (x, mean)).collect();
            layers.push(Layer::Line { series, points, stroke, markers: false });
        }
    }
    Panel {
        title: format!("{model}, {}", if optimizer == "sgd" { "SGD" } else { "Adam" }),
        x: Axis { label: "epoch + 1".into(), scale: Scale::Log, ..Axis::default() },
        y: Axis { label: q.label.into(), scale: q.scale, range: q.range, ..Axis::default() },
        layers,
    }
}

/// Mean over seeds, lower and upper end of its interval.
fn mean(values: &[f64], geometric: bool) -> [f64; 3] {
    let of = |values: &[f64]| {
        let m = stats::mean_interval(values);
        [m.value, m.low, m.high]
    };
    if geometric { of(&values.iter().map(|v| v.ln()).collect::<Vec<_>>()).map(f64::exp) } else { of(values) }
}
