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
    pub(crate) value: fn(&Point) -> f64,
}

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
            let means: Vec<_> = by_epoch.iter().map(|(&e, v)| (e as f64 + 1.0, stats::mean_interval(v))).collect();
            layers.push(Layer::Band {
                series: series.clone(),
                points: means.iter().map(|(x, m)| (*x, m.low, m.high)).collect(),
            });
            let points = means.iter().map(|(x, m)| (*x, m.value)).collect();
            layers.push(Layer::Line { series, points, stroke, markers: false });
        }
    }
    Panel {
        title: format!("{model}, {optimizer}"),
        x: Axis { label: "epoch + 1".into(), scale: Scale::Log, ..Axis::default() },
        y: Axis { label: q.label.into(), scale: q.scale, range: q.range, ..Axis::default() },
        layers,
    }
}
