//! Reward after RFT by labelled inputs and steps, with RFT alone and the control.

use super::super::little_sft::{self, distinct};
use super::{Row, find};
use crate::statistics::by_seed;
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Scale};
use rewardlab::stats::{Estimate, mean, mean_interval};

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let stuck = |r: &Row| r.stuck_reward.unwrap_or(f64::NAN);
    Chart {
        title: "A little SFT, then RFT, of a transformer".into(),
        subtitle:
            "Answering: 60% of the inputs unseen in plain text; training inputs unless said otherwise; means over seeds, error bars: \
                   95% t intervals. The columns of 0% are one run, RFT alone."
                .into(),
        panels: vec![
            heat(rows, "all inputs", |r| r.reward),
            heat(rows, "inputs of small std and low mean", stuck),
            start_and_end(rows),
            shares(rows),
        ],
        columns: 2,
    }
}

/// The positive fractions and step shares of the rows, increasing.
fn grid(rows: &[Record<Row>]) -> (Vec<f64>, Vec<f64>) {
    let values =
        |column: fn(&Row) -> f64| distinct(rows.iter().filter(|r| r.labels == "references").map(|r| column(r)));
    (values(|r| r.fraction), values(|r| r.steps))
}

/// A column's mean over seeds with its interval.
fn estimate(rows: &[Record<Row>], labels: &str, at: (f64, f64), column: impl Fn(&Row) -> f64) -> Estimate {
    mean_interval(&by_seed(rows, |r| find(r, labels, at).map_or(f64::NAN, &column)))
}

fn heat(rows: &[Record<Row>], title: &str, column: impl Fn(&Row) -> f64) -> Panel {
    little_sft::heat(title, grid(rows), |fraction, steps| {
        let labels = if fraction > 0.0 { "references" } else { "nothing" };
        estimate(rows, labels, (fraction, steps), &column).value
    })
}

/// Before and after RFT: nothing, the control, a little SFT, full SFT.
fn start_and_end(rows: &[Record<Row>]) -> Panel {
    let (fractions, _) = grid(rows);
    let smallest = fractions.first().copied().unwrap_or(f64::NAN);
    let conditions = [
        ("no SFT".to_owned(), "nothing", (0.0, 0.0)),
        (format!("{}%, own samples", 100.0 * smallest), "own_samples", (smallest, 0.4)),
        (format!("{}%, references", 100.0 * smallest), "references", (smallest, 0.4)),
        (format!("{}%, RFT as alone", 100.0 * smallest), "references_rft_alone", (smallest, 0.4)),
        ("full SFT".to_owned(), "references", (1.0, 1.0)),
    ];
    let bars = |column: fn(&Row) -> f64| {
        let bar = |(i, (_, labels, at)): (usize, &(String, &str, (f64, f64)))| {
            let e = estimate(rows, labels, *at, column);
            (i, e.value, e.low, e.high)
        };
        conditions.iter().enumerate().map(bar).collect::<Vec<_>>()
    };
    let columns: [(&str, fn(&Row) -> f64); 4] = [
        ("pretrained", |r| r.pretrained),
        ("after SFT", |r| if r.labels == "nothing" { f64::NAN } else { r.after_sft }),
        ("after RFT", |r| r.reward),
        ("after RFT, held-out inputs", |r| r.held_out),
    ];
    Panel {
        title: "all inputs, 40% of the steps and full SFT".into(),
        x: Axis {
            label: "SFT before RFT".into(),
            categories: conditions.iter().map(|c| c.0.clone()).collect(),
            ..Axis::default()
        },
        y: Axis { label: "mean reward".into(), range: Some((0.0, 1.0)), ..Axis::default() },
        layers: columns.map(|(name, column)| Layer::Bars { series: name.into(), bars: bars(column) }).into(),
    }
}

/// The share of inputs with small std and low mean after SFT, by fraction of inputs.
fn shares(rows: &[Record<Row>]) -> Panel {
    let (fractions, steps) = grid(rows);
    let line = |&s: &f64| Layer::ErrorBars {
        series: format!("{}% of SFT's steps", 100.0 * s),
        points: fractions
            .iter()
            .map(|&f| {
                let e = estimate(rows, "references", (f, s), |r| r.stuck_share_after_sft);
                (100.0 * f, e.value, e.low, e.high)
            })
            .collect(),
    };
    let before = mean(&by_seed(rows, |r| find(r, "nothing", (0.0, 0.0)).map_or(f64::NAN, |r| r.stuck_share)));
    Panel {
        title: "small std and low mean, before RFT".into(),
        x: Axis { label: "labelled inputs in SFT (%)".into(), scale: Scale::Log, ..Axis::default() },
        y: Axis { label: "share of inputs".into(), range: Some((0.0, 1.0)), ..Axis::default() },
        layers: steps.iter().map(line).chain([Layer::Horizontal { label: "before SFT".into(), y: before }]).collect(),
    }
}
