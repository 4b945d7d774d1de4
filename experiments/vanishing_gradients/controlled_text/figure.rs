//! The figure: the third column of the paper's Figure 3, its appendices' variants, and what the control shows.

use super::super::relabelled::{GRADIENT, HIGH, REWARD, STD, panel};
use super::judge::MODEL;
use super::{Row, points};
use crate::statistics::{log_axis, means, seeds, summary};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let (points, seeds): (Vec<_>, _) = (points(rows).collect(), seeds(rows).len());
    let of_optimizer = |optimizer: &str| [REWARD, STD, GRADIENT].map(|q| panel(&points, &q, MODEL, optimizer));
    let mut panels = Vec::from(of_optimizer("adam"));
    panels.extend(of_optimizer("sgd"));
    panels.extend(["adam", "sgd"].map(|optimizer| panel(&points, &HIGH, MODEL, optimizer)));
    panels.push(inside(rows));
    Chart {
        title: "A transformer finetuned with exact gradients: inputs of large and of small reward std".into(),
        subtitle: format!(
            "sentence pairs in six classes of similarity; mean over {seeds} seeds, bands (all panels but the last): 95% t intervals"
        ),
        panels,
        columns: 3,
    }
}

/// The control with labels inside the set: the probabilities of the relabelled inputs' new and old labels.
fn inside(rows: &[Record<Row>]) -> Panel {
    let mut layers = Vec::new();
    for (name, variant) in [("all inputs", "inside"), ("relabelled alone", "alone inside")] {
        let cell = format!("{MODEL} rft adam {variant}");
        let quantities: [(_, _, fn(&Row) -> f64); 2] = [
            ("new", Stroke::Solid, |r| f64::midpoint(r.reward_mean, 1.0)),
            ("old", Stroke::Dashed, |r| r.own_probability),
        ];
        for (label, stroke, value) in quantities {
            let of = rows.iter().filter(|r| r.cell == cell && r.group == "small");
            let points = means(&summary(of.map(|r| (r.epoch as f64 + 1.0, value(r)))));
            layers.push(Layer::Line { series: format!("{name}: {label} label"), points, stroke, markers: false });
        }
    }
    Panel {
        title: "RFT with Adam, new labels inside the set".into(),
        x: log_axis("epoch + 1"),
        y: Axis { label: "probability".into(), range: Some((-0.02, 1.02)), ..Axis::default() },
        layers,
    }
}
