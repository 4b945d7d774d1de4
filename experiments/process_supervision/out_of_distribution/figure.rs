//! Bars by distribution.

use super::Row;
use crate::statistics::seeds;
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel};
use rewardlab::stats::{mean, mean_interval};

const SETS: [(&str, &str); 6] = [
    ("training", "as trained"),
    ("longer", "longer"),
    ("other_mix", "other mix"),
    ("new_operator", "new operator"),
    ("new_modulus", "new modulus (null)"),
    ("blind", "control (null)"),
];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let of = |set: &'static str, method: &'static str| rows.iter().filter(move |r| r.set == set && r.method == method);
    let solved = |set, method| of(set, method).map(|r| r.solved).collect::<Vec<f64>>();
    let bar = |i: usize, values: &[f64]| {
        let e = mean_interval(values);
        (i, e.value, e.low, e.high)
    };
    let bars = |method: &'static str, series: &str| Layer::Bars {
        series: series.into(),
        bars: SETS.iter().enumerate().map(|(i, (set, _))| bar(i, &solved(set, method))).collect(),
    };
    let gaps = |other: &'static str, series: &str| {
        let gap = |set: &'static str| -> Vec<f64> {
            let of_seed = |a: &Record<Row>| of(set, other).find(|b| b.seed == a.seed).map(|b| a.solved - b.solved);
            of(set, "process").filter_map(of_seed).collect()
        };
        let bars = SETS.iter().enumerate().map(|(i, (set, _))| bar(i, &gap(set))).collect();
        Layer::Bars { series: series.into(), bars }
    };
    let categories: Vec<String> = SETS.iter().map(|(_, name)| (*name).to_owned()).collect();
    let axis = || Axis { label: "problems".into(), categories: categories.clone(), ..Axis::default() };
    let rates: Vec<String> = SETS
        .iter()
        .map(|(set, name)| format!("{name} {:.2}", mean(&of(set, "process").map(|r| r.pass_rate).collect::<Vec<_>>())))
        .collect();
    let n = rows.iter().map(|r| r.n).max().unwrap_or(0);
    Chart {
        title: "Problems unlike those of training".into(),
        subtitle: format!(
            "Best of {n}. Means over {} seeds, 95% t intervals. Null: nothing that was learned can be used, all models choose alike (control: a new \
             operator alone, manners that tell nothing). Pass rates: {}.",
            seeds(rows).len(),
            rates.join(", ")
        ),
        panels: vec![
            Panel {
                title: "Share solved".into(),
                x: axis(),
                y: Axis { label: "share of problems solved".into(), range: Some((0.0, 1.0)), ..Axis::default() },
                layers: vec![
                    bars("process", "process"),
                    bars("outcome", "outcome"),
                    bars("majority", "majority"),
                    bars("linear", "linear outcome"),
                ],
            },
            Panel {
                title: "Lead of the process model".into(),
                x: axis(),
                y: Axis { label: "share solved: process less the other".into(), ..Axis::default() },
                layers: vec![
                    gaps("outcome", "lead over outcome model"),
                    gaps("outcome_many", "lead over outcome model with more solutions"),
                    Layer::Horizontal { label: "paper, aggregate: 0.091 (reported second-hand)".into(), y: 0.091 },
                ],
            },
        ],
        columns: 1,
    }
}
