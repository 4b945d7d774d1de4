//! The figure: prompts before and after finetuning, means per policy, what the stuck prompts gain, correlations.

use super::{Row, of, tasks};
use crate::statistics::by_seed;
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel};
use rewardlab::stats::mean_interval;

/// In the rows, on the axis, in a title.
const POLICIES: [(&str, &str, &str); 6] = [
    ("pretrained", "none", "pretrained"),
    ("rft", "RFT", "after RFT"),
    ("sft", "SFT", "after SFT"),
    ("sft_rft", "SFT+RFT", "after SFT, then RFT"),
    ("little_sft", "little SFT", "after a little SFT"),
    ("little_sft_rft", "little+RFT", "after a little SFT, then RFT"),
];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let names = [tasks(rows, true), tasks(rows, false)].concat();
    let mut panels: Vec<Panel> = names
        .iter()
        .flat_map(|task| POLICIES[..3].iter().map(|(policy, _, title)| prompts(rows, task, policy, title)))
        .collect();
    panels.extend([
        bars(rows, &names, "mean reward", Some((0.0, 1.05)), 0, |r| Some(r.reward), None),
        bars(
            rows,
            &tasks(rows, true),
            "stuck prompts: share of the missing reward gained",
            None,
            1,
            |r| r.stuck_gain,
            Some(("criterion for RFT: at most 0.05", 0.05)),
        ),
        bars(
            rows,
            &names,
            "std and |change|, Pearson correlation",
            Some((-1.0, 1.0)),
            0,
            |r| r.correlation,
            Some(("zero", 0.0)),
        ),
    ]);
    Chart {
        title: "A language model and its prompts: RFT, SFT, and a little SFT before RFT".into(),
        subtitle: "Held-out prompts; mean and std of the reward from samples. Points per prompt: seed 0; bars: 95% t intervals over seeds. \
                   `none` in the last panel: two lots of samples of one model."
            .into(),
        panels,
        columns: 3,
    }
}

fn prompts(rows: &[Record<Row>], task: &str, policy: &str, title: &str) -> Panel {
    let points: Vec<(f64, f64)> = rows
        .iter()
        .filter(|r| r.cell == task && r.policy == policy && r.prompt.is_some())
        .map(|r| (r.reward_std, r.reward))
        .collect();
    // they lie on one another
    let at_zero = points.iter().filter(|p| **p == (0.0, 0.0)).count();
    Panel {
        title: format!("{task}: {title} ({at_zero} of {} at 0, 0)", points.len()),
        x: Axis { label: "reward std of the prompt".into(), range: Some((-0.02, 0.57)), ..Axis::default() },
        y: Axis { label: "mean reward".into(), range: Some((-0.03, 1.03)), ..Axis::default() },
        layers: vec![Layer::Scatter { series: "a prompt".into(), points }],
    }
}

/// A column of every policy but the first `skip`, task by task.
fn bars(
    rows: &[Record<Row>],
    tasks: &[String],
    label: &str,
    range: Option<(f64, f64)>,
    skip: usize,
    column: fn(&Row) -> Option<f64>,
    line: Option<(&str, f64)>,
) -> Panel {
    let policies = &POLICIES[skip..];
    let of_task = |task: &String| {
        let bar = |(i, (policy, ..)): (usize, &(&str, &str, &str))| {
            let e = mean_interval(&by_seed(rows, |r| of(r, task, policy, column)));
            (i, e.value, e.low, e.high)
        };
        Layer::Bars { series: task.clone(), bars: policies.iter().enumerate().map(bar).collect() }
    };
    let mut layers: Vec<Layer> = tasks.iter().map(of_task).collect();
    layers.extend(line.map(|(label, y)| Layer::Horizontal { label: label.into(), y }));
    Panel {
        title: label.split([':', ',']).next().unwrap_or(label).into(),
        x: Axis {
            label: "finetuning".into(),
            categories: policies.iter().map(|(_, name, _)| (*name).into()).collect(),
            ..Axis::default()
        },
        y: Axis { label: label.into(), range, ..Axis::default() },
        layers,
    }
}
