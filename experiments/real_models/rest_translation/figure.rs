//! The figure: reward and gold along the chains, and the best of N.

use super::Row;
use crate::statistics::{banded, intervals, log_axis, seeds};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};

/// In the legend, cell, G.
const CHAINS: [(&str, &str, usize); 4] = [
    ("first Grow", "rest", 1),
    ("second Grow", "rest", 2),
    ("first Grow, chosen at random", "random", 1),
    ("supervised data alone", "supervised", 0),
];
const POOLS: [(&str, usize); 3] = [("supervised", 0), ("after one Grow", 1), ("after two Grows", 2)];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    Chart {
        title: "ReST on parallel text with a learned reward".into(),
        subtitle: format!(
            "Test sources; reward: share of the supervised model's rated samples that the reward model scores lower; gold: chrF to the \
             reference. Step 0 trains on everything; lines: means over {} seeds, bands: 95% t intervals.",
            seeds(rows).len()
        ),
        panels: vec![
            along(rows, "Reward", "learned reward", |r| Some(r.reward)),
            along(rows, "Gold", "chrF of samples", |r| Some(r.gold)),
            along(rows, "Gold, likeliest tokens", "chrF of greedy outputs", |r| r.greedy),
            best_of(rows, "Best of N: reward", "learned reward", |r| r.reward),
            best_of(rows, "Best of N: gold", "chrF of the best by reward", |r| r.gold),
            along(rows, "Second metric", "sentence BLEU", |r| r.bleu),
        ],
        columns: 3,
    }
}

fn along(rows: &[Record<Row>], title: &str, label: &str, column: fn(&Row) -> Option<f64>) -> Panel {
    let single = || rows.iter().filter(|r| r.n == 1);
    let of_chain = |(series, cell, grow): (&str, &str, usize)| {
        // the supervised model itself is a line of its own
        let own = single().filter(|r| r.cell == cell && r.grow == grow);
        let points = own.filter_map(|r| Some((r.improve as f64, column(r)?)));
        let stroke = if cell == "rest" { Stroke::Solid } else { Stroke::Dashed };
        banded(series, &intervals(points), stroke)
    };
    let start = single().filter(|r| r.cell == "rest" && r.grow == 0).filter_map(|r| Some((0.0, column(r)?)));
    let mut layers: Vec<Layer> = CHAINS.into_iter().flat_map(of_chain).collect();
    layers.extend(intervals(start).into_iter().map(|s| Layer::Horizontal { label: "supervised".into(), y: s.1 }));
    let axis = |label: &str| Axis { label: label.into(), ..Axis::default() };
    Panel { title: title.into(), x: axis("Improve step I"), y: axis(label), layers }
}

fn best_of(rows: &[Record<Row>], title: &str, label: &str, column: fn(&Row) -> f64) -> Panel {
    let of_pool = |(series, grow): (&str, usize)| {
        let own = || rows.iter().filter(move |r| r.cell == "rest" && r.grow == grow);
        let last = own().map(|r| r.improve).max().unwrap_or(0);
        let points = own().filter(|r| r.improve == last).map(|r| (f64::from(r.n), column(r)));
        banded(series, &intervals(points), Stroke::Solid)
    };
    let layers = POOLS.into_iter().flat_map(of_pool).collect();
    let y = Axis { label: label.into(), ..Axis::default() };
    Panel { title: title.into(), x: log_axis("N"), y, layers }
}
