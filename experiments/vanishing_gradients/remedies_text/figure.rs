//! All settings beside plain RFT and SFT, then RFT: over all inputs and over the stuck ones.

use super::{Row, TASK, plain, reference};
use crate::statistics::by_seed;
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel};
use rewardlab::stats::{Estimate, mean_interval};

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let stuck = |r: &Row| r.stuck_reward.unwrap_or(f64::NAN);
    Chart {
        title: "Remedies against vanishing gradients, with a transformer".into(),
        subtitle:
            "answering: 60% of the inputs unseen in plain text; training inputs; bars: means over seeds with 95% t \
                   intervals"
                .into(),
        panels: vec![
            panel(rows, "all inputs", |r| r.reward),
            panel(rows, "inputs of small std and low mean", stuck),
            panel(rows, "the other inputs", |r| r.other_reward),
            control(rows),
        ],
        columns: 2,
    }
}

/// Bars by learning rate and temperature, coloured by entropy bonus and KL coefficient.
fn panel(rows: &[Record<Row>], title: &str, reward: impl Fn(&Row) -> f64) -> Panel {
    let tried: Vec<&Record<Row>> = rows.iter().filter(|r| r.task == TASK && r.treatment == "rft").collect();
    let place = |r: &Row| format!("×{}, T={}", r.learning_rate_factor, r.temperature);
    let colour = |r: &Row| format!("entropy {}, KL {}", r.entropy_weight, r.kl_coefficient);
    let categories = in_order(&tried, place);
    let mut layers = Vec::new();
    for series in in_order(&tried, colour) {
        let bar = |(i, category): (usize, &String)| {
            let of_cell = tried.iter().copied().filter(|r| &place(r) == category && colour(r) == series);
            let e = mean_interval(&by_seed(of_cell, |r| reward(r[0])));
            (i, e.value, e.low, e.high)
        };
        let bars = categories.iter().enumerate().map(bar).collect();
        layers.push(Layer::Bars { series, bars });
    }
    let goal = mean_interval(&by_seed(rows, |r| reference(r, TASK).map_or(f64::NAN, &reward)));
    layers.push(Layer::Horizontal { label: "SFT, then RFT (mean)".into(), y: goal.value });
    Panel {
        title: title.into(),
        x: Axis { label: "learning rate, temperature (×1, T=1: plain)".into(), categories, ..Axis::default() },
        y: Axis { label: "mean reward".into(), range: Some((0.0, 1.0)), ..Axis::default() },
        layers,
    }
}

/// Labels in the order in which they first occur.
fn in_order(rows: &[&Record<Row>], label: impl Fn(&Row) -> String) -> Vec<String> {
    let mut labels = Vec::new();
    for row in rows {
        let label = label(row);
        if !labels.contains(&label) {
            labels.push(label);
        }
    }
    labels
}

/// A quantity of a seed's rows and a task.
type Column = fn(&[&Record<Row>], &str) -> f64;

fn control(rows: &[Record<Row>]) -> Panel {
    let tasks = [TASK, "sentiment"];
    let columns: [(&str, Column); 3] = [
        ("pretrained", |r, task| plain(r, task).map_or(f64::NAN, |r| r.pretrained)),
        ("plain RFT", |r, task| plain(r, task).map_or(f64::NAN, |r| r.reward)),
        ("SFT, then RFT", |r, task| reference(r, task).map_or(f64::NAN, |r| r.reward)),
    ];
    let bar = |column: Column, i: usize| -> (usize, f64, f64, f64) {
        let Estimate { value, low, high, .. } = mean_interval(&by_seed(rows, |r| column(r, tasks[i])));
        (i, value, low, high)
    };
    Panel {
        title: "what there is to recover, and the control".into(),
        x: Axis { label: "task".into(), categories: tasks.map(Into::into).into(), ..Axis::default() },
        y: Axis { label: "mean reward".into(), range: Some((0.0, 1.0)), ..Axis::default() },
        layers: columns
            .map(|(name, column)| Layer::Bars { series: name.into(), bars: vec![bar(column, 0), bar(column, 1)] })
            .into(),
    }
}
