//! Reward std against mean, prompt by prompt, and dead groups by size.

use super::again::{Again, Change};
use super::{Report, Row};
use crate::metrics::Spreads;
use crate::plot::{Axis, Chart, Layer, Panel, Scale, Stroke};
use crate::stats::Estimate;

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
    let samples: usize = report.said.rewards.iter().map(Vec::len).sum();
    let mut panels = vec![
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
    ];
    let hot = |a: &Again| match a.change {
        Change::Temperature(t) => Some(t),
        _ => None,
    };
    let heat = format!("temperature ({}: control, sampled again too)", report.temperature);
    panels.extend(changed(report, hot, report.temperature, ("At other temperatures", heat.as_str())));
    let tried = |a: &Again| match a.change {
        Change::Sft { share, .. } => Some(share),
        _ => None,
    };
    let share = "share of the prompts that it is on (0: control, sampled again too)";
    panels.extend(changed(report, tried, 0.0, ("After supervised finetuning", share)));
    Chart {
        title: "Preflight: which prompts will have a gradient".into(),
        subtitle: format!(
            "{}, {samples} sampled rewards ({}); intervals: 95% of the posterior.",
            super::prompts_of(report.rows.len()),
            report.reward
        ),
        panels,
        columns: 2,
    }
}

fn axis(label: &str) -> Axis {
    Axis { label: label.into(), ..Axis::default() }
}

/// The prompts that were measured again: their reward std and dead groups against what was changed; `place` of a change of this kind, `first`
/// where nothing was.
fn changed(
    report: &Report,
    place: impl Fn(&Again) -> Option<f64>,
    first: f64,
    (title, label): (&str, &str),
) -> Vec<Panel> {
    let own: Vec<(f64, &Again)> = report.again.iter().filter_map(|a| Some((place(a)?, a))).collect();
    let Some((_, any)) = own.first() else { return Vec::new() };
    let mut all: Vec<(f64, &Spreads)> = own.iter().map(|(x, a)| (*x, &a.after)).collect();
    all.push((first, &any.before));
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let bars = |of: &dyn Fn(&Spreads) -> Estimate| -> Vec<(f64, f64, f64, f64)> {
        let bar = |(x, e): (f64, Estimate)| (x, e.value, e.low, e.high);
        all.iter().map(|(x, s)| bar((*x, of(s)))).collect()
    };
    let line = |series: &str, points: &[(f64, f64, f64, f64)]| {
        let through = points.iter().map(|p| (p.0, p.1)).collect();
        let stroke = Stroke::Solid;
        [
            Layer::Line { series: series.into(), points: through, stroke, markers: false },
            Layer::ErrorBars { series: series.into(), points: points.to_vec() },
        ]
    };
    let mut stds = line("mean reward std", &bars(&Spreads::std)).to_vec();
    stds.push(Layer::Horizontal { label: "counts as vanished".into(), y: report.said.threshold });
    // their intervals, which lie over each other, are on the page
    let dead = |(i, group): (usize, &usize)| Layer::Line {
        series: format!("groups of {group}"),
        points: bars(&|s| s.dead(i)).into_iter().map(|p| (p.0, p.1)).collect(),
        stroke: Stroke::Solid,
        markers: true,
    };
    let count = any.prompts.len();
    vec![
        Panel {
            title: format!("{title}: {}", super::prompts_of(count)),
            x: axis(label),
            y: axis("reward std, mean over prompts"),
            layers: stds,
        },
        Panel {
            title: format!("{title}: dead groups"),
            x: axis(label),
            y: Axis { label: "expected share of groups".into(), range: Some((0.0, 1.0)), ..Axis::default() },
            layers: report.groups.iter().enumerate().map(dead).collect(),
        },
    ]
}
