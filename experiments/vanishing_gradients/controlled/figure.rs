//! The figure, laid out as Figure 3 of the paper: one column per model, RFT and SFT on both groups against epochs.

use super::Row;
use super::judge::MODELS;
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Scale, Stroke};
use rewardlab::stats;
use std::collections::BTreeMap;

/// What a row of panels shows.
struct Quantity {
    label: &'static str,
    scale: Scale,
    range: Option<(f64, f64)>,
    /// The variant of the RFT cells, and the reward that is read.
    reward: &'static str,
    /// With the model's other optimiser instead of the main one.
    other_optimizer: bool,
    value: fn(&Row) -> f64,
}

const QUANTITIES: [Quantity; 5] = [
    Quantity {
        label: "mean reward",
        scale: Scale::Linear,
        range: Some((-1.05, 1.05)),
        reward: "normal",
        other_optimizer: false,
        value: |r| r.reward_mean,
    },
    Quantity {
        label: "reward std",
        scale: Scale::Linear,
        range: Some((-0.02, 1.0)),
        reward: "normal",
        other_optimizer: false,
        value: |r| r.reward_std,
    },
    Quantity {
        label: "norm of the group's gradient",
        scale: Scale::Log,
        range: None,
        reward: "normal",
        other_optimizer: false,
        value: |r| r.grad_norm,
    },
    Quantity {
        label: "mean reward, high variant",
        scale: Scale::Linear,
        range: Some((-1.05, 1.05)),
        reward: "high",
        other_optimizer: false,
        value: |r| r.reward_mean,
    },
    Quantity {
        label: "mean reward",
        scale: Scale::Linear,
        range: Some((-1.05, 1.05)),
        reward: "normal",
        other_optimizer: true,
        value: |r| r.reward_mean,
    },
];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let seeds = super::judge::seeds(rows).len();
    let panels = QUANTITIES.iter().flat_map(|q| MODELS.map(|(model, main)| panel(rows, q, model, main)));
    Chart {
        title: "Finetuning with exact gradients: inputs of large and of small reward std".into(),
        subtitle: format!(
            "1,000 Fashion-MNIST images unless `data` names others; mean over {seeds} seeds, bands: 95% t intervals"
        ),
        panels: panels.collect(),
        columns: MODELS.len(),
    }
}

fn panel(rows: &[Record<Row>], q: &Quantity, model: &str, main: &str) -> Panel {
    let optimizer = match (q.other_optimizer, main) {
        (false, main) => main,
        (true, "adam") => "sgd",
        (true, _) => "adam",
    };
    let mut layers = Vec::new();
    for (method, stroke) in [("rft", Stroke::Solid), ("sft", Stroke::Dashed)] {
        let cell = match method {
            "rft" => format!("{model} rft {optimizer} {}", q.reward),
            _ => format!("{model} sft {optimizer}"),
        };
        for group in ["large", "small"] {
            let series = format!("{}, {group} std", method.to_uppercase());
            let of_curve = rows.iter().filter(|r| r.cell == cell && r.reward == q.reward && r.group == group);
            let mut by_epoch: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
            of_curve.for_each(|r| by_epoch.entry(r.epoch).or_default().push((q.value)(r)));
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
