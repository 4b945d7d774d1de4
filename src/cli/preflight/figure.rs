//! Reward std against mean, prompt by prompt, and dead groups by size.

use super::{Report, Row};
use crate::plot::{Axis, Chart, Layer, Panel, Scale};

pub(super) fn chart(report: &Report) -> Chart {
    let of = |state: &'static str| report.rows.iter().filter(move |r| r.state == state);
    let cloud = |state: &'static str, name: &str| Layer::ErrorBars {
        series: name.into(),
        points: of(state).map(|r: &Row| (r.mean, r.std, r.std_low, r.std_high)).collect(),
    };
    let mut clouds: Vec<Layer> =
        [("alive", "alive"), ("open", "open"), ("mastered", "vanishing, mastered"), ("stuck", "vanishing, stuck")]
            .into_iter()
            .filter(|(state, _)| of(state).next().is_some())
            .map(|(state, name)| cloud(state, name))
            .collect();
    clouds.push(Layer::Horizontal { label: "counts as vanished".into(), y: report.said.threshold });
    let dead = report.groups.iter().enumerate().map(|(i, _)| {
        let e = report.said.dead(i);
        (i, e.value, e.low, e.high)
    });
    let axis = |label: &str| Axis { label: label.into(), ..Axis::default() };
    let samples: usize = report.said.rewards.iter().map(Vec::len).sum();
    Chart {
        title: "Preflight: which prompts will have a gradient".into(),
        subtitle: format!(
            "{} prompts, {samples} sampled rewards ({}); intervals: 95% of the posterior.",
            report.rows.len(),
            report.reward
        ),
        panels: vec![
            Panel {
                title: "Prompts".into(),
                x: axis("mean reward"),
                y: axis("reward std under the model"),
                layers: clouds,
            },
            Panel {
                title: "Dead groups".into(),
                x: Axis {
                    label: "completions in a group".into(),
                    scale: Scale::Linear,
                    categories: report.groups.iter().map(usize::to_string).collect(),
                    ..Axis::default()
                },
                y: Axis { label: "expected share of groups".into(), range: Some((0.0, 1.0)), ..Axis::default() },
                layers: vec![Layer::Bars { series: "dead groups".into(), bars: dead.collect() }],
            },
        ],
        columns: 2,
    }
}
