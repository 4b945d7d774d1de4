//! The panels of `group_normalisation`.

use super::group_normalisation::Row;
use crate::statistics::{log_axis, means, summary};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Layer, Panel, Stroke};

/// Dead groups, size of the step, rescaled rewards, times.
pub(crate) fn all(rows: &[Record<Row>]) -> Vec<Panel> {
    vec![dead_panel(rows), factor_panel(rows), rescale_panel(rows), time_panel(rows)]
}

fn line(series: String, points: Vec<(f64, f64)>, markers: bool) -> Layer {
    Layer::Line { series, points, stroke: Stroke::Solid, markers }
}

fn dead_panel(rows: &[Record<Row>]) -> Panel {
    let dead = || rows.iter().filter(|r| r.part == "dead");
    let mut probs: Vec<f64> = dead().filter_map(|r| r.success).collect();
    probs.sort_by(f64::total_cmp);
    probs.dedup();
    let mut layers = Vec::new();
    for p in probs {
        let of = || dead().filter(move |r| r.success == Some(p));
        let formula = summary(of().filter_map(|r| Some((r.group as f64, r.dead_formula?))));
        layers.push(Layer::Reference { label: "pᴳ + (1−p)ᴳ".into(), points: means(&formula) });
        let sampled = means(&summary(of().filter_map(|r| Some((r.group as f64, r.dead_sampled?)))));
        layers.push(Layer::Scatter { series: format!("p = {p}"), points: sampled });
    }
    Panel {
        title: "Dead groups".into(),
        x: log_axis("group size G"),
        y: Axis { label: "probability of a dead group".into(), ..Axis::default() },
        layers,
    }
}

/// One layer per method and group size of the time part.
fn time_layers(rows: &[Record<Row>], value: impl Fn(&Record<Row>) -> Option<f64>) -> Vec<Layer> {
    let mut kinds: Vec<(&str, usize)> =
        rows.iter().filter(|r| r.part == "time").map(|r| (&*r.method, r.group)).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let layer = |(method, group): (&str, usize)| {
        let of = rows.iter().filter(|r| r.part == "time" && (&*r.method, r.group) == (method, group));
        let points = means(&summary(of.filter_map(|r| Some((r.success?, value(r)?)))));
        match method {
            "reinforce" => line("REINFORCE".into(), points, true),
            "grpo" => line(format!("GRPO, G = {group}"), points, true),
            _ => Layer::Reference { label: "GRPO, G → ∞".into(), points },
        }
    };
    kinds.into_iter().map(layer).collect()
}

fn factor_panel(rows: &[Record<Row>]) -> Panel {
    Panel {
        title: "Expected step over policy gradient".into(),
        x: log_axis("probability of success p"),
        y: log_axis("ratio of lengths"),
        layers: time_layers(rows, |r| r.factor),
    }
}

fn rescale_panel(rows: &[Record<Row>]) -> Panel {
    let names = [("reinforce", "REINFORCE"), ("grpo", "GRPO, nothing added to std"), ("grpo+eps", "GRPO, std + 1e-4")];
    let layer = |(method, series): (&str, &str)| {
        let of = rows.iter().filter(|r| r.part == "rescale" && r.method == method);
        line(series.into(), means(&summary(of.filter_map(|r| Some((r.reward_scale, r.step?))))), true)
    };
    Panel {
        title: "Rescaled rewards".into(),
        x: log_axis("factor on the rewards"),
        y: log_axis("‖expected step‖"),
        layers: names.map(layer).into(),
    }
}

fn time_panel(rows: &[Record<Row>]) -> Panel {
    Panel {
        title: "Time to p = 1/2".into(),
        x: log_axis("initial probability of success p₀"),
        y: log_axis("flow time"),
        layers: time_layers(rows, |r| r.time),
    }
}
