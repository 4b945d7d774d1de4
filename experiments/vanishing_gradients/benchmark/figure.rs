//! The benchmark's figure: inputs before and after finetuning, means per task, the gap against the small stds.

use super::{OTHERS, Row, SMALL, of};
use crate::statistics::by_seed;
use rewardlab::env::text::TASKS;
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel};
use rewardlab::stats::{mean, mean_interval};

const POLICIES: [(&str, &str); 4] =
    [("pretrained", "pretrained"), ("rft", "RFT"), ("sft", "SFT"), ("sft_rft", "SFT, then RFT")];

/// Whose changes are correlated with the std.
const CORRELATED: [(&str, &str); 4] =
    [("pretrained", "pretrained"), ("rft", "RFT"), ("rft_plain", "RFT, advantages not normalised"), ("sft", "SFT")];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let mut panels: Vec<Panel> = ["answering", "sentiment"]
        .iter()
        .flat_map(|task| POLICIES[..3].iter().map(|(policy, name)| inputs(rows, task, policy, name)))
        .collect();
    panels.extend([
        gap(rows),
        means(rows, "tasks with unseen inputs", &SMALL),
        means(rows, "the others", &OTHERS),
        stuck(rows),
        correlations(rows),
        gradients(rows),
    ]);
    Chart {
        title: "Seven text tasks, one transformer: RFT, SFT, and both".into(),
        subtitle:
            "Held-out inputs; mean and std of the reward from samples. Points per input: seed 0; bars: 95% t intervals \
                   over seeds. Below right: RFT's ratios are too small for a bar to be seen."
                .into(),
        panels,
        columns: 3,
    }
}

fn inputs(rows: &[Record<Row>], task: &str, policy: &str, name: &str) -> Panel {
    let cloud = |kind: &str| Layer::Scatter {
        series: kind.into(),
        points: rows
            .iter()
            .filter(|r| r.cell == task && r.policy == policy && r.input.is_some() && r.kind == kind)
            .map(|r| (r.reward_std, r.reward))
            .collect(),
    };
    let kinds = if task == "sentiment" { ["familiar", "settled"] } else { ["familiar", "unseen"] };
    Panel {
        title: format!("{task}: {name}"),
        x: Axis { label: "reward std of the input".into(), range: Some((-0.02, 0.52)), ..Axis::default() },
        y: Axis { label: "mean reward".into(), range: Some((-0.03, 1.03)), ..Axis::default() },
        layers: kinds.map(cloud).into(),
    }
}

/// The gap of each task, in the order of the 10th percentile of its std.
fn gap(rows: &[Record<Row>]) -> Panel {
    let std = |task: &str| mean(&by_seed(rows, |r| of(r, task, "pretrained", "held_out", |r| r.std_10th)));
    let mut tasks: Vec<(f64, &str)> = TASKS.map(|t| (std(t.name()), t.name())).into();
    tasks.sort_by(|a, b| a.0.total_cmp(&b.0));
    let bar = |(i, (_, task)): (usize, &(f64, &str))| {
        let reward = |r: &[&Record<Row>], policy: &str| of(r, task, policy, "held_out", |r| Some(r.reward));
        let e = mean_interval(&by_seed(rows, |r| reward(r, "rft") - reward(r, "sft")));
        (i, e.value, e.low, e.high)
    };
    Panel {
        title: "the gap".into(),
        x: Axis {
            label: "task: 10th percentile of std".into(),
            categories: tasks.iter().map(|(std, task)| format!("{task}: {std:.2}")).collect(),
            ..Axis::default()
        },
        y: Axis { label: "mean reward, RFT − SFT".into(), ..Axis::default() },
        layers: vec![
            Layer::Bars { series: "RFT − SFT".into(), bars: tasks.iter().enumerate().map(bar).collect() },
            Layer::Horizontal { label: "equal".into(), y: 0.0 },
        ],
    }
}

fn means(rows: &[Record<Row>], title: &str, tasks: &[&str]) -> Panel {
    let bars = |policy: &str| {
        let bar = |(i, task): (usize, &&str)| {
            let e = mean_interval(&by_seed(rows, |r| of(r, task, policy, "held_out", |r| Some(r.reward))));
            (i, e.value, e.low, e.high)
        };
        tasks.iter().enumerate().map(bar).collect::<Vec<_>>()
    };
    Panel {
        title: title.into(),
        x: Axis { label: "task".into(), categories: tasks.iter().map(|t| (*t).into()).collect(), ..Axis::default() },
        y: Axis { label: "mean reward".into(), range: Some((0.0, 1.05)), ..Axis::default() },
        layers: POLICIES.map(|(policy, name)| Layer::Bars { series: name.into(), bars: bars(policy) }).into(),
    }
}

/// Bars over the three tasks, a column of several policies' held-out summaries.
fn bars(
    rows: &[Record<Row>],
    policies: &[(&str, &str)],
    split: &str,
    column: impl Fn(&Row) -> Option<f64>,
) -> Vec<Layer> {
    let bar = |policy: &str, (i, task): (usize, &&str)| {
        let e = mean_interval(&by_seed(rows, |r| of(r, task, policy, split, &column)));
        (i, e.value, e.low, e.high)
    };
    let of_policy = |(policy, name): &(&str, &str)| Layer::Bars {
        series: (*name).into(),
        bars: SMALL.iter().enumerate().map(|at| bar(policy, at)).collect(),
    };
    policies.iter().map(of_policy).collect()
}

fn tasks_axis() -> Axis {
    Axis { label: "task".into(), categories: SMALL.map(Into::into).into(), ..Axis::default() }
}

/// What finetuning gains on the inputs of small std and low mean.
fn stuck(rows: &[Record<Row>]) -> Panel {
    let policies = [("rft", "RFT"), ("rft_plain", "RFT, advantages not normalised"), ("sft", "SFT")];
    let mut layers = bars(rows, &policies, "held_out", |r| r.stuck_gain);
    layers.push(Layer::Horizontal { label: "criterion for RFT: at most 0.05".into(), y: 0.05 });
    Panel {
        title: "inputs of small std, low mean".into(),
        x: tasks_axis(),
        y: Axis { label: "share of missing reward gained".into(), range: Some((0.0, 1.05)), ..Axis::default() },
        layers,
    }
}

fn correlations(rows: &[Record<Row>]) -> Panel {
    let mut layers = bars(rows, &CORRELATED, "held_out", |r| r.correlation);
    layers.push(Layer::Horizontal { label: "zero".into(), y: 0.0 });
    Panel {
        title: "std and |change| (pretrained: noise)".into(),
        x: tasks_axis(),
        y: Axis { label: "Pearson correlation".into(), range: Some((-1.0, 1.0)), ..Axis::default() },
        layers,
    }
}

/// How much smaller the gradients of unseen inputs are at the start.
fn gradients(rows: &[Record<Row>]) -> Panel {
    let point = |(i, task): (usize, &&str), column: fn(&Row) -> Option<f64>| {
        let e = mean_interval(&by_seed(rows, |r| of(r, task, "pretrained", "train", column)));
        (i, e.value, e.low, e.high)
    };
    let series = |name: &str, column: fn(&Row) -> Option<f64>| Layer::Bars {
        series: name.into(),
        bars: SMALL.iter().enumerate().map(|at| point(at, column)).collect(),
    };
    Panel {
        title: "gradients before finetuning".into(),
        x: tasks_axis(),
        y: Axis { label: "norm, unseen over familiar".into(), ..Axis::default() },
        layers: vec![
            series("RFT", |r| r.rft_gradient_ratio),
            series("SFT", |r| r.sft_gradient_ratio),
            Layer::Horizontal { label: "equal".into(), y: 1.0 },
        ],
    }
}
