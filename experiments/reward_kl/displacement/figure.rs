//! The change of the chosen's likelihood, how often it falls, and the ledger.

use super::Row;
use super::judge::{fallen, of};
use crate::statistics::{by_seed, means, summary};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::stats::{mean, mean_interval};

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let cloud = |series: &str, kind: &str, x: fn(&Row) -> Option<f64>| Layer::Scatter {
        series: series.into(),
        points: of(rows, kind).filter(|r| r.seed == rows[0].seed).filter_map(|r| Some((x(r)?, r.chosen))).collect(),
    };
    let zero = || Layer::Horizontal { label: "unchanged".into(), y: 0.0 };
    let change = || Axis { label: "change of log π(chosen) (nats)".into(), ..Axis::default() };
    let panel = |title: &str, x: &str, layers: Vec<Layer>| Panel {
        title: title.into(),
        x: Axis { label: x.into(), ..Axis::default() },
        y: change(),
        layers,
    };
    let often = |series: &str, kind: &str| Layer::Line {
        series: series.into(),
        points: means(&summary(of(rows, kind).map(|r| (r.similarity, f64::from(u8::from(r.chosen < 0.0)))))),
        stroke: Stroke::Solid,
        markers: true,
    };
    let entries: [(&str, fn(&Row) -> Option<f64>); 4] = [
        ("chosen", |r| r.ledger_chosen),
        ("rejected", |r| r.ledger_rejected),
        ("named by theory", |r| r.ledger_named),
        ("all others", |r| r.ledger_others),
    ];
    let bar = |(i, (_, of_row)): (usize, &(&str, fn(&Row) -> Option<f64>))| {
        let e = mean_interval(&by_seed(fallen(rows, "single"), |g| {
            mean(&g.iter().filter_map(|r| of_row(r)).collect::<Vec<_>>())
        }));
        (i, e.value, e.low, e.high)
    };
    let names = entries.iter().map(|e| e.0.into()).collect();
    Chart {
        title: "Likelihood displacement: where the chosen mass goes".into(),
        subtitle:
            "One pair, DPO's exact gradient flow until its margin has grown by a fixed amount; each point one pair of a random \
                   model (first seed). Bars: mean over displaced pairs of one token, unembeddings trained, 95% t intervals over seeds."
                .into(),
        panels: vec![
            panel(
                "One token",
                "⟨W⁺, W⁻⟩",
                vec![
                    zero(),
                    cloud("one token", "single", |r| r.alignment),
                    cloud("one token, unembeddings stay", "given", |r| r.alignment),
                ],
            ),
            panel("Several tokens", "CHES", vec![zero(), cloud("several tokens", "multi", |r| Some(r.ches))]),
            Panel {
                title: "How often".into(),
                x: Axis { label: "similarity of chosen and rejected".into(), ..Axis::default() },
                y: Axis { label: "share of pairs whose chosen falls".into(), ..Axis::default() },
                layers: vec![
                    often("one token", "single"),
                    often("one token, unembeddings stay", "given"),
                    often("several tokens", "multi"),
                    often("one token, tabular (control)", "tabular"),
                ],
            },
            Panel {
                title: "The ledger of the displaced".into(),
                x: Axis { label: "token".into(), categories: names, ..Axis::default() },
                y: Axis { label: "change of probability".into(), ..Axis::default() },
                layers: vec![Layer::Bars {
                    series: "displaced pairs".into(),
                    bars: entries.iter().enumerate().map(bar).collect(),
                }],
            },
        ],
        columns: 2,
    }
}
